#include "base/log.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json_write.h"
#include "base/thread.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static const char *const level_names[] = {
    [LOG_LEVEL_DEBUG] = "debug",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_WARN] = "warn",
    [LOG_LEVEL_ERROR] = "error",
};
static const char *const format_names[] = {
    [LOG_FORMAT_TEXT] = "text",
    [LOG_FORMAT_JSON] = "json",
};

static atomic_int lowest_level = LOG_LEVEL_INFO;
static atomic_int line_format = LOG_FORMAT_TEXT;
static atomic_uint_fast64_t dropped;

/* The queue: two buffers, one filled by everybody, one being written by the writer. */
static pthread_mutex_t queue_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t queue_changed = PTHREAD_COND_INITIALIZER;
static struct buf queue = { .max = LOG_QUEUE_BYTES };
static bool running;
static bool stopping;
static pthread_t writer;

static pthread_mutex_t limit_mutex = PTHREAD_MUTEX_INITIALIZER;
static uint64_t limit_second;
static uint64_t limit_count;

static void write_out(const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t done = write(STDERR_FILENO, bytes, size);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return; /* nobody listens; there is nowhere to say so */
        }
        bytes += done;
        size -= (size_t)done;
    }
}

/* Moves what is queued into `out`; false when the queue is empty and will stay so. */
static bool take_queued(struct buf *out)
{
    LOCK_SCOPE(&queue_mutex);
    while (queue.size == 0 && !stopping) {
        pthread_cond_wait(&queue_changed, &queue_mutex);
    }
    struct buf filled = queue;
    queue = *out;
    buf_clear(&queue);
    *out = filled;
    return out->size > 0;
}

static void *run_writer(void *unused)
{
    BUF lines = BUF_INIT(LOG_QUEUE_BYTES);
    while (take_queued(&lines)) {
        write_out(lines.data, lines.size);
    }
    return unused;
}

void log_start(enum log_level level, enum log_format format)
{
    atomic_store(&lowest_level, (int)level);
    atomic_store(&line_format, (int)format);
    LOCK_SCOPE(&queue_mutex);
    stopping = false;
    running = running || is_ok(thread_start(&writer, "log", run_writer, NULL));
}

static bool begin_stop(void)
{
    LOCK_SCOPE(&queue_mutex);
    bool was_running = running;
    running = false;
    stopping = true;
    pthread_cond_signal(&queue_changed);
    return was_running;
}

void log_stop(void)
{
    if (begin_stop()) {
        pthread_join(writer, NULL);
        buf_free(&queue);
    }
}

bool log_enabled(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&lowest_level, memory_order_relaxed);
}

static void format_json(struct buf *line, enum log_level level, const char *event,
                        const struct log_field *fields, const char *now)
{
    struct json_writer writer_at = JSON_WRITER(line);
    json_write_open(&writer_at, NULL, '{');
    json_write_text(&writer_at, "time", now);
    json_write_text(&writer_at, "level", level_names[level]);
    json_write_text(&writer_at, "message", event);
    for (; fields->name != NULL; fields++) {
        if (fields->text != NULL) {
            json_write_text(&writer_at, fields->name, fields->text);
        } else {
            json_write_number(&writer_at, fields->name, fields->number);
        }
    }
    json_write_close(&writer_at, '}');
}

/* True for text that cannot be misread without quotes. One line stays one line in any case. */
static bool is_plain_word(const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (*at <= ' ' || *at > '~' || strchr("\"=\\", *at) != NULL) {
            return false;
        }
    }
    return text[0] != '\0';
}

static void format_text(struct buf *line, enum log_level level, const char *event,
                        const struct log_field *fields, const char *now)
{
    buf_printf(line, "%s %-5s %s", now, level_names[level], event);
    for (; fields->name != NULL; fields++) {
        if (fields->text == NULL) {
            buf_printf(line, " %s=%" PRIu64, fields->name, fields->number);
            continue;
        }
        buf_printf(line, " %s=", fields->name);
        if (is_plain_word(fields->text)) {
            buf_append_text(line, fields->text);
        } else {
            struct json_writer quoted = JSON_WRITER(line);
            json_write_text(&quoted, NULL, fields->text);
        }
    }
}

static void enqueue(const struct buf *line)
{
    {
        LOCK_SCOPE(&queue_mutex);
        if (running) {
            if (queue.size + line->size > LOG_QUEUE_BYTES) {
                atomic_fetch_add(&dropped, 1);
                return;
            }
            buf_append(&queue, line->data, line->size);
            pthread_cond_signal(&queue_changed);
            return;
        }
    }
    write_out(line->data, line->size);
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
    static const struct log_field cut[] = { { .name = "cut", .text = "line too long" },
                                            { .name = NULL } };
    bool json = atomic_load_explicit(&line_format, memory_order_relaxed) == LOG_FORMAT_JSON;
    void (*format)(struct buf *, enum log_level, const char *, const struct log_field *,
                   const char *) = json ? format_json : format_text;
    char now[CLOCK_TEXT_SIZE];
    clock_wall_text(now);
    BUF line = BUF_INIT(LOG_LINE_MAX);
    format(&line, level, event, fields, now);
    if (line.failed) {
        buf_clear(&line);
        format(&line, level, event, cut, now);
    }
    line.max = LOG_LINE_MAX + 1;
    buf_append(&line, "\n", 1);
    enqueue(&line);
}

bool log_request_allowed(void)
{
    uint64_t left_out = 0;
    {
        LOCK_SCOPE(&limit_mutex);
        uint64_t second = clock_monotonic_ns() / 1000000000U;
        if (second != limit_second) {
            left_out =
                limit_count > LOG_REQUEST_LINES_MAX ? limit_count - LOG_REQUEST_LINES_MAX : 0;
            limit_second = second;
            limit_count = 0;
        }
        if (++limit_count > LOG_REQUEST_LINES_MAX) {
            return false;
        }
    }
    if (left_out > 0) {
        log_warn("lines about requests were left out", LOG_NUMBER("count", left_out));
    }
    return true;
}

uint64_t log_dropped(void)
{
    return atomic_load(&dropped);
}

static bool find_name(const char *const names[], size_t count, const char *text, size_t *out)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], text) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

bool log_level_parse(const char *text, enum log_level *out)
{
    size_t index = 0;
    if (!find_name(level_names, sizeof(level_names) / sizeof(level_names[0]), text, &index)) {
        return false;
    }
    *out = (enum log_level)index;
    return true;
}

bool log_format_parse(const char *text, enum log_format *out)
{
    size_t index = 0;
    if (!find_name(format_names, sizeof(format_names) / sizeof(format_names[0]), text, &index)) {
        return false;
    }
    *out = (enum log_format)index;
    return true;
}
