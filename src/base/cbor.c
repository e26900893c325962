#include "base/cbor.h"

#include <cbor.h>
#include <string.h>
#include <utf8proc.h>

/* One item without the items in it, as libcbor's callbacks tell of it. */
struct item {
    bool refused;
    enum cbor_kind kind;
    uint64_t number; /* of an integer (-1 - number when negative), a count, or a length */
    const uint8_t *bytes;
    bool boolean;
};

static void take_number(struct item *item, enum cbor_kind kind, uint64_t number)
{
    item->kind = kind;
    item->number = number;
}

static void take_string(struct item *item, enum cbor_kind kind, cbor_data bytes, size_t size)
{
    take_number(item, kind, size);
    item->bytes = bytes;
}

static void on_uint8(void *item, uint8_t value)
{
    take_number(item, CBOR_KIND_UNSIGNED, value);
}

static void on_uint16(void *item, uint16_t value)
{
    take_number(item, CBOR_KIND_UNSIGNED, value);
}

static void on_uint32(void *item, uint32_t value)
{
    take_number(item, CBOR_KIND_UNSIGNED, value);
}

static void on_uint64(void *item, uint64_t value)
{
    take_number(item, CBOR_KIND_UNSIGNED, value);
}

static void on_negint8(void *item, uint8_t value)
{
    take_number(item, CBOR_KIND_NEGATIVE, value);
}

static void on_negint16(void *item, uint16_t value)
{
    take_number(item, CBOR_KIND_NEGATIVE, value);
}

static void on_negint32(void *item, uint32_t value)
{
    take_number(item, CBOR_KIND_NEGATIVE, value);
}

static void on_negint64(void *item, uint64_t value)
{
    take_number(item, CBOR_KIND_NEGATIVE, value);
}

static void on_bytes(void *item, cbor_data bytes, size_t size)
{
    take_string(item, CBOR_KIND_BYTES, bytes, size);
}

static void on_text(void *item, cbor_data bytes, size_t size)
{
    take_string(item, CBOR_KIND_TEXT, bytes, size);
}

static void on_array(void *item, size_t count)
{
    take_number(item, CBOR_KIND_ARRAY, count);
}

static void on_map(void *item, size_t count)
{
    take_number(item, CBOR_KIND_MAP, count);
}

static void on_boolean(void *item, bool value)
{
    ((struct item *)item)->kind = CBOR_KIND_BOOLEAN;
    ((struct item *)item)->boolean = value;
}

static void on_null(void *item)
{
    ((struct item *)item)->kind = CBOR_KIND_NULL;
}

static void refuse(void *item)
{
    ((struct item *)item)->refused = true;
}

static void refuse_tag(void *item, uint64_t tag)
{
    (void)tag;
    refuse(item);
}

static void refuse_float(void *item, float value)
{
    (void)value;
    refuse(item);
}

static void refuse_double(void *item, double value)
{
    (void)value;
    refuse(item);
}

static const struct cbor_callbacks callbacks = {
    .uint8 = on_uint8,
    .uint16 = on_uint16,
    .uint32 = on_uint32,
    .uint64 = on_uint64,
    .negint8 = on_negint8,
    .negint16 = on_negint16,
    .negint32 = on_negint32,
    .negint64 = on_negint64,
    .byte_string = on_bytes,
    .byte_string_start = refuse,
    .string = on_text,
    .string_start = refuse,
    .array_start = on_array,
    .indef_array_start = refuse,
    .map_start = on_map,
    .indef_map_start = refuse,
    .tag = refuse_tag,
    .float2 = refuse_float,
    .float4 = refuse_float,
    .float8 = refuse_double,
    .undefined = refuse,
    .null = on_null,
    .boolean = on_boolean,
    .indef_break = refuse,
};

static bool is_string(const struct item *item)
{
    return item->kind == CBOR_KIND_BYTES || item->kind == CBOR_KIND_TEXT;
}

/* RFC 8949 section 4.1: numbers to 23 are in the first byte, others in 1, 2, 4 or 8 behind it. */
static size_t shortest_head(uint64_t number)
{
    static const struct {
        uint64_t max;
        size_t size;
    } heads[] = { { 23, 1 }, { UINT8_MAX, 2 }, { UINT16_MAX, 3 }, { UINT32_MAX, 5 } };
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        if (number <= heads[i].max) {
            return heads[i].size;
        }
    }
    return CBOR_HEAD_MAX;
}

static bool is_utf8(const uint8_t *text, size_t size)
{
    for (size_t at = 0; at < size;) {
        utf8proc_int32_t point = 0;
        utf8proc_ssize_t used = utf8proc_iterate(text + at, (utf8proc_ssize_t)(size - at), &point);
        if (used <= 0) {
            return false;
        }
        at += (size_t)used;
    }
    return true;
}

/* Arrays and maps announce what follows: at least one byte for each item of it. */
static bool can_hold(const struct item *item, size_t left)
{
    return (item->kind != CBOR_KIND_ARRAY || item->number <= left) &&
           (item->kind != CBOR_KIND_MAP || item->number <= left / 2);
}

/* Reads one item, of an array or a map the head only. */
static struct result next(struct cbor_reader *reader, struct item *out)
{
    struct item item = { .refused = false };
    ENSURE(reader->left > 0, BAD_INPUT, "CBOR is cut short");
    struct cbor_decoder_result decoded =
        cbor_stream_decode(reader->at, reader->left, &callbacks, &item);
    ENSURE(decoded.status != CBOR_DECODER_NEDATA, BAD_INPUT, "CBOR is cut short");
    ENSURE(decoded.status == CBOR_DECODER_FINISHED, BAD_INPUT, "not CBOR");
    ENSURE(!item.refused, BAD_INPUT, "CBOR of a kind that is not used here");
    size_t head = decoded.read - (is_string(&item) ? (size_t)item.number : 0);
    ENSURE(!reader->shortest || head == shortest_head(item.number), BAD_INPUT,
           "CBOR that is not in its shortest form");
    ENSURE(can_hold(&item, reader->left - decoded.read), BAD_INPUT, "CBOR is cut short");
    ENSURE(item.kind != CBOR_KIND_TEXT || is_utf8(item.bytes, (size_t)item.number), BAD_INPUT,
           "CBOR text that is not UTF-8");
    reader->at += decoded.read;
    reader->left -= decoded.read;
    *out = item;
    return OK;
}

/* The next item when it is of one kind; the reader moves only then. */
static struct result next_of(struct cbor_reader *reader, enum cbor_kind kind, struct item *out)
{
    struct cbor_reader behind = *reader;
    struct item item;
    TRY(next(&behind, &item));
    ENSURE(item.kind == kind, BAD_INPUT, "CBOR of another kind than expected");
    *reader = behind;
    *out = item;
    return OK;
}

struct cbor_reader cbor_reader_on(const void *bytes, size_t size)
{
    return (struct cbor_reader){ .at = bytes, .left = size };
}

struct cbor_reader cbor_shortest_reader_on(const void *bytes, size_t size)
{
    return (struct cbor_reader){ .at = bytes, .left = size, .shortest = true };
}

RESULT cbor_peek(const struct cbor_reader *reader, enum cbor_kind *out)
{
    struct cbor_reader behind = *reader;
    struct item item;
    TRY(next(&behind, &item));
    *out = item.kind;
    return OK;
}

RESULT cbor_read_unsigned(struct cbor_reader *reader, uint64_t *out)
{
    struct item item;
    TRY(next_of(reader, CBOR_KIND_UNSIGNED, &item));
    *out = item.number;
    return OK;
}

RESULT cbor_read_integer(struct cbor_reader *reader, int64_t *out)
{
    struct cbor_reader behind = *reader;
    struct item item;
    TRY(next(&behind, &item));
    ENSURE(item.kind == CBOR_KIND_UNSIGNED || item.kind == CBOR_KIND_NEGATIVE, BAD_INPUT,
           "CBOR of another kind than expected");
    ENSURE(item.number <= INT64_MAX, BAD_INPUT, "CBOR integer beyond 64 bits with a sign");
    int64_t value = (int64_t)item.number;
    *reader = behind;
    *out = item.kind == CBOR_KIND_NEGATIVE ? -1 - value : value;
    return OK;
}

static struct result read_string(struct cbor_reader *reader, enum cbor_kind kind,
                                 struct cbor_view *out)
{
    struct item item;
    TRY(next_of(reader, kind, &item));
    *out = (struct cbor_view){ .bytes = item.bytes, .size = (size_t)item.number };
    return OK;
}

RESULT cbor_read_bytes(struct cbor_reader *reader, struct cbor_view *out)
{
    return read_string(reader, CBOR_KIND_BYTES, out);
}

RESULT cbor_read_text(struct cbor_reader *reader, struct cbor_view *out)
{
    return read_string(reader, CBOR_KIND_TEXT, out);
}

RESULT cbor_read_boolean(struct cbor_reader *reader, bool *out)
{
    struct item item;
    TRY(next_of(reader, CBOR_KIND_BOOLEAN, &item));
    *out = item.boolean;
    return OK;
}

RESULT cbor_read_null(struct cbor_reader *reader)
{
    struct item item;
    return next_of(reader, CBOR_KIND_NULL, &item);
}

static struct result read_count(struct cbor_reader *reader, enum cbor_kind kind, size_t *count_out)
{
    struct item item;
    TRY(next_of(reader, kind, &item));
    *count_out = (size_t)item.number;
    return OK;
}

RESULT cbor_read_array(struct cbor_reader *reader, size_t *count_out)
{
    return read_count(reader, CBOR_KIND_ARRAY, count_out);
}

RESULT cbor_read_map(struct cbor_reader *reader, size_t *count_out)
{
    return read_count(reader, CBOR_KIND_MAP, count_out);
}

/* How many items an item announces. */
static size_t announced(const struct item *item)
{
    if (item->kind == CBOR_KIND_MAP) {
        return 2 * (size_t)item->number;
    }
    return item->kind == CBOR_KIND_ARRAY ? (size_t)item->number : 0;
}

RESULT cbor_skip(struct cbor_reader *reader)
{
    struct cbor_reader behind = *reader;
    size_t left[CBOR_DEPTH_MAX + 1] = { 1 }; /* items to come at each depth */
    for (size_t depth = 0;;) {
        struct item item;
        TRY(next(&behind, &item));
        left[depth]--;
        bool opens = item.kind == CBOR_KIND_ARRAY || item.kind == CBOR_KIND_MAP;
        ENSURE(!opens || depth < CBOR_DEPTH_MAX, LIMIT, "CBOR is nested too deeply");
        if (opens) {
            left[++depth] = announced(&item);
        }
        while (left[depth] == 0) {
            if (depth == 0) {
                *reader = behind;
                return OK;
            }
            depth--;
        }
    }
}

RESULT cbor_read_end(const struct cbor_reader *reader)
{
    ENSURE(reader->left == 0, BAD_INPUT, "more bytes than the CBOR");
    return OK;
}

bool cbor_view_is(struct cbor_view view, const char *text)
{
    return view.size == strlen(text) &&
           (view.size == 0 || memcmp(view.bytes, text, view.size) == 0);
}

void cbor_write_unsigned(struct buf *out, uint64_t value)
{
    unsigned char head[CBOR_HEAD_MAX];
    buf_append(out, head, cbor_encode_uint(value, head, sizeof(head)));
}

void cbor_write_integer(struct buf *out, int64_t value)
{
    if (value >= 0) {
        cbor_write_unsigned(out, (uint64_t)value);
    } else {
        unsigned char head[CBOR_HEAD_MAX];
        buf_append(out, head, cbor_encode_negint((uint64_t)(-1 - value), head, sizeof(head)));
    }
}

void cbor_write_bytes(struct buf *out, const void *bytes, size_t size)
{
    unsigned char head[CBOR_HEAD_MAX];
    buf_append(out, head, cbor_encode_bytestring_start(size, head, sizeof(head)));
    buf_append(out, bytes, size);
}

void cbor_write_text(struct buf *out, const char *text)
{
    size_t size = strlen(text);
    unsigned char head[CBOR_HEAD_MAX];
    buf_append(out, head, cbor_encode_string_start(size, head, sizeof(head)));
    buf_append(out, text, size);
}

void cbor_write_boolean(struct buf *out, bool value)
{
    unsigned char head[CBOR_HEAD_MAX];
    buf_append(out, head, cbor_encode_bool(value, head, sizeof(head)));
}

void cbor_write_null(struct buf *out)
{
    unsigned char head[CBOR_HEAD_MAX];
    buf_append(out, head, cbor_encode_null(head, sizeof(head)));
}

void cbor_write_array(struct buf *out, size_t count)
{
    unsigned char head[CBOR_HEAD_MAX];
    buf_append(out, head, cbor_encode_array_start(count, head, sizeof(head)));
}

void cbor_write_map(struct buf *out, size_t count)
{
    unsigned char head[CBOR_HEAD_MAX];
    buf_append(out, head, cbor_encode_map_start(count, head, sizeof(head)));
}
