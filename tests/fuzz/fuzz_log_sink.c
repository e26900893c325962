/* fuzz_log_sink.c: whatever an enclave says, log_sink_format() makes one line of it, behind what
 * the buffer had: a JSON object, of well-formed UTF-8, without a character that moves a terminal's
 * cursor, ends a line in some reader, or turns the direction of a text. What is such an object
 * already stays as it is. */
#include "parent/log_sink.h"

#include "base/json.h"
#include "enclave/bootstrap.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_MAX = 8 * BOOTSTRAP_LOG_MAX };

static const char before[] = "before";

static void hold(bool property)
{
    if (!property) {
        abort();
    }
}

static bool is_object(const char *text, size_t size)
{
    CLEANUP(json_free_ptr) struct json *value = NULL;
    return is_ok(json_parse(text, size, &value, NULL)) && json_kind(value) == JSON_KIND_OBJECT;
}

static bool is_harmless(utf8proc_int32_t point)
{
    bool control = point < 0x20 || (point >= 0x7f && point <= 0x9f);
    bool separator = point == 0x2028 || point == 0x2029;
    bool turn = (point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
    return !control && !separator && !turn;
}

static bool is_printable(const char *text, size_t size)
{
    for (size_t at = 0; at < size;) {
        utf8proc_int32_t point = 0;
        utf8proc_ssize_t length = utf8proc_iterate((const utf8proc_uint8_t *)text + at,
                                                   (utf8proc_ssize_t)(size - at), &point);
        if (length <= 0 || !is_harmless(point)) {
            return false;
        }
        at += (size_t)length;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > BOOTSTRAP_LOG_MAX) {
        return 0; /* the frame's decoder lets no such line pass */
    }
    BUF out = BUF_INIT(TEXT_MAX);
    buf_append_text(&out, before);
    log_sink_format(data, size, &out);
    hold(is_ok(buf_check(&out))); /* there is room for the worst */
    hold(out.size > strlen(before) && memcmp(out.data, before, strlen(before)) == 0);
    const char *line = out.data + strlen(before);
    size_t length = out.size - strlen(before);
    hold(line[--length] == '\n');
    hold(is_printable(line, length) && is_object(line, length));
    const char *given = size == 0 ? "" : (const char *)data;
    if (is_printable(given, size) && is_object(given, size)) {
        hold(length == size && memcmp(line, given, size) == 0);
    }
    return 0;
}
