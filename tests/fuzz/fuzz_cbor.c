/* fuzz_cbor.c: what the shortest-form reader accepts is, item by item, written again as the very
 * same bytes; the tolerant reader accepts that too, and reads what is written as it read the input;
 * cbor_skip() ends where reading item by item ends. */
#include "base/cbor.h"
#include "base/cleanup.h"

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

static void copy_integer(struct cbor_reader *reader, struct buf *out)
{
    enum cbor_kind kind;
    uint64_t number = 0;
    int64_t integer = 0;
    hold(is_ok(cbor_peek(reader, &kind)));
    if (kind == CBOR_KIND_UNSIGNED) {
        hold(is_ok(cbor_read_unsigned(reader, &number)));
        cbor_write_unsigned(out, number);
    } else if (is_ok(cbor_read_integer(reader, &integer))) {
        hold(integer < 0);
        cbor_write_integer(out, integer);
    } else { /* below -2^63 */
        const uint8_t *at = reader->at;
        hold(is_ok(cbor_skip(reader)));
        buf_append(out, at, (size_t)(reader->at - at));
    }
}

static void copy_text(const struct cbor_view *view, struct buf *out)
{
    char *text = malloc(view->size + 1);
    hold(text != NULL);
    memcpy(text, view->bytes, view->size);
    text[view->size] = '\0';
    hold(cbor_view_is(*view, text) == (strlen(text) == view->size));
    free(text);
    BUF head = BUF_INIT(WRITTEN_MAX); /* a text may hold zero bytes: written as bytes are */
    cbor_write_bytes(&head, view->bytes, view->size);
    head.data[0] = (char)(head.data[0] ^ 0x20); /* major type 2 to 3 */
    buf_append(out, head.data, head.size);
}

/* Copies one item, of an array or a map its head, and adds to the items that are to come. */
static void copy(struct cbor_reader *reader, enum cbor_kind kind, struct buf *out, size_t *left)
{
    struct cbor_view view;
    size_t count = 0;
    bool boolean = false;
    switch (kind) {
    case CBOR_KIND_UNSIGNED:
    case CBOR_KIND_NEGATIVE:
        copy_integer(reader, out);
        break;
    case CBOR_KIND_BYTES:
        hold(is_ok(cbor_read_bytes(reader, &view)));
        cbor_write_bytes(out, view.bytes, view.size);
        break;
    case CBOR_KIND_TEXT:
        hold(is_ok(cbor_read_text(reader, &view)));
        copy_text(&view, out);
        break;
    case CBOR_KIND_ARRAY:
        hold(is_ok(cbor_read_array(reader, &count)));
        hold(count <= reader->left);
        cbor_write_array(out, count);
        *left += count;
        break;
    case CBOR_KIND_MAP:
        hold(is_ok(cbor_read_map(reader, &count)));
        hold(count <= reader->left / 2);
        cbor_write_map(out, count);
        *left += 2 * count;
        break;
    case CBOR_KIND_BOOLEAN:
        hold(is_ok(cbor_read_boolean(reader, &boolean)));
        cbor_write_boolean(out, boolean);
        break;
    case CBOR_KIND_NULL:
        hold(is_ok(cbor_read_null(reader)));
        cbor_write_null(out);
        break;
    }
}

/* One item with all in it, at whatever depth. */
static bool copy_whole(struct cbor_reader *reader, struct buf *out)
{
    for (size_t left = 1; left > 0; left--) {
        enum cbor_kind kind;
        if (!is_ok(cbor_peek(reader, &kind))) {
            return false;
        }
        copy(reader, kind, out, &left);
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    BUF written = BUF_INIT(WRITTEN_MAX);
    BUF again = BUF_INIT(WRITTEN_MAX);
    struct cbor_reader shortest = cbor_shortest_reader_on(data, size);
    struct cbor_reader tolerant = cbor_reader_on(data, size);
    struct cbor_reader skipping = tolerant;
    struct result skipped = cbor_skip(&skipping);
    bool is_shortest = copy_whole(&shortest, &written);
    if (is_shortest) {
        hold(is_ok(buf_check(&written)));
        hold(written.size == size - shortest.left && memcmp(written.data, data, written.size) == 0);
    }
    buf_clear(&written);
    bool read = copy_whole(&tolerant, &written);
    hold(read || !is_shortest);
    hold(read == is_ok(skipped) || skipped.status == STATUS_LIMIT);
    if (read) {
        hold(skipped.status == STATUS_LIMIT || skipping.at == tolerant.at);
        struct cbor_reader rewritten = cbor_shortest_reader_on(written.data, written.size);
        hold(copy_whole(&rewritten, &again) && is_ok(cbor_read_end(&rewritten)));
        hold(again.size == written.size && memcmp(again.data, written.data, again.size) == 0);
    }
    return 0;
}
