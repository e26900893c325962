#include "harness.h"
#include "net/http_parser.h"

#include "base/cleanup.h"

enum { BODY_MAX = 100 * 1000, MEMORY = 300 * 1000 };

static struct http_body_budget budget;

static struct http_parser *new_parser(void)
{
    budget.body_max = BODY_MAX;
    atomic_store(&budget.left, MEMORY);
    return http_parser_new(&budget);
}

static bool all_memory_is_back(void)
{
    return atomic_load(&budget.left) == MEMORY;
}

/* Feeds `text` in pieces of `step` bytes, until it is used up or the state is not MORE. */
static enum http_parser_state feed(struct http_parser *parser, const char *text, size_t size,
                                   size_t step, size_t *used_out)
{
    enum http_parser_state state = HTTP_PARSER_MORE;
    size_t at = 0;
    while (at < size && (state == HTTP_PARSER_MORE || state == HTTP_PARSER_CONTINUE)) {
        size_t used = 0;
        size_t piece = size - at < step ? size - at : step;
        state = http_parser_feed(parser, text + at, piece, &used);
        at += used;
    }
    *used_out = at;
    return state;
}

static unsigned refusal_of(const char *text, size_t size)
{
    struct http_parser *parser = new_parser();
    size_t used = 0;
    unsigned status = 0;
    if (feed(parser, text, size, size, &used) == HTTP_PARSER_FAILED) {
        struct http_response response = http_parser_refusal(parser);
        status = response.close ? response.status : 1;
        buf_free(&response.body);
    }
    http_parser_free(parser);
    return all_memory_is_back() ? status : 2;
}

static unsigned refusal(const char *text)
{
    return refusal_of(text, strlen(text));
}

static const char full[] = "POST /api/v1/eth2/sign/0xab?x=y HTTP/1.1\r\nHost: a\r\n"
                           "Accept: application/json\r\ncontent-TYPE: application/json\r\n"
                           "Authorization: Bearer secret\r\nX-Other: thing\r\n"
                           "Content-Length: 11\r\nAccept: text/plain\r\n\r\nhello world";

TEST(a_request_comes_out_the_same_whatever_the_pieces)
{
    for (size_t step = 1; step <= sizeof(full); step++) {
        struct http_parser *parser = new_parser();
        size_t used = 0;
        CHECK(http_parser_is_idle(parser));
        CHECK(feed(parser, full, sizeof(full) - 1, step, &used) == HTTP_PARSER_DONE);
        CHECK(used == sizeof(full) - 1);
        struct http_request *request = http_parser_take(parser);
        CHECK(request->method == METHOD_POST);
        CHECK(request->keep_alive);
        CHECK_TEXT(request->path, "/api/v1/eth2/sign/0xab");
        CHECK_TEXT(request->query, "x=y");
        CHECK_TEXT(request->accept, "application/json,text/plain");
        CHECK_TEXT(request->content_type, "application/json");
        CHECK_TEXT(request->authorization, "Bearer secret");
        CHECK(request->body_size == 11);
        CHECK_TEXT(request->body, "hello world");
        http_request_free(request, &budget);
        CHECK(http_parser_is_idle(parser));
        http_parser_free(parser);
        CHECK(all_memory_is_back());
    }
}

TEST(requests_that_stand_behind_each_other_are_taken_one_by_one)
{
    static const char three[] =
        "GET /a HTTP/1.1\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 2\r\n\r\n"
        "xyGET /c HTTP/1.0\r\n\r\n";
    static const char *const paths[] = { "/a", "/b", "/c" };
    struct http_parser *parser = new_parser();
    size_t at = 0;
    for (size_t i = 0; i < 3; i++) {
        size_t used = 0;
        CHECK(http_parser_feed(parser, three + at, sizeof(three) - 1 - at, &used) ==
              HTTP_PARSER_DONE);
        at += used;
        struct http_request *request = http_parser_take(parser);
        CHECK_TEXT(request->path, paths[i]);
        CHECK(request->keep_alive == (i < 2));
        http_request_free(request, &budget);
    }
    CHECK(at == sizeof(three) - 1);
    http_parser_free(parser);
}

TEST(chunked_bodies_are_put_together)
{
    static const char text[] = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\n\r\n";
    for (size_t step = 1; step <= sizeof(text); step++) {
        struct http_parser *parser = new_parser();
        size_t used = 0;
        CHECK(feed(parser, text, sizeof(text) - 1, step, &used) == HTTP_PARSER_DONE);
        struct http_request *request = http_parser_take(parser);
        CHECK_TEXT(request->body, "hello world");
        http_request_free(request, &budget);
        http_parser_free(parser);
    }
}

TEST(a_body_at_the_limit_passes_and_one_past_it_is_413)
{
    static char text[BODY_MAX + 200];
    for (size_t extra = 0; extra <= 1; extra++) {
        int head = snprintf(text, sizeof(text), "POST / HTTP/1.1\r\nContent-Length: %zu\r\n\r\n",
                            BODY_MAX + extra);
        memset(text + head, 'x', BODY_MAX + extra);
        struct http_parser *parser = new_parser();
        size_t used = 0;
        enum http_parser_state state =
            feed(parser, text, (size_t)head + BODY_MAX + extra, 4096, &used);
        CHECK(state == (extra == 0 ? HTTP_PARSER_DONE : HTTP_PARSER_FAILED));
        http_parser_free(parser);
        CHECK(all_memory_is_back());
    }
    CHECK(refusal("POST / HTTP/1.1\r\nContent-Length: 100001\r\n\r\n") == 413);
    CHECK(refusal("POST / HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\n") == 413);
}

TEST(an_endless_chunked_body_is_413)
{
    struct http_parser *parser = new_parser();
    static const char head[] = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    static char chunk[1000 + 8];
    size_t used = 0;
    snprintf(chunk, sizeof(chunk), "3e8\r\n");
    memset(chunk + 5, 'x', 1000);
    memcpy(chunk + 1005, "\r\n", 2);
    CHECK(http_parser_feed(parser, head, sizeof(head) - 1, &used) == HTTP_PARSER_MORE);
    enum http_parser_state state = HTTP_PARSER_MORE;
    size_t chunks = 0;
    while (state == HTTP_PARSER_MORE && chunks < 1000) {
        state = http_parser_feed(parser, chunk, 1007, &used);
        chunks++;
    }
    CHECK(state == HTTP_PARSER_FAILED);
    CHECK(chunks == BODY_MAX / 1000 + 1);
    struct http_response response = http_parser_refusal(parser);
    CHECK(response.status == 413);
    buf_free(&response.body);
    http_parser_free(parser);
    CHECK(all_memory_is_back());
}

TEST(memory_of_all_bodies_together_is_bounded)
{
    struct http_parser *parsers[4];
    static char body[BODY_MAX];
    size_t used = 0;
    static const char head[] = "POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n";
    parsers[0] = new_parser();
    for (size_t i = 1; i < 4; i++) {
        parsers[i] = http_parser_new(&budget);
    }
    enum http_parser_state states[4];
    for (size_t i = 0; i < 4; i++) {
        CHECK(http_parser_feed(parsers[i], head, sizeof(head) - 1, &used) == HTTP_PARSER_MORE);
        states[i] = http_parser_feed(parsers[i], body, sizeof(body), &used);
    }
    CHECK(states[0] == HTTP_PARSER_DONE);
    CHECK(states[3] == HTTP_PARSER_FAILED);
    size_t left = atomic_load(&budget.left);
    CHECK(left == MEMORY - (size_t)2 * (BODY_MAX + 1)); /* refused ones hold nothing any more */
    struct http_response response = http_parser_refusal(parsers[3]);
    CHECK(response.status == 503);
    CHECK(response.retry_after_seconds > 0);
    CHECK(strstr(response.body.data, "too many large requests at once; try again") != NULL);
    buf_free(&response.body);
    for (size_t i = 0; i < 4; i++) {
        http_parser_free(parsers[i]);
    }
    CHECK(all_memory_is_back());
}

/* Memory that a body of `size` bytes holds when it is there in one piece. */
static size_t memory_of_body(size_t size)
{
    static char text[BODY_MAX + 200];
    struct http_parser *parser = new_parser();
    int head = snprintf(text, sizeof(text), "POST / HTTP/1.1\r\nContent-Length: %zu\r\n\r\n", size);
    memset(text + head, 'x', size);
    size_t used = 0;
    (void)http_parser_feed(parser, text, (size_t)head + size, &used);
    size_t taken = MEMORY - atomic_load(&budget.left);
    http_parser_free(parser);
    return taken;
}

TEST(a_body_takes_no_more_memory_than_it_needs)
{
    CHECK(memory_of_body(1) == 2);
    CHECK(memory_of_body(1000) == 1001); /* and the NUL */
    CHECK(memory_of_body(HTTP_BODY_SMALL_MAX) == HTTP_BODY_SMALL_MAX + 1);
    CHECK(memory_of_body(BODY_MAX) == BODY_MAX + 1); /* grown, but not past the longest body */
}

/* Whether a body of `size` bytes finds memory when `left` bytes are left. */
static bool finds_memory(size_t size, size_t left)
{
    static char text[BODY_MAX + 200];
    struct http_parser *parser = new_parser();
    int head = snprintf(text, sizeof(text), "POST / HTTP/1.1\r\nContent-Length: %zu\r\n\r\n", size);
    memset(text + head, 'x', size);
    size_t used = 0;
    budget.reserved = 70 * 1000;
    atomic_store(&budget.left, left);
    bool found = http_parser_feed(parser, text, (size_t)head + size, &used) == HTTP_PARSER_DONE;
    http_parser_free(parser);
    budget.reserved = 0;
    return found && atomic_load(&budget.left) == left;
}

TEST(large_bodies_leave_what_is_reserved_for_small_ones)
{
    CHECK(finds_memory(HTTP_BODY_SMALL_MAX, 70 * 1000));
    CHECK(!finds_memory(HTTP_BODY_SMALL_MAX + 1, 70 * 1000));
    CHECK(finds_memory(1000, 1001));
    CHECK(!finds_memory(1000, 1000));
    CHECK(finds_memory(BODY_MAX, 70 * 1000 + BODY_MAX + 1));
    CHECK(!finds_memory(BODY_MAX, 70 * 1000 + BODY_MAX));
}

TEST(fields_behind_a_chunked_body_are_not_the_headers)
{
    static const char text[] =
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nAccept: text/plain\r\n\r\n"
        "2\r\nok\r\n0\r\nAuthorization: Bearer late\r\nAccept: application/json\r\n"
        "Content-Type: x\r\n\r\n";
    for (size_t step = 1; step <= sizeof(text); step++) {
        struct http_parser *parser = new_parser();
        size_t used = 0;
        CHECK(feed(parser, text, sizeof(text) - 1, step, &used) == HTTP_PARSER_DONE);
        struct http_request *request = http_parser_take(parser);
        CHECK_TEXT(request->body, "ok");
        CHECK_TEXT(request->accept, "text/plain");
        CHECK_TEXT(request->authorization, "");
        CHECK_TEXT(request->content_type, "");
        http_request_free(request, &budget);
        http_parser_free(parser);
    }
}

TEST(what_stands_around_chunks_is_bounded_too)
{
    static char text[HTTP_HEAD_MAX + 200];
    static const char head[] = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    static const char *const begins[] = { "1;", "1;name=", "0\r\nTrailer: " };
    for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
        int used = snprintf(text, sizeof(text), "%s%s", head, begins[i]);
        memset(text + used, 'v', HTTP_HEAD_MAX);
        text[used + HTTP_HEAD_MAX] = '\0';
        CHECK(refusal(text) == 431);
    }
}

TEST(a_long_target_is_414)
{
    char text[HTTP_TARGET_MAX + 64];
    for (size_t size = HTTP_TARGET_MAX; size <= HTTP_TARGET_MAX + 1; size++) {
        int used = snprintf(text, sizeof(text), "GET /");
        memset(text + used, 'a', size - 1);
        snprintf(text + used + size - 1, sizeof(text) - (size_t)used - size + 1,
                 " HTTP/1.1\r\n\r\n");
        CHECK(refusal(text) == (size == HTTP_TARGET_MAX ? 0 : 414));
    }
}

static unsigned refusal_with_field(const char *name, size_t value_size)
{
    static char text[64 * 1024];
    int used = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n%s: ", name);
    memset(text + used, 'v', value_size);
    snprintf(text + used + value_size, sizeof(text) - (size_t)used - value_size, "\r\n\r\n");
    return refusal(text);
}

TEST(long_header_fields_are_431)
{
    CHECK(refusal_with_field("X", HTTP_HEAD_MAX - 1) == 0);
    CHECK(refusal_with_field("X", HTTP_HEAD_MAX) == 431);
    CHECK(refusal_with_field("Accept", HTTP_ACCEPT_MAX) == 0);
    CHECK(refusal_with_field("Accept", HTTP_ACCEPT_MAX + 1) == 431);
    CHECK(refusal_with_field("Authorization", HTTP_AUTHORIZATION_MAX) == 0);
    CHECK(refusal_with_field("Authorization", HTTP_AUTHORIZATION_MAX + 1) == 431);
}

TEST(many_header_fields_are_431)
{
    static char text[16 * 1024];
    for (size_t count = HTTP_FIELDS_MAX; count <= HTTP_FIELDS_MAX + 1; count++) {
        size_t used = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n");
        for (size_t i = 0; i < count; i++) {
            used += (size_t)snprintf(text + used, sizeof(text) - used, "X-%zu: 1\r\n", i);
        }
        snprintf(text + used, sizeof(text) - used, "\r\n");
        CHECK(refusal(text) == (count == HTTP_FIELDS_MAX ? 0 : 431));
    }
}

TEST(malformed_and_ambiguous_requests_are_refused)
{
    static const struct {
        const char *text;
        unsigned status;
    } cases[] = {
        { "\x16\x03\x01\x02", 501 }, /* somebody speaks TLS to the plain port */
        { "FOO / HTTP/1.1\r\n\r\n", 501 },
        { "get / HTTP/1.1\r\n\r\n", 501 },
        { "GET / HTTP/2.0\r\n\r\n", 505 },
        { "GET / HTTP/9.9\r\n\r\n", 505 },
        { "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400 },
        { "GET / HTTZ/1.1\r\n\r\n", 400 },
        { "GET nothing HTTP/1.1\r\n\r\n", 400 },
        { "OPTIONS * HTTP/1.1\r\n\r\n", 400 },
        { "CONNECT a:1 HTTP/1.1\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\nNo Colon Here\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\nBad\x01Name: x\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\nName: x\x01y\r\n\r\n", 400 },
        { "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400 },
        { "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
          400 },
        { "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400 },
        { "POST / HTTP/1.1\r\nContent-Length: 1x\r\n\r\n", 400 },
        { "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n", 400 },
        { "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 400 },
        { "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501 },
        { "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
        { "POST / HTTP/1.1\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\nName: x\r\n y\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\nName: x\r\n\ty\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\nName: x\r\n \r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\n Name: x\r\n\r\n", 400 },
        { "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400 },
        { "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", 400 },
        { "POST / HTTP/1.1\r\nExpect: a-pony\r\nContent-Length: 1\r\n\r\n", 417 },
        { "GET / HTTP/1.1\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\nContent-Type: a\r\nContent-Type: b\r\n\r\n", 400 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned status = refusal(cases[i].text);
        if (status != cases[i].status) {
            printf("# case %zu gave %u\n", i, status);
        }
        CHECK(status == cases[i].status);
    }
    CHECK(refusal_of("GET /\0 HTTP/1.1\r\n\r\n", 20) == 400);
}

TEST(absolute_targets_lose_scheme_and_host)
{
    static const struct {
        const char *target;
        const char *path;
    } cases[] = {
        { "http://signer:9000/upcheck", "/upcheck" },
        { "HTTPS://signer/a/b?c", "/a/b" },
        { "/http://x/", "/http://x/" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[128];
        size_t used = 0;
        struct http_parser *parser = new_parser();
        snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n\r\n", cases[i].target);
        CHECK(feed(parser, text, strlen(text), strlen(text), &used) == HTTP_PARSER_DONE);
        struct http_request *request = http_parser_take(parser);
        CHECK_TEXT(request->path, cases[i].path);
        http_request_free(request, &budget);
        http_parser_free(parser);
    }
    CHECK(refusal("GET http://signer HTTP/1.1\r\n\r\n") == 400);
}

TEST(an_offer_to_upgrade_is_ignored)
{
    static const char text[] =
        "POST /x HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\nContent-Length: 2\r\n\r\nok"
        "GET /next HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    struct http_parser *parser = new_parser();
    size_t used = 0;
    size_t at = 0;
    CHECK(http_parser_feed(parser, text, sizeof(text) - 1, &used) == HTTP_PARSER_DONE);
    struct http_request *request = http_parser_take(parser);
    CHECK_TEXT(request->body, "ok");
    CHECK(request->keep_alive);
    http_request_free(request, &budget);
    at = used;
    CHECK(http_parser_feed(parser, text + at, sizeof(text) - 1 - at, &used) == HTTP_PARSER_DONE);
    request = http_parser_take(parser);
    CHECK_TEXT(request->path, "/next");
    http_request_free(request, &budget);
    http_parser_free(parser);
}

TEST(continue_is_wanted_once_and_only_with_a_body)
{
    static const char text[] =
        "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    static const char bodyless[] = "GET / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n";
    static const char old[] =
        "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    struct http_parser *parser = new_parser();
    size_t used = 0;
    CHECK(http_parser_feed(parser, text, sizeof(text) - 1, &used) == HTTP_PARSER_CONTINUE);
    CHECK(http_parser_feed(parser, "o", 1, &used) == HTTP_PARSER_MORE);
    CHECK(http_parser_feed(parser, "k", 1, &used) == HTTP_PARSER_DONE);
    http_parser_free(parser);
    parser = new_parser();
    CHECK(http_parser_feed(parser, bodyless, sizeof(bodyless) - 1, &used) == HTTP_PARSER_DONE);
    http_parser_free(parser);
    parser = new_parser();
    CHECK(http_parser_feed(parser, old, sizeof(old) - 1, &used) == HTTP_PARSER_MORE);
    http_parser_free(parser);
    CHECK(all_memory_is_back());
}

HARNESS_TESTS(T(a_request_comes_out_the_same_whatever_the_pieces),
              T(requests_that_stand_behind_each_other_are_taken_one_by_one),
              T(chunked_bodies_are_put_together),
              T(a_body_at_the_limit_passes_and_one_past_it_is_413),
              T(an_endless_chunked_body_is_413), T(memory_of_all_bodies_together_is_bounded),
              T(a_body_takes_no_more_memory_than_it_needs),
              T(large_bodies_leave_what_is_reserved_for_small_ones),
              T(fields_behind_a_chunked_body_are_not_the_headers),
              T(what_stands_around_chunks_is_bounded_too), T(a_long_target_is_414),
              T(long_header_fields_are_431), T(many_header_fields_are_431),
              T(malformed_and_ambiguous_requests_are_refused),
              T(absolute_targets_lose_scheme_and_host), T(an_offer_to_upgrade_is_ignored),
              T(continue_is_wanted_once_and_only_with_a_body))
