/* cbor.h: strict reading and writing of CBOR (RFC 8949), by libcbor; nobody else includes it.
 *
 * Reading pulls one item after the other from bytes in memory and allocates nothing: strings are
 * views of the input. Refused everywhere: indefinite lengths, tags, simple values other than false,
 * true and null, floating point, counts and sizes that the input cannot hold, text that is not
 * UTF-8. Whether integers and lengths must be in their shortest form is the reader's choice;
 * whether a map has the same key twice is its caller's to see. */
#ifndef BASE_CBOR_H
#define BASE_CBOR_H

#include "base/buf.h"
#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CBOR_DEPTH_MAX = 8, /* of what cbor_skip() goes over */
    CBOR_HEAD_MAX = 9,  /* bytes of an item without what it holds */
};

/* Bytes that belong to somebody else. */
struct cbor_view {
    const uint8_t *bytes; /* not NUL-terminated */
    size_t size;
};

/* What is still to be read. A copy is a place to come back to. */
struct cbor_reader {
    const uint8_t *at;
    size_t left;
    bool shortest; /* longer heads than needed are refused */
};

enum cbor_kind {
    CBOR_KIND_UNSIGNED,
    CBOR_KIND_NEGATIVE,
    CBOR_KIND_BYTES,
    CBOR_KIND_TEXT,
    CBOR_KIND_ARRAY,
    CBOR_KIND_MAP,
    CBOR_KIND_BOOLEAN,
    CBOR_KIND_NULL,
};

/* For senders that do not write shortest forms (QEMU's security module), and for those that must,
 * because what is compared or signed has one encoding only. */
struct cbor_reader cbor_reader_on(const void *bytes, size_t size);
struct cbor_reader cbor_shortest_reader_on(const void *bytes, size_t size);

/* The kind of the next item, which stays the next. BAD_INPUT: none is there, or it is refused. */
RESULT cbor_peek(const struct cbor_reader *reader, enum cbor_kind *out);

/* Each reads the next item and goes behind it; BAD_INPUT, and the reader where it was, when it is
 * of another kind or cut short. */
RESULT cbor_read_unsigned(struct cbor_reader *reader, uint64_t *out);
RESULT cbor_read_integer(struct cbor_reader *reader, int64_t *out); /* if int64 can hold it */
RESULT cbor_read_bytes(struct cbor_reader *reader, struct cbor_view *out);
RESULT cbor_read_text(struct cbor_reader *reader, struct cbor_view *out); /* valid UTF-8 */
RESULT cbor_read_boolean(struct cbor_reader *reader, bool *out);
RESULT cbor_read_null(struct cbor_reader *reader);
/* Only the head is read: `count` items, or pairs of items, are next. No more than the input can
 * hold. */
RESULT cbor_read_array(struct cbor_reader *reader, size_t *count_out);
RESULT cbor_read_map(struct cbor_reader *reader, size_t *count_out);

/* Goes over the next item with all in it. LIMIT: arrays and maps in each other deeper than
 * CBOR_DEPTH_MAX. After a failure the reader is where it was. */
RESULT cbor_skip(struct cbor_reader *reader);

/* BAD_INPUT unless everything was read. */
RESULT cbor_read_end(const struct cbor_reader *reader);

bool cbor_view_is(struct cbor_view view, const char *text);

/* Writing, each item in its shortest form. Errors stay in the buf (buf_check()). */
void cbor_write_unsigned(struct buf *out, uint64_t value);
void cbor_write_integer(struct buf *out, int64_t value);
void cbor_write_bytes(struct buf *out, const void *bytes, size_t size);
void cbor_write_text(struct buf *out, const char *text);
void cbor_write_boolean(struct buf *out, bool value);
void cbor_write_null(struct buf *out);
void cbor_write_array(struct buf *out, size_t count); /* the head; `count` items follow */
void cbor_write_map(struct buf *out, size_t count);   /* the head; `count` pairs follow */

#endif
