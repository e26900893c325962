#include "base/json.h"

#include "base/arena.h"
#include "base/secret.h"

#include <assert.h>
#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE_SIZE = 256, LOADER_STACK = 4096 };

/* jansson has one pair of memory functions for the process. Ours cut from the arena of the tree
 * that the calling thread is parsing, which wipes what is freed. jansson 2.14 goes on with a string
 * whose buffer could not grow and then writes past its copy, so memory is never refused to it: past
 * the budget the text ends instead (see feed()), and without memory the process does. */
static _Thread_local struct arena *parsing;

static void *tree_malloc(size_t size)
{
    struct arena single = { .taken = 0 };
    void *block = arena_take(parsing == NULL ? &single : parsing, size);
    if (block == NULL) {
        abort();
    }
    arena_end(&single);
    return block;
}

void json_init(void)
{
    json_set_alloc_funcs(tree_malloc, arena_give_back);
    json_object_seed(0); /* from the kernel: names from outside must not collide on purpose */
}

static const json_t *native(const struct json *value)
{
    return (const json_t *)(const void *)value;
}

static const struct json *wrapped(const json_t *value)
{
    return (const struct json *)(const void *)value;
}

/* What jansson has not read yet, and what its tree takes. */
struct source {
    const char *text;
    size_t left;
    struct arena arena;
    size_t budget;
};

/* Hands the text to jansson in pieces, so that it can be ended when the budget is passed. jansson
 * keeps a piece on its stack, so pieces are small and the last one is wiped, here or below. A NUL
 * behind a number would get lost in jansson; U+0001 is as wrong in every place, and does not. */
static size_t feed(void *piece, size_t size_max, void *context)
{
    struct source *source = context;
    size_t size = source->left < PIECE_SIZE ? source->left : PIECE_SIZE;
    char *out = piece;
    assert(size_max >= PIECE_SIZE);
    secret_wipe(out, PIECE_SIZE);
    if (size == 0 || source->arena.taken > source->budget) {
        return 0;
    }
    memcpy(out, source->text, size);
    for (char *nul = NULL; (nul = memchr(out, '\0', size)) != NULL;) {
        *nul = '\1';
    }
    source->text += size;
    source->left -= size;
    return size;
}

/* Why a text was refused. jansson's own words quote the text, which may be a password. */
static const char *reason_of(const json_error_t *error)
{
    static const char *const reasons[] = {
        [json_error_stack_overflow] = "nested too deeply",
        [json_error_invalid_utf8] = "not UTF-8",
        [json_error_premature_end_of_input] = "ends too early",
        [json_error_end_of_input_expected] = "something follows the value",
        [json_error_null_character] = "U+0000 in a string",
        [json_error_null_byte_in_key] = "U+0000 in a name",
        [json_error_duplicate_key] = "two members have the same name",
        [json_error_numeric_overflow] = "number out of range",
    };
    size_t code = (size_t)json_error_code(error);
    bool known = code < sizeof(reasons) / sizeof(reasons[0]) && reasons[code] != NULL;
    return known ? reasons[code] : "syntax error";
}

/* Where a text is refused, its last piece stays where jansson's frame was: right below ours. */
static __attribute__((noinline)) void wipe_loader_stack(void)
{
    uint8_t below[LOADER_STACK];
    secret_wipe(below, sizeof(below));
}

static void error_wipe(json_error_t *error)
{
    secret_wipe(error, sizeof(*error));
}

/* Parses the value at the start of the text; with `used_out`, something may follow it. `place` is
 * the text's own offset in what the user sent, for messages. */
static struct result parse_value(const char *text, size_t size, size_t place, size_t *used_out,
                                 struct json **out, struct detail *detail)
{
    size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY;
    flags |= used_out == NULL ? 0 : JSON_DISABLE_EOF_CHECK;
    size_t bound = size > SIZE_MAX / 2 / JSON_TREE_FACTOR ? SIZE_MAX / 2 : size * JSON_TREE_FACTOR;
    ENSURE(used_out != NULL || size <= INT_MAX, LIMIT, "JSON is over 2 GiB");
    struct source source = { .text = text,
                             .left = size < INT_MAX ? size : INT_MAX,
                             .budget = bound < JSON_TREE_MIN ? JSON_TREE_MIN : bound };
    CLEANUP(error_wipe) json_error_t error = { 0 };
    parsing = &source.arena;
    CLEANUP(json_free_ptr)
    struct json *root = (struct json *)(void *)json_load_callback(feed, &source, flags, &error);
    parsing = NULL;
    arena_end(&source.arena);
    wipe_loader_stack();
    ENSURE(source.arena.taken <= source.budget, LIMIT, "JSON has too many values for its size");
    if (root == NULL) {
        detail_set(detail, "byte %zu (%s)", place + (size_t)error.position, reason_of(&error));
        return FAIL(BAD_INPUT, "not valid JSON");
    }
    if (used_out != NULL) {
        *used_out = (size_t)error.position;
    }
    *out = STEAL(root);
    return OK;
}

RESULT json_parse(const char *text, size_t size, struct json **out, struct detail *detail)
{
    return parse_value(text, size, 0, NULL, out, detail);
}

void json_free(struct json *root)
{
    json_decref((json_t *)(void *)root);
}

enum json_kind json_kind(const struct json *value)
{
    if (value == NULL) {
        return JSON_KIND_NULL;
    }
    static const enum json_kind kinds[] = {
        [JSON_OBJECT] = JSON_KIND_OBJECT, [JSON_ARRAY] = JSON_KIND_ARRAY,
        [JSON_STRING] = JSON_KIND_STRING, [JSON_INTEGER] = JSON_KIND_INTEGER,
        [JSON_REAL] = JSON_KIND_REAL,     [JSON_TRUE] = JSON_KIND_BOOLEAN,
        [JSON_FALSE] = JSON_KIND_BOOLEAN, [JSON_NULL] = JSON_KIND_NULL,
    };
    return kinds[json_typeof(native(value))];
}

const struct json *json_member(const struct json *object, const char *name)
{
    return wrapped(json_object_get(native(object), name));
}

size_t json_count(const struct json *array_or_object)
{
    const json_t *value = native(array_or_object);
    return json_is_object(value) ? json_object_size(value) : json_array_size(value);
}

const struct json *json_item(const struct json *array, size_t index)
{
    return wrapped(json_array_get(native(array), index));
}

const char *json_as_text(const struct json *string, size_t *size_out)
{
    const json_t *value = native(string);
    if (!json_is_string(value)) {
        return NULL;
    }
    if (size_out != NULL) {
        *size_out = json_string_length(value);
    }
    return json_string_value(value);
}

bool json_as_boolean(const struct json *boolean, bool *out)
{
    const json_t *value = native(boolean);
    if (!json_is_boolean(value)) {
        return false;
    }
    *out = json_is_true(value);
    return true;
}

bool json_as_integer(const struct json *integer, int64_t *out)
{
    const json_t *value = native(integer);
    if (!json_is_integer(value)) {
        return false;
    }
    *out = json_integer_value(value);
    return true;
}

static int dump_piece(const char *piece, size_t size, void *context)
{
    struct buf *out = context;
    buf_append(out, piece, size);
    return is_ok(buf_check(out)) ? 0 : -1;
}

RESULT json_dump(const struct json *value, struct buf *out)
{
    assert(value != NULL);
    size_t flags = JSON_COMPACT | JSON_ENSURE_ASCII | JSON_ENCODE_ANY;
    TRY(buf_check(out));
    ENSURE(json_dump_callback(native(value), dump_piece, out, flags) == 0, LIMIT,
           "too large to be written");
    return OK;
}

RESULT json_each(const struct json *object,
                 struct result (*visit)(const char *name, const struct json *value, void *context),
                 void *context)
{
    /* jansson's iterators take a pointer that is not const, though they change nothing. */
    json_t *value = (json_t *)(uintptr_t)object;
    for (void *at = json_object_iter(value); at != NULL; at = json_object_iter_next(value, at)) {
        TRY(visit(json_object_iter_key(at), wrapped(json_object_iter_value(at)), context));
    }
    return OK;
}

static bool is_space(char character)
{
    return character == ' ' || character == '\t' || character == '\r' || character == '\n';
}

static void skip_space(struct json_stream *stream)
{
    while (stream->position < stream->size && is_space(stream->text[stream->position])) {
        stream->position++;
    }
}

/* Goes over `wanted` and the space before it. */
static bool take(struct json_stream *stream, char wanted)
{
    skip_space(stream);
    if (stream->position >= stream->size || stream->text[stream->position] != wanted) {
        return false;
    }
    stream->position++;
    return true;
}

static struct result expected(const struct json_stream *stream, const char *wanted,
                              struct detail *detail)
{
    detail_set(detail, "byte %zu (%s expected)", stream->position, wanted);
    return FAIL(BAD_INPUT, "not valid JSON");
}

RESULT json_stream_open(const char *text, size_t size, struct json_stream *stream,
                        struct detail *detail)
{
    *stream = (struct json_stream){ .text = text, .size = size };
    return take(stream, '{') ? OK : expected(stream, "'{'", detail);
}

/* At the end of a level sets `*end_out`; otherwise goes over the comma before the next entry. */
static struct result next_entry(struct json_stream *stream, char end, bool *end_out,
                                struct detail *detail)
{
    *end_out = take(stream, end);
    if (*end_out) {
        stream->started = true; /* what was stepped into was an entry of the level above */
        return OK;
    }
    if (stream->started && !take(stream, ',')) {
        return expected(stream, "','", detail);
    }
    stream->started = true;
    return OK;
}

RESULT json_stream_member(struct json_stream *stream, char *name, size_t name_size, bool *end_out,
                          struct detail *detail)
{
    TRY(next_entry(stream, '}', end_out, detail));
    if (*end_out) {
        skip_space(stream);
        return stream->position == stream->size ? OK : expected(stream, "end of text", detail);
    }
    CLEANUP(json_free_ptr) struct json *text = NULL;
    TRY(json_stream_value(stream, &text, detail));
    const char *characters = json_as_text(text, NULL);
    if (characters == NULL) {
        return expected(stream, "a member's name", detail);
    }
    snprintf(name, name_size, "%s", characters);
    return take(stream, ':') ? OK : expected(stream, "':'", detail);
}

RESULT json_stream_value(struct json_stream *stream, struct json **out, struct detail *detail)
{
    skip_space(stream);
    size_t used = 0;
    TRY(parse_value(stream->text + stream->position, stream->size - stream->position,
                    stream->position, &used, out, detail));
    stream->position += used;
    return OK;
}

RESULT json_stream_array(struct json_stream *stream, struct detail *detail)
{
    if (!take(stream, '[')) {
        return expected(stream, "'['", detail);
    }
    stream->started = false;
    return OK;
}

RESULT json_stream_element(struct json_stream *stream, bool *end_out, struct detail *detail)
{
    return next_entry(stream, ']', end_out, detail);
}
