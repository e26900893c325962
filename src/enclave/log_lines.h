/* log_lines.h: the log's bytes on their way to the parent: split into lines, held to a rate
 * (enclave/ log_gate.h), and kept in order until they can be sent. When LOG_LINES_HELD_MAX is
 * reached, new lines are dropped, and the old ones stay: they say what happened first. No I/O; one
 * thread. */
#ifndef ENCLAVE_LOG_LINES_H
#define ENCLAVE_LOG_LINES_H

#include "base/cleanup.h"
#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LOG_LINES_HELD_MAX = 256 * 1024, /* bytes of lines, with LOG_LINES_COST for each */
    LOG_LINES_COST = 2,
};

struct log_lines;

/* `bytes_per_second` is below 2^32; so much, and at least LOG_LINES_HELD_MAX, may also come at
 * once. UNAVAILABLE: no memory. */
RESULT log_lines_new(uint64_t bytes_per_second, uint64_t now_ns, struct log_lines **out);
void log_lines_free(struct log_lines *lines); /* accepts NULL */
DEFINE_CLEANUP(struct log_lines, log_lines_free);

/* Takes bytes as they were written. A line is cut to BOOTSTRAP_LOG_MAX bytes; an empty one is
 * none. `now_ns` never goes back. */
void log_lines_add(struct log_lines *lines, const uint8_t *bytes, size_t size, uint64_t now_ns);
/* Nothing more will come: what was begun is a line. */
void log_lines_end(struct log_lines *lines, uint64_t now_ns);

/* The oldest line, without its line feed, until the next call of another function. False: none. */
bool log_lines_first(const struct log_lines *lines, const uint8_t **line_out, size_t *size_out);
/* Forgets the oldest line, which is there. */
void log_lines_forget(struct log_lines *lines);

/* Lines that were dropped since the start. */
uint64_t log_lines_dropped(const struct log_lines *lines);

#endif
