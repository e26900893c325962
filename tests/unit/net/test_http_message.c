#include "harness.h"
#include "net/http_message.h"

TEST(json_is_accepted_by_name_and_wildcard)
{
    static const char *const yes[] = {
        "application/json",
        "APPLICATION/JSON",
        "application/json; charset=utf-8",
        "text/plain, application/json;q=0.5",
        "text/html,\tapplication/json ,x/y",
        "*/*",
        "text/html, */*;q=0.1",
        "application/*",
    };
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        CHECK(http_accepts(yes[i], "application/json", true));
    }
}

TEST(other_values_do_not_accept_json)
{
    static const char *const no[] = {
        "",
        "text/plain",
        "application/jsonx",
        "xapplication/json",
        "application",
        "text/*",
        ",,,",
        ";",
        "application/json-seq",
        "*",
        "/*",
        "application/",
        "appl/*",
    };
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
        CHECK(!http_accepts(no[i], "application/json", true));
    }
}

TEST(wildcards_count_only_when_asked_for)
{
    CHECK(!http_accepts("*/*", "application/json", false));
    CHECK(!http_accepts("application/*", "application/json", false));
    CHECK(http_accepts("application/json", "application/json", false));
}

TEST(an_error_is_json_and_escapes_its_message)
{
    struct http_response response = http_error(400, "a \"quoted\"\nline");
    CHECK(response.status == 400);
    CHECK_TEXT(response.content_type, "application/json; charset=utf-8");
    CHECK_TEXT(response.body.data, "{\"code\":400,\"message\":\"a \\\"quoted\\\"\\nline\"}");
    buf_free(&response.body);
}

TEST(every_status_that_is_sent_has_a_reason)
{
    static const unsigned sent[] = { 200, 202, 400, 401, 403, 404, 405, 408, 409,
                                     412, 413, 414, 417, 431, 500, 501, 503, 505 };
    for (size_t i = 0; i < sizeof(sent) / sizeof(sent[0]); i++) {
        CHECK(http_reason(sent[i])[0] != '\0');
    }
    CHECK_TEXT(http_reason(299), "");
}

HARNESS_TESTS(T(json_is_accepted_by_name_and_wildcard), T(other_values_do_not_accept_json),
              T(wildcards_count_only_when_asked_for), T(an_error_is_json_and_escapes_its_message),
              T(every_status_that_is_sent_has_a_reason))
