#include "calls.h"
#include "enclave/kernel_settings.h"
#include "harness.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);
int __wrap_setrlimit64(__rlimit_resource_t resource, const struct rlimit64 *limit);

static const char *absent;  /* a path that is not there */
static const char *refused; /* a path that takes no writes */
static const char *latest;
static bool short_writes;

int __wrap_open64(const char *path, int flags, ...)
{
    latest = path;
    called("%s%s", path, flags == (O_WRONLY | O_CLOEXEC) ? "" : " otherwise");
    errno = ENOENT;
    return absent != NULL && strcmp(path, absent) == 0
               ? -1
               : __real_open64("/dev/null", O_RDWR | O_CLOEXEC);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
    (void)fd;
    called("= %.*s", (int)size, (const char *)bytes);
    errno = EINVAL;
    if (refused != NULL && strcmp(latest, refused) == 0) {
        return -1;
    }
    return short_writes ? 0 : (ssize_t)size;
}

int __wrap_setrlimit64(__rlimit_resource_t resource, const struct rlimit64 *limit)
{
    return called("%d: %lld %lld", (int)resource, (long long)limit->rlim_cur,
                  (long long)limit->rlim_max);
}

static struct detail detail;

static struct result apply(void)
{
    calls_begin(0);
    detail = (struct detail){ "" };
    return kernel_settings_apply(&detail);
}

static const struct {
    const char *path;
    bool may_be_absent;
} expected[] = {
    { "/proc/sys/kernel/panic", false },
    { "/proc/sys/kernel/panic_on_oops", false },
    { "/proc/sys/vm/panic_on_oom", false },
    { "/proc/sys/fs/suid_dumpable", false },
    { "/proc/sys/kernel/core_pattern", true },
    { "/proc/sys/kernel/randomize_va_space", false },
    { "/proc/sys/kernel/dmesg_restrict", true },
    { "/proc/sys/kernel/kptr_restrict", true },
    { "/proc/sys/net/ipv4/ip_unprivileged_port_start", false },
};
enum { EXPECTED = sizeof(expected) / sizeof(expected[0]) };

TEST(each_setting_gets_its_value)
{
    CHECK_OK(apply());
    CHECK_TEXT(calls_text, "/proc/sys/kernel/panic\n= 1\n"
                           "/proc/sys/kernel/panic_on_oops\n= 1\n"
                           "/proc/sys/vm/panic_on_oom\n= 2\n"
                           "/proc/sys/fs/suid_dumpable\n= 0\n"
                           "/proc/sys/kernel/core_pattern\n= \n\n"
                           "/proc/sys/kernel/randomize_va_space\n= 2\n"
                           "/proc/sys/kernel/dmesg_restrict\n= 1\n"
                           "/proc/sys/kernel/kptr_restrict\n= 2\n"
                           "/proc/sys/net/ipv4/ip_unprivileged_port_start\n= 0\n");
}

TEST(a_setting_that_is_absent_is_refused_unless_that_means_the_same)
{
    for (size_t i = 0; i < EXPECTED; i++) {
        absent = expected[i].path;
        struct result result = apply();
        CHECK(is_ok(result) == expected[i].may_be_absent);
        CHECK(is_ok(result) || strncmp(detail.text, absent, strlen(absent)) == 0);
    }
    absent = NULL;
}

TEST(a_setting_that_is_not_taken_is_refused_and_named)
{
    for (size_t i = 0; i < EXPECTED; i++) {
        char wanted[100];
        refused = expected[i].path;
        CHECK_FAILS(UNAVAILABLE, apply());
        snprintf(wanted, sizeof(wanted), "%s (Invalid argument)", refused);
        CHECK_TEXT(detail.text, wanted);
    }
    refused = NULL;
}

TEST(half_a_write_is_none)
{
    short_writes = true;
    CHECK_FAILS(UNAVAILABLE, apply());
    short_writes = false;
}

TEST(limits_are_hard)
{
    char wanted[200];
    calls_begin(0);
    CHECK_OK(kernel_settings_limit(&detail));
    snprintf(wanted, sizeof(wanted), "%d: 0 0\n%d: 65536 65536\n%d: -1 -1\n", RLIMIT_CORE,
             RLIMIT_NOFILE, RLIMIT_MEMLOCK);
    CHECK_TEXT(calls_text, wanted);
}

TEST(a_limit_that_is_not_taken_is_refused_and_named)
{
    static const char *const names[] = { "RLIMIT_CORE (Operation not permitted)",
                                         "RLIMIT_NOFILE (Operation not permitted)",
                                         "RLIMIT_MEMLOCK (Operation not permitted)" };
    for (size_t i = 0; i < 3; i++) {
        calls_begin(i + 1);
        CHECK_FAILS(UNAVAILABLE, kernel_settings_limit(&detail));
        CHECK_TEXT(detail.text, names[i]);
        CHECK(calls_count == i + 1);
    }
}

HARNESS_TESTS(T(each_setting_gets_its_value),
              T(a_setting_that_is_absent_is_refused_unless_that_means_the_same),
              T(a_setting_that_is_not_taken_is_refused_and_named), T(half_a_write_is_none),
              T(limits_are_hard), T(a_limit_that_is_not_taken_is_refused_and_named))
