#include "base/json_write.h"

#include "base/hex.h"

#include <inttypes.h>
#include <string.h>
#include <utf8proc.h>

enum { HEX_BYTES_AT_ONCE = 96 };

/* Controls of ASCII and of Latin-1 (a terminal may take U+009B for an escape), and the two
 * separators that some readers take for the end of a line. */
static bool must_escape(utf8proc_int32_t point)
{
    return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x2028 || point == 0x2029;
}

static void write_character(struct buf *out, const unsigned char *bytes, size_t size,
                            utf8proc_int32_t point)
{
    static const char *const short_forms[0x80] = {
        ['"'] = "\\\"", ['\\'] = "\\\\", ['\n'] = "\\n", ['\r'] = "\\r", ['\t'] = "\\t",
    };
    if (size == 1 && short_forms[point] != NULL) {
        buf_append_text(out, short_forms[point]);
    } else if (must_escape(point)) {
        buf_printf(out, "\\u%04x", (unsigned)point);
    } else {
        buf_append(out, bytes, size);
    }
}

static void write_string(struct buf *out, const char *text)
{
    buf_append(out, "\"", 1);
    const unsigned char *next = (const unsigned char *)text;
    size_t left = strlen(text);
    while (left > 0) {
        utf8proc_int32_t point = 0;
        utf8proc_ssize_t size = utf8proc_iterate(next, (utf8proc_ssize_t)left, &point);
        if (size <= 0) {
            buf_append(out, "?", 1);
            size = 1;
        } else {
            write_character(out, next, (size_t)size, point);
        }
        next += size;
        left -= (size_t)size;
    }
    buf_append(out, "\"", 1);
}

static void start_entry(struct json_writer *writer, const char *name)
{
    if (writer->comma) {
        buf_append(writer->out, ",", 1);
    }
    writer->comma = true;
    if (name != NULL) {
        write_string(writer->out, name);
        buf_append(writer->out, ":", 1);
    }
}

void json_write_open(struct json_writer *writer, const char *name, char bracket)
{
    start_entry(writer, name);
    buf_append(writer->out, &bracket, 1);
    writer->comma = false;
}

void json_write_close(struct json_writer *writer, char bracket)
{
    buf_append(writer->out, &bracket, 1);
    writer->comma = true;
}

void json_write_text(struct json_writer *writer, const char *name, const char *text)
{
    start_entry(writer, name);
    if (text == NULL) {
        buf_append_text(writer->out, "null");
        return;
    }
    write_string(writer->out, text);
}

void json_write_boolean(struct json_writer *writer, const char *name, bool value)
{
    start_entry(writer, name);
    buf_append_text(writer->out, value ? "true" : "false");
}

void json_write_number(struct json_writer *writer, const char *name, uint64_t value)
{
    start_entry(writer, name);
    buf_printf(writer->out, "%" PRIu64, value);
}

void json_write_decimal(struct json_writer *writer, const char *name, uint64_t value)
{
    start_entry(writer, name);
    buf_printf(writer->out, "\"%" PRIu64 "\"", value);
}

void json_write_hex(struct json_writer *writer, const char *name, const uint8_t *bytes, size_t size)
{
    start_entry(writer, name);
    buf_append_text(writer->out, "\"0x");
    for (size_t done = 0; done < size; done += HEX_BYTES_AT_ONCE) {
        char text[HEX_TEXT_SIZE(HEX_BYTES_AT_ONCE)];
        size_t part = size - done < HEX_BYTES_AT_ONCE ? size - done : HEX_BYTES_AT_ONCE;
        hex_encode(bytes + done, part, text);
        buf_append(writer->out, text + 2, 2 * part);
    }
    buf_append(writer->out, "\"", 1);
}
