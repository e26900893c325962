#include "enclave/configuration.h"

#include "harness.h"

#include <string.h>

/* Register 16 of a module that may be in use already, fail, or lie. */
static struct {
    struct pcr value;
    bool locked;
    bool extend_fails;
    bool extends_other; /* bytes than it was given */
    bool lock_fails;
    bool lock_lies;
    bool describe_fails;
    char calls[16]; /* a letter each */
} module;

static void begin(void)
{
    memset(&module, 0, sizeof(module));
}

static void note(char call)
{
    size_t size = strlen(module.calls);
    if (size + 1 < sizeof(module.calls)) {
        module.calls[size] = call;
    }
}

struct result __wrap_nsm_describe_pcr(const struct nsm *nsm, unsigned index, struct pcr *value_out,
                                      bool *locked_out);
struct result __wrap_nsm_extend_pcr(const struct nsm *nsm, unsigned index, const void *data,
                                    size_t size, struct pcr *value_out);
struct result __wrap_nsm_lock_pcr(const struct nsm *nsm, unsigned index);

struct result __wrap_nsm_describe_pcr(const struct nsm *nsm, unsigned index, struct pcr *value_out,
                                      bool *locked_out)
{
    (void)nsm;
    note('d');
    ENSURE(index == 16 && !module.describe_fails, UNAVAILABLE, "no description");
    *value_out = module.value;
    *locked_out = module.locked;
    return OK;
}

struct result __wrap_nsm_extend_pcr(const struct nsm *nsm, unsigned index, const void *data,
                                    size_t size, struct pcr *value_out)
{
    (void)nsm;
    note('e');
    ENSURE(index == 16 && !module.extend_fails && !module.locked, REFUSED, "no extension");
    pcr_extend(&module.value, data, module.extends_other ? size - 1 : size);
    *value_out = module.value;
    return OK;
}

struct result __wrap_nsm_lock_pcr(const struct nsm *nsm, unsigned index)
{
    (void)nsm;
    note('l');
    ENSURE(index == 16 && !module.lock_fails, UNAVAILABLE, "no lock");
    module.locked = !module.lock_lies;
    return OK;
}

static struct result measure(uint8_t digest[static SHA384_SIZE])
{
    const struct nsm nsm = { .fd = -1 };
    struct detail detail;
    return configuration_measure(&nsm, "abc", 3, digest, &detail);
}

/* SHA-384("abc"), of FIPS 180-4's examples, and with it the register as docs/attestation.md has it.
 */
TEST(the_digest_goes_into_the_register_which_is_locked_then)
{
    static const uint8_t abc[SHA384_SIZE] = {
        0xcb, 0x00, 0x75, 0x3f, 0x45, 0xa3, 0x5e, 0x8b, 0xb5, 0xa0, 0x3d, 0x69,
        0x9a, 0xc6, 0x50, 0x07, 0x27, 0x2c, 0x32, 0xab, 0x0e, 0xde, 0xd1, 0x63,
        0x1a, 0x8b, 0x60, 0x5a, 0x43, 0xff, 0x5b, 0xed, 0x80, 0x86, 0x07, 0x2b,
        0xa1, 0xe7, 0xcc, 0x23, 0x58, 0xba, 0xec, 0xa1, 0x34, 0xc8, 0x25, 0xa7,
    };
    uint8_t digest[SHA384_SIZE];
    begin();
    CHECK_OK(measure(digest));
    CHECK(memcmp(digest, abc, sizeof(abc)) == 0);
    struct pcr expected = pcr_of(abc, sizeof(abc));
    CHECK(module.locked && pcr_equal(&module.value, &expected));
    CHECK_TEXT(module.calls, "deld");
}

TEST(a_register_that_is_in_use_is_refused_before_anything_is_done)
{
    uint8_t digest[SHA384_SIZE];
    begin();
    module.locked = true;
    CHECK_FAILS(REFUSED, measure(digest));
    begin();
    module.value.bytes[47] = 1;
    CHECK_FAILS(REFUSED, measure(digest));
    CHECK_TEXT(module.calls, "d");
}

TEST(what_the_module_does_not_do_is_noticed)
{
    uint8_t digest[SHA384_SIZE];
    begin();
    module.describe_fails = true;
    CHECK_FAILS(UNAVAILABLE, measure(digest));
    begin();
    module.extend_fails = true;
    CHECK_FAILS(REFUSED, measure(digest));
    begin();
    module.lock_fails = true;
    CHECK_FAILS(UNAVAILABLE, measure(digest));
    begin();
    module.lock_lies = true;
    CHECK_FAILS(REFUSED, measure(digest));
    begin();
    module.extends_other = true;
    CHECK_FAILS(REFUSED, measure(digest));
}

HARNESS_TESTS(T(the_digest_goes_into_the_register_which_is_locked_then),
              T(a_register_that_is_in_use_is_refused_before_anything_is_done),
              T(what_the_module_does_not_do_is_noticed))
