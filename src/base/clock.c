#include "base/clock.h"

#include <stdio.h>
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
