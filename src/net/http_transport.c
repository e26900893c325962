#include "net/http_transport.h"

#include "net/socket_bio.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    RECORDS_AT_ONCE = 4
}; /* of 16 KiB; one client's many small records must not hold up others */

struct http_tls {
    SSL *ssl; /* NULL: the socket is closed */
    struct tls_context *context;
    bool open;     /* the handshake is done, and nothing has failed since */
    bool ended;    /* we said that we will send no more */
    bool has_more; /* receiving stopped before OpenSSL wanted to read the socket */
    bool has_peer;
    struct tls_peer peer;
};

/* ------------------------------------------------------------------------------------------- TLS
 */

bool transport_start_tls(struct http_transport *transport, struct tls_context *context)
{
    struct http_tls *tls = calloc(1, sizeof(*tls));
    SSL *ssl = tls == NULL ? NULL : tls_ssl_new(context);
    BIO *bio = ssl == NULL ? NULL : socket_bio_new(&transport->fd);
    if (bio == NULL) {
        SSL_free(ssl);
        free(tls);
        ERR_clear_error();
        return false;
    }
    SSL_set_bio(ssl, bio, bio);
    tls->ssl = ssl;
    tls->context = tls_context_hold(context);
    transport->tls = tls;
    return true;
}

/* What a call of OpenSSL's that did not succeed wants. */
static enum transport_status status_of(struct http_tls *tls, int returned)
{
    switch (SSL_get_error(tls->ssl, returned)) {
    case SSL_ERROR_WANT_READ:
        return TRANSPORT_WANTS_READ;
    case SSL_ERROR_WANT_WRITE:
        return TRANSPORT_WANTS_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return TRANSPORT_ENDED;
    default:
        tls->open = false; /* OpenSSL must not be asked for a goodbye any more */
        return TRANSPORT_FAILED;
    }
}

enum transport_status transport_handshake(struct http_transport *transport, const char **reason_out)
{
    struct http_tls *tls = transport->tls;
    ERR_clear_error();
    int done = SSL_accept(tls->ssl);
    if (done == 1) {
        tls->open = true;
        tls->has_more = SSL_has_pending(tls->ssl) == 1; /* a request may have come with its end */
        tls->has_peer = tls_peer_of(tls->ssl, &tls->peer);
        return TRANSPORT_DONE;
    }
    enum transport_status status = status_of(tls, done);
    if (status != TRANSPORT_FAILED && status != TRANSPORT_ENDED) {
        return status;
    }
    bool lost = ERR_peek_error() == 0 ||
                ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
    const char *reason = tls_reason(tls->ssl);
    *reason_out = lost ? NULL : reason;
    return TRANSPORT_FAILED;
}

/* Takes what is there, record after record, so that one request usually costs one look at the
 * socket. */
static enum transport_status receive_tls(struct http_tls *tls, char *bytes, size_t size,
                                         size_t *got_out)
{
    size_t got = 0;
    enum transport_status status = TRANSPORT_DONE;
    tls->has_more = true;
    for (int records = 0;
         status == TRANSPORT_DONE && tls->has_more && records < RECORDS_AT_ONCE && got < size;
         records++) {
        size_t now = 0;
        ERR_clear_error();
        int done = SSL_read_ex(tls->ssl, bytes + got, size - got, &now);
        got += done == 1 ? now : 0;
        status = done == 1 ? TRANSPORT_DONE : status_of(tls, done);
        tls->has_more = done == 1 ? SSL_has_pending(tls->ssl) == 1 : status != TRANSPORT_WANTS_READ;
    }
    if (got == 0) {
        tls->has_more = false;
        return status;
    }
    *got_out = got; /* what came behind them, OpenSSL will say again */
    return TRANSPORT_DONE;
}

static enum transport_status send_tls(struct http_tls *tls, const void *bytes, size_t size,
                                      size_t *sent_out)
{
    ERR_clear_error();
    int done = SSL_write_ex(tls->ssl, bytes, size, sent_out);
    if (done == 1) {
        return TRANSPORT_DONE;
    }
    enum transport_status status = status_of(tls, done);
    /* Without renegotiation a write never waits for something to read. */
    return status == TRANSPORT_WANTS_WRITE ? status : TRANSPORT_FAILED;
}

/* ------------------------------------------------------------------------------------------ both
 */

static bool is_temporary(int reason)
{
    return reason == EAGAIN || reason == EWOULDBLOCK || reason == EINTR;
}

static enum transport_status status_of_socket(void)
{
    return is_temporary(errno) ? TRANSPORT_WANTS_READ : TRANSPORT_FAILED;
}

enum transport_status transport_receive(struct http_transport *transport, void *bytes, size_t size,
                                        size_t *got_out)
{
    if (transport->tls != NULL && !transport->tls->ended) {
        return receive_tls(transport->tls, bytes, size, got_out);
    }
    ssize_t got = recv(transport->fd, bytes, size, 0);
    if (got < 0) {
        return status_of_socket();
    }
    *got_out = (size_t)got;
    return got == 0 ? TRANSPORT_ENDED : TRANSPORT_DONE;
}

bool transport_has_more(const struct http_transport *transport)
{
    return transport->tls != NULL && transport->tls->has_more && !transport->tls->ended;
}

enum transport_status transport_send(struct http_transport *transport, const void *bytes,
                                     size_t size, size_t *sent_out)
{
    if (transport->tls != NULL) {
        return send_tls(transport->tls, bytes, size, sent_out);
    }
    ssize_t sent = send(transport->fd, bytes, size, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR) {
        sent = send(transport->fd, bytes, size, MSG_NOSIGNAL);
    }
    if (sent < 0) {
        return is_temporary(errno) ? TRANSPORT_WANTS_WRITE : TRANSPORT_FAILED;
    }
    *sent_out = (size_t)sent;
    return TRANSPORT_DONE;
}

/* TLS's goodbye; when it does not fit the socket it is left out. */
static void say_goodbye(struct http_tls *tls)
{
    if (tls->open && !tls->ended) {
        tls->ended = true;
        ERR_clear_error();
        (void)SSL_shutdown(tls->ssl);
    }
}

void transport_end_sending(struct http_transport *transport)
{
    if (transport->tls != NULL) {
        say_goodbye(transport->tls);
    }
    shutdown(transport->fd, SHUT_WR);
}

void transport_close(struct http_transport *transport)
{
    struct http_tls *tls = transport->tls;
    if (tls != NULL) {
        say_goodbye(tls);
        SSL_free(tls->ssl);
        tls->ssl = NULL;
        ERR_clear_error();
    }
    close(transport->fd);
    transport->fd = -1;
}

void transport_free(struct http_transport *transport)
{
    if (transport->tls != NULL) {
        SSL_free(transport->tls->ssl);
        tls_context_release(transport->tls->context);
        free(transport->tls);
        transport->tls = NULL;
    }
}

const struct tls_peer *transport_peer(const struct http_transport *transport)
{
    return transport->tls != NULL && transport->tls->has_peer ? &transport->tls->peer : NULL;
}

RESULT transport_export_key(const struct http_transport *transport, const char *label,
                            const void *context, size_t context_size, uint8_t *out, size_t out_size)
{
    const struct http_tls *tls = transport->tls;
    ENSURE(tls != NULL && tls->ssl != NULL && tls->open, REFUSED, "not a TLS connection");
    ENSURE(SSL_version(tls->ssl) == TLS1_3_VERSION, REFUSED, "not a TLS 1.3 connection");
    ERR_clear_error();
    int exported = SSL_export_keying_material(tls->ssl, out, out_size, label, strlen(label),
                                              context, context_size, 1);
    ENSURE(exported == 1, UNAVAILABLE, "OpenSSL does not export keying material");
    return OK;
}

RESULT transport_server_key(const struct http_transport *transport, struct buf *out)
{
    const struct http_tls *tls = transport->tls;
    ENSURE(tls != NULL && tls->ssl != NULL && tls->open, REFUSED, "not a TLS connection");
    tls_context_key(tls->context, out);
    return buf_check(out);
}
