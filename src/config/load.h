/* load.h: from file, environment and command line to struct settings. The layer's front door:
 * whoever includes this has all of it. */
#ifndef CONFIG_LOAD_H
#define CONFIG_LOAD_H

#include "base/detail.h"
#include "base/result.h"
#include "config/config.h"   /* struct config: settings and where each came from */
#include "config/pages.h"    /* --help, the example file, the reference page */
#include "config/settings.h" /* the values */
#include "config/validate.h" /* settings that contradict each other */

enum { CONFIG_FILE_MAX = 1024 * 1024 };

/* Each overrides what was set before it. Order: file, environment, flags; one call for the file and
 * for the environment, one for each flag. Failures are BAD_INPUT, with `detail` naming the place
 * ("config.yaml line 7: server.listen_prt") and, for an unknown name, the nearest one ("did you
 * mean server.listen_port?"); LIMIT, when file, text or list is too long; UNAVAILABLE, when the
 * file cannot be read or memory ran out; NOT_FOUND: no such file. After a failure a part may have
 * been taken: the config is good for nothing but config_free(). */
RESULT config_read_file(struct config *config, const char *path, struct detail *detail);

/* `environment` is environ, which may be NULL. Names start with CONTAINMENT_, levels are divided by
 * __, any case. Unknown ones are errors, except CONTAINMENT_CONFIG, and those that Kubernetes makes
 * for a service whose name begins with "containment-" (CONTAINMENT_CHAMBER_SERVICE_HOST, …). */
RESULT config_read_environment(struct config *config, char *const *environment,
                               struct detail *detail);

/* One flag: --name value or --name=value; for a boolean, --name alone is true. `*used_out` is the
 * number of arguments it took (1 or 2), 0 when `arguments[0]` is no setting's flag; `detail` then
 * holds the argument and the nearest flag, for the caller who knows no such flag either. A value
 * that begins with -- needs the = form. */
RESULT config_read_flag(struct config *config, int count, char *const *arguments, int *used_out,
                        struct detail *detail);

#endif
