#include "base/clock.h"
#include "harness.h"

#include <stdlib.h>
#include <time.h>

int __real_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out);
static const struct timespec *wall_time; /* what the wall clock shows; NULL: the time it is */

int __wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
    if (clock == CLOCK_REALTIME && wall_time != NULL) {
        *out = *wall_time;
        return 0;
    }
    return __real_clock_gettime(clock, out);
}

static const struct {
    uint64_t seconds;
    const char *text;
} times[] = {
    { 0, "1970-01-01T00:00:00Z" },
    { 1, "1970-01-01T00:00:01Z" },
    { 86399, "1970-01-01T23:59:59Z" },
    { 951827696, "2000-02-29T12:34:56Z" },
    { 1606824023, "2020-12-01T12:00:23Z" }, /* the beacon chain's genesis */
    { 2147483648, "2038-01-19T03:14:08Z" },
    { 4107542399, "2100-02-28T23:59:59Z" },
    { 4107542400, "2100-03-01T00:00:00Z" },
    { 253402300798, "9999-12-31T23:59:58Z" },
    { 253402300799, "9999-12-31T23:59:59Z" },
    { 253402300800, "9999-12-31T23:59:59Z" },
    { INT64_MAX, "9999-12-31T23:59:59Z" },
    { (uint64_t)INT64_MAX + 1, "9999-12-31T23:59:59Z" },
    { UINT64_MAX, "9999-12-31T23:59:59Z" },
};

TEST(formats_seconds)
{
    setenv("TZ", "ABC-5:45", 1); /* UTC whatever the local time is */
    tzset();
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        char text[CLOCK_TEXT_SIZE];
        memset(text, 'x', sizeof(text));
        clock_format(times[i].seconds, text);
        CHECK_TEXT(text, times[i].text);
    }
}

static bool shows(time_t seconds, long nanoseconds, const char *wanted)
{
    const struct timespec now = { .tv_sec = seconds, .tv_nsec = nanoseconds };
    char text[CLOCK_TEXT_SIZE];
    wall_time = &now;
    clock_wall_text(text);
    wall_time = NULL;
    return strcmp(text, wanted) == 0;
}

TEST(writes_the_wall_time_with_milliseconds)
{
    CHECK(shows(0, 0, "1970-01-01T00:00:00.000Z"));
    CHECK(shows(1606824023, 999999, "2020-12-01T12:00:23.000Z"));
    CHECK(shows(1606824023, 1000000, "2020-12-01T12:00:23.001Z"));
    CHECK(shows(1606824023, 999999999, "2020-12-01T12:00:23.999Z"));
}

TEST(a_wall_clock_before_1970_counts_as_1970)
{
    static const struct timespec before = { .tv_sec = -1 };
    wall_time = &before;
    uint64_t seconds = clock_wall_seconds();
    wall_time = NULL;
    CHECK(seconds == 0);
}

TEST(the_wall_clock_is_the_systems)
{
    time_t before = time(NULL);
    uint64_t now = clock_wall_seconds();
    time_t after = time(NULL);
    CHECK((uint64_t)before <= now + 1 && now <= (uint64_t)after + 1);
}

TEST(the_monotonic_clock_does_not_go_back)
{
    uint64_t last = clock_monotonic_ns();
    CHECK(last > 0);
    for (size_t i = 0; i < 10000; i++) {
        uint64_t now = clock_monotonic_ns();
        CHECK(now >= last);
        last = now;
    }
    struct timespec direct = { 0 };
    __real_clock_gettime(CLOCK_MONOTONIC, &direct);
    CHECK((uint64_t)direct.tv_sec * 1000000000U + (uint64_t)direct.tv_nsec >= last);
}

TEST(parses_what_it_formats)
{
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        uint64_t seconds = 0;
        char text[CLOCK_TEXT_SIZE];
        CHECK_OK(clock_parse(times[i].text, &seconds));
        clock_format(seconds, text);
        CHECK_TEXT(text, times[i].text);
        CHECK(seconds == times[i].seconds || times[i].seconds > 253402300799);
    }
}

TEST(parses_zones_and_fractions)
{
    static const struct {
        const char *text;
        uint64_t seconds;
    } wanted[] = {
        { "2026-06-01T12:10:00Z", 1780315800 },      { "2026-06-01T14:10:00+02:00", 1780315800 },
        { "2026-06-01T06:40:00-05:30", 1780315800 }, { "2026-06-01T12:10:00.999Z", 1780315800 },
        { "2026-06-01T12:10:00-00:00", 1780315800 }, { "1970-01-01T01:00:00+01:00", 0 },
        { "1969-12-31T23:00:00-01:00", 0 },          { "2024-02-29T00:00:00Z", 1709164800 },
    };
    setenv("TZ", "ABC-5:45", 1);
    tzset();
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        uint64_t seconds = 77;
        CHECK_OK(clock_parse(wanted[i].text, &seconds));
        CHECK(seconds == wanted[i].seconds);
    }
}

TEST(refuses_what_is_no_time)
{
    static const char *const wrong[] = {
        "",
        "2026",
        "2026-06-01",
        "2026-06-01T12:10:00",
        "2026-06-01 12:10:00Z",
        "2026-06-01T12:10Z",
        "2026-06-01T12:10:00Zx",
        " 2026-06-01T12:10:00Z",
        "2026-06-01T12:10:00z",
        "2026-6-01T12:10:00Z",
        "+026-06-01T12:10:00Z",
        "2026-00-01T12:10:00Z",
        "2026-13-01T12:10:00Z",
        "2026-06-00T12:10:00Z",
        "2026-06-31T12:10:00Z",
        "2025-02-29T12:10:00Z",
        "2026-06-01T24:00:00Z",
        "2026-06-01T12:60:00Z",
        "2026-06-01T12:10:60Z",
        "2026-06-01T12:10:00.Z",
        "2026-06-01T12:10:00,5Z",
        "2026-06-01T12:10:00+2:00",
        "2026-06-01T12:10:00+24:00",
        "2026-06-01T12:10:00+0200",
        "2026-06-01T12:10:00+02:60",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:59:59+01:00",
        "1780315800",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        uint64_t seconds = 77;
        CHECK_FAILS(BAD_INPUT, clock_parse(wrong[i], &seconds));
        CHECK(seconds == 77);
    }
}

HARNESS_TESTS(T(parses_what_it_formats), T(parses_zones_and_fractions), T(refuses_what_is_no_time),
              T(formats_seconds), T(writes_the_wall_time_with_milliseconds),
              T(a_wall_clock_before_1970_counts_as_1970), T(the_wall_clock_is_the_systems),
              T(the_monotonic_clock_does_not_go_back))
