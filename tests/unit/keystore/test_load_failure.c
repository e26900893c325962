#include "keystore/load_failure.h"

#include "base/cleanup.h"
#include "harness.h"

#include <stdint.h>
#include <stdlib.h>

static const struct pubkey some_key = { { 0xab, 0xcd } };
#define SOME_KEY \
    "0xabcd"     \
    "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"

TEST(a_line_says_where_and_why)
{
    static const struct {
        struct load_failure failure;
        const char *line;
    } cases[] = {
        { { .path = "/keys/a.yaml", .result = { STATUS_BAD_INPUT, "no" } }, "/keys/a.yaml: no" },
        { { .path = "/keys/a.yaml",
            .document = 2,
            .result = { STATUS_BAD_INPUT, "no" },
            .detail = { "privateKey" } },
          "/keys/a.yaml, document 2: privateKey: no" },
        { { .path = "a.json",
            .result = { STATUS_REFUSED, "wrong password" },
            .detail = { "a.txt" },
            .key = &some_key },
          "a.json, key " SOME_KEY ": a.txt: wrong password" },
        { { .path = "a.json",
            .result = { STATUS_BAD_INPUT, "no" },
            .detail = { "a.json: crypto.cipher" } },
          "a.json: crypto.cipher: no" },
        { { .path = "a.json",
            .result = { STATUS_NOT_FOUND, "no such file" },
            .detail = { "a.json" },
            .keys_kept = 1 },
          "a.json: no such file; the key loaded from it before stays" },
        { { .path = "a.yaml", .result = { STATUS_BAD_INPUT, "not YAML" }, .keys_kept = 3 },
          "a.yaml: not YAML; 3 keys loaded from it before stay" },
        { { .path = "a\n\x1b\x7f"
                    "b\xc3\xa9.yaml",
            .result = { STATUS_BAD_INPUT, "no" } },
          "a???b\xc3\xa9.yaml: no" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CLEANUP(free_ptr) char *line = load_failure_report(&cases[i].failure);
        CHECK(line != NULL);
        CHECK_TEXT(line, cases[i].line);
    }
}

TEST(the_longest_parts_fit)
{
    char path[4096 + 256];
    struct load_failure failure = {
        .path = path, .document = SIZE_MAX, .key = &some_key, .keys_kept = SIZE_MAX
    };
    memset(path, 'p', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    memset(failure.detail.text, 'd', sizeof(failure.detail.text) - 1);
    failure.result = FAIL(BAD_INPUT, "the reason");
    CLEANUP(free_ptr) char *line = load_failure_report(&failure);
    CHECK(line != NULL);
    CHECK(strncmp(line, path, sizeof(path) - 1) == 0);
    CHECK(strstr(line, "d: the reason; ") != NULL);
}

HARNESS_TESTS(T(a_line_says_where_and_why), T(the_longest_parts_fit))
