#include "base/random.h"
#include "child.h"
#include "harness.h"

#include <errno.h>
#include <stdint.h>
#include <sys/random.h>

ssize_t __real_getrandom(void *out, size_t size, unsigned flags);
ssize_t __wrap_getrandom(void *out, size_t size, unsigned flags);

/* What the kernel does: gives, is interrupted, gives little, gives nothing, fails. */
static enum { WHOLE, INTERRUPTED, LITTLE, NOTHING, BROKEN } behaviour;
static size_t calls;

ssize_t __wrap_getrandom(void *out, size_t size, unsigned flags)
{
    calls++;
    switch (behaviour) {
    case WHOLE:
        break;
    case INTERRUPTED:
        behaviour = WHOLE;
        errno = EINTR;
        return -1;
    case LITTLE:
        return __real_getrandom(out, 1, flags);
    case NOTHING:
        return 0;
    case BROKEN:
        errno = ENOSYS;
        return -1;
    }
    return __real_getrandom(out, size, flags);
}

/* Each of 64 bytes changes at some time within 64 draws; a byte that is never filled does not.
 * Fails by chance once in 2^500. */
static bool fills_all_of_64_bytes(void)
{
    uint8_t changed[64] = { 0 };
    for (size_t draw = 0; draw < 64; draw++) {
        uint8_t bytes[66] = { 0 };
        random_bytes(bytes + 1, 64);
        if (bytes[0] != 0 || bytes[65] != 0) {
            return false;
        }
        for (size_t i = 0; i < 64; i++) {
            changed[i] |= bytes[i + 1];
        }
    }
    return memchr(changed, 0, sizeof(changed)) == NULL;
}

TEST(fills_exactly_what_it_is_given)
{
    CHECK(fills_all_of_64_bytes());
    random_bytes(NULL, 0);
}

TEST(goes_on_after_interruptions_and_small_gifts)
{
    behaviour = INTERRUPTED;
    calls = 0;
    CHECK(fills_all_of_64_bytes());
    CHECK(calls == 65);
    behaviour = LITTLE;
    calls = 0;
    CHECK(fills_all_of_64_bytes());
    CHECK(calls == 64 * 64);
    behaviour = WHOLE;
}

static void draw(void *unused)
{
    uint8_t bytes[8];
    (void)unused;
    random_bytes(bytes, sizeof(bytes));
}

TEST(aborts_when_the_kernel_gives_nothing)
{
    CHECK(child_signal(draw, NULL) == 0);
    behaviour = BROKEN;
    CHECK(child_signal(draw, NULL) == SIGABRT);
    behaviour = NOTHING;
    CHECK(child_signal(draw, NULL) == SIGABRT);
    behaviour = WHOLE;
}

HARNESS_TESTS(T(fills_exactly_what_it_is_given), T(goes_on_after_interruptions_and_small_gifts),
              T(aborts_when_the_kernel_gives_nothing))
