/* config.h: the settings' values, and where each came from. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/detail.h"
#include "base/result.h"
#include "config/settings.h"

#include <stddef.h>

struct config; /* settings and where each came from */

/* All defaults. UNAVAILABLE: no memory. */
RESULT config_new(struct config **out);
RESULT config_new_of(const struct schema *schema, struct config **out); /* of another table */
void config_free(struct config *config);                                /* accepts NULL */
DEFINE_CLEANUP(struct config, config_free);

const struct settings *config_settings(const struct config *config); /* of settings_schema */
const void *config_values(const struct config *config);              /* of any schema's struct */
const struct schema *config_schema(const struct config *config);

/* Where the setting's value came from: "default", "config.yaml line 7",
 * "CONTAINMENT_SERVER__LISTEN_PORT", "--server-listen-port". NULL: there is no such setting. */
const char *config_origin(const struct config *config, const char *name);

/* Says `<setting> = "<value>" (<origin>)` in `detail`, cutting a long value. */
void config_say(const struct config *config, const char *name, const char *value,
                struct detail *detail);

/* The effective settings with their origins, one a line, for --check-config. */
void config_describe(const struct config *config, struct buf *out);

/* For the readers (config/load.h): a value's way in. A setting may come once from each source; a
 * second time is BAD_INPUT. `detail` names the place and, in a file, the setting. */
enum config_source { CONFIG_DEFAULT, CONFIG_FILE, CONFIG_ENVIRONMENT, CONFIG_FLAG };

struct config_place {
    enum config_source source;
    const char *text; /* as config_origin() will give it; copied */
};

RESULT config_assign(struct config *config, const struct setting *setting,
                     const struct config_place *place, const char *text, struct detail *detail);
/* SETTING_LIST only; on OK `list` is empty afterwards. */
RESULT config_assign_list(struct config *config, const struct setting *setting,
                          const struct config_place *place, struct text_list *list,
                          struct detail *detail);

#endif
