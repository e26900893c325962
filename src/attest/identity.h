/* identity.h: what a signer in an enclave shows as a TLS server: a key made here, and a self-signed
 * certificate with the attestation document that vouches for it (attest/evidence.h). Every one has
 * a key of its own. */
#ifndef ATTEST_IDENTITY_H
#define ATTEST_IDENTITY_H

#include "attest/attestor.h"
#include "base/cleanup.h"
#include "base/detail.h"
#include "base/result.h"
#include "base/sha384.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdint.h>

enum {
    IDENTITY_LIFETIME_S = 60 * 60, /* of a certificate, or until its document's leaf ends */
    IDENTITY_BACKDATED_S = 60,     /* it begins so long before now: clients' clocks differ */
};

struct identity {
    EVP_PKEY *key; /* of P-384 */
    X509 *certificate;
    uint64_t not_after;      /* of the certificate, in seconds since 1970 … */
    uint64_t leaf_not_after; /* … and of the document's leaf, which is not earlier */
};

/* Makes one; takes as long as the attestor takes. `configuration` is the SHA-384 of the enclave's,
 * which must be in register 16 already. What was made is read back from its bytes with the verifier
 * that clients use (attest/verifier.h): everything but whose the root is and which image runs.
 * REFUSED or BAD_INPUT, with the check in `detail`: it would not hold there; the attestor's own
 * failures; UNAVAILABLE: no memory. Leaves nothing in OpenSSL's queue of errors. */
RESULT identity_make(const struct attestor *attestor,
                     const uint8_t configuration[static SHA384_SIZE], uint64_t now_seconds,
                     struct identity *out, struct detail *detail);

/* Frees what is not shared; with the key's last reference OpenSSL wipes it. Accepts a zeroed one.
 */
void identity_done(struct identity *identity);
#define IDENTITY CLEANUP(identity_done) struct identity

#endif
