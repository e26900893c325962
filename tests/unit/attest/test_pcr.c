#include "attest/pcr.h"
#include "base/hex.h"
#include "base/sha384.h"
#include "harness.h"

static bool is_value(const struct pcr *pcr, const char *wanted)
{
    char text[HEX_TEXT_SIZE(PCR_SIZE)];
    hex_encode(pcr->bytes, PCR_SIZE, text);
    return strcmp(text + 2, wanted) == 0;
}

/* The value that AWS's documentation shows for this role. */
TEST(a_role_has_the_documented_value)
{
    struct pcr pcr;
    CHECK_OK(pcr_of_name("arn:aws:iam::123456789012:role/Webserver", &pcr));
    CHECK(is_value(&pcr, "78fce75db17cd4e0a3fb8dad3ad128ca5e77edbb2b2c7f75329dccd99aa5f6ef"
                         "4fc1f1a452e315b9e98f9e312e6921e6"));
}

/* What all images with one ramdisk have in register 2. */
TEST(a_hash_of_nothing_has_the_known_value)
{
    uint8_t nothing[SHA384_SIZE];
    sha384(NULL, 0, nothing);
    struct pcr pcr = pcr_of(nothing, sizeof(nothing));
    CHECK(is_value(&pcr, "21b9efbc184807662e966d34f390821309eeac6802309798826296bf3e8bec7c"
                         "10edb30948c90ba67310f7b964fc500a"));
}

TEST(extending_twice_is_not_extending_with_both)
{
    struct pcr twice = pcr_of("a", 1);
    pcr_extend(&twice, "b", 1);
    struct pcr once = pcr_of("ab", 2);
    CHECK(!pcr_equal(&twice, &once));
    struct pcr other_order = pcr_of("b", 1);
    pcr_extend(&other_order, "a", 1);
    CHECK(!pcr_equal(&twice, &other_order));
}

TEST(names_that_are_none_are_refused)
{
    char longest[2048 + 2];
    struct pcr pcr;
    memset(longest, 'a', sizeof(longest));
    longest[2048] = '\0';
    CHECK_OK(pcr_of_name(longest, &pcr));
    longest[2048] = 'a';
    longest[2049] = '\0';
    CHECK_FAILS(BAD_INPUT, pcr_of_name(longest, &pcr));
    static const char *const wrong[] = { "", "i-0 1", "i-01\n", "i-\x7f", "i-\xc3\xa9", " i-01" };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CHECK_FAILS(BAD_INPUT, pcr_of_name(wrong[i], &pcr));
    }
}

TEST(only_the_register_of_zeroes_is_zero)
{
    struct pcr pcr = { { 0 } };
    CHECK(pcr_is_zero(&pcr));
    for (size_t i = 0; i < PCR_SIZE; i++) {
        pcr.bytes[i] = 0x80;
        CHECK(!pcr_is_zero(&pcr));
        pcr.bytes[i] = 0;
    }
}

TEST(reads_ninety_six_digits_only)
{
    struct pcr pcr;
    struct pcr again;
    char text[HEX_TEXT_SIZE(PCR_SIZE)];
    pcr = pcr_of("x", 1);
    hex_encode(pcr.bytes, PCR_SIZE, text);
    CHECK_OK(pcr_parse(text, strlen(text), &again));
    CHECK(pcr_equal(&pcr, &again));
    CHECK_OK(pcr_parse(text + 2, strlen(text) - 2, &again));
    CHECK(pcr_equal(&pcr, &again));
    CHECK_FAILS(BAD_INPUT, pcr_parse(text, strlen(text) - 1, &again));
    CHECK_FAILS(BAD_INPUT, pcr_parse(text, strlen(text) - 2, &again));
    CHECK_FAILS(BAD_INPUT, pcr_parse("", 0, &again));
    text[20] = 'g';
    CHECK_FAILS(BAD_INPUT, pcr_parse(text, strlen(text), &again));
}

HARNESS_TESTS(T(a_role_has_the_documented_value), T(a_hash_of_nothing_has_the_known_value),
              T(extending_twice_is_not_extending_with_both), T(names_that_are_none_are_refused),
              T(only_the_register_of_zeroes_is_zero), T(reads_ninety_six_digits_only))
