/* routes.h: from method and path to a handler. Internal to src/api. */
#ifndef API_ROUTES_H
#define API_ROUTES_H

#include "api/api.h"

/* Answers now or later, exactly once; `parameter` is what stood for {…} in the path, "" without
 * one. It lives as long as the exchange. */
typedef void (*route_handler)(struct api *api, struct http_exchange *exchange,
                              const char *parameter);

struct route {
    enum http_method method;
    const char *pattern; /* may end in "{…}", which takes one segment of the path */
    route_handler handler;
    bool (*is_there)(const struct api *api); /* NULL: always */
};

/* Calls the handler of the first route that is there and fits; answers 404 when no pattern fits the
 * path, 405 with Allow when only the method does not. */
void routes_dispatch(const struct route *routes, size_t count, struct api *api,
                     struct http_exchange *exchange);

/* A refusal; 503 with Retry-After. */
struct http_response error_response(unsigned status, const char *message);
/* A body that is complete, or 500 when it outgrew its limit; takes the body. */
struct http_response json_response(unsigned status, struct buf *body);

/* The same, sent. */
void respond_json(struct http_exchange *exchange, unsigned status, struct buf *body);
void respond_error(struct http_exchange *exchange, unsigned status, const char *message);

/* The handlers. */
void api_sign(struct api *api, struct http_exchange *exchange, const char *identifier);
void api_public_keys(struct api *api, struct http_exchange *exchange, const char *parameter);
void api_high_watermark(struct api *api, struct http_exchange *exchange, const char *parameter);
void api_upcheck(struct api *api, struct http_exchange *exchange, const char *parameter);
void api_healthcheck(struct api *api, struct http_exchange *exchange, const char *parameter);
void api_reload(struct api *api, struct http_exchange *exchange, const char *parameter);
void api_reload_status(struct api *api, struct http_exchange *exchange, const char *parameter);
void api_keystores_list(struct api *api, struct http_exchange *exchange, const char *parameter);
void api_keystores_import(struct api *api, struct http_exchange *exchange, const char *parameter);
void api_keystores_delete(struct api *api, struct http_exchange *exchange, const char *parameter);
void api_attestation(struct api *api, struct http_exchange *exchange, const char *parameter);
void api_metrics(struct api *api, struct http_exchange *exchange, const char *parameter);

/* Gives the response to a request whose exchange stays its caller's. */
typedef struct http_response (*later_handler)(struct api *api,
                                              const struct http_exchange *exchange);

/* Runs `run` on a task thread and answers with what it gives; answers 503 when the queue of tasks
 * is full, or `counter` (may be NULL) has reached `limit`. The counter goes down before the
 * response goes out. */
void respond_later(struct api *api, struct http_exchange *exchange, later_handler run,
                   atomic_size_t *counter, size_t limit);

#endif
