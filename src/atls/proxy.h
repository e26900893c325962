/* proxy.h: the local door to an enclave, for clients that know nothing of attestation. Each
 * client's connection gets a connection to the server of its own, which must prove itself
 * (atls/session.h) before one byte of the client's is passed on; then bytes go both ways as they
 * are.
 *
 * Who cannot be verified is not spoken to: the client's first bytes are answered with 503 and the
 * reason. Evidence does not last for ever: a connection whose evidence is older than the policy
 * allows, or whose certificate has expired, is closed as soon as it is quiet, and at the latest
 * after PROXY_GRACE_MS. On the loop's thread. */
#ifndef ATLS_PROXY_H
#define ATLS_PROXY_H

#include "attest/verifier.h"
#include "base/cleanup.h"
#include "base/detail.h"
#include "base/result.h"
#include "net/endpoint.h"
#include "net/event_loop.h"

#include <stddef.h>
#include <stdint.h>

enum {
    PROXY_HELD_MAX = 16 * 1024,   /* bytes held of each direction of a connection */
    PROXY_QUIET_MS = 1000,        /* nothing has moved, and what moved last went to the client */
    PROXY_GRACE_MS = 10 * 1000,   /* for a connection that may not go on, and is not quiet */
    PROXY_LINGER_MS = 30 * 1000,  /* without a byte, when one side has ended */
    PROXY_REFUSAL_MS = 10 * 1000, /* for a client to ask, and be told why not */
    PROXY_ADDRESS_MS = 5 * 1000,  /* for one address of the server to answer */
};

struct proxy_settings {
    struct endpoint listen;
    struct endpoint server;
    size_t connections_max;     /* more are closed at once */
    unsigned verify_timeout_ms; /* to connect and to verify */
    unsigned idle_timeout_ms;   /* without a byte in either direction */
};

struct proxy;

/* Listens at once. `wanted` (policy, root, configuration; now_seconds 0) is borrowed and may be
 * changed between calls of the loop: see proxy_recheck(). As endpoint_listen(). */
RESULT proxy_new(struct event_loop *loop, const struct proxy_settings *settings,
                 const struct expectations *wanted, struct proxy **out, struct detail *detail);
/* Closes everything at once. The loop must not run any more. Accepts NULL. */
void proxy_free(struct proxy *proxy);
DEFINE_CLEANUP(struct proxy, proxy_free);

uint16_t proxy_port(const struct proxy *proxy);
size_t proxy_active(const struct proxy *proxy); /* connections of clients */

/* What is wanted has changed: judges all connections by it, and cuts those that it refuses. Gives
 * how many. */
size_t proxy_recheck(struct proxy *proxy);

/* Takes no more connections, and closes each when it is quiet, at the latest after PROXY_GRACE_MS.
 */
void proxy_drain(struct proxy *proxy);

#endif
