/* log.h: structured lines on stderr, as text or JSON. An event is a fixed sentence; what varies
 * goes into fields. Lines are queued and written by a thread of their own, so that a slow reader of
 * stderr cannot delay a signature; when the queue is full, lines are dropped and counted. Never log
 * a secret, a token or a password. Libraries do not log errors that they return. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

enum {
    LOG_LINE_MAX = 2048,         /* bytes of one line; it says when a field did not fit */
    LOG_QUEUE_BYTES = 1 << 20,   /* lines waiting to be written, beside those being written */
    LOG_REQUEST_LINES_MAX = 200, /* lines a second about requests; see log_request_allowed() */
};

struct log_field {
    const char *name; /* NULL ends the list */
    const char *text; /* NULL: the field is the number */
    uint64_t number;
};

#define LOG_TEXT(field, value)   ((struct log_field){ .name = (field), .text = (value) })
#define LOG_NUMBER(field, value) ((struct log_field){ .name = (field), .number = (value) })

/* Until log_start(), lines are written at once, as text, at level INFO and above. */
void log_start(enum log_level level, enum log_format format);
/* Writes what is queued, however long its reader takes, and goes back to writing at once. */
void log_stop(void);

bool log_enabled(enum log_level level);

/* The event must be a literal: it is written as it is.
 * log_info("keys loaded", LOG_NUMBER("count", n), LOG_TEXT("source", "filesystem")); */
#define log_debug(...) LOG_WRITE_(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...)  LOG_WRITE_(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(...)  LOG_WRITE_(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(...) LOG_WRITE_(LOG_LEVEL_ERROR, __VA_ARGS__)

/* For lines that a client can cause at will: true at most LOG_REQUEST_LINES_MAX times a second. The
 * first line of a later second says how many were left out. */
bool log_request_allowed(void);

/* Lines dropped because the queue was full or memory ran out, since the start. */
uint64_t log_dropped(void);

/* "debug", "info", "warn", "error"; "text", "json". False: none of them. */
bool log_level_parse(const char *text, enum log_level *out);
bool log_format_parse(const char *text, enum log_format *out);

#define LOG_WRITE_(level, ...)                                                         \
    do {                                                                               \
        if (log_enabled(level)) {                                                      \
            LOG_WRITE_FIELDS_(level, __VA_ARGS__, (struct log_field){ .name = NULL }); \
        }                                                                              \
    } while (0)
#define LOG_WRITE_FIELDS_(level, event, ...) \
    log_write((level), "" event, (const struct log_field[]){ __VA_ARGS__ })

void log_write(enum log_level level, const char *event, const struct log_field *fields);

#endif
