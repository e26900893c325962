/* attestor.h: whoever makes attestation documents: in an enclave, its security module (enclave/
 * nsm.h). For code that needs documents and must not know where they come from. */
#ifndef ATTEST_ATTESTOR_H
#define ATTEST_ATTESTOR_H

#include "base/buf.h"
#include "base/cbor.h"
#include "base/result.h"

/* What a document is to say for us; `bytes` NULL: nothing. */
struct attestation_claims {
    struct cbor_view user_data;  /* at most DOCUMENT_USER_DATA_MAX bytes */
    struct cbor_view nonce;      /* at most DOCUMENT_NONCE_MAX bytes */
    struct cbor_view public_key; /* 1 to DOCUMENT_PUBLIC_KEY_MAX bytes */
};

struct attestor {
    /* Appends a document to `out`. May take two minutes, so it is not for threads that must not
     * wait. Any thread. LIMIT: a claim is too long, or `out` is full; BAD_INPUT, UNAVAILABLE: the
     * module said no, or nothing. */
    struct result (*attest)(void *context, const struct attestation_claims *claims,
                            struct buf *out);
    void *context;
};

#endif
