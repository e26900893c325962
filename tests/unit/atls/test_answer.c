#include "atls/answer.h"

#include "harness.h"

enum { WHOLE_MAX = 128 * 1024 };

static const char json[] = "Content-Type: application/json\r\n";

/* What reading an answer came to. */
struct reading {
    struct result result;
    struct detail detail;
    bool whole;
    struct buf document;
};

static void reading_done(struct reading *reading)
{
    buf_free(&reading->document);
}

#define READING CLEANUP(reading_done) struct reading

static struct reading read_in(const char *bytes, size_t size, size_t piece)
{
    struct reading reading = { .result = OK, .document = BUF_INIT(DOCUMENT_MAX) };
    CLEANUP(answer_free_ptr) struct answer *answer = answer_new();
    for (size_t at = 0; is_ok(reading.result) && !reading.whole && at < size; at += piece) {
        size_t now = size - at < piece ? size - at : piece;
        reading.result = answer_feed(answer, bytes + at, now, &reading.whole, &reading.document,
                                     &reading.detail);
    }
    return reading;
}

static struct reading read_text(const char *status, const char *fields, const char *body)
{
    BUF text = BUF_INIT(WHOLE_MAX);
    buf_printf(&text, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n%s", status, fields,
               strlen(body), body);
    return read_in(text.data, text.size, text.size);
}

TEST(a_document_is_read_in_any_pieces)
{
    const char text[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                        "Content-Length: 23\r\n\r\n{\"document\":\"0x00ff7f\"}";
    for (size_t piece = 1; piece <= sizeof(text) - 1; piece++) {
        READING reading = read_in(text, sizeof(text) - 1, piece);
        CHECK_OK(reading.result);
        CHECK(reading.whole && reading.document.size == 3);
        CHECK(memcmp(reading.document.data, "\x00\xff\x7f", 3) == 0);
    }
}

TEST(an_answer_that_is_cut_short_is_not_whole)
{
    const char text[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                        "Content-Length: 23\r\n\r\n{\"document\":\"0x00ff7f\"}";
    for (size_t size = 1; size < sizeof(text) - 1; size++) {
        READING reading = read_in(text, size, size);
        CHECK_OK(reading.result);
        CHECK(!reading.whole && reading.document.size == 0);
    }
}

TEST(types_of_json_are_json_and_others_are_not)
{
    static const struct {
        const char *field;
        bool good;
    } types[] = {
        { "Content-Type: application/json\r\n", true },
        { "content-type: APPLICATION/JSON; charset=utf-8\r\n", true },
        { "Content-Type: application/json;x=y\r\n", true },
        { "Content-Type: application/jsonx\r\n", false },
        { "Content-Type: text/json\r\n", false },
        { "X-Content-Type: application/json\r\n", false },
        { "Content-Type:\r\n", false },
        { "", false },
        { "Content-Type: application/json\r\nContent-Type: application/json\r\n", false },
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        READING reading = read_text("200 OK", types[i].field, "{\"document\":\"0x00\"}");
        CHECK(is_ok(reading.result) == types[i].good);
        CHECK(reading.whole == types[i].good);
    }
}

TEST(other_statuses_are_refused_by_name)
{
    static const struct {
        const char *status;
        enum status wanted;
    } statuses[] = {
        { "201 Created", STATUS_REFUSED },   { "204 No Content", STATUS_REFUSED },
        { "301 Moved", STATUS_REFUSED },     { "403 Forbidden", STATUS_REFUSED },
        { "404 Not Found", STATUS_REFUSED }, { "429 Too Many", STATUS_UNAVAILABLE },
        { "500 Internal", STATUS_REFUSED },  { "503 Unavailable", STATUS_UNAVAILABLE },
        { "100 Continue", STATUS_REFUSED },  { "101 Switching", STATUS_REFUSED },
    };
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        READING reading = read_text(statuses[i].status, json, "{\"document\":\"0x00\"}");
        char wanted[16];
        snprintf(wanted, sizeof(wanted), "status %.3s", statuses[i].status);
        CHECK(reading.result.status == statuses[i].wanted);
        CHECK_TEXT(reading.detail.text, wanted);
        CHECK(!reading.whole);
    }
}

TEST(bodies_that_are_not_one_document_are_refused)
{
    static const char *const bodies[] = {
        "",
        "null",
        "[]",
        "{}",
        "\"0x00\"",
        "[{\"document\":\"0x00\"}]",
        "{\"document\":null}",
        "{\"document\":7}",
        "{\"document\":\"\"}",
        "{\"document\":\"0x\"}",
        "{\"document\":\"00\"}",
        "{\"document\":\"0X00\"}",
        "{\"document\":\"0x0\"}",
        "{\"document\":\"0x0g\"}",
        "{\"document\":\"0x00\",\"x\":1}",
        "{\"document\":\"0x00\",\"document\":\"0x00\"}",
        "{\"document\":\"0x00\"}{}",
        "{\"Document\":\"0x00\"}",
    };
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        READING reading = read_text("200 OK", json, bodies[i]);
        CHECK_FAILS(BAD_INPUT, reading.result);
        CHECK(!reading.whole && reading.document.size == 0);
    }
}

static struct reading read_document_of(size_t size)
{
    BUF body = BUF_INIT(WHOLE_MAX);
    buf_append_text(&body, "{\"document\":\"0x");
    for (size_t i = 0; i < size; i++) {
        buf_append_text(&body, "ab");
    }
    buf_append_text(&body, "\"}");
    return read_text("200 OK", json, body.data);
}

TEST(documents_are_bounded)
{
    READING largest = read_document_of(DOCUMENT_MAX);
    CHECK_OK(largest.result);
    CHECK(largest.whole && largest.document.size == DOCUMENT_MAX);
    READING larger = read_document_of(DOCUMENT_MAX + 1);
    CHECK_FAILS(LIMIT, larger.result);
    READING much_larger = read_document_of((size_t)2 * DOCUMENT_MAX);
    CHECK_FAILS(LIMIT, much_larger.result);
    CHECK(much_larger.document.size == 0);
}

TEST(bytes_behind_the_answer_are_refused)
{
    const char text[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                        "Content-Length: 19\r\n\r\n{\"document\":\"0x00\"}H";
    READING reading = read_in(text, sizeof(text) - 1, sizeof(text) - 1);
    CHECK_FAILS(BAD_INPUT, reading.result);
    CHECK(!reading.whole && reading.document.size == 0);
}

TEST(a_server_that_hangs_up_is_refused)
{
    READING reading = read_text("200 OK", "Content-Type: application/json\r\nConnection: close\r\n",
                                "{\"document\":\"0x00\"}");
    CHECK_FAILS(BAD_INPUT, reading.result);
}

HARNESS_TESTS(T(a_document_is_read_in_any_pieces), T(an_answer_that_is_cut_short_is_not_whole),
              T(types_of_json_are_json_and_others_are_not), T(other_statuses_are_refused_by_name),
              T(bodies_that_are_not_one_document_are_refused), T(documents_are_bounded),
              T(bytes_behind_the_answer_are_refused), T(a_server_that_hangs_up_is_refused))
