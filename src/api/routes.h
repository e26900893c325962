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
};

/* Calls the handler of the first route that fits; answers 404 when no pattern fits the path, 405
 * with Allow when only the method does not. */
void routes_dispatch(const struct route *routes, size_t count, struct api *api,
                     struct http_exchange *exchange);

/* Answers with a body that is complete, or with 500 when it outgrew its limit. */
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
void api_metrics(struct api *api, struct http_exchange *exchange, const char *parameter);

/* Runs `run` on a task thread with the exchange that it then answers; answers 503 itself when the
 * queue of tasks is full, or `counter` (may be NULL) has reached `limit`. The counter goes down
 * when `run` returns. */
void respond_later(struct api *api, struct http_exchange *exchange,
                   void (*run)(struct api *api, struct http_exchange *exchange),
                   atomic_size_t *counter, size_t limit);

#endif
