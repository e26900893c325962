#include "config/yaml_reader.h"

#include "base/cleanup.h"
#include "config/names.h"
#include "config/sections.h"
#include "config/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum {
    FILE_SHOWN_MAX = 120,             /* last bytes of the file's name that are repeated */
    PLACE_SIZE = FILE_SHOWN_MAX + 32, /* "<file> line <number>" */
};

struct reader {
    yaml_parser_t parser;
    struct config *config;
    const char *name; /* of the file */
    const char *yaml;
    size_t size;
    char path[NAMES_SIZE]; /* the dotted name of the mapping or setting at hand; "" at the top */
    size_t *section_lines; /* where each section was opened; 0: not yet */
    struct detail *detail;
};

#define EVENT CLEANUP(yaml_event_delete) yaml_event_t

static void parser_delete_ptr(yaml_parser_t **parser)
{
    yaml_parser_delete(*parser);
}

static size_t line_of(const yaml_event_t *event)
{
    return event->start_mark.line + 1;
}

/* Names the line and, below the top, the section or setting at hand. */
static void say_place(const struct reader *reader, size_t line)
{
    detail_set(reader->detail, "%s line %zu%s%s", reader->name, line,
               reader->path[0] == '\0' ? "" : ": ", reader->path);
}

/* The line of a byte that is no UTF-8, for which libyaml gives no line. */
static size_t line_of_offset(const struct reader *reader, size_t offset)
{
    size_t line = 1;
    for (size_t i = 0; i < reader->size && i < offset; i++) {
        line += reader->yaml[i] == '\n';
    }
    return line;
}

static struct result parse_failed(const struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    say_place(reader, parser->mark.line + 1);
    ENSURE(parser->error != YAML_MEMORY_ERROR, UNAVAILABLE, "out of memory");
    size_t line = parser->error == YAML_READER_ERROR
                      ? line_of_offset(reader, parser->problem_offset)
                      : parser->problem_mark.line + 1;
    detail_set(reader->detail, "%s line %zu (%s)", reader->name, line, parser->problem);
    return FAIL(BAD_INPUT, "not valid YAML");
}

static const yaml_char_t *anchor_of(const yaml_event_t *event)
{
    switch ((int)event->type) {
    case YAML_SCALAR_EVENT:
        return event->data.scalar.anchor;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.anchor;
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.anchor;
    default:
        return NULL;
    }
}

static const yaml_char_t *tag_of(const yaml_event_t *event)
{
    switch ((int)event->type) {
    case YAML_SCALAR_EVENT:
        return event->data.scalar.tag;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.tag;
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.tag;
    default:
        return NULL;
    }
}

static const char *scalar(const yaml_event_t *event)
{
    return (const char *)event->data.scalar.value;
}

/* The next event, if it is of the YAML that is allowed here, and its place. The caller deletes it,
 * also after a failure. */
static struct result next(struct reader *reader, yaml_event_t *event)
{
    if (!yaml_parser_parse(&reader->parser, event)) {
        return parse_failed(reader);
    }
    say_place(reader, line_of(event));
    ENSURE(event->type != YAML_ALIAS_EVENT && anchor_of(event) == NULL, BAD_INPUT,
           "anchors (&) and aliases (*) are not allowed; quote a text that begins so");
    ENSURE(tag_of(event) == NULL, BAD_INPUT,
           "tags (!) are not allowed; quote a text that begins so");
    if (event->type == YAML_SCALAR_EVENT) {
        ENSURE(strlen(scalar(event)) == event->data.scalar.length, BAD_INPUT,
               "a NUL character is not allowed");
    }
    return OK;
}

/* What YAML takes for nothing at all: "key:", "key: ~", "key: null". */
static bool is_null(const yaml_event_t *event)
{
    static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };
    if (event->type != YAML_SCALAR_EVENT || event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE) {
        return false;
    }
    for (size_t i = 0; i < sizeof(nulls) / sizeof(nulls[0]); i++) {
        if (strcmp(scalar(event), nulls[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* `line` is that of what should have a value; libyaml puts the absent one of "? name" below it. */
static struct result refuse_null(const struct reader *reader, const yaml_event_t *event,
                                 size_t line)
{
    if (is_null(event)) {
        say_place(reader, line);
        return FAIL(BAD_INPUT, "has no value; write one, or remove the line to keep the default");
    }
    return OK;
}

/* Steps from a mapping's path to that of one of its keys. A path that is cut is nothing's
 * name. */
static void enter(struct reader *reader, const char *key)
{
    size_t used = strlen(reader->path);
    snprintf(reader->path + used, sizeof(reader->path) - used, "%s%s", used == 0 ? "" : ".", key);
}

static void leave(struct reader *reader)
{
    reader->path[sections_name_length(reader->path)] = '\0';
}

static struct result append_item(const struct reader *reader, const yaml_event_t *event,
                                 struct text_list *list)
{
    const size_t size = event->data.scalar.length;
    struct result added = value_list_append(list, scalar(event), size, reader->detail);
    if (!is_ok(added)) {
        detail_prefix(reader->detail, "%s line %zu: %s ", reader->name, line_of(event),
                      reader->path);
    }
    return added;
}

static struct result read_items(struct reader *reader, struct text_list *list)
{
    while (true) {
        EVENT event = { .type = YAML_NO_EVENT };
        TRY(next(reader, &event));
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            return OK;
        }
        TRY(refuse_null(reader, &event, line_of(&event)));
        ENSURE(event.type == YAML_SCALAR_EVENT, BAD_INPUT, "a list of plain values is needed here");
        TRY(append_item(reader, &event, list));
    }
}

static struct result read_list(struct reader *reader, const struct setting *setting,
                               const struct config_place *place)
{
    CLEANUP(value_list_free) struct text_list list = { .items = NULL };
    TRY(read_items(reader, &list));
    return config_assign_list(reader->config, setting, place, &list, reader->detail);
}

/* One value where a list may be is a list of one: its commas are its own. */
static struct result read_scalar(struct reader *reader, const struct setting *setting,
                                 const struct config_place *place, const yaml_event_t *event)
{
    if (setting->kind != SETTING_LIST) {
        return config_assign(reader->config, setting, place, scalar(event), reader->detail);
    }
    CLEANUP(value_list_free) struct text_list list = { .items = NULL };
    TRY(append_item(reader, event, &list));
    return config_assign_list(reader->config, setting, place, &list, reader->detail);
}

/* `line` is that of the setting's name. */
static struct result read_setting(struct reader *reader, const struct setting *setting, size_t line)
{
    EVENT event = { .type = YAML_NO_EVENT };
    TRY(next(reader, &event));
    TRY(refuse_null(reader, &event, line));
    ENSURE(event.type != YAML_MAPPING_START_EVENT, BAD_INPUT,
           "a value is needed here, not nested settings");
    ENSURE(event.type == YAML_SCALAR_EVENT || setting->kind == SETTING_LIST, BAD_INPUT,
           "one value is needed here, not a list");
    char text[PLACE_SIZE];
    snprintf(text, sizeof(text), "%s line %zu", reader->name, line);
    const struct config_place place = { .source = CONFIG_FILE, .text = text };
    if (event.type == YAML_SCALAR_EVENT) {
        return read_scalar(reader, setting, &place, &event);
    }
    return read_list(reader, setting, &place);
}

static struct result open_section(struct reader *reader, const struct section *section, size_t line)
{
    size_t *opened = &reader->section_lines[section - config_schema(reader->config)->sections];
    if (*opened != 0) {
        detail_set(reader->detail, "%s line %zu: %s (first on line %zu)", reader->name, line,
                   reader->path, *opened);
        return FAIL(BAD_INPUT, "section appears twice");
    }
    *opened = line;
    EVENT event = { .type = YAML_NO_EVENT };
    TRY(next(reader, &event));
    if (is_null(&event)) {
        say_place(reader, line);
        return FAIL(BAD_INPUT, "section has no settings; remove it or write some below it");
    }
    ENSURE(event.type == YAML_MAPPING_START_EVENT, BAD_INPUT,
           "nested settings are needed here, not a value");
    return OK;
}

/* Reads a key, and its value when it is a setting's; steps into a section. */
static struct result read_key(struct reader *reader, const yaml_event_t *event)
{
    ENSURE(event->type == YAML_SCALAR_EVENT, BAD_INPUT, "a setting's name is needed here");
    enter(reader, scalar(event));
    say_place(reader, line_of(event));
    ENSURE(strchr(scalar(event), '.') == NULL, BAD_INPUT,
           "a dot in a name; write nested settings, each level indented below the one before");
    size_t size = strlen(reader->path);
    const struct section *section =
        sections_find(config_schema(reader->config), reader->path, size);
    if (section != NULL) {
        return open_section(reader, section, line_of(event));
    }
    const struct setting *setting =
        names_find(config_schema(reader->config), SPELLING_FILE, reader->path, size);
    if (setting == NULL) {
        struct result refused = names_refuse(config_schema(reader->config), SPELLING_FILE,
                                             reader->path, reader->detail);
        detail_prefix(reader->detail, "%s line %zu: ", reader->name, line_of(event));
        return refused;
    }
    TRY(read_setting(reader, setting, line_of(event)));
    leave(reader);
    return OK;
}

/* Reads what is between the start and the end of the outermost mapping, and its end. */
static struct result read_mapping(struct reader *reader)
{
    while (true) {
        EVENT event = { .type = YAML_NO_EVENT };
        TRY(next(reader, &event));
        if (event.type != YAML_MAPPING_END_EVENT) {
            TRY(read_key(reader, &event));
        } else if (reader->path[0] == '\0') {
            return OK;
        } else {
            leave(reader);
        }
    }
}

static struct result expect(struct reader *reader, yaml_event_type_t type, struct result otherwise)
{
    EVENT event = { .type = YAML_NO_EVENT };
    TRY(next(reader, &event));
    return event.type == type ? OK : otherwise;
}

static struct result read_stream(struct reader *reader)
{
    TRY(expect(reader, YAML_STREAM_START_EVENT, FAIL(BAD_INPUT, "not valid YAML")));
    TRY(expect(reader, YAML_DOCUMENT_START_EVENT,
               FAIL(BAD_INPUT, "no settings in the file; to have all defaults, write {}")));
    TRY(expect(reader, YAML_MAPPING_START_EVENT,
               FAIL(BAD_INPUT, "settings are needed here, as \"name: value\"")));
    TRY(read_mapping(reader));
    TRY(expect(reader, YAML_DOCUMENT_END_EVENT, FAIL(BAD_INPUT, "not valid YAML")));
    return expect(reader, YAML_STREAM_END_EVENT,
                  FAIL(BAD_INPUT, "a second document (---); one is allowed"));
}

/* The length of the byte order mark with which some editors begin a file. libyaml skips it only
 * where it may guess at the encoding. */
static size_t mark_length(const char *yaml, size_t size)
{
    static const char mark[] = "\xef\xbb\xbf";
    const size_t length = sizeof(mark) - 1;
    return size >= length && strncmp(yaml, mark, length) == 0 ? length : 0;
}

RESULT yaml_reader_read(struct config *config, const char *name, const void *yaml, size_t size,
                        struct detail *detail)
{
    CLEANUP(free_ptr)
    size_t *section_lines = calloc(*config_schema(config)->sections_size + 1, sizeof(size_t));
    ENSURE(section_lines != NULL, UNAVAILABLE, "out of memory");
    size_t length = strlen(name);
    size_t skipped = mark_length(yaml, size);
    struct reader reader = { .config = config,
                             .name = name + (length > FILE_SHOWN_MAX ? length - FILE_SHOWN_MAX : 0),
                             .yaml = skipped == 0 ? yaml : (const char *)yaml + skipped,
                             .size = size - skipped,
                             .section_lines = section_lines,
                             .detail = detail };
    ENSURE(yaml_parser_initialize(&reader.parser), UNAVAILABLE, "out of memory");
    CLEANUP(parser_delete_ptr) yaml_parser_t *parser = &reader.parser;
    yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(parser, (const yaml_char_t *)(reader.size == 0 ? "" : reader.yaml),
                                 reader.size);
    return read_stream(&reader);
}
