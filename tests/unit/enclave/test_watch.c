#include "enclave/watch.h"

#include "base/usage.h"
#include "harness.h"
#include "ne_standin.h"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 60 * 1000 };

/* A watch over a stand-in's listener, with CID 16; `life` ends the enclave, `stop` asks for the
 * end. */
struct bench {
    struct standin standin;
    struct watch watch;
    int life;
    int stop;
    int peer; /* the enclave's end of the heartbeat's connection */
    enum watch_event event;
    struct detail detail;
};

static void bench_done(struct bench *bench)
{
    const int all[] = { bench->life, bench->stop, bench->peer };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (all[i] >= 0) {
            close(all[i]);
        }
    }
    if (bench->standin.listener >= 0) {
        close(bench->standin.listener);
    }
    standin_done(&bench->standin);
}

static void bench_init(struct bench *bench)
{
    *bench = (struct bench){ .life = eventfd(0, EFD_CLOEXEC), .stop = eventfd(0, EFD_CLOEXEC) };
    standin_init(&bench->standin);
    const struct ne_system *system = &bench->standin.system;
    bench->standin.cid = 16;
    bench->watch = (struct watch){
        .lives = { bench->life, -1 },
        .stop = bench->stop,
        .console = -1,
        .listener = system->listen(system->context, WATCH_HEARTBEAT_PORT),
        .accept = system->accept,
        .context = system->context,
        .cid = 16,
    };
    bench->peer = standin_connect(&bench->standin);
}

#define BENCH(name)                        \
    CLEANUP(bench_done) struct bench name; \
    bench_init(&(name))

static struct result heartbeat(struct bench *bench, uint64_t timeout_ms)
{
    return watch_heartbeat(&bench->watch, timeout_ms, &bench->event, &bench->detail);
}

static void say(int fd, uint8_t byte)
{
    (void)!write(fd, &byte, 1);
}

static void signal_fd(int fd)
{
    const uint64_t one = 1;
    (void)!write(fd, &one, sizeof(one));
}

TEST(the_time_out_is_that_of_the_formula)
{
    const uint64_t gib = (uint64_t)1 << 30;
    CHECK(watch_timeout_ms(1, 64 << 20) == 180 * 1000);
    CHECK(watch_timeout_ms(0, 0) == 180 * 1000);
    CHECK(watch_timeout_ms(6 * gib, 100 * gib) == 180 * 1000);
    CHECK(watch_timeout_ms(6 * gib + 1, 100 * gib) == 270 * 1000);
    CHECK(watch_timeout_ms(6 * gib, 100 * gib + 1) == 270 * 1000);
    CHECK(watch_timeout_ms(12 * gib + 1, 200 * gib + 1) == 540 * 1000);
}

TEST(a_heartbeat_is_heard_and_answered)
{
    BENCH(bench);
    uint8_t answer = 0;
    uint64_t files = usage_open_files();
    say(bench.peer, WATCH_HEARTBEAT);
    CHECK_OK(heartbeat(&bench, PATIENCE_MS));
    CHECK(bench.event == WATCH_HEARD);
    CHECK(read(bench.peer, &answer, 1) == 1 && answer == 0xb7);
    CHECK(read(bench.peer, &answer, 1) == 0); /* and the connection is closed */
    CHECK(usage_open_files() == files);
}

TEST(a_wrong_byte_is_not_a_heartbeat_and_gets_no_answer)
{
    const uint8_t wrong[] = { 0x00, 0xb6, 0x7b, 0xff };
    for (size_t i = 0; i < sizeof(wrong); i++) {
        BENCH(bench);
        uint8_t answer = 0;
        say(bench.peer, wrong[i]);
        CHECK_FAILS(BAD_INPUT, heartbeat(&bench, PATIENCE_MS));
        CHECK(read(bench.peer, &answer, 1) == 0);
    }
}

TEST(a_connection_that_closes_without_a_byte_is_not_a_heartbeat)
{
    BENCH(bench);
    shutdown(bench.peer, SHUT_RDWR);
    CHECK_FAILS(BAD_INPUT, heartbeat(&bench, PATIENCE_MS));
}

TEST(no_connection_within_the_time_is_a_failure)
{
    BENCH(bench);
    close(bench.peer);
    bench.peer = -1;
    int pending = bench.watch.accept(bench.watch.context, bench.watch.listener, &(uint64_t){ 0 });
    CHECK(pending >= 0);
    close(pending);
    CHECK_FAILS(UNAVAILABLE, heartbeat(&bench, 5));
    CHECK_FAILS(UNAVAILABLE, heartbeat(&bench, 0));
}

TEST(a_connection_that_sends_nothing_within_the_time_is_a_failure)
{
    BENCH(bench);
    CHECK_FAILS(UNAVAILABLE, heartbeat(&bench, 5));
    CHECK(strstr(bench.detail.text, "waited for up to 0 s") != NULL);
}

TEST(what_another_cid_sends_is_not_the_enclaves_heartbeat)
{
    BENCH(bench);
    uint8_t answer = 0;
    bench.standin.peer_cid = 17; /* the first connection is a stranger's */
    say(bench.peer, WATCH_HEARTBEAT);
    CLEANUP(fd_close_ptr) int enclave = standin_connect(&bench.standin);
    say(enclave, WATCH_HEARTBEAT);
    CHECK_OK(heartbeat(&bench, PATIENCE_MS));
    CHECK(bench.event == WATCH_HEARD);
    CHECK(read(enclave, &answer, 1) == 1 && answer == WATCH_HEARTBEAT);
    CHECK(read(bench.peer, &answer, 1) <= 0);
}

TEST(strangers_alone_do_not_pass_for_the_enclave)
{
    BENCH(bench);
    bench.watch.cid = 99;
    say(bench.peer, WATCH_HEARTBEAT);
    CHECK_FAILS(UNAVAILABLE, heartbeat(&bench, 20));
}

TEST(the_enclaves_death_ends_the_wait_for_its_heartbeat)
{
    BENCH(bench);
    signal_fd(bench.life);
    CHECK_OK(heartbeat(&bench, PATIENCE_MS));
    CHECK(bench.event == WATCH_ENDED);
}

TEST(a_stop_ends_the_wait_and_wins_over_a_death)
{
    BENCH(bench);
    signal_fd(bench.life);
    signal_fd(bench.stop);
    CHECK_OK(heartbeat(&bench, PATIENCE_MS));
    CHECK(bench.event == WATCH_STOPPED);
    CHECK_OK(watch_life(&bench.watch, &bench.event));
    CHECK(bench.event == WATCH_STOPPED);
}

TEST(a_hang_up_is_the_enclaves_death)
{
    BENCH(bench);
    int ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    bench.watch.lives[1] = ends[0];
    close(ends[1]);
    CHECK_OK(watch_life(&bench.watch, &bench.event));
    CHECK(bench.event == WATCH_ENDED);
    close(ends[0]);
}

TEST(a_listener_that_is_broken_is_a_failure_and_not_an_endless_loop)
{
    BENCH(bench);
    bench.watch.listener = bench.life; /* no socket at all, and always ready */
    bench.watch.lives[0] = -1;
    signal_fd(bench.life);
    CHECK_FAILS(UNAVAILABLE, heartbeat(&bench, PATIENCE_MS));
}

HARNESS_TESTS(T(the_time_out_is_that_of_the_formula), T(a_heartbeat_is_heard_and_answered),
              T(a_wrong_byte_is_not_a_heartbeat_and_gets_no_answer),
              T(a_connection_that_closes_without_a_byte_is_not_a_heartbeat),
              T(no_connection_within_the_time_is_a_failure),
              T(a_connection_that_sends_nothing_within_the_time_is_a_failure),
              T(what_another_cid_sends_is_not_the_enclaves_heartbeat),
              T(strangers_alone_do_not_pass_for_the_enclave),
              T(the_enclaves_death_ends_the_wait_for_its_heartbeat),
              T(a_stop_ends_the_wait_and_wins_over_a_death), T(a_hang_up_is_the_enclaves_death),
              T(a_listener_that_is_broken_is_a_failure_and_not_an_endless_loop))
