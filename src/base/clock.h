/* clock.h: the two clocks: the monotonic one for durations and deadlines, the wall one for the
 * network's time. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/result.h"

#include <stddef.h>
#include <stdint.h>

/* Nanoseconds since some fixed point in the past; never goes back. */
uint64_t clock_monotonic_ns(void);

/* Seconds since 1970-01-01T00:00:00Z as the system clock has them. */
uint64_t clock_wall_seconds(void);

enum { CLOCK_TEXT_SIZE = sizeof("1970-01-01T00:00:00.000Z") };

/* The wall time now in RFC 3339, UTC, with milliseconds. */
void clock_wall_text(char out[static CLOCK_TEXT_SIZE]);

/* `seconds` since 1970 in RFC 3339, UTC, without a fraction ("1970-01-01T00:00:00Z"). RFC 3339 ends
 * with the year 9999: what is later is written as its last second. */
void clock_format(uint64_t seconds, char out[static CLOCK_TEXT_SIZE]);

/* Seconds since 1970 of a NUL-terminated RFC 3339 time ("2026-06-01T12:10:00Z",
 * "…T14:10:00+02:00"); a fraction of a second is cut off. BAD_INPUT for anything else, for leap
 * seconds, and before 1970. */
RESULT clock_parse(const char *text, uint64_t *out);

#endif
