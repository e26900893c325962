#include "net/tls_client.h"

#include "net/socket_bio.h"
#include "net/tls.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

struct tls_client_context {
    SSL_CTX *ssl;
};

struct tls_client {
    SSL *ssl;
    bool shaken; /* the handshake is done, and nothing has failed since */
    bool more;   /* reading stopped before OpenSSL wanted to read the socket */
};

/* Whoever it is, is judged by what the certificate carries. That the key is his is proven by the
 * handshake itself. */
static int accept_anybody(X509_STORE_CTX *store, void *argument)
{
    (void)argument;
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
}

static struct result set_rules(SSL_CTX *ssl)
{
    static const unsigned char protocol[] = "\x08http/1.1";
    char groups[] = "X25519:P-256:P-384"; /* not literals: OpenSSL's macros cast them */
    char signatures[] = "ECDSA+SHA256:ECDSA+SHA384";
    SSL_CTX_set_security_level(ssl, 2); /* 112 bits, whatever the system's configuration says */
    bool set = SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION) == 1 &&
               SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) == 1 &&
               SSL_CTX_set_ciphersuites(ssl, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                                             "TLS_CHACHA20_POLY1305_SHA256") == 1 &&
               SSL_CTX_set1_groups_list(ssl, groups) == 1 &&
               SSL_CTX_set1_sigalgs_list(ssl, signatures) == 1 &&
               SSL_CTX_set_alpn_protos(ssl, protocol, sizeof(protocol) - 1) == 0;
    ENSURE(set, UNAVAILABLE, "OpenSSL does not speak the TLS that is asked for");
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(ssl, accept_anybody, NULL);
    SSL_CTX_set_max_cert_list(ssl, TLS_CLIENT_CERTIFICATES_MAX);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_CLEANSE_PLAINTEXT);
    SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ssl, 1);
    return OK;
}

RESULT tls_client_context_new(struct tls_client_context **out)
{
    CLEANUP(tls_client_context_free_ptr)
    struct tls_client_context *context = calloc(1, sizeof(*context));
    ENSURE(context != NULL, UNAVAILABLE, "out of memory");
    context->ssl = SSL_CTX_new(TLS_client_method());
    ENSURE(context->ssl != NULL, UNAVAILABLE, "OpenSSL does not speak TLS");
    struct result set = set_rules(context->ssl);
    ERR_clear_error();
    TRY(set);
    *out = STEAL(context);
    return OK;
}

void tls_client_context_free(struct tls_client_context *context)
{
    if (context != NULL) {
        SSL_CTX_free(context->ssl);
        free(context);
    }
}

struct tls_client *tls_client_new(const struct tls_client_context *context, const int *fd)
{
    CLEANUP(tls_client_free_ptr) struct tls_client *client = calloc(1, sizeof(*client));
    if (client == NULL) {
        return NULL;
    }
    client->ssl = SSL_new(context->ssl);
    BIO *bio = client->ssl == NULL ? NULL : socket_bio_new(fd);
    if (bio == NULL) {
        ERR_clear_error();
        return NULL;
    }
    SSL_set_bio(client->ssl, bio, bio);
    SSL_set_connect_state(client->ssl);
    return STEAL(client);
}

void tls_client_free(struct tls_client *client)
{
    if (client != NULL) {
        SSL_free(client->ssl);
        ERR_clear_error();
        free(client);
    }
}

/* What a call of OpenSSL's that did not succeed wants. */
static enum tls_client_status status_of(struct tls_client *client, int returned)
{
    switch (SSL_get_error(client->ssl, returned)) {
    case SSL_ERROR_WANT_READ:
        return TLS_CLIENT_WANTS_READ;
    case SSL_ERROR_WANT_WRITE:
        return TLS_CLIENT_WANTS_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_CLIENT_ENDED;
    default:
        client->shaken = false;
        return TLS_CLIENT_FAILED;
    }
}

enum tls_client_status tls_client_handshake(struct tls_client *client, struct detail *detail)
{
    ERR_clear_error();
    int done = SSL_do_handshake(client->ssl);
    if (done == 1 && SSL_version(client->ssl) == TLS1_3_VERSION &&
        SSL_get0_peer_certificate(client->ssl) != NULL) {
        client->shaken = true;
        client->more = SSL_has_pending(client->ssl) == 1;
        return TLS_CLIENT_DONE;
    }
    enum tls_client_status status = done == 1 ? TLS_CLIENT_FAILED : status_of(client, done);
    if (status == TLS_CLIENT_WANTS_READ || status == TLS_CLIENT_WANTS_WRITE) {
        return status;
    }
    bool lost = ERR_peek_error() == 0 ||
                ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
    detail_set(detail, "%s", lost ? "the connection was lost" : tls_reason(NULL));
    ERR_clear_error();
    return TLS_CLIENT_FAILED;
}

X509 *tls_client_certificate(const struct tls_client *client)
{
    X509 *certificate = SSL_get0_peer_certificate(client->ssl);
    assert(certificate != NULL);
    return certificate;
}

RESULT tls_client_export(const struct tls_client *client, const char *label, const void *context,
                         size_t context_size, uint8_t *out, size_t out_size)
{
    ENSURE(client->shaken, UNAVAILABLE, "there is no TLS connection");
    ERR_clear_error();
    int exported = SSL_export_keying_material(client->ssl, out, out_size, label, strlen(label),
                                              context, context_size, 1);
    ERR_clear_error();
    ENSURE(exported == 1, UNAVAILABLE, "OpenSSL does not export keying material");
    return OK;
}

enum tls_client_status tls_client_read(struct tls_client *client, void *bytes, size_t size,
                                       size_t *got_out)
{
    size_t got = 0;
    if (!client->shaken) {
        return TLS_CLIENT_FAILED;
    }
    ERR_clear_error();
    int done = SSL_read_ex(client->ssl, bytes, size, &got);
    client->more = done == 1 && SSL_has_pending(client->ssl) == 1;
    if (done != 1) {
        return status_of(client, done);
    }
    *got_out = got;
    return TLS_CLIENT_DONE;
}

bool tls_client_has_more(const struct tls_client *client)
{
    return client->shaken && client->more;
}

enum tls_client_status tls_client_write(struct tls_client *client, const void *bytes, size_t size,
                                        size_t *sent_out)
{
    if (!client->shaken) {
        return TLS_CLIENT_FAILED;
    }
    ERR_clear_error();
    int done = SSL_write_ex(client->ssl, bytes, size, sent_out);
    return done == 1 ? TLS_CLIENT_DONE : status_of(client, done);
}

enum tls_client_status tls_client_end(struct tls_client *client)
{
    if (!client->shaken) {
        return TLS_CLIENT_FAILED;
    }
    ERR_clear_error();
    int done = SSL_shutdown(client->ssl); /* 0: said, and not heard yet */
    return done >= 0 ? TLS_CLIENT_DONE : status_of(client, done);
}
