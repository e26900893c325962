#include "config/names.h"

#include "config/sections.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
    DISTANCE_MAX = 3, /* typing errors in a name that is still recognised … */
    LETTERS_EACH = 3, /* … but one for so many letters at most: "aws" is not "tls" */
};

/* How one spelling is made of dotted names. */
struct style {
    const char *prefix;
    const char *level; /* between levels, instead of the dot */
    char word;         /* between words, instead of the underscore */
    bool upper_case;
};

static const struct style styles[] = {
    [SPELLING_FILE] = { "", ".", '_', false },
    [SPELLING_ENVIRONMENT] = { "CONTAINMENT_", "__", '_', true },
    [SPELLING_FLAG] = { "--", "-", '-', false },
};

const struct names_rename names_renames[] = {
    { "antislashing", "anti_slashing" },
    { "key_sources.key_manager_api", "http.key_manager_api" },
    { "key_manager_api", "http.key_manager_api.enabled" },
    { "metrics.refresh_interval", "metrics.refresh_interval_seconds" },
};

const size_t names_renames_size = sizeof(names_renames) / sizeof(names_renames[0]);

const char *names_prefix(enum spelling spelling)
{
    return styles[spelling].prefix;
}

void names_spell(enum spelling spelling, const char *name, char out[static NAMES_SIZE])
{
    const struct style *style = &styles[spelling];
    size_t used = (size_t)snprintf(out, NAMES_SIZE, "%s", style->prefix);
    for (; *name != '\0' && used < NAMES_SIZE - 2; name++) {
        if (*name == '.') {
            used += (size_t)snprintf(out + used, NAMES_SIZE - used, "%s", style->level);
        } else if (*name == '_') {
            out[used++] = style->word;
        } else {
            out[used++] = style->upper_case ? (char)toupper((unsigned char)*name) : *name;
        }
    }
    out[used] = '\0';
}

static bool is_name(enum spelling spelling, const char *candidate, const char *name, size_t size)
{
    if (candidate == NULL || strlen(candidate) != size) {
        return false;
    }
    return spelling == SPELLING_ENVIRONMENT ? strncasecmp(candidate, name, size) == 0
                                            : strncmp(candidate, name, size) == 0;
}

const struct setting *names_find(const struct schema *schema, enum spelling spelling,
                                 const char *name, size_t size)
{
    for (size_t i = 0; i < *schema->settings_size; i++) {
        const struct setting *setting = &schema->settings[i];
        char spelled[NAMES_SIZE];
        names_spell(spelling, setting->name, spelled);
        if (is_name(spelling, spelled, name, size)) {
            return setting;
        }
        if (spelling == SPELLING_FLAG && is_name(spelling, setting->flag, name, size)) {
            return setting;
        }
    }
    return NULL;
}

/* Says where the setting is now that was called `name` when its section was `old`: under `section`,
 * if there is one of the rest of its name, else somewhere there. */
static void say_moved(const struct schema *schema, enum spelling spelling, const char *name,
                      const char *section, const char *rest, struct detail *detail)
{
    char now[2 * NAMES_SIZE];
    snprintf(now, sizeof(now), "%s%.*s", section, NAMES_SIZE, rest);
    if (names_find(schema, spelling, now, strlen(now)) == NULL) {
        snprintf(now, sizeof(now), "%s%s*", section, styles[spelling].level);
    }
    detail_set(detail, "%.*s (now %s)", NAMES_SIZE, name, now);
}

static bool moved_by(const struct schema *schema, const struct names_rename *rename,
                     enum spelling spelling, const char *name, struct detail *detail)
{
    char old[NAMES_SIZE];
    char new[NAMES_SIZE];
    names_spell(spelling, rename->old_name, old);
    names_spell(spelling, rename->new_name, new);
    size_t length = strlen(old);
    const char *level = styles[spelling].level;
    if (strlen(name) < length || !is_name(spelling, old, name, length)) {
        return false;
    }
    if (name[length] == '\0') {
        detail_set(detail, "%s (now %s)", name, new);
        return true;
    }
    if (sections_find(schema, rename->new_name, strlen(rename->new_name)) == NULL ||
        strncmp(name + length, level, strlen(level)) != 0) {
        return false;
    }
    say_moved(schema, spelling, name, new, name + length, detail);
    return true;
}

bool names_moved(const struct schema *schema, enum spelling spelling, const char *name,
                 struct detail *detail)
{
    for (size_t i = 0; i < *schema->renames_size; i++) {
        if (moved_by(schema, &schema->renames[i], spelling, name, detail)) {
            return true;
        }
    }
    return false;
}

static size_t least(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Levenshtein's edit distance, upper and lower case being the same. Both are shorter than
 * NAMES_SIZE. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[NAMES_SIZE];
    size_t b_size = strlen(b);
    for (size_t j = 0; j <= b_size; j++) {
        row[j] = j;
    }
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            bool differs = tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]);
            size_t distance = least(row[j] + 1, row[j - 1] + 1, diagonal + differs);
            diagonal = row[j];
            row[j] = distance;
        }
    }
    return row[b_size];
}

struct nearest {
    const char *wanted;
    size_t distance; /* of `name`, or one more than what counts as near */
    char name[NAMES_SIZE];
};

static void consider(struct nearest *nearest, const char *candidate)
{
    size_t distance = edit_distance(nearest->wanted, candidate);
    if (distance < nearest->distance) {
        nearest->distance = distance;
        snprintf(nearest->name, sizeof(nearest->name), "%s", candidate);
    }
}

static void consider_all(const struct schema *schema, struct nearest *nearest,
                         enum spelling spelling)
{
    for (size_t i = 0; i < *schema->settings_size; i++) {
        const struct setting *setting = &schema->settings[i];
        char spelled[NAMES_SIZE];
        names_spell(spelling, setting->name, spelled);
        consider(nearest, spelled);
        if (spelling == SPELLING_FLAG && setting->flag != NULL) {
            consider(nearest, setting->flag);
        }
    }
    for (size_t i = 0; spelling == SPELLING_FILE && i < *schema->sections_size; i++) {
        consider(nearest, schema->sections[i].name);
    }
}

void names_suggest(const struct schema *schema, enum spelling spelling, const char *name,
                   struct detail *detail)
{
    detail_set(detail, "%.*s", NAMES_SIZE, name);
    size_t size = strlen(name);
    size_t prefix_size = strlen(styles[spelling].prefix);
    if (size >= NAMES_SIZE || size < prefix_size) {
        return;
    }
    size_t near = (size - prefix_size) / LETTERS_EACH;
    near = near > DISTANCE_MAX ? DISTANCE_MAX : near;
    struct nearest nearest = { .wanted = name, .distance = near + 1 };
    consider_all(schema, &nearest, spelling);
    if (nearest.name[0] != '\0') {
        detail_set(detail, "%s (did you mean %s?)", name, nearest.name);
    }
}

RESULT names_refuse(const struct schema *schema, enum spelling spelling, const char *name,
                    struct detail *detail)
{
    if (names_moved(schema, spelling, name, detail)) {
        return FAIL(BAD_INPUT, "this setting has a new name");
    }
    names_suggest(schema, spelling, name, detail);
    return (struct result){ STATUS_BAD_INPUT, schema->unknown };
}
