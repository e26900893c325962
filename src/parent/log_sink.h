/* log_sink.h: where the enclave's log lines go. The enclave is not trusted with a terminal or a log
 * reader: each line becomes exactly one line of printable text, a JSON object as it is and anything
 * else wrapped in one. A thread writes, so that a slow reader holds up no relay; what is too much
 * is dropped and counted. */
#ifndef PARENT_LOG_SINK_H
#define PARENT_LOG_SINK_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/detail.h"
#include "base/result.h"

#include <stddef.h>
#include <stdint.h>

enum { LOG_SINK_QUEUE_MAX = 1024 * 1024 }; /* bytes waiting for the writer */

struct log_sink;

/* `path` "": the standard output; else a file to append to, made with mode 0600. */
RESULT log_sink_new(const char *path, uint64_t bytes_per_second, struct log_sink **out,
                    struct detail *detail);
/* Writes what is waiting, however long that takes, and ends. Accepts NULL. */
void log_sink_free(struct log_sink *sink);
DEFINE_CLEANUP(struct log_sink, log_sink_free);

/* Takes a line of at most BOOTSTRAP_LOG_MAX bytes. One thread. */
void log_sink_line(struct log_sink *sink, const uint8_t *line, size_t size);

/* Of lines whose fate is known; neither ever goes down. */
struct log_sink_counts {
    uint64_t lines;   /* written */
    uint64_t dropped; /* too many at a time, not taken by the reader, or by a full disk */
};
struct log_sink_counts log_sink_counts(const struct log_sink *sink); /* any thread */

/* What a line becomes, with its line feed. Pure. */
void log_sink_format(const uint8_t *line, size_t size, struct buf *out);

#endif
