#include "calls.h"
#include "enclave/trusted_time.h"
#include "harness.h"

#include <fcntl.h>
#include <time.h>

int __wrap_open64(const char *path, int flags, ...);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out);

enum { FD = 5 };

static int opening_fails; /* errno, or 0 */
static struct timespec device_time;
static bool device_silent;
static uint64_t module_ms;
static bool module_silent;

int __wrap_open64(const char *path, int flags, ...)
{
    called("open %s %d", path, flags == (O_RDONLY | O_CLOEXEC));
    errno = opening_fails;
    return opening_fails == 0 ? FD : -1;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
    /* linux/posix-timers: ~fd in the upper 29 bits, 3 in the lower. */
    called("clock %d", clock == -8 * (FD + 1) + 3);
    *out = device_time;
    return device_silent ? -1 : 0;
}

static struct result timestamp(void *context, uint64_t *ms_out)
{
    (void)context;
    called("module");
    ENSURE(!module_silent, UNAVAILABLE, "the module does not answer");
    *ms_out = module_ms;
    return OK;
}

static const struct security_module module = { .timestamp = timestamp };
static const struct trusted_time device = { .fd = FD, .module = &module };
static const struct trusted_time no_device = { .fd = -1, .module = &module };
static struct detail detail;
static uint64_t ns;

static struct result read_device(int64_t seconds, long nanoseconds)
{
    device_time = (struct timespec){ .tv_sec = seconds, .tv_nsec = nanoseconds };
    calls_begin(0);
    return trusted_time_read(&device, &ns);
}

static struct result read_module(uint64_t ms)
{
    module_ms = ms;
    calls_begin(0);
    return trusted_time_read(&no_device, &ns);
}

TEST(the_device_is_opened_to_read)
{
    struct trusted_time source = { .fd = 77 };
    calls_begin(0);
    opening_fails = 0;
    CHECK_OK(trusted_time_open(&module, &source, &detail));
    CHECK(source.fd == FD && source.module == &module);
    CHECK_TEXT(calls_text, "open /dev/ptp0 1\n");
    CHECK_TEXT(trusted_time_name(&source), "/dev/ptp0");
}

TEST(where_there_is_no_device_the_module_is_asked)
{
    struct trusted_time source = { .fd = 77 };
    opening_fails = ENOENT;
    CHECK_OK(trusted_time_open(&module, &source, &detail));
    CHECK(source.fd == -1 && source.module == &module);
    CHECK_TEXT(trusted_time_name(&source), "the security module");
}

TEST(a_device_that_cannot_be_opened_is_not_passed_over)
{
    static const int reasons[] = { EACCES, ENODEV, ENXIO, EIO, EMFILE };
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        struct trusted_time source = { .fd = 77 };
        opening_fails = reasons[i];
        CHECK_FAILS(UNAVAILABLE, trusted_time_open(&module, &source, &detail));
        CHECK(source.fd == 77);
    }
}

TEST(the_devices_time_is_read_to_the_nanosecond)
{
    CHECK_OK(read_device(1800000000, 123456789));
    CHECK(ns == UINT64_C(1800000000123456789));
    CHECK_TEXT(calls_text, "clock 1\n"); /* and the module is not asked */
}

TEST(the_modules_time_is_read_to_the_millisecond)
{
    CHECK_OK(read_module(UINT64_C(1800000000123)));
    CHECK(ns == UINT64_C(1800000000123000000));
    CHECK_TEXT(calls_text, "module\n");
}

TEST(times_that_cannot_be_are_refused)
{
    CHECK_OK(read_device(1767225600, 0)); /* 2026-01-01 */
    CHECK_FAILS(BAD_INPUT, read_device(1767225599, 999999999));
    CHECK_FAILS(BAD_INPUT, read_device(0, 0));
    CHECK_FAILS(BAD_INPUT, read_device(-1, 0));
    CHECK_OK(read_device(4102444799, 0)); /* 2099-12-31 */
    CHECK_FAILS(BAD_INPUT, read_device(4102444800, 0));
    CHECK_FAILS(BAD_INPUT, read_device(INT64_MAX, 0));
    CHECK_OK(read_module(UINT64_C(1767225600000)));
    CHECK_FAILS(BAD_INPUT, read_module(UINT64_C(1767225599999)));
    CHECK_FAILS(BAD_INPUT, read_module(UINT64_C(4102444800000)));
    CHECK_FAILS(BAD_INPUT, read_module(UINT64_MAX));
}

TEST(a_silent_source_gives_no_time)
{
    ns = 1;
    device_silent = true;
    CHECK_FAILS(UNAVAILABLE, read_device(1800000000, 0));
    device_silent = false;
    module_silent = true;
    CHECK_FAILS(UNAVAILABLE, read_module(UINT64_C(1800000000000)));
    module_silent = false;
    CHECK(ns == 1);
}

HARNESS_TESTS(T(the_device_is_opened_to_read), T(where_there_is_no_device_the_module_is_asked),
              T(a_device_that_cannot_be_opened_is_not_passed_over),
              T(the_devices_time_is_read_to_the_nanosecond),
              T(the_modules_time_is_read_to_the_millisecond), T(times_that_cannot_be_are_refused),
              T(a_silent_source_gives_no_time))
