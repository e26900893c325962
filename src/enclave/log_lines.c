#include "enclave/log_lines.h"

#include "enclave/bootstrap.h"
#include "enclave/log_gate.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static_assert(BOOTSTRAP_LOG_MAX <= UINT16_MAX && sizeof(uint16_t) == LOG_LINES_COST,
              "a line's size stands before it in two bytes");

struct log_lines {
    struct log_gate gate;
    uint64_t overflown;               /* lines dropped because there was no room */
    uint8_t begun[BOOTSTRAP_LOG_MAX]; /* the line that is being written */
    size_t begun_size;
    size_t at; /* lines lie from here to `end`, each behind its size */
    size_t end;
    uint8_t held[2 * LOG_LINES_HELD_MAX]; /* twice: what is moved to the front is moved rarely */
};

RESULT log_lines_new(uint64_t bytes_per_second, uint64_t now_ns, struct log_lines **out)
{
    assert(bytes_per_second <= UINT32_MAX);
    struct log_lines *lines = calloc(1, sizeof(*lines));
    ENSURE(lines != NULL, UNAVAILABLE, "out of memory");
    uint64_t burst = bytes_per_second > LOG_LINES_HELD_MAX ? bytes_per_second : LOG_LINES_HELD_MAX;
    log_gate_init(&lines->gate, bytes_per_second, burst, now_ns);
    *out = lines;
    return OK;
}

void log_lines_free(struct log_lines *lines)
{
    free(lines);
}

/* There is room at the end: at most half of the buffer is in use. */
static void hold(struct log_lines *lines, const uint8_t *line, uint16_t size)
{
    if (sizeof(lines->held) - lines->end < LOG_LINES_COST + (size_t)size) {
        memmove(lines->held, lines->held + lines->at, lines->end - lines->at);
        lines->end -= lines->at;
        lines->at = 0;
    }
    memcpy(lines->held + lines->end, &size, sizeof(size));
    memcpy(lines->held + lines->end + sizeof(size), line, size);
    lines->end += LOG_LINES_COST + (size_t)size;
}

static void finish_line(struct log_lines *lines, uint64_t now_ns)
{
    size_t size = lines->begun_size;
    size_t used = lines->end - lines->at;
    lines->begun_size = 0;
    if (size == 0) {
        return;
    }
    if (LOG_LINES_HELD_MAX - used < LOG_LINES_COST + size) {
        lines->overflown++;
    } else if (log_gate_pass(&lines->gate, size, now_ns)) {
        hold(lines, lines->begun, (uint16_t)size);
    }
}

/* What a line has beyond its maximum is left out. */
static void extend_line(struct log_lines *lines, const uint8_t *bytes, size_t size)
{
    size_t room = sizeof(lines->begun) - lines->begun_size;
    size_t taken = size < room ? size : room;
    memcpy(lines->begun + lines->begun_size, bytes, taken);
    lines->begun_size += taken;
}

void log_lines_add(struct log_lines *lines, const uint8_t *bytes, size_t size, uint64_t now_ns)
{
    const uint8_t *end = bytes + size;
    while (bytes < end) {
        const uint8_t *feed = memchr(bytes, '\n', (size_t)(end - bytes));
        extend_line(lines, bytes, (size_t)((feed == NULL ? end : feed) - bytes));
        if (feed == NULL) {
            return;
        }
        finish_line(lines, now_ns);
        bytes = feed + 1;
    }
}

void log_lines_end(struct log_lines *lines, uint64_t now_ns)
{
    finish_line(lines, now_ns);
}

bool log_lines_first(const struct log_lines *lines, const uint8_t **line_out, size_t *size_out)
{
    uint16_t size = 0;
    if (lines->at == lines->end) {
        return false;
    }
    memcpy(&size, lines->held + lines->at, sizeof(size));
    *line_out = lines->held + lines->at + sizeof(size);
    *size_out = size;
    return true;
}

void log_lines_forget(struct log_lines *lines)
{
    const uint8_t *line = NULL;
    size_t size = 0;
    bool there = log_lines_first(lines, &line, &size);
    assert(there);
    lines->at += LOG_LINES_COST + size;
}

uint64_t log_lines_dropped(const struct log_lines *lines)
{
    return lines->gate.dropped + lines->overflown;
}
