#include "api/routes.h"
#include "exchange.h"
#include "harness.h"

/* What the handlers below were called with. */
static struct {
    size_t calls;
    char name;
    char parameter[HTTP_TARGET_MAX + 1];
    const struct api *api;
} called;

static void note(char name, struct api *api, struct http_exchange *exchange, const char *parameter)
{
    struct http_response response = http_text(200, CONTENT_TYPE_TEXT, "handled");
    called.calls++;
    called.name = name;
    called.api = api;
    snprintf(called.parameter, sizeof(called.parameter), "%s", parameter);
    http_respond(exchange, &response);
}

static void on_get(struct api *api, struct http_exchange *exchange, const char *parameter)
{
    note('g', api, exchange, parameter);
}

static void on_post(struct api *api, struct http_exchange *exchange, const char *parameter)
{
    note('p', api, exchange, parameter);
}

static void on_delete(struct api *api, struct http_exchange *exchange, const char *parameter)
{
    note('d', api, exchange, parameter);
}

static void on_shadowed(struct api *api, struct http_exchange *exchange, const char *parameter)
{
    note('s', api, exchange, parameter);
}

static struct api api;
static bool is_there; /* what there is only sometimes */

static bool tell_whether(const struct api *of)
{
    return is_there && of == &api;
}

static const struct route routes[] = {
    { METHOD_GET, "/get", on_get, NULL },
    { METHOD_POST, "/post", on_post, NULL },
    { METHOD_GET, "/both", on_get, NULL },
    { METHOD_POST, "/both", on_post, NULL },
    { METHOD_GET, "/all", on_get, NULL },
    { METHOD_POST, "/all", on_post, NULL },
    { METHOD_DELETE, "/all", on_delete, NULL },
    { METHOD_POST, "/keys/{key}", on_post, NULL },
    { METHOD_POST, "/keys/known", on_shadowed, NULL },
    { METHOD_GET, "/sometimes", on_get, NULL },
    { METHOD_POST, "/sometimes", on_post, tell_whether },
    { METHOD_GET, "/perhaps", on_get, tell_whether },
};

static unsigned dispatch(struct http_exchange *exchange)
{
    memset(&called, 0, sizeof(called));
    routes_dispatch(routes, sizeof(routes) / sizeof(routes[0]), &api, exchange);
    return exchange_status(exchange);
}

TEST(the_handler_of_method_and_path_is_called_once)
{
    static const struct {
        enum http_method method;
        const char *path;
        char name;
        const char *parameter;
    } cases[] = {
        { METHOD_GET, "/get", 'g', "" },
        { METHOD_HEAD, "/get", 'g', "" },
        { METHOD_POST, "/post", 'p', "" },
        { METHOD_GET, "/both", 'g', "" },
        { METHOD_POST, "/both", 'p', "" },
        { METHOD_DELETE, "/all", 'd', "" },
        { METHOD_POST, "/keys/0xabc", 'p', "0xabc" },
        { METHOD_POST, "/keys/known", 'p', "known" }, /* the first that fits */
        { METHOD_POST, "/keys/%2f..", 'p', "%2f.." }, /* nothing is decoded */
        { METHOD_POST, "/keys/{key}", 'p', "{key}" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        EXCHANGE(exchange, cases[i].method, cases[i].path);
        CHECK(dispatch(&exchange) == 200);
        CHECK(called.calls == 1);
        CHECK(called.name == cases[i].name);
        CHECK(called.api == &api);
        CHECK_TEXT(called.parameter, cases[i].parameter);
    }
}

TEST(a_route_may_be_there_only_sometimes)
{
    EXCHANGE(post, METHOD_POST, "/sometimes");
    EXCHANGE(get, METHOD_GET, "/perhaps");
    EXCHANGE(other, METHOD_POST, "/perhaps");
    EXCHANGE(later_post, METHOD_POST, "/sometimes");
    EXCHANGE(later_get, METHOD_GET, "/perhaps");
    is_there = false;
    CHECK(dispatch(&post) == 405);
    CHECK_TEXT(post.response.allow, "GET, HEAD");
    CHECK(dispatch(&get) == 404);
    CHECK(dispatch(&other) == 404);
    CHECK(called.calls == 0);
    is_there = true;
    CHECK(dispatch(&later_post) == 200 && called.name == 'p');
    CHECK(dispatch(&later_get) == 200 && called.name == 'g');
}

TEST(a_path_that_is_no_route_is_404_whatever_the_method)
{
    static const char *const paths[] = {
        "/",      "/ge",     "/gett",  "/get/",    "/GET",      "//get",
        "/get//", "/keys",   "/keys/", "/keys/a/", "/keys/a/b", "/keys//",
        "/keysx", "/get%20", "/{key}", "",         "get",       "/keys/../get",
    };
    static const enum http_method methods[] = { METHOD_GET, METHOD_POST, METHOD_OTHER };
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        for (size_t j = 0; j < sizeof(methods) / sizeof(methods[0]); j++) {
            EXCHANGE(exchange, methods[j], paths[i]);
            CHECK(dispatch(&exchange) == 404);
            CHECK(called.calls == 0);
            CHECK(exchange.response.allow == NULL);
            CHECK_TEXT(exchange_body(&exchange),
                       "{\"code\":404,\"message\":\"there is nothing at this path\"}");
        }
    }
}

TEST(another_method_is_405_with_those_that_the_path_has)
{
    static const struct {
        const char *path;
        enum http_method method;
        const char *allow;
    } cases[] = {
        { "/get", METHOD_POST, "GET, HEAD" },
        { "/get", METHOD_DELETE, "GET, HEAD" },
        { "/post", METHOD_GET, "POST" },
        { "/post", METHOD_HEAD, "POST" },
        { "/both", METHOD_PUT, "GET, HEAD, POST" },
        { "/both", METHOD_OPTIONS, "GET, HEAD, POST" },
        { "/all", METHOD_PATCH, "GET, HEAD, POST, DELETE" },
        { "/all", METHOD_OTHER, "GET, HEAD, POST, DELETE" },
        { "/keys/known", METHOD_GET, "POST" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        EXCHANGE(exchange, cases[i].method, cases[i].path);
        CHECK(dispatch(&exchange) == 405);
        CHECK(called.calls == 0);
        CHECK_TEXT(exchange.response.allow, cases[i].allow);
        CHECK_TEXT(exchange.response.content_type, CONTENT_TYPE_JSON);
    }
}

TEST(without_routes_everything_is_404)
{
    EXCHANGE(exchange, METHOD_GET, "/get");
    routes_dispatch(routes, 0, &api, &exchange);
    CHECK(exchange_status(&exchange) == 404);
}

TEST(only_a_503_says_when_to_try_again)
{
    static const unsigned statuses[] = { 400, 404, 500, 503 };
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        EXCHANGE(exchange, METHOD_GET, "/");
        respond_error(&exchange, statuses[i], "because \"so\"");
        CHECK(exchange_status(&exchange) == statuses[i]);
        CHECK((exchange.response.retry_after_seconds > 0) == (statuses[i] == 503));
        CHECK(!exchange.response.close);
        CHECK(strstr(exchange_body(&exchange), "\"message\":\"because \\\"so\\\"\"}") != NULL);
    }
}

TEST(a_body_passes_whole_and_changes_hands)
{
    EXCHANGE(exchange, METHOD_GET, "/");
    BUF body = BUF_INIT(7);
    buf_append_text(&body, "[1,2,3]");
    respond_json(&exchange, 202, &body);
    CHECK(exchange_status(&exchange) == 202);
    CHECK_TEXT(exchange_body(&exchange), "[1,2,3]");
    CHECK_TEXT(exchange.response.content_type, CONTENT_TYPE_JSON);
    CHECK(body.data == NULL && body.size == 0);
}

TEST(half_a_body_never_passes_for_a_whole_one)
{
    EXCHANGE(exchange, METHOD_GET, "/");
    BUF body = BUF_INIT(6);
    buf_append_text(&body, "[1,2");
    buf_append_text(&body, ",3]");
    respond_json(&exchange, 200, &body);
    CHECK(exchange_status(&exchange) == 500);
    CHECK_TEXT(exchange_body(&exchange), "{\"code\":500,\"message\":\"the response is too long\"}");
}

/* A gate that answers wait at, so that the test decides how many are under way. */
static pthread_mutex_t gate_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_changed = PTHREAD_COND_INITIALIZER;
static bool gate_open;
static size_t gate_waiting;
static pthread_t gate_thread;

static void set_gate(bool open)
{
    LOCK_SCOPE(&gate_mutex);
    gate_open = open;
    pthread_cond_broadcast(&gate_changed);
}

static void wait_for_waiting(size_t wanted)
{
    LOCK_SCOPE(&gate_mutex);
    while (gate_waiting != wanted) {
        pthread_cond_wait(&gate_changed, &gate_mutex);
    }
}

static struct http_response answer_at_gate(struct api *asked, const struct http_exchange *exchange)
{
    (void)exchange;
    {
        LOCK_SCOPE(&gate_mutex);
        gate_waiting++;
        gate_thread = pthread_self();
        pthread_cond_broadcast(&gate_changed);
        while (!gate_open) {
            pthread_cond_wait(&gate_changed, &gate_mutex);
        }
        gate_waiting--;
    }
    return http_text(asked == &api ? 200 : 500, CONTENT_TYPE_TEXT, "later");
}

TEST(what_takes_long_is_answered_by_another_thread)
{
    EXCHANGE(exchange, METHOD_GET, "/");
    atomic_size_t counter = 0;
    CHECK_OK(tasks_new(1, 10, &api.tasks));
    set_gate(false);
    respond_later(&api, &exchange, answer_at_gate, &counter, 1);
    wait_for_waiting(1);
    CHECK(atomic_load(&counter) == 1);
    CHECK(!pthread_equal(gate_thread, pthread_self()));
    set_gate(true);
    CHECK(exchange_status(&exchange) == 200);
    CHECK(atomic_load(&counter) == 0); /* who has his answer may ask again at once */
    tasks_free(api.tasks);
}

TEST(at_the_limit_of_one_kind_the_next_is_503_and_other_kinds_pass)
{
    EXCHANGE(first, METHOD_GET, "/");
    EXCHANGE(second, METHOD_GET, "/");
    EXCHANGE(third, METHOD_GET, "/");
    EXCHANGE(other, METHOD_GET, "/");
    atomic_size_t counter = 0;
    CHECK_OK(tasks_new(3, 10, &api.tasks));
    set_gate(false);
    respond_later(&api, &first, answer_at_gate, &counter, 2);
    respond_later(&api, &second, answer_at_gate, &counter, 2);
    respond_later(&api, &third, answer_at_gate, &counter, 2);
    CHECK(exchange_status(&third) == 503);
    CHECK(third.response.retry_after_seconds > 0);
    CHECK(atomic_load(&counter) == 2);
    respond_later(&api, &other, answer_at_gate, NULL, 0); /* not counted, not limited */
    wait_for_waiting(3);
    set_gate(true);
    CHECK(exchange_status(&first) == 200);
    CHECK(exchange_status(&second) == 200);
    CHECK(exchange_status(&other) == 200);
    tasks_free(api.tasks);
    CHECK(atomic_load(&counter) == 0);
}

TEST(a_full_queue_is_503_and_does_not_count)
{
    EXCHANGE(running, METHOD_GET, "/");
    EXCHANGE(queued, METHOD_GET, "/");
    EXCHANGE(refused, METHOD_GET, "/");
    EXCHANGE(refused_too, METHOD_GET, "/");
    atomic_size_t counter = 0;
    CHECK_OK(tasks_new(1, 1, &api.tasks));
    set_gate(false);
    respond_later(&api, &running, answer_at_gate, &counter, 10);
    wait_for_waiting(1);
    respond_later(&api, &queued, answer_at_gate, &counter, 10);
    respond_later(&api, &refused, answer_at_gate, &counter, 10);
    respond_later(&api, &refused_too, answer_at_gate, NULL, 0);
    CHECK(exchange_status(&refused) == 503);
    CHECK(exchange_status(&refused_too) == 503);
    CHECK(atomic_load(&counter) == 2);
    set_gate(true);
    tasks_free(api.tasks); /* runs what is queued */
    CHECK(exchange_status(&running) == 200);
    CHECK(exchange_status(&queued) == 200);
    CHECK(atomic_load(&counter) == 0);
}

HARNESS_TESTS(T(a_route_may_be_there_only_sometimes),
              T(the_handler_of_method_and_path_is_called_once),
              T(a_path_that_is_no_route_is_404_whatever_the_method),
              T(another_method_is_405_with_those_that_the_path_has),
              T(without_routes_everything_is_404), T(only_a_503_says_when_to_try_again),
              T(a_body_passes_whole_and_changes_hands), T(half_a_body_never_passes_for_a_whole_one),
              T(what_takes_long_is_answered_by_another_thread),
              T(at_the_limit_of_one_kind_the_next_is_503_and_other_kinds_pass),
              T(a_full_queue_is_503_and_does_not_count))
