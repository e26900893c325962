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
    struct settings settings;
    struct origin *origins; /* one for each line of the table */
};

RESULT config_new(struct config **out)
{
    CLEANUP(config_free_ptr) struct config *config = calloc(1, sizeof(*config));
    ENSURE(config != NULL, UNAVAILABLE, "out of memory");
    config->origins = calloc(settings_table_size, sizeof(config->origins[0]));
    ENSURE(config->origins != NULL, UNAVAILABLE, "out of memory");
    for (size_t i = 0; i < settings_table_size; i++) {
        const char *standard = settings_table[i].standard;
        TRY(value_read(&settings_table[i], standard, strlen(standard), &config->settings, NULL));
    }
    *out = STEAL(config);
    return OK;
}

void config_free(struct config *config)
{
    if (config == NULL) {
        return;
    }
    for (size_t i = 0; i < settings_table_size; i++) {
        value_free(&settings_table[i], &config->settings);
        if (config->origins != NULL) {
            free(config->origins[i].text);
        }
    }
    free(config->origins);
    free(config);
}

const struct settings *config_settings(const struct config *config)
{
    return &config->settings;
}

static const char *origin_text(const struct origin *origin)
{
    return origin->text == NULL ? "default" : origin->text;
}

const char *config_origin(const struct config *config, const char *name)
{
    const struct setting *setting = names_find(SPELLING_FILE, name, strlen(name));
    return setting == NULL ? NULL : origin_text(&config->origins[setting - settings_table]);
}

void config_describe(const struct config *config, struct buf *out)
{
    for (size_t i = 0; i < settings_table_size; i++) {
        buf_printf(out, "%s = ", settings_table[i].name);
        value_write(&settings_table[i], &config->settings, out);
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
    const struct origin *origin = &config->origins[setting - settings_table];
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
    struct origin *origin = &config->origins[setting - settings_table];
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
        result = value_read(setting, text, strlen(text), &config->settings, detail);
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
        result = value_take_list(setting, list, &config->settings, detail);
    }
    if (!is_ok(result)) {
        name_place(setting, place, detail);
        return result;
    }
    set_origin(config, setting, place, STEAL(origin));
    return OK;
}
