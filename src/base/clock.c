#define _GNU_SOURCE
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

/* The number of `digits` decimal digits that `text` begins with, or -1. */
static int number_at(const char *text, size_t digits)
{
    int number = 0;
    for (size_t i = 0; i < digits; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return -1;
        }
        number = 10 * number + (text[i] - '0');
    }
    return number;
}

RESULT clock_parse(const char *text, uint64_t *seconds_out)
{
    static const char form[] = "1970-01-01T00:00:00Z";
    ENSURE(strlen(text) == sizeof(form) - 1, BAD_INPUT, "not a time such as 1970-01-01T00:00:00Z");
    struct tm parts = {
        .tm_year = number_at(text, 4) - 1900,
        .tm_mon = number_at(text + 5, 2) - 1,
        .tm_mday = number_at(text + 8, 2),
        .tm_hour = number_at(text + 11, 2),
        .tm_min = number_at(text + 14, 2),
        .tm_sec = number_at(text + 17, 2),
    };
    time_t seconds = timegm(&parts);
    ENSURE(seconds >= 0, BAD_INPUT, "not a time such as 1970-01-01T00:00:00Z");
    /* What was no digit, no separator or no date is written otherwise. */
    char again[CLOCK_TEXT_SIZE];
    clock_format((uint64_t)seconds, again);
    ENSURE(strcmp(again, text) == 0, BAD_INPUT, "not a time such as 1970-01-01T00:00:00Z");
    *seconds_out = (uint64_t)seconds;
    return OK;
}
