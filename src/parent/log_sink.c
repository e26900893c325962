#include "parent/log_sink.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/json_write.h"
#include "base/thread.h"
#include "enclave/bootstrap.h"
#include "enclave/log_gate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>

enum {
    BURST_SECONDS = 10,
    FORMATTED_MAX = 8 * BOOTSTRAP_LOG_MAX, /* a byte becomes at most six, "\u0001" */
};

struct log_sink {
    int fd;
    bool owns_fd;
    struct log_gate gate;
    pthread_t thread;
    bool runs;
    pthread_mutex_t mutex; /* holds the two below */
    struct buf waiting;
    bool stopping;
    pthread_cond_t wake;
    atomic_uint_fast64_t lines;
    atomic_uint_fast64_t dropped;
};

static bool is_object(const char *text, size_t size)
{
    CLEANUP(json_free_ptr) struct json *value = NULL;
    return is_ok(json_parse(text, size, &value, NULL)) && json_kind(value) == JSON_KIND_OBJECT;
}

/* What a JSON string may hold and a line must not, in UTF-8: DEL, the C1 control characters, and
 * the separators and turns of direction that make one line look like another. Each sequence is
 * `start` and a byte from `first` to `last`. */
static const struct {
    const char *start;
    unsigned char first;
    unsigned char last;
} unwanted[] = {
    { "", 0x7f, 0x7f },
    { "\xc2", 0x80, 0x9f },
    { "\xe2\x80", 0xa8, 0xae },
    { "\xe2\x81", 0xa6, 0xa9 },
};

/* Bytes of the unwanted sequence that begins at `text`; 0: none does. The text ends with a NUL. */
static size_t unwanted_at(const char *text)
{
    for (size_t i = 0; i < sizeof(unwanted) / sizeof(unwanted[0]); i++) {
        size_t size = strlen(unwanted[i].start);
        unsigned char last = 0;
        if (strncmp(text, unwanted[i].start, size) == 0) {
            last = (unsigned char)text[size];
        }
        if (last >= unwanted[i].first && last <= unwanted[i].last) {
            return size + 1;
        }
    }
    return 0;
}

/* In a JSON text of one line, control characters below 0x20 are only the space between its tokens.
 */
static void neutralise(char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        text[i] = (unsigned char)text[i] < 0x20 ? ' ' : text[i];
        size_t length = unwanted_at(text + i);
        memset(text + i, '?', length);
        i += length > 0 ? length - 1 : 0;
    }
}

static void replace_nul(char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        text[i] = text[i] == '\0' ? '?' : text[i];
    }
}

/* `text` has no NUL in it, but for the one at its end. */
static void wrap(const char *text, struct buf *out)
{
    struct json_writer writer = JSON_WRITER(out);
    json_write_open(&writer, NULL, '{');
    json_write_text(&writer, "source", "enclave");
    json_write_text(&writer, "line", text);
    json_write_close(&writer, '}');
}

void log_sink_format(const uint8_t *line, size_t size, struct buf *out)
{
    char text[BOOTSTRAP_LOG_MAX + 1];
    const size_t begin = out->size;
    size = size < BOOTSTRAP_LOG_MAX ? size : BOOTSTRAP_LOG_MAX;
    memcpy(text, line, size);
    text[size] = '\0';
    bool is_json = is_object(text, size);
    if (is_json) {
        neutralise(text, size);
        is_json = is_object(text, size); /* two names may have become the same */
    }
    if (is_json) {
        buf_append(out, text, size);
    } else {
        replace_nul(text, size);
        wrap(text, out);
        if (is_ok(buf_check(out))) {
            neutralise(out->data + begin, out->size - begin);
        }
    }
    buf_append_text(out, "\n");
}

/* Gives how many bytes were written: all, unless the file takes no more, as on a full disk. */
static size_t write_all(int fd, const char *bytes, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t written = write(fd, bytes + done, size - done);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            break;
        }
        done += (size_t)written;
    }
    return done;
}

static size_t count_lines(const char *bytes, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++) {
        count += bytes[i] == '\n';
    }
    return count;
}

/* Takes what is waiting; false when there is nothing and nothing more will come. */
static bool take_waiting(struct log_sink *sink, struct buf *out)
{
    LOCK_SCOPE(&sink->mutex);
    while (sink->waiting.size == 0 && !sink->stopping) {
        pthread_cond_wait(&sink->wake, &sink->mutex);
    }
    *out = sink->waiting;
    sink->waiting = BUF_INIT(LOG_SINK_QUEUE_MAX);
    return out->size > 0;
}

static void *write_lines(void *context)
{
    struct log_sink *sink = context;
    for (;;) {
        BUF lines = BUF_INIT(LOG_SINK_QUEUE_MAX);
        if (!take_waiting(sink, &lines)) {
            return NULL;
        }
        size_t done = write_all(sink->fd, lines.data, lines.size);
        atomic_fetch_add(&sink->lines, count_lines(lines.data, done));
        atomic_fetch_add(&sink->dropped, count_lines(lines.data + done, lines.size - done));
    }
}

RESULT log_sink_new(const char *path, uint64_t bytes_per_second, struct log_sink **out,
                    struct detail *detail)
{
    CLEANUP(log_sink_free_ptr) struct log_sink *sink = calloc(1, sizeof(*sink));
    detail_set(detail, "%s", "");
    ENSURE(sink != NULL, UNAVAILABLE, "out of memory");
    pthread_mutex_init(&sink->mutex, NULL);
    pthread_cond_init(&sink->wake, NULL);
    sink->waiting = BUF_INIT(LOG_SINK_QUEUE_MAX);
    sink->owns_fd = path[0] != '\0';
    sink->fd = STDOUT_FILENO;
    if (sink->owns_fd) {
        sink->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
        detail_set(detail, "%s (%s)", path, strerror(errno));
        ENSURE(sink->fd >= 0, UNAVAILABLE, "cannot open the enclave's log file");
    }
    log_gate_init(&sink->gate, bytes_per_second, BURST_SECONDS * bytes_per_second,
                  clock_monotonic_ns());
    TRY(thread_start(&sink->thread, "enclave-log", write_lines, sink));
    sink->runs = true;
    *out = STEAL(sink);
    return OK;
}

void log_sink_free(struct log_sink *sink)
{
    if (sink == NULL) {
        return;
    }
    if (sink->runs) {
        {
            LOCK_SCOPE(&sink->mutex);
            sink->stopping = true;
            pthread_cond_signal(&sink->wake);
        }
        pthread_join(sink->thread, NULL);
    }
    if (sink->owns_fd && sink->fd >= 0) {
        close(sink->fd);
    }
    buf_free(&sink->waiting);
    pthread_cond_destroy(&sink->wake);
    pthread_mutex_destroy(&sink->mutex);
    free(sink);
}

/* All of the line, or nothing of it. */
static bool queue(struct log_sink *sink, const struct buf *line)
{
    LOCK_SCOPE(&sink->mutex);
    size_t before = sink->waiting.size;
    buf_append(&sink->waiting, line->data, line->size);
    if (!is_ok(buf_check(&sink->waiting))) {
        buf_truncate(&sink->waiting, before);
        return false;
    }
    pthread_cond_signal(&sink->wake);
    return true;
}

void log_sink_line(struct log_sink *sink, const uint8_t *line, size_t size)
{
    BUF text = BUF_INIT(FORMATTED_MAX);
    bool passes = log_gate_pass(&sink->gate, size, clock_monotonic_ns());
    if (passes) {
        log_sink_format(line, size, &text);
    }
    if (!passes || !is_ok(buf_check(&text)) || !queue(sink, &text)) {
        atomic_fetch_add(&sink->dropped, 1); /* all others are counted by the writer */
    }
}

struct log_sink_counts log_sink_counts(const struct log_sink *sink)
{
    return (struct log_sink_counts){ .lines = atomic_load(&sink->lines),
                                     .dropped = atomic_load(&sink->dropped) };
}
