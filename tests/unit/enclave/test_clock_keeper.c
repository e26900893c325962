#include "calls.h"
#include "enclave/clock_keeper.h"
#include "harness.h"

#include <fcntl.h>
#include <sys/time.h>
#include <time.h>

int __wrap_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_clock_settime(clockid_t clock, const struct timespec *value);
int __wrap_adjtime(const struct timeval *delta, struct timeval *old);

#define S     INT64_C(1000000000)
#define MS    INT64_C(1000000)
#define START (INT64_C(1800000000) * S)

enum { FD = 5 };

static int64_t monotonic_ns = 5 * S;
static int64_t system_ns;  /* the wall clock */
static int64_t device_ns;  /* the clock device's */
static int64_t module_ns;  /* the security module's */
static int64_t reading_ns; /* how long the source takes to answer */
static bool source_silent;

static struct timespec to_timespec(int64_t ns)
{
    return (struct timespec){ .tv_sec = ns / S, .tv_nsec = ns % S };
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
    if (clock == CLOCK_MONOTONIC) {
        *out = to_timespec(monotonic_ns);
        return 0;
    }
    if (clock == CLOCK_REALTIME) {
        *out = to_timespec(system_ns);
        return 0;
    }
    monotonic_ns += reading_ns;
    *out = to_timespec(device_ns);
    return source_silent ? -1 : 0;
}

int __wrap_clock_settime(clockid_t clock, const struct timespec *value)
{
    return called("set %d %lld.%09ld", clock == CLOCK_REALTIME, (long long)value->tv_sec,
                  value->tv_nsec);
}

int __wrap_adjtime(const struct timeval *delta, struct timeval *old)
{
    return called("slew %lld s %lld us%s", (long long)delta->tv_sec, (long long)delta->tv_usec,
                  old == NULL ? "" : " and ask");
}

static struct result timestamp(void *context, uint64_t *ms_out)
{
    (void)context;
    monotonic_ns += reading_ns;
    ENSURE(!source_silent, UNAVAILABLE, "the module does not answer");
    *ms_out = (uint64_t)(module_ns / MS);
    return OK;
}

static const struct security_module module = { .timestamp = timestamp };
static const struct trusted_time device = { .fd = FD, .module = &module };
static const struct trusted_time no_device = { .fd = -1, .module = &module };
static struct clock_keeper keeper;
static struct detail detail;

static void at_rest(void)
{
    calls_begin(0);
    detail = (struct detail){ "left over" };
    system_ns = START;
    device_ns = START;
    module_ns = START;
    reading_ns = 0;
    source_silent = false;
    keeper = (struct clock_keeper){ .source = device };
}

/* One reading, the source `difference` ahead of the system. */
static struct result tick(int64_t difference)
{
    calls_begin(0);
    device_ns = system_ns + difference;
    module_ns = system_ns + difference;
    return clock_keeper_tick(&keeper, &detail);
}

TEST(the_start_sets_the_clock_wherever_it_was)
{
    at_rest();
    system_ns = 0;
    device_ns = START + 7;
    CHECK_OK(clock_keeper_start(&device, &keeper, &detail));
    CHECK_TEXT(calls_text, "set 1 1800000000.000000007\n");
    CHECK(keeper.source.fd == FD && keeper.stepped_ms == 0);
}

TEST(the_start_without_a_device_takes_the_modules_time)
{
    at_rest();
    module_ns = START + 250 * MS;
    device_ns = 0;
    CHECK_OK(clock_keeper_start(&no_device, &keeper, &detail));
    CHECK_TEXT(calls_text, "set 1 1800000000.250000000\n");
}

TEST(half_of_the_time_that_the_answer_took_is_added)
{
    at_rest();
    reading_ns = 400 * MS;
    CHECK_OK(clock_keeper_start(&no_device, &keeper, &detail));
    CHECK_TEXT(calls_text, "set 1 1800000000.200000000\n");
}

TEST(two_sources_that_differ_are_no_start)
{
    static const int64_t refused[] = { 10 * S + MS, -10 * S - MS, 3600 * S, -86400 * S };
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        at_rest();
        module_ns = START + refused[i];
        CHECK_FAILS(REFUSED, clock_keeper_start(&device, &keeper, &detail));
        CHECK(calls_count == 0);
    }
    at_rest();
    module_ns = START - 10 * S;
    CHECK_OK(clock_keeper_start(&device, &keeper, &detail));
    CHECK_TEXT(calls_text, "set 1 1800000000.000000000\n"); /* the device's, not a mixture */
}

TEST(a_source_that_fails_is_no_start)
{
    at_rest();
    source_silent = true;
    CHECK_FAILS(UNAVAILABLE, clock_keeper_start(&device, &keeper, &detail));
    CHECK_FAILS(UNAVAILABLE, clock_keeper_start(&no_device, &keeper, &detail));
    at_rest();
    reading_ns = 1000 * MS;
    CHECK_FAILS(UNAVAILABLE, clock_keeper_start(&device, &keeper, &detail));
    at_rest();
    device_ns = module_ns = 1000 * S;
    CHECK_FAILS(BAD_INPUT, clock_keeper_start(&device, &keeper, &detail));
    CHECK_FAILS(BAD_INPUT, clock_keeper_start(&no_device, &keeper, &detail));
    CHECK(calls_count == 0);
}

TEST(a_clock_that_cannot_be_set_is_no_start)
{
    at_rest();
    calls_begin(1);
    CHECK_FAILS(UNAVAILABLE, clock_keeper_start(&device, &keeper, &detail));
    CHECK_TEXT(detail.text, "clock_settime (Operation not permitted)");
}

TEST(decisions_at_their_bounds)
{
    static const struct {
        int64_t difference;
        uint64_t stepped_ms;
        enum clock_move move;
    } cases[] = {
        { 0, 0, CLOCK_MOVE_SLEW },
        { 500 * MS - 1, 0, CLOCK_MOVE_SLEW },
        { -500 * MS + 1, 60000, CLOCK_MOVE_SLEW },
        { 500 * MS, 0, CLOCK_MOVE_STEP },
        { -500 * MS, 0, CLOCK_MOVE_STEP },
        { 10 * S, 0, CLOCK_MOVE_STEP },
        { -10 * S, 50000, CLOCK_MOVE_STEP },
        { 10 * S + MS, 0, CLOCK_MOVE_REFUSE },
        { -10 * S - MS, 0, CLOCK_MOVE_REFUSE },
        { 10 * S, 50001, CLOCK_MOVE_REFUSE },
        { -10 * S, 50001, CLOCK_MOVE_REFUSE },
        { 500 * MS, 60000, CLOCK_MOVE_REFUSE },
        { 500 * MS, UINT64_MAX, CLOCK_MOVE_REFUSE },
        { INT64_MAX, 0, CLOCK_MOVE_REFUSE },
        { INT64_MIN, 0, CLOCK_MOVE_REFUSE },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK(clock_keeper_decide(cases[i].difference, cases[i].stepped_ms) == cases[i].move);
    }
}

TEST(small_differences_are_slewed_without_a_word)
{
    at_rest();
    CHECK_OK(tick(20 * MS));
    CHECK_TEXT(calls_text, "slew 0 s 20000 us\n");
    CHECK_TEXT(detail.text, "");
    CHECK_OK(tick(-20 * MS));
    CHECK_TEXT(calls_text, "slew 0 s -20000 us\n");
    CHECK(keeper.stepped_ms == 0);
}

TEST(greater_ones_are_stepped_told_and_counted)
{
    at_rest();
    CHECK_OK(tick(2 * S));
    CHECK_TEXT(calls_text, "set 1 1800000002.000000000\n");
    CHECK_TEXT(detail.text, "stepped by 2000 ms");
    CHECK_OK(tick(-3 * S));
    CHECK_TEXT(detail.text, "stepped by -3000 ms");
    CHECK(keeper.stepped_ms == 5000);
}

TEST(a_jump_ends_the_enclave_and_moves_nothing)
{
    static const int64_t jumps[] = { 11 * S, -11 * S, 384 * S, -384 * S, 86400 * S };
    for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
        at_rest();
        CHECK_FAILS(REFUSED, tick(jumps[i]));
        CHECK(calls_count == 0);
    }
    CHECK_TEXT(detail.text, "86400000 ms, after steps of 0 ms");
}

TEST(steps_that_add_up_end_the_enclave)
{
    at_rest();
    for (int i = 0; i < 6; i++) {
        CHECK_OK(tick(i % 2 == 0 ? 10 * S : -10 * S));
    }
    CHECK_FAILS(REFUSED, tick(S));
    CHECK_TEXT(detail.text, "1000 ms, after steps of 60000 ms");
    CHECK(calls_count == 0);
    CHECK_OK(tick(MS)); /* slewing is always possible */
}

TEST(readings_may_fail_nine_times_in_a_row)
{
    at_rest();
    for (int round = 0; round < 2; round++) {
        source_silent = true;
        for (int i = 1; i < CLOCK_KEEPER_FAILURES_MAX; i++) {
            CHECK_OK(tick(0));
            CHECK_TEXT(detail.text, "/dev/ptp0: /dev/ptp0 does not tell the time");
        }
        source_silent = false;
        CHECK_OK(tick(0));
        CHECK_TEXT(detail.text, "");
    }
    source_silent = true;
    for (int i = 1; i < CLOCK_KEEPER_FAILURES_MAX; i++) {
        CHECK_OK(tick(0));
    }
    CHECK_FAILS(UNAVAILABLE, tick(0));
    CHECK(calls_count == 0);
}

TEST(a_slow_answer_is_a_failed_reading)
{
    at_rest();
    reading_ns = 1000 * MS;
    CHECK_OK(tick(5 * S));
    CHECK(calls_count == 0 && keeper.failures == 1);
    reading_ns = 999 * MS;
    CHECK_OK(tick(5 * S));
    CHECK(calls_count == 1 && keeper.failures == 0);
}

TEST(a_clock_that_cannot_be_moved_ends_the_enclave)
{
    at_rest();
    calls_begin(1);
    device_ns = START + MS;
    CHECK_FAILS(UNAVAILABLE, clock_keeper_tick(&keeper, &detail));
    CHECK_TEXT(detail.text, "adjtime (Operation not permitted)");
    calls_begin(1);
    device_ns = START + S;
    CHECK_FAILS(UNAVAILABLE, clock_keeper_tick(&keeper, &detail));
    CHECK_TEXT(detail.text, "clock_settime (Operation not permitted)");
    CHECK(keeper.stepped_ms == 0);
}

HARNESS_TESTS(T(the_start_sets_the_clock_wherever_it_was),
              T(the_start_without_a_device_takes_the_modules_time),
              T(half_of_the_time_that_the_answer_took_is_added),
              T(two_sources_that_differ_are_no_start), T(a_source_that_fails_is_no_start),
              T(a_clock_that_cannot_be_set_is_no_start), T(decisions_at_their_bounds),
              T(small_differences_are_slewed_without_a_word),
              T(greater_ones_are_stepped_told_and_counted),
              T(a_jump_ends_the_enclave_and_moves_nothing), T(steps_that_add_up_end_the_enclave),
              T(readings_may_fail_nine_times_in_a_row), T(a_slow_answer_is_a_failed_reading),
              T(a_clock_that_cannot_be_moved_ends_the_enclave))
