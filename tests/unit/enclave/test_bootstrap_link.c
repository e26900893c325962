#include "enclave/bootstrap_link.h"

#include "base/cleanup.h"
#include "harness.h"

#include <sys/socket.h>

static const uint64_t window = 1000;

/* A link, and the other end of its stream. */
struct bench {
    struct bootstrap_link link;
    int peer;
    enum bootstrap_type types[2 * BOOTSTRAP_LINK_STEPS]; /* what was heard */
    size_t heard;
    bool refuse;
};

static void bench_init(struct bench *bench)
{
    int ends[2];
    *bench = (struct bench){ .peer = -1 };
    if (!is_ok(bootstrap_link_init(&bench->link, window)) ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        abort();
    }
    bootstrap_link_open(&bench->link, ends[0]);
    bench->peer = ends[1];
}

static void bench_done(struct bench *bench)
{
    bootstrap_link_done(&bench->link);
    fd_close_ptr(&bench->peer);
}

#define BENCH(name)                        \
    CLEANUP(bench_done) struct bench name; \
    bench_init(&(name))

static struct result note(void *context, const struct bootstrap_frame *frame)
{
    struct bench *bench = context;
    ENSURE(!bench->refuse, REFUSED, "the handler refuses");
    bench->types[bench->heard++] = frame->type;
    return OK;
}

static struct result receive(struct bench *bench, uint64_t now, struct detail *detail)
{
    return bootstrap_link_receive(&bench->link, now, note, bench, detail);
}

static void say(const struct bench *bench, enum bootstrap_type type, const char *payload)
{
    BUF frame = BUF_INIT(1000);
    if (!is_ok(bootstrap_write(type, payload, strlen(payload), &frame)) ||
        send(bench->peer, frame.data, frame.size, MSG_NOSIGNAL) != (ssize_t)frame.size) {
        abort();
    }
}

TEST(frames_are_heard_and_the_input_is_wiped)
{
    BENCH(bench);
    static const uint8_t zeros[64];
    say(&bench, BOOTSTRAP_CONFIGURATION, "configuration");
    say(&bench, BOOTSTRAP_CREDENTIALS, "{}");
    CHECK_OK(receive(&bench, window, NULL));
    CHECK(bench.heard == 2 && bench.types[0] == BOOTSTRAP_CONFIGURATION &&
          bench.types[1] == BOOTSTRAP_CREDENTIALS);
    CHECK(memcmp(bench.link.input.data, zeros, sizeof(zeros)) == 0);
    CHECK(memcmp(bench.link.decoder.payload.data, zeros, 2) == 0);
    CHECK_OK(receive(&bench, window, NULL)); /* nothing is there: that is no failure */
}

TEST(a_failure_of_the_decoder_or_of_the_handler_is_given_on)
{
    BENCH(wrong);
    say(&wrong, BOOTSTRAP_KEEPALIVE, "\x01");
    CHECK_FAILS(REFUSED, receive(&wrong, window, NULL));
    CHECK(wrong.heard == 0);
    BENCH(refused);
    refused.refuse = true;
    say(&refused, BOOTSTRAP_CONFIGURATION, "c");
    CHECK_FAILS(REFUSED, receive(&refused, window, NULL));
}

TEST(an_end_is_unavailable_and_what_came_before_it_is_heard)
{
    BENCH(bench);
    struct detail detail = { "" };
    say(&bench, BOOTSTRAP_CONFIGURATION, "c");
    shutdown(bench.peer, SHUT_WR);
    CHECK_FAILS(UNAVAILABLE, receive(&bench, window, &detail));
    CHECK(bench.heard == 1);
    CHECK_TEXT(detail.text, "");
}

TEST(a_flood_waits_for_the_next_window)
{
    BENCH(bench);
    say(&bench, BOOTSTRAP_CONFIGURATION, "c");
    for (size_t i = 0; i < BOOTSTRAP_LINK_STEPS; i++) {
        say(&bench, BOOTSTRAP_KEEPALIVE, "\x01");
    }
    CHECK(bootstrap_link_pause_ns(&bench.link, 2 * window) == 0);
    CHECK_OK(receive(&bench, 2 * window, NULL));
    CHECK(bench.heard > 1 && bench.heard < BOOTSTRAP_LINK_STEPS);
    size_t before = bench.heard;
    CHECK(bootstrap_link_pause_ns(&bench.link, 2 * window + 1) == window - 1);
    CHECK_OK(receive(&bench, 3 * window - 1, NULL));
    CHECK(bench.heard == before);
    CHECK(bootstrap_link_pause_ns(&bench.link, 3 * window) == 0);
    CHECK_OK(receive(&bench, 3 * window, NULL));
    CHECK(bench.heard == BOOTSTRAP_LINK_STEPS + 1);
}

TEST(nothing_is_heard_after_shutdown_but_the_end_is)
{
    BENCH(bench);
    say(&bench, BOOTSTRAP_CONFIGURATION, "c");
    say(&bench, BOOTSTRAP_SHUTDOWN, "");
    say(&bench, BOOTSTRAP_KEEPALIVE, "\x01");
    CHECK_OK(receive(&bench, window, NULL));
    CHECK(bench.link.deaf && bench.heard == 2);
    CHECK(send(bench.peer, "anything", 8, MSG_NOSIGNAL) == 8);
    CHECK_OK(receive(&bench, window, NULL));
    shutdown(bench.peer, SHUT_WR);
    CHECK_FAILS(UNAVAILABLE, receive(&bench, window, NULL));
    CHECK(bench.heard == 2);
}

TEST(the_same_link_serves_the_next_stream)
{
    BENCH(bench);
    int ends[2];
    say(&bench, BOOTSTRAP_CONFIGURATION, "c");
    say(&bench, BOOTSTRAP_SHUTDOWN, "");
    CHECK(send(bench.peer, "CC", 2, MSG_NOSIGNAL) == 2);
    CHECK_OK(receive(&bench, window, NULL));
    CHECK_OK(bootstrap_link_put(&bench.link, BOOTSTRAP_LOG, "lost", 4));
    bootstrap_link_close(&bench.link);
    CHECK(bench.link.fd == -1 && !bootstrap_link_is_sending(&bench.link) && !bench.link.deaf);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    fd_close_ptr(&bench.peer);
    bench.peer = ends[1];
    bootstrap_link_open(&bench.link, ends[0]);
    say(&bench, BOOTSTRAP_CONFIGURATION, "c");
    CHECK_OK(receive(&bench, window, NULL));
    CHECK(bench.heard == 3 && bench.types[2] == BOOTSTRAP_CONFIGURATION);
}

TEST(a_frame_goes_out_in_as_many_pieces_as_the_stream_takes)
{
    BENCH(bench);
    static char payload[BOOTSTRAP_LOG_MAX];
    CLEANUP(bootstrap_decoder_done) struct bootstrap_decoder decoder;
    struct bootstrap_frame frame;
    size_t frames = 0;
    int small = 1;
    bootstrap_decoder_init(&decoder, BOOTSTRAP_ENCLAVE);
    decoder.begun = true;
    CHECK(setsockopt(bench.link.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)) == 0);
    memset(payload, 'l', sizeof(payload));
    CHECK_OK(bootstrap_link_put(&bench.link, BOOTSTRAP_LOG, payload, sizeof(payload)));
    CHECK_OK(bootstrap_link_flush(&bench.link, NULL));
    CHECK(bootstrap_link_is_sending(&bench.link)); /* it did not fit */
    while (frames == 0) {
        uint8_t piece[100];
        size_t used = 0;
        bool whole = false;
        ssize_t got = recv(bench.peer, piece, sizeof(piece), 0);
        CHECK(got > 0);
        CHECK_OK(bootstrap_read(&decoder, piece, (size_t)got, &used, &frame, &whole));
        CHECK(used == (size_t)got);
        frames += whole;
        CHECK_OK(bootstrap_link_flush(&bench.link, NULL));
    }
    CHECK(!bootstrap_link_is_sending(&bench.link));
    CHECK(frame.size == sizeof(payload) && memcmp(frame.payload, payload, frame.size) == 0);
}

TEST(a_stream_that_is_cut_fails_the_sending_with_its_reason)
{
    BENCH(bench);
    struct detail detail = { "" };
    fd_close_ptr(&bench.peer);
    bench.peer = -1;
    CHECK_OK(bootstrap_link_put(&bench.link, BOOTSTRAP_KEEPALIVE, "\x01", 1));
    CHECK_FAILS(UNAVAILABLE, bootstrap_link_flush(&bench.link, &detail));
    CHECK_TEXT(detail.text, "Broken pipe");
}

TEST(what_cannot_be_a_frame_is_refused_and_leaves_nothing_to_send)
{
    BENCH(bench);
    CHECK_FAILS(BAD_INPUT, bootstrap_link_put(&bench.link, BOOTSTRAP_LOG, "a\nb", 3));
    CHECK(!bootstrap_link_is_sending(&bench.link));
}

HARNESS_TESTS(T(frames_are_heard_and_the_input_is_wiped),
              T(a_failure_of_the_decoder_or_of_the_handler_is_given_on),
              T(an_end_is_unavailable_and_what_came_before_it_is_heard),
              T(a_flood_waits_for_the_next_window),
              T(nothing_is_heard_after_shutdown_but_the_end_is),
              T(the_same_link_serves_the_next_stream),
              T(a_frame_goes_out_in_as_many_pieces_as_the_stream_takes),
              T(a_stream_that_is_cut_fails_the_sending_with_its_reason),
              T(what_cannot_be_a_frame_is_refused_and_leaves_nothing_to_send))
