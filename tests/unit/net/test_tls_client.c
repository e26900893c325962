#include "net/tls_client.h"

#include "harness.h"
#include "tls_fixture.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROUNDS_MAX = 1000, EXPORTED = 32 };

/* A client of ours and a server of OpenSSL's own, over a socket pair, in turns. */
struct pair {
    int fds[2]; /* the client's, the server's; -1: closed */
    SSL_CTX *server_context;
    SSL *server;
    struct tls_client_context *context;
    struct tls_client *client;
    struct detail detail;
};

static void pair_done(struct pair *pair)
{
    tls_client_free(pair->client);
    tls_client_context_free(pair->context);
    SSL_free(pair->server);
    SSL_CTX_free(pair->server_context);
    fd_close_ptr(&pair->fds[0]);
    fd_close_ptr(&pair->fds[1]);
    ERR_clear_error();
}

#define PAIR CLEANUP(pair_done) struct pair

/* `copies` of the certificate are shown beside it. */
static struct pair pair_new(const struct identity *identity, int version, size_t copies)
{
    struct pair pair = { .fds = { -1, -1 } };
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair.fds) != 0 ||
        !is_ok(tls_client_context_new(&pair.context))) {
        return pair;
    }
    pair.server_context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_max_proto_version(pair.server_context, version);
    SSL_CTX_use_certificate(pair.server_context, identity->certificate);
    SSL_CTX_use_PrivateKey(pair.server_context, identity->key);
    for (size_t i = 0; i < copies; i++) {
        SSL_CTX_add1_chain_cert(pair.server_context, identity->certificate);
    }
    pair.server = SSL_new(pair.server_context);
    SSL_set_fd(pair.server, pair.fds[1]);
    SSL_set_accept_state(pair.server);
    return pair;
}

/* The client keeps the descriptor's address, so it is made where the pair stays. */
static enum tls_client_status shake_hands(struct pair *pair)
{
    enum tls_client_status status = TLS_CLIENT_WANTS_READ;
    bool server_done = false;
    pair->client = tls_client_new(pair->context, &pair->fds[0]);
    for (int i = 0; i < ROUNDS_MAX && (status != TLS_CLIENT_DONE || !server_done); i++) {
        status =
            status == TLS_CLIENT_DONE ? status : tls_client_handshake(pair->client, &pair->detail);
        if (status == TLS_CLIENT_FAILED) {
            return status;
        }
        server_done = pair->server == NULL || SSL_do_handshake(pair->server) == 1;
    }
    return status;
}

static struct identity anybody(void)
{
    return identity_named("anybody");
}

TEST(a_handshake_shows_the_certificate)
{
    IDENTITY identity = anybody();
    PAIR pair = pair_new(&identity, 0, 0);
    CHECK(shake_hands(&pair) == TLS_CLIENT_DONE);
    CHECK(X509_cmp(tls_client_certificate(pair.client), identity.certificate) == 0);
    CHECK(SSL_version(pair.server) == TLS1_3_VERSION);
    CHECK(SSL_session_reused(pair.server) == 0);
}

TEST(a_certificate_of_any_name_and_any_dates_is_shown)
{
    const struct identity_wish expired = { .name = "old",
                                           .from_s = -100 * DAY,
                                           .until_s = -50 * DAY };
    IDENTITY identity = identity_make(&expired);
    PAIR pair = pair_new(&identity, 0, 0);
    CHECK(shake_hands(&pair) == TLS_CLIENT_DONE);
}

TEST(both_sides_export_the_same_and_another_connection_does_not)
{
    uint8_t ours[EXPORTED];
    uint8_t theirs[EXPORTED];
    uint8_t others[EXPORTED];
    IDENTITY identity = anybody();
    PAIR pair = pair_new(&identity, 0, 0);
    PAIR other = pair_new(&identity, 0, 0);
    CHECK(shake_hands(&pair) == TLS_CLIENT_DONE);
    CHECK(shake_hands(&other) == TLS_CLIENT_DONE);
    CHECK_OK(tls_client_export(pair.client, "EXPORTER-x", "nonce", 5, ours, sizeof(ours)));
    CHECK(SSL_export_keying_material(pair.server, theirs, sizeof(theirs), "EXPORTER-x", 10,
                                     (const uint8_t *)"nonce", 5, 1) == 1);
    CHECK(memcmp(ours, theirs, sizeof(ours)) == 0);
    CHECK_OK(tls_client_export(other.client, "EXPORTER-x", "nonce", 5, others, sizeof(others)));
    CHECK(memcmp(ours, others, sizeof(ours)) != 0);
    CHECK_OK(tls_client_export(pair.client, "EXPORTER-x", "nonci", 5, others, sizeof(others)));
    CHECK(memcmp(ours, others, sizeof(ours)) != 0);
    CHECK_OK(tls_client_export(pair.client, "EXPORTER-y", "nonce", 5, others, sizeof(others)));
    CHECK(memcmp(ours, others, sizeof(ours)) != 0);
}

TEST(nothing_is_exported_before_the_handshake)
{
    uint8_t key[EXPORTED];
    IDENTITY identity = anybody();
    PAIR pair = pair_new(&identity, 0, 0);
    pair.client = tls_client_new(pair.context, &pair.fds[0]);
    CHECK_FAILS(UNAVAILABLE, tls_client_export(pair.client, "EXPORTER-x", "", 0, key, sizeof(key)));
}

TEST(nothing_is_written_or_read_before_the_handshake)
{
    char byte = 'x';
    size_t size = 0;
    IDENTITY identity = anybody();
    PAIR pair = pair_new(&identity, 0, 0);
    pair.client = tls_client_new(pair.context, &pair.fds[0]);
    CHECK(tls_client_write(pair.client, &byte, 1, &size) == TLS_CLIENT_FAILED);
    CHECK(tls_client_read(pair.client, &byte, 1, &size) == TLS_CLIENT_FAILED);
    CHECK(tls_client_end(pair.client) == TLS_CLIENT_FAILED);
    CHECK(recv(pair.fds[1], &byte, 1, 0) == -1); /* and nothing went out */
}

TEST(tls_1_2_is_not_spoken)
{
    IDENTITY identity = anybody();
    PAIR pair = pair_new(&identity, TLS1_2_VERSION, 0);
    CHECK(shake_hands(&pair) == TLS_CLIENT_FAILED);
    CHECK(pair.detail.text[0] != '\0');
}

TEST(keys_of_rsa_are_refused)
{
    IDENTITY identity = anybody();
    EVP_PKEY_free(identity.key);
    identity.key = EVP_RSA_gen(2048);
    X509_set_pubkey(identity.certificate, identity.key);
    X509_sign(identity.certificate, identity.key, EVP_sha256());
    PAIR pair = pair_new(&identity, 0, 0);
    CHECK(shake_hands(&pair) == TLS_CLIENT_FAILED);
}

TEST(a_certificate_whose_key_the_server_has_not_is_refused)
{
    IDENTITY identity = anybody();
    IDENTITY thief = anybody();
    PAIR pair = pair_new(&thief, 0, 0);
    /* OpenSSL compares key and certificate when they are set: the key is put under it later */
    SSL_use_certificate(pair.server, thief.certificate);
    EVP_PKEY *stolen = X509_get0_pubkey(identity.certificate);
    X509_set_pubkey(thief.certificate, stolen);
    CHECK(shake_hands(&pair) == TLS_CLIENT_FAILED);
    CHECK_TEXT(pair.detail.text, "bad signature");
}

TEST(certificates_are_bounded)
{
    IDENTITY identity = anybody();
    size_t each =
        (size_t)i2d_X509(identity.certificate, NULL) + 5; /* with its length and extensions */
    size_t fitting = (TLS_CLIENT_CERTIFICATES_MAX - 100) / each - 1;
    PAIR fits = pair_new(&identity, 0, fitting);
    CHECK(shake_hands(&fits) == TLS_CLIENT_DONE);
    PAIR exceeds = pair_new(&identity, 0, fitting + 3);
    CHECK(shake_hands(&exceeds) == TLS_CLIENT_FAILED);
    CHECK(strstr(exceeds.detail.text, "excessive message size") != NULL);
}

TEST(a_connection_that_is_cut_in_the_handshake_is_lost)
{
    IDENTITY identity = anybody();
    PAIR pair = pair_new(&identity, 0, 0);
    SSL_free(STEAL(pair.server));
    close(pair.fds[1]);
    pair.fds[1] = -1;
    CHECK(shake_hands(&pair) == TLS_CLIENT_FAILED);
    CHECK_TEXT(pair.detail.text, "the connection was lost");
}

TEST(what_is_no_tls_is_refused)
{
    static const char text[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    IDENTITY identity = anybody();
    PAIR pair = pair_new(&identity, 0, 0);
    SSL_free(STEAL(pair.server));
    CHECK(send(pair.fds[1], text, sizeof(text), MSG_NOSIGNAL) == sizeof(text));
    CHECK(shake_hands(&pair) == TLS_CLIENT_FAILED);
    CHECK(strcmp(pair.detail.text, "the connection was lost") != 0);
}

TEST(bytes_go_both_ways)
{
    char bytes[16];
    size_t size = 0;
    IDENTITY identity = anybody();
    PAIR pair = pair_new(&identity, 0, 0);
    CHECK(shake_hands(&pair) == TLS_CLIENT_DONE);
    CHECK(tls_client_read(pair.client, bytes, sizeof(bytes), &size) == TLS_CLIENT_WANTS_READ);
    CHECK(!tls_client_has_more(pair.client));
    CHECK(tls_client_write(pair.client, "ping", 4, &size) == TLS_CLIENT_DONE && size == 4);
    CHECK(SSL_read(pair.server, bytes, sizeof(bytes)) == 4 && memcmp(bytes, "ping", 4) == 0);
    CHECK(SSL_write(pair.server, "pong", 4) == 4 && SSL_write(pair.server, "!", 1) == 1);
    CHECK(tls_client_read(pair.client, bytes, sizeof(bytes), &size) == TLS_CLIENT_DONE);
    CHECK(size == 4 && memcmp(bytes, "pong", 4) == 0);
    CHECK(tls_client_has_more(pair.client)); /* the socket is empty: only TLS knows */
    CHECK(tls_client_read(pair.client, bytes, sizeof(bytes), &size) == TLS_CLIENT_DONE &&
          size == 1);
    CHECK(tls_client_read(pair.client, bytes, sizeof(bytes), &size) == TLS_CLIENT_WANTS_READ);
    CHECK(!tls_client_has_more(pair.client));
}

TEST(a_full_socket_is_waited_for)
{
    static char block[256 * 1024];
    static char heard[sizeof(block)];
    enum tls_client_status status = TLS_CLIENT_DONE;
    size_t sent = 0;
    size_t got = 0;
    IDENTITY identity = anybody();
    PAIR pair = pair_new(&identity, 0, 0);
    for (size_t i = 0; i < sizeof(block); i++) {
        block[i] = (char)(i * 31 >> 3);
    }
    CHECK(shake_hands(&pair) == TLS_CLIENT_DONE);
    bool waited = false;
    for (int i = 0; i < ROUNDS_MAX && got < sizeof(block); i++) {
        size_t now = 0;
        status = sent < sizeof(block)
                     ? tls_client_write(pair.client, block + sent, sizeof(block) - sent, &now)
                     : TLS_CLIENT_WANTS_WRITE;
        sent += status == TLS_CLIENT_DONE ? now : 0;
        if (status == TLS_CLIENT_DONE) {
            continue;
        }
        CHECK(status == TLS_CLIENT_WANTS_WRITE);
        waited = true;
        while (SSL_read_ex(pair.server, heard + got, sizeof(heard) - got, &now) == 1) {
            got += now;
        }
    }
    CHECK(waited && got == sizeof(block) && memcmp(heard, block, sizeof(block)) == 0);
}

TEST(an_end_and_a_cut_are_told_apart)
{
    char byte;
    size_t size = 0;
    IDENTITY identity = anybody();
    PAIR ended = pair_new(&identity, 0, 0);
    CHECK(shake_hands(&ended) == TLS_CLIENT_DONE);
    CHECK(SSL_shutdown(ended.server) == 0);
    CHECK(tls_client_read(ended.client, &byte, 1, &size) == TLS_CLIENT_ENDED);
    CHECK(tls_client_write(ended.client, "x", 1, &size) == TLS_CLIENT_DONE); /* goes on */
    PAIR cut = pair_new(&identity, 0, 0);
    CHECK(shake_hands(&cut) == TLS_CLIENT_DONE);
    close(cut.fds[1]);
    cut.fds[1] = -1;
    CHECK(tls_client_read(cut.client, &byte, 1, &size) == TLS_CLIENT_FAILED);
    CHECK(tls_client_read(cut.client, &byte, 1, &size) == TLS_CLIENT_FAILED);
    CHECK(tls_client_end(cut.client) == TLS_CLIENT_FAILED);
}

TEST(after_our_end_reading_goes_on)
{
    char bytes[8];
    size_t size = 0;
    IDENTITY identity = anybody();
    PAIR pair = pair_new(&identity, 0, 0);
    CHECK(shake_hands(&pair) == TLS_CLIENT_DONE);
    CHECK(tls_client_end(pair.client) == TLS_CLIENT_DONE);
    CHECK(SSL_read(pair.server, bytes, sizeof(bytes)) == 0);
    CHECK(SSL_get_error(pair.server, 0) == SSL_ERROR_ZERO_RETURN);
    CHECK(SSL_write(pair.server, "late", 4) == 4);
    CHECK(tls_client_read(pair.client, bytes, sizeof(bytes), &size) == TLS_CLIENT_DONE &&
          size == 4);
}

TEST(writing_to_a_peer_that_is_gone_raises_no_signal)
{
    size_t size = 0;
    IDENTITY identity = anybody();
    PAIR pair = pair_new(&identity, 0, 0);
    CHECK(shake_hands(&pair) == TLS_CLIENT_DONE);
    close(pair.fds[1]);
    pair.fds[1] = -1;
    CHECK(tls_client_write(pair.client, "x", 1, &size) == TLS_CLIENT_FAILED);
}

HARNESS_TESTS(T(a_handshake_shows_the_certificate),
              T(a_certificate_of_any_name_and_any_dates_is_shown),
              T(both_sides_export_the_same_and_another_connection_does_not),
              T(nothing_is_exported_before_the_handshake),
              T(nothing_is_written_or_read_before_the_handshake), T(tls_1_2_is_not_spoken),
              T(keys_of_rsa_are_refused), T(a_certificate_whose_key_the_server_has_not_is_refused),
              T(certificates_are_bounded), T(a_connection_that_is_cut_in_the_handshake_is_lost),
              T(what_is_no_tls_is_refused), T(bytes_go_both_ways), T(a_full_socket_is_waited_for),
              T(an_end_and_a_cut_are_told_apart), T(after_our_end_reading_goes_on),
              T(writing_to_a_peer_that_is_gone_raises_no_signal))
