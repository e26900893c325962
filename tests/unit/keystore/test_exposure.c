#include "keystore/exposure.h"

#include "base/cleanup.h"
#include "harness.h"

#define EXPOSURE                                     \
    CLEANUP(exposure_done) struct exposure exposure; \
    exposure_init(&exposure)

TEST(each_directory_is_told_of_once)
{
    EXPOSURE;
    CHECK(exposure_note(&exposure, EXPOSURE_PASSWORD, "/keys/a.txt"));
    CHECK(!exposure_note(&exposure, EXPOSURE_PASSWORD, "/keys/a.txt"));
    CHECK(!exposure_note(&exposure, EXPOSURE_PASSWORD, "/keys/b.txt"));
    CHECK(exposure_note(&exposure, EXPOSURE_PASSWORD, "/keys/more/b.txt"));
    CHECK(exposure_note(&exposure, EXPOSURE_PASSWORD, "/key/b.txt"));
    CHECK(exposure_note(&exposure, EXPOSURE_PASSWORD, "b.txt"));
    CHECK(!exposure_note(&exposure, EXPOSURE_PASSWORD, "c.txt"));
}

TEST(kinds_are_told_of_apart)
{
    EXPOSURE;
    CHECK(exposure_note(&exposure, EXPOSURE_PASSWORD, "/keys/a.txt"));
    CHECK(exposure_note(&exposure, EXPOSURE_RAW_KEY, "/keys/a.yaml"));
    CHECK(!exposure_note(&exposure, EXPOSURE_RAW_KEY, "/keys/b.yaml"));
    CHECK_TEXT(exposure_kind_name(EXPOSURE_PASSWORD), "password");
    CHECK_TEXT(exposure_kind_name(EXPOSURE_RAW_KEY), "private key");
}

TEST(directories_are_bounded_at_the_limit)
{
    EXPOSURE;
    char path[64];
    for (int i = 0; i < EXPOSURE_DIRECTORIES_MAX; i++) {
        snprintf(path, sizeof(path), "/keys/%d/a", i);
        CHECK(exposure_note(&exposure, EXPOSURE_PASSWORD, path));
    }
    CHECK(!exposure_note(&exposure, EXPOSURE_PASSWORD, "/keys/one-more/a"));
    CHECK(!exposure_note(&exposure, EXPOSURE_PASSWORD, "/keys/0/a"));
    CHECK(exposure_note(&exposure, EXPOSURE_RAW_KEY, "/keys/one-more/a"));
}

HARNESS_TESTS(T(each_directory_is_told_of_once), T(kinds_are_told_of_apart),
              T(directories_are_bounded_at_the_limit))
