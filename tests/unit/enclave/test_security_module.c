#include "enclave/security_module.h"
#include "harness.h"

static struct security_module_facts answer;
static bool silent;

static struct result describe(void *context, struct security_module_facts *out)
{
    (void)context;
    ENSURE(!silent, UNAVAILABLE, "no answer");
    *out = answer;
    return OK;
}

static const struct security_module module = { .describe = describe };

static struct result check_with(bool sha384, uint32_t max, uint32_t locked)
{
    answer = (struct security_module_facts){ sha384, max, locked };
    return security_module_check(&module);
}

TEST(a_nitro_module_passes)
{
    CHECK_OK(check_with(true, 32, 0x0000ffff));
    CHECK_OK(check_with(true, 32, 0xffffffff)); /* more locked than it must */
}

TEST(another_digest_is_refused)
{
    CHECK_FAILS(REFUSED, check_with(false, 32, 0xffff));
}

TEST(another_number_of_registers_is_refused)
{
    CHECK_FAILS(REFUSED, check_with(true, 31, 0xffff));
    CHECK_FAILS(REFUSED, check_with(true, 33, 0xffff));
    CHECK_FAILS(REFUSED, check_with(true, 0, 0xffff));
}

TEST(each_measured_register_must_be_locked)
{
    for (unsigned i = 0; i < 16; i++) {
        CHECK_FAILS(REFUSED, check_with(true, 32, 0xffffffff & ~(UINT32_C(1) << i)));
    }
    CHECK_OK(check_with(true, 32, 0xffffffff & ~(UINT32_C(1) << 16)));
}

TEST(silence_is_no_answer)
{
    silent = true;
    CHECK_FAILS(UNAVAILABLE, check_with(true, 32, 0xffff));
    silent = false;
}

HARNESS_TESTS(T(a_nitro_module_passes), T(another_digest_is_refused),
              T(another_number_of_registers_is_refused), T(each_measured_register_must_be_locked),
              T(silence_is_no_answer))
