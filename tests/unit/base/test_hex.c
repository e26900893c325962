#include "base/hex.h"
#include "harness.h"

#include <stdint.h>

TEST(writes_lower_case_with_prefix)
{
    char text[HEX_TEXT_SIZE(3)];
    hex_encode((const uint8_t[]){ 0x00, 0xAB, 0xff }, 3, text);
    CHECK_TEXT(text, "0x00abff");
}

TEST(reads_both_cases_with_and_without_prefix)
{
    static const char *const spellings[] = { "0x00abff", "0X00ABFF", "00aBfF" };
    for (size_t i = 0; i < 3; i++) {
        uint8_t bytes[3];
        CHECK_OK(hex_decode(spellings[i], strlen(spellings[i]), bytes, 3));
        CHECK(memcmp(bytes, (const uint8_t[]){ 0x00, 0xAB, 0xff }, 3) == 0);
    }
}

TEST(every_byte_is_judged_as_isxdigit_would)
{
    for (int c = 0; c < 256; c++) {
        char text[2] = { '0', (char)c };
        uint8_t byte = 0;
        bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        CHECK(is_ok(hex_decode(text, 2, &byte, 1)) == digit);
    }
}

TEST(refuses_other_lengths)
{
    uint8_t bytes[2];
    static const char *const wrong[] = { "", "0x", "0xabc", "0xab", "0xabcdef", "abcde", "abcdef" };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CHECK_FAILS(BAD_INPUT, hex_decode(wrong[i], strlen(wrong[i]), bytes, 2));
    }
    CHECK_FAILS(BAD_INPUT, hex_decode("00abff", 6, bytes, 2)); /* two more, but no prefix */
    CHECK_FAILS(BAD_INPUT, hex_decode("0y00ab", 6, bytes, 2));
    CHECK_FAILS(BAD_INPUT, hex_decode("x000ab", 6, bytes, 2));
    CHECK_FAILS(LIMIT, hex_decode("00", 2, bytes, SIZE_MAX));
    CHECK_FAILS(LIMIT, hex_decode("00", 2, bytes, SIZE_MAX / 2 + 1));
    CHECK_FAILS(BAD_INPUT, hex_decode("00", 2, bytes, SIZE_MAX / 2));
}

TEST(nothing_may_be_written_with_and_without_prefix)
{
    CHECK_OK(hex_decode("", 0, NULL, 0));
    CHECK_OK(hex_decode("0x", 2, NULL, 0));
    CHECK_FAILS(BAD_INPUT, hex_decode("0", 1, NULL, 0));
    CHECK_FAILS(BAD_INPUT, hex_decode("00", 2, NULL, 0));
    char text[HEX_TEXT_SIZE(0)];
    hex_encode(NULL, 0, text);
    CHECK_TEXT(text, "0x");
}

/* In each of both places of a byte, beside digits of all kinds. */
TEST(every_wrong_digit_is_seen_wherever_it_is)
{
    for (size_t at = 0; at < 8; at++) {
        for (int c = 0; c < 256; c++) {
            char text[8] = { '0', '9', 'a', 'f', 'A', 'F', '1', '0' };
            uint8_t bytes[4];
            text[at] = (char)c;
            bool digit = strchr("0123456789abcdefABCDEF", c) != NULL && c != 0;
            CHECK(is_ok(hex_decode(text, 8, bytes, 4)) == digit);
        }
    }
}

TEST(what_is_written_is_read_back)
{
    uint8_t bytes[256];
    uint8_t again[256];
    char text[HEX_TEXT_SIZE(256)];
    for (size_t i = 0; i < 256; i++) {
        bytes[i] = (uint8_t)i;
    }
    hex_encode(bytes, sizeof(bytes), text);
    CHECK(strlen(text) == HEX_TEXT_SIZE(256) - 1);
    CHECK_OK(hex_decode(text, strlen(text), again, sizeof(again)));
    CHECK(memcmp(bytes, again, sizeof(bytes)) == 0);
}

TEST(whatever_the_size_nothing_is_written_behind_it)
{
    static const uint8_t bytes[] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xf0 };
    char text[HEX_TEXT_SIZE(sizeof(bytes))];
    hex_encode(bytes, sizeof(bytes), text);
    for (size_t size = 0; size <= sizeof(bytes); size++) {
        uint8_t out[sizeof(bytes) + 1];
        memset(out, 0x5a, sizeof(out));
        CHECK_OK(hex_decode(text + 2, 2 * size, out, size));
        CHECK(memcmp(out, bytes, size) == 0);
        CHECK(out[size] == 0x5a);
    }
}

TEST(tells_the_decoded_size)
{
    size_t size = 99;
    CHECK_OK(hex_decoded_size("0x", 2, &size));
    CHECK(size == 0);
    CHECK_OK(hex_decoded_size("abcd", 4, &size));
    CHECK(size == 2);
    CHECK_FAILS(BAD_INPUT, hex_decoded_size("0xabc", 5, &size));
}

HARNESS_TESTS(T(writes_lower_case_with_prefix), T(reads_both_cases_with_and_without_prefix),
              T(every_byte_is_judged_as_isxdigit_would), T(refuses_other_lengths),
              T(whatever_the_size_nothing_is_written_behind_it), T(tells_the_decoded_size),
              T(nothing_may_be_written_with_and_without_prefix),
              T(every_wrong_digit_is_seen_wherever_it_is), T(what_is_written_is_read_back))
