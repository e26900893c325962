/* maker.h: certificates and attestation documents for tests, signed with keys made for them. */
#ifndef TESTS_UNIT_ATTEST_MAKER_H
#define TESTS_UNIT_ATTEST_MAKER_H

#include "attest/document.h"
#include "base/buf.h"
#include "base/cbor.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

enum {
    MAKER_NOW = 1780315800, /* 2026-06-01T12:10:00Z */
    MAKER_HOUR = 60 * 60,
    MAKER_PATH = 4, /* certificates: root, region, instance, leaf */
    MAKER_LEAF = MAKER_PATH - 1,
};

/* What one certificate says; extensions as OpenSSL's configuration files write them, or NULL. */
struct maker_plan {
    const char *name;
    const char *constraints;
    const char *usage;
    int64_t not_before; /* from MAKER_NOW */
    int64_t not_after;
    const char *curve;
    const EVP_MD *(*digest)(void);
};

/* A path, root first, each signed by the one before it. */
struct maker_chain {
    struct maker_plan plans[MAKER_PATH];
    EVP_PKEY *keys[MAKER_PATH];
    uint8_t *ders[MAKER_PATH];
    size_t sizes[MAKER_PATH];
};

struct maker_chain maker_plans(void);       /* like AWS's; nothing is made yet */
void maker_make(struct maker_chain *chain); /* keys and certificates by the plans */
void maker_done(struct maker_chain *chain);
#define MAKER_CHAIN CLEANUP(maker_done) struct maker_chain

struct cbor_view maker_view(const struct maker_chain *chain, size_t i);
/* A document with this path, and nothing else. */
struct document maker_document(const struct maker_chain *chain);

EVP_PKEY *maker_key(const char *curve);
/* Self-signed; `value` is the extension's with the evidence, or NULL. The caller frees. */
X509 *maker_certificate(EVP_PKEY *key, const struct cbor_view *value, int64_t not_before,
                        int64_t not_after);

/* What a whole document says beside its path; views of NULL are written as null. */
struct maker_claims {
    uint64_t timestamp_ms;
    struct cbor_view public_key;
    struct cbor_view user_data;
    struct cbor_view nonce;
    struct pcr image;         /* register 0 */
    struct pcr configuration; /* register 16, when it is not zero */
};
void maker_sign(const struct maker_chain *chain, const struct maker_claims *claims,
                struct buf *out);

#endif
