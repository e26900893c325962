#include "enclave/boot_line.h"
#include "harness.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
ssize_t __real_read(int fd, void *out, size_t size);
ssize_t __wrap_read(int fd, void *out, size_t size);
ssize_t __wrap___read_chk(int fd, void *out, size_t size, size_t room);

static char file_text[BOOT_LINE_MAX + 2];
static size_t file_size;
static bool absent;
static bool broken;
static size_t at_once = SIZE_MAX; /* bytes of one read() */

int __wrap_open64(const char *path, int flags, ...)
{
    if (strcmp(path, "/proc/cmdline") != 0) {
        return __real_open64(path, flags);
    }
    int fd = absent ? -1 : memfd_create("cmdline", MFD_CLOEXEC);
    if (fd >= 0 &&
        (write(fd, file_text, file_size) != (ssize_t)file_size || lseek(fd, 0, SEEK_SET) != 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

ssize_t __wrap_read(int fd, void *out, size_t size)
{
    return broken ? -1 : __real_read(fd, out, size < at_once ? size : at_once);
}

/* Where the compiler checks sizes, read() is this. */
ssize_t __wrap___read_chk(int fd, void *out, size_t size, size_t room)
{
    return size <= room ? __wrap_read(fd, out, size) : -1;
}

static struct boot_line line;
static struct detail detail;

static struct result parse(const char *text)
{
    line.parent_cid = 77;
    detail = (struct detail){ "" };
    return boot_line_parse(text, strlen(text), &line, &detail);
}

TEST(a_line_without_our_words_means_nitros_parent)
{
    static const char *const lines[] = {
        "",
        "\n",
        "   ",
        "console=ttyS0 reboot=k panic=30 pci=off",
        /* Not ours, however near. */
        "xchamber.parent_cid=9",
        "chamber=parent_cid=9",
        "parent_cid=9",
        "Chamber.parent_cid=9",
        "chamber",
        "-- chamberparent_cid=9",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        CHECK_OK(parse(lines[i]));
        CHECK(line.parent_cid == 3);
    }
}

TEST(a_parent_is_read_wherever_it_stands)
{
    static const struct {
        const char *text;
        uint32_t cid;
    } cases[] = {
        { "chamber.parent_cid=2", 2 },
        { "quiet chamber.parent_cid=5\n", 5 },
        { "  chamber.parent_cid=3  reboot=k ", 3 },
        { "a\tchamber.parent_cid=16\tb", 16 },
        { "chamber.parent_cid=4294967294", 4294967294 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK_OK(parse(cases[i].text));
        CHECK(line.parent_cid == cases[i].cid);
    }
}

TEST(a_parent_that_is_no_peer_is_refused_and_nothing_is_written)
{
    static const char *const values[] = {
        "",   "0",   "1",   "4294967295", "4294967296", "18446744073709551618",
        "-2", "+2",  "2x",  "0x2",        "\"2\"",      "2,3",
        " 2", "two", "2.0",
    };
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char text[80];
        snprintf(text, sizeof(text), "quiet chamber.parent_cid=%s", values[i]);
        CHECK_FAILS(BAD_INPUT, parse(text));
        CHECK(line.parent_cid == 77);
        CHECK(strncmp(detail.text, "chamber.parent_cid=", 19) == 0);
    }
}

TEST(a_parent_is_named_once)
{
    CHECK_FAILS(BAD_INPUT, parse("chamber.parent_cid=2 chamber.parent_cid=2"));
    CHECK_FAILS(BAD_INPUT, parse("chamber.parent_cid=2 quiet chamber.parent_cid=3"));
}

TEST(other_words_of_ours_are_refused_and_named)
{
    static const char *const words[] = { "chamber.",           "chamber.parent",
                                         "chamber.parent_cid", "chamber.parent-cid=2",
                                         "chamber.debug=1",    "chamber.parent_cids=2" };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        CHECK_FAILS(BAD_INPUT, parse(words[i]));
        CHECK_TEXT(detail.text, words[i]);
    }
}

static void fill_file(const char *begin, size_t size)
{
    memset(file_text, 'x', sizeof(file_text));
    memcpy(file_text, begin, strlen(begin));
    file_size = size;
}

TEST(the_files_line_is_read_whole_however_it_comes)
{
    fill_file("quiet chamber.parent_cid=12", strlen("quiet chamber.parent_cid=12"));
    CHECK_OK(boot_line_read(&line, &detail));
    CHECK(line.parent_cid == 12);
    at_once = 1;
    line.parent_cid = 0;
    CHECK_OK(boot_line_read(&line, &detail));
    CHECK(line.parent_cid == 12);
    at_once = SIZE_MAX;
}

TEST(the_line_is_bounded)
{
    fill_file("chamber.parent_cid=8 ", BOOT_LINE_MAX);
    CHECK_OK(boot_line_read(&line, &detail));
    CHECK(line.parent_cid == 8);
    fill_file("chamber.parent_cid=8 ", BOOT_LINE_MAX + 1);
    CHECK_FAILS(LIMIT, boot_line_read(&line, &detail));
}

TEST(a_file_that_cannot_be_read_is_no_empty_line)
{
    fill_file("quiet", strlen("quiet"));
    absent = true;
    CHECK_FAILS(UNAVAILABLE, boot_line_read(&line, &detail));
    absent = false;
    broken = true;
    CHECK_FAILS(UNAVAILABLE, boot_line_read(&line, &detail));
    broken = false;
    CHECK_TEXT(detail.text, "/proc/cmdline");
}

HARNESS_TESTS(T(a_line_without_our_words_means_nitros_parent),
              T(a_parent_is_read_wherever_it_stands),
              T(a_parent_that_is_no_peer_is_refused_and_nothing_is_written),
              T(a_parent_is_named_once), T(other_words_of_ours_are_refused_and_named),
              T(the_files_line_is_read_whole_however_it_comes), T(the_line_is_bounded),
              T(a_file_that_cannot_be_read_is_no_empty_line))
