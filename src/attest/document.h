/* document.h: attestation documents of the Nitro security module, parsed strictly. Format: AWS's
 * nitro-enclaves-nsm-api, docs/attestation_process.md; COSE_Sign1 of RFC 9052.
 *
 * Parsing proves nothing: until attest/verifier.h agreed, all of it is what a stranger claims.
 * Everything is CBOR in its shortest form, as the module writes it. A COSE tag 18 is tolerated
 * before the document; the protected header is exactly {1: -35} (ES384) and the unprotected one
 * empty. The payload's fields may come in any order and none twice. Fields that AWS's list does not
 * have are passed over: they are signed like the rest, and a verifier that refuses what a newer
 * module adds would cut every client off from a sound enclave. They can loosen nothing, as no check
 * of ours looks at them. */
#ifndef ATTEST_DOCUMENT_H
#define ATTEST_DOCUMENT_H

#include "attest/pcr.h"
#include "base/cbor.h"
#include "base/detail.h"
#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DOCUMENT_MAX = 16 * 1024,     /* bytes of a document */
    DOCUMENT_FIELDS_MAX = 24,     /* of the payload, with those that are not known */
    DOCUMENT_MODULE_ID_MAX = 255, /* characters, printable ASCII without spaces */
    DOCUMENT_CERTIFICATE_MAX = 1024,
    DOCUMENT_CABUNDLE_MAX = 15, /* certificates, with the leaf 16 */
    DOCUMENT_PUBLIC_KEY_MAX = 1024,
    DOCUMENT_USER_DATA_MAX = 512,
    DOCUMENT_NONCE_MAX = 512,
    DOCUMENT_SIGNATURE_SIZE = 96, /* r || s of P-384 */
};

/* The CBOR of the protected header, a1 01 38 22. */
enum { DOCUMENT_PROTECTED_SIZE = 4 };
extern const uint8_t document_protected[DOCUMENT_PROTECTED_SIZE];

/* All views are of the parsed bytes. */
struct document {
    struct cbor_view payload;   /* what is signed */
    struct cbor_view signature; /* DOCUMENT_SIGNATURE_SIZE bytes */
    struct cbor_view module_id; /* of the enclave: "i-…-enc…" */
    uint64_t timestamp_ms;      /* since 1970, not 0 */
    struct pcr pcrs[PCR_COUNT]; /* zero where the document has none */
    uint32_t pcrs_there;        /* bit i: the document has register i */
    struct cbor_view
        certificate; /* DER, 1 to DOCUMENT_CERTIFICATE_MAX bytes; those of cabundle too */
    struct cbor_view cabundle[DOCUMENT_CABUNDLE_MAX]; /* the root first */
    size_t cabundle_count;                            /* at least 1 */
    /* `bytes` is NULL when the field is null or not there. */
    struct cbor_view public_key; /* 1 to DOCUMENT_PUBLIC_KEY_MAX bytes */
    struct cbor_view user_data;  /* 0 to DOCUMENT_USER_DATA_MAX bytes */
    struct cbor_view nonce;      /* 0 to DOCUMENT_NONCE_MAX bytes */
};

/* BAD_INPUT or LIMIT, with the field in `detail`: not such a document. Allocates nothing. */
RESULT document_parse(const void *bytes, size_t size, struct document *out, struct detail *detail);

bool document_has_pcr(const struct document *document, unsigned index);

/* What the signature is of: the Sig_structure (RFC 9052 section 4.4) with an empty external_aad. */
void document_write_signed(const struct document *document, struct buf *out);

#endif
