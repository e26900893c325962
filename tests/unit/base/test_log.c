#include "base/log.h"
#include "base/thread.h"
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* The linker sends the base layer's calls here (--wrap in meson.build). */
int __real_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out);
void *__real_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size);

static const struct timespec *fake_time; /* NULL: the time it is */
static size_t refuse_allocations_of;     /* bytes and more; 0: none */

int __wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
    if (fake_time != NULL) {
        *out = *fake_time;
        return 0;
    }
    return __real_clock_gettime(clock, out);
}

void *__wrap_realloc(void *block, size_t size)
{
    bool refused = refuse_allocations_of > 0 && size >= refuse_allocations_of;
    return refused ? NULL : __real_realloc(block, size);
}

/* stderr goes into a pipe between capture_begin() and capture_end(). */
struct capture {
    int reader;
    int saved;
    char text[256 * 1024];
    size_t size;
};

static bool capture_begin(struct capture *capture, int pipe_size)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0 || fcntl(ends[1], F_SETPIPE_SZ, pipe_size) < 0) {
        return false;
    }
    capture->reader = ends[0];
    capture->saved = dup(STDERR_FILENO);
    capture->size = 0;
    return dup2(ends[1], STDERR_FILENO) >= 0 && close(ends[1]) == 0;
}

/* Gives stderr back and reads what is in the pipe. */
static void capture_end(struct capture *capture)
{
    dup2(capture->saved, STDERR_FILENO);
    close(capture->saved);
    ssize_t got = 1;
    while (got > 0 && capture->size < sizeof(capture->text) - 1) {
        got = read(capture->reader, capture->text + capture->size,
                   sizeof(capture->text) - 1 - capture->size);
        capture->size += got > 0 ? (size_t)got : 0;
    }
    capture->text[capture->size] = '\0';
    close(capture->reader);
}

static struct capture captured;
static const struct timespec a_time = { .tv_sec = 1606824023, .tv_nsec = 7000000 };
#define A_TIME "2020-12-01T12:00:23.007Z"

/* What one call writes at `level` and `format`. */
static const char *line_of(enum log_format format, const struct log_field *fields)
{
    if (!capture_begin(&captured, 64 * 1024)) {
        return "cannot capture";
    }
    fake_time = &a_time;
    log_start(LOG_LEVEL_DEBUG, format);
    log_write(LOG_LEVEL_WARN, "it happened", fields);
    log_stop();
    fake_time = NULL;
    capture_end(&captured);
    return captured.text;
}

/* First of all tests: before any log_start(). */
TEST(before_the_start_lines_are_text_of_info_and_above)
{
    CHECK(capture_begin(&captured, 64 * 1024));
    fake_time = &a_time;
    log_debug("too small", LOG_NUMBER("n", 1));
    log_info("information");
    log_error("error", LOG_NUMBER("n", 1), LOG_TEXT("t", "x"));
    fake_time = NULL;
    capture_end(&captured);
    CHECK_TEXT(captured.text, A_TIME " info  information\n" A_TIME " error error n=1 t=x\n");
}

TEST(writes_both_formats)
{
    const struct log_field fields[] = { LOG_NUMBER("count", UINT64_MAX),
                                        LOG_TEXT("path", "/a/b"),
                                        LOG_TEXT("nothing", ""),
                                        { .name = NULL } };
    CHECK_TEXT(line_of(LOG_FORMAT_TEXT, fields),
               A_TIME " warn  it happened count=18446744073709551615 path=/a/b nothing=\"\"\n");
    CHECK_TEXT(line_of(LOG_FORMAT_JSON, fields),
               "{\"time\":\"" A_TIME "\",\"level\":\"warn\",\"message\":\"it happened\","
               "\"count\":18446744073709551615,\"path\":\"/a/b\",\"nothing\":\"\"}\n");
}

static const char *const hostile[] = {
    "\n",       "x\n" A_TIME " error forged",
    "\r\n",     "a b",
    "a=b",      "\"",
    "\\",       "\"} {\"level\":\"error",
    "\x1b[2J",  "\x01\x7f",
    "\xff\xfe", "\xc2\x9b[31m",
    "\xc2\x85", "\xe2\x80\xa8",
    "\xe2\x82",
};

TEST(a_json_line_stays_one_object_on_one_line)
{
    for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
        const struct log_field fields[] = { LOG_TEXT("path", hostile[i]),
                                            LOG_TEXT("user", "me"),
                                            { .name = NULL } };
        const char *line = line_of(LOG_FORMAT_JSON, fields);
        CLEANUP(json_free_ptr) struct json *tree = NULL;
        CHECK(strchr(line, '\n') == line + strlen(line) - 1);
        CHECK_OK(json_parse(line, strlen(line), &tree, NULL));
        CHECK(json_count(tree) == 5);
        CHECK_TEXT(json_as_text(json_member(tree, "level"), NULL), "warn");
        CHECK_TEXT(json_as_text(json_member(tree, "user"), NULL), "me");
        CHECK(json_as_text(json_member(tree, "path"), NULL)[0] != '\0');
    }
}

TEST(a_text_line_stays_one_line_and_its_fields_apart)
{
    static const char start[] = A_TIME " warn  it happened path=\"";
    for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
        const struct log_field fields[] = { LOG_TEXT("path", hostile[i]),
                                            LOG_TEXT("user", "me"),
                                            { .name = NULL } };
        const char *line = line_of(LOG_FORMAT_TEXT, fields);
        size_t size = strlen(line);
        CHECK(strchr(line, '\n') == line + size - 1);
        CHECK(strncmp(line, start, sizeof(start) - 1) == 0);
        CHECK(strcmp(line + size - 10, "\" user=me\n") == 0);
        for (size_t at = 0; at + 1 < size; at++) {
            CHECK((unsigned char)line[at] >= 0x20 && line[at] != 0x7f);
        }
        /* What stands between the quotes is one JSON text, so no quote ends it early. */
        CLEANUP(json_free_ptr) struct json *tree = NULL;
        const char *quoted = line + sizeof(start) - 2;
        CHECK_OK(json_parse(quoted, size - 9 - (sizeof(start) - 2), &tree, NULL));
    }
}

TEST(a_field_that_does_not_fit_hides_no_other)
{
    char longest[2 * LOG_LINE_MAX];
    for (size_t size = 1; size < sizeof(longest); size += size < LOG_LINE_MAX - 200 ? 197 : 1) {
        memset(longest, 'x', size);
        longest[size] = '\0';
        for (int format = LOG_FORMAT_TEXT; format <= LOG_FORMAT_JSON; format++) {
            const struct log_field fields[] = { LOG_TEXT("who", "me"),
                                                LOG_TEXT("what", longest),
                                                LOG_TEXT("where", "here"),
                                                { .name = NULL } };
            const char *line = line_of((enum log_format)format, fields);
            CHECK(strlen(line) <= LOG_LINE_MAX && line[strlen(line) - 1] == '\n');
            CHECK(strstr(line, "me") != NULL);
            bool fits = strstr(line, longest) != NULL;
            bool last_fits = strstr(line, "here") != NULL;
            CHECK((fits && last_fits) == (strstr(line, "a field that did not fit") == NULL));
            CHECK(fits || last_fits);
            CHECK(fits || size > LOG_LINE_MAX - 250);
            CLEANUP(json_free_ptr) struct json *tree = NULL;
            CHECK(format == LOG_FORMAT_TEXT || is_ok(json_parse(line, strlen(line), &tree, NULL)));
        }
        if (size > LOG_LINE_MAX + 20) {
            break;
        }
    }
}

static int evaluated;

static uint64_t evaluate(void)
{
    return (uint64_t)++evaluated;
}

TEST(levels_below_the_lowest_cost_nothing)
{
    CHECK(capture_begin(&captured, 64 * 1024));
    log_start(LOG_LEVEL_WARN, LOG_FORMAT_TEXT);
    bool enabled = log_enabled(LOG_LEVEL_WARN) && log_enabled(LOG_LEVEL_ERROR);
    bool disabled = !log_enabled(LOG_LEVEL_INFO) && !log_enabled(LOG_LEVEL_DEBUG);
    evaluated = 0;
    log_info("no", LOG_NUMBER("n", evaluate()));
    log_debug("no", LOG_NUMBER("n", evaluate()));
    int for_nothing = evaluated;
    log_warn("yes", LOG_NUMBER("n", evaluate()));
    log_start(LOG_LEVEL_DEBUG, LOG_FORMAT_TEXT); /* changes the level of the running log */
    log_debug("now", LOG_NUMBER("n", evaluate()));
    log_stop();
    capture_end(&captured);
    CHECK(enabled && disabled && for_nothing == 0);
    CHECK(strstr(captured.text, "no") == strstr(captured.text, "now"));
    CHECK(strstr(captured.text, "yes n=1\n") != NULL);
    CHECK(strstr(captured.text, "now n=2\n") != NULL);
}

TEST(stops_and_starts_again)
{
    CHECK(capture_begin(&captured, 64 * 1024));
    log_stop();
    log_start(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    log_info("first");
    log_stop();
    log_stop();
    log_info("second");
    log_start(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    log_info("third");
    log_stop();
    capture_end(&captured);
    const char *first = strstr(captured.text, "first");
    const char *second = strstr(captured.text, "second");
    const char *third = strstr(captured.text, "third");
    CHECK(first != NULL && second > first && third > second);
}

/* Reads from a pipe until it ends, counting lines; none may be broken. */
struct reader {
    int fd;
    size_t lines;
    size_t broken;
    char partial[LOG_LINE_MAX + 1];
    size_t partial_size;
};

static void count_line(struct reader *reader)
{
    static const char end[] = " end=1";
    size_t size = reader->partial_size;
    bool whole = size > sizeof(end) && reader->partial[0] == '2' &&
                 memcmp(reader->partial + size - (sizeof(end) - 1), end, sizeof(end) - 1) == 0;
    reader->lines++;
    reader->broken += !whole;
    reader->partial_size = 0;
}

static void *read_lines(void *context)
{
    struct reader *reader = context;
    char piece[4096];
    ssize_t got = 0;
    while ((got = read(reader->fd, piece, sizeof(piece))) > 0) {
        for (ssize_t i = 0; i < got; i++) {
            if (piece[i] == '\n' || reader->partial_size == LOG_LINE_MAX) {
                count_line(reader);
            } else {
                reader->partial[reader->partial_size++] = piece[i];
            }
        }
    }
    return NULL;
}

TEST(a_full_queue_drops_and_counts_and_never_waits)
{
    char filler[1900];
    memset(filler, 'x', sizeof(filler));
    filler[sizeof(filler) - 1] = '\0';
    CHECK(capture_begin(&captured, 4096));
    log_start(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    uint64_t before = log_dropped();
    size_t written = 0;
    /* Nobody reads: the pipe takes two lines, the writer holds a batch, the queue is one MiB. */
    while (log_dropped() < before + 10 && written < 4000) {
        log_info("filling", LOG_TEXT("filler", filler), LOG_NUMBER("end", 1));
        written++;
    }
    uint64_t lost = log_dropped() - before;
    pthread_t thread;
    struct reader reader = { .fd = captured.reader };
    CHECK_OK(thread_start(&thread, "reader", read_lines, &reader));
    log_stop();
    dup2(captured.saved, STDERR_FILENO); /* the pipe's last writer is gone: the reader ends */
    pthread_join(thread, NULL);
    close(captured.saved);
    close(captured.reader);
    CHECK(lost == 10);
    CHECK(written > LOG_QUEUE_BYTES / LOG_LINE_MAX && written < 3 * LOG_QUEUE_BYTES / 1900);
    CHECK(reader.lines == written - lost);
    CHECK(reader.broken == 0);
}

TEST(a_reader_that_makes_stderr_nonblocking_loses_nothing)
{
    enum { COUNT = 2000 };
    CHECK(capture_begin(&captured, 4096));
    CHECK(fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK) == 0);
    log_start(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    for (size_t i = 0; i < COUNT; i++) {
        log_info("one of many", LOG_NUMBER("n", i), LOG_NUMBER("end", 1));
    }
    pthread_t thread;
    struct reader reader = { .fd = captured.reader };
    CHECK_OK(thread_start(&thread, "reader", read_lines, &reader));
    log_stop();
    dup2(captured.saved, STDERR_FILENO);
    pthread_join(thread, NULL);
    close(captured.saved);
    close(captured.reader);
    CHECK(reader.lines == COUNT);
    CHECK(reader.broken == 0);
}

TEST(lack_of_memory_costs_a_line_and_not_the_log)
{
    CHECK(capture_begin(&captured, 64 * 1024));
    log_start(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    uint64_t before = log_dropped();
    refuse_allocations_of = 1;
    log_info("lost");
    refuse_allocations_of = 0;
    log_info("kept");
    uint64_t lost = log_dropped() - before;
    log_stop();
    capture_end(&captured);
    CHECK(lost == 1);
    CHECK(strstr(captured.text, "lost") == NULL && strstr(captured.text, "kept") != NULL);
}

/* The line fits into its own memory, and the queue's cannot grow. */
TEST(a_queue_without_memory_recovers)
{
    char filler[1000];
    memset(filler, 'x', sizeof(filler));
    filler[sizeof(filler) - 1] = '\0';
    CHECK(capture_begin(&captured, 4096));
    log_start(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    uint64_t before = log_dropped();
    refuse_allocations_of = 16 * 1024;
    for (size_t i = 0; i < 100; i++) {
        log_info("filling", LOG_TEXT("filler", filler), LOG_NUMBER("end", 1));
    }
    refuse_allocations_of = 0;
    uint64_t lost = log_dropped() - before;
    log_info("afterwards", LOG_NUMBER("end", 1));
    pthread_t thread;
    struct reader reader = { .fd = captured.reader };
    CHECK_OK(thread_start(&thread, "reader", read_lines, &reader));
    log_stop();
    dup2(captured.saved, STDERR_FILENO);
    pthread_join(thread, NULL);
    close(captured.saved);
    close(captured.reader);
    CHECK(lost > 0 && lost < 100);
    CHECK(reader.lines == 101 - lost);
    CHECK(reader.broken == 0);
}

static void *write_lines(void *unused)
{
    for (size_t i = 0; i < 300; i++) {
        log_info("from a thread", LOG_NUMBER("n", i), LOG_NUMBER("end", 1));
    }
    return unused;
}

TEST(lines_of_threads_do_not_mix)
{
    enum { THREADS = 4 };
    CHECK(capture_begin(&captured, 4096));
    pthread_t reading;
    struct reader reader = { .fd = captured.reader };
    CHECK_OK(thread_start(&reading, "reader", read_lines, &reader));
    pthread_t threads[THREADS];
    log_start(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    for (size_t i = 0; i < THREADS; i++) {
        CHECK_OK(thread_start(&threads[i], "writer", write_lines, NULL));
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    log_stop();
    dup2(captured.saved, STDERR_FILENO);
    pthread_join(reading, NULL);
    close(captured.saved);
    close(captured.reader);
    CHECK(reader.lines == THREADS * 300);
    CHECK(reader.broken == 0);
}

/* Calls within one second of a fake clock; gives how many were allowed. */
static size_t allowed_of(size_t calls, time_t second)
{
    const struct timespec now = { .tv_sec = second };
    size_t allowed = 0;
    fake_time = &now;
    for (size_t i = 0; i < calls; i++) {
        allowed += log_request_allowed();
    }
    fake_time = NULL;
    return allowed;
}

TEST(lines_about_requests_are_limited_and_the_rest_is_told)
{
    CHECK(capture_begin(&captured, 64 * 1024));
    size_t below = allowed_of(LOG_REQUEST_LINES_MAX - 1, 1000);
    size_t last = allowed_of(1, 1000);
    size_t over = allowed_of(7, 1000);
    size_t silent = captured.size;
    size_t next_second = allowed_of(1, 1001);
    size_t after_long = allowed_of(LOG_REQUEST_LINES_MAX, 5000);
    capture_end(&captured);
    CHECK(below == LOG_REQUEST_LINES_MAX - 1 && last == 1 && over == 0);
    CHECK(silent == 0 && next_second == 1 && after_long == LOG_REQUEST_LINES_MAX);
    const char *told = strstr(captured.text, "left out count=7\n");
    CHECK(told != NULL && strchr(captured.text, '\n') == captured.text + captured.size - 1);
}

TEST(reads_the_names_of_levels_and_formats)
{
    static const char *const levels[] = { "debug", "info", "warn", "error" };
    for (size_t i = 0; i < 4; i++) {
        enum log_level level = LOG_LEVEL_DEBUG;
        CHECK(log_level_parse(levels[i], &level) && (size_t)level == i);
    }
    enum log_format format = LOG_FORMAT_TEXT;
    CHECK(log_format_parse("json", &format) && format == LOG_FORMAT_JSON);
    CHECK(log_format_parse("text", &format) && format == LOG_FORMAT_TEXT);
    static const char *const wrong[] = { "", "INFO", "warning", "inf", "json ", "trace" };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        enum log_level level = LOG_LEVEL_ERROR;
        CHECK(!log_level_parse(wrong[i], &level) && level == LOG_LEVEL_ERROR);
        CHECK(!log_format_parse(wrong[i], &format) && format == LOG_FORMAT_TEXT);
    }
}

HARNESS_TESTS(T(before_the_start_lines_are_text_of_info_and_above), T(writes_both_formats),
              T(a_json_line_stays_one_object_on_one_line),
              T(a_text_line_stays_one_line_and_its_fields_apart),
              T(a_field_that_does_not_fit_hides_no_other), T(levels_below_the_lowest_cost_nothing),
              T(stops_and_starts_again), T(a_full_queue_drops_and_counts_and_never_waits),
              T(a_reader_that_makes_stderr_nonblocking_loses_nothing),
              T(lack_of_memory_costs_a_line_and_not_the_log), T(a_queue_without_memory_recovers),
              T(lines_of_threads_do_not_mix),
              T(lines_about_requests_are_limited_and_the_rest_is_told),
              T(reads_the_names_of_levels_and_formats))
