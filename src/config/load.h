/* load.h: from file, environment and command line to struct settings. */
#ifndef CONFIG_LOAD_H
#define CONFIG_LOAD_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/detail.h"
#include "base/result.h"
#include "config/settings.h"

enum { CONFIG_FILE_MAX = 1024 * 1024, CONFIG_NESTING_MAX = 16, CONFIG_LIST_MAX = 1000 };

struct config; /* settings and where each came from */

/* All defaults. */
RESULT config_new(struct config **out);
void config_free(struct config *config); /* accepts NULL */
DEFINE_CLEANUP(struct config, config_free);

/* Each overrides what was set before it. Order: file, environment, flags. Every failure is
 * BAD_INPUT (NOT_FOUND: no such file) with `detail` naming the place ("config.yaml line 7:
 * server.listen_prt") and, for an unknown name, the nearest one ("did you mean
 * server.listen_port?"). */
RESULT config_read_file(struct config *config, const char *path, struct detail *detail);
/* `environment` is environ. Names start with CONTAINMENT_, levels are divided by __, any case.
 * Unknown ones are errors, except CONTAINMENT_CONFIG. */
RESULT config_read_environment(struct config *config, char *const *environment,
                               struct detail *detail);
/* One flag: --name value or --name=value, or --name for a boolean. `*used_out` is the number of
 * arguments it took (1 or 2), 0 when `arguments[0]` is no setting's flag. */
RESULT config_read_flag(struct config *config, int count, char *const *arguments, int *used_out,
                        struct detail *detail);

/* What no single value shows: settings that contradict each other or lack each other. */
RESULT config_validate(const struct config *config, struct detail *detail);

const struct settings *config_settings(const struct config *config);

/* Where the setting's value came from: "default", "config.yaml line 7",
 * "CONTAINMENT_SERVER__LISTEN_PORT", "--server-listen-port". */
const char *config_origin(const struct config *config, const char *name);

/* The effective settings with their origins, one a line, for --check-config. */
void config_describe(const struct config *config, struct buf *out);

/* The flags with their help, for `server --help`. */
void config_help(struct buf *out);
/* config.example.yaml, and docs/configuration.md. */
void config_example(struct buf *out);
void config_reference(struct buf *out);

#endif
