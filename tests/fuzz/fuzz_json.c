/* fuzz_json.c: what json_parse() accepts is the same tree when it is written and read again, and a
 * stream agrees with it on which texts are objects. */
#include "base/buf.h"
#include "base/json.h"
#include "base/json_write.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WRITTEN_MAX = 16 * 1024 * 1024 };

static void hold(bool property)
{
    if (!property) {
        abort();
    }
}

/* A scalar as text, its kind first. */
static void describe(const struct json *scalar, struct buf *out)
{
    bool boolean = false;
    int64_t integer = 0;
    size_t size = 0;
    const char *text = json_as_text(scalar, &size);
    if (text != NULL) {
        hold(strlen(text) == size);
        buf_printf(out, "s%s", text);
    } else if (json_as_integer(scalar, &integer)) {
        buf_printf(out, "i%" PRId64, integer);
    } else if (json_as_boolean(scalar, &boolean)) {
        buf_append_text(out, boolean ? "true" : "false");
    } else {
        buf_append_text(out, json_kind(scalar) == JSON_KIND_NULL ? "null" : "real");
    }
}

static struct result write_member(const char *name, const struct json *value, void *context);

/* Objects and arrays as they are, scalars described. Nests as deep as the tree, 2048 at most. */
static void write_tree(const char *name, const struct json *value, struct json_writer *writer)
{
    if (json_kind(value) == JSON_KIND_OBJECT) {
        json_write_open(writer, name, '{');
        hold(is_ok(json_each(value, write_member, writer)));
        json_write_close(writer, '}');
    } else if (json_kind(value) == JSON_KIND_ARRAY) {
        json_write_open(writer, name, '[');
        for (size_t i = 0; i < json_count(value); i++) {
            write_tree(NULL, json_item(value, i), writer);
        }
        json_write_close(writer, ']');
    } else {
        BUF scalar = BUF_INIT(WRITTEN_MAX);
        describe(value, &scalar);
        json_write_text(writer, name, scalar.data);
    }
}

static struct result write_member(const char *name, const struct json *value, void *context)
{
    write_tree(name, value, context);
    return OK;
}

static void compare(const struct json *first, const struct json *again);

static struct result compare_member(const char *name, const struct json *value, void *context)
{
    const struct json *again = json_member(context, name);
    hold(again != NULL);
    compare(value, again);
    return OK;
}

static void compare(const struct json *first, const struct json *again)
{
    hold(json_count(first) == json_count(again));
    if (json_kind(first) == JSON_KIND_OBJECT) {
        hold(json_kind(again) == JSON_KIND_OBJECT);
        hold(is_ok(json_each(first, compare_member, (void *)(uintptr_t)again)));
    } else if (json_kind(first) == JSON_KIND_ARRAY) {
        hold(json_kind(again) == JSON_KIND_ARRAY);
        for (size_t i = 0; i < json_count(first); i++) {
            compare(json_item(first, i), json_item(again, i));
        }
    } else {
        BUF scalar = BUF_INIT(WRITTEN_MAX);
        describe(first, &scalar);
        const char *text = json_as_text(again, NULL);
        hold(text != NULL && strcmp(text, scalar.data) == 0);
    }
}

static void check_round_trip(const struct json *tree)
{
    BUF written = BUF_INIT(WRITTEN_MAX);
    struct json_writer writer = JSON_WRITER(&written);
    CLEANUP(json_free_ptr) struct json *again = NULL;
    write_tree(NULL, tree, &writer);
    hold(is_ok(buf_check(&written)));
    hold(memchr(written.data, '\n', written.size) == NULL);
    struct result parsed = json_parse(written.data, written.size, &again, NULL);
    if (parsed.status != STATUS_LIMIT) {
        hold(is_ok(parsed));
        compare(tree, again);
    }
}

/* Reads an object's members, those that are arrays by their elements, and counts the members. */
static struct result walk(const char *text, size_t size, size_t *members_out, struct detail *detail)
{
    struct json_stream stream;
    *members_out = 0;
    TRY(json_stream_open(text, size, &stream, detail));
    for (;;) {
        char name[16];
        bool end = false;
        TRY(json_stream_member(&stream, name, sizeof(name), &end, detail));
        if (end) {
            hold(stream.position == size);
            return OK;
        }
        ++*members_out;
        struct json_stream at_array = stream;
        bool is_array = is_ok(json_stream_array(&at_array, NULL));
        for (stream = is_array ? at_array : stream; !end;) {
            CLEANUP(json_free_ptr) struct json *value = NULL;
            if (is_array) {
                TRY(json_stream_element(&stream, &end, detail));
            }
            if (!end) {
                TRY(json_stream_value(&stream, &value, detail));
            }
            end = end || !is_array;
        }
    }
}

/* Why a text may please a stream and not the parser of the whole. */
static bool is_of_the_whole(struct result parsed, const struct detail *detail)
{
    return parsed.status == STATUS_LIMIT || strstr(detail->text, "same name") != NULL ||
           strstr(detail->text, "nested too deeply") != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool initialised;
    if (!initialised) {
        json_init();
        initialised = true;
    }
    const char *text = (const char *)data;
    CLEANUP(json_free_ptr) struct json *tree = NULL;
    struct detail detail = { "" };
    struct detail of_stream = { "" };
    size_t members = 0;
    struct result parsed = json_parse(text, size, &tree, &detail);
    struct result walked = walk(text, size, &members, &of_stream);
    hold(is_ok(parsed) == (tree != NULL));
    if (is_ok(parsed)) {
        check_round_trip(tree);
        hold(is_ok(walked) == (json_kind(tree) == JSON_KIND_OBJECT) ||
             walked.status == STATUS_LIMIT);
        hold(!is_ok(walked) || members == json_count(tree));
    } else {
        hold(!is_ok(walked) || is_of_the_whole(parsed, &detail));
        hold(parsed.status == STATUS_LIMIT || detail.text[0] != '\0');
    }
    return 0;
}
