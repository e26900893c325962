#include "keystore/password_file.h"

#include "harness.h"
#include "keystore/eip2335.h"
#include "temp_files.h"

#include <stdint.h>
#include <sys/stat.h>

#define TEMP_DIR                                          \
    CLEANUP(temp_dir_close) struct temp_dir dir = { "" }; \
    CHECK(temp_dir_open(&dir))

/* Writes the file and reads it as a password. */
static struct result read_back(const struct temp_dir *dir, const char *bytes, size_t size,
                               struct secret_block *out)
{
    struct temp_path path = temp_path(dir, "password");
    ENSURE(temp_write(dir, "password", bytes, size), NOT_FOUND, "cannot write");
    return password_file_read(path.text, out, NULL);
}

TEST(line_ends_behind_it_are_stripped_and_nothing_else)
{
    static const struct {
        const char *bytes;
        const char *password;
    } cases[] = {
        { "pass", "pass" },         { "pass\n", "pass" },
        { "pass\r\n", "pass" },     { "pass\n\n", "pass" },
        { "pass\r\n\r\n", "pass" }, { "pass\r", "pass" },
        { " pass ", " pass " },     { "pass\t\n", "pass\t" },
        { "\npass\n", "\npass" },   { "one\ntwo\n", "one\ntwo" },
        { "pass\n ", "pass\n " },   { "\xef\xbb\xbfpass", "\xef\xbb\xbfpass" },
        { "\xff\n", "\xff" },
    };
    TEMP_DIR;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        SECRET_BLOCK password = { 0 };
        CHECK_OK(read_back(&dir, cases[i].bytes, strlen(cases[i].bytes), &password));
        CHECK(password.size == strlen(cases[i].password));
        CHECK(memcmp(password.data, cases[i].password, password.size) == 0);
    }
}

TEST(zero_bytes_are_part_of_it)
{
    TEMP_DIR;
    SECRET_BLOCK password = { 0 };
    CHECK_OK(read_back(&dir, "a\0b\n", 4, &password));
    CHECK(password.size == 3 && memcmp(password.data, "a\0b", 3) == 0);
}

TEST(an_empty_file_is_refused)
{
    static const char *const empty[] = { "", "\n", "\r\n", "\n\n\r\r\n" };
    TEMP_DIR;
    for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
        SECRET_BLOCK password = { 0 };
        CHECK_FAILS(BAD_INPUT, read_back(&dir, empty[i], strlen(empty[i]), &password));
    }
}

TEST(length_is_bounded_at_the_limit)
{
    TEMP_DIR;
    char bytes[PASSWORD_FILE_MAX + 1];
    memset(bytes, 'p', sizeof(bytes));
    {
        SECRET_BLOCK password = { 0 };
        CHECK_OK(read_back(&dir, bytes, EIP2335_PASSWORD_MAX, &password));
        CHECK(password.size == EIP2335_PASSWORD_MAX);
    }
    SECRET_BLOCK password = { 0 };
    CHECK_FAILS(LIMIT, read_back(&dir, bytes, EIP2335_PASSWORD_MAX + 1, &password));
    memset(bytes + EIP2335_PASSWORD_MAX, '\n', PASSWORD_FILE_MAX + 1 - EIP2335_PASSWORD_MAX);
    CHECK_FAILS(LIMIT, read_back(&dir, bytes, PASSWORD_FILE_MAX + 1, &password));
    CHECK_OK(read_back(&dir, bytes, PASSWORD_FILE_MAX, &password));
    CHECK(password.size == EIP2335_PASSWORD_MAX);
}

TEST(what_cannot_be_read_is_named)
{
    TEMP_DIR;
    struct temp_path path = temp_path(&dir, "none");
    struct detail detail = { "" };
    SECRET_BLOCK password = { 0 };
    CHECK_FAILS(NOT_FOUND, password_file_read(path.text, &password, &detail));
    CHECK(strncmp(detail.text, path.text, strlen(path.text)) == 0);
    CHECK(temp_mkdir(&dir, "none"));
    CHECK_FAILS(BAD_INPUT, password_file_read(path.text, &password, &detail));
    CHECK_TEXT(detail.text, path.text);
    CHECK(temp_write_text(&dir, "empty", "\n"));
    path = temp_path(&dir, "empty");
    CHECK_FAILS(BAD_INPUT, password_file_read(path.text, &password, &detail));
    CHECK_TEXT(detail.text, path.text);
}

HARNESS_TESTS(T(line_ends_behind_it_are_stripped_and_nothing_else), T(zero_bytes_are_part_of_it),
              T(an_empty_file_is_refused), T(length_is_bounded_at_the_limit),
              T(what_cannot_be_read_is_named))
