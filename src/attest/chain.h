/* chain.h: the certificates of an attestation document, from AWS's root (or one that the caller
 * names) to the leaf whose key signs documents. AWS's nitro-enclaves-nsm-api,
 * docs/attestation_process.md, sections 3.2.3 and following; path validation of RFC 5280 by
 * OpenSSL. AWS publishes no revocations for them: the leaf lives for three hours. */
#ifndef ATTEST_CHAIN_H
#define ATTEST_CHAIN_H

#include "attest/document.h"
#include "base/cbor.h"
#include "base/cleanup.h"
#include "base/detail.h"
#include "base/result.h"

#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

/* How much later than ours the clock of a certificate's maker may be: leaves are not backdated. */
enum { CHAIN_LEEWAY_SECONDS = 300 };

/* "AWS Nitro Enclaves Root G1", DER, 2019-10-28 to 2049-10-28; SHA-256
 * 641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b. */
extern const struct cbor_view chain_aws_root;

/* When a certificate is valid, in seconds since 1970, both ends included. */
struct chain_window {
    uint64_t not_before;
    uint64_t not_after;
};

/* Checks that cabundle and certificate of `document` are a path of at most 16 from `root`, whose
 * bytes are those of cabundle[0], in order and with nothing left over, all of it valid at
 * `now_seconds` (but for the leeway, before the beginning only): P-384 keys and ecdsa-with-SHA384
 * throughout; CAs with critical basicConstraints, a path length (but for the root) and keyCertSign;
 * the leaf none, with digitalSignature; no critical extension that OpenSSL does not know.
 * REFUSED or BAD_INPUT with the certificate in `detail`; UNAVAILABLE: no memory. On OK the caller
 * frees the leaf with X509_free(). */
RESULT chain_verify(const struct document *document, struct cbor_view root, uint64_t now_seconds,
                    X509 **leaf_out, struct detail *detail);

/* Parses a certificate that fills all of `der`. BAD_INPUT otherwise. The caller frees it. */
RESULT chain_parse_certificate(struct cbor_view der, X509 **out);
DEFINE_CLEANUP(X509, X509_free);

/* BAD_INPUT: times that are none, or before 1970. */
RESULT chain_window_of(const X509 *certificate, struct chain_window *out);

/* REFUSED: `now_seconds` is before its beginning by more than the leeway, or behind its end. */
RESULT chain_window_check(const struct chain_window *window, uint64_t now_seconds);

#endif
