/* The server with TLS, from outside. */
#include "base/clock.h"
#include "base/hex.h"
#include "base/thread.h"
#include "harness.h"
#include "net/http_server.h"
#include "tls_client.h"

#include <openssl/err.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LARGE = 8 * 1024 * 1024, BODY = 1024 * 1024, EXPORTED = 32, SPKI_MAX = 256 };

static const char label[] = "EXPORTER-test";

static struct http_response export_key(struct http_exchange *exchange)
{
    uint8_t key[EXPORTED];
    char text[HEX_TEXT_SIZE(sizeof(key))];
    struct result result = http_exchange_export_key(exchange, label, "nonce", 5, key, sizeof(key));
    if (!is_ok(result)) {
        return http_text(result.status == STATUS_REFUSED ? 403 : 500, CONTENT_TYPE_TEXT,
                         result.what);
    }
    hex_encode(key, sizeof(key), text);
    return http_text(200, CONTENT_TYPE_TEXT, text);
}

static struct http_response server_key(struct http_exchange *exchange)
{
    BUF key = BUF_INIT(SPKI_MAX);
    char text[HEX_TEXT_SIZE(SPKI_MAX)];
    struct result result = http_exchange_server_key(exchange, &key);
    if (!is_ok(result)) {
        return http_text(result.status == STATUS_REFUSED ? 403 : 500, CONTENT_TYPE_TEXT,
                         result.what);
    }
    hex_encode((const uint8_t *)key.data, key.size, text);
    return http_text(200, CONTENT_TYPE_TEXT, text);
}

static struct http_response large(void)
{
    struct http_response response = http_text(200, CONTENT_TYPE_TEXT, "");
    char *filling = calloc(1, LARGE);
    memset(filling, 'x', LARGE);
    buf_append(&response.body, filling, LARGE);
    free(filling);
    return response;
}

/* Threads that are about to answer: nobody joins them, and the server must outlive them. */
static atomic_size_t answering;

static void *answer_elsewhere(void *context)
{
    const struct tls_peer *peer = http_exchange_peer(context);
    struct http_response response =
        http_text(200, CONTENT_TYPE_TEXT, peer == NULL ? "nobody" : peer->name);
    http_respond(context, &response);
    atomic_fetch_sub(&answering, 1);
    return NULL;
}

static void handle(struct http_exchange *exchange, void *context)
{
    const struct http_request *request = http_exchange_request(exchange);
    struct http_response response = { 0 };
    pthread_t thread;
    (void)context;
    if (strcmp(request->path, "/who") == 0) {
        atomic_fetch_add(&answering, 1);
        if (is_ok(thread_start(&thread, "answer", answer_elsewhere, exchange))) {
            pthread_detach(thread);
        }
        return;
    }
    if (strcmp(request->path, "/export") == 0) {
        response = export_key(exchange);
    } else if (strcmp(request->path, "/key") == 0) {
        response = server_key(exchange);
    } else if (strcmp(request->path, "/large") == 0) {
        response = large();
    } else if (strcmp(request->path, "/size") == 0) {
        char size[32];
        snprintf(size, sizeof(size), "size %zu", request->body_size);
        response = http_text(200, CONTENT_TYPE_TEXT, size);
    } else {
        response = http_text(200, CONTENT_TYPE_TEXT, request->path);
    }
    http_respond(exchange, &response);
}

/* A server with a TLS port and a plain one. */
struct fixture {
    struct identity identity;
    struct tls_slot slot;
    struct http_server *server;
    uint16_t port;
    uint16_t plain_port;
};

static const struct http_server_settings standard = { .loops = 2,
                                                      .connections_max = 50,
                                                      .body_max = BODY,
                                                      .body_memory_max = 8 * BODY,
                                                      .response_memory_max = 64 * 1024 * 1024,
                                                      .idle_timeout_s = 600,
                                                      .request_timeout_s = 600,
                                                      .write_timeout_s = 600 };

static void fixture_open(struct fixture *fixture, struct http_server_settings settings,
                         enum tls_lowest lowest)
{
    memset(fixture, 0, sizeof(*fixture));
    fixture->identity = identity_named("signer");
    tls_slot_init(&fixture->slot);
    tls_slot_put(&fixture->slot, context_of(&fixture->identity, lowest));
    struct http_endpoint endpoint = { .address = "127.0.0.1",
                                      .handler = handle,
                                      .tls = &fixture->slot };
    struct http_endpoint plain = { .address = "127.0.0.1", .handler = handle };
    bool open = is_ok(http_server_new(&settings, &fixture->server)) &&
                is_ok(http_server_listen(fixture->server, &endpoint, &fixture->port, NULL)) &&
                is_ok(http_server_listen(fixture->server, &plain, &fixture->plain_port, NULL)) &&
                is_ok(http_server_start(fixture->server));
    if (!open) {
        abort();
    }
}

static void fixture_close(struct fixture *fixture)
{
    http_server_stop(fixture->server); /* a client that is gone may still be owed an answer */
    for (int i = 0; i < PATIENCE_MS && atomic_load(&answering) > 0; i++) {
        usleep(1000);
    }
    http_server_free(fixture->server);
    tls_slot_done(&fixture->slot);
    identity_free(&fixture->identity);
}

#define FIXTURE(name, lowest)                   \
    CLEANUP(fixture_close) struct fixture name; \
    fixture_open(&name, standard, lowest)

static struct http_server_counts counts_of(const struct fixture *fixture)
{
    return http_server_counts(fixture->server);
}

/* Waits until so many handshakes have failed. */
static bool wait_for_failures(const struct fixture *fixture, uint64_t wanted)
{
    for (int i = 0; i < PATIENCE_MS && counts_of(fixture).handshakes_failed < wanted; i++) {
        usleep(1000);
    }
    return counts_of(fixture).handshakes_failed == wanted;
}

static bool wait_until_empty(const struct fixture *fixture)
{
    for (int i = 0; i < PATIENCE_MS && counts_of(fixture).connections_open > 0; i++) {
        usleep(1000);
    }
    return counts_of(fixture).connections_open == 0;
}

/* Waits until the server has taken so many connections and let all of them go: it may be behind. */
static bool wait_until_all_are_gone(const struct fixture *fixture, uint64_t dialled)
{
    for (int i = 0; i < PATIENCE_MS; i++) {
        struct http_server_counts counts = counts_of(fixture);
        if (counts.connections_accepted + counts.connections_refused >= dialled) {
            break;
        }
        usleep(1000);
    }
    return wait_until_empty(fixture);
}

/* Waits now and then, so that a server that is behind never has one connection too many. */
static bool leaves_room(const struct fixture *fixture, uint64_t dialled)
{
    return dialled % 16 != 0 || wait_until_all_are_gone(fixture, dialled);
}

/* Whether a client that does everything right is served now. */
static bool serves(const struct fixture *fixture)
{
    CLIENT client = client_dial(fixture->port, NULL, 0);
    return client_shake_hands(&client) && client_say(&client, "GET /fine HTTP/1.1\r\n\r\n") &&
           client_hears(&client, "\r\n\r\n/fine", 1);
}

TEST(requests_are_answered_over_tls)
{
    const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
    FIXTURE(fixture, TLS_LOWEST_1_2);
    for (size_t v = 0; v < 2; v++) {
        CLIENT client = client_dial(fixture.port, NULL, versions[v]);
        CHECK(client_shake_hands(&client));
        for (int i = 0; i < 50; i++) {
            CHECK(client_say(&client, "GET /again HTTP/1.1\r\n\r\n"));
            CHECK(client_hears(&client, "\r\n\r\n/again", 1));
        }
    }
    CHECK(counts_of(&fixture).connections_accepted == 2);
    CHECK(counts_of(&fixture).handshakes_failed == 0);
}

TEST(handshake_and_requests_may_come_byte_by_byte)
{
    const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
    FIXTURE(fixture, TLS_LOWEST_1_2);
    for (size_t v = 0; v < 2; v++) {
        CLIENT client = client_dial(fixture.port, NULL, versions[v]);
        client.piece = 1;
        CHECK(client_shake_hands(&client));
        CHECK(client_say(&client, "GET /slow HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n"));
        CHECK(client_hears(&client, "\r\n\r\n/b", 1));
    }
}

TEST(a_request_may_come_with_the_end_of_the_handshake)
{
    FIXTURE(fixture, TLS_LOWEST_1_3);
    CLIENT client = client_dial(fixture.port, NULL, 0);
    SSL_do_handshake(client.ssl);
    CHECK(client_flush(&client));
    while (SSL_do_handshake(client.ssl) != 1) {
        CHECK(client_fill(&client));
    }
    /* "Finished" has not been sent yet: both go in one send. */
    CHECK(client_say(&client, "GET /early HTTP/1.1\r\n\r\n"));
    CHECK(client_hears(&client, "\r\n\r\n/early", 1));
}

/* Each byte of the text in a record of its own, all in one send. */
TEST(many_small_records_in_one_send_are_one_request)
{
    static const char request[] = "GET /records HTTP/1.1\r\n\r\nGET /more HTTP/1.1\r\n\r\n";
    FIXTURE(fixture, TLS_LOWEST_1_3);
    CLIENT client = client_dial(fixture.port, NULL, 0);
    CHECK(client_shake_hands(&client));
    for (size_t i = 0; i + 1 < sizeof(request); i++) {
        CHECK(SSL_write(client.ssl, request + i, 1) == 1);
    }
    CHECK(client_flush(&client));
    CHECK(client_hears(&client, "\r\n\r\n/more", 1));
}

TEST(requests_sent_ahead_are_answered_in_order)
{
    FIXTURE(fixture, TLS_LOWEST_1_2);
    CLIENT client = client_dial(fixture.port, NULL, 0);
    CHECK(client_shake_hands(&client));
    /* The first is answered from another thread: the others have arrived, and wait. */
    for (int i = 0; i < 20; i++) {
        CHECK(client_say(&client, "GET /who HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n"));
        CHECK(client_say(&client, "GET /who HTTP/1.1\r\n\r\n"));
        CHECK(client_say(&client, "GET /d HTTP/1.1\r\n\r\n"));
    }
    CHECK(client_hears(&client, "\r\n\r\n/d", 20));
    CHECK(counts_of(&fixture).requests == 80);
}

static char *post_of(size_t size)
{
    char *text = calloc(1, size + 128);
    int head = snprintf(text, 128, "POST /size HTTP/1.1\r\nContent-Length: %zu\r\n\r\n", size);
    memset(text + head, 'b', size);
    return text;
}

TEST(a_large_body_arrives_whole)
{
    FIXTURE(fixture, TLS_LOWEST_1_2);
    CLIENT client = client_dial(fixture.port, NULL, 0);
    CLEANUP(free_ptr) char *post = post_of(BODY);
    CLEANUP(free_ptr) char *too_large = post_of(BODY + 1);
    CHECK(client_shake_hands(&client));
    CHECK(client_say(&client, post));
    CHECK(client_hears(&client, "size 1048576", 1));
    (void)client_say(&client, too_large); /* the server may close before all is sent */
    CHECK(client_hears(&client, "HTTP/1.1 413 ", 1));
}

TEST(a_client_that_expects_it_is_told_to_go_on)
{
    FIXTURE(fixture, TLS_LOWEST_1_2);
    CLIENT client = client_dial(fixture.port, NULL, 0);
    CHECK(client_shake_hands(&client));
    CHECK(client_say(&client, "POST /size HTTP/1.1\r\nExpect: 100-continue\r\n"
                              "Content-Length: 2\r\n\r\n"));
    CHECK(client_hears(&client, "HTTP/1.1 100 Continue\r\n\r\n", 1));
    CHECK(client_say(&client, "ab"));
    CHECK(client_hears(&client, "size 2", 1));
}

TEST(a_slow_reader_gets_a_large_response_whole)
{
    FIXTURE(fixture, TLS_LOWEST_1_2);
    CLIENT client = client_dial(fixture.port, NULL, 0);
    const int little = 128 * 1024;
    setsockopt(client.fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little));
    CHECK(client_shake_hands(&client));
    CHECK(client_say(&client, "GET /large HTTP/1.1\r\n\r\nGET /next HTTP/1.1\r\n\r\n"));
    CHECK(serves(&fixture)); /* others are served meanwhile */
    CHECK(client_reads(&client, LARGE) >= LARGE);
    CHECK(client_hears(&client, "\r\n\r\n/next", 1));
}

TEST(a_client_may_change_its_keys)
{
    FIXTURE(fixture, TLS_LOWEST_1_3);
    CLIENT client = client_dial(fixture.port, NULL, 0);
    CHECK(client_shake_hands(&client));
    for (int i = 0; i < 10; i++) {
        CHECK(SSL_key_update(client.ssl, SSL_KEY_UPDATE_REQUESTED) == 1);
        CHECK(SSL_do_handshake(client.ssl) == 1);
        CHECK(client_say(&client, "GET /again HTTP/1.1\r\n\r\n"));
        CHECK(client_hears(&client, "\r\n\r\n/again", 1));
    }
}

TEST(the_server_says_goodbye)
{
    FIXTURE(fixture, TLS_LOWEST_1_2);
    CLIENT client = client_dial(fixture.port, NULL, 0);
    CHECK(client_shake_hands(&client));
    CHECK(client_say(&client, "GET /last HTTP/1.1\r\nConnection: close\r\n\r\n"));
    CHECK(client_hears(&client, "\r\n\r\n/last", 1));
    CHECK(client_hears_goodbye(&client));
    CLIENT wrong = client_dial(fixture.port, NULL, 0);
    CHECK(client_shake_hands(&wrong));
    CHECK(client_say(&wrong, "GET no-path HTTP/1.1\r\n\r\n"));
    CHECK(client_hears(&wrong, "HTTP/1.1 400 ", 1)); /* in one record, so with its body */
    CHECK(client_hears_goodbye(&wrong));
}

TEST(a_client_that_says_goodbye_still_gets_its_answer)
{
    FIXTURE(fixture, TLS_LOWEST_1_3);
    CLIENT client = client_dial(fixture.port, NULL, 0);
    CHECK(client_shake_hands(&client));
    CHECK(client_say(&client, "GET /who HTTP/1.1\r\n\r\n"));
    SSL_shutdown(client.ssl);
    CHECK(client_flush(&client));
    shutdown(client.fd, SHUT_WR);
    CHECK(client_hears(&client, "\r\n\r\nnobody", 1));
    CHECK(client_hears_goodbye(&client));
}

/* ---------------------------------------------------------------------------------- hostile
 * clients */

/* What a client sends in a handshake and a request: all bytes, and how many of them before the
 * server's first answer. */
static size_t record_client(const struct fixture *fixture, char *out, size_t size, size_t *first)
{
    CLIENT client = client_dial(fixture->port, NULL, 0);
    SSL_do_handshake(client.ssl);
    *first = (size_t)BIO_pending(SSL_get_wbio(client.ssl));
    BIO_read(SSL_get_wbio(client.ssl), out, (int)size);
    send(client.fd, out, *first, MSG_NOSIGNAL);
    while (SSL_do_handshake(client.ssl) != 1 && client_fill(&client)) {
    }
    SSL_write(client.ssl, "GET /cut HTTP/1.1\r\n\r\n", 21);
    int rest = BIO_read(SSL_get_wbio(client.ssl), out + *first, (int)(size - *first));
    return *first + (size_t)rest;
}

TEST(a_client_may_leave_at_every_byte)
{
    static char recorded[4096];
    FIXTURE(fixture, TLS_LOWEST_1_3);
    size_t first = 0;
    size_t size = record_client(&fixture, recorded, sizeof(recorded), &first);
    CHECK(first > 100 && size > first);
    size_t step = getenv("CHAMBER_VALGRIND") == NULL ? 1 : 17;
    uint64_t dialled = 1;
    for (size_t cut = 0; cut < first; cut += step) {
        int fd = dial(fixture.port);
        CHECK(fd >= 0);
        CHECK(send(fd, recorded, cut, MSG_NOSIGNAL) == (ssize_t)cut);
        close(fd);
        CHECK(leaves_room(&fixture, ++dialled));
    }
    for (size_t cut = 1; cut < size - first; cut += step) { /* after the server's answer */
        CHECK(leaves_room(&fixture, dialled++));
        CLIENT client = client_dial(fixture.port, NULL, 0);
        SSL_do_handshake(client.ssl);
        CHECK(client_flush(&client));
        while (SSL_do_handshake(client.ssl) != 1) {
            CHECK(client_fill(&client));
        }
        SSL_write(client.ssl, "GET /cut HTTP/1.1\r\n\r\n", 21);
        char rest[2048];
        int there = BIO_read(SSL_get_wbio(client.ssl), rest, sizeof(rest));
        CHECK(there >= (int)cut && send(client.fd, rest, cut, MSG_NOSIGNAL) == (ssize_t)cut);
    }
    CHECK(wait_until_all_are_gone(&fixture, dialled));
    CHECK(serves(&fixture));
}

TEST(a_changed_byte_ends_the_handshake_at_most)
{
    static char recorded[4096];
    FIXTURE(fixture, TLS_LOWEST_1_3);
    size_t first = 0;
    size_t size = record_client(&fixture, recorded, sizeof(recorded), &first);
    CHECK(size > first);
    size_t step = getenv("CHAMBER_VALGRIND") == NULL ? 1 : 17;
    for (size_t at = 0; at < first; at += step) {
        int fd = dial(fixture.port);
        recorded[at] = (char)(recorded[at] ^ 0x55);
        CHECK(send(fd, recorded, first, MSG_NOSIGNAL) == (ssize_t)first);
        recorded[at] = (char)(recorded[at] ^ 0x55);
        shutdown(fd, SHUT_WR);
        CHECK(is_closed(fd));
        close(fd);
    }
    CHECK(wait_until_empty(&fixture));
    CHECK(serves(&fixture));
}

TEST(what_is_no_tls_is_closed)
{
    static const char *const texts[] = {
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /api/v1/eth2/sign/0x00 HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
        "SSH-2.0-x\r\n",
        "\x80\x2e\x01\x03\x01\x15\x03",
        "\x16\x03\x01\xff\xff\x01\xff\xff\xff",
        "\x17\x03\x03\x10\x10\x01\x01\x01\x01",
        "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    };
    FIXTURE(fixture, TLS_LOWEST_1_2);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        int fd = dial(fixture.port);
        CHECK(send(fd, texts[i], strlen(texts[i]), MSG_NOSIGNAL) == (ssize_t)strlen(texts[i]));
        shutdown(fd, SHUT_WR);
        CHECK(is_closed(fd));
        close(fd);
        CHECK(wait_for_failures(&fixture, i + 1));
    }
    CHECK(counts_of(&fixture).requests == 0);
    CHECK(serves(&fixture));
}

TEST(garbage_behind_the_handshake_ends_the_connection)
{
    FIXTURE(fixture, TLS_LOWEST_1_2);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        CLIENT client = client_dial(fixture.port, NULL, version);
        CHECK(client_shake_hands(&client));
        CHECK(client_say(&client, "GET /fine HTTP/1.1\r\n\r\n"));
        CHECK(client_hears(&client, "\r\n\r\n/fine", 1));
        CHECK(send(client.fd, "\x17\x03\x03\x00\x20garbage garbage garbage garbage!", 37,
                   MSG_NOSIGNAL) == 37);
        CHECK(is_closed(client.fd));
    }
    CHECK(wait_until_empty(&fixture));
    CHECK(serves(&fixture));
}

TEST(a_good_request_in_front_of_garbage_is_worked_on_once)
{
    FIXTURE(fixture, TLS_LOWEST_1_3);
    CLIENT client = client_dial(fixture.port, NULL, 0);
    CHECK(client_shake_hands(&client));
    SSL_write(client.ssl, "GET /who HTTP/1.1\r\n\r\n", 21);
    BIO_write(SSL_get_wbio(client.ssl), "\x17\x03\x03\x00\x20garbage garbage garbage garbage!", 37);
    CHECK(client_flush(&client));
    CHECK(is_closed(client.fd));
    CHECK(wait_until_empty(&fixture));
    CHECK(counts_of(&fixture).requests <= 1);
    CHECK(serves(&fixture));
}

TEST(an_old_version_is_refused_where_only_the_new_one_is_spoken)
{
    FIXTURE(fixture, TLS_LOWEST_1_3);
    CLIENT client = client_dial(fixture.port, NULL, TLS1_2_VERSION);
    CHECK(!client_shake_hands(&client));
    CHECK(wait_for_failures(&fixture, 1));
    CHECK(serves(&fixture));
}

TEST(a_client_that_renegotiates_is_not_followed)
{
    FIXTURE(fixture, TLS_LOWEST_1_2);
    CLIENT client = client_dial(fixture.port, NULL, TLS1_2_VERSION);
    CHECK(client_shake_hands(&client));
    CHECK(SSL_renegotiate(client.ssl) == 1);
    CHECK(!client_shake_hands(&client));
    CHECK(serves(&fixture));
}

TEST(a_client_that_leaves_without_goodbye_harms_nobody)
{
    static const char *const words[] = { "", "GET /lar", "GET /large HTTP/1.1\r\n\r\n",
                                         "GET /who HTTP/1.1\r\n\r\n" };
    FIXTURE(fixture, TLS_LOWEST_1_2);
    for (size_t i = 0; i < 4 * sizeof(words) / sizeof(words[0]); i++) {
        CLIENT client = client_dial(fixture.port, NULL, 0);
        CHECK(client_shake_hands(&client));
        CHECK(client_say(&client, words[i % 4]));
        const struct linger reset = { .l_onoff = i % 8 < 4, .l_linger = 0 };
        setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    }
    CHECK(wait_until_empty(&fixture));
    CHECK(serves(&fixture));
}

TEST(a_handshake_that_does_not_end_is_ended)
{
    struct http_server_settings settings = standard;
    settings.request_timeout_s = 1;
    CLEANUP(fixture_close) struct fixture fixture;
    fixture_open(&fixture, settings, TLS_LOWEST_1_3);
    int fd = dial(fixture.port);
    CHECK(send(fd, "\x16\x03\x01", 3, MSG_NOSIGNAL) == 3);
    CHECK(is_closed(fd));
    close(fd);
    CHECK(wait_for_failures(&fixture, 1));
    CLIENT half = client_dial(fixture.port, NULL, 0);
    SSL_do_handshake(half.ssl);
    CHECK(client_flush(&half));
    CHECK(wait_for_failures(&fixture, 2));
}

TEST(silent_connections_make_room)
{
    struct http_server_settings settings = standard;
    settings.connections_max = 2;
    settings.loops = 1;
    CLEANUP(fixture_close) struct fixture fixture;
    fixture_open(&fixture, settings, TLS_LOWEST_1_3);
    int silent[2] = { dial(fixture.port), dial(fixture.port) };
    CHECK(serves(&fixture));
    CHECK(is_closed(silent[0]));
    close(silent[0]);
    close(silent[1]);
}

/* ---------------------------------------------------------------------------------- many at a time
 */

TEST(many_handshakes_go_on_at_the_same_time)
{
    enum { MANY = 40 };
    FIXTURE(fixture, TLS_LOWEST_1_3);
    struct tls_client clients[MANY];
    for (size_t i = 0; i < MANY; i++) {
        clients[i] = client_dial(fixture.port, NULL, 0);
        SSL_do_handshake(clients[i].ssl);
        CHECK(client_flush(&clients[i]));
    }
    for (size_t i = 0; i < MANY; i++) {
        CHECK(client_shake_hands(&clients[MANY - 1 - i]));
    }
    for (size_t i = 0; i < MANY; i++) {
        CHECK(client_say(&clients[i], "GET /who HTTP/1.1\r\n\r\n"));
    }
    for (size_t i = 0; i < MANY; i++) {
        CHECK(client_hears(&clients[i], "\r\n\r\nnobody", 1));
        client_close(&clients[i]);
    }
}

static struct fixture *shared_fixture;
static atomic_bool enough;
static atomic_size_t answered, lost;

static void *ask_again_and_again(void *context)
{
    (void)context;
    while (!atomic_load(&enough)) {
        atomic_fetch_add(serves(shared_fixture) ? &answered : &lost, 1);
    }
    return NULL;
}

TEST(a_new_certificate_costs_no_request)
{
    FIXTURE(fixture, TLS_LOWEST_1_3);
    IDENTITY other = identity_named("renewed");
    pthread_t threads[2];
    shared_fixture = &fixture;
    CLIENT old = client_dial(fixture.port, NULL, 0);
    CHECK(client_shake_hands(&old));
    for (size_t i = 0; i < 2; i++) {
        CHECK_OK(thread_start(&threads[i], "asker", ask_again_and_again, NULL));
    }
    for (size_t i = 0; i < harness_rounds(300) || atomic_load(&answered) < 20; i++) {
        const struct identity *next = i % 2 == 0 ? &other : &fixture.identity;
        tls_slot_put(&fixture.slot, context_of(next, TLS_LOWEST_1_3));
        usleep(1000);
    }
    atomic_store(&enough, true);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    CHECK(atomic_load(&lost) == 0 && atomic_load(&answered) >= 20);
    CHECK(client_say(&old, "GET /fine HTTP/1.1\r\n\r\n"));
    CHECK(client_hears(&old, "\r\n\r\n/fine", 1));
    tls_slot_put(&fixture.slot, context_of(&other, TLS_LOWEST_1_3));
    CLIENT new = client_dial(fixture.port, NULL, 0);
    CHECK(client_shake_hands(&new));
    CHECK(X509_cmp(SSL_get0_peer_certificate(new.ssl), other.certificate) == 0);
    CHECK(X509_cmp(SSL_get0_peer_certificate(old.ssl), fixture.identity.certificate) == 0);
}

TEST(without_a_context_nobody_is_let_in)
{
    FIXTURE(fixture, TLS_LOWEST_1_3);
    tls_slot_put(&fixture.slot, NULL);
    CLIENT client = client_dial(fixture.port, NULL, 0);
    CHECK(!client_shake_hands(&client));
    CHECK(wait_for_failures(&fixture, 1));
    tls_slot_put(&fixture.slot, context_of(&fixture.identity, TLS_LOWEST_1_3));
    CHECK(serves(&fixture));
}

TEST(a_drain_closes_what_idles_in_order)
{
    FIXTURE(fixture, TLS_LOWEST_1_3);
    CLIENT idle = client_dial(fixture.port, NULL, 0);
    CHECK(client_shake_hands(&idle));
    CHECK(client_say(&idle, "GET /fine HTTP/1.1\r\n\r\n"));
    CHECK(client_hears(&idle, "\r\n\r\n/fine", 1));
    CHECK(http_server_drain(fixture.server, 60));
    CHECK(client_hears_goodbye(&idle));
}

/* ------------------------------------------------------------------------- what a handler may know
 */

TEST(both_ends_export_the_same_key)
{
    FIXTURE(fixture, TLS_LOWEST_1_2);
    uint8_t key[EXPORTED];
    char text[2][HEX_TEXT_SIZE(EXPORTED)];
    for (size_t i = 0; i < 2; i++) {
        CLIENT client = client_dial(fixture.port, NULL, 0);
        CHECK(client_shake_hands(&client));
        CHECK(SSL_export_keying_material(client.ssl, key, sizeof(key), label, strlen(label),
                                         (const uint8_t *)"nonce", 5, 1) == 1);
        hex_encode(key, sizeof(key), text[i]);
        CHECK(client_say(&client, "GET /export HTTP/1.1\r\n\r\n"));
        CHECK(client_hears(&client, text[i], 1));
    }
    CHECK(strcmp(text[0], text[1]) != 0); /* another connection, another key */
}

TEST(without_tls_1_3_there_is_no_key_to_export)
{
    FIXTURE(fixture, TLS_LOWEST_1_2);
    CLIENT client = client_dial(fixture.port, NULL, TLS1_2_VERSION);
    CHECK(client_shake_hands(&client));
    CHECK(client_say(&client, "GET /export HTTP/1.1\r\n\r\n"));
    CHECK(client_hears(&client, "HTTP/1.1 403 ", 1));
    int plain = dial(fixture.plain_port);
    char answer[512] = "";
    CHECK(send(plain, "GET /export HTTP/1.1\r\n\r\n", 24, MSG_NOSIGNAL) == 24);
    CHECK(recv(plain, answer, 12, MSG_WAITALL) == 12);
    CHECK_TEXT(answer, "HTTP/1.1 403");
    close(plain);
}

/* The public key of what this connection was shown, as the client has it. */
static bool hears_its_key(struct tls_client *client)
{
    uint8_t *der = NULL;
    char text[HEX_TEXT_SIZE(SPKI_MAX)];
    const X509 *shown = SSL_get0_peer_certificate(client->ssl);
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(shown), &der);
    if (size <= 0 || size > SPKI_MAX) {
        return false;
    }
    hex_encode(der, (size_t)size, text);
    OPENSSL_free(der);
    return client_say(client, "GET /key HTTP/1.1\r\n\r\n") && client_hears(client, text, 1);
}

TEST(a_handler_knows_the_key_that_its_connection_was_shown)
{
    static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
    for (size_t i = 0; i < 2; i++) {
        FIXTURE(fixture, TLS_LOWEST_1_2);
        IDENTITY next = identity_named("next");
        CLIENT before = client_dial(fixture.port, NULL, versions[i]);
        CHECK(client_shake_hands(&before));
        CHECK(hears_its_key(&before));
        tls_slot_put(&fixture.slot, context_of(&next, TLS_LOWEST_1_2));
        CLIENT after = client_dial(fixture.port, NULL, versions[i]);
        CHECK(client_shake_hands(&after));
        CHECK(hears_its_key(&after));
        tls_slot_put(&fixture.slot, NULL);
        CHECK(client_say(&before, "GET /upcheck HTTP/1.1\r\n\r\n"));
        CHECK(client_hears(&before, "/upcheck", 1));
        CHECK(hears_its_key(&after));
    }
}

TEST(without_tls_no_key_was_shown)
{
    FIXTURE(fixture, TLS_LOWEST_1_2);
    int plain = dial(fixture.plain_port);
    char answer[512] = "";
    CHECK(send(plain, "GET /key HTTP/1.1\r\n\r\n", 21, MSG_NOSIGNAL) == 21);
    CHECK(recv(plain, answer, 12, MSG_WAITALL) == 12);
    CHECK_TEXT(answer, "HTTP/1.1 403");
    close(plain);
}

TEST(a_handler_knows_who_the_client_is)
{
    FIXTURE(fixture, TLS_LOWEST_1_3);
    IDENTITY teku = identity_named("teku");
    IDENTITY stranger = identity_named("stranger");
    char line[256];
    identity_known_line(&teku, "teku", line);
    struct tls_context *context = NULL;
    struct tls_settings settings = { .certificate = fixture.identity.certificate,
                                     .key = fixture.identity.key,
                                     .client_optional = true };
    CHECK_OK(tls_clients_parse(line, strlen(line), &settings.clients, NULL));
    CHECK_OK(tls_context_new(&settings, clock_wall_seconds(), &context, NULL));
    tls_slot_put(&fixture.slot, context);
    CLIENT known = client_dial(fixture.port, &teku, 0);
    CHECK(client_shake_hands(&known));
    CHECK(client_say(&known, "GET /who HTTP/1.1\r\n\r\n"));
    CHECK(client_hears(&known, "\r\n\r\nteku", 1));
    CLIENT nameless = client_dial(fixture.port, NULL, 0);
    CHECK(client_shake_hands(&nameless));
    CHECK(client_say(&nameless, "GET /who HTTP/1.1\r\n\r\n"));
    CHECK(client_hears(&nameless, "\r\n\r\nnobody", 1));
    CLIENT refused = client_dial(fixture.port, &stranger, 0);
    /* In TLS 1.3 the client only hears of it when it listens. */
    CHECK(!client_shake_hands(&refused) || !client_say(&refused, "GET /who HTTP/1.1\r\n\r\n") ||
          client_reads(&refused, 1) == 0);
    CHECK(wait_for_failures(&fixture, 1));
    CHECK(counts_of(&fixture).requests == 2);
}

HARNESS_TESTS(T(requests_are_answered_over_tls), T(handshake_and_requests_may_come_byte_by_byte),
              T(a_request_may_come_with_the_end_of_the_handshake),
              T(many_small_records_in_one_send_are_one_request),
              T(requests_sent_ahead_are_answered_in_order), T(a_large_body_arrives_whole),
              T(a_client_that_expects_it_is_told_to_go_on),
              T(a_slow_reader_gets_a_large_response_whole), T(a_client_may_change_its_keys),
              T(the_server_says_goodbye), T(a_client_that_says_goodbye_still_gets_its_answer),
              T(a_client_may_leave_at_every_byte), T(a_changed_byte_ends_the_handshake_at_most),
              T(what_is_no_tls_is_closed), T(garbage_behind_the_handshake_ends_the_connection),
              T(a_good_request_in_front_of_garbage_is_worked_on_once),
              T(an_old_version_is_refused_where_only_the_new_one_is_spoken),
              T(a_client_that_renegotiates_is_not_followed),
              T(a_client_that_leaves_without_goodbye_harms_nobody),
              T(a_handshake_that_does_not_end_is_ended), T(silent_connections_make_room),
              T(many_handshakes_go_on_at_the_same_time), T(a_new_certificate_costs_no_request),
              T(without_a_context_nobody_is_let_in), T(a_drain_closes_what_idles_in_order),
              T(a_handler_knows_the_key_that_its_connection_was_shown),
              T(without_tls_no_key_was_shown), T(both_ends_export_the_same_key),
              T(without_tls_1_3_there_is_no_key_to_export), T(a_handler_knows_who_the_client_is))
