/* fuzz_evidence.c: a document that is found in an extension's value lies within it, and the value
 * is what evidence_write_extension() writes for it, but for the indicator, which may be missing. As
 * a certificate the bytes give a document only when its extension gives the same. */
#include "attest/document.h"
#include "attest/evidence.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hold(bool property)
{
    if (!property) {
        abort();
    }
}

static bool is_same(const struct buf *written, const uint8_t *data, size_t size)
{
    return written->size == size && memcmp(written->data, data, size) == 0;
}

static void check_value(const uint8_t *data, size_t size)
{
    BUF written = BUF_INIT(EVIDENCE_CERTIFICATE_MAX);
    struct cbor_view document;
    if (!is_ok(evidence_read_extension((struct cbor_view){ data, size }, &document))) {
        return;
    }
    hold(document.bytes > data && document.size < size);
    hold(document.bytes + document.size <= data + size);
    if (document.size == 0 || document.size > DOCUMENT_MAX) {
        return; /* nothing that we would write */
    }
    hold(is_ok(evidence_write_extension(document, &written)));
    hold(is_same(&written, data, size) ||
         document.bytes + document.size == data + size); /* no indicator */
}

static void check_certificate(const uint8_t *data, size_t size)
{
    struct evidence evidence = { .certificate = NULL };
    struct cbor_view document;
    if (is_ok(evidence_read(data, size, &evidence))) {
        hold(evidence.spki_size > 0 && evidence.spki_size <= EVIDENCE_SPKI_MAX);
        if (is_ok(evidence_document(&evidence, &document))) {
            hold(document.size < EVIDENCE_CERTIFICATE_MAX);
        }
        (void)!is_ok(evidence_check_self_signed(&evidence));
        ERR_clear_error();
    }
    evidence_done(&evidence);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_value(data, size);
    check_certificate(data, size);
    hold(ERR_peek_error() == 0);
    return 0;
}
