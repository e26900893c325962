#include "base/decimal.h"
#include "harness.h"

#include <inttypes.h>

TEST(reads_what_was_written)
{
    static const uint64_t values[] = {
        0, 1, 9, 10, 4294967295, 4294967296, 9223372036854775807U, UINT64_MAX - 1, UINT64_MAX
    };
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char text[DECIMAL_TEXT_SIZE];
        int size = snprintf(text, sizeof(text), "%" PRIu64, values[i]);
        CHECK(size > 0 && size < DECIMAL_TEXT_SIZE);
        uint64_t value = 99;
        CHECK_OK(decimal_parse(text, (size_t)size, &value));
        CHECK(value == values[i]);
    }
}

TEST(tolerates_leading_zeros_within_twenty_digits)
{
    uint64_t value = 99;
    CHECK_OK(decimal_parse("00000000000000000007", 20, &value));
    CHECK(value == 7);
    CHECK_FAILS(BAD_INPUT, decimal_parse("000000000000000000007", 21, &value));
}

TEST(refuses_what_is_not_a_number_of_64_bits)
{
    static const char *const wrong[] = {
        "",
        " ",
        "-1",
        "+1",
        " 1",
        "1 ",
        "1.0",
        "1e3",
        "0x10",
        "a",
        "1a",
        "1,0",
        "1_0",
        "\t1",
        "1\n",
        "/",
        ":",
        "\xd9\xa1",
        "18446744073709551616",
        "18446744073709551620",
        "99999999999999999999",
        "100000000000000000000",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        uint64_t untouched = 99;
        struct result parsed = decimal_parse(wrong[i], strlen(wrong[i]), &untouched);
        if (parsed.status != STATUS_BAD_INPUT) {
            printf("# \"%s\" was read\n", wrong[i]);
        }
        CHECK_FAILS(BAD_INPUT, parsed);
        CHECK(untouched == 99);
    }
}

TEST(judges_every_byte_in_every_place)
{
    for (size_t at = 0; at < 3; at++) {
        for (int byte = 0; byte < 256; byte++) {
            char text[3] = { '1', '1', '1' };
            text[at] = (char)byte;
            uint64_t value = 0;
            CHECK(is_ok(decimal_parse(text, 3, &value)) == (byte >= '0' && byte <= '9'));
        }
    }
}

TEST(reads_no_further_than_told)
{
    uint64_t value = 0;
    CHECK_OK(decimal_parse("123", 2, &value));
    CHECK(value == 12);
}

TEST(scans_the_number_that_a_line_begins_with)
{
    static const char *const none[] = { "", " ", "x1", "-1", " +1", "18446744073709551616" };
    const char *end = NULL;
    uint64_t value = 0;
    CHECK_OK(decimal_scan(" \t 4321 fe:01", &value, &end));
    CHECK(value == 4321 && strcmp(end, " fe:01") == 0);
    CHECK_OK(decimal_scan("7", &value, &end));
    CHECK(value == 7 && *end == '\0');
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        CHECK_FAILS(BAD_INPUT, decimal_scan(none[i], &value, &end));
    }
}

HARNESS_TESTS(T(reads_what_was_written), T(tolerates_leading_zeros_within_twenty_digits),
              T(refuses_what_is_not_a_number_of_64_bits), T(judges_every_byte_in_every_place),
              T(reads_no_further_than_told), T(scans_the_number_that_a_line_begins_with))
