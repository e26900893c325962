#include "api/api.h"

#include "api/routes.h"

#include <string.h>

/* openapi.yaml describes the same; a test holds one to the other. */
static const struct route routes[] = {
    { METHOD_POST, "/api/v1/eth2/sign/{identifier}", api_sign },
    { METHOD_GET, "/api/v1/eth2/publicKeys", api_public_keys },
    { METHOD_GET, "/api/v1/eth2/highWatermark", api_high_watermark },
    { METHOD_GET, "/upcheck", api_upcheck },
    { METHOD_GET, "/healthcheck", api_healthcheck },
    { METHOD_POST, "/reload", api_reload },
    { METHOD_GET, "/reload", api_reload_status },
    /* last: there only when http.key_manager_api.enabled */
    { METHOD_GET, "/eth/v1/keystores", api_keystores_list },
    { METHOD_POST, "/eth/v1/keystores", api_keystores_import },
    { METHOD_DELETE, "/eth/v1/keystores", api_keystores_delete },
};
enum { ROUTES = sizeof(routes) / sizeof(routes[0]), KEY_MANAGER_ROUTES = 3 };

static const struct route metrics_routes[] = {
    { METHOD_GET, "/metrics", api_metrics },
};

void api_handle(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    size_t count = api->key_manager.enabled ? ROUTES : ROUTES - KEY_MANAGER_ROUTES;
    if (http_exchange_request(exchange)->has_origin) {
        /* A browser on the signer's machine or network must not lend its place to a web page, which
         * could reach even the loopback under a name of its own. No validator client sends it. */
        respond_error(exchange, 403, "requests of web pages (with an Origin field) are refused");
        return;
    }
    routes_dispatch(routes, count, api, exchange);
}

static bool is_health(const char *path)
{
    return strcmp(path, "/upcheck") == 0 || strcmp(path, "/healthcheck") == 0;
}

void api_handle_health(struct http_exchange *exchange, void *context)
{
    if (!is_health(http_exchange_request(exchange)->path)) {
        respond_error(exchange, 403,
                      "only health probes are answered here; use https and tls.listen_port");
        return;
    }
    api_handle(exchange, context);
}

void api_handle_metrics(struct http_exchange *exchange, void *context)
{
    routes_dispatch(metrics_routes, sizeof(metrics_routes) / sizeof(metrics_routes[0]), context,
                    exchange);
}
