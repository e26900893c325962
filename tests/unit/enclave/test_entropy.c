#include "calls.h"
#include "enclave/entropy.h"
#include "harness.h"

#include <fcntl.h>
#include <linux/random.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
ssize_t __wrap_getrandom(void *out, size_t size, unsigned flags);

enum { DRAW = 256 };

static uint8_t credited[4 * DRAW + 1];
static size_t credited_size;
static unsigned draws;
static unsigned fail_draw;   /* from 1 */
static unsigned repeat_draw; /* gives what the first one gave */
static unsigned flat_draw;   /* gives one byte 256 times */
static bool generator_waits;

static int opened;

int __wrap_open64(const char *path, int flags, ...)
{
    opened = called("open %s %s", path, flags == (O_WRONLY | O_CLOEXEC) ? "to write" : "otherwise");
    return opened == 0 ? __real_open64("/dev/null", O_RDWR | O_CLOEXEC) : -1;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
    (void)fd;
    va_list arguments;
    va_start(arguments, request);
    const struct rand_pool_info *info = va_arg(arguments, const struct rand_pool_info *);
    va_end(arguments);
    int code = called("%s %d bits of %d bytes",
                      request == RNDADDENTROPY ? "RNDADDENTROPY" : "another request",
                      info->entropy_count, info->buf_size);
    if (code == 0 && credited_size + DRAW < sizeof(credited)) {
        memcpy(credited + credited_size, info->buf, DRAW);
        credited_size += DRAW;
    }
    return code;
}

ssize_t __wrap_getrandom(void *out, size_t size, unsigned flags)
{
    memset(out, 1, size);
    called("getrandom %zu %s", size, flags == GRND_NONBLOCK ? "without waiting" : "waiting");
    errno = EAGAIN;
    return generator_waits ? -1 : (ssize_t)size;
}

static uint8_t drawn_byte(unsigned draw, size_t i)
{
    unsigned kind = draw == repeat_draw ? 1 : draw;
    return (uint8_t)(kind * 50 + (draw == flat_draw ? 0 : i));
}

static struct result draw_random(void *context, uint8_t out[static DRAW])
{
    (void)context;
    draws++;
    ENSURE(draws != fail_draw, UNAVAILABLE, "the module does not answer");
    for (size_t i = 0; i < DRAW; i++) {
        out[i] = drawn_byte(draws, i);
    }
    return OK;
}

static const struct security_module module = { .random = draw_random };

static struct result seed(size_t fail_at)
{
    struct detail detail = { "" };
    calls_begin(fail_at);
    credited_size = 0;
    draws = 0;
    return entropy_seed(&module, &detail);
}

TEST(four_draws_are_credited_each_and_the_generator_is_looked_at)
{
    CHECK_OK(seed(0));
    CHECK_TEXT(calls_text, "open /dev/random to write\n"
                           "RNDADDENTROPY 2048 bits of 256 bytes\n"
                           "RNDADDENTROPY 2048 bits of 256 bytes\n"
                           "RNDADDENTROPY 2048 bits of 256 bytes\n"
                           "RNDADDENTROPY 2048 bits of 256 bytes\n"
                           "getrandom 32 without waiting\n");
    for (unsigned i = 0; i < 4 * DRAW; i++) {
        CHECK(credited[i] == drawn_byte(1 + i / DRAW, i % DRAW));
    }
}

TEST(a_draw_that_fails_credits_nothing)
{
    for (fail_draw = 1; fail_draw <= 4; fail_draw++) {
        CHECK_FAILS(UNAVAILABLE, seed(0));
        CHECK(calls_count == 0);
    }
    fail_draw = 0;
}

TEST(a_draw_like_another_credits_nothing)
{
    for (repeat_draw = 2; repeat_draw <= 4; repeat_draw++) {
        CHECK_FAILS(REFUSED, seed(0));
        CHECK(calls_count == 0);
    }
    repeat_draw = 0;
}

TEST(a_constant_draw_credits_nothing)
{
    for (flat_draw = 1; flat_draw <= 4; flat_draw++) {
        CHECK_FAILS(REFUSED, seed(0));
        CHECK(calls_count == 0);
    }
    flat_draw = 0;
}

TEST(each_call_that_fails_fails_all)
{
    for (size_t i = 1; i <= 5; i++) {
        CHECK_FAILS(UNAVAILABLE, seed(i));
        CHECK(calls_count == i);
    }
}

TEST(a_generator_that_would_wait_fails_all)
{
    generator_waits = true;
    CHECK_FAILS(UNAVAILABLE, seed(0));
    generator_waits = false;
}

HARNESS_TESTS(T(four_draws_are_credited_each_and_the_generator_is_looked_at),
              T(a_draw_that_fails_credits_nothing), T(a_draw_like_another_credits_nothing),
              T(a_constant_draw_credits_nothing), T(each_call_that_fails_fails_all),
              T(a_generator_that_would_wait_fails_all))
