#include "enclave/log_lines.h"

#include "enclave/bootstrap.h"
#include "harness.h"

enum { PLENTY = UINT32_MAX };

static const uint64_t second = 1000 * 1000 * 1000;

static struct log_lines *made(uint64_t bytes_per_second)
{
    struct log_lines *lines = NULL;
    if (!is_ok(log_lines_new(bytes_per_second, 0, &lines))) {
        abort();
    }
    return lines;
}

#define LINES(rate) CLEANUP(log_lines_free_ptr) struct log_lines *lines = made(rate)

static void add(struct log_lines *lines, const char *text)
{
    log_lines_add(lines, (const uint8_t *)text, strlen(text), 0);
}

/* The oldest line is this one; it is forgotten. */
static bool next_is(struct log_lines *lines, const char *wanted, size_t size)
{
    const uint8_t *line = NULL;
    size_t got = 0;
    if (!log_lines_first(lines, &line, &got)) {
        return false;
    }
    bool same = got == size && memcmp(line, wanted, size) == 0;
    log_lines_forget(lines);
    return same;
}

static bool is_empty(const struct log_lines *lines)
{
    const uint8_t *line = NULL;
    size_t size = 0;
    return !log_lines_first(lines, &line, &size);
}

TEST(lines_come_out_in_order_however_the_bytes_come_in)
{
    const char *text = "one\ntwo\n\nthree\n";
    for (size_t piece = 1; piece <= strlen(text); piece++) {
        LINES(PLENTY);
        for (size_t at = 0; at < strlen(text); at += piece) {
            size_t left = strlen(text) - at;
            log_lines_add(lines, (const uint8_t *)text + at, left < piece ? left : piece, 0);
        }
        CHECK(next_is(lines, "one", 3) && next_is(lines, "two", 3) && next_is(lines, "three", 5));
        CHECK(is_empty(lines) && log_lines_dropped(lines) == 0);
    }
}

TEST(a_line_that_was_only_begun_comes_out_at_the_end_only)
{
    LINES(PLENTY);
    add(lines, "half");
    CHECK(is_empty(lines));
    log_lines_end(lines, 0);
    CHECK(next_is(lines, "half", 4) && is_empty(lines));
    log_lines_end(lines, 0);
    CHECK(is_empty(lines));
}

TEST(a_line_of_the_longest_passes_whole_and_one_that_is_longer_is_cut)
{
    static char text[3 * BOOTSTRAP_LOG_MAX];
    memset(text, 'x', sizeof(text));
    static const size_t sizes[] = { BOOTSTRAP_LOG_MAX - 1, BOOTSTRAP_LOG_MAX, BOOTSTRAP_LOG_MAX + 1,
                                    sizeof(text) };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t wanted = sizes[i] < BOOTSTRAP_LOG_MAX ? sizes[i] : BOOTSTRAP_LOG_MAX;
        LINES(PLENTY);
        log_lines_add(lines, (const uint8_t *)text, sizes[i], 0);
        add(lines, "tail\nnext\n");
        if (sizes[i] < BOOTSTRAP_LOG_MAX) {
            text[sizes[i]] = 't';
            wanted++;
        }
        CHECK(next_is(lines, text, wanted) && next_is(lines, "next", 4) && is_empty(lines));
        CHECK(log_lines_dropped(lines) == 0);
        memset(text, 'x', sizeof(text));
    }
}

/* So many lines of 1000 bytes fit; each costs LOG_LINES_COST more. */
enum { SIZE = 1000, FIT = LOG_LINES_HELD_MAX / (SIZE + LOG_LINES_COST) };

static void number_line(size_t number, char out[static SIZE + 2])
{
    memset(out, '.', SIZE);
    snprintf(out, SIZE, "%zu", number);
    out[SIZE] = '\n';
    out[SIZE + 1] = '\0';
}

TEST(when_there_is_no_room_the_old_lines_stay_and_the_new_are_dropped_and_counted)
{
    LINES(PLENTY);
    char text[SIZE + 2];
    for (size_t i = 0; i < FIT + 3; i++) {
        number_line(i, text);
        log_lines_add(lines, (const uint8_t *)text, SIZE + 1, 0);
    }
    CHECK(log_lines_dropped(lines) == 3);
    for (size_t i = 0; i < FIT; i++) {
        number_line(i, text);
        CHECK(next_is(lines, text, SIZE));
    }
    CHECK(is_empty(lines));
}

TEST(lines_that_come_and_go_for_long_are_all_there)
{
    LINES(PLENTY);
    char text[SIZE + 2];
    size_t out = 0;
    for (size_t in = 0; in < 3000; in++) {
        number_line(in, text);
        log_lines_add(lines, (const uint8_t *)text, SIZE + 1, in * second);
        for (size_t behind = in % 7 == 0 ? 0 : 200; in - out > behind && out <= in; out++) {
            number_line(out, text);
            CHECK(next_is(lines, text, SIZE));
        }
    }
    CHECK(log_lines_dropped(lines) == 0);
}

TEST(what_is_over_the_rate_is_dropped_and_counted_until_time_has_passed)
{
    LINES(100); /* and LOG_LINES_HELD_MAX at once */
    char text[SIZE + 2];
    for (size_t i = 0; log_lines_dropped(lines) == 0; i++) {
        CHECK(i < LOG_LINES_HELD_MAX / SIZE);
        number_line(i, text);
        log_lines_add(lines, (const uint8_t *)text, SIZE + 1, 0);
        CHECK(log_lines_dropped(lines) == 1 || next_is(lines, text, SIZE));
    }
    CHECK(is_empty(lines));
    log_lines_add(lines, (const uint8_t *)text, SIZE + 1, 5 * second);
    CHECK(log_lines_dropped(lines) == 2);
    log_lines_add(lines, (const uint8_t *)text, SIZE + 1, 20 * second);
    CHECK(log_lines_dropped(lines) == 2 && next_is(lines, text, SIZE));
}

HARNESS_TESTS(T(lines_come_out_in_order_however_the_bytes_come_in),
              T(a_line_that_was_only_begun_comes_out_at_the_end_only),
              T(a_line_of_the_longest_passes_whole_and_one_that_is_longer_is_cut),
              T(when_there_is_no_room_the_old_lines_stay_and_the_new_are_dropped_and_counted),
              T(lines_that_come_and_go_for_long_are_all_there),
              T(what_is_over_the_rate_is_dropped_and_counted_until_time_has_passed))
