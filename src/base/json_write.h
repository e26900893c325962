/* json_write.h: JSON text into a buf, commas and escapes seen to. */
#ifndef BASE_JSON_WRITE_H
#define BASE_JSON_WRITE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the text goes, and whether the next entry needs a comma before it. */
struct json_writer {
    struct buf *out;
    bool comma;
};

#define JSON_WRITER(buffer) ((struct json_writer){ .out = (buffer) })

/* `name` is NULL inside an array and at the top. Names and texts are UTF-8; bytes that are not are
 * written as '?'. Control characters and line separators are escaped, those beyond ASCII too, so
 * that the text is one line in every reader. A value of NULL text is written as null. */
void json_write_open(struct json_writer *writer, const char *name, char bracket); /* '{' or '[' */
void json_write_close(struct json_writer *writer, char bracket);                  /* '}' or ']' */
void json_write_text(struct json_writer *writer, const char *name, const char *text);
void json_write_boolean(struct json_writer *writer, const char *name, bool value);
void json_write_number(struct json_writer *writer, const char *name, uint64_t value);
/* A number in quotes, as the Ethereum APIs write all of theirs. */
void json_write_decimal(struct json_writer *writer, const char *name, uint64_t value);
/* Bytes as "0x…". */
void json_write_hex(struct json_writer *writer, const char *name, const uint8_t *bytes,
                    size_t size);

#endif
