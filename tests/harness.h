/* harness.h: a test program's skeleton, TAP on stdout.
 * TEST(name) { … CHECK(condition); … } and, last in the file, HARNESS_MAIN(name, …). A failed CHECK
 * prints where and ends its test; the others run on. */
#ifndef TESTS_HARNESS_H
#define TESTS_HARNESS_H

#include "base/json.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct harness_test {
    const char *name;
    void (*run)(void);
};

static bool harness_failed;
static const char *harness_skipped; /* why; NULL: the test was run */

/* How often a test that does the same thing very often does it: a tenth of that under valgrind,
 * where everything takes fifty times as long. The sanitizers see all of it. */
static inline size_t harness_rounds(size_t rounds)
{
    return getenv("CHAMBER_VALGRIND") == NULL ? rounds : (rounds + 9) / 10;
}

#define TEST(name) static void test_##name(void)

#define CHECK(condition)                                             \
    do {                                                             \
        if (!(condition)) {                                          \
            printf("# %s:%d: %s\n", __FILE__, __LINE__, #condition); \
            harness_failed = true;                                   \
            return;                                                  \
        }                                                            \
    } while (0)

/* Ends a test that cannot be run here, and says why. */
#define SKIP(reason)                \
    do {                            \
        harness_skipped = (reason); \
        return;                     \
    } while (0)

/* The call must give OK. */
#define CHECK_OK(call)                                                                       \
    do {                                                                                     \
        struct result check_result_ = (call);                                                \
        if (!is_ok(check_result_)) {                                                         \
            printf("# %s:%d: %s gave: %s\n", __FILE__, __LINE__, #call, check_result_.what); \
            harness_failed = true;                                                           \
            return;                                                                          \
        }                                                                                    \
    } while (0)

/* The call must fail with STATUS_<st>. */
#define CHECK_FAILS(st, call)                                                     \
    do {                                                                          \
        struct result check_result_ = (call);                                     \
        if (check_result_.status != STATUS_##st) {                                \
            printf("# %s:%d: %s gave status %d: %s\n", __FILE__, __LINE__, #call, \
                   (int)check_result_.status, check_result_.what);                \
            harness_failed = true;                                                \
            return;                                                               \
        }                                                                         \
    } while (0)

#define CHECK_TEXT(got, wanted)                                                                \
    do {                                                                                       \
        const char *got_ = (got);                                                              \
        const char *wanted_ = (wanted);                                                        \
        if (strcmp(got_, wanted_) != 0) {                                                      \
            printf("# %s:%d: got \"%s\", wanted \"%s\"\n", __FILE__, __LINE__, got_, wanted_); \
            harness_failed = true;                                                             \
            return;                                                                            \
        }                                                                                      \
    } while (0)

static int harness_run(const struct harness_test *tests, size_t count)
{
    int failures = 0;
    setvbuf(stdout, NULL, _IONBF, 0); /* a forked child must not print the parent's lines again */
    json_init();
    printf("1..%zu\n", count);
    for (size_t i = 0; i < count; i++) {
        harness_failed = false;
        harness_skipped = NULL;
        tests[i].run();
        printf("%s %zu - %s%s%s\n", harness_failed ? "not ok" : "ok", i + 1, tests[i].name,
               harness_skipped == NULL ? "" : " # SKIP ",
               harness_skipped == NULL ? "" : harness_skipped);
        failures += harness_failed;
    }
    return failures == 0 ? 0 : 1;
}

#define HARNESS_TESTS(...)                                           \
    int main(void)                                                   \
    {                                                                \
        static const struct harness_test tests[] = { __VA_ARGS__ };  \
        return harness_run(tests, sizeof(tests) / sizeof(tests[0])); \
    }
/* clang-format would take the braces for a block. */
/* clang-format off */
#define T(name) { #name, test_##name }
/* clang-format on */

#endif
