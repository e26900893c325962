#define _GNU_SOURCE
#include "net/relay.h"

#include "base/clock.h"
#include "base/thread.h"
#include "harness.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { LONG_MS = 60 * 1000, SHORT_MS = 50, MEBIBYTE = 1024 * 1024 };

/* A loop on its own thread with relays, and the listener that stands for the target. */
struct fixture {
    struct event_loop *loop;
    struct relays *relays;
    struct relay *relay;
    pthread_t thread;
    struct endpoint target;
    int target_fd; /* listening; -1: nobody does */
    char folder[64];
    bool runs;
};

static struct endpoint endpoint_of(const char *text)
{
    struct endpoint endpoint = { .port = 0 };
    struct result parsed = endpoint_parse(text, &endpoint, NULL);
    assert(is_ok(parsed));
    return endpoint;
}

static const struct relay_settings standard = {
    .connections_max = 1000,
    .connect_timeout_ms = LONG_MS,
    .idle_timeout_ms = LONG_MS,
    .linger_ms = LONG_MS,
};

/* The relays' own send(), when the kernel takes only little at a time. */
static atomic_bool grudging;
static _Thread_local bool is_loop;

ssize_t __real_send(int fd, const void *bytes, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t size, int flags);

ssize_t __wrap_send(int fd, const void *bytes, size_t size, int flags)
{
    static _Thread_local unsigned calls;
    enum { MORSEL = 1000 };
    if (!is_loop || !atomic_load(&grudging)) {
        return __real_send(fd, bytes, size, flags);
    }
    if (++calls % 2 == 0) {
        errno = EAGAIN;
        return -1;
    }
    return __real_send(fd, bytes, size < MORSEL ? size : MORSEL, flags);
}

static void *run_loop(void *context)
{
    is_loop = true;
    struct result run = event_loop_run(context);
    assert(is_ok(run));
    return NULL;
}

static void fixture_new(struct fixture *fixture, const struct relays_settings *settings)
{
    *fixture = (struct fixture){ .target_fd = -1, .folder = "/tmp/chamber-relay-XXXXXX" };
    assert(mkdtemp(fixture->folder) != NULL);
    struct result made = event_loop_new(&fixture->loop);
    assert(is_ok(made));
    made = relays_new(fixture->loop, settings, &fixture->relays);
    assert(is_ok(made));
}

/* A target that listens at 127.0.0.1, or, by kind, as a UNIX socket or that of an emulator. */
static void listen_target(struct fixture *fixture, enum endpoint_kind kind)
{
    char text[128] = "tcp:127.0.0.1:0";
    if (kind != ENDPOINT_TCP) {
        snprintf(text, sizeof(text), "unix:%s/target", fixture->folder);
    }
    fixture->target = endpoint_of(text);
    struct detail detail;
    struct result listens = endpoint_listen(&fixture->target, &fixture->target_fd, &detail);
    assert(is_ok(listens));
    (void)fcntl(fixture->target_fd, F_SETFL, 0);
    if (kind == ENDPOINT_TCP) {
        fixture->target.port = endpoint_bound_port(fixture->target_fd);
    } else {
        fixture->target.kind = kind;
        fixture->target.port = kind == ENDPOINT_UDS ? 9443 : 0;
    }
}

static void add_relay(struct fixture *fixture, const struct relay_settings *wanted)
{
    struct relay_settings settings = *wanted;
    struct detail detail;
    settings.listen = endpoint_of("tcp:127.0.0.1:0");
    settings.target = fixture->target;
    struct result added = relays_add(fixture->relays, &settings, &fixture->relay, &detail);
    assert(is_ok(added));
}

static void start(struct fixture *fixture)
{
    struct result started = thread_start(&fixture->thread, "relays", run_loop, fixture->loop);
    assert(is_ok(started));
    fixture->runs = true;
}

static void fixture_done(struct fixture *fixture)
{
    if (fixture->runs) {
        event_loop_stop(fixture->loop);
        pthread_join(fixture->thread, NULL);
    }
    relays_free(fixture->relays);
    event_loop_free(fixture->loop);
    if (fixture->target_fd >= 0) {
        struct endpoint listening = fixture->target;
        listening.kind = listening.kind == ENDPOINT_UDS ? ENDPOINT_UNIX : listening.kind;
        endpoint_unlisten(&listening, fixture->target_fd);
    }
    int removed = rmdir(fixture->folder);
    assert(removed == 0);
}

#define FIXTURE CLEANUP(fixture_done) struct fixture

static const struct relays_settings roomy = { .connections_max = 2000,
                                              .resolve_ttl_ms = RELAY_RESOLVE_TTL_MS };

/* The usual: a relay to a target of that kind, running. */
static void begin(struct fixture *fixture, enum endpoint_kind kind,
                  const struct relay_settings *settings)
{
    fixture_new(fixture, &roomy);
    listen_target(fixture, kind);
    add_relay(fixture, settings);
    start(fixture);
}

/* In the place of a descriptor, for a connection that was reset before we had it. */
static const int was_reset = -1;

static int patient(int fd)
{
    const struct timeval limit = { .tv_sec = 60 };
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    return fd;
}

static int dial_port(uint16_t port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = patient(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    int connected = connect(fd, (const struct sockaddr *)&address, sizeof(address));
    if (connected != 0) { /* a relay may be quicker than we are */
        assert(errno == ECONNRESET);
        close(fd);
        return was_reset;
    }
    return fd;
}

static int dial(const struct fixture *fixture)
{
    return dial_port(relay_port(fixture->relay));
}

static int answer(const struct fixture *fixture)
{
    struct pollfd waited = { .fd = fixture->target_fd, .events = POLLIN };
    int ready = poll(&waited, 1, LONG_MS);
    assert(ready == 1);
    int fd = accept4(fixture->target_fd, NULL, NULL, SOCK_CLOEXEC);
    assert(fd >= 0);
    return patient(fd);
}

#define FD CLEANUP(fd_close_ptr) int

static bool say(int fd, const char *text)
{
    return send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

/* Reads exactly that text. */
static bool hears(int fd, const char *text)
{
    char got[256] = "";
    return recv(fd, got, strlen(text), MSG_WAITALL) == (ssize_t)strlen(text) &&
           memcmp(got, text, strlen(text)) == 0;
}

static bool hears_the_end(int fd)
{
    char byte;
    return recv(fd, &byte, 1, 0) == 0;
}

static bool hears_a_reset(int fd)
{
    char byte;
    return fd == was_reset || (recv(fd, &byte, 1, 0) < 0 && errno == ECONNRESET);
}

static void reset(int fd)
{
    const struct linger now = { .l_onoff = 1 };
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
}

/* Waits until `value` of the relay's counts is there. */
#define EVENTUALLY(fixture, condition)                                  \
    do {                                                                \
        bool came_ = false;                                             \
        for (int i_ = 0; i_ < LONG_MS && !came_; i_++) {                \
            struct relay_counts counts = relay_counts((fixture).relay); \
            came_ = (condition);                                        \
            if (!came_) {                                               \
                usleep(1000);                                           \
            }                                                           \
        }                                                               \
        CHECK(came_);                                                   \
    } while (0)

TEST(bytes_go_both_ways_and_are_counted)
{
    FIXTURE f;
    begin(&f, ENDPOINT_TCP, &standard);
    FD client = dial(&f);
    FD target = answer(&f);
    CHECK(say(client, "hello") && hears(target, "hello"));
    CHECK(say(target, "and back") && hears(client, "and back"));
    CHECK(say(client, "again") && hears(target, "again"));
    EVENTUALLY(f, counts.bytes_to_target == 10 && counts.bytes_from_target == 8);
    struct relay_counts counts = relay_counts(f.relay);
    CHECK(counts.accepted == 1 && counts.active == 1 && counts.failed == 0);
}

TEST(the_target_may_speak_first)
{
    FIXTURE f;
    begin(&f, ENDPOINT_UNIX, &standard);
    FD client = dial(&f);
    FD target = answer(&f);
    CHECK(say(target, "220 ready") && hears(client, "220 ready"));
}

TEST(half_close_by_the_client_is_carried)
{
    FIXTURE f;
    begin(&f, ENDPOINT_TCP, &standard);
    FD client = dial(&f);
    FD target = answer(&f);
    CHECK(say(client, "request") && shutdown(client, SHUT_WR) == 0);
    CHECK(hears(target, "request") && hears_the_end(target));
    CHECK(say(target, "response") && hears(client, "response"));
    CHECK(relay_counts(f.relay).active == 1);
    CHECK(shutdown(target, SHUT_WR) == 0 && hears_the_end(client));
    EVENTUALLY(f, counts.active == 0 && counts.reset == 0);
}

TEST(half_close_by_the_target_is_carried)
{
    FIXTURE f;
    begin(&f, ENDPOINT_UNIX, &standard);
    FD client = dial(&f);
    FD target = answer(&f);
    CHECK(say(target, "all there is") && shutdown(target, SHUT_WR) == 0);
    CHECK(hears(client, "all there is") && hears_the_end(client));
    CHECK(say(client, "thanks") && hears(target, "thanks"));
    CHECK(shutdown(client, SHUT_WR) == 0 && hears_the_end(target));
    EVENTUALLY(f, counts.active == 0 && counts.reset == 0);
}

TEST(a_client_that_is_gone_ends_the_target_and_the_pair)
{
    FIXTURE f;
    begin(&f, ENDPOINT_TCP, &standard);
    int client = dial(&f);
    int target = answer(&f);
    CHECK(say(client, "bye") && close(client) == 0);
    CHECK(hears(target, "bye") && hears_the_end(target));
    close(target);
    EVENTUALLY(f, counts.active == 0);
}

TEST(a_target_that_is_gone_ends_the_client_and_the_pair)
{
    FIXTURE f;
    begin(&f, ENDPOINT_TCP, &standard);
    int client = dial(&f);
    int target = answer(&f);
    CHECK(say(target, "bye") && close(target) == 0);
    CHECK(hears(client, "bye") && hears_the_end(client));
    close(client);
    EVENTUALLY(f, counts.active == 0);
}

TEST(a_reset_is_passed_on_as_a_reset_either_way)
{
    FIXTURE f;
    begin(&f, ENDPOINT_TCP, &standard);
    int client = dial(&f);
    int target = answer(&f);
    CHECK(say(client, "x") && hears(target, "x"));
    reset(client);
    CHECK(hears_a_reset(target));
    close(target);
    client = dial(&f);
    target = answer(&f);
    CHECK(say(client, "x") && hears(target, "x"));
    reset(target);
    CHECK(hears_a_reset(client));
    close(client);
    EVENTUALLY(f, counts.active == 0 && counts.reset == 2);
}

TEST(a_target_that_refuses_resets_the_client_and_counts_as_failed)
{
    FIXTURE f;
    begin(&f, ENDPOINT_TCP, &standard);
    close(f.target_fd);
    f.target_fd = -1;
    FD client = dial(&f);
    CHECK(hears_a_reset(client));
    EVENTUALLY(f, counts.active == 0 && counts.failed == 1 && counts.accepted == 1);
}

/* A port of our own whose queue is full: connections to it are neither taken nor refused. */
struct silent {
    int listener;
    int queued[8];
    uint16_t port;
};

static void silent_new(struct silent *silent)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    silent->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int made = bind(silent->listener, (const struct sockaddr *)&address, sizeof(address));
    made |= listen(silent->listener, 0);
    assert(made == 0);
    silent->port = endpoint_bound_port(silent->listener);
    address.sin_port = htons(silent->port);
    for (int i = 0; i < 8; i++) {
        silent->queued[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)!connect(silent->queued[i], (const struct sockaddr *)&address, sizeof(address));
        /* The first fills the queue when it is in it, which may take the kernel a while. */
        struct pollfd queued = { .fd = silent->listener, .events = POLLIN };
        int in_queue = poll(&queued, 1, LONG_MS);
        assert(in_queue == 1);
    }
}

static void silent_done(struct silent *silent)
{
    for (int i = 0; i < 8; i++) {
        close(silent->queued[i]);
    }
    close(silent->listener);
}

TEST(a_target_that_never_answers_is_given_up)
{
    FIXTURE f;
    CLEANUP(silent_done) struct silent silent;
    silent_new(&silent);
    fixture_new(&f, &roomy);
    f.target = endpoint_of("tcp:127.0.0.1:1");
    f.target.port = silent.port;
    struct relay_settings settings = standard;
    settings.connect_timeout_ms = SHORT_MS;
    add_relay(&f, &settings);
    start(&f);
    FD client = dial(&f);
    CHECK(hears_a_reset(client));
    EVENTUALLY(f, counts.failed == 1 && counts.active == 0);
}

/* Names. The resolver of these tests. */
static struct endpoint_addresses known;
static atomic_int resolutions;
static atomic_bool resolver_fails;

static struct result resolve_known(const struct endpoint *endpoint, struct endpoint_addresses *out,
                                   struct detail *detail)
{
    atomic_fetch_add(&resolutions, 1);
    detail_set(detail, "%s", endpoint->host);
    ENSURE(!atomic_load(&resolver_fails), UNAVAILABLE, "no answer");
    *out = known;
    return OK;
}

static void know(size_t index, uint16_t port)
{
    struct endpoint endpoint = endpoint_of("tcp:127.0.0.1:1");
    struct endpoint_addresses one;
    endpoint.port = port;
    struct result resolved = endpoint_resolve(&endpoint, &one, NULL);
    assert(is_ok(resolved));
    known.items[index] = one.items[0];
    known.count = index + 1;
}

static void begin_named(struct fixture *fixture, unsigned ttl_ms,
                        const struct relay_settings *settings)
{
    const struct relays_settings named = { .connections_max = 100,
                                           .resolve_ttl_ms = ttl_ms,
                                           .resolve = resolve_known };
    atomic_store(&resolutions, 0);
    atomic_store(&resolver_fails, false);
    fixture_new(fixture, &named);
    listen_target(fixture, ENDPOINT_TCP);
    know(0, (uint16_t)fixture->target.port);
    fixture->target = endpoint_of("tcp:kms.example:443");
    add_relay(fixture, settings);
}

TEST(all_addresses_of_a_name_are_tried_in_turn)
{
    FIXTURE f;
    CLEANUP(silent_done) struct silent silent;
    struct relay_settings settings = standard;
    settings.connect_timeout_ms = 10 * SHORT_MS;
    silent_new(&silent);
    begin_named(&f, LONG_MS, &settings);
    struct endpoint_address good = known.items[0];
    know(0, 1); /* refuses */
    know(1, silent.port);
    known.items[2] = good;
    known.count = 3;
    start(&f);
    FD client = dial(&f);
    FD target = answer(&f);
    CHECK(say(client, "x") && hears(target, "x"));
    CHECK(relay_counts(f.relay).failed == 0);
}

TEST(a_name_is_resolved_once_while_its_addresses_are_fresh)
{
    FIXTURE f;
    begin_named(&f, LONG_MS, &standard);
    start(&f);
    for (int i = 0; i < 5; i++) {
        FD client = dial(&f);
        FD target = answer(&f);
        CHECK(say(client, "x") && hears(target, "x"));
    }
    CHECK(atomic_load(&resolutions) == 1);
}

TEST(old_addresses_are_resolved_again_and_serve_while_that_fails)
{
    FIXTURE f;
    begin_named(&f, 0, &standard);
    start(&f);
    for (int i = 0; i < 3; i++) {
        atomic_store(&resolver_fails, i == 2);
        FD client = dial(&f);
        FD target = answer(&f);
        CHECK(say(client, "x") && hears(target, "x"));
        CHECK(atomic_load(&resolutions) == i + 1);
    }
}

TEST(a_name_that_never_resolved_fails_the_connection)
{
    FIXTURE f;
    begin_named(&f, LONG_MS, &standard);
    atomic_store(&resolver_fails, true);
    start(&f);
    FD client = dial(&f);
    CHECK(hears_a_reset(client));
    EVENTUALLY(f, counts.failed == 1 && counts.active == 0);
    atomic_store(&resolver_fails, false); /* and is tried again by the next */
    FD second = dial(&f);
    FD target = answer(&f);
    CHECK(say(second, "x") && hears(target, "x"));
}

/* Back-pressure. */

struct pour {
    int fd;
    size_t size;
    size_t done;
};

/* Each byte says where it belongs. */
static char byte_at(size_t place)
{
    return (char)(place % 251);
}

static void *pour(void *context)
{
    struct pour *pour = context;
    char bytes[32 * 1024];
    while (pour->done < pour->size) {
        size_t left = pour->size - pour->done;
        for (size_t i = 0; i < sizeof(bytes); i++) {
            bytes[i] = byte_at(pour->done + i);
        }
        ssize_t sent =
            send(pour->fd, bytes, left < sizeof(bytes) ? left : sizeof(bytes), MSG_NOSIGNAL);
        if (sent <= 0) {
            return NULL;
        }
        pour->done += (size_t)sent;
    }
    shutdown(pour->fd, SHUT_WR);
    return NULL;
}

/* Reads what was poured to the end in pieces of `piece` bytes. 0: a byte is not where it belongs.
 */
static size_t drink(int fd, size_t piece)
{
    static char bytes[64 * 1024];
    size_t total = 0;
    for (;;) {
        ssize_t got = recv(fd, bytes, piece, 0);
        if (got <= 0) {
            return got == 0 ? total : 0;
        }
        for (size_t i = 0; i < (size_t)got; i++) {
            if (bytes[i] != byte_at(total + i)) {
                return 0;
            }
        }
        total += (size_t)got;
    }
}

TEST(what_is_held_goes_out_in_as_many_pieces_as_it_takes)
{
    FIXTURE f;
    begin(&f, ENDPOINT_TCP, &standard);
    FD client = dial(&f);
    FD target = answer(&f);
    struct pour poured = { .fd = client, .size = MEBIBYTE };
    pthread_t thread;
    atomic_store(&grudging, true);
    CHECK(pthread_create(&thread, NULL, pour, &poured) == 0);
    size_t arrived = drink(target, 3000);
    pthread_join(thread, NULL);
    atomic_store(&grudging, false);
    CHECK(arrived == MEBIBYTE && poured.done == MEBIBYTE);
}

TEST(a_slow_reader_holds_its_sender_back_and_gets_all)
{
    enum { SIZE = 8 * MEBIBYTE };
    FIXTURE f;
    begin(&f, ENDPOINT_TCP, &standard);
    FD client = dial(&f);
    FD target = answer(&f);
    struct pour poured = { .fd = client, .size = SIZE };
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, pour, &poured) == 0);
    FD other = dial(&f); /* which does not harm anybody else */
    FD other_target = answer(&f);
    CHECK(say(other, "x") && hears(other_target, "x"));
    CHECK(say(other_target, "y") && hears(other, "y"));
    CHECK(drink(target, 3000) == SIZE);
    pthread_join(thread, NULL);
    CHECK(poured.done == SIZE);
    struct relay_counts counts = relay_counts(f.relay);
    CHECK(counts.bytes_to_target == SIZE + 1 && counts.reset == 0);
}

TEST(what_nobody_reads_is_not_taken_in)
{
    FIXTURE f;
    begin(&f, ENDPOINT_TCP, &standard);
    FD client = dial(&f);
    FD target = answer(&f);
    (void)fcntl(client, F_SETFL, O_NONBLOCK);
    static char bytes[64 * 1024];
    size_t sent = 0;
    int full = 0;
    while (full < 50 && sent < 512UL * MEBIBYTE) { /* the kernel's buffers come to a few MiB */
        ssize_t taken = send(client, bytes, sizeof(bytes), MSG_NOSIGNAL);
        sent += taken > 0 ? (size_t)taken : 0;
        full = taken > 0 ? 0 : full + 1;
        if (taken <= 0) {
            usleep(2000);
        }
    }
    CHECK(sent < 64UL * MEBIBYTE);
    size_t got = 0;
    static char taken[64 * 1024];
    while (got < sent) {
        ssize_t piece = recv(target, taken, sizeof(taken), 0);
        CHECK(piece > 0);
        got += (size_t)piece;
    }
    CHECK(got == sent);
}

TEST(the_end_waits_for_what_is_held_before_it)
{
    FIXTURE f;
    begin(&f, ENDPOINT_TCP, &standard);
    FD client = dial(&f);
    FD target = answer(&f);
    struct pour poured = { .fd = target, .size = MEBIBYTE };
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, pour, &poured) == 0);
    CHECK(drink(client, 1000) == MEBIBYTE); /* to the end, and no byte is missing */
    pthread_join(thread, NULL);
}

TEST(a_hundred_at_once_get_their_own_bytes)
{
    enum { MANY = 100 };
    FIXTURE f;
    int clients[MANY];
    int targets[MANY];
    char text[32];
    begin(&f, ENDPOINT_UNIX, &standard);
    for (int i = 0; i < MANY; i++) {
        clients[i] = dial(&f);
        targets[i] = answer(&f);
        snprintf(text, sizeof(text), "from %05d", i);
        CHECK(say(clients[i], text));
    }
    for (int i = MANY - 1; i >= 0; i--) {
        snprintf(text, sizeof(text), "from %05d", i);
        CHECK(hears(targets[i], text));
        snprintf(text, sizeof(text), "to %05d", i);
        CHECK(say(targets[i], text));
    }
    CHECK(relay_counts(f.relay).active == MANY && relays_active(f.relays) == MANY);
    for (int i = 0; i < MANY; i++) {
        snprintf(text, sizeof(text), "to %05d", i);
        CHECK(hears(clients[i], text));
        close(clients[i]);
        CHECK(hears_the_end(targets[i]));
        close(targets[i]);
    }
    EVENTUALLY(f, counts.active == 0);
    CHECK(relays_active(f.relays) == 0);
}

/* Limits. */

TEST(a_connection_over_the_relays_limit_is_reset_and_the_others_go_on)
{
    FIXTURE f;
    struct relay_settings settings = standard;
    settings.connections_max = 2;
    begin(&f, ENDPOINT_TCP, &settings);
    int first = dial(&f);
    FD first_target = answer(&f);
    FD second = dial(&f);
    FD second_target = answer(&f);
    FD third = dial(&f);
    CHECK(hears_a_reset(third));
    CHECK(say(first, "x") && hears(first_target, "x"));
    CHECK(say(second, "x") && hears(second_target, "x"));
    EVENTUALLY(f, counts.refused == 1 && counts.accepted == 2 && counts.active == 2);
    close(first);
    shutdown(first_target, SHUT_WR);
    EVENTUALLY(f, counts.active == 1);
    FD fourth = dial(&f);
    FD fourth_target = answer(&f);
    CHECK(say(fourth, "x") && hears(fourth_target, "x"));
}

TEST(the_limit_of_all_relays_holds_over_each)
{
    FIXTURE f;
    const struct relays_settings few = { .connections_max = 1, .resolve_ttl_ms = LONG_MS };
    fixture_new(&f, &few);
    listen_target(&f, ENDPOINT_TCP);
    add_relay(&f, &standard);
    struct relay *first_relay = f.relay;
    add_relay(&f, &standard);
    start(&f);
    FD first = dial_port(relay_port(first_relay));
    FD first_target = answer(&f);
    FD second = dial(&f);
    CHECK(hears_a_reset(second));
    CHECK(say(first, "x") && hears(first_target, "x"));
    EVENTUALLY(f, counts.refused == 1);
    CHECK(relay_counts(first_relay).refused == 0);
}

TEST(there_are_at_most_so_many_relays)
{
    FIXTURE f;
    fixture_new(&f, &roomy);
    listen_target(&f, ENDPOINT_TCP);
    for (int i = 0; i < RELAYS_MAX; i++) {
        add_relay(&f, &standard);
    }
    struct relay_settings settings = *relay_settings_of(f.relay);
    CHECK_FAILS(LIMIT, relays_add(f.relays, &settings, &f.relay, NULL));
}

TEST(an_address_in_use_is_an_error_that_names_it)
{
    FIXTURE f;
    begin(&f, ENDPOINT_TCP, &standard);
    struct relay_settings settings = standard;
    struct detail detail;
    struct relay *relay = NULL;
    settings.listen = f.target; /* where the target listens */
    settings.target = f.target;
    CHECK_FAILS(UNAVAILABLE, relays_add(f.relays, &settings, &relay, &detail));
    CHECK(strstr(detail.text, "in use") != NULL);
}

TEST(without_descriptors_a_relay_waits_and_the_open_connections_go_on)
{
    if (getenv("CHAMBER_VALGRIND") != NULL) {
        SKIP("valgrind closes a connection over the limit that it has accepted itself");
    }
    FIXTURE f;
    struct rlimit limit;
    begin(&f, ENDPOINT_TCP, &standard);
    FD client = dial(&f);
    FD target = answer(&f);
    CHECK(say(client, "x") && hears(target, "x"));
    FD late = patient(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    int next_fd = dup(late);
    close(next_fd);
    const struct rlimit none = { .rlim_cur = (rlim_t)next_fd, .rlim_max = limit.rlim_max };
    CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(relay_port(f.relay)) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bool connected = connect(late, (const struct sockaddr *)&address, sizeof(address)) == 0;
    bool alive = true;
    for (int i = 0; i < 100; i++) {
        alive = alive && say(client, "y") && hears(target, "y");
    }
    setrlimit(RLIMIT_NOFILE, &limit);
    CHECK(connected && alive);
    FD late_target = answer(&f);
    CHECK(say(late, "x") && hears(late_target, "x"));
}

TEST(who_says_nothing_for_too_long_is_reset_on_both_sides)
{
    FIXTURE f;
    struct relay_settings settings = standard;
    settings.idle_timeout_ms = SHORT_MS;
    begin(&f, ENDPOINT_TCP, &settings);
    FD client = dial(&f);
    FD target = answer(&f);
    CHECK(hears_a_reset(client) && hears_a_reset(target));
    EVENTUALLY(f, counts.timed_out == 1 && counts.active == 0);
}

/* Sends a byte thirty times, a tenth of a second apart. Says, too, whether this thread was held up
 * for so long in between that the relay's limit may have passed. */
static bool keeps_talking(const struct fixture *f, bool *held_up_out)
{
    FD client = dial(f);
    FD target = answer(f);
    uint64_t last_ns = clock_monotonic_ns();
    *held_up_out = false;
    for (int i = 0; i < 30; i++) {
        bool heard = say(target, "x") && hears(client, "x");
        uint64_t now_ns = clock_monotonic_ns();
        *held_up_out = *held_up_out || now_ns - last_ns > UINT64_C(1000) * 1000 * 1000;
        last_ns = now_ns;
        if (!heard) {
            return false;
        }
        usleep(100 * 1000);
    }
    return true;
}

TEST(bytes_in_one_direction_keep_a_connection_alive)
{
    FIXTURE f;
    struct relay_settings settings = standard;
    settings.idle_timeout_ms = 2000; /* less than the thirty bytes take in all */
    begin(&f, ENDPOINT_TCP, &settings);
    bool alive = false;
    bool held_up = true;
    for (int tries = 0; tries < 20 && !alive && held_up; tries++) {
        alive = keeps_talking(&f, &held_up);
    }
    CHECK(alive);
}

/* Emulators. */

static bool hears_connect(int fd)
{
    return hears(fd, "CONNECT 9443\n");
}

TEST(a_uds_is_greeted_before_the_stream_begins)
{
    FIXTURE f;
    begin(&f, ENDPOINT_UDS, &standard);
    FD client = dial(&f);
    FD target = answer(&f);
    CHECK(say(client, "early"));
    CHECK(hears_connect(target));
    CHECK(say(target, "OK 10737")); /* in pieces, and with the stream behind it */
    CHECK(say(target, "41824\nOK first"));
    CHECK(hears(client, "OK first") && hears(target, "early"));
}

TEST(a_uds_that_answers_something_else_is_a_failure)
{
    static const char *const answers[] = { "ERR\n", "OK\n", "OK 1 \n", "HTTP/1.1 200 OK\r\n",
                                           "OK 1111111111111111111111111111111111111111" };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        FIXTURE f;
        begin(&f, ENDPOINT_UDS, &standard);
        FD client = dial(&f);
        FD target = answer(&f);
        CHECK(hears_connect(target) && say(target, answers[i]));
        CHECK(hears_a_reset(client));
        EVENTUALLY(f, counts.failed == 1 && counts.active == 0);
    }
}

TEST(a_uds_that_closes_or_never_answers_is_a_failure)
{
    FIXTURE f;
    struct relay_settings settings = standard;
    settings.connect_timeout_ms = SHORT_MS;
    begin(&f, ENDPOINT_UDS, &settings);
    FD client = dial(&f);
    FD target = answer(&f);
    CHECK(hears_connect(target) && hears_a_reset(client));
    FD second = dial(&f);
    int second_target = answer(&f);
    close(second_target);
    CHECK(hears_a_reset(second));
    EVENTUALLY(f, counts.failed == 2 && counts.active == 0);
}

static int open_uds(struct fixture *f, int *target_out)
{
    int client = dial(f);
    *target_out = answer(f);
    bool open = hears_connect(*target_out) && say(*target_out, "OK 1\n");
    assert(open);
    return client;
}

TEST(behind_a_uds_the_clients_end_is_not_the_targets)
{
    FIXTURE f;
    begin(&f, ENDPOINT_UDS, &standard);
    int target = -1;
    FD client = open_uds(&f, &target);
    CHECK(say(client, "request") && shutdown(client, SHUT_WR) == 0 && hears(target, "request"));
    struct pollfd waited = { .fd = target, .events = POLLIN };
    CHECK(poll(&waited, 1, SHORT_MS) == 0); /* an end here would be the end of the answer, too */
    CHECK(say(target, "response") && close(target) == 0);
    CHECK(hears(client, "response") && hears_the_end(client));
    EVENTUALLY(f, counts.active == 0 && counts.reset == 0);
}

TEST(behind_a_uds_a_client_that_is_gone_does_not_linger_for_ever)
{
    FIXTURE f;
    struct relay_settings settings = standard;
    settings.linger_ms = SHORT_MS;
    begin(&f, ENDPOINT_UDS, &settings);
    int target = -1;
    int client = open_uds(&f, &target);
    close(client);
    CHECK(hears_the_end(target));
    close(target);
    EVENTUALLY(f, counts.active == 0 && counts.timed_out == 1);
}

TEST(behind_a_uds_the_targets_end_is_the_end_of_all)
{
    FIXTURE f;
    struct relay_settings settings = standard;
    settings.linger_ms = SHORT_MS;
    begin(&f, ENDPOINT_UDS, &settings);
    int target = -1;
    FD client = open_uds(&f, &target);
    CHECK(say(target, "last words") && close(target) == 0);
    CHECK(hears(client, "last words") && hears_the_end(client));
    EVENTUALLY(f, counts.active == 0); /* although the client never closes */
}

TEST(what_was_said_before_the_other_closed_still_arrives)
{
    FIXTURE f;
    begin(&f, ENDPOINT_UNIX, &standard);
    FD client = dial(&f);
    int target = answer(&f);
    CHECK(say(client, "x") && hears(target, "x"));
    CHECK(say(target, "413 too large") && close(target) == 0);
    for (int i = 0; i < 20; i++) { /* a client that goes on sending */
        (void)say(client, "more and more");
    }
    CHECK(hears(client, "413 too large") && hears_the_end(client));
}

/* Fills the queue of the target's UNIX socket; gives the descriptors in it. */
static size_t fill_queue(const struct fixture *f, int *fds, size_t max)
{
    struct endpoint_addresses addresses;
    size_t count = 0;
    struct result resolved = endpoint_resolve(&f->target, &addresses, NULL);
    assert(is_ok(resolved) && listen(f->target_fd, 1) == 0);
    while (count < max && is_ok(endpoint_connect(&addresses.items[0], 0, &fds[count]))) {
        count++;
    }
    return count;
}

TEST(a_unix_target_whose_queue_is_full_is_waited_for)
{
    FIXTURE f;
    int fds[8];
    fixture_new(&f, &roomy);
    listen_target(&f, ENDPOINT_UNIX);
    add_relay(&f, &standard);
    size_t queued = fill_queue(&f, fds, 8);
    CHECK(queued > 0 && queued < 8);
    start(&f);
    FD client = dial(&f);
    usleep(5 * SHORT_MS * 1000); /* it is refused meanwhile; nothing else tells */
    for (size_t i = 0; i < queued; i++) {
        close(answer(&f));
        close(fds[i]);
    }
    FD target = answer(&f);
    CHECK(say(client, "x") && hears(target, "x"));
    CHECK(relay_counts(f.relay).failed == 0);
}

TEST(a_queue_that_stays_full_is_given_up)
{
    FIXTURE f;
    int fds[8];
    struct relay_settings settings = standard;
    settings.connect_timeout_ms = 2 * SHORT_MS;
    fixture_new(&f, &roomy);
    listen_target(&f, ENDPOINT_UNIX);
    add_relay(&f, &settings);
    size_t queued = fill_queue(&f, fds, 8);
    start(&f);
    FD client = dial(&f);
    CHECK(hears_a_reset(client));
    EVENTUALLY(f, counts.failed == 1 && counts.active == 0);
    for (size_t i = 0; i < queued; i++) {
        close(fds[i]);
    }
}

TEST(listeners_stop_while_connections_go_on)
{
    FIXTURE f;
    fixture_new(&f, &roomy);
    listen_target(&f, ENDPOINT_TCP);
    add_relay(&f, &standard);
    start(&f);
    FD client = dial(&f);
    FD target = answer(&f);
    CHECK(say(client, "x") && hears(target, "x"));
    event_loop_stop(f.loop);
    pthread_join(f.thread, NULL);
    f.runs = false;
    FD late = patient(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(relay_port(f.relay)) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    relays_stop_listening(f.relays);
    CHECK(connect(late, (const struct sockaddr *)&address, sizeof(address)) < 0);
    CHECK(relays_active(f.relays) == 1);
}

TEST(freeing_resets_what_is_open)
{
    FIXTURE f;
    fixture_new(&f, &roomy);
    listen_target(&f, ENDPOINT_TCP);
    add_relay(&f, &standard);
    start(&f);
    FD client = dial(&f);
    FD target = answer(&f);
    CHECK(say(client, "x") && hears(target, "x"));
    event_loop_stop(f.loop);
    pthread_join(f.thread, NULL);
    f.runs = false;
    relays_free(STEAL(f.relays));
    CHECK(hears_a_reset(client) && hears_a_reset(target));
}

HARNESS_TESTS(
    T(bytes_go_both_ways_and_are_counted), T(the_target_may_speak_first),
    T(half_close_by_the_client_is_carried), T(half_close_by_the_target_is_carried),
    T(a_client_that_is_gone_ends_the_target_and_the_pair),
    T(a_target_that_is_gone_ends_the_client_and_the_pair),
    T(a_reset_is_passed_on_as_a_reset_either_way),
    T(a_target_that_refuses_resets_the_client_and_counts_as_failed),
    T(a_target_that_never_answers_is_given_up), T(all_addresses_of_a_name_are_tried_in_turn),
    T(a_name_is_resolved_once_while_its_addresses_are_fresh),
    T(old_addresses_are_resolved_again_and_serve_while_that_fails),
    T(a_name_that_never_resolved_fails_the_connection),
    T(what_is_held_goes_out_in_as_many_pieces_as_it_takes),
    T(a_slow_reader_holds_its_sender_back_and_gets_all), T(what_nobody_reads_is_not_taken_in),
    T(the_end_waits_for_what_is_held_before_it), T(a_hundred_at_once_get_their_own_bytes),
    T(a_connection_over_the_relays_limit_is_reset_and_the_others_go_on),
    T(the_limit_of_all_relays_holds_over_each), T(there_are_at_most_so_many_relays),
    T(an_address_in_use_is_an_error_that_names_it),
    T(without_descriptors_a_relay_waits_and_the_open_connections_go_on),
    T(who_says_nothing_for_too_long_is_reset_on_both_sides),
    T(bytes_in_one_direction_keep_a_connection_alive), T(a_uds_is_greeted_before_the_stream_begins),
    T(a_uds_that_answers_something_else_is_a_failure),
    T(a_uds_that_closes_or_never_answers_is_a_failure),
    T(behind_a_uds_the_clients_end_is_not_the_targets),
    T(behind_a_uds_a_client_that_is_gone_does_not_linger_for_ever),
    T(behind_a_uds_the_targets_end_is_the_end_of_all),
    T(what_was_said_before_the_other_closed_still_arrives),
    T(a_unix_target_whose_queue_is_full_is_waited_for), T(a_queue_that_stays_full_is_given_up),
    T(listeners_stop_while_connections_go_on), T(freeing_resets_what_is_open))
