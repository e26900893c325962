#include "base/buf.h"
#include "base/cleanup.h"
#include "child.h"
#include "harness.h"

#include <stdlib.h>

void *__real_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size);
static bool refuse_memory;

void *__wrap_realloc(void *block, size_t size)
{
    return refuse_memory ? NULL : __real_realloc(block, size);
}

TEST(begins_empty_and_without_memory)
{
    BUF buf = BUF_INIT(10);
    CHECK(buf.data == NULL && buf.size == 0);
    CHECK_OK(buf_check(&buf));
    CHECK(buf_take(&buf) == NULL);
}

TEST(holds_what_was_appended_with_a_nul_behind)
{
    BUF buf = BUF_INIT(100);
    buf_append(&buf, NULL, 0);
    CHECK_TEXT(buf.data, "");
    buf_append_text(&buf, "ab");
    buf_append(&buf, "c\0d", 3);
    buf_printf(&buf, "%d-%s", 42, "x");
    CHECK_OK(buf_check(&buf));
    CHECK(buf.size == 9);
    CHECK(memcmp(buf.data, "abc\0d42-x", 10) == 0);
}

/* Fills up to `before` bytes, then adds `more` in each of the three ways. */
static struct result fill(size_t max, size_t before, size_t more, int way, size_t *size_out)
{
    static const char letters[] = "xxxxxxxxxxxxxxxxxxxx";
    BUF buf = BUF_INIT(max);
    for (size_t i = 0; i < before; i++) {
        buf_append(&buf, "-", 1);
    }
    if (way == 0) {
        buf_append(&buf, letters, more);
    } else if (way == 1) {
        buf_append_text(&buf, letters + sizeof(letters) - 1 - more);
    } else {
        buf_printf(&buf, "%.*s", (int)more, letters);
    }
    *size_out = buf.size;
    return buf_check(&buf);
}

TEST(takes_its_maximum_and_nothing_of_what_would_pass_it)
{
    static const size_t maxima[] = { 0, 1, 10, 255, 256, 257, 1000 };
    for (size_t i = 0; i < sizeof(maxima) / sizeof(maxima[0]); i++) {
        for (int way = 0; way < 3; way++) {
            size_t max = maxima[i];
            size_t more = max < 10 ? max : 10;
            size_t size = 0;
            CHECK_OK(fill(max, max - more, more, way, &size));
            CHECK(size == max);
            CHECK_FAILS(LIMIT, fill(max, max - more, more + 1, way, &size));
            CHECK(size == max - more);
        }
    }
}

TEST(a_failure_sticks_until_it_is_cleared)
{
    BUF buf = BUF_INIT(4);
    buf_append_text(&buf, "abc");
    buf_append_text(&buf, "de");
    CHECK_FAILS(LIMIT, buf_check(&buf));
    buf_append_text(&buf, "f");
    buf_printf(&buf, "g");
    CHECK_TEXT(buf.data, "abc");
    CHECK_FAILS(LIMIT, buf_check(&buf));
    buf_clear(&buf);
    CHECK_OK(buf_check(&buf));
    CHECK(buf.size == 0);
    CHECK_TEXT(buf.data, "");
    buf_append_text(&buf, "wxyz");
    CHECK_TEXT(buf.data, "wxyz");
}

TEST(truncates_to_what_is_there)
{
    BUF buf = BUF_INIT(4);
    buf_truncate(&buf, 0);
    CHECK(buf.data == NULL);
    buf_append_text(&buf, "abcd");
    buf_append_text(&buf, "e");
    buf_truncate(&buf, 4);
    CHECK_OK(buf_check(&buf));
    buf_truncate(&buf, 1);
    CHECK_TEXT(buf.data, "a");
    buf_append_text(&buf, "xyz");
    CHECK_TEXT(buf.data, "axyz");
}

TEST(hands_its_memory_over)
{
    BUF buf = BUF_INIT(4);
    buf_append_text(&buf, "abcd");
    CLEANUP(free_ptr) char *taken = buf_take(&buf);
    CHECK_TEXT(taken, "abcd");
    CHECK(buf.data == NULL && buf.size == 0 && buf.max == 4);
    buf_append_text(&buf, "efgh");
    CHECK_OK(buf_check(&buf));
    CHECK_TEXT(buf.data, "efgh");
    CHECK_TEXT(taken, "abcd");
    buf_free(&buf);
    buf_free(&buf);
    CHECK(buf.data == NULL && buf.size == 0);
}

TEST(lack_of_memory_is_a_failure_and_loses_nothing)
{
    BUF buf = BUF_INIT(1000 * 1000);
    buf_append_text(&buf, "abc");
    char letters[1000];
    memset(letters, 'x', sizeof(letters));
    refuse_memory = true;
    buf_append(&buf, letters, sizeof(letters));
    refuse_memory = false;
    CHECK_FAILS(LIMIT, buf_check(&buf));
    CHECK_TEXT(buf.data, "abc");
}

static void append_one(void *context)
{
    buf_append(context, "x", 1);
}

static void truncate_to_one(void *context)
{
    buf_truncate(context, 1);
}

TEST(aborts_when_it_is_misused)
{
    struct buf boundless = BUF_INIT(SIZE_MAX);
    struct buf empty = BUF_INIT(10);
    CHECK(child_signal(append_one, &boundless) == SIGABRT);
    CHECK(child_signal(truncate_to_one, &empty) == SIGABRT);
    CHECK(child_signal(append_one, &empty) == 0);
}

HARNESS_TESTS(T(begins_empty_and_without_memory), T(holds_what_was_appended_with_a_nul_behind),
              T(takes_its_maximum_and_nothing_of_what_would_pass_it),
              T(a_failure_sticks_until_it_is_cleared), T(truncates_to_what_is_there),
              T(hands_its_memory_over), T(lack_of_memory_is_a_failure_and_loses_nothing),
              T(aborts_when_it_is_misused))
