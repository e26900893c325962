#define _GNU_SOURCE
#include "net/channel.h"

#include "harness.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TOLD_MAX = 100 * 1000, PATIENCE_MS = 60 * 1000 };

/* A channel at one end of a connection, a plain socket at the other. */
struct fixture {
    struct event_loop *loop;
    struct channel *channel;
    int peer; /* -1: closed */
    int told;
    int stop_after; /* times told */
    bool frees;
};

static void stop_at_last(void *context)
{
    event_loop_stop(((struct fixture *)context)->loop);
}

static void on_ready(void *context)
{
    struct fixture *fixture = context;
    fixture->told++;
    if (fixture->frees) {
        channel_free(STEAL(fixture->channel));
    }
    if (fixture->told >= fixture->stop_after) {
        event_loop_stop(fixture->loop);
    }
}

static void fixture_done(struct fixture *fixture)
{
    channel_free(fixture->channel);
    event_loop_free(fixture->loop);
    fd_close_ptr(&fixture->peer);
}

#define FIXTURE CLEANUP(fixture_done) struct fixture

/* TCP, as only that knows resets. */
static bool connect_pair(int fds[static 2])
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(address);
    CLEANUP(fd_close_ptr) int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool connected = bind(listener, (struct sockaddr *)&address, size) == 0 &&
                     listen(listener, 1) == 0 &&
                     getsockname(listener, (struct sockaddr *)&address, &size) == 0 &&
                     connect(fds[1], (struct sockaddr *)&address, size) == 0;
    fds[0] = connected ? accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC) : -1;
    return fds[0] >= 0;
}

static bool open_fixture(struct fixture *fixture)
{
    const struct channel_owner owner = { on_ready, fixture };
    int fds[2] = { -1, -1 };
    *fixture = (struct fixture){ .peer = -1, .stop_after = 1 };
    if (!connect_pair(fds)) {
        return false;
    }
    fixture->peer = fds[1];
    return is_ok(event_loop_new(&fixture->loop)) &&
           is_ok(channel_new(fixture->loop, fds[0], &owner, &fixture->channel));
}

/* Runs until the owner was told, or nothing happens for `ms`. */
static void run(struct fixture *fixture, uint64_t ms)
{
    CLEANUP(loop_source_free_ptr) struct loop_source *limit = NULL;
    if (is_ok(loop_every(fixture->loop, ms, stop_at_last, fixture, &limit))) {
        (void)!is_ok(event_loop_run(fixture->loop));
    }
}

TEST(nothing_is_told_to_who_does_not_wait)
{
    FIXTURE fixture;
    CHECK(open_fixture(&fixture));
    CHECK(send(fixture.peer, "x", 1, 0) == 1);
    run(&fixture, 50);
    CHECK(fixture.told == 0);
}

TEST(bytes_are_told_of_until_they_are_read)
{
    char bytes[8];
    size_t size = 0;
    FIXTURE fixture;
    CHECK(open_fixture(&fixture));
    CHECK(channel_read(fixture.channel, bytes, sizeof(bytes), &size) == CHANNEL_WAITS);
    CHECK(send(fixture.peer, "abc", 3, 0) == 3);
    channel_wait(fixture.channel, true, false);
    fixture.stop_after = 3; /* nobody reads: it is told again */
    run(&fixture, PATIENCE_MS);
    CHECK(fixture.told >= 3);
    CHECK(channel_read(fixture.channel, bytes, sizeof(bytes), &size) == CHANNEL_DONE && size == 3);
    CHECK(memcmp(bytes, "abc", 3) == 0);
    CHECK(channel_read(fixture.channel, bytes, sizeof(bytes), &size) == CHANNEL_WAITS);
}

TEST(a_peer_that_takes_nothing_is_waited_for)
{
    static char block[64 * 1024];
    size_t size = 0;
    enum channel_status status = CHANNEL_DONE;
    FIXTURE fixture;
    CHECK(open_fixture(&fixture));
    for (int i = 0; i < TOLD_MAX && status == CHANNEL_DONE; i++) {
        status = channel_write(fixture.channel, block, sizeof(block), &size);
    }
    CHECK(status == CHANNEL_WAITS);
    channel_wait(fixture.channel, false, true);
    for (int i = 0; i < PATIENCE_MS && fixture.told == 0; i++) {
        while (recv(fixture.peer, block, sizeof(block), MSG_DONTWAIT) > 0) {
        }
        run(&fixture, 1); /* more may be on its way to the peer */
    }
    CHECK(fixture.told >= 1);
    CHECK(channel_write(fixture.channel, "x", 1, &size) == CHANNEL_DONE);
}

TEST(an_end_of_the_peer_s_leaves_us_speaking)
{
    char bytes[8];
    size_t size = 0;
    FIXTURE fixture;
    CHECK(open_fixture(&fixture));
    CHECK(shutdown(fixture.peer, SHUT_WR) == 0);
    channel_wait(fixture.channel, true, false);
    run(&fixture, PATIENCE_MS);
    CHECK(channel_read(fixture.channel, bytes, sizeof(bytes), &size) == CHANNEL_ENDED);
    CHECK(channel_write(fixture.channel, "bye", 3, &size) == CHANNEL_DONE);
    CHECK(recv(fixture.peer, bytes, sizeof(bytes), 0) == 3);
}

TEST(who_was_told_the_end_hears_an_end_and_others_a_cut)
{
    char byte;
    FIXTURE fixture;
    CHECK(open_fixture(&fixture));
    CHECK(channel_end(fixture.channel) == CHANNEL_DONE);
    channel_free(STEAL(fixture.channel));
    CHECK(recv(fixture.peer, &byte, 1, 0) == 0);
    FIXTURE cut;
    CHECK(open_fixture(&cut));
    channel_free(STEAL(cut.channel));
    CHECK(recv(cut.peer, &byte, 1, 0) == -1 && errno == ECONNRESET);
}

TEST(a_peer_that_resets_has_failed)
{
    const struct linger now = { .l_onoff = 1, .l_linger = 0 };
    char byte;
    size_t size = 0;
    FIXTURE fixture;
    CHECK(open_fixture(&fixture));
    CHECK(setsockopt(fixture.peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now)) == 0);
    close(fixture.peer);
    fixture.peer = -1;
    channel_wait(fixture.channel, true, false);
    run(&fixture, PATIENCE_MS);
    CHECK(channel_read(fixture.channel, &byte, 1, &size) == CHANNEL_FAILED);
    CHECK(channel_write(fixture.channel, "x", 1, &size) == CHANNEL_FAILED); /* and no SIGPIPE */
}

TEST(an_owner_may_free_the_channel_when_told)
{
    FIXTURE fixture;
    CHECK(open_fixture(&fixture));
    fixture.frees = true;
    channel_wait(fixture.channel, true, true);
    CHECK(send(fixture.peer, "x", 1, 0) == 1);
    run(&fixture, PATIENCE_MS);
    CHECK(fixture.told == 1 && fixture.channel == NULL);
}

HARNESS_TESTS(T(nothing_is_told_to_who_does_not_wait), T(bytes_are_told_of_until_they_are_read),
              T(a_peer_that_takes_nothing_is_waited_for),
              T(an_end_of_the_peer_s_leaves_us_speaking),
              T(who_was_told_the_end_hears_an_end_and_others_a_cut),
              T(a_peer_that_resets_has_failed), T(an_owner_may_free_the_channel_when_told))
