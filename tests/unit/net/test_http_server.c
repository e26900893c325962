#include "harness.h"
#include "net/http_server.h"

#include "../base/child.h"
#include "../keystore/memory_scan.h"
#include "base/clock.h"
#include "base/secret.h"
#include "base/thread.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 60 * 1000, LARGE = 8 * 1024 * 1024 };

/* What the handler does follows from the path. */
static pthread_mutex_t held_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct http_exchange *held[64];
static size_t held_count;
static atomic_size_t handled;

static void hold(struct http_exchange *exchange)
{
    LOCK_SCOPE(&held_mutex);
    held[held_count++] = exchange;
}

/* Threads that are about to answer: nobody joins them, and the server must outlive them. */
static atomic_size_t answering;

static void *answer_elsewhere(void *context)
{
    struct http_response response = http_text(200, CONTENT_TYPE_TEXT, "from another thread");
    http_respond(context, &response);
    atomic_fetch_sub(&answering, 1);
    return NULL;
}

static void handle(struct http_exchange *exchange, void *context)
{
    const struct http_request *request = http_exchange_request(exchange);
    struct http_response response = { 0 };
    (void)context;
    atomic_fetch_add(&handled, 1);
    if (strcmp(request->path, "/hold") == 0) {
        hold(exchange);
        return;
    }
    if (strcmp(request->path, "/thread") == 0) {
        pthread_t thread;
        atomic_fetch_add(&answering, 1);
        if (is_ok(thread_start(&thread, "answer", answer_elsewhere, exchange))) {
            pthread_detach(thread);
        }
        return;
    }
    response = http_text(200, CONTENT_TYPE_TEXT, request->path);
    if (strcmp(request->path, "/echo") == 0) {
        buf_clear(&response.body);
        buf_append(&response.body, request->body, request->body_size);
    }
    if (strcmp(request->path, "/large") == 0) {
        char *filling = calloc(1, LARGE);
        memset(filling, 'x', LARGE);
        buf_clear(&response.body);
        buf_append(&response.body, filling, LARGE);
        free(filling);
    }
    http_respond(exchange, &response);
}

static void answer_held(void)
{
    LOCK_SCOPE(&held_mutex);
    for (size_t i = 0; i < held_count; i++) {
        struct http_response response = http_text(200, CONTENT_TYPE_TEXT, "held");
        http_respond(held[i], &response);
    }
    held_count = 0;
}

static size_t count_held(void)
{
    LOCK_SCOPE(&held_mutex);
    return held_count;
}

static const struct http_server_settings standard = { .loops = 2,
                                                      .pause_per_request_ns = 100 * 1000,
                                                      .connections_max = 50,
                                                      .body_max = 1024 * 1024,
                                                      .body_memory_max = 4 * 1024 * 1024,
                                                      .idle_timeout_s = 600,
                                                      .request_timeout_s = 600,
                                                      .write_timeout_s = 600 };

static uint16_t port;

static struct result listen_on(struct http_server *server, const char *address, uint16_t wanted,
                               uint16_t *port_out, struct detail *detail)
{
    const struct http_endpoint endpoint = { .address = address, .port = wanted, .handler = handle };
    return http_server_listen(server, &endpoint, port_out, detail);
}

static struct http_server *start(struct http_server_settings settings)
{
    struct http_server *server = NULL;
    struct detail detail = { "" };
    bool started = is_ok(http_server_new(&settings, &server)) &&
                   is_ok(listen_on(server, "127.0.0.1", 0, &port, &detail)) &&
                   is_ok(http_server_start(server));
    return started ? server : NULL;
}

static int dial(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void say(int fd, const char *text)
{
    (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* Reads until the text holds `wanted` `times` times, the peer closes or patience ends. */
static bool hear(int fd, const char *wanted, size_t times)
{
    static char text[64 * 1024];
    size_t size = 0;
    for (;;) {
        size_t found = 0;
        text[size] = '\0';
        for (const char *at = strstr(text, wanted); at != NULL; at = strstr(at + 1, wanted)) {
            found++;
        }
        if (found >= times) {
            return true;
        }
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        if (poll(&wait, 1, PATIENCE_MS) != 1) {
            return false;
        }
        ssize_t got = recv(fd, text + size, sizeof(text) - 1 - size, 0);
        if (got <= 0) {
            printf("# heard only: %s\n", text);
            return false;
        }
        size += (size_t)got;
    }
}

/* True when the peer closes, having said nothing more than what was heard. */
static bool is_closed(int fd)
{
    struct pollfd wait = { .fd = fd, .events = POLLIN };
    char byte = 0;
    return poll(&wait, 1, PATIENCE_MS) == 1 && recv(fd, &byte, 1, 0) <= 0;
}

static bool wait_until(size_t (*count)(void), size_t wanted)
{
    for (int i = 0; i < PATIENCE_MS && count() != wanted; i++) {
        usleep(1000);
    }
    return count() == wanted;
}

/* Until the threads that answer are done with the server. */
static bool wait_until_answered(void)
{
    for (int i = 0; i < PATIENCE_MS && atomic_load(&answering) > 0; i++) {
        usleep(1000);
    }
    return atomic_load(&answering) == 0;
}

static bool wait_for_requests(struct http_server *server, uint64_t wanted)
{
    for (int i = 0; i < PATIENCE_MS && http_server_counts(server).requests < wanted; i++) {
        usleep(1000);
    }
    return http_server_counts(server).requests == wanted;
}

/* Waits until the one request is held, or its connection is closed without an answer. True: held.
 */
static bool wait_until_held_or_closed(int fd)
{
    struct pollfd closed = { .fd = fd, .events = POLLIN };
    for (int i = 0; i < PATIENCE_MS && count_held() == 0 && poll(&closed, 1, 1) == 0; i++) {
    }
    return count_held() > 0;
}

/* Takes a /large response: true when it ends before it is whole. */
static bool is_closed_in_the_middle(int fd)
{
    static char piece[64 * 1024];
    size_t size = 0;
    for (ssize_t got = 1; got > 0; size += got > 0 ? (size_t)got : 0) {
        got = recv(fd, piece, sizeof(piece), 0);
    }
    return size < LARGE;
}

TEST(a_connection_serves_many_requests)
{
    struct http_server *server = start(standard);
    CHECK(server != NULL);
    int fd = dial();
    for (int i = 0; i < 100; i++) {
        say(fd, "GET /again HTTP/1.1\r\nHost: x\r\n\r\n");
        CHECK(hear(fd, "\r\n\r\n/again", 1));
    }
    CHECK(http_server_counts(server).connections_accepted == 1);
    CHECK(http_server_counts(server).requests == 100);
    close(fd);
    http_server_free(server);
}

TEST(requests_sent_ahead_are_answered_in_order)
{
    struct http_server *server = start(standard);
    int fd = dial();
    say(fd, "GET /hold HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\nGET /thread HTTP/1.1\r\n\r\n");
    say(fd, "GET /d HTTP/1.1\r\nConnection: close\r\n\r\nGET /never HTTP/1.1\r\n\r\n");
    CHECK(wait_until(count_held, 1));
    answer_held();
    CHECK(hear(fd, "\r\n\r\n/d", 1));
    CHECK(is_closed(fd));
    CHECK(http_server_counts(server).requests == 4);
    CHECK(wait_until_answered());
    close(fd);
    http_server_free(server);
}

/* A password, masked for memory_scan(): written nowhere else in this program. */
static const uint8_t masked_password[] = { 0xd6, 0xc0, 0xc6, 0xd7, 0xc0, 0xd1, 0x88, 0xd5,
                                           0xc4, 0xd6, 0xd6, 0xd2, 0xca, 0xd7, 0xc1, 0x94 };

/* Sends the first request and, behind it, one whose body is the password. */
static void say_with_password(int fd, const char *first)
{
    char text[512];
    uint8_t password[sizeof(masked_password)];
    for (size_t i = 0; i < sizeof(password); i++) {
        password[i] = masked_password[i] ^ MEMORY_SCAN_MASK;
    }
    snprintf(text, sizeof(text), "%sPOST /secret HTTP/1.1\r\nContent-Length: %zu\r\n\r\n%.*s",
             first, sizeof(password), (int)sizeof(password), (const char *)password);
    say(fd, text);
    secret_wipe(text, sizeof(text));
    secret_wipe(password, sizeof(password));
}

TEST(a_password_that_was_sent_ahead_leaves_no_copy)
{
    static const char *const firsts[] = {
        "GET /at-once HTTP/1.1\r\n\r\n",
        "GET /hold HTTP/1.1\r\n\r\n",
        "GET /hold HTTP/1.1\r\nConnection: close\r\n\r\n",
    };
    if (!memory_scan_works()) {
        SKIP("the memory of a sanitizer or of valgrind cannot be searched");
    }
    for (size_t i = 0; i < 3; i++) {
        struct http_server *server = start(standard);
        int fd = dial();
        say_with_password(fd, firsts[i]);
        CHECK(wait_until(count_held, i > 0));
        answer_held();
        CHECK(hear(fd, i < 2 ? "\r\n\r\n/secret" : "\r\n\r\nheld", 1));
        close(fd);
        http_server_free(server);
        CHECK(memory_scan(masked_password, sizeof(masked_password)) == 0);
    }
}

TEST(deep_pipelines_do_not_recurse)
{
    struct http_server *server = start(standard);
    int fd = dial();
    static char many[60 * 1000];
    size_t count = 0;
    for (size_t used = 0; used + 32 < sizeof(many); count++) {
        used += (size_t)snprintf(many + used, sizeof(many) - used, "GET /p HTTP/1.1\r\n\r\n");
    }
    say(fd, many);
    static char answers[1024 * 1024];
    size_t size = 0;
    while (http_server_counts(server).requests < count && size < sizeof(answers)) {
        ssize_t got = recv(fd, answers, sizeof(answers), 0);
        CHECK(got > 0);
        size += (size_t)got;
    }
    CHECK(http_server_counts(server).requests == count);
    close(fd);
    http_server_free(server);
}

TEST(a_client_that_leaves_early_harms_nobody)
{
    struct http_server *server = start(standard);
    int leaver = dial();
    say(leaver, "GET /hold HTTP/1.1\r\n\r\n");
    CHECK(wait_until(count_held, 1));
    const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
    setsockopt(leaver, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(leaver);
    int other = dial();
    say(other, "GET /fine HTTP/1.1\r\n\r\n");
    CHECK(hear(other, "/fine", 1));
    answer_held();
    say(other, "GET /still HTTP/1.1\r\n\r\n");
    CHECK(hear(other, "/still", 1));
    close(other);
    http_server_free(server);
}

TEST(a_half_closed_client_still_gets_its_answer)
{
    struct http_server *server = start(standard);
    int fd = dial();
    say(fd, "GET /hold HTTP/1.1\r\n\r\n");
    shutdown(fd, SHUT_WR);
    CHECK(wait_until(count_held, 1));
    answer_held();
    CHECK(hear(fd, "\r\n\r\nheld", 1));
    CHECK(is_closed(fd));
    close(fd);
    http_server_free(server);
}

TEST(half_a_request_of_a_half_closed_client_is_not_waited_for)
{
    static const char *const halves[] = { "GET /never HT",
                                          "POST /never HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf" };
    for (size_t i = 0; i < sizeof(halves) / sizeof(halves[0]); i++) {
        struct http_server *server = start(standard);
        int fd = dial();
        say(fd, "GET /hold HTTP/1.1\r\n\r\n");
        CHECK(wait_until(count_held, 1));
        say(fd, halves[i]);
        shutdown(fd, SHUT_WR);
        answer_held();
        CHECK(hear(fd, "\r\n\r\nheld", 1));
        CHECK(is_closed(fd)); /* within seconds, where a request has ten minutes */
        CHECK(http_server_counts(server).requests == 1);
        close(fd);
        http_server_free(server);
    }
}

TEST(head_has_the_length_but_not_the_body)
{
    struct http_server *server = start(standard);
    int fd = dial();
    say(fd, "HEAD /four HTTP/1.1\r\n\r\nGET /next HTTP/1.1\r\nConnection: close\r\n\r\n");
    CHECK(hear(fd, "Content-Length: 5\r\n", 2));
    close(fd);
    http_server_free(server);
}

TEST(a_body_that_is_refused_still_gets_its_reason)
{
    struct http_server *server = start(standard);
    static char body[256 * 1024];
    int fd = dial();
    memset(body, 'x', sizeof(body) - 1);
    say(fd, "POST /echo HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n");
    for (int i = 0; i < 16; i++) { /* a client that goes on sending, deaf to the answer */
        say(fd, body);
    }
    CHECK(hear(fd, "HTTP/1.1 413 ", 1));
    close(fd);
    CHECK(http_server_counts(server).requests_refused == 1);
    http_server_free(server);
}

/* Announces 110,000 bytes of body and sends `size`: the server keeps 131,074 for more than 65,536.
 */
static void send_large_body(int fd, const char *path, size_t size)
{
    static char body[110 * 1000];
    char head[128];
    memset(body, 'x', sizeof(body));
    snprintf(head, sizeof(head), "POST %s HTTP/1.1\r\nContent-Length: %zu\r\n\r\n", path,
             sizeof(body));
    say(fd, head);
    (void)!send(fd, body, size, MSG_NOSIGNAL);
}

TEST(a_body_without_room_is_503_and_small_ones_still_pass)
{
    struct http_server_settings settings = standard;
    settings.loops = 1;
    settings.body_memory_max = 400 * 1000;
    settings.body_memory_reserved = 100 * 1000;
    struct http_server *server = start(settings);
    int large = dial();
    int further = dial();
    int small = dial();
    send_large_body(large, "/hold", 110 * 1000);
    CHECK(wait_until(count_held, 1)); /* it is in, and keeps its memory */
    say(small, "POST /echo HTTP/1.1\r\nContent-Length: 5\r\n\r\nfirst");
    CHECK(hear(small, "first", 1));
    send_large_body(further, "/echo", 100 * 1000);
    CHECK(hear(further, "HTTP/1.1 503 ", 1));
    say(small, "POST /echo HTTP/1.1\r\nContent-Length: 6\r\n\r\nsecond");
    CHECK(hear(small, "second", 1));
    answer_held();
    CHECK(hear(large, "\r\n\r\nheld", 1));
    close(further);
    further = dial(); /* there is room again */
    send_large_body(further, "/echo", 110 * 1000);
    CHECK(hear(further, "HTTP/1.1 200 ", 1));
    close(large);
    close(further);
    close(small);
    http_server_free(server);
}

TEST(a_slow_request_is_408)
{
    struct http_server_settings settings = standard;
    settings.request_timeout_s = 1;
    struct http_server *server = start(settings);
    int fd = dial();
    say(fd, "POST /echo HTTP/1.1\r\nContent-Length: 10\r\n\r\nonly");
    CHECK(hear(fd, "HTTP/1.1 408 ", 1));
    close(fd);
    http_server_free(server);
}

TEST(an_idle_connection_is_closed_without_a_word)
{
    struct http_server_settings settings = standard;
    settings.idle_timeout_s = 1;
    struct http_server *server = start(settings);
    int fd = dial();
    say(fd, "GET /hold HTTP/1.1\r\n\r\n");
    /* Who is held up for a second before he asks has been idle, too: he asks again. */
    for (int i = 0; i < 60 && !wait_until_held_or_closed(fd); i++) {
        close(fd);
        fd = dial();
        say(fd, "GET /hold HTTP/1.1\r\n\r\n");
    }
    CHECK(count_held() == 1);
    answer_held();
    CHECK(hear(fd, "held", 1));
    CHECK(is_closed(fd));
    close(fd);
    http_server_free(server);
}

TEST(at_the_limit_the_longest_idle_connection_makes_room)
{
    struct http_server_settings settings = standard;
    settings.loops = 1;
    settings.connections_max = 8;
    struct http_server *server = start(settings);
    int idle[8];
    for (size_t i = 0; i < 8; i++) {
        idle[i] = dial();
        say(idle[i], "GET /x HTTP/1.1\r\n\r\n");
        CHECK(hear(idle[i], "/x", 1));
    }
    say(idle[0], "GET /y HTTP/1.1\r\n\r\n"); /* now 1 is idle longest */
    CHECK(hear(idle[0], "/y", 1));
    int fresh = dial();
    say(fresh, "GET /fresh HTTP/1.1\r\n\r\n");
    CHECK(hear(fresh, "/fresh", 1));
    CHECK(is_closed(idle[1]));
    say(idle[0], "GET /z HTTP/1.1\r\n\r\n");
    CHECK(hear(idle[0], "/z", 1));
    for (size_t i = 0; i < 8; i++) {
        close(idle[i]);
    }
    close(fresh);
    http_server_free(server);
}

TEST(without_an_idle_connection_the_new_one_is_refused)
{
    struct http_server_settings settings = standard;
    settings.loops = 1;
    settings.connections_max = 3;
    struct http_server *server = start(settings);
    int busy[3];
    for (size_t i = 0; i < 3; i++) {
        busy[i] = dial();
        say(busy[i], "GET /hold HTTP/1.1\r\n\r\n");
    }
    CHECK(wait_until(count_held, 3));
    int extra = dial();
    CHECK(is_closed(extra));
    CHECK(http_server_counts(server).connections_refused == 1);
    answer_held();
    for (size_t i = 0; i < 3; i++) {
        CHECK(hear(busy[i], "held", 1));
        close(busy[i]);
    }
    close(extra);
    http_server_free(server);
}

/* Each request under way is good for one millisecond, and one is, all the time. */
TEST(with_requests_under_way_the_loop_rests_between_turns)
{
    struct http_server_settings settings = standard;
    settings.loops = 1;
    settings.pause_per_request_ns = 1000 * 1000;
    struct http_server *server = start(settings);
    int waiting = dial();
    say(waiting, "GET /hold HTTP/1.1\r\n\r\n");
    CHECK(wait_until(count_held, 1));
    int fd = dial();
    uint64_t start_ns = clock_monotonic_ns(); /* before the turns are looked at, and after */
    uint64_t turns = http_server_counts(server).turns;
    for (size_t i = 0; i < 100; i++) {
        say(fd, "GET /x HTTP/1.1\r\n\r\n");
        CHECK(hear(fd, "/x", 1));
    }
    turns = http_server_counts(server).turns - turns;
    uint64_t elapsed_ms = (clock_monotonic_ns() - start_ns) / 1000000;
    CHECK(turns >= 2);
    CHECK(turns <= elapsed_ms + 2); /* one may be over at the start, one be counted early */
    answer_held();
    CHECK(hear(waiting, "held", 1));
    close(waiting);
    close(fd);
    http_server_free(server);
}

TEST(a_large_response_waits_for_a_slow_reader)
{
    struct http_server *server = start(standard);
    static char piece[64 * 1024];
    int slow = dial();
    say(slow, "GET /large HTTP/1.1\r\nConnection: close\r\n\r\n");
    int other = dial();
    say(other, "GET /fine HTTP/1.1\r\n\r\n");
    CHECK(hear(other, "/fine", 1));
    size_t size = 0;
    for (ssize_t got = 1; got > 0;) {
        got = recv(slow, piece, sizeof(piece), 0);
        size += got > 0 ? (size_t)got : 0;
    }
    CHECK(size > LARGE && size < LARGE + 1024);
    close(slow);
    close(other);
    http_server_free(server);
}

TEST(responses_that_nobody_takes_are_bounded_in_memory)
{
    struct http_server_settings settings = standard;
    settings.loops = 1;
    settings.response_memory_max = 2 * LARGE;
    struct http_server *server = start(settings);
    int deaf[3];
    for (size_t i = 0; i < 3; i++) {
        deaf[i] = dial();
        say(deaf[i], "GET /large HTTP/1.1\r\nConnection: close\r\n\r\n");
    }
    /* Two are over the limit by their heads: who is first stays, the others have to go. */
    CHECK(wait_for_requests(server, 3));
    for (int i = 0; i < PATIENCE_MS && http_server_counts(server).connections_open > 1; i++) {
        usleep(1000);
    }
    CHECK(http_server_counts(server).connections_open == 1);
    size_t cut = 0;
    for (size_t i = 0; i < 3; i++) {
        cut += is_closed_in_the_middle(deaf[i]);
    }
    CHECK(cut == 2);
    int later = dial(); /* there is room again */
    say(later, "GET /large HTTP/1.1\r\nConnection: close\r\n\r\n");
    CHECK(wait_for_requests(server, 4));
    CHECK(!is_closed_in_the_middle(later));
    for (size_t i = 0; i < 3; i++) {
        close(deaf[i]);
    }
    close(later);
    http_server_free(server);
}

TEST(a_reader_that_never_reads_is_dropped)
{
    struct http_server_settings settings = standard;
    settings.write_timeout_s = 1;
    struct http_server *server = start(settings);
    int fd = dial();
    say(fd, "GET /large HTTP/1.1\r\n\r\n");
    for (int i = 0; i < PATIENCE_MS && http_server_counts(server).requests == 0; i++) {
        usleep(1000);
    }
    for (int i = 0; i < PATIENCE_MS && http_server_counts(server).connections_open > 0; i++) {
        usleep(1000);
    }
    CHECK(http_server_counts(server).connections_open == 0);
    close(fd);
    http_server_free(server);
}

TEST(a_drain_answers_what_is_under_way_and_takes_nothing_new)
{
    struct http_server *server = start(standard);
    int idle = dial();
    say(idle, "GET /x HTTP/1.1\r\n\r\n");
    CHECK(hear(idle, "/x", 1));
    int busy = dial();
    say(busy, "GET /hold HTTP/1.1\r\n\r\n");
    CHECK(wait_until(count_held, 1));
    CHECK(!http_server_drain(server, 0)); /* somebody is owed an answer */
    CHECK(is_closed(idle));
    CHECK(dial() == -1);
    answer_held();
    CHECK(http_server_drain(server, PATIENCE_MS / 1000));
    CHECK(hear(busy, "Connection: close\r\n\r\nheld", 1));
    CHECK(is_closed(busy));
    close(idle);
    close(busy);
    http_server_free(server);
}

TEST(addresses_that_cannot_be_had_are_refused)
{
    struct http_server *server = NULL;
    struct detail detail = { "" };
    CHECK_OK(http_server_new(&standard, &server));
    CHECK_FAILS(BAD_INPUT, listen_on(server, "localhost", 0, NULL, &detail));
    CHECK_FAILS(UNAVAILABLE, listen_on(server, "203.0.113.7", 0, NULL, &detail));
    CHECK(strstr(detail.text, "203.0.113.7") != NULL);
    CHECK_OK(listen_on(server, "127.0.0.1", 0, &port, &detail));
    CHECK_FAILS(UNAVAILABLE, listen_on(server, "127.0.0.1", port, NULL, &detail));
    CHECK_OK(listen_on(server, "::1", 0, NULL, &detail));
    http_server_free(server);
}

TEST(a_stopped_server_calls_no_handler_for_what_was_sent_ahead)
{
    struct http_server *server = start(standard);
    int fd = dial();
    atomic_store(&handled, 0);
    say(fd, "GET /hold HTTP/1.1\r\n\r\nGET /after HTTP/1.1\r\n\r\n");
    CHECK(wait_until(count_held, 1));
    http_server_stop(server);
    answer_held();
    http_server_free(server);
    CHECK(atomic_load(&handled) == 1);
    CHECK(hear(fd, "Connection: close\r\n\r\nheld", 1));
    close(fd);
}

TEST(no_server_is_drained_stopped_and_freed_at_once)
{
    CHECK(http_server_drain(NULL, 0));
    http_server_stop(NULL);
    http_server_free(NULL);
}

/* As hear(), for many threads: an answer may come in several pieces. */
static bool hears_in_pieces(int fd, const char *wanted)
{
    char answer[1024] = "";
    size_t size = 0;
    while (strstr(answer, wanted) == NULL && size < sizeof(answer) - 1) {
        ssize_t got = recv(fd, answer + size, sizeof(answer) - 1 - size, 0);
        if (got <= 0) {
            return false;
        }
        size += (size_t)got;
        answer[size] = '\0';
    }
    return strstr(answer, wanted) != NULL;
}

static void *many_requests(void *context)
{
    bool *all_fine = context;
    int fd = dial();
    for (int i = 0; i < 200 && *all_fine; i++) {
        char wanted[32];
        char request[128];
        snprintf(wanted, sizeof(wanted), "\r\n\r\nbody-%d", i);
        snprintf(request, sizeof(request), "POST /%s HTTP/1.1\r\nContent-Length: %zu\r\n\r\n%s",
                 i % 2 == 0 ? "echo" : "thread", strlen(wanted) - 4, wanted + 4);
        say(fd, request);
        *all_fine = hears_in_pieces(fd, i % 2 == 0 ? wanted : "from another thread");
    }
    close(fd);
    return NULL;
}

TEST(many_clients_at_once_get_their_own_answers)
{
    struct http_server *server = start(standard);
    pthread_t threads[16];
    bool fine[16];
    for (size_t i = 0; i < 16; i++) {
        fine[i] = true;
        CHECK_OK(thread_start(&threads[i], "client", many_requests, &fine[i]));
    }
    for (size_t i = 0; i < 16; i++) {
        pthread_join(threads[i], NULL);
        CHECK(fine[i]);
    }
    CHECK(http_server_drain(server, PATIENCE_MS / 1000));
    CHECK(wait_until_answered());
    http_server_free(server);
}

static void free_while_an_answer_is_owed(void *unused)
{
    struct http_server *server = start(standard);
    (void)unused;
    say(dial(), "GET /hold HTTP/1.1\r\n\r\n");
    (void)wait_until(count_held, 1);
    http_server_free(server);
}

/* A broken promise of ours: it must be heard of, and not be waited for without an end. */
TEST(a_server_that_owes_an_answer_is_not_freed)
{
    CHECK(child_signal(free_while_an_answer_is_owed, NULL) == SIGABRT);
}

HARNESS_TESTS(
    T(a_connection_serves_many_requests), T(requests_sent_ahead_are_answered_in_order),
    T(a_password_that_was_sent_ahead_leaves_no_copy), T(deep_pipelines_do_not_recurse),
    T(a_client_that_leaves_early_harms_nobody), T(a_half_closed_client_still_gets_its_answer),
    T(half_a_request_of_a_half_closed_client_is_not_waited_for),
    T(head_has_the_length_but_not_the_body), T(a_body_that_is_refused_still_gets_its_reason),
    T(a_body_without_room_is_503_and_small_ones_still_pass), T(a_slow_request_is_408),
    T(an_idle_connection_is_closed_without_a_word),
    T(at_the_limit_the_longest_idle_connection_makes_room),
    T(without_an_idle_connection_the_new_one_is_refused),
    T(with_requests_under_way_the_loop_rests_between_turns),
    T(a_large_response_waits_for_a_slow_reader),
    T(responses_that_nobody_takes_are_bounded_in_memory), T(a_reader_that_never_reads_is_dropped),
    T(a_drain_answers_what_is_under_way_and_takes_nothing_new),
    T(addresses_that_cannot_be_had_are_refused),
    T(a_stopped_server_calls_no_handler_for_what_was_sent_ahead),
    T(no_server_is_drained_stopped_and_freed_at_once),
    T(many_clients_at_once_get_their_own_answers), T(a_server_that_owes_an_answer_is_not_freed))
