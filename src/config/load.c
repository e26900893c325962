#include "config/load.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "config/names.h"
#include "config/yaml_reader.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { NAME_SIZE = 256 }; /* of a name from outside; a longer one is cut, and known to nobody */

RESULT config_read_file(struct config *config, const char *path, struct detail *detail)
{
    SECRET_BLOCK block = { 0 };
    TRY(file_read(path, CONFIG_FILE_MAX, &block, detail));
    return yaml_reader_read(config, path, block.data, block.size, detail);
}

/* Copies what is before the '=' and gives what is after it, "" without a '='. */
static const char *split(const char *assignment, char name[static NAME_SIZE])
{
    size_t length = strcspn(assignment, "=");
    snprintf(name, NAME_SIZE, "%.*s", (int)(length < NAME_SIZE ? length : NAME_SIZE), assignment);
    return assignment[length] == '=' ? assignment + length + 1 : "";
}

/* ..._PORT_9000_TCP, ..._PORT_9000_TCP_ADDR */
static bool is_service_port(const char *name)
{
    const char *port = strstr(name, "_PORT_");
    if (port == NULL) {
        return false;
    }
    port += strlen("_PORT_");
    size_t digits = strspn(port, "0123456789");
    return digits > 0 && port[digits] == '_';
}

static bool ends_with(const char *text, const char *end)
{
    size_t text_size = strlen(text);
    size_t end_size = strlen(end);
    return text_size >= end_size && strcmp(text + text_size - end_size, end) == 0;
}

/* Kubernetes tells every pod of the services beside it in variables named after them: a service
 * "containment-chamber" makes CONTAINMENT_CHAMBER_SERVICE_HOST and others. They are no settings,
 * and no typing errors either. Settings have two underscores where these have one, and no
 * "tcp://…". */
static bool is_service_link(const char *name, const char *value)
{
    if (strstr(name, "__") != NULL) {
        return false;
    }
    if (ends_with(name, "_PORT") && strstr(value, "://") != NULL) {
        return true;
    }
    return ends_with(name, "_SERVICE_HOST") || strstr(name, "_SERVICE_PORT") != NULL ||
           is_service_port(name);
}

static struct result read_variable(struct config *config, const char *variable,
                                   struct detail *detail)
{
    static const char exempt[] = "CONTAINMENT_CONFIG"; /* the program's: where the file is */
    char name[NAME_SIZE];
    const char *value = split(variable, name);
    const struct setting *setting =
        names_find(config_schema(config), SPELLING_ENVIRONMENT, name, strlen(name));
    if (setting != NULL) {
        const struct config_place place = { .source = CONFIG_ENVIRONMENT, .text = name };
        return config_assign(config, setting, &place, value, detail);
    }
    if (strcasecmp(name, exempt) == 0 || is_service_link(name, value)) {
        return OK;
    }
    return names_refuse(config_schema(config), SPELLING_ENVIRONMENT, name, detail);
}

RESULT config_read_environment(struct config *config, char *const *environment,
                               struct detail *detail)
{
    const char *prefix = names_prefix(SPELLING_ENVIRONMENT);
    for (char *const *variable = environment; variable != NULL && *variable != NULL; variable++) {
        if (strncasecmp(*variable, prefix, strlen(prefix)) == 0) {
            TRY(read_variable(config, *variable, detail));
        }
    }
    return OK;
}

/* The value of a flag that stands without a '=', and how many arguments both are. NULL: there is
 * none. */
static const char *separate_value(const struct setting *setting, const char *next, int *used_out)
{
    *used_out = 1;
    if (setting->kind == SETTING_BOOLEAN) {
        bool spelled_out =
            next != NULL && (strcmp(next, "true") == 0 || strcmp(next, "false") == 0);
        *used_out += spelled_out;
        return spelled_out ? next : "true";
    }
    bool is_flag = next != NULL && strncmp(next, "--", 2) == 0;
    *used_out += next != NULL && !is_flag;
    return is_flag ? NULL : next;
}

static struct result no_setting(const struct schema *schema, const char *name, int *used_out,
                                struct detail *detail)
{
    if (names_moved(schema, SPELLING_FLAG, name, detail)) {
        return FAIL(BAD_INPUT, "this flag has a new name");
    }
    names_suggest(schema, SPELLING_FLAG, name, detail);
    *used_out = 0;
    return OK;
}

RESULT config_read_flag(struct config *config, int count, char *const *arguments, int *used_out,
                        struct detail *detail)
{
    char name[NAME_SIZE];
    const char *value = split(arguments[0], name);
    int used = 1;
    const struct setting *setting =
        names_find(config_schema(config), SPELLING_FLAG, name, strlen(name));
    if (setting == NULL) {
        return no_setting(config_schema(config), name, used_out, detail);
    }
    if (strchr(arguments[0], '=') == NULL) {
        value = separate_value(setting, count > 1 ? arguments[1] : NULL, &used);
    }
    detail_set(detail, "%s", name);
    ENSURE(value != NULL, BAD_INPUT, "needs a value after it");
    const struct config_place place = { .source = CONFIG_FLAG, .text = name };
    TRY(config_assign(config, setting, &place, value, detail));
    *used_out = used;
    return OK;
}
