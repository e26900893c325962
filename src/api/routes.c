#include "api/routes.h"

#include <stdlib.h>
#include <string.h>

static bool is_there(const struct route *route, const struct api *api)
{
    return route->is_there == NULL || route->is_there(api);
}

/* True when the path is an instance of the pattern; `*parameter_out` then points to what stands for
 * its {…}. */
static bool fits(const char *pattern, const char *path, const char **parameter_out)
{
    size_t fixed = strcspn(pattern, "{");
    *parameter_out = "";
    if (pattern[fixed] == '\0') {
        return strcmp(pattern, path) == 0;
    }
    if (strncmp(pattern, path, fixed) != 0 || path[fixed] == '\0' ||
        strchr(path + fixed, '/') != NULL) {
        return false;
    }
    *parameter_out = path + fixed;
    return true;
}

static enum http_method method_to_match(const struct http_request *request)
{
    return request->method == METHOD_HEAD ? METHOD_GET : request->method;
}

/* The methods of a path as the Allow field names them. All sets that exist are spelled out, because
 * the server keeps only a pointer. */
static const char *allow_text(bool get, bool post, bool delete)
{
    if (get && post && delete) {
        return "GET, HEAD, POST, DELETE";
    }
    if (get && post) {
        return "GET, HEAD, POST";
    }
    return get ? "GET, HEAD" : "POST";
}

static void refuse_method(const struct route *routes, size_t count, const struct api *api,
                          struct http_exchange *exchange)
{
    const char *path = http_exchange_request(exchange)->path;
    const char *parameter = NULL;
    bool allowed[METHOD_OTHER + 1] = { false };
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        if (is_there(&routes[i], api) && fits(routes[i].pattern, path, &parameter)) {
            allowed[routes[i].method] = true;
            any = true;
        }
    }
    if (!any) {
        respond_error(exchange, 404, "there is nothing at this path");
        return;
    }
    struct http_response response = http_error(405, "the path does not know this method");
    response.allow = allow_text(allowed[METHOD_GET], allowed[METHOD_POST], allowed[METHOD_DELETE]);
    http_respond(exchange, &response);
}

void routes_dispatch(const struct route *routes, size_t count, struct api *api,
                     struct http_exchange *exchange)
{
    const struct http_request *request = http_exchange_request(exchange);
    enum http_method method = method_to_match(request);
    const char *parameter = NULL;
    for (size_t i = 0; i < count; i++) {
        if (routes[i].method == method && is_there(&routes[i], api) &&
            fits(routes[i].pattern, request->path, &parameter)) {
            routes[i].handler(api, exchange, parameter);
            return;
        }
    }
    refuse_method(routes, count, api, exchange);
}

struct http_response error_response(unsigned status, const char *message)
{
    struct http_response response = http_error(status, message);
    response.retry_after_seconds = status == 503 ? 1 : 0;
    return response;
}

struct http_response json_response(unsigned status, struct buf *body)
{
    if (!is_ok(buf_check(body))) {
        return error_response(500, "the response is too long");
    }
    struct http_response response = { .status = status, .content_type = CONTENT_TYPE_JSON };
    response.body = *body;
    *body = BUF_INIT(0);
    return response;
}

void respond_error(struct http_exchange *exchange, unsigned status, const char *message)
{
    struct http_response response = error_response(status, message);
    http_respond(exchange, &response);
}

void respond_json(struct http_exchange *exchange, unsigned status, struct buf *body)
{
    struct http_response response = json_response(status, body);
    http_respond(exchange, &response);
}

/* An exchange that a task thread answers. */
struct later {
    struct task task;
    struct api *api;
    struct http_exchange *exchange;
    later_handler run;
    atomic_size_t *counter;
};

static void run_later(struct task *task)
{
    struct later later = *(struct later *)task;
    free(task);
    struct http_response response = later.run(later.api, later.exchange);
    if (later.counter != NULL) { /* before the client can ask for the place again */
        atomic_fetch_sub(later.counter, 1);
    }
    http_respond(later.exchange, &response);
}

void respond_later(struct api *api, struct http_exchange *exchange, later_handler run,
                   atomic_size_t *counter, size_t limit)
{
    if (counter != NULL && atomic_fetch_add(counter, 1) >= limit) {
        atomic_fetch_sub(counter, 1);
        respond_error(exchange, 503, "too many such requests at once; try again");
        return;
    }
    struct later *later = calloc(1, sizeof(*later));
    if (later != NULL) {
        *later = (struct later){
            .task.run = run_later, .api = api, .exchange = exchange, .run = run, .counter = counter
        };
    }
    if (later == NULL || !tasks_push(api->tasks, &later->task)) {
        free(later);
        if (counter != NULL) {
            atomic_fetch_sub(counter, 1);
        }
        respond_error(exchange, 503, "too much is waiting; try again");
    }
}
