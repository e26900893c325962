#include "enclave/bootstrap_client.h"

#include "../keystore/memory_scan.h"
#include "base/clock.h"
#include "base/usage.h"
#include "enclave/log_lines.h"
#include "harness.h"
#include "scripted_parent.h"

#include <poll.h>
#include <sys/socket.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MS           ((uint64_t)1000 * 1000)
#define HOUR         (3600 * 1000 * MS)

enum { PATIENCE_S = 60, PLENTY = UINT32_MAX };

int __real_poll(struct pollfd *fds, nfds_t count, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout);

static atomic_uint polls;

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout)
{
    atomic_fetch_add(&polls, 1);
    return __real_poll(fds, count, timeout);
}

/* Nothing happens by time alone, but that a stream which ended is followed by another. */
static const struct bootstrap_times calm = {
    .keepalive = HOUR,
    .silence = HOUR,
    .pause_min = 1 * MS,
    .pause_max = 1 * MS,
    .steady = 0,
    .dropped = 0,
    .window = 1 * MS,
    .farewell = HOUR,
};

struct bench {
    struct parent parent;
    struct bootstrap_times times;
    struct bootstrap_client_settings settings;
    struct bootstrap_client *client;
    int stream; /* the one that is being talked on */
    atomic_uint shutdowns;
    char reason[BOOTSTRAP_REASON_MAX + 1];
};

static struct heard heard;

static void on_shutdown(void *context, const char *reason)
{
    struct bench *bench = context;
    snprintf(bench->reason, sizeof(bench->reason), "%s", reason);
    atomic_fetch_add(&bench->shutdowns, 1);
}

static void bench_init(struct bench *bench)
{
    *bench = (struct bench){ .times = calm, .stream = -1 };
    parent_init(&bench->parent);
    bench->settings = (struct bootstrap_client_settings){
        .connect = parent_connect,
        .context = &bench->parent,
        .log_fd = bench->parent.log[0],
        .log_bytes_per_second = PLENTY,
        .on_shutdown = on_shutdown,
        .shutdown_context = bench,
        .times = &bench->times,
    };
}

static void hang_up(struct bench *bench)
{
    fd_close_ptr(&bench->stream);
    bench->stream = -1;
}

static void bench_done(struct bench *bench)
{
    hang_up(bench);
    bootstrap_client_free(bench->client);
    parent_done(&bench->parent);
}

static void begin(struct bench *bench)
{
    if (!is_ok(bootstrap_client_new(&bench->settings, &bench->client))) {
        abort();
    }
}

#define BENCH(name)                        \
    CLEANUP(bench_done) struct bench name; \
    bench_init(&(name))

/* The next stream, up to and with the KEEPALIVE that follows CONFIGURATION. */
static bool greet(struct bench *bench)
{
    hang_up(bench);
    bench->stream = parent_accept(&bench->parent, NULL);
    return parent_configures(bench->stream, "c") &&
           parent_hears_type(bench->stream, BOOTSTRAP_KEEPALIVE, &heard);
}

static bool hears_line(const struct bench *bench, const char *wanted)
{
    return parent_hears_type(bench->stream, BOOTSTRAP_LOG, &heard) &&
           strcmp(heard.payload, wanted) == 0;
}

static struct bootstrap_client_counts counts(const struct bench *bench)
{
    return bootstrap_client_counts(bench->client);
}

/* Waits for what no event tells, such as a counter. */
#define EVENTUALLY(condition)                                                    \
    do {                                                                         \
        uint64_t end_ = clock_monotonic_ns() + (uint64_t)PATIENCE_S * 1000 * MS; \
        while (!(condition) && clock_monotonic_ns() < end_) {                    \
            (void)__real_poll(NULL, 0, 1);                                       \
        }                                                                        \
        CHECK(condition);                                                        \
    } while (0)

/* A thread that spins calls poll() very much more often than this. */
static bool is_quiet(void)
{
    unsigned before = atomic_load(&polls);
    (void)__real_poll(NULL, 0, 50);
    return atomic_load(&polls) - before < 20;
}

/* ---- configuration and credentials */

TEST(the_configuration_comes_byte_for_byte_whatever_its_size)
{
    static const size_t sizes[] = { 1, 2, 4096, BOOTSTRAP_CONFIGURATION_MAX };
    static uint8_t text[BOOTSTRAP_CONFIGURATION_MAX];
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = (uint8_t)(i * 31 + i / 256);
    }
    for (size_t i = 0; i < COUNT(sizes); i++) {
        BENCH(bench);
        SECRET_BLOCK got = { 0 };
        struct detail detail = { "" };
        begin(&bench);
        bench.stream = parent_accept(&bench.parent, NULL);
        CHECK(parent_says(bench.stream, BOOTSTRAP_CONFIGURATION, text, sizes[i]));
        CHECK_OK(bootstrap_client_configuration(bench.client, PATIENCE_S, &got, &detail));
        CHECK(got.size == sizes[i] && memcmp(got.data, text, got.size) == 0);
        EVENTUALLY(counts(&bench).connections == 1);
        CHECK(counts(&bench).broken == 0);
    }
}

TEST(all_comes_one_byte_at_a_time)
{
    BENCH(bench);
    SECRET_BLOCK got = { 0 };
    SECRET_BLOCK credentials = { 0 };
    BUF bytes = BUF_INIT(1000);
    CHECK_OK(bootstrap_write(BOOTSTRAP_CONFIGURATION, "network: x\n", 11, &bytes));
    CHECK_OK(bootstrap_write(BOOTSTRAP_CREDENTIALS, "{}", 2, &bytes));
    CHECK_OK(bootstrap_write(BOOTSTRAP_SHUTDOWN, "stop", 4, &bytes));
    begin(&bench);
    bench.stream = parent_accept(&bench.parent, NULL);
    for (size_t i = 0; i < bytes.size; i++) {
        CHECK(parent_sends(bench.stream, bytes.data + i, 1));
    }
    EVENTUALLY(atomic_load(&bench.shutdowns) == 1);
    CHECK_OK(bootstrap_client_configuration(bench.client, 0, &got, NULL));
    CHECK_TEXT((const char *)got.data, "network: x\n");
    CHECK_OK(bootstrap_client_credentials(bench.client, &credentials));
    CHECK_TEXT((const char *)credentials.data, "{}");
}

TEST(credentials_are_those_that_came_last_on_whichever_stream)
{
    BENCH(bench);
    SECRET_BLOCK none = { 0 };
    begin(&bench);
    CHECK(greet(&bench));
    CHECK_FAILS(NOT_FOUND, bootstrap_client_credentials(bench.client, &none));
    static const char *const texts[] = { "{\"a\":1}", "{}", "{\"b\":[2]}" };
    for (size_t i = 0; i < COUNT(texts); i++) {
        SECRET_BLOCK got = { 0 };
        CHECK(i < 2 || greet(&bench));
        CHECK(parent_says(bench.stream, BOOTSTRAP_CREDENTIALS, texts[i], strlen(texts[i])));
        EVENTUALLY(counts(&bench).credentials == i + 1);
        CHECK_OK(bootstrap_client_credentials(bench.client, &got));
        CHECK_TEXT((const char *)got.data, texts[i]);
    }
}

TEST(another_configuration_is_broken_off_and_nothing_of_that_stream_is_taken)
{
    BENCH(bench);
    SECRET_BLOCK got = { 0 };
    SECRET_BLOCK none = { 0 };
    begin(&bench);
    CHECK(greet(&bench));
    hang_up(&bench);
    bench.stream = parent_accept(&bench.parent, NULL);
    BUF bytes = BUF_INIT(1000);
    CHECK_OK(bootstrap_write(BOOTSTRAP_CONFIGURATION, "d", 1, &bytes));
    CHECK_OK(bootstrap_write(BOOTSTRAP_CREDENTIALS, "{}", 2, &bytes));
    CHECK_OK(bootstrap_write(BOOTSTRAP_SHUTDOWN, "", 0, &bytes));
    CHECK(parent_sends(bench.stream, bytes.data, bytes.size));
    CHECK(parent_hears_end(bench.stream));
    CHECK(greet(&bench)); /* the first one again is welcome */
    CHECK(counts(&bench).broken == 1 && counts(&bench).connections == 2);
    CHECK(counts(&bench).credentials == 0 && atomic_load(&bench.shutdowns) == 0);
    CHECK_FAILS(NOT_FOUND, bootstrap_client_credentials(bench.client, &none));
    CHECK_OK(bootstrap_client_configuration(bench.client, 0, &got, NULL));
    CHECK_TEXT((const char *)got.data, "c");
}

TEST(without_a_parent_the_reason_is_told)
{
    BENCH(bench);
    SECRET_BLOCK none = { 0 };
    struct detail detail = { "" };
    atomic_store(&bench.parent.away, true);
    begin(&bench);
    EVENTUALLY(atomic_load(&bench.parent.tries) > 3);
    CHECK_FAILS(UNAVAILABLE, bootstrap_client_configuration(bench.client, 0, &none, &detail));
    CHECK_TEXT(detail.text, "Connection refused: no connection to the parent");
    atomic_store(&bench.parent.away, false);
    CHECK(greet(&bench));
    CHECK_OK(bootstrap_client_configuration(bench.client, PATIENCE_S, &none, &detail));
}

/* ---- streams that end */

TEST(the_nonce_names_the_boot)
{
    uint8_t first[BOOTSTRAP_NONCE_SIZE];
    uint8_t again[BOOTSTRAP_NONCE_SIZE];
    uint8_t other[BOOTSTRAP_NONCE_SIZE];
    BENCH(bench);
    BENCH(second);
    begin(&bench);
    begin(&second);
    bench.stream = parent_accept(&bench.parent, first);
    hang_up(&bench);
    bench.stream = parent_accept(&bench.parent, again);
    second.stream = parent_accept(&second.parent, other);
    CHECK(memcmp(first, again, sizeof(first)) == 0);
    CHECK(memcmp(first, other, sizeof(first)) != 0);
}

TEST(a_stream_that_is_cut_anywhere_is_followed_by_another)
{
    BENCH(bench);
    BUF bytes = BUF_INIT(1000);
    CHECK_OK(bootstrap_write(BOOTSTRAP_CONFIGURATION, "network: x\n", 11, &bytes));
    CHECK_OK(bootstrap_write(BOOTSTRAP_CREDENTIALS, "{}", 2, &bytes));
    CHECK_OK(bootstrap_write(BOOTSTRAP_KEEPALIVE, "\x01", 1, &bytes));
    size_t all = bytes.size;
    CHECK_OK(bootstrap_write(BOOTSTRAP_SHUTDOWN, "stop", 4, &bytes));
    begin(&bench);
    for (size_t cut = 0; cut < bytes.size; cut++) {
        bench.stream = parent_accept(&bench.parent, NULL);
        CHECK(parent_sends(bench.stream, bytes.data, cut));
        hang_up(&bench);
    }
    bench.stream = parent_accept(&bench.parent, NULL);
    CHECK(parent_sends(bench.stream, bytes.data, bytes.size));
    EVENTUALLY(atomic_load(&bench.shutdowns) == 1);
    const size_t configuration = BOOTSTRAP_HEADER_SIZE + 11;
    const size_t credentials = configuration + BOOTSTRAP_HEADER_SIZE + 2;
    CHECK(counts(&bench).connections == bytes.size - configuration + 1);
    CHECK(counts(&bench).credentials == bytes.size - credentials + 1 && credentials < all);
    CHECK(counts(&bench).broken == 0); /* a stream that ends breaks no protocol */
}

TEST(what_is_not_the_protocol_ends_the_stream_and_is_counted)
{
    static const struct {
        const char *bytes;
        size_t size;
        bool after_configuration;
    } wrong[] = {
        { "HTTP/1.1 400", 12, false },
        { "CCBP\x02\x02\0\0\0\0\0\x01x", 13, false },    /* version */
        { "CCBP\x01\x06\0\0\0\0\0\x01\x01", 13, false }, /* not CONFIGURATION first */
        { "CCBP\x01\x02\0\0\0\x04\0\x01", 12, false },   /* too long by one */
        { "CCBP\x01\x02\0\0\0\0\0\0", 12, false },       /* empty */
        { "CCBP\x01\x02\0\0\0\0\0\x01"
          "c",
          13, true },                               /* a second one */
        { "CCBP\x01\x01\0\0\0\0\0\x20", 12, true }, /* the enclave's own */
        { "CCBP\x01\x04\0\0\0\0\0\x01x", 13, true },
        { "CCBP\x01\x05\0\0\0\0\0\x08", 12, true },
        { "CCBP\x01\x06\0\0\0\0\0\x01\x04", 13, true }, /* an unknown state */
        { "CCBP\x01\x03\0\0\0\0\x40\x01", 12, true },   /* too long by one */
        { "CCBP\x01\x07\0\0\0\0\0\x01\n", 13, true },   /* not printable */
        { "CCBP\x01\x08\0\0\0\0\0\0", 12, true },       /* unknown */
    };
    BENCH(bench);
    begin(&bench);
    for (size_t i = 0; i < COUNT(wrong); i++) {
        bench.stream = parent_accept(&bench.parent, NULL);
        CHECK(!wrong[i].after_configuration || parent_configures(bench.stream, "c"));
        CHECK(parent_sends(bench.stream, wrong[i].bytes, wrong[i].size));
        CHECK(parent_hears_end(bench.stream));
        hang_up(&bench);
        CHECK(counts(&bench).broken == i + 1);
    }
    CHECK(greet(&bench));
    CHECK(atomic_load(&bench.shutdowns) == 0 && counts(&bench).credentials == 0);
}

TEST(a_parent_that_is_silent_is_given_up_before_and_after_the_configuration)
{
    BENCH(bench);
    bench.times.silence = 50 * MS;
    begin(&bench);
    bench.stream = parent_accept(&bench.parent, NULL);
    CHECK(parent_hears_end(bench.stream));
    CHECK(counts(&bench).broken >= 1 && counts(&bench).connections == 0);
    while (counts(&bench).connections == 0) { /* it may be given up while we are not running */
        hang_up(&bench);
        bench.stream = parent_accept(&bench.parent, NULL);
        (void)parent_configures(bench.stream, "c");
        CHECK(parent_hears_end(bench.stream));
    }
    CHECK(counts(&bench).broken >= 2);
}

TEST(how_long_the_parent_was_not_heard_is_told)
{
    BENCH(bench);
    begin(&bench);
    bench.stream = parent_accept(&bench.parent, NULL);
    (void)__real_poll(NULL, 0, 20); /* a connection alone is no parent */
    CHECK(bootstrap_client_unheard_ns(bench.client) == 0);
    CHECK(parent_configures(bench.stream, "c"));
    EVENTUALLY(counts(&bench).connections == 1);
    EVENTUALLY(bootstrap_client_unheard_ns(bench.client) >= 50 * MS);
    CHECK(parent_sends(bench.stream, "CCBP\x01\x06\0\0\0\0\0\x01\x01", 13)); /* KEEPALIVE */
    EVENTUALLY(bootstrap_client_unheard_ns(bench.client) < 50 * MS);
    hang_up(&bench);
    bench.stream = parent_accept(&bench.parent, NULL); /* connected, but not by who knows us */
    EVENTUALLY(bootstrap_client_unheard_ns(bench.client) >= 50 * MS);
}

TEST(half_a_frame_is_silence_too)
{
    BENCH(bench);
    bench.times.silence = 50 * MS;
    begin(&bench);
    bench.stream = parent_accept(&bench.parent, NULL);
    while (parent_sends(bench.stream, "CCBP\x01\x02\0\0\0\x04\0\0", 12)) {
        bool cut = false;
        for (size_t i = 0; i < BOOTSTRAP_CONFIGURATION_MAX - 1 && !cut; i++) {
            (void)__real_poll(NULL, 0, 1); /* a byte each millisecond would go on for minutes */
            cut = !parent_sends(bench.stream, "x", 1);
        }
        CHECK(cut);
    }
    CHECK(counts(&bench).connections == 0);
}

TEST(a_parent_that_cuts_each_stream_is_tried_again_with_growing_pauses)
{
    BENCH(bench);
    bench.times.pause_max = 64 * MS;
    bench.times.steady = HOUR;
    atomic_store(&bench.parent.cuts, true);
    uint64_t begun = clock_monotonic_ns();
    begin(&bench);
    EVENTUALLY(atomic_load(&bench.parent.tries) >= 9);
    /* 1 + 2 + 4 + … + 64 + 64 ms lie between nine attempts: a pause is never shorter than it is. */
    CHECK(clock_monotonic_ns() - begun >= (127 + 64) * MS);
    CHECK(counts(&bench).connections == 0);
}

TEST(a_configuration_alone_does_not_shorten_the_pause_but_a_steady_stream_does)
{
    for (size_t steady = 0; steady < 2; steady++) {
        BENCH(bench);
        bench.times.pause_max = HOUR;
        bench.times.steady = steady == 1 ? 0 : HOUR;
        uint64_t begun = clock_monotonic_ns();
        begin(&bench);
        size_t rounds = steady == 1 ? 30 : 9; /* 30 doublings would take days */
        for (size_t i = 0; i < rounds; i++) {
            CHECK(greet(&bench));
        }
        CHECK(steady == 1 || clock_monotonic_ns() - begun >= 255 * MS);
    }
}

/* ---- keeping in touch */

TEST(the_state_is_told_after_the_configuration_when_it_changes_and_now_and_then)
{
    BENCH(bench);
    bench.times.keepalive = HOUR;
    begin(&bench);
    CHECK(greet(&bench) && heard.payload[0] == BOOTSTRAP_STARTING);
    for (int health = BOOTSTRAP_SERVING; health < BOOTSTRAP_HEALTHS; health++) {
        bootstrap_client_health(bench.client, (enum bootstrap_health)health);
        CHECK(parent_hears(bench.stream, &heard));
        CHECK(heard.type == BOOTSTRAP_KEEPALIVE && heard.payload[0] == health);
    }
    CHECK(greet(&bench) && heard.payload[0] == BOOTSTRAP_STOPPING); /* on a new stream at once */
    BENCH(often);
    often.times.keepalive = 1 * MS;
    begin(&often);
    CHECK(greet(&often));
    bootstrap_client_health(often.client, BOOTSTRAP_UNHEALTHY);
    do {
        CHECK(parent_hears(often.stream, &heard) && heard.type == BOOTSTRAP_KEEPALIVE);
    } while (heard.payload[0] == BOOTSTRAP_STARTING);
    for (size_t i = 0; i < 3; i++) {
        CHECK(parent_hears(often.stream, &heard));
        CHECK(heard.type == BOOTSTRAP_KEEPALIVE && heard.payload[0] == BOOTSTRAP_UNHEALTHY);
    }
}

TEST(a_shutdown_is_told_once_and_the_log_still_goes_out)
{
    BENCH(bench);
    begin(&bench);
    CHECK(greet(&bench));
    CHECK(parent_says(bench.stream, BOOTSTRAP_SHUTDOWN, "upgrade", 7));
    EVENTUALLY(atomic_load(&bench.shutdowns) == 1);
    CHECK_TEXT(bench.reason, "upgrade");
    CHECK(parent_says(bench.stream, BOOTSTRAP_KEEPALIVE, "\x01", 1)); /* which nobody hears */
    parent_logs(&bench.parent, "stopping\n");
    CHECK(hears_line(&bench, "stopping"));
    CHECK(greet(&bench));
    CHECK(parent_says(bench.stream, BOOTSTRAP_SHUTDOWN, "again", 5));
    parent_logs(&bench.parent, "still stopping\n");
    CHECK(hears_line(&bench, "still stopping"));
    CHECK(greet(&bench)); /* so the second SHUTDOWN was read */
    CHECK(atomic_load(&bench.shutdowns) == 1 && counts(&bench).broken == 0);
    CHECK_TEXT(bench.reason, "upgrade");
}

TEST(a_shutdown_is_heard_though_the_stream_takes_nothing_any_more)
{
    BENCH(bench);
    begin(&bench);
    bench.stream = parent_accept(&bench.parent, NULL);
    parent_logs(&bench.parent, "a line\n");
    BUF bytes = BUF_INIT(1000);
    CHECK_OK(bootstrap_write(BOOTSTRAP_CONFIGURATION, "c", 1, &bytes));
    CHECK_OK(bootstrap_write(BOOTSTRAP_SHUTDOWN, "", 0, &bytes));
    CHECK(parent_sends(bench.stream, bytes.data, bytes.size));
    hang_up(&bench);
    EVENTUALLY(atomic_load(&bench.shutdowns) == 1);
    CHECK_TEXT(bench.reason, "");
}

TEST(a_flood_neither_starves_the_log_nor_counts_as_broken)
{
    BENCH(bench);
    begin(&bench);
    CHECK(greet(&bench));
    BUF flood = BUF_INIT(100000);
    for (size_t i = 0; i < 3000; i++) {
        CHECK_OK(bootstrap_write(BOOTSTRAP_KEEPALIVE, "\x01", 1, &flood));
    }
    for (size_t i = 0; i < 20; i++) {
        char line[32];
        snprintf(line, sizeof(line), "%zu\n", i);
        CHECK(parent_sends(bench.stream, flood.data, flood.size));
        parent_logs(&bench.parent, line);
        line[strlen(line) - 1] = '\0';
        CHECK(hears_line(&bench, line));
    }
    for (size_t i = 0; i < 1000; i++) {
        CHECK(parent_says(bench.stream, BOOTSTRAP_CREDENTIALS, "{}", 2));
    }
    EVENTUALLY(counts(&bench).credentials == 1000);
    CHECK(counts(&bench).broken == 0 && counts(&bench).connections == 1);
}

TEST(a_flood_waits_without_spinning_even_when_its_stream_is_cut)
{
    BENCH(bench);
    bench.times.window = HOUR;
    begin(&bench);
    CHECK(greet(&bench));
    BUF flood = BUF_INIT(100000);
    for (size_t i = 0; i < 3000; i++) {
        CHECK_OK(bootstrap_write(BOOTSTRAP_KEEPALIVE, "\x01", 1, &flood));
    }
    CHECK(parent_sends(bench.stream, flood.data, flood.size));
    (void)__real_poll(NULL, 0, 20);
    CHECK(is_quiet());
    hang_up(&bench);
    CHECK(is_quiet());
}

/* ---- the log */

TEST(lines_go_out_in_order_those_from_before_the_stream_first)
{
    BENCH(bench);
    parent_logs(&bench.parent, "early\n");
    begin(&bench);
    bench.stream = parent_accept(&bench.parent, NULL);
    parent_logs(&bench.parent, "before the configuration\n\npart");
    CHECK(parent_configures(bench.stream, "c"));
    CHECK(hears_line(&bench, "early") && hears_line(&bench, "before the configuration"));
    parent_logs(&bench.parent, "s\n");
    CHECK(hears_line(&bench, "parts"));
    hang_up(&bench);
    parent_logs(&bench.parent,
                "between\n"); /* may be lost with the stream, if it is not seen yet */
    CHECK(greet(&bench));
    parent_logs(&bench.parent, "later\n");
    do {
        CHECK(parent_hears_type(bench.stream, BOOTSTRAP_LOG, &heard));
    } while (strcmp(heard.payload, "between") == 0);
    CHECK_TEXT(heard.payload, "later");
    CHECK(counts(&bench).dropped == 0);
}

TEST(the_log_says_nothing_to_who_gives_no_configuration)
{
    BENCH(bench);
    parent_logs(&bench.parent, "line\n");
    bench.times.keepalive = 1 * MS;
    begin(&bench);
    bench.stream = parent_accept(&bench.parent, NULL);
    for (size_t i = 0; i < 5; i++) {
        CHECK(parent_hears(bench.stream, &heard) && heard.type == BOOTSTRAP_KEEPALIVE);
    }
    CHECK(parent_configures(bench.stream, "c"));
    CHECK(hears_line(&bench, "line"));
}

TEST(a_line_that_is_too_long_is_cut_and_the_next_is_whole)
{
    BENCH(bench);
    static char text[BOOTSTRAP_LOG_MAX + 100];
    memset(text, 'x', sizeof(text) - 1);
    begin(&bench);
    CHECK(greet(&bench));
    parent_logs(&bench.parent, text);
    parent_logs(&bench.parent, "\nnext\n");
    CHECK(parent_hears_type(bench.stream, BOOTSTRAP_LOG, &heard));
    CHECK(heard.size == BOOTSTRAP_LOG_MAX && memcmp(heard.payload, text, heard.size) == 0);
    CHECK(hears_line(&bench, "next"));
    CHECK(counts(&bench).dropped == 0);
}

static uint64_t dropped_of(const struct heard *frame)
{
    uint64_t number = 0;
    for (size_t i = 0; i < frame->size; i++) {
        number = number << 8 | (uint8_t)frame->payload[i];
    }
    return number;
}

/* Reads up to the line "end": how many lines came before it. DROPPED only grows. */
static size_t lines_until_end(const struct bench *bench, uint64_t *dropped_out)
{
    size_t lines = 0;
    while (parent_hears(bench->stream, &heard)) {
        if (heard.type == BOOTSTRAP_DROPPED) {
            uint64_t now = dropped_of(&heard);
            *dropped_out = now > *dropped_out ? now : UINT64_MAX;
        } else if (heard.type == BOOTSTRAP_LOG && strcmp(heard.payload, "end") == 0) {
            return lines;
        } else if (heard.type == BOOTSTRAP_LOG) {
            lines++;
        }
    }
    return SIZE_MAX;
}

/* So many lines, of SIZE bytes each, of which FIT are held at once. */
enum { MANY = 2000, SIZE = 999, FIT = LOG_LINES_HELD_MAX / (SIZE + LOG_LINES_COST) };

static void log_many(struct bench *bench)
{
    char text[SIZE + 2];
    memset(text, 'x', SIZE);
    text[SIZE] = '\n';
    text[SIZE + 1] = '\0';
    for (size_t i = 0; i < MANY; i++) {
        parent_logs(&bench->parent, text); /* 2 MB: the pipe alone holds 64 KiB */
    }
}

TEST(without_a_stream_the_log_is_read_on_and_what_is_too_much_is_counted_and_told)
{
    BENCH(bench);
    atomic_store(&bench.parent.away, true);
    begin(&bench);
    log_many(&bench);
    EVENTUALLY(counts(&bench).dropped >= MANY - FIT); /* it has read all of them */
    const uint64_t dropped = MANY - FIT;
    CHECK(counts(&bench).dropped == dropped);
    atomic_store(&bench.parent.away, false);
    for (size_t round = 0; round < 2; round++) { /* a new stream is told the sum once more */
        uint64_t told = 0;
        CHECK(greet(&bench));
        parent_logs(&bench.parent, "end\n");
        size_t lines = lines_until_end(&bench, &told);
        CHECK(lines == (round == 0 ? FIT : 0));
        if (told == 0) { /* it comes when the lines have gone */
            CHECK(parent_hears_type(bench.stream, BOOTSTRAP_DROPPED, &heard));
            told = dropped_of(&heard);
        }
        CHECK(told == dropped && counts(&bench).dropped == dropped);
    }
}

TEST(a_parent_that_does_not_read_does_not_hold_the_writer_up)
{
    BENCH(bench);
    begin(&bench);
    CHECK(greet(&bench));
    log_many(&bench); /* nobody reads, and yet this returns */
    EVENTUALLY(counts(&bench).dropped > 0);
    uint64_t told = 0;
    size_t lines = 0;
    while (lines + counts(&bench).dropped < MANY || told != counts(&bench).dropped) {
        CHECK(parent_hears(bench.stream, &heard));
        lines += heard.type == BOOTSTRAP_LOG;
        told = heard.type == BOOTSTRAP_DROPPED ? dropped_of(&heard) : told;
    }
    CHECK(lines + told == MANY);
}

TEST(what_is_over_the_rate_is_counted_and_told)
{
    BENCH(bench);
    bench.settings.log_bytes_per_second = 1;
    begin(&bench);
    CHECK(greet(&bench));
    log_many(&bench);
    uint64_t told = 0;
    size_t lines = 0;
    while (lines + told < MANY) {
        CHECK(parent_hears(bench.stream, &heard));
        lines += heard.type == BOOTSTRAP_LOG;
        told = heard.type == BOOTSTRAP_DROPPED ? dropped_of(&heard) : told;
    }
    CHECK(lines + told == MANY && lines > 0 && lines <= LOG_LINES_HELD_MAX / SIZE);
}

TEST(a_line_that_is_cut_with_its_stream_goes_out_again_whole)
{
    BENCH(bench);
    static char text[BOOTSTRAP_LOG_MAX + 1];
    bench.parent.send_buffer = 1; /* the kernel's least: less than the line */
    memset(text, 'x', sizeof(text) - 1);
    begin(&bench);
    CHECK(greet(&bench));
    parent_logs(&bench.parent, text);
    parent_logs(&bench.parent, "\nnext\n");
    CHECK(recv(bench.stream, &heard, 100, MSG_WAITALL) == 100);
    CHECK(greet(&bench));
    CHECK(hears_line(&bench, text) && hears_line(&bench, "next"));
}

TEST(the_end_of_the_log_is_its_last_line_and_no_cause_to_spin)
{
    BENCH(bench);
    begin(&bench);
    CHECK(greet(&bench));
    parent_logs(&bench.parent, "no line feed");
    close(bench.parent.log[1]);
    bench.parent.log[1] = -1;
    CHECK(hears_line(&bench, "no line feed"));
    CHECK(is_quiet());
}

/* ---- the end */

TEST(the_last_lines_and_their_count_go_out_before_the_end)
{
    enum { LINES = 20, PASS = 256 * 1024 / (BOOTSTRAP_LOG_MAX + 64) };
    static char text[BOOTSTRAP_LOG_MAX + 2];
    BENCH(bench);
    uint64_t told = 0;
    size_t lines = 0;
    bench.times.dropped = HOUR;
    bench.settings.log_bytes_per_second = 1;
    bench.parent.send_buffer = 1 << 20;
    memset(text, 'x', BOOTSTRAP_LOG_MAX);
    text[BOOTSTRAP_LOG_MAX] = '\n';
    begin(&bench);
    CHECK(greet(&bench));
    for (size_t i = 0; i < LINES; i++) {
        parent_logs(&bench.parent, text);
    }
    bootstrap_client_free(STEAL(bench.client)); /* which would take an hour if it waited */
    while (parent_hears(bench.stream, &heard)) {
        lines += heard.type == BOOTSTRAP_LOG;
        told = heard.type == BOOTSTRAP_DROPPED ? dropped_of(&heard) : told;
    }
    CHECK(lines == PASS && told == LINES - PASS);
}

TEST(it_may_be_freed_in_every_state)
{
    enum {
        AWAY,
        CUTS,
        UNGREETED,
        HALF_A_FRAME,
        GREETED,
        CREDITED,
        SHUT_DOWN,
        NOT_READING,
        PAUSED,
        STATES
    };
    uint64_t files = usage_open_files();
    for (int state = AWAY; state < STATES; state++) {
        BENCH(bench);
        bench.times.farewell = state == NOT_READING ? 50 * MS : HOUR;
        bench.times.pause_max = state == PAUSED ? HOUR : 1 * MS;
        bench.times.pause_min = state == PAUSED ? HOUR : 1 * MS;
        atomic_store(&bench.parent.away, state == AWAY);
        atomic_store(&bench.parent.cuts, state == CUTS || state == PAUSED);
        begin(&bench);
        if (state == AWAY || state == CUTS || state == PAUSED) {
            EVENTUALLY(atomic_load(&bench.parent.tries) > (state == PAUSED ? 0 : 2));
            CHECK(state != PAUSED || is_quiet());
        } else if (state >= GREETED) {
            CHECK(greet(&bench));
        } else {
            bench.stream = parent_accept(&bench.parent, NULL);
            CHECK(state != HALF_A_FRAME ||
                  parent_sends(bench.stream, "CCBP\x01\x02\0\0\0\0\x10\0x", 13));
        }
        if (state == CREDITED) {
            CHECK(parent_says(bench.stream, BOOTSTRAP_CREDENTIALS, "{}", 2));
        } else if (state == SHUT_DOWN) {
            CHECK(parent_says(bench.stream, BOOTSTRAP_SHUTDOWN, "", 0));
        } else if (state == NOT_READING) {
            log_many(&bench);
        }
    }
    CHECK(usage_open_files() == files);
}

TEST(without_a_log_it_does_the_rest)
{
    BENCH(bench);
    close(bench.settings.log_fd);
    bench.settings.log_fd = -1;
    bench.settings.log_bytes_per_second = 0;
    begin(&bench);
    CHECK(greet(&bench));
    CHECK(is_quiet());
    bootstrap_client_free(NULL);
}

TEST(a_log_that_cannot_be_read_is_refused)
{
    BENCH(bench);
    uint64_t files = usage_open_files();
    bench.settings.log_fd = 1 << 20; /* no such descriptor */
    CHECK_FAILS(UNAVAILABLE, bootstrap_client_new(&bench.settings, &bench.client));
    CHECK(bench.client == NULL && usage_open_files() == files);
    close(bench.parent.log[0]);
}

/* ---- secrets */

/* A configuration's and a credential's bytes, masked for memory_scan(): whole, and as they are,
 * they stand nowhere else in this program. */
enum { SECRET_SIZE = 24 };
static uint8_t masked[2][SECRET_SIZE];

static void mask_secrets(void)
{
    for (size_t i = 0; i < 2 * SECRET_SIZE; i++) {
        masked[i / SECRET_SIZE][i % SECRET_SIZE] = (uint8_t)(i * 73 + 29);
    }
}

/* Says `before` bytes, the secret, and the same again, as one payload. */
static bool say_secret(int stream, enum bootstrap_type type, const uint8_t *one, size_t before)
{
    SECRET_BLOCK payload = { 0 };
    if (!secret_block_new(2 * before + SECRET_SIZE, &payload)) {
        return false;
    }
    memset(payload.data, 'p', payload.size);
    for (size_t i = 0; i < SECRET_SIZE; i++) {
        payload.data[before + i] = one[i] ^ MEMORY_SCAN_MASK;
    }
    return parent_says(stream, type, payload.data, payload.size);
}

/* The client's thread has done with what it was given: what is told of after is told by then. */
static bool is_done_with_all(const struct bench *bench, enum bootstrap_health news)
{
    bootstrap_client_health(bench->client, news);
    do {
        if (!parent_hears_type(bench->stream, BOOTSTRAP_KEEPALIVE, &heard)) {
            return false;
        }
    } while (heard.payload[0] != (char)news);
    return true;
}

static size_t copies(size_t which)
{
    return memory_scan(masked[which], SECRET_SIZE);
}

TEST(no_copy_of_configuration_or_credentials_stays)
{
    if (!memory_scan_works()) {
        SKIP("memory cannot be searched under a sanitizer or valgrind");
    }
    BENCH(bench);
    mask_secrets();
    begin(&bench);
    bench.stream = parent_accept(&bench.parent, NULL);
    CHECK(say_secret(bench.stream, BOOTSTRAP_CONFIGURATION, masked[0], 30000));
    CHECK(say_secret(bench.stream, BOOTSTRAP_CREDENTIALS, masked[1], 100));
    EVENTUALLY(counts(&bench).credentials == 1);
    CHECK(is_done_with_all(&bench, BOOTSTRAP_SERVING));
    CHECK(is_quiet());
    CHECK(copies(0) == 1 && copies(1) == 1);
    {
        SECRET_BLOCK configuration = { 0 };
        SECRET_BLOCK credentials = { 0 };
        CHECK_OK(bootstrap_client_configuration(bench.client, 0, &configuration, NULL));
        CHECK_OK(bootstrap_client_credentials(bench.client, &credentials));
        CHECK(copies(0) == 1 && copies(1) == 2);
    }
    CHECK(copies(0) == 0 && copies(1) == 1);
    CHECK(parent_says(bench.stream, BOOTSTRAP_CREDENTIALS, "{}", 2));
    EVENTUALLY(counts(&bench).credentials == 2);
    CHECK(is_done_with_all(&bench, BOOTSTRAP_UNHEALTHY));
    CHECK(copies(1) == 0);
    CHECK(say_secret(bench.stream, BOOTSTRAP_CREDENTIALS, masked[1], 100));
    EVENTUALLY(counts(&bench).credentials == 3);
    CHECK(copies(1) >= 1);
    /* Whatever is half there goes with the client. */
    CHECK(parent_sends(bench.stream, "CCBP\x01\x03\0\0\0\0\x10\0", 12));
    CHECK(parent_says(bench.stream, BOOTSTRAP_KEEPALIVE, "\x01", 1));
    bootstrap_client_free(STEAL(bench.client));
    CHECK(copies(0) == 0 && copies(1) == 0);
}

HARNESS_TESTS(T(the_configuration_comes_byte_for_byte_whatever_its_size),
              T(all_comes_one_byte_at_a_time),
              T(credentials_are_those_that_came_last_on_whichever_stream),
              T(another_configuration_is_broken_off_and_nothing_of_that_stream_is_taken),
              T(without_a_parent_the_reason_is_told), T(the_nonce_names_the_boot),
              T(a_stream_that_is_cut_anywhere_is_followed_by_another),
              T(what_is_not_the_protocol_ends_the_stream_and_is_counted),
              T(a_parent_that_is_silent_is_given_up_before_and_after_the_configuration),
              T(how_long_the_parent_was_not_heard_is_told), T(half_a_frame_is_silence_too),
              T(a_parent_that_cuts_each_stream_is_tried_again_with_growing_pauses),
              T(a_configuration_alone_does_not_shorten_the_pause_but_a_steady_stream_does),
              T(the_state_is_told_after_the_configuration_when_it_changes_and_now_and_then),
              T(a_shutdown_is_told_once_and_the_log_still_goes_out),
              T(a_shutdown_is_heard_though_the_stream_takes_nothing_any_more),
              T(a_flood_neither_starves_the_log_nor_counts_as_broken),
              T(a_flood_waits_without_spinning_even_when_its_stream_is_cut),
              T(lines_go_out_in_order_those_from_before_the_stream_first),
              T(the_log_says_nothing_to_who_gives_no_configuration),
              T(a_line_that_is_too_long_is_cut_and_the_next_is_whole),
              T(without_a_stream_the_log_is_read_on_and_what_is_too_much_is_counted_and_told),
              T(a_parent_that_does_not_read_does_not_hold_the_writer_up),
              T(what_is_over_the_rate_is_counted_and_told),
              T(a_line_that_is_cut_with_its_stream_goes_out_again_whole),
              T(the_end_of_the_log_is_its_last_line_and_no_cause_to_spin),
              T(the_last_lines_and_their_count_go_out_before_the_end),
              T(it_may_be_freed_in_every_state), T(without_a_log_it_does_the_rest),
              T(a_log_that_cannot_be_read_is_refused),
              T(no_copy_of_configuration_or_credentials_stays))
