#include "net/http_answer.h"

#include "base/buf.h"
#include "harness.h"

enum { BODY_MAX = 100, TEXT_MAX = 256 * 1024 };

static void answer_done(struct http_answer **answer)
{
    http_answer_free(*answer);
}

#define ANSWER CLEANUP(answer_done) struct http_answer

/* Feeds in pieces until it is whole, or fails. */
static struct result feed(struct http_answer *answer, const char *bytes, size_t size, size_t piece,
                          bool *whole_out)
{
    *whole_out = false;
    for (size_t at = 0; !*whole_out && at < size; at += piece) {
        size_t used = 0;
        TRY(http_answer_feed(answer, bytes + at, size - at < piece ? size - at : piece, &used,
                             whole_out));
    }
    return OK;
}

static struct result feed_text(const char *text, bool *whole_out)
{
    ANSWER *answer = http_answer_new(BODY_MAX);
    return feed(answer, text, strlen(text), strlen(text), whole_out);
}

TEST(an_answer_is_read_in_any_pieces)
{
    static const char text[] =
        "HTTP/1.1 418 I am a teapot\r\nX-Other: 1\r\ncontent-TYPE: text/x; a=b\r\n"
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n"
        "Content-Type: trailer\r\n\r\n";
    for (size_t piece = 1; piece < sizeof(text); piece++) {
        ANSWER *answer = http_answer_new(BODY_MAX);
        bool whole = false;
        size_t size = 0;
        CHECK_OK(feed(answer, text, sizeof(text) - 1, piece, &whole));
        CHECK(whole && http_answer_status(answer) == 418 && http_answer_keeps_alive(answer));
        CHECK_TEXT(http_answer_type(answer), "text/x; a=b");
        CHECK(memcmp(http_answer_body(answer, &size), "abcdefg", 7) == 0 && size == 7);
    }
}

TEST(what_is_behind_the_answer_is_not_taken)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200";
    ANSWER *answer = http_answer_new(BODY_MAX);
    size_t used = 0;
    bool whole = false;
    CHECK_OK(http_answer_feed(answer, text, sizeof(text) - 1, &used, &whole));
    CHECK(whole && used == sizeof(text) - 1 - strlen("HTTP/1.1 200"));
}

TEST(the_status_is_known_before_the_body)
{
    static const char text[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 50\r\n\r\n";
    ANSWER *answer = http_answer_new(BODY_MAX);
    bool whole = false;
    CHECK(http_answer_status(answer) == 0);
    CHECK_OK(feed(answer, text, sizeof(text) - 1, 1, &whole));
    CHECK(!whole && http_answer_status(answer) == 404);
}

TEST(a_connection_that_ends_is_told_of)
{
    ANSWER *answer = http_answer_new(BODY_MAX);
    static const char text[] = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    bool whole = false;
    size_t size = 1;
    CHECK_OK(feed(answer, text, sizeof(text) - 1, 1, &whole));
    CHECK(whole && !http_answer_keeps_alive(answer));
    CHECK_TEXT(http_answer_body(answer, &size), "");
    CHECK(size == 0);
}

TEST(what_is_not_such_an_answer_is_refused)
{
    static const char *const texts[] = {
        "GET / HTTP/1.1\r\n\r\n",
        "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: a\r\nContent-Type: b\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length : 0\n\n",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        bool whole = false;
        CHECK_FAILS(BAD_INPUT, feed_text(texts[i], &whole));
        CHECK(!whole);
    }
}

/* A head of `size` bytes before a body of none. */
static struct result feed_head(size_t size, size_t piece, bool *whole_out)
{
    static const char begin[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: ";
    ANSWER *answer = http_answer_new(BODY_MAX);
    BUF text = BUF_INIT(TEXT_MAX);
    buf_append_text(&text, begin);
    while (text.size < size - 4) {
        buf_append_text(&text, "y");
    }
    buf_append_text(&text, "\r\n\r\n");
    return feed(answer, text.data, text.size, piece, whole_out);
}

TEST(heads_are_bounded)
{
    const size_t pieces[] = { 1, 1000, TEXT_MAX };
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        bool whole = false;
        CHECK_OK(feed_head(HTTP_ANSWER_HEAD_MAX, pieces[i], &whole));
        CHECK(whole);
        CHECK_FAILS(LIMIT, feed_head(HTTP_ANSWER_HEAD_MAX + 1, pieces[i], &whole));
        CHECK(!whole);
    }
}

static struct result feed_body(size_t size, bool chunked, bool *whole_out)
{
    BUF text = BUF_INIT(TEXT_MAX);
    buf_append_text(&text, "HTTP/1.1 200 OK\r\n");
    if (chunked) {
        buf_printf(&text, "Transfer-Encoding: chunked\r\n\r\n%zx\r\n", size);
    } else {
        buf_printf(&text, "Content-Length: %zu\r\n\r\n", size);
    }
    for (size_t i = 0; i < size; i++) {
        buf_append_text(&text, "b");
    }
    buf_append_text(&text, chunked ? "\r\n0\r\n\r\n" : "");
    return feed_text(text.data, whole_out);
}

TEST(bodies_are_bounded)
{
    bool whole = false;
    for (int chunked = 0; chunked <= 1; chunked++) {
        CHECK_OK(feed_body(BODY_MAX, chunked == 1, &whole));
        CHECK(whole);
        CHECK_FAILS(LIMIT, feed_body(BODY_MAX + 1, chunked == 1, &whole));
        CHECK(!whole);
    }
}

TEST(what_is_around_chunks_is_bounded)
{
    BUF text = BUF_INIT(TEXT_MAX);
    bool whole = false;
    buf_append_text(&text, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;");
    while (text.size <= HTTP_ANSWER_HEAD_MAX + 2 * BODY_MAX) {
        buf_append_text(&text, "x");
    }
    CHECK_FAILS(LIMIT, feed_text(text.data, &whole));
    CHECK(!whole);
}

TEST(types_are_bounded)
{
    bool whole = false;
    for (size_t size = HTTP_ANSWER_TYPE_MAX; size <= HTTP_ANSWER_TYPE_MAX + 1; size++) {
        BUF text = BUF_INIT(TEXT_MAX);
        buf_append_text(&text, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Type: ");
        for (size_t i = 0; i < size; i++) {
            buf_append_text(&text, "t");
        }
        buf_append_text(&text, "\r\n\r\n");
        struct result fed = feed_text(text.data, &whole);
        CHECK(whole == (size == HTTP_ANSWER_TYPE_MAX));
        CHECK(fed.status == (whole ? STATUS_OK : STATUS_BAD_INPUT));
    }
}

HARNESS_TESTS(T(an_answer_is_read_in_any_pieces), T(what_is_behind_the_answer_is_not_taken),
              T(the_status_is_known_before_the_body), T(a_connection_that_ends_is_told_of),
              T(what_is_not_such_an_answer_is_refused), T(heads_are_bounded), T(bodies_are_bounded),
              T(what_is_around_chunks_is_bounded), T(types_are_bounded))
