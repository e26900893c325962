#include "base/json.h"
#include "base/json_write.h"
#include "harness.h"

#include <stdlib.h>

enum { MAX = 4096 };

TEST(writes_every_kind_with_its_commas)
{
    BUF out = BUF_INIT(MAX);
    struct json_writer writer = JSON_WRITER(&out);
    json_write_open(&writer, NULL, '{');
    json_write_text(&writer, "t", "x");
    json_write_text(&writer, "n", NULL);
    json_write_boolean(&writer, "b", true);
    json_write_number(&writer, "u", UINT64_MAX);
    json_write_decimal(&writer, "d", 0);
    json_write_open(&writer, "a", '[');
    json_write_close(&writer, ']');
    json_write_open(&writer, "o", '{');
    json_write_boolean(&writer, "c", false);
    json_write_close(&writer, '}');
    json_write_open(&writer, "l", '[');
    json_write_number(&writer, NULL, 1);
    json_write_open(&writer, NULL, '[');
    json_write_text(&writer, NULL, "");
    json_write_close(&writer, ']');
    json_write_hex(&writer, NULL, (const uint8_t[]){ 0xab, 0x01 }, 2);
    json_write_close(&writer, ']');
    json_write_hex(&writer, "h", NULL, 0);
    json_write_close(&writer, '}');
    CHECK_OK(buf_check(&out));
    CHECK_TEXT(out.data,
               "{\"t\":\"x\",\"n\":null,\"b\":true,\"u\":18446744073709551615,\"d\":\"0\","
               "\"a\":[],\"o\":{\"c\":false},\"l\":[1,[\"\"],\"0xab01\"],\"h\":\"0x\"}");
}

/* What is written for a text, without the quotes. */
static void written(const char *text, char out[static MAX])
{
    BUF buf = BUF_INIT(MAX - 1);
    struct json_writer writer = JSON_WRITER(&buf);
    json_write_text(&writer, NULL, text);
    size_t inner = buf.size - 2;
    memcpy(out, buf.data + 1, inner);
    out[inner] = '\0';
}

TEST(escapes_what_could_end_the_text_or_the_line)
{
    static const char *const cases[][2] = {
        { "\"", "\\\"" },
        { "\\", "\\\\" },
        { "/", "/" },
        { "\n\r\t", "\\n\\r\\t" },
        { "\b\f\x01\x1b\x1f", "\\u0008\\u000c\\u0001\\u001b\\u001f" },
        { " ~", " ~" },
        { "\x7f", "\\u007f" },
        { "\xc2\x80\xc2\x85\xc2\x9b\xc2\x9f", "\\u0080\\u0085\\u009b\\u009f" },
        { "\xc2\xa0\xc3\xa9", "\xc2\xa0\xc3\xa9" },
        { "\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa",
          "\xe2\x80\xa7\\u2028\\u2029\xe2\x80\xaa" },
        { "\xf0\x9f\x94\x91", "\xf0\x9f\x94\x91" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[MAX];
        written(cases[i][0], out);
        CHECK_TEXT(out, cases[i][1]);
    }
}

TEST(bytes_that_are_not_utf8_become_question_marks)
{
    static const char *const cases[][2] = {
        { "\xff", "?" },
        { "a\x80z", "a?z" },
        { "\xc0\xaf", "??" },
        { "\xe2\x82", "??" },
        { "\xe2\x82z", "??z" },
        { "\xed\xa0\x80", "???" },
        { "\xf4\x90\x80\x80", "????" },
        { "\xc3\"", "?\\\"" },
        { "\xc3\n", "?\\n" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[MAX];
        written(cases[i][0], out);
        CHECK_TEXT(out, cases[i][1]);
    }
}

/* Any two bytes, as a name and as a text: the result is strict JSON, and one line. */
TEST(whatever_is_written_can_be_read)
{
    for (unsigned first = 1; first < 256; first++) {
        for (unsigned second = 1; second < 256; second++) {
            const char text[3] = { (char)first, (char)second, '\0' };
            BUF out = BUF_INIT(MAX);
            struct json_writer writer = JSON_WRITER(&out);
            CLEANUP(json_free_ptr) struct json *tree = NULL;
            json_write_open(&writer, NULL, '{');
            json_write_text(&writer, text, text);
            json_write_close(&writer, '}');
            CHECK_OK(json_parse(out.data, out.size, &tree, NULL));
            CHECK(json_count(tree) == 1);
            CHECK(memchr(out.data, '\n', out.size) == NULL);
            if (first < 0x80 && second < 0x80) {
                CHECK_TEXT(json_as_text(json_member(tree, text), NULL), text);
            }
        }
    }
}

TEST(hexadecimal_of_any_length_is_whole)
{
    for (size_t size = 0; size < 400; size++) {
        BUF out = BUF_INIT(MAX);
        struct json_writer writer = JSON_WRITER(&out);
        uint8_t bytes[400];
        for (size_t i = 0; i < size; i++) {
            bytes[i] = (uint8_t)i;
        }
        json_write_hex(&writer, NULL, bytes, size);
        CHECK_OK(buf_check(&out));
        CHECK(out.size == 2 * size + 4 && out.data[out.size - 1] == '"');
        for (size_t i = 0; i < size; i++) {
            char digits[3];
            snprintf(digits, sizeof(digits), "%02x", bytes[i]);
            CHECK(memcmp(out.data + 3 + 2 * i, digits, 2) == 0);
        }
    }
}

TEST(the_bufs_limit_is_kept)
{
    BUF out = BUF_INIT(10);
    struct json_writer writer = JSON_WRITER(&out);
    json_write_text(&writer, NULL, "12345678");
    CHECK_OK(buf_check(&out));
    json_write_number(&writer, NULL, 1);
    CHECK_FAILS(LIMIT, buf_check(&out));
}

HARNESS_TESTS(T(writes_every_kind_with_its_commas), T(escapes_what_could_end_the_text_or_the_line),
              T(bytes_that_are_not_utf8_become_question_marks), T(whatever_is_written_can_be_read),
              T(hexadecimal_of_any_length_is_whole), T(the_bufs_limit_is_kept))
