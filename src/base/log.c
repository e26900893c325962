#include "base/log.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json_write.h"
#include "base/thread.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
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
        if (done < 0 && errno == EAGAIN) { /* whoever shares stderr made it so */
            poll(&(struct pollfd){ .fd = STDERR_FILENO, .events = POLLOUT }, 1, -1);
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

static void begin_json(struct buf *line, enum log_level level, const char *event, const char *now)
{
    struct json_writer head = JSON_WRITER(line);
    json_write_open(&head, NULL, '{');
    json_write_text(&head, "time", now);
    json_write_text(&head, "level", level_names[level]);
    json_write_text(&head, "message", event);
#ifdef CHAMBER_DEVELOPMENT
    json_write_text(&head, "image", "DEVELOPMENT, PROTECTS NOTHING");
#endif
}

static void add_json(struct buf *line, const struct log_field *field)
{
    struct json_writer members = { .out = line, .comma = true };
    if (field->text != NULL) {
        json_write_text(&members, field->name, field->text);
    } else {
        json_write_number(&members, field->name, field->number);
    }
}

static void begin_text(struct buf *line, enum log_level level, const char *event, const char *now)
{
    buf_printf(line, "%s %-5s %s", now, level_names[level], event);
#ifdef CHAMBER_DEVELOPMENT
    buf_append_text(line, " image=\"DEVELOPMENT, PROTECTS NOTHING\"");
#endif
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

static void add_text(struct buf *line, const struct log_field *field)
{
    if (field->text == NULL) {
        buf_printf(line, " %s=%" PRIu64, field->name, field->number);
        return;
    }
    buf_printf(line, " %s=", field->name);
    if (is_plain_word(field->text)) {
        buf_append_text(line, field->text);
    } else {
        struct json_writer quoted = JSON_WRITER(line);
        json_write_text(&quoted, NULL, field->text);
    }
}

static const struct formatter {
    void (*begin)(struct buf *line, enum log_level level, const char *event, const char *now);
    void (*add)(struct buf *line, const struct log_field *field);
    const char *end;
} formatters[] = {
    [LOG_FORMAT_TEXT] = { begin_text, add_text, "\n" },
    [LOG_FORMAT_JSON] = { begin_json, add_json, "}\n" },
};

/* Adds the fields that fit, so that a long one from outside cannot hide the others. */
static void add_fields(struct buf *line, const struct log_field *fields,
                       const struct formatter *formatter)
{
    static const struct log_field cut = { .name = "cut", .text = "a field that did not fit" };
    bool complete = true;
    for (; fields->name != NULL; fields++) {
        size_t before = line->size;
        formatter->add(line, fields);
        if (!is_ok(buf_check(line))) {
            buf_truncate(line, before);
            complete = false;
        }
    }
    line->max = LOG_LINE_MAX;
    if (!complete) {
        formatter->add(line, &cut);
    }
    buf_append_text(line, formatter->end);
}

/* Queues the line, or drops it when the queue is full or cannot grow. */
static bool enqueue(const struct buf *line)
{
    LOCK_SCOPE(&queue_mutex);
    if (!running) {
        return false;
    }
    size_t before = queue.size;
    buf_append(&queue, line->data, line->size);
    if (!is_ok(buf_check(&queue))) {
        buf_truncate(&queue, before);
        atomic_fetch_add(&dropped, 1);
    }
    pthread_cond_signal(&queue_changed);
    return true;
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
    enum { ROOM_AT_THE_END = 64 }; /* for what add_fields() says last */
    const struct formatter *formatter =
        &formatters[atomic_load_explicit(&line_format, memory_order_relaxed)];
    char now[CLOCK_TEXT_SIZE];
    clock_wall_text(now);
    BUF line = BUF_INIT(LOG_LINE_MAX - ROOM_AT_THE_END);
    formatter->begin(&line, level, event, now);
    if (is_ok(buf_check(&line))) {
        add_fields(&line, fields, formatter);
    }
    if (!is_ok(buf_check(&line))) {
        atomic_fetch_add(&dropped, 1);
    } else if (!enqueue(&line)) {
        write_out(line.data, line.size);
    }
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
