/* attested_tls.h: the TLS identity of a signer in an enclave (architecture.md 12): a key made here,
 * and a self-signed certificate with the attestation document that vouches for both. Renewed, with
 * a new key, in time; connections go on with what they began with. */
#ifndef APP_ATTESTED_TLS_H
#define APP_ATTESTED_TLS_H

#include "attest/attestor.h"
#include "base/detail.h"
#include "base/result.h"
#include "base/sha384.h"
#include "base/tasks.h"
#include "net/tls.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    ATTESTED_TLS_RENEW_S = 30 * 60,    /* at the latest … */
    ATTESTED_TLS_RESERVE_S = 15 * 60,  /* … and so long before the document's leaf expires */
    ATTESTED_TLS_LIFETIME_S = 60 * 60, /* of a certificate, or until the leaf's end if sooner */
    ATTESTED_TLS_RETRY_S = 10,         /* after a renewal that failed */
};

struct attested_tls_settings {
    struct attestor attestor;
    uint8_t configuration[SHA384_SIZE]; /* SHA-384 of the enclave's configuration */
    unsigned renew_s;                   /* 0: ATTESTED_TLS_RENEW_S; less is for tests */
};

struct attested_tls;

/* Makes the first identity, which takes as long as the attestor takes. */
RESULT attested_tls_new(const struct attested_tls_settings *settings, struct attested_tls **out,
                        struct detail *detail);
void attested_tls_free(struct attested_tls *tls); /* waits for a renewal under way; accepts NULL */
DEFINE_CLEANUP(struct attested_tls, attested_tls_free);

/* For the listener. Lives as long as `tls`. */
struct tls_slot *attested_tls_slot(struct attested_tls *tls);

/* Renews in the background when that is due. Failures are logged, and tried again; an identity that
 * has expired leaves the slot empty: handshakes are refused. Called about every second, one thread.
 */
void attested_tls_run(struct attested_tls *tls);

/* When the certificate in use ends, in seconds since 1970; 0: there is none. Any thread. */
uint64_t attested_tls_expiry(struct attested_tls *tls);

#endif
