/* attestation.h: POST /attestation: a fresh attestation document, bound to the client's nonce, to
 * the certificate that its connection was shown and to the connection itself (docs/attestation.md).
 * Documents are made one after the other on a thread of their own: nothing else waits for the
 * security module. Internal to src/api, but for the maker's owner. */
#ifndef API_ATTESTATION_H
#define API_ATTESTATION_H

#include "attest/attestor.h"
#include "attest/evidence.h"
#include "base/cleanup.h"
#include "base/detail.h"
#include "base/result.h"
#include "base/sha384.h"

#include <stddef.h>
#include <stdint.h>

#define ATTESTATION_EXPORTER_LABEL "EXPORTER-containment-chamber/atls/v1"

enum {
    ATTESTATION_BODY_MAX = 1024, /* bytes of a request */
    ATTESTATION_NONCE_MIN = 16,  /* bytes */
    ATTESTATION_NONCE_MAX = 64,
    ATTESTATION_EXPORTER_SIZE = 32,
    ATTESTATION_WAITING_MAX = 64, /* requests, beside the one that is worked on */
    ATTESTATION_USER_DATA_SIZE = EVIDENCE_USER_DATA_SIZE + ATTESTATION_EXPORTER_SIZE,
};

/* Where documents come from, and the thread that waits for them. */
struct attestation;

/* `attestor` is copied, what it points to outlives all. */
RESULT attestation_new(const struct attestor *attestor,
                       const uint8_t configuration[static SHA384_SIZE], struct attestation **out);

/* Answers what is waiting, however long that takes, and frees. Accepts NULL. */
void attestation_free(struct attestation *attestation);
DEFINE_CLEANUP(struct attestation, attestation_free);

struct attestation_nonce {
    uint8_t bytes[ATTESTATION_NONCE_MAX];
    size_t size;
};

/* Reads {"nonce": "<hexadecimal>"}, with nothing beside it. BAD_INPUT or LIMIT, with the place in
 * `detail`. */
RESULT attestation_read(const char *body, size_t size, struct attestation_nonce *out,
                        struct detail *detail);

#endif
