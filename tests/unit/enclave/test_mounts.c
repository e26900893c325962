#include "calls.h"
#include "enclave/mounts.h"
#include "harness.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_mount(const char *source, const char *target, const char *type, unsigned long flags,
                 const void *options);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_dup2(int from, int to);
int __wrap_close(int fd);

static bool points_exist;

int __wrap_mkdir(const char *path, mode_t mode)
{
    if (called("mkdir %s %o", path, mode) != 0) {
        return -1;
    }
    errno = EEXIST;
    return points_exist ? -1 : 0;
}

static const char *or_nothing(const char *text)
{
    return text == NULL ? "-" : text;
}

int __wrap_mount(const char *source, const char *target, const char *type, unsigned long flags,
                 const void *options)
{
    return called("mount %s %s %s%s%s%s%s%s %s", or_nothing(source), target, or_nothing(type),
                  flags & MS_REMOUNT ? " remount" : "", flags & MS_RDONLY ? " ro" : "",
                  flags & MS_NOSUID ? " nosuid" : "", flags & MS_NOEXEC ? " noexec" : "",
                  flags & MS_NODEV ? " nodev" : "", or_nothing(options));
}

static int console_fd; /* what opening it gives */

int __wrap_open64(const char *path, int flags, ...)
{
    return called("open %s %s", path, flags == (O_RDWR | O_NOCTTY) ? "rw noctty" : "otherwise") == 0
               ? console_fd
               : -1;
}

int __wrap_dup2(int from, int to)
{
    return called("dup2 %d %d", from, to) == 0 ? to : -1;
}

int __wrap_close(int fd)
{
    return called("close %d", fd);
}

static struct detail detail;

static struct result make(size_t fail_at)
{
    calls_begin(fail_at);
    detail = (struct detail){ "" };
    return mounts_make(&detail);
}

static const char all[] = "mkdir /dev 755\n"
                          "mount dev /dev devtmpfs nosuid noexec -\n"
                          "mkdir /proc 755\n"
                          "mount proc /proc proc nosuid noexec nodev hidepid=2\n"
                          "mkdir /tmp 755\n"
                          "mount tmp /tmp tmpfs nosuid noexec nodev "
                          "size=1m,nr_inodes=128,mode=0700,uid=1000,gid=1000\n"
                          "mkdir /run 755\n"
                          "mount run /run tmpfs nosuid noexec nodev "
                          "size=1m,nr_inodes=128,mode=0700,uid=1000,gid=1000\n"
                          "mount - / - remount ro nosuid noexec nodev -\n";

TEST(mounts_these_and_nothing_else_and_closes_the_root_last)
{
    CHECK_OK(make(0));
    CHECK_TEXT(calls_text, all);
}

TEST(mount_points_may_be_there)
{
    points_exist = true;
    CHECK_OK(make(0));
    CHECK_TEXT(calls_text, all);
    points_exist = false;
}

TEST(each_call_that_fails_fails_all_and_names_its_place)
{
    static const char *const places[] = { "/dev", "/proc", "/tmp", "/run", "/" };
    for (size_t i = 1; i <= 9; i++) {
        char wanted[80];
        CHECK_FAILS(UNAVAILABLE, make(i));
        CHECK(calls_count == i);
        snprintf(wanted, sizeof(wanted), "%s (Operation not permitted)", places[(i - 1) / 2]);
        CHECK_TEXT(detail.text, wanted);
    }
}

TEST(the_console_becomes_the_three_streams)
{
    calls_begin(0);
    console_fd = 7;
    CHECK_OK(mounts_console(&detail));
    CHECK_TEXT(calls_text, "open /dev/console rw noctty\ndup2 7 0\ndup2 7 1\ndup2 7 2\nclose 7\n");
}

TEST(a_console_that_is_a_stream_stays_open)
{
    calls_begin(0);
    console_fd = 0;
    CHECK_OK(mounts_console(&detail));
    CHECK_TEXT(calls_text, "open /dev/console rw noctty\ndup2 0 0\ndup2 0 1\ndup2 0 2\n");
}

TEST(a_console_that_fails_is_refused)
{
    console_fd = 7;
    for (size_t i = 1; i <= 4; i++) {
        calls_begin(i);
        CHECK_FAILS(UNAVAILABLE, mounts_console(&detail));
        CHECK(calls_count == i);
    }
}

HARNESS_TESTS(T(mounts_these_and_nothing_else_and_closes_the_root_last),
              T(mount_points_may_be_there), T(each_call_that_fails_fails_all_and_names_its_place),
              T(the_console_becomes_the_three_streams), T(a_console_that_is_a_stream_stays_open),
              T(a_console_that_fails_is_refused))
