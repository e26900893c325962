#include "api/api.h"

#include "api/routes.h"

#include <string.h>

static bool has_key_manager(const struct api *api)
{
    return api->key_manager.enabled;
}

static bool has_attestation(const struct api *api)
{
    return api->attestation != NULL;
}

/* openapi.yaml describes the same; a test holds one to the other. */
static const struct route routes[] = {
    { METHOD_POST, "/api/v1/eth2/sign/{identifier}", api_sign, NULL },
    { METHOD_GET, "/api/v1/eth2/publicKeys", api_public_keys, NULL },
    { METHOD_GET, "/api/v1/eth2/highWatermark", api_high_watermark, NULL },
    { METHOD_GET, "/upcheck", api_upcheck, NULL },
    { METHOD_GET, "/healthcheck", api_healthcheck, NULL },
    { METHOD_POST, "/reload", api_reload, NULL },
    { METHOD_GET, "/reload", api_reload_status, NULL },
    { METHOD_POST, "/attestation", api_attestation, has_attestation },
    { METHOD_GET, "/eth/v1/keystores", api_keystores_list, has_key_manager },
    { METHOD_POST, "/eth/v1/keystores", api_keystores_import, has_key_manager },
    { METHOD_DELETE, "/eth/v1/keystores", api_keystores_delete, has_key_manager },
};

static const struct route metrics_routes[] = {
    { METHOD_GET, "/metrics", api_metrics, NULL },
};

void api_handle(struct http_exchange *exchange, void *context)
{
    if (http_exchange_request(exchange)->has_origin) {
        /* A browser on the signer's machine or network must not lend its place to a web page, which
         * could reach even the loopback under a name of its own. No validator client sends it. */
        respond_error(exchange, 403, "requests of web pages (with an Origin field) are refused");
        return;
    }
    routes_dispatch(routes, sizeof(routes) / sizeof(routes[0]), context, exchange);
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
