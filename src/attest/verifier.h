/* verifier.h: whether evidence holds: an attestation document by itself, or with the TLS
 * certificate that carries it (attest/evidence.h). Pure: the caller brings the bytes and the time.
 * It fails closed: without a policy that asks for something, and for an expectation of no bytes,
 * the answer is no. */
#ifndef ATTEST_VERIFIER_H
#define ATTEST_VERIFIER_H

#include "attest/chain.h"
#include "attest/document.h"
#include "attest/evidence.h"
#include "attest/policy.h"
#include "base/cbor.h"
#include "base/detail.h"
#include "base/result.h"
#include "base/sha384.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What must hold. NULL: not asked for. A view of no bytes is not that: it is refused, so that a
 * value that somebody forgot to fill in cannot pass for one that nobody wants. */
struct expectations {
    const struct policy *policy;       /* never NULL */
    const struct cbor_view *root;      /* DER, in place of AWS's; whoever has its key can lie */
    uint64_t now_seconds;              /* since 1970 */
    const struct cbor_view *nonce;     /* exactly these bytes, as are the next two */
    const struct cbor_view *user_data; /* not with a certificate, for which both are known */
    const struct cbor_view *public_key;
    const uint8_t *configuration; /* SHA-384 of the enclave's configuration */
};

/* In the order in which they are made and told. */
enum check {
    CHECK_EXPECTATIONS, /* there is something to hold the evidence to */
    CHECK_CERTIFICATE,  /* signed by its own key, and valid now */
    CHECK_EVIDENCE,     /* the certificate carries one document */
    CHECK_DOCUMENT,     /* that is well-formed */
    CHECK_CHAIN,        /* its certificates lead to the trusted root and are valid now */
    CHECK_SIGNATURE,    /* signed by the leaf's key */
    CHECK_FRESHNESS,    /* not older than the policy allows, nor from the future */
    CHECK_REGISTERS,    /* values that the policy has, not those of debug mode */
    CHECK_NONCE,
    CHECK_PUBLIC_KEY,
    CHECK_USER_DATA,
    CHECK_CONFIGURATION, /* register 16 is that of the configuration */
    CHECK_LIFETIME,      /* the certificate's lies within that of the document's leaf */
    CHECKS,
};

enum check_outcome {
    CHECK_NOT_REACHED, /* something that it needs did not hold */
    CHECK_NOT_ASKED,
    CHECK_HELD,
    CHECK_REFUSED,
};

struct check_report {
    enum check_outcome outcome;
    struct result result; /* when refused */
    struct detail detail;
};

struct report {
    struct check_report checks[CHECKS];
    bool has_document; /* CHECK_DOCUMENT held: the next may be looked at, as a claim at least */
    struct document document; /* views of the given bytes */
    bool has_leaf;            /* CHECK_CHAIN held */
    struct chain_window leaf;
    bool development_root;
    bool has_configuration; /* SHA-384 of the configuration that user_data names, as a claim */
    uint8_t configuration[SHA384_SIZE];
};

const char *check_name(enum check check); /* "chain" */

/* OK only when everything holds that is asked for. Else the first check that does not: its result,
 * and "<check>: <detail>" in `detail`. `out` tells of all checks either way and is always written;
 * its views are of `document`. */
RESULT verifier_check_document(struct cbor_view document, const struct expectations *expectations,
                               struct report *out, struct detail *detail);

/* The same for a certificate: that it was made in the enclave whose document it carries. */
RESULT verifier_check_certificate(const struct evidence *evidence,
                                  const struct expectations *expectations, struct report *out,
                                  struct detail *detail);

#endif
