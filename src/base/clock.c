#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const uint64_t year_9999_end = 253402300799; /* 9999-12-31T23:59:59Z */

uint64_t clock_monotonic_ns(void)
{
    struct timespec now = { 0 };
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

uint64_t clock_wall_seconds(void)
{
    struct timespec now = { 0 };
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec < 0 ? 0 : (uint64_t)now.tv_sec;
}

void clock_wall_text(char out[static CLOCK_TEXT_SIZE])
{
    struct timespec now = { 0 };
    struct tm parts = { 0 };
    char date[sizeof("1970-01-01T00:00:00")] = "";
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(out, CLOCK_TEXT_SIZE, "%s.%03dZ", date, (int)(now.tv_nsec / 1000000) % 1000);
}

void clock_format(uint64_t seconds, char out[static CLOCK_TEXT_SIZE])
{
    time_t when = (time_t)(seconds < year_9999_end ? seconds : year_9999_end);
    struct tm parts = { 0 };
    gmtime_r(&when, &parts);
    strftime(out, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

static bool is_digit(char character)
{
    return character >= '0' && character <= '9';
}

/* Takes a number of `digits` digits, at most `max`, from `*at`, and `end` behind it. */
static bool take(const char **at, size_t digits, int max, char end, int *out)
{
    *out = 0;
    for (size_t i = 0; i < digits; i++) {
        if (!is_digit(**at)) {
            return false;
        }
        *out = *out * 10 + (*(*at)++ - '0');
    }
    return *out <= max && (end == '\0' || *(*at)++ == end);
}

/* Takes what stands for the zone: Z, or hours and minutes ahead of UTC. */
static bool take_zone(const char **at, int *seconds_out)
{
    int hours = 0;
    int minutes = 0;
    *seconds_out = 0;
    if (**at == 'Z') {
        ++*at;
        return true;
    }
    int sign = **at == '-' ? -1 : 1;
    if ((**at != '+' && **at != '-') || (++*at, !take(at, 2, 23, ':', &hours)) ||
        !take(at, 2, 59, '\0', &minutes)) {
        return false;
    }
    *seconds_out = sign * (hours * 3600 + minutes * 60);
    return true;
}

static bool take_fraction(const char **at)
{
    if (**at != '.') {
        return true;
    }
    size_t digits = strspn(++*at, "0123456789");
    *at += digits;
    return digits > 0;
}

/* False for the 31st of June: timegm() would make it the 1st of July. */
static bool to_seconds(struct tm *parts, time_t *out)
{
    int day = parts->tm_mday;
    parts->tm_year -= 1900;
    parts->tm_mon -= 1;
    *out = timegm(parts);
    return parts->tm_mday == day && day > 0;
}

RESULT clock_parse(const char *text, uint64_t *out)
{
    struct tm parts = { 0 };
    int zone = 0;
    time_t seconds = 0;
    bool is_time =
        take(&text, 4, 9999, '-', &parts.tm_year) && take(&text, 2, 12, '-', &parts.tm_mon) &&
        take(&text, 2, 31, 'T', &parts.tm_mday) && take(&text, 2, 23, ':', &parts.tm_hour) &&
        take(&text, 2, 59, ':', &parts.tm_min) && take(&text, 2, 59, '\0', &parts.tm_sec) &&
        take_fraction(&text) && take_zone(&text, &zone) && *text == '\0' && parts.tm_mon > 0 &&
        to_seconds(&parts, &seconds);
    ENSURE(is_time, BAD_INPUT, "not a time such as 2026-06-01T12:10:00Z");
    ENSURE(seconds >= zone, BAD_INPUT, "a time before 1970");
    *out = (uint64_t)(seconds - zone);
    return OK;
}
