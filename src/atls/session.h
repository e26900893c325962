/* session.h: a connection to a server that must prove that it is the enclave that we trust
 * (docs/attestation.md). In this order, each step only when the one before it held:
 *
 *   1. TLS 1.3, by which the server has the key of the certificate that it shows;
 *   2. tier 1: the certificate carries a document of such an enclave, which was made for that key;
 *   3. tier 2: POST /attestation with a fresh nonce; the document that answers it is of such an
 *      enclave, and names the nonce, the certificate's key, the configuration of tier 1 and keying
 *      material of this very connection. So whoever has stolen a certificate's key, and passes our
 *      question on to the enclave, is found out.
 *
 * Nothing but that question is sent before all held. On the loop's thread. */
#ifndef ATLS_SESSION_H
#define ATLS_SESSION_H

#include "attest/verifier.h"
#include "base/cleanup.h"
#include "base/detail.h"
#include "base/result.h"
#include "net/channel.h"
#include "net/dial.h"
#include "net/endpoint.h"
#include "net/event_loop.h"
#include "net/tls_client.h"

#include <stdbool.h>
#include <stdint.h>

enum { SESSION_NONCE_SIZE = 32, SESSION_EXPORTER_SIZE = 32 };
#define SESSION_EXPORTER_LABEL "EXPORTER-containment-chamber/atls/v1"

/* What is said of a server. */
struct session_verdict {
    bool connected;       /* false: nobody answered, so nothing was checked */
    struct result result; /* OK: both tiers hold */
    struct detail detail; /* "attestation: nonce" */
    uint64_t at_seconds;  /* the time that was checked for */
    bool has_certificate; /* tier 1 was looked at: */
    struct report certificate;
    bool has_document; /* and tier 2: */
    struct report document;
    uint64_t expires_seconds; /* when OK: the last second that it holds, of the wall clock */
};

/* Everything is borrowed, and must outlive the session. */
struct session_settings {
    struct event_loop *loop;
    struct dialer *dialer;
    const struct tls_client_context *tls;
    const struct endpoint *server;     /* what the dialer leads to */
    const struct expectations *wanted; /* policy, root, configuration; now_seconds 0: the clock's.
                                          May change: session_recheck() */
    unsigned timeout_ms;               /* for everything up to the verdict */
};

struct session;

/* Begins. `decided` is called once, later, never from within; it may free the session. */
RESULT session_new(const struct session_settings *settings, void (*decided)(void *context),
                   void *context, struct session **out);
void session_free(struct session *session); /* closes; accepts NULL */
DEFINE_CLEANUP(struct session, session_free);

/* Views in it are good as long as the session. */
const struct session_verdict *session_verdict(const struct session *session);

/* After a verdict that is OK: the connection, for any bytes. The caller becomes its owner in the
 * sense of channel_set_owner() only: it is closed with the session. */
struct channel *session_channel(struct session *session);

/* Judges all evidence so far once more, by what is wanted now and the time that it is now. The
 * verdict changes with it; `decided` is not called. */
RESULT session_recheck(struct session *session);

#endif
