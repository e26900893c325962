/* http_transport.h: the bytes of one connection: straight from its socket, or through TLS. Internal
 * to src/net; on the connection's loop only. Nothing here blocks. */
#ifndef NET_HTTP_TRANSPORT_H
#define NET_HTTP_TRANSPORT_H

#include "base/buf.h"
#include "base/result.h"
#include "net/tls.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct http_transport {
    int fd;               /* -1: closed */
    struct http_tls *tls; /* NULL: plain, or no byte has arrived yet */
};

enum transport_status {
    TRANSPORT_DONE,
    TRANSPORT_WANTS_READ,  /* again when the socket is readable … */
    TRANSPORT_WANTS_WRITE, /* … writable */
    TRANSPORT_FAILED,      /* close it */
    TRANSPORT_ENDED,       /* receiving only: the other side will send no more */
};

/* Makes a plain transport a TLS one, before the handshake. False: no memory. */
bool transport_start_tls(struct http_transport *transport, struct tls_context *context);

/* Goes on with the handshake; DONE once. FAILED: `*reason_out` says why; NULL: the connection was
 * lost.
 */
enum transport_status transport_handshake(struct http_transport *transport,
                                          const char **reason_out);

/* DONE: `*got_out` bytes, at least one and at most `size`. */
enum transport_status transport_receive(struct http_transport *transport, void *bytes, size_t size,
                                        size_t *got_out);

/* Whether there is more to receive of which the socket will not tell. */
bool transport_has_more(const struct http_transport *transport);

/* DONE: `*sent_out` bytes, at least one, have gone; after WANTS_… the same bytes must come first in
 * the next call. */
enum transport_status transport_send(struct http_transport *transport, const void *bytes,
                                     size_t size, size_t *sent_out);

/* Says that nothing more will be sent. What still arrives may be received, and is only good for
 * being thrown away: through TLS it stays as it is. */
void transport_end_sending(struct http_transport *transport);

/* Says goodbye as far as that does not take time, and closes the socket. Who the peer was is kept.
 */
void transport_close(struct http_transport *transport);
void transport_free(struct http_transport *transport);

/* NULL: plain, or the client showed no certificate. */
const struct tls_peer *transport_peer(const struct http_transport *transport);

/* Keying material of the TLS connection (RFC 8446, section 7.5). REFUSED unless it is TLS 1.3. */
RESULT transport_export_key(const struct http_transport *transport, const char *label,
                            const void *context, size_t context_size, uint8_t *out,
                            size_t out_size);

/* Appends the subjectPublicKeyInfo of the certificate that was shown. REFUSED: not a TLS
 * connection. */
RESULT transport_server_key(const struct http_transport *transport, struct buf *out);

#endif
