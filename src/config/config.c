#include "config/config.h"

#include "config/names.h"
#include "config/value.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct origin {
    enum config_source source;
    char *text; /* NULL: the default */
};

struct config {
    const struct schema *schema;
    void *values;
    struct origin *origins; /* one for each line of the table */
};

RESULT config_new(struct config **out)
{
    return config_new_of(&settings_schema, out);
}

RESULT config_new_of(const struct schema *schema, struct config **out)
{
    CLEANUP(config_free_ptr) struct config *config = calloc(1, sizeof(*config));
    ENSURE(config != NULL, UNAVAILABLE, "out of memory");
    config->schema = schema;
    config->values = calloc(1, schema->values_size);
    ENSURE(config->values != NULL, UNAVAILABLE, "out of memory");
    config->origins = calloc(*schema->settings_size, sizeof(config->origins[0]));
    ENSURE(config->origins != NULL, UNAVAILABLE, "out of memory");
    for (size_t i = 0; i < *schema->settings_size; i++) {
        const char *standard = schema->settings[i].standard;
        TRY(value_read(&schema->settings[i], standard, strlen(standard), config->values, NULL));
    }
    *out = STEAL(config);
    return OK;
}

void config_free(struct config *config)
{
    if (config == NULL) {
        return;
    }
    for (size_t i = 0; config->values != NULL && i < *config->schema->settings_size; i++) {
        value_free(&config->schema->settings[i], config->values);
        if (config->origins != NULL) {
            free(config->origins[i].text);
        }
    }
    free(config->origins);
    free(config->values);
    free(config);
}

const struct settings *config_settings(const struct config *config)
{
    assert(config->schema == &settings_schema);
    return config->values;
}

const void *config_values(const struct config *config)
{
    return config->values;
}

const struct schema *config_schema(const struct config *config)
{
    return config->schema;
}

static const char *origin_text(const struct origin *origin)
{
    return origin->text == NULL ? "default" : origin->text;
}

const char *config_origin(const struct config *config, const char *name)
{
    const struct setting *setting = names_find(config->schema, SPELLING_FILE, name, strlen(name));
    return setting == NULL ? NULL
                           : origin_text(&config->origins[setting - config->schema->settings]);
}

void config_say(const struct config *config, const char *name, const char *value,
                struct detail *detail)
{
    detail_set(detail, "%s = \"%.100s\" (%s)", name, value, config_origin(config, name));
}

void config_describe(const struct config *config, struct buf *out)
{
    const struct schema *schema = config->schema;
    for (size_t i = 0; i < *schema->settings_size; i++) {
        buf_printf(out, "%s = ", schema->settings[i].name);
        value_write(&schema->settings[i], config->values, out);
        buf_printf(out, " (%s)\n", origin_text(&config->origins[i]));
    }
}

/* Puts the place before what `detail` says of the value. Names in the environment and of flags say
 * which setting it is; a line of a file does not. */
static void name_place(const struct setting *setting, const struct config_place *place,
                       struct detail *detail)
{
    if (place->source == CONFIG_FILE) {
        detail_prefix(detail, "%s: %s ", place->text, setting->name);
    } else {
        detail_prefix(detail, "%s ", place->text);
    }
}

/* What must hold before a value is read: the setting was not set by this source yet, and there is
 * memory for its new origin. */
static struct result prepare(const struct config *config, const struct setting *setting,
                             const struct config_place *place, char **text_out,
                             struct detail *detail)
{
    const struct origin *origin = &config->origins[setting - config->schema->settings];
    assert(place->source != CONFIG_DEFAULT);
    if (origin->source == place->source) {
        detail_set(detail, "(first by %s)", origin_text(origin));
        return FAIL(BAD_INPUT, "set twice");
    }
    detail_set(detail, "not set");
    *text_out = strdup(place->text);
    ENSURE(*text_out != NULL, UNAVAILABLE, "out of memory");
    return OK;
}

static void set_origin(struct config *config, const struct setting *setting,
                       const struct config_place *place, char *text)
{
    struct origin *origin = &config->origins[setting - config->schema->settings];
    free(origin->text);
    origin->source = place->source;
    origin->text = text;
}

RESULT config_assign(struct config *config, const struct setting *setting,
                     const struct config_place *place, const char *text, struct detail *detail)
{
    CLEANUP(free_ptr) char *origin = NULL;
    struct result result = prepare(config, setting, place, &origin, detail);
    if (is_ok(result)) {
        result = value_read(setting, text, strlen(text), config->values, detail);
    }
    if (!is_ok(result)) {
        name_place(setting, place, detail);
        return result;
    }
    set_origin(config, setting, place, STEAL(origin));
    return OK;
}

RESULT config_assign_list(struct config *config, const struct setting *setting,
                          const struct config_place *place, struct text_list *list,
                          struct detail *detail)
{
    CLEANUP(free_ptr) char *origin = NULL;
    struct result result = prepare(config, setting, place, &origin, detail);
    if (is_ok(result)) {
        result = value_take_list(setting, list, config->values, detail);
    }
    if (!is_ok(result)) {
        name_place(setting, place, detail);
        return result;
    }
    set_origin(config, setting, place, STEAL(origin));
    return OK;
}
