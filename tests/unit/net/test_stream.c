#define _GNU_SOURCE
#include "net/stream.h"

#include "../keystore/memory_scan.h"
#include "base/secret.h"
#include "base/thread.h"
#include "harness.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { LONG_MS = 60 * 1000 };

/* A protocol that answers with what it hears, ends at a 'q', tells a secret and ends at an 's', and
 * pours at a 'p' until it is told to stop. */
static atomic_int opened;
static atomic_int closed;
static atomic_size_t poured;

static void *echo_open(struct stream *stream, void *context)
{
    atomic_fetch_add(&opened, 1);
    return context == NULL ? NULL : stream;
}

/* "Zq7-secret-Yx4", masked. */
static const uint8_t masked_secret[] = { 0xff, 0xd4, 0x92, 0x88, 0xd6, 0xc0, 0xc6,
                                         0xd7, 0xc0, 0xd1, 0x88, 0xfc, 0xdd, 0x91 };

static void unmask(char out[static sizeof(masked_secret)])
{
    for (size_t i = 0; i < sizeof(masked_secret); i++) {
        out[i] = (char)(masked_secret[i] ^ MEMORY_SCAN_MASK);
    }
}

static bool tell_secret(struct stream *stream)
{
    char secret[sizeof(masked_secret)];
    unmask(secret);
    bool told = is_ok(stream_write(stream, secret, sizeof(secret)));
    secret_wipe(secret, sizeof(secret));
    return told;
}

static bool echo_bytes(void *connection, const uint8_t *bytes, size_t size)
{
    static const char block[1000];
    if (bytes[0] == 's') {
        return tell_secret(connection) && false;
    }
    if (bytes[0] == 'q') {
        return is_ok(stream_write(connection, "bye", 3)) && false;
    }
    while (bytes[0] == 'p' && is_ok(stream_write(connection, block, sizeof(block)))) {
        atomic_fetch_add(&poured, sizeof(block));
    }
    return bytes[0] != 'p' && is_ok(stream_write(connection, bytes, size));
}

static void echo_close(void *connection)
{
    (void)connection;
    atomic_fetch_add(&closed, 1);
}

static const struct stream_protocol echo = { echo_open, echo_bytes, echo_close };

struct fixture {
    struct event_loop *loop;
    struct stream_server *server;
    pthread_t thread;
    char folder[64];
    struct endpoint endpoint;
};

static void *run_loop(void *context)
{
    struct result run = event_loop_run(context);
    assert(is_ok(run));
    return NULL;
}

static void begin(struct fixture *fixture, size_t connections_max, unsigned idle_ms, bool accepts)
{
    char text[128];
    struct detail detail;
    *fixture = (struct fixture){ .folder = "/tmp/chamber-stream-XXXXXX" };
    assert(mkdtemp(fixture->folder) != NULL);
    snprintf(text, sizeof(text), "unix:%s/s", fixture->folder);
    struct result made = endpoint_parse(text, &fixture->endpoint, &detail);
    assert(is_ok(made));
    const struct stream_server_settings settings = { .listen = fixture->endpoint,
                                                     .protocol = &echo,
                                                     .context = accepts ? fixture : NULL,
                                                     .connections_max = connections_max,
                                                     .unsent_max = 100 * 1000,
                                                     .idle_timeout_ms = idle_ms };
    atomic_store(&opened, 0);
    atomic_store(&closed, 0);
    atomic_store(&poured, 0);
    made = event_loop_new(&fixture->loop);
    assert(is_ok(made));
    made = stream_server_new(fixture->loop, &settings, &fixture->server, &detail);
    assert(is_ok(made));
    made = thread_start(&fixture->thread, "streams", run_loop, fixture->loop);
    assert(is_ok(made));
}

static void fixture_done(struct fixture *fixture)
{
    event_loop_stop(fixture->loop);
    pthread_join(fixture->thread, NULL);
    stream_server_free(fixture->server);
    event_loop_free(fixture->loop);
    int removed = rmdir(fixture->folder);
    assert(removed == 0);
}

#define FIXTURE CLEANUP(fixture_done) struct fixture
#define FD      CLEANUP(fd_close_ptr) int

static int dial(const struct fixture *fixture)
{
    const struct timeval limit = { .tv_sec = 60 };
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", fixture->endpoint.host);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    int connected = connect(fd, (const struct sockaddr *)&address, sizeof(address));
    assert(connected == 0);
    return fd;
}

static bool says_and_hears(int fd, const char *said, const char *wanted)
{
    char got[64] = "";
    return send(fd, said, strlen(said), MSG_NOSIGNAL) == (ssize_t)strlen(said) &&
           recv(fd, got, strlen(wanted), MSG_WAITALL) == (ssize_t)strlen(wanted) &&
           strcmp(got, wanted) == 0;
}

static bool hears_the_end(int fd)
{
    char byte;
    ssize_t got = recv(fd, &byte, 1, 0);
    return got == 0 || (got < 0 && errno == ECONNRESET);
}

static bool eventually(atomic_int *value, int wanted)
{
    for (int i = 0; i < LONG_MS && atomic_load(value) != wanted; i++) {
        usleep(1000);
    }
    return atomic_load(value) == wanted;
}

TEST(bytes_are_answered_and_the_end_is_told_once)
{
    FIXTURE f;
    begin(&f, 10, LONG_MS, true);
    int fd = dial(&f);
    CHECK(says_and_hears(fd, "hello", "hello") && says_and_hears(fd, "again", "again"));
    close(fd);
    CHECK(eventually(&closed, 1) && atomic_load(&opened) == 1);
}

TEST(what_was_written_before_the_end_arrives)
{
    FIXTURE f;
    begin(&f, 10, LONG_MS, true);
    FD fd = dial(&f);
    CHECK(says_and_hears(fd, "quit", "bye") && hears_the_end(fd));
    CHECK(eventually(&closed, 1));
}

TEST(what_was_sent_leaves_no_copy)
{
    char got[sizeof(masked_secret)];
    if (!memory_scan_works()) {
        SKIP("the memory of a sanitizer or of valgrind cannot be searched");
    }
    FIXTURE f;
    begin(&f, 10, LONG_MS, true);
    FD fd = dial(&f);
    CHECK(send(fd, "s", 1, MSG_NOSIGNAL) == 1);
    CHECK(recv(fd, got, sizeof(got), MSG_WAITALL) == (ssize_t)sizeof(got) && hears_the_end(fd));
    CHECK(eventually(&closed, 1));
    CHECK(memory_scan(masked_secret, sizeof(masked_secret)) == 1); /* `got` */
    secret_wipe(got, sizeof(got));
    CHECK(memory_scan(masked_secret, sizeof(masked_secret)) == 0);
}

TEST(a_connection_that_the_protocol_refuses_is_closed)
{
    FIXTURE f;
    begin(&f, 10, LONG_MS, false);
    FD fd = dial(&f);
    CHECK(hears_the_end(fd));
    CHECK(atomic_load(&opened) == 1 && atomic_load(&closed) == 0);
}

TEST(at_the_limit_the_oldest_makes_room_and_the_others_go_on)
{
    FIXTURE f;
    begin(&f, 2, LONG_MS, true);
    FD first = dial(&f);
    CHECK(says_and_hears(first, "x", "x"));
    FD second = dial(&f);
    CHECK(says_and_hears(second, "y", "y"));
    FD third = dial(&f);
    CHECK(says_and_hears(third, "z", "z"));
    CHECK(hears_the_end(first) && eventually(&closed, 1));
    CHECK(says_and_hears(second, "again", "again"));
}

TEST(who_takes_nothing_is_bounded_and_then_closed)
{
    FIXTURE f;
    begin(&f, 10, 100, true);
    for (int tries = 1; tries <= 60 && atomic_load(&poured) == 0; tries++) {
        FD fd = dial(&f);
        (void)!send(fd, "p", 1, MSG_NOSIGNAL); /* too late if we are held up here: once more */
        CHECK(eventually(&closed, tries));
    }
    CHECK(atomic_load(&poured) >= 90 * 1000 && atomic_load(&poured) <= 400 * 1000);
}

TEST(who_says_nothing_is_closed)
{
    FIXTURE f;
    begin(&f, 10, 50, true);
    FD fd = dial(&f);
    CHECK(hears_the_end(fd) && eventually(&closed, 1));
}

TEST(freeing_the_server_closes_what_is_open)
{
    {
        FIXTURE f;
        begin(&f, 10, LONG_MS, true);
        int fd = dial(&f);
        CHECK(says_and_hears(fd, "x", "x"));
        close(dup(fd));
    }
    CHECK(atomic_load(&closed) == 1);
}

HARNESS_TESTS(T(bytes_are_answered_and_the_end_is_told_once),
              T(what_was_written_before_the_end_arrives), T(what_was_sent_leaves_no_copy),
              T(a_connection_that_the_protocol_refuses_is_closed),
              T(at_the_limit_the_oldest_makes_room_and_the_others_go_on),
              T(who_takes_nothing_is_bounded_and_then_closed), T(who_says_nothing_is_closed),
              T(freeing_the_server_closes_what_is_open))
