/* Property: settings from anywhere load the same way twice, a refusal says where, and what loads
 * keeps the table's rules, describes itself, and is the same when its values are written and read
 * again. Input: YAML up to the first NUL, then environment variables and flags, each ended by a
 * NUL. */
#include "base/cleanup.h"
#include "config/load.h"
#include "config/names.h"
#include "config/value.h"
#include "config/yaml_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECES_MAX = 64, DESCRIPTION_MAX = 16 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool held, const char *property)
{
    if (!held) {
        fprintf(stderr, "does not hold: %s\n", property);
        abort();
    }
}

struct input {
    char *text; /* a copy of all with a NUL behind it */
    size_t yaml_size;
    char *pieces[PIECES_MAX + 1]; /* behind the YAML, NULL at the end */
    int count;
};

static struct input split(const uint8_t *data, size_t size)
{
    struct input input = { .text = calloc(1, size + 1) };
    require(input.text != NULL, "there is memory");
    if (size > 0) {
        memcpy(input.text, data, size);
    }
    input.yaml_size = strlen(input.text);
    size_t at = input.yaml_size + 1;
    while (at < size && input.count < PIECES_MAX) {
        input.pieces[input.count++] = input.text + at;
        at += strlen(input.text + at) + 1;
    }
    return input;
}

/* The first piece that begins with "--" and all behind it are the command line. */
static int first_flag(const struct input *input)
{
    int i = 0;
    while (i < input->count && strncmp(input->pieces[i], "--", 2) != 0) {
        i++;
    }
    return i;
}

static struct result read_flags(struct config *config, const struct input *input, int first,
                                struct detail *detail)
{
    for (int i = first; i < input->count;) {
        int used = -1;
        TRY(config_read_flag(config, input->count - i, input->pieces + i, &used, detail));
        require(used >= 0 && used <= 2 && used <= input->count - i, "the count of arguments");
        i += used == 0 ? 1 : used;
    }
    return OK;
}

static struct result read_all(struct config *config, const struct input *input,
                              struct detail *detail)
{
    TRY(yaml_reader_read(config, "fuzz.yaml", input->text, input->yaml_size, detail));
    int first = first_flag(input);
    char *environment[PIECES_MAX + 1] = { NULL };
    memcpy(environment, input->pieces, (size_t)first * sizeof(char *));
    TRY(config_read_environment(config, environment, detail));
    TRY(read_flags(config, input, first, detail));
    return config_validate(config, detail);
}

static bool is_printable(const char *text)
{
    size_t plain = 0;
    while (text[plain] >= 0x20 && text[plain] < 0x7f) {
        plain++;
    }
    return text[plain] == '\0';
}

/* What a setting's value is written as. */
static char *value_of(const struct config *config, const struct setting *setting)
{
    BUF out = BUF_INIT(DESCRIPTION_MAX);
    value_write(setting, config_settings(config), &out);
    require(is_ok(buf_check(&out)), "a value can be written");
    return buf_take(&out);
}

static bool is_same(const struct config *a, const struct config *b, const struct setting *setting)
{
    const void *in_a = (const char *)config_settings(a) + setting->offset;
    const void *in_b = (const char *)config_settings(b) + setting->offset;
    switch (setting->kind) {
    case SETTING_TEXT:
    case SETTING_CHOICE:
        return strcmp(*(char *const *)in_a, *(char *const *)in_b) == 0;
    case SETTING_NUMBER:
        return *(const uint64_t *)in_a == *(const uint64_t *)in_b;
    case SETTING_BOOLEAN:
        return *(const bool *)in_a == *(const bool *)in_b;
    case SETTING_LIST:
        break;
    }
    return false;
}

/* Reads the value again, as a flag, into other settings. Lists and "" are written for people. */
static void check_round_trip(const struct config *config, const struct setting *setting)
{
    CLEANUP(free_ptr) char *value = value_of(config, setting);
    if (setting->kind == SETTING_LIST || strcmp(value, "\"\"") == 0) {
        return;
    }
    char name[NAMES_SIZE];
    names_spell(SPELLING_FLAG, setting->name, name);
    BUF flag = BUF_INIT(DESCRIPTION_MAX);
    buf_printf(&flag, "%s=%s", name, value);
    CLEANUP(config_free_ptr) struct config *again = NULL;
    require(is_ok(config_new(&again)), "there is memory");
    int used = 0;
    require(is_ok(config_read_flag(again, 1, &flag.data, &used, NULL)), "a value is a value");
    require(used == 1 && is_same(config, again, setting), "a value survives writing and reading");
}

static void check_loaded(const struct config *config)
{
    for (size_t i = 0; i < settings_table_size; i++) {
        check_round_trip(config, &settings_table[i]);
        const char *origin = config_origin(config, settings_table[i].name);
        require(origin != NULL && origin[0] != '\0', "a value has an origin");
    }
}

/* Loads and gives what can be seen of it: the description, or the line that refuses it. */
static char *outcome(const struct input *input, bool *loaded_out)
{
    CLEANUP(config_free_ptr) struct config *config = NULL;
    require(is_ok(config_new(&config)), "there is memory");
    struct detail detail = { .text = "" };
    struct result read = read_all(config, input, &detail);
    BUF out = BUF_INIT(DESCRIPTION_MAX);
    *loaded_out = is_ok(read);
    if (is_ok(read)) {
        config_describe(config, &out);
        check_loaded(config);
    } else {
        require(detail.text[0] != '\0' && is_printable(detail.text), "a refusal says where");
        buf_printf(&out, "%d %s: %s", (int)read.status, detail.text, read.what);
    }
    require(is_ok(buf_check(&out)), "the outcome can be described");
    return buf_take(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = split(data, size);
    bool loaded = false;
    bool loaded_again = false;
    CLEANUP(free_ptr) char *text = input.text;
    CLEANUP(free_ptr) char *first = outcome(&input, &loaded);
    CLEANUP(free_ptr) char *second = outcome(&input, &loaded_again);
    require(text != NULL && loaded == loaded_again && strcmp(first, second) == 0,
            "the same input has the same outcome");
    return 0;
}
