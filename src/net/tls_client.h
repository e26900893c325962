/* tls_client.h: a client's end of TLS that trusts nobody: no name, no authority and no date is
 * looked at. A handshake that succeeds proves that the other side has the key of the certificate
 * that it shows, and nothing else; whoever uses this judges that certificate (attest/verifier.h)
 * before he sends a byte.
 *
 * TLS 1.3 alone, with a certificate of P-256 or P-384; nothing is resumed, no early data, no client
 * certificate. Over a non-blocking socket that stays the caller's. One thread. */
#ifndef NET_TLS_CLIENT_H
#define NET_TLS_CLIENT_H

#include "base/cleanup.h"
#include "base/detail.h"
#include "base/result.h"

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of all certificates that a server shows; more: the handshake fails. */
enum { TLS_CLIENT_CERTIFICATES_MAX = 36 * 1024 };

/* The rules above, for any number of connections. */
struct tls_client_context;

RESULT tls_client_context_new(struct tls_client_context **out);
void tls_client_context_free(struct tls_client_context *context); /* accepts NULL */
DEFINE_CLEANUP(struct tls_client_context, tls_client_context_free);

struct tls_client; /* one connection */

enum tls_client_status {
    TLS_CLIENT_DONE,
    TLS_CLIENT_WANTS_READ,  /* again when the socket is readable … */
    TLS_CLIENT_WANTS_WRITE, /* … writable */
    TLS_CLIENT_ENDED,       /* reading only: the other side said that it will send no more */
    TLS_CLIENT_FAILED,      /* of no more use; a connection that was cut is this, too */
};

/* The descriptor at `fd` must be there as long as the client. NULL: no memory. */
struct tls_client *tls_client_new(const struct tls_client_context *context, const int *fd);
void tls_client_free(struct tls_client *client); /* says no goodbye; accepts NULL */
DEFINE_CLEANUP(struct tls_client, tls_client_free);

/* Goes on with the handshake; DONE once. FAILED: `detail` says why. */
enum tls_client_status tls_client_handshake(struct tls_client *client, struct detail *detail);

/* After the handshake: what the server has shown, borrowed; never NULL. */
X509 *tls_client_certificate(const struct tls_client *client);

/* Keying material of this connection (RFC 8446, section 7.5), after the handshake. The other side
 * gets the same for the same label and context, and nobody else does. UNAVAILABLE: OpenSSL refuses.
 */
RESULT tls_client_export(const struct tls_client *client, const char *label, const void *context,
                         size_t context_size, uint8_t *out, size_t out_size);

/* DONE: `*got_out` bytes, at least one and at most `size`. */
enum tls_client_status tls_client_read(struct tls_client *client, void *bytes, size_t size,
                                       size_t *got_out);
/* Whether there is more to read of which the socket will not tell. */
bool tls_client_has_more(const struct tls_client *client);

/* DONE: `*sent_out` bytes, at least one, have gone; after WANTS_… the same bytes must come first in
 * the next call. */
enum tls_client_status tls_client_write(struct tls_client *client, const void *bytes, size_t size,
                                        size_t *sent_out);

/* Says that nothing more will be written; reading goes on. DONE once it is said. */
enum tls_client_status tls_client_end(struct tls_client *client);

#endif
