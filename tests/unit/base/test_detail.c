#include "base/detail.h"
#include "harness.h"

TEST(says_what_it_was_told)
{
    struct detail detail = { "" };
    detail_set(&detail, "%s line %d", "keys.yaml", 7);
    CHECK_TEXT(detail.text, "keys.yaml line 7");
    detail_set(&detail, "other");
    CHECK_TEXT(detail.text, "other");
    detail_prefix(&detail, "%s: ", "wider");
    CHECK_TEXT(detail.text, "wider: other");
    detail_set(&detail, "%s", "");
    CHECK_TEXT(detail.text, "");
    detail_prefix(&detail, "alone");
    CHECK_TEXT(detail.text, "alone");
}

TEST(may_be_absent)
{
    detail_set(NULL, "%s", "x");
    detail_prefix(NULL, "%s", "x");
    char line[32];
    detail_line(NULL, FAIL(LIMIT, "too much"), line, sizeof(line));
    CHECK_TEXT(line, "too much");
}

TEST(every_byte_that_is_not_printable_becomes_a_question_mark)
{
    for (int byte = 1; byte < 256; byte++) {
        char text[2] = { (char)byte, '\0' };
        char wanted[2] = { byte < 0x20 || byte > 0x7e ? '?' : (char)byte, '\0' };
        struct detail detail = { "" };
        detail_set(&detail, "%s", text);
        CHECK_TEXT(detail.text, wanted);
        struct detail prefixed = { "" };
        detail_prefix(&prefixed, "%s", text);
        CHECK_TEXT(prefixed.text, wanted);
    }
}

TEST(longer_text_is_cut_at_its_size)
{
    char text[2 * DETAIL_SIZE];
    memset(text, 'x', sizeof(text));
    for (size_t size = DETAIL_SIZE - 2; size <= DETAIL_SIZE + 1; size++) {
        struct detail detail = { "" };
        detail_set(&detail, "%.*s", (int)size, text);
        CHECK(strlen(detail.text) == (size < DETAIL_SIZE ? size : DETAIL_SIZE - 1));
        detail_prefix(&detail, "front ");
        CHECK(strlen(detail.text) == DETAIL_SIZE - 1);
        CHECK(strncmp(detail.text, "front x", 7) == 0);
        detail_prefix(&detail, "%.*s", (int)size, text);
        CHECK(strlen(detail.text) == DETAIL_SIZE - 1);
    }
}

TEST(a_line_joins_place_and_reason)
{
    struct detail detail = { "" };
    char line[16];
    detail_line(&detail, FAIL(LIMIT, "too much"), line, sizeof(line));
    CHECK_TEXT(line, "too much");
    detail_set(&detail, "a.json");
    detail_line(&detail, FAIL(LIMIT, "too much"), line, sizeof(line));
    CHECK_TEXT(line, "a.json: too muc");
    detail_line(&detail, FAIL(LIMIT, "too much"), line, 1);
    CHECK_TEXT(line, "");
}

HARNESS_TESTS(T(says_what_it_was_told), T(may_be_absent),
              T(every_byte_that_is_not_printable_becomes_a_question_mark),
              T(longer_text_is_cut_at_its_size), T(a_line_joins_place_and_reason))
