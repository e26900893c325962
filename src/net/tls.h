/* tls.h: what a TLS server shows and asks for: its certificate and key, the versions it speaks, the
 * client certificates it wants. By OpenSSL, server side only.
 *
 * Nothing is resumed: no tickets, no session cache, no early data; no renegotiation, no
 * compression; the application protocol is http/1.1. Cipher suites are AEAD with an ephemeral key
 * exchange. */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/detail.h"
#include "base/result.h"
#include "net/tls_clients.h"

#include <openssl/types.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Certificate, key and rules, immutable and counted: whoever holds one releases it once.
 * Connections hold the one that they began with. */
struct tls_context;

enum tls_lowest { TLS_LOWEST_1_2, TLS_LOWEST_1_3 };

struct tls_settings {
    enum tls_lowest lowest;
    X509 *certificate;
    STACK_OF(X509) * chain; /* what goes behind it, from its issuer upwards; NULL: nothing */
    EVP_PKEY *key;
    STACK_OF(X509) *
        client_cas; /* a client certificate that one of these issued is let in; NULL: none
                     */
    struct tls_clients *clients; /* and these are; NULL: none. Taken over when the call succeeds. */
    bool client_optional;        /* who shows no certificate is let in, too */
};

/* Checks that the key is the certificate's, and that the certificate is valid at `now_seconds`
 * (since 1970). OpenSSL's objects are shared by reference, so the caller frees his own. With
 * neither `client_cas` nor `clients` no client certificate is asked for. BAD_INPUT with OpenSSL's
 * reason in `detail`; UNAVAILABLE: no memory. */
RESULT tls_context_new(struct tls_settings *settings, uint64_t now_seconds,
                       struct tls_context **out, struct detail *detail);
struct tls_context *tls_context_hold(struct tls_context *context);
void tls_context_release(
    struct tls_context *context); /* the last one wipes the key; accepts NULL */
DEFINE_CLEANUP(struct tls_context, tls_context_release);

/* When the certificate's validity ends, in seconds since 1970. */
uint64_t tls_context_expiry(const struct tls_context *context);

/* Appends the DER of the certificate's subjectPublicKeyInfo. */
void tls_context_key(const struct tls_context *context, struct buf *out);

/* Where a listener finds the context for its next handshake; another one may be put there at any
 * time. In its owner's memory; any thread. */
struct tls_slot {
    pthread_mutex_t mutex;
    struct tls_context *current; /* NULL: handshakes are refused */
};

void tls_slot_init(struct tls_slot *slot);
void tls_slot_done(struct tls_slot *slot);
/* Puts `context` (may be NULL) there; the caller's hold passes to the slot. Handshakes under way
 * and connections go on with what they began with. */
void tls_slot_put(struct tls_slot *slot, struct tls_context *context);
/* The current one, held for the caller, or NULL. */
struct tls_context *tls_slot_take(struct tls_slot *slot);

/* Who the other side has proven to be. */
struct tls_peer {
    char
        name[TLS_NAME_MAX + 1]; /* the one common name, printable ASCII; "" when there is no such */
    uint8_t fingerprint[TLS_FINGERPRINT_SIZE]; /* SHA-256 of the certificate */
};

/* A server's end of one connection, without the BIOs that its bytes go through. The context must be
 * held as long as it lives. NULL: no memory. */
SSL *tls_ssl_new(struct tls_context *context);

/* After the handshake. False: the client showed no certificate. */
bool tls_peer_of(const SSL *ssl, struct tls_peer *out);

/* OpenSSL's first reason for what has just failed on this thread ("certificate has expired"), for a
 * person; forgets all of them. Of `ssl` (may be NULL) the verification's result is more exact. */
const char *tls_reason(const SSL *ssl);

#endif
