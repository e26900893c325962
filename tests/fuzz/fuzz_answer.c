/* fuzz_answer.c: the same bytes give the same document, or the same kind of refusal, however they
 * are split; a document is never longer than a document may be, and its bytes are in the text. */
#define _GNU_SOURCE
#include "atls/answer.h"
#include "base/hex.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hold(bool property)
{
    if (!property) {
        abort();
    }
}

struct outcome {
    enum status status;
    bool whole;
    struct buf document;
};

/* Whatever follows a whole answer would come in another piece: it is not fed. */
static struct outcome read_in(const uint8_t *data, size_t size, size_t piece)
{
    struct outcome outcome = { .status = STATUS_OK, .document = BUF_INIT(DOCUMENT_MAX) };
    struct answer *answer = answer_new();
    struct detail detail;
    hold(answer != NULL);
    for (size_t at = 0; outcome.status == STATUS_OK && !outcome.whole && at < size; at += piece) {
        size_t now = size - at < piece ? size - at : piece;
        outcome.status =
            answer_feed(answer, data + at, now, &outcome.whole, &outcome.document, &detail).status;
    }
    hold(outcome.whole == (outcome.document.size > 0));
    answer_free(answer);
    return outcome;
}

static bool has_hex(const uint8_t *data, size_t size, const struct buf *document)
{
    size_t text_size = HEX_TEXT_SIZE(document->size);
    char *text = calloc(1, text_size);
    bool found = false;
    hold(text != NULL);
    hex_encode((const uint8_t *)document->data, document->size, text);
    size_t digits = text_size - 3;
    for (size_t at = 0; !found && digits <= size && at <= size - digits; at++) {
        size_t i = 0;
        while (i < digits && (data[at + i] | 0x20) == text[2 + i]) {
            i++;
        }
        found = i == digits;
    }
    free(text);
    return found;
}

/* Digits behind escapes or across chunks are not found so simply. */
static bool is_plain(const uint8_t *data, size_t size)
{
    return memchr(data, '\\', size) == NULL && memmem(data, size, "unked", 5) == NULL &&
           memmem(data, size, "UNKED", 5) == NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t pieces[] = { 1, 2, 7, 64 };
    struct outcome whole = read_in(data, size, size);
    hold(whole.document.size <= DOCUMENT_MAX);
    hold(!whole.whole || !is_plain(data, size) || has_hex(data, size, &whole.document));
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        struct outcome parts = read_in(data, size, pieces[i]);
        /* only what stands behind the answer is refused as a whole, and not seen in pieces */
        hold(!whole.whole ||
             (parts.whole && parts.document.size == whole.document.size &&
              memcmp(parts.document.data, whole.document.data, whole.document.size) == 0));
        hold(whole.status == STATUS_OK || parts.status != STATUS_OK || parts.whole);
        hold(parts.status == STATUS_OK || whole.status != STATUS_OK);
        buf_free(&parts.document);
    }
    buf_free(&whole.document);
    return 0;
}
