#include "app/command.h"

#include "config/load.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_SIZE = DETAIL_SIZE + 256 };

static int fail_with(int code, const struct detail *detail, struct result result)
{
    char line[LINE_SIZE];
    detail_line(detail, result, line, sizeof(line));
    fprintf(stderr, "containment-chamber: %s\n", line);
    return code;
}

int command_fail(const struct detail *detail, struct result result)
{
    return fail_with(EXIT_FAILED, detail, result);
}

int command_usage(const struct detail *detail, struct result result)
{
    return fail_with(EXIT_USAGE, detail, result);
}

static bool names(const struct command_option *option, const char *argument, size_t size)
{
    return (strlen(option->name) == size && strncmp(option->name, argument, size) == 0) ||
           (option->letter != NULL && strlen(option->letter) == size &&
            strncmp(option->letter, argument, size) == 0);
}

/* A subcommand's options, and which of them were read already. */
struct known_options {
    const struct command_option *options;
    size_t count;
    uint64_t seen; /* a bit for each */
};

/* Reads the option at arguments[0], as "--name value" or "--name=value". `*used_out` is 0 when it
 * is none of these. */
static struct result read_option(struct known_options *known, int count, char *const *arguments,
                                 int *used_out)
{
    const struct command_option *options = known->options;
    const char *equals = strchr(arguments[0], '=');
    size_t size = equals == NULL ? strlen(arguments[0]) : (size_t)(equals - arguments[0]);
    *used_out = 0;
    for (size_t i = 0; i < known->count; i++) {
        if (!names(&options[i], arguments[0], size)) {
            continue;
        }
        ENSURE((known->seen >> i & 1) == 0, BAD_INPUT, "the option is given twice");
        known->seen |= (uint64_t)1 << i;
        if (options[i].flag != NULL) {
            ENSURE(equals == NULL, BAD_INPUT, "the option takes no value");
            *options[i].flag = true;
            *used_out = 1;
            return OK;
        }
        bool has_value = equals != NULL || (count > 1 && strncmp(arguments[1], "--", 2) != 0);
        ENSURE(has_value, BAD_INPUT, "the option needs a value");
        *options[i].value = equals != NULL ? equals + 1 : arguments[1];
        *used_out = equals != NULL ? 1 : 2;
        return OK;
    }
    return OK;
}

/* Adds a value to a list. */
static struct result add_value(struct command_list *list, const char *value)
{
    ENSURE(list->count < list->max, LIMIT, "there are too many of these");
    list->values[list->count++] = value;
    return OK;
}

/* Reads an option that may be there several times, as read_option() does. */
static struct result read_list(const struct command_syntax *syntax, int count,
                               char *const *arguments, int *used_out)
{
    const char *equals = strchr(arguments[0], '=');
    size_t size = equals == NULL ? strlen(arguments[0]) : (size_t)(equals - arguments[0]);
    for (size_t i = 0; i < syntax->list_count; i++) {
        const char *name = syntax->lists[i].name;
        if (strlen(name) != size || strncmp(name, arguments[0], size) != 0) {
            continue;
        }
        bool has_value = equals != NULL || (count > 1 && strncmp(arguments[1], "--", 2) != 0);
        ENSURE(has_value, BAD_INPUT, "the option needs a value");
        *used_out = equals != NULL ? 1 : 2;
        return add_value(&syntax->lists[i], equals != NULL ? equals + 1 : arguments[1]);
    }
    return OK;
}

static struct result read_operand(const struct command_syntax *syntax, const char *argument,
                                  int *used_out)
{
    if (syntax->operands == NULL || argument[0] == '-' || argument[0] == '\0') {
        return OK;
    }
    *used_out = 1;
    return add_value(syntax->operands, argument);
}

/* One pass over the arguments: the options, and, with `config`, the settings' flags. */
static struct result read_arguments(int count, char *const *arguments,
                                    const struct command_syntax *syntax, struct config *config,
                                    struct detail *detail)
{
    struct known_options known = { .options = syntax->options, .count = syntax->option_count };
    assert(syntax->option_count <= 8 * sizeof(known.seen));
    for (int at = 1; at < count;) {
        int used = 0;
        detail_set(detail, "%s", arguments[at]);
        TRY(read_option(&known, count - at, arguments + at, &used));
        if (used == 0) {
            TRY(read_list(syntax, count - at, arguments + at, &used));
        }
        if (used == 0) {
            TRY(read_operand(syntax, arguments[at], &used));
        }
        if (used == 0 && config != NULL) { /* names the nearest flag when it knows none */
            TRY(config_read_flag(config, count - at, arguments + at, &used, detail));
        }
        ENSURE(used > 0, BAD_INPUT, "unknown option; --help lists them");
        at += used;
    }
    return OK;
}

RESULT command_read(int count, char *const *arguments, const struct command_syntax *syntax,
                    struct detail *detail)
{
    return read_arguments(count, arguments, syntax, NULL, detail);
}

RESULT command_read_options(int count, char *const *arguments, const struct command_option *options,
                            size_t option_count, struct detail *detail)
{
    const struct command_syntax syntax = { .options = options, .option_count = option_count };
    return read_arguments(count, arguments, &syntax, NULL, detail);
}

static const char *named_config(const struct command_options *options)
{
    for (size_t i = 0; i < options->count; i++) {
        if (strcmp(options->items[i].name, "--config") == 0 && *options->items[i].value != NULL) {
            return *options->items[i].value;
        }
    }
    return NULL;
}

RESULT command_configure_of(const struct schema *schema, int count, char *const *arguments,
                            const struct command_options *options, struct config **out,
                            struct detail *detail)
{
    extern char **environ;
    /* The flags win over the file, but the file's name is among them: they are read twice. */
    const struct command_syntax syntax = { .options = options->items,
                                           .option_count = options->count };
    CLEANUP(config_free_ptr) struct config *first = NULL;
    TRY(config_new_of(schema, &first));
    TRY(read_arguments(count, arguments, &syntax, first, detail));

    CLEANUP(config_free_ptr) struct config *config = NULL;
    bool has_environment = schema == &settings_schema;
    const char *path = named_config(options);
    path = path == NULL && has_environment ? getenv("CONTAINMENT_CONFIG") : path;
    TRY(config_new_of(schema, &config));
    if (path != NULL) {
        TRY(config_read_file(config, path, detail));
    }
    if (has_environment) {
        TRY(config_read_environment(config, environ, detail));
    }
    TRY(read_arguments(count, arguments, &syntax, config, detail));
    detail_set(detail, "%s", "");
    *out = STEAL(config);
    return OK;
}

RESULT command_configure(int count, char *const *arguments, const struct command_option *options,
                         size_t option_count, struct config **out, struct detail *detail)
{
    CLEANUP(config_free_ptr) struct config *config = NULL;
    const struct command_options all = { .items = options, .count = option_count };
    TRY(command_configure_of(&settings_schema, count, arguments, &all, &config, detail));
    TRY(config_validate(config, detail));
    *out = STEAL(config);
    return OK;
}
