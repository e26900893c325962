#define _GNU_SOURCE
#include "parent/log_sink.h"

#include "base/file.h"
#include "enclave/bootstrap.h"
#include "harness.h"

#include <unistd.h>

enum { TEXT_MAX = 8 * BOOTSTRAP_LOG_MAX };

TEST(lines_become_one_object_each)
{
    static const struct {
        const char *line;
        size_t size;
        const char *wanted;
    } cases[] = {
        { "{\"a\":1}", 7, "{\"a\":1}\n" },
        { "{\"\xc3\xa4\":\"\xc3\xa9\"}", 11, "{\"\xc3\xa4\":\"\xc3\xa9\"}\n" },
        { "{\"a\":\t1}\r", 9, "{\"a\": 1} \n" },
        { "{\"a\":\"\x7f\"}", 9, "{\"a\":\"?\"}\n" },
        { "{\"a\":\"\xc2\x9b\"}", 10, "{\"a\":\"??\"}\n" },
        { "{\"a\":\"\xc2\xa0\"}", 10, "{\"a\":\"\xc2\xa0\"}\n" },
        { "{\"a\":\"\xe2\x80\xa8|\xe2\x80\xae\"}", 15, "{\"a\":\"\?\?\?|\?\?\?\"}\n" },
        { "{\"a\":\"\xe2\x81\xa6|\xe2\x81\xa9\"}", 15, "{\"a\":\"\?\?\?|\?\?\?\"}\n" },
        { "{\"a\":\"\xe2\x80\xa7|\xe2\x82\xac\"}", 15, "{\"a\":\"\xe2\x80\xa7|\xe2\x82\xac\"}\n" },
        { "text", 4, "{\"source\":\"enclave\",\"line\":\"text\"}\n" },
        { "[1]", 3, "{\"source\":\"enclave\",\"line\":\"[1]\"}\n" },
        { "{\"a\":1}}", 8, "{\"source\":\"enclave\",\"line\":\"{\\\"a\\\":1}}\"}\n" },
        { "a\0b", 3, "{\"source\":\"enclave\",\"line\":\"a?b\"}\n" },
        { "\x1b[31m", 5, "{\"source\":\"enclave\",\"line\":\"\\u001b[31m\"}\n" },
        { "\xff", 1, "{\"source\":\"enclave\",\"line\":\"?\"}\n" },
        { "\xe2\x80\xa8", 3, "{\"source\":\"enclave\",\"line\":\"\\u2028\"}\n" },
        { "\xe2\x80\xaex", 4, "{\"source\":\"enclave\",\"line\":\"\?\?\?x\"}\n" },
        { "{\xe2\x81\xa6", 4, "{\"source\":\"enclave\",\"line\":\"{\?\?\?\"}\n" },
        { "{\"\x7f\":1,\"?\":2}", 13,
          "{\"source\":\"enclave\",\"line\":\"{\\\"?\\\":1,\\\"?\\\":2}\"}\n" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        BUF out = BUF_INIT(TEXT_MAX);
        log_sink_format((const uint8_t *)cases[i].line, cases[i].size, &out);
        CHECK_OK(buf_check(&out));
        CHECK_TEXT(out.data, cases[i].wanted);
    }
}

TEST(every_line_of_any_bytes_is_one_printable_line)
{
    uint8_t line[BOOTSTRAP_LOG_MAX];
    for (unsigned round = 0; round < 256; round++) {
        BUF out = BUF_INIT(TEXT_MAX);
        size_t size = round == 0 ? sizeof(line) : 40;
        for (size_t i = 0; i < size; i++) {
            line[i] = (uint8_t)(round + i * (round == 0 ? 0 : 37));
        }
        log_sink_format(line, size, &out);
        CHECK_OK(buf_check(&out)); /* also the longest of the worst */
        for (size_t i = 0; i < out.size; i++) {
            uint8_t byte = (uint8_t)out.data[i];
            CHECK((byte >= 0x20 && byte != 0x7f) || (byte == '\n' && i + 1 == out.size));
        }
    }
}

/* The counts once so many lines are written or dropped: a thread does that. */
static struct log_sink_counts counts_of_all(const struct log_sink *sink, uint64_t wanted)
{
    struct log_sink_counts counts = log_sink_counts(sink);
    for (int i = 0; i < 60000 && counts.lines + counts.dropped < wanted; i++) {
        usleep(1000);
        counts = log_sink_counts(sink);
    }
    return counts;
}

TEST(lines_are_written_in_order_and_those_over_the_rate_are_counted)
{
    char folder[] = "/tmp/chamber-sink-XXXXXX";
    char path[64];
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof(path), "%s/log", folder);
    CLEANUP(log_sink_free_ptr) struct log_sink *sink = NULL;
    struct detail detail;
    CHECK_OK(log_sink_new(path, 100, &sink, &detail)); /* a burst of 1000 bytes */
    for (int i = 0; i < 100; i++) {
        char line[32];
        snprintf(line, sizeof(line), "{\"n\":%d}", i);
        log_sink_line(sink, (const uint8_t *)line, strlen(line));
    }
    struct log_sink_counts counts = counts_of_all(sink, 100);
    CHECK(counts.lines + counts.dropped == 100 && counts.lines >= 10 && counts.dropped > 0);
    log_sink_free(STEAL(sink)); /* writes what is waiting */
    SECRET_BLOCK text = { 0 };
    CHECK_OK(file_read(path, TEXT_MAX, &text, &detail));
    const char *at = (const char *)text.data;
    for (unsigned i = 0; i < 10; i++) {
        char line[32];
        snprintf(line, sizeof(line), "{\"n\":%u}\n", i);
        CHECK(strncmp(at, line, strlen(line)) == 0);
        at += strlen(line);
    }
    CHECK(unlink(path) == 0 && rmdir(folder) == 0);
}

/* /dev/full takes nothing, as a full disk. */
TEST(lines_that_a_full_disk_did_not_take_count_as_dropped)
{
    CLEANUP(log_sink_free_ptr) struct log_sink *sink = NULL;
    struct detail detail;
    CHECK_OK(log_sink_new("/dev/full", 1000 * 1000, &sink, &detail));
    for (int i = 0; i < 20; i++) {
        log_sink_line(sink, (const uint8_t *)"{}", 2);
        CHECK(log_sink_counts(sink).lines == 0); /* not even for a moment */
    }
    struct log_sink_counts counts = counts_of_all(sink, 20);
    CHECK(counts.dropped == 20 && counts.lines == 0);
}

TEST(a_file_that_cannot_be_opened_is_named)
{
    struct log_sink *sink = NULL;
    struct detail detail;
    CHECK_FAILS(UNAVAILABLE, log_sink_new("/nowhere/log", 100, &sink, &detail));
    CHECK(strstr(detail.text, "/nowhere/log (No such file") == detail.text);
}

HARNESS_TESTS(T(lines_become_one_object_each), T(every_line_of_any_bytes_is_one_printable_line),
              T(lines_are_written_in_order_and_those_over_the_rate_are_counted),
              T(lines_that_a_full_disk_did_not_take_count_as_dropped),
              T(a_file_that_cannot_be_opened_is_named))
