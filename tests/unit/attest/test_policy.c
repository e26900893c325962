#include "attest/policy.h"
#include "harness.h"

static struct pcr value_of(uint8_t seed)
{
    return pcr_of(&seed, sizeof(seed));
}

/* A document of which registers 0 to 15 are there, all different. */
static struct document some_document(void)
{
    struct document document = { .pcrs_there = 0xffff };
    for (unsigned i = 0; i < 16; i++) {
        document.pcrs[i] = value_of((uint8_t)i);
    }
    return document;
}

static struct result allow(struct policy *policy, unsigned index, uint8_t seed)
{
    struct pcr value = value_of(seed);
    return policy_allow(policy, index, &value);
}

TEST(a_policy_that_asks_for_nothing_is_none)
{
    struct policy policy;
    struct detail detail;
    policy_init(&policy);
    CHECK_FAILS(BAD_INPUT, policy_check(&policy, &detail));
    for (unsigned i = 0; i < PCR_COUNT; i++) {
        policy_init(&policy);
        CHECK_OK(allow(&policy, i, 1));
        CHECK(is_ok(policy_check(&policy, &detail)) == (i == PCR_IMAGE || i == PCR_SIGNER));
    }
}

TEST(a_policy_without_an_age_is_none)
{
    struct policy policy;
    struct detail detail;
    policy_init(&policy);
    CHECK_OK(allow(&policy, PCR_IMAGE, 1));
    CHECK_OK(policy_check(&policy, &detail));
    policy.max_age_seconds = 0;
    CHECK_FAILS(BAD_INPUT, policy_check(&policy, &detail));
    CHECK_TEXT(detail.text, "max_age_seconds");
}

TEST(values_are_bounded_and_each_there_once)
{
    struct policy policy;
    policy_init(&policy);
    for (uint8_t i = 0; i < POLICY_VALUES_MAX; i++) {
        CHECK_OK(allow(&policy, 31, i));
        CHECK_FAILS(BAD_INPUT, allow(&policy, 31, i));
    }
    CHECK_FAILS(LIMIT, allow(&policy, 31, POLICY_VALUES_MAX));
    CHECK_FAILS(BAD_INPUT, allow(&policy, PCR_COUNT, 1));
    CHECK_OK(allow(&policy, 30, 1));
}

TEST(each_register_that_is_named_counts)
{
    const struct document document = some_document();
    for (unsigned i = 0; i < 16; i++) {
        struct policy policy;
        struct detail detail;
        policy_init(&policy);
        CHECK_OK(allow(&policy, PCR_IMAGE, 0));
        CHECK_OK(policy_check_registers(&policy, &document, &detail));
        if (i != PCR_IMAGE) {
            CHECK_OK(allow(&policy, i, 99));
            CHECK_FAILS(REFUSED, policy_check_registers(&policy, &document, &detail));
            CHECK_OK(allow(&policy, i, (uint8_t)i)); /* one of two is enough */
            CHECK_OK(policy_check_registers(&policy, &document, &detail));
        }
    }
}

TEST(a_register_that_is_not_there_is_refused_though_zero_is_allowed)
{
    static const struct pcr zero;
    const struct document document = some_document();
    struct policy policy;
    struct detail detail;
    policy_init(&policy);
    CHECK_OK(allow(&policy, PCR_IMAGE, 0));
    CHECK_OK(policy_allow(&policy, PCR_CONFIGURATION, &zero));
    CHECK_FAILS(REFUSED, policy_check_registers(&policy, &document, &detail));
    CHECK_TEXT(detail.text, "PCR16");
    struct document there = document;
    there.pcrs_there |= 1U << PCR_CONFIGURATION;
    CHECK_OK(policy_check_registers(&policy, &there, &detail));
}

TEST(debug_mode_is_refused_unless_allowed_by_name)
{
    static const unsigned of_the_image[] = { PCR_IMAGE, PCR_KERNEL, PCR_APPLICATION, PCR_SIGNER };
    static const struct pcr zero;
    for (size_t i = 0; i < sizeof(of_the_image) / sizeof(of_the_image[0]); i++) {
        struct document document = some_document();
        struct policy policy;
        struct detail detail;
        policy_init(&policy);
        document.pcrs[of_the_image[i]] = zero;
        CHECK_OK(policy_allow(&policy, of_the_image[i], &zero));
        CHECK_FAILS(REFUSED, policy_check_registers(&policy, &document, &detail));
        policy.allow_debug = true;
        CHECK_OK(policy_check_registers(&policy, &document, &detail));
    }
}

TEST(register_0_is_looked_at_though_only_the_signer_is_asked_for)
{
    static const struct pcr zero;
    struct document document = some_document();
    struct policy policy;
    struct detail detail;
    policy_init(&policy);
    CHECK_OK(allow(&policy, PCR_SIGNER, PCR_SIGNER));
    CHECK_OK(policy_check_registers(&policy, &document, &detail));
    document.pcrs[PCR_IMAGE] = zero;
    CHECK_FAILS(REFUSED, policy_check_registers(&policy, &document, &detail));
    CHECK_TEXT(detail.text, "PCR0");
    document = some_document();
    document.pcrs_there &= ~1U;
    CHECK_FAILS(REFUSED, policy_check_registers(&policy, &document, &detail));
}

TEST(zero_is_a_role_that_the_instance_does_not_have)
{
    static const struct pcr zero;
    struct document document = some_document();
    struct policy policy;
    struct detail detail;
    policy_init(&policy);
    document.pcrs[PCR_ROLE] = zero;
    CHECK_OK(allow(&policy, PCR_IMAGE, 0));
    CHECK_OK(policy_allow(&policy, PCR_ROLE, &zero));
    CHECK_OK(policy_check_registers(&policy, &document, &detail));
}

HARNESS_TESTS(T(a_policy_that_asks_for_nothing_is_none), T(a_policy_without_an_age_is_none),
              T(values_are_bounded_and_each_there_once), T(each_register_that_is_named_counts),
              T(a_register_that_is_not_there_is_refused_though_zero_is_allowed),
              T(debug_mode_is_refused_unless_allowed_by_name),
              T(register_0_is_looked_at_though_only_the_signer_is_asked_for),
              T(zero_is_a_role_that_the_instance_does_not_have))
