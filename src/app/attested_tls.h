/* attested_tls.h: the TLS identity of a signer in an enclave (architecture.md 12): a key made here,
 * and a self-signed certificate with the attestation document that vouches for both. Renewed, with
 * a new key, in time; connections go on with what they began with. */
#ifndef APP_ATTESTED_TLS_H
#define APP_ATTESTED_TLS_H

#include "attest/attestor.h"
#include "base/detail.h"
#include "base/result.h"
#include "base/sha384.h"
#include "net/tls.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    ATTESTED_TLS_RENEW_S = 30 * 60,   /* at the latest … */
    ATTESTED_TLS_RESERVE_S = 15 * 60, /* … and so long before the document's leaf expires */
    ATTESTED_TLS_RETRY_S = 10,        /* after a renewal that failed; also the shortest interval */
    ATTESTED_TLS_TOLD_EACH = 30,      /* of failures in a row: the first, and each 30th more */
};

struct attested_tls_settings {
    struct attestor attestor;
    uint8_t configuration[SHA384_SIZE]; /* SHA-384 of the enclave's configuration */
    unsigned renew_s;                   /* 0: ATTESTED_TLS_RENEW_S; less is for tests */
    uint64_t (*now_seconds)(void);      /* NULL: clock_wall_seconds(); any other is for tests */
};

struct attested_tls;

/* Makes the first identity, which takes as long as the attestor takes. Fails as identity_make()
 * (attest/identity.h) does. */
RESULT attested_tls_new(const struct attested_tls_settings *settings, struct attested_tls **out,
                        struct detail *detail);
void attested_tls_free(struct attested_tls *tls); /* waits for a renewal under way; accepts NULL */
DEFINE_CLEANUP(struct attested_tls, attested_tls_free);

/* For the listener. Lives as long as `tls`. */
struct tls_slot *attested_tls_slot(struct attested_tls *tls);

/* What documents of this server come from and are bound to, for others who need some. */
const struct attestor *attested_tls_attestor(const struct attested_tls *tls);
const uint8_t *attested_tls_configuration(const struct attested_tls *tls); /* SHA384_SIZE bytes */

/* Renews in the background when that is due, or the clock went back. Failures are logged, and tried
 * again; an identity that has expired leaves the slot empty: handshakes are refused. Called about
 * every second, one thread. */
void attested_tls_run(struct attested_tls *tls);

/* Whether one is under way, or its outcome not taken note of yet: the next run will. */
bool attested_tls_is_renewing(const struct attested_tls *tls);

/* When the certificate in use ends, in seconds since 1970; 0: there is none. Any thread. */
uint64_t attested_tls_expiry(struct attested_tls *tls);

#endif
