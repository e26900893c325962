#define _GNU_SOURCE
#include "keystore/file_id.h"

#include "base/cleanup.h"
#include "harness.h"
#include "temp_files.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>

#define TEMP_DIR                                          \
    CLEANUP(temp_dir_close) struct temp_dir dir = { "" }; \
    CHECK(temp_dir_open(&dir))

TEST(a_file_is_its_own_equal)
{
    TEMP_DIR;
    struct temp_path path = temp_path(&dir, "a");
    struct file_id first = { 0 };
    struct file_id second = { 0 };
    CHECK(temp_write_text(&dir, "a", "text"));
    CHECK_OK(file_id_read(path.text, &first, NULL));
    CHECK_OK(file_id_read(path.text, &second, NULL));
    CHECK(file_id_equal(&first, &second));
    CHECK(first.size == 4);
}

TEST(a_file_that_was_replaced_or_grew_differs)
{
    TEMP_DIR;
    struct temp_path path = temp_path(&dir, "a");
    struct file_id first = { 0 };
    struct file_id second = { 0 };
    struct file_id third = { 0 };
    CHECK(temp_write_text(&dir, "a", "text"));
    CHECK_OK(file_id_read(path.text, &first, NULL));
    CHECK(temp_write_text(&dir, "a", "next"));
    CHECK_OK(file_id_read(path.text, &second, NULL));
    CHECK(!file_id_equal(&first, &second));
    CHECK(truncate(path.text, 5) == 0);
    CHECK_OK(file_id_read(path.text, &third, NULL));
    CHECK(!file_id_equal(&second, &third));
}

TEST(each_part_counts)
{
    static const struct file_id good = { 1, 2, 3, 4, 5, 6 };
    static const struct file_id others[] = {
        { 9, 2, 3, 4, 5, 6 }, { 1, 9, 3, 4, 5, 6 }, { 1, 2, 9, 4, 5, 6 },
        { 1, 2, 3, 9, 5, 6 }, { 1, 2, 3, 4, 9, 6 },
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        CHECK(!file_id_equal(&good, &others[i]));
    }
    CHECK(file_id_equal(&good, &good));
}

TEST(a_time_that_was_set_back_shows)
{
    TEMP_DIR;
    struct temp_path path = temp_path(&dir, "a");
    struct file_id first = { 0 };
    struct file_id second = { 0 };
    struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
                                 { .tv_sec = 1000000000, .tv_nsec = 7 } };
    CHECK(temp_write_text(&dir, "a", "text"));
    CHECK(utimensat(AT_FDCWD, path.text, times, 0) == 0);
    CHECK_OK(file_id_read(path.text, &first, NULL));
    CHECK(first.modified_ns == 1000000000000000007);
    CHECK(first.changed_ns > first.modified_ns);
    times[1].tv_nsec = 8;
    CHECK(utimensat(AT_FDCWD, path.text, times, 0) == 0);
    CHECK_OK(file_id_read(path.text, &second, NULL));
    CHECK(!file_id_equal(&first, &second));
}

TEST(a_link_is_what_it_points_to)
{
    TEMP_DIR;
    struct temp_path path = temp_path(&dir, "a");
    struct temp_path link = temp_path(&dir, "l");
    struct file_id first = { 0 };
    struct file_id second = { 0 };
    CHECK(temp_write_text(&dir, "a", "text"));
    CHECK(symlink("a", link.text) == 0);
    CHECK_OK(file_id_read(path.text, &first, NULL));
    CHECK_OK(file_id_read(link.text, &second, NULL));
    CHECK(file_id_equal(&first, &second));
}

TEST(what_is_not_there_is_named)
{
    TEMP_DIR;
    struct temp_path path = temp_path(&dir, "a");
    struct temp_path below = temp_path(&dir, "b/c");
    struct file_id id = { 0 };
    struct detail detail = { "" };
    CHECK_FAILS(NOT_FOUND, file_id_read(path.text, &id, &detail));
    CHECK(strncmp(detail.text, path.text, strlen(path.text)) == 0);
    CHECK(temp_write_text(&dir, "b", ""));
    CHECK_FAILS(UNAVAILABLE, file_id_read(below.text, &id, &detail));
    CHECK(strncmp(detail.text, below.text, strlen(below.text)) == 0);
}

TEST(files_that_others_may_read_are_exposed)
{
    static const struct {
        mode_t mode;
        bool exposed;
    } cases[] = { { 0600, false }, { 0400, false }, { 0640, true },
                  { 0604, true },  { 0444, true },  { 0622, false } };
    TEMP_DIR;
    struct temp_path path = temp_path(&dir, "a");
    CHECK(temp_write_text(&dir, "a", "text"));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct file_id id = { 0 };
        CHECK(chmod(path.text, cases[i].mode) == 0);
        CHECK_OK(file_id_read(path.text, &id, NULL));
        CHECK(file_id_is_exposed(&id) == cases[i].exposed);
    }
}

HARNESS_TESTS(T(a_file_is_its_own_equal), T(a_file_that_was_replaced_or_grew_differs),
              T(each_part_counts), T(a_time_that_was_set_back_shows),
              T(a_link_is_what_it_points_to), T(what_is_not_there_is_named),
              T(files_that_others_may_read_are_exposed))
