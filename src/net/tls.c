#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENT_CHAIN_MAX = 32 * 1024 }; /* bytes of the certificates that a client shows */

struct tls_context {
    atomic_uint holds;
    SSL_CTX *ssl;
    struct tls_clients *clients;
    bool has_cas;
    uint64_t expiry;
    uint8_t *key; /* subjectPublicKeyInfo, DER */
    size_t key_size;
};

const char *tls_reason(const SSL *ssl)
{
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    ERR_clear_error();
    long verified = ssl == NULL ? X509_V_OK : SSL_get_verify_result(ssl);
    if (verified != X509_V_OK) {
        return X509_verify_cert_error_string(verified);
    }
    return reason == NULL ? "no reason given" : reason;
}

/* The certificate's one common name; "" when it has none, several, or one that is not printable
 * ASCII: a name that can be mistaken for another is none. */
static void common_name(const X509 *certificate, char out[static TLS_NAME_MAX + 1])
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    out[0] = '\0';
    if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0) {
        return;
    }
    unsigned char *text = NULL;
    int size =
        ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    bool fits = size > 0 && size <= TLS_NAME_MAX;
    for (int i = 0; fits && i < size; i++) {
        fits = text[i] >= ' ' && text[i] <= '~';
    }
    if (fits) {
        memcpy(out, text, (size_t)size);
        out[size] = '\0';
    }
    OPENSSL_free(text);
}

static bool peer_of_certificate(const X509 *certificate, struct tls_peer *out)
{
    common_name(certificate, out->name);
    return X509_digest(certificate, EVP_sha256(), out->fingerprint, NULL) == 1;
}

/* Judges a client's certificate: one of the known clients, whoever issued it and whatever its
 * dates; else one that an authority of ours issued. That the client has its key is proven
 * elsewhere. */
static int verify_client(X509_STORE_CTX *store, void *argument)
{
    const struct tls_context *context = argument;
    const X509 *certificate = X509_STORE_CTX_get0_cert(store);
    struct tls_peer peer;
    if (context->clients != NULL && certificate != NULL &&
        peer_of_certificate(certificate, &peer) && peer.name[0] != '\0' &&
        tls_clients_know(context->clients, peer.name, peer.fingerprint)) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    if (context->has_cas) {
        return X509_verify_cert(store);
    }
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_UNTRUSTED);
    return 0;
}

/* Clients that offer nothing get nothing; who offers, but not this, is refused (RFC 7301, section
 * 3.2). */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                           const unsigned char *offered, unsigned offered_size, void *argument)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen = NULL;
    (void)ssl;
    (void)argument;
    if (SSL_select_next_proto(&chosen, out_size, ours, sizeof(ours) - 1, offered, offered_size) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static struct result set_protocol(SSL_CTX *ssl, enum tls_lowest lowest)
{
    char groups[] = "X25519:P-256:P-384"; /* not a literal: OpenSSL's macro casts it */
    int version = lowest == TLS_LOWEST_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
    SSL_CTX_set_security_level(ssl, 2); /* 112 bits, whatever the system's configuration says */
    bool set = SSL_CTX_set_min_proto_version(ssl, version) == 1 &&
               SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) == 1 &&
               SSL_CTX_set_cipher_list(ssl, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 &&
               SSL_CTX_set_ciphersuites(ssl, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                                             "TLS_CHACHA20_POLY1305_SHA256") == 1 &&
               SSL_CTX_set1_groups_list(ssl, groups) == 1;
    ENSURE(set, UNAVAILABLE, "OpenSSL does not speak the TLS that is asked for");
    SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CLEANSE_PLAINTEXT);
    SSL_CTX_set_num_tickets(ssl, 0);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_early_data(ssl, 0);
    SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ssl, 1); /* a record is one system call, not two */
    SSL_CTX_set_alpn_select_cb(ssl, choose_protocol, NULL);
    return OK;
}

static void asn1_time_free_ptr(ASN1_TIME **time)
{
    ASN1_TIME_free(*time);
}

static struct result check_validity(const X509 *certificate, uint64_t now, uint64_t *expiry_out)
{
    time_t now_time = (time_t)now;
    int days = 0;
    int seconds = 0;
    ENSURE(X509_cmp_time(X509_get0_notBefore(certificate), &now_time) < 0, BAD_INPUT,
           "the certificate is not valid yet; is the clock right?");
    ENSURE(X509_cmp_time(X509_get0_notAfter(certificate), &now_time) > 0, BAD_INPUT,
           "the certificate has expired; renew it");
    CLEANUP(asn1_time_free_ptr) ASN1_TIME *from = ASN1_TIME_set(NULL, now_time);
    ENSURE(from != NULL &&
               ASN1_TIME_diff(&days, &seconds, from, X509_get0_notAfter(certificate)) == 1,
           BAD_INPUT, "the certificate's dates cannot be read");
    *expiry_out = now + (uint64_t)days * 86400 + (uint64_t)seconds;
    return OK;
}

static struct result set_certificate(SSL_CTX *ssl, const struct tls_settings *settings)
{
    ENSURE(SSL_CTX_use_certificate(ssl, settings->certificate) == 1, BAD_INPUT,
           "OpenSSL refuses the certificate");
    if (X509_check_private_key(settings->certificate, settings->key) != 1) {
        ERR_clear_error(); /* it says the same, less clearly */
        return FAIL(BAD_INPUT, "the key is not the certificate's");
    }
    ENSURE(SSL_CTX_use_PrivateKey(ssl, settings->key) == 1, BAD_INPUT, "OpenSSL refuses the key");
    for (int i = 0; i < sk_X509_num(settings->chain); i++) { /* -1 for NULL */
        ENSURE(SSL_CTX_add1_chain_cert(ssl, sk_X509_value(settings->chain, i)) == 1, BAD_INPUT,
               "OpenSSL refuses a certificate of the chain");
    }
    return OK;
}

/* A known client may be of any issuer: then the client is told no names, by which it would choose
 * among its certificates. */
static struct result set_cas(SSL_CTX *ssl, const struct tls_settings *settings)
{
    for (int i = 0; i < sk_X509_num(settings->client_cas); i++) {
        X509 *ca = sk_X509_value(settings->client_cas, i);
        bool added = X509_STORE_add_cert(SSL_CTX_get_cert_store(ssl), ca) == 1 &&
                     (settings->clients != NULL || SSL_CTX_add_client_CA(ssl, ca) == 1);
        ENSURE(added, BAD_INPUT, "OpenSSL refuses an authority's certificate");
    }
    return OK;
}

static struct result set_clients(struct tls_context *context, const struct tls_settings *settings)
{
    context->has_cas = sk_X509_num(settings->client_cas) > 0;
    if (!context->has_cas && settings->clients == NULL) {
        SSL_CTX_set_verify(context->ssl, SSL_VERIFY_NONE, NULL);
        return OK;
    }
    TRY(set_cas(context->ssl, settings));
    int must = settings->client_optional ? 0 : SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(context->ssl, SSL_VERIFY_PEER | must, NULL);
    SSL_CTX_set_cert_verify_callback(context->ssl, verify_client, context);
    SSL_CTX_set_max_cert_list(context->ssl, CLIENT_CHAIN_MAX);
    return OK;
}

static struct result keep_key(struct tls_context *context, X509 *certificate)
{
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &context->key);
    ENSURE(size > 0, UNAVAILABLE, "out of memory");
    context->key_size = (size_t)size;
    return OK;
}

static struct result fill(struct tls_context *context, const struct tls_settings *settings,
                          uint64_t now)
{
    context->ssl = SSL_CTX_new(TLS_server_method());
    ENSURE(context->ssl != NULL, UNAVAILABLE, "OpenSSL does not speak TLS");
    TRY(set_protocol(context->ssl, settings->lowest));
    TRY(set_certificate(context->ssl, settings));
    TRY(check_validity(settings->certificate, now, &context->expiry));
    TRY(keep_key(context, settings->certificate));
    return set_clients(context, settings);
}

RESULT tls_context_new(struct tls_settings *settings, uint64_t now_seconds,
                       struct tls_context **out, struct detail *detail)
{
    CLEANUP(tls_context_release_ptr) struct tls_context *context = calloc(1, sizeof(*context));
    ENSURE(context != NULL, UNAVAILABLE, "out of memory");
    atomic_store(&context->holds, 1);
    ERR_clear_error();
    struct result filled = fill(context, settings, now_seconds);
    if (!is_ok(filled)) {
        if (ERR_peek_error() != 0) {
            detail_set(detail, "OpenSSL says: %s", tls_reason(NULL));
        }
        return filled;
    }
    context->clients = STEAL(settings->clients);
    *out = STEAL(context);
    return OK;
}

struct tls_context *tls_context_hold(struct tls_context *context)
{
    atomic_fetch_add(&context->holds, 1);
    return context;
}

void tls_context_release(struct tls_context *context)
{
    if (context == NULL || atomic_fetch_sub(&context->holds, 1) != 1) {
        return;
    }
    SSL_CTX_free(context->ssl);
    tls_clients_free(context->clients);
    OPENSSL_free(context->key);
    free(context);
}

uint64_t tls_context_expiry(const struct tls_context *context)
{
    return context->expiry;
}

void tls_context_key(const struct tls_context *context, struct buf *out)
{
    buf_append(out, context->key, context->key_size);
}

void tls_slot_init(struct tls_slot *slot)
{
    pthread_mutex_init(&slot->mutex, NULL);
    slot->current = NULL;
}

void tls_slot_done(struct tls_slot *slot)
{
    tls_slot_put(slot, NULL);
    pthread_mutex_destroy(&slot->mutex);
}

static struct tls_context *exchange(struct tls_slot *slot, struct tls_context *context)
{
    LOCK_SCOPE(&slot->mutex);
    struct tls_context *old = slot->current;
    slot->current = context;
    return old;
}

void tls_slot_put(struct tls_slot *slot, struct tls_context *context)
{
    tls_context_release(exchange(slot, context)); /* freed without the lock */
}

struct tls_context *tls_slot_take(struct tls_slot *slot)
{
    LOCK_SCOPE(&slot->mutex);
    return slot->current == NULL ? NULL : tls_context_hold(slot->current);
}

SSL *tls_ssl_new(struct tls_context *context)
{
    SSL *ssl = SSL_new(context->ssl);
    if (ssl != NULL) {
        SSL_set_accept_state(ssl);
    }
    return ssl;
}

bool tls_peer_of(const SSL *ssl, struct tls_peer *out)
{
    const X509 *certificate = SSL_get0_peer_certificate(ssl);
    return certificate != NULL && peer_of_certificate(certificate, out);
}
