/* fuzz_chain.c: a chain that is accepted is signed from each certificate to the next and valid, and
 * is none when any of its certificates is missing, after its leaf's end, or under another root. The
 * input: certificates, root first, each behind its size in two bytes. */
#include "attest/chain.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CERTIFICATES_MAX = DOCUMENT_CABUNDLE_MAX + 1 };
static const uint64_t now = 1780315800; /* 2026-06-01T12:10:00Z */

static void hold(bool property)
{
    if (!property) {
        abort();
    }
}

static size_t split(const uint8_t *data, size_t size, struct cbor_view *out)
{
    size_t count = 0;
    while (size >= 2 && count < CERTIFICATES_MAX) {
        size_t length = (size_t)data[0] << 8 | data[1];
        if (length > size - 2) {
            break;
        }
        out[count++] = (struct cbor_view){ data + 2, length };
        data += 2 + length;
        size -= 2 + length;
    }
    return count;
}

/* A document whose chain is these certificates without number `missing`. */
static bool is_accepted(const struct cbor_view *certificates, size_t count, size_t missing,
                        struct cbor_view root, uint64_t at)
{
    struct document document = { .cabundle_count = 0 };
    struct cbor_view kept[CERTIFICATES_MAX];
    size_t kept_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (i != missing) {
            kept[kept_count++] = certificates[i];
        }
    }
    if (kept_count < 2) {
        return false;
    }
    document.cabundle_count = kept_count - 1;
    memcpy(document.cabundle, kept, document.cabundle_count * sizeof(kept[0]));
    document.certificate = kept[kept_count - 1];
    CLEANUP(X509_free_ptr) X509 *leaf = NULL;
    struct detail detail = { "" };
    bool accepted = is_ok(chain_verify(&document, root, at, &leaf, &detail));
    hold(accepted == (leaf != NULL));
    hold(accepted || detail.text[0] != '\0');
    ERR_clear_error();
    return accepted;
}

static void check_signed(const struct cbor_view *certificates, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        CLEANUP(X509_free_ptr) X509 *issuer = NULL;
        CLEANUP(X509_free_ptr) X509 *certificate = NULL;
        struct chain_window window;
        hold(is_ok(chain_parse_certificate(certificates[i == 0 ? 0 : i - 1], &issuer)));
        hold(is_ok(chain_parse_certificate(certificates[i], &certificate)));
        hold(X509_verify(certificate, X509_get0_pubkey(issuer)) == 1);
        hold(is_ok(chain_window_of(certificate, &window)));
        hold(window.not_before <= now + CHAIN_LEEWAY_SECONDS && window.not_after >= now);
        if (i == count - 1) {
            hold(!is_accepted(certificates, count, count, certificates[0], window.not_after + 1));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cbor_view certificates[CERTIFICATES_MAX];
    size_t count = split(data, size, certificates);
    if (count < 2 || !is_accepted(certificates, count, count, certificates[0], now)) {
        return 0;
    }
    check_signed(certificates, count);
    for (size_t i = 0; i < count; i++) {
        hold(!is_accepted(certificates, count, i, certificates[0], now));
    }
    hold(!is_accepted(certificates, count, count, chain_aws_root, now));
    return 0;
}
