#include "enclave/clock_keeper.h"

#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

enum { NS_PER_S = 1000 * 1000 * 1000, NS_PER_MS = 1000 * 1000, NS_PER_US = 1000 };

/* Trusted minus system time at one instant. */
struct reading {
    int64_t difference_ns;
    uint64_t trusted_ns;
    uint64_t taken_at_ns; /* monotonic */
};

static uint64_t magnitude_ms(int64_t ns)
{
    return (ns < 0 ? -(uint64_t)ns : (uint64_t)ns) / NS_PER_MS;
}

static uint64_t system_ns(void)
{
    struct timespec now = { 0 };
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec < 0 ? 0 : (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* The source answers some time between asking and hearing: half of that is the error at most. */
static RESULT take_reading(const struct trusted_time *source, struct reading *out)
{
    uint64_t trusted = 0;
    uint64_t begun = clock_monotonic_ns();
    TRY(trusted_time_read(source, &trusted));
    uint64_t took = clock_monotonic_ns() - begun;
    ENSURE(took / NS_PER_MS < CLOCK_KEEPER_READ_MAX_MS, UNAVAILABLE,
           "the trusted clock took too long to answer");
    trusted += took / 2;
    *out = (struct reading){
        .difference_ns = (int64_t)(trusted - system_ns()),
        .trusted_ns = trusted,
        .taken_at_ns = begun + took,
    };
    return OK;
}

enum clock_move clock_keeper_decide(int64_t difference_ns, uint64_t stepped_ms)
{
    uint64_t ms = magnitude_ms(difference_ns);
    if (ms < CLOCK_KEEPER_SLEW_MAX_MS) {
        return CLOCK_MOVE_SLEW;
    }
    bool small = ms <= CLOCK_KEEPER_STEP_MAX_MS && stepped_ms <= CLOCK_KEEPER_STEPS_MAX_MS &&
                 ms <= CLOCK_KEEPER_STEPS_MAX_MS - stepped_ms;
    return small ? CLOCK_MOVE_STEP : CLOCK_MOVE_REFUSE;
}

static RESULT set_clock(const struct reading *reading, struct detail *detail)
{
    uint64_t now = reading->trusted_ns + (clock_monotonic_ns() - reading->taken_at_ns);
    const struct timespec value = { .tv_sec = (time_t)(now / NS_PER_S),
                                    .tv_nsec = (long)(now % NS_PER_S) };
    if (clock_settime(CLOCK_REALTIME, &value) != 0) {
        detail_set(detail, "clock_settime (%s)", strerror(errno));
        return FAIL(UNAVAILABLE, "the clock cannot be set");
    }
    return OK;
}

static RESULT slew(int64_t difference_ns, struct detail *detail)
{
    const struct timeval delta = { .tv_sec = 0, .tv_usec = difference_ns / NS_PER_US };
    if (adjtime(&delta, NULL) != 0) {
        detail_set(detail, "adjtime (%s)", strerror(errno));
        return FAIL(UNAVAILABLE, "the clock cannot be slewed");
    }
    return OK;
}

/* Two ways to the same hypervisor: if they differ, one of them is not what it seems. */
static RESULT ask_for_second_opinion(const struct trusted_time *source,
                                     const struct reading *reading, struct detail *detail)
{
    uint64_t other = 0;
    TRY(trusted_time_of_module(source->module, &other));
    uint64_t now = reading->trusted_ns + (clock_monotonic_ns() - reading->taken_at_ns);
    int64_t difference = (int64_t)(other - now);
    if (magnitude_ms(difference) > CLOCK_KEEPER_AGREE_MS) {
        detail_set(detail, "%" PRId64 " ms", difference / NS_PER_MS);
        return FAIL(REFUSED, "/dev/ptp0 and the security module differ in the time");
    }
    return OK;
}

RESULT clock_keeper_start(const struct trusted_time *source, struct clock_keeper *out,
                          struct detail *detail)
{
    struct reading reading = { 0 };
    TRY(take_reading(source, &reading));
    if (source->fd >= 0) {
        TRY(ask_for_second_opinion(source, &reading, detail));
    }
    TRY(set_clock(&reading, detail));
    *out = (struct clock_keeper){ .source = *source };
    return OK;
}

static RESULT step(struct clock_keeper *keeper, const struct reading *reading,
                   struct detail *detail)
{
    TRY(set_clock(reading, detail));
    keeper->stepped_ms += magnitude_ms(reading->difference_ns);
    detail_set(detail, "stepped by %" PRId64 " ms", reading->difference_ns / NS_PER_MS);
    return OK;
}

static RESULT bear_failure(struct clock_keeper *keeper, struct result failure,
                           struct detail *detail)
{
    keeper->failures++;
    ENSURE(keeper->failures < CLOCK_KEEPER_FAILURES_MAX, UNAVAILABLE,
           "the trusted clock could not be read ten times in a row");
    detail_set(detail, "%s: %s", trusted_time_name(&keeper->source), failure.what);
    return OK;
}

RESULT clock_keeper_tick(struct clock_keeper *keeper, struct detail *detail)
{
    struct reading reading = { 0 };
    detail_set(detail, "%s", "");
    struct result taken = take_reading(&keeper->source, &reading);
    if (!is_ok(taken)) {
        return bear_failure(keeper, taken, detail);
    }
    keeper->failures = 0;
    switch (clock_keeper_decide(reading.difference_ns, keeper->stepped_ms)) {
    case CLOCK_MOVE_SLEW:
        return slew(reading.difference_ns, detail);
    case CLOCK_MOVE_STEP:
        return step(keeper, &reading, detail);
    case CLOCK_MOVE_REFUSE:
        break;
    }
    detail_set(detail, "%" PRId64 " ms, after steps of %" PRIu64 " ms",
               reading.difference_ns / NS_PER_MS, keeper->stepped_ms);
    return FAIL(REFUSED, "the trusted clock has moved farther from ours than a clock drifts");
}
