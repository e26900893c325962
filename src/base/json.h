/* json.h: strict, bounded reading of JSON (RFC 8259), by jansson; nobody else includes it.
 * Refused: members with the same name, bytes that are not UTF-8, U+0000 in strings, anything behind
 * the value, nesting over 2048, integers outside int64. All memory of a tree is wiped when it is
 * freed (request bodies carry passwords), and bounded while it is built. Aborts when the system has
 * no memory: jansson cannot be stopped safely in the middle of a string. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/detail.h"
#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json; /* a value; whatever json_parse() gave owns all below it */

enum json_kind {
    JSON_KIND_NULL,
    JSON_KIND_BOOLEAN,
    JSON_KIND_INTEGER,
    JSON_KIND_REAL,
    JSON_KIND_STRING,
    JSON_KIND_ARRAY,
    JSON_KIND_OBJECT,
};

/* A tree may take this many times the text's size, and JSON_TREE_MIN at least. Ordinary requests
 * take six to eight times; "[[],[],…" would take forty. */
enum { JSON_TREE_FACTOR = 16, JSON_TREE_MIN = 64 * 1024 };

/* Parses one value from exactly `size` bytes. BAD_INPUT with the reason and the byte's place in
 * `detail`, never with anything of the text; LIMIT when the tree outgrows its bound, or a text of
 * over 2 GiB. The caller frees with json_free(). */
RESULT json_parse(const char *text, size_t size, struct json **out, struct detail *detail);

/* Wipes and frees a parsed tree. Accepts NULL. */
void json_free(struct json *root);
DEFINE_CLEANUP(struct json, json_free);

/* Must be called once before any thread parses; main() and test harnesses do. */
void json_init(void);

/* The calls below never fail: asked of a value of another kind (or NULL) they answer with NULL, 0
 * or false, so that one check at the end of a chain is enough. Texts are NUL-terminated UTF-8 and
 * hold no other NUL. */
enum json_kind json_kind(const struct json *value); /* NULL counts as null */
const struct json *json_member(const struct json *object, const char *name);
size_t json_count(const struct json *array_or_object);
const struct json *json_item(const struct json *array, size_t index);
const char *json_as_text(const struct json *string, size_t *size_out); /* size_out may be NULL */
bool json_as_boolean(const struct json *boolean, bool *out);
bool json_as_integer(const struct json *integer, int64_t *out);

/* Calls `visit` for each member of an object, in unspecified order, until it fails. */
RESULT json_each(const struct json *object,
                 struct result (*visit)(const char *name, const struct json *value, void *context),
                 void *context);

/* Writes a value as one line of ASCII without spaces, members in the text's order: the same for the
 * same values, however they were laid out. LIMIT when `out` is full. */
RESULT json_dump(const struct json *value, struct buf *out);

/* Walks a text that is one large object without holding its tree: members one by one, the elements
 * of an array member one by one. The text must outlive the stream. After a failure the stream is of
 * no more use. Members with the same name are refused inside the values, but not among the members
 * that are walked: that is the caller's to see. */
struct json_stream {
    const char *text;
    size_t size;
    size_t position;
    bool started; /* an entry was read at this level: a comma must come before the next */
};

/* Steps into the object that the whole text must be. */
RESULT json_stream_open(const char *text, size_t size, struct json_stream *stream,
                        struct detail *detail);

/* Reads the next member's name into `name`, or sets `*end_out` at the object's end, where nothing
 * but space may follow. Longer names are cut to `name_size`, so it must be larger than any name
 * that the caller knows by more than the NUL. */
RESULT json_stream_member(struct json_stream *stream, char *name, size_t name_size, bool *end_out,
                          struct detail *detail);

/* Reads the value at hand (of a member, or an element that json_stream_element() announced). */
RESULT json_stream_value(struct json_stream *stream, struct json **out, struct detail *detail);

/* Steps into the array that the value at hand must be. */
RESULT json_stream_array(struct json_stream *stream, struct detail *detail);

/* Goes to the next element, which json_stream_value() then reads, or sets `*end_out` behind the
 * array's end. */
RESULT json_stream_element(struct json_stream *stream, bool *end_out, struct detail *detail);

#endif
