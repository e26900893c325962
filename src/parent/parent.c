#include "parent/parent.h"

#include "enclave/bootstrap.h"

#include <string.h>

enum {
    MS = 1000,
    KIB = 1024,
    HEARTBEATS_MAX = 16,
    HEARTBEAT_TIMEOUT_MS = 10 * MS,
    METRICS_CONNECTIONS_MAX = 64,
    METRICS_TIMEOUT_S = 10,
    METRICS_MEMORY = 1024 * 1024,
};

static struct relay_settings relay_settings_for(const struct parent_settings *settings,
                                                const struct parent_route *route)
{
    return (struct relay_settings){
        .listen = route->listen,
        .target = route->target,
        .peer_cid = (uint32_t)settings->enclave.cid,
        .connections_max = settings->relays.max_connections_each,
        .connect_timeout_ms = (unsigned)settings->relays.connect_timeout_seconds * MS,
        .idle_timeout_ms = (unsigned)settings->relays.idle_timeout_seconds * MS,
        .linger_ms = (unsigned)settings->relays.linger_seconds * MS,
    };
}

static struct result open_routes(struct parent *parent, const char *direction,
                                 const struct parent_route *routes, size_t count,
                                 struct detail *detail)
{
    for (size_t i = 0; i < count; i++) {
        struct relay_settings settings = relay_settings_for(parent->settings, &routes[i]);
        struct relay *relay = NULL;
        struct result added = relays_add(parent->relays, &settings, &relay, detail);
        if (!is_ok(added)) {
            detail_prefix(detail, "%s \"%.100s\": ", direction, routes[i].text);
            return added;
        }
        parent->routes[parent->route_count].route = &routes[i];
        parent->routes[parent->route_count].direction = direction;
        parent->routes[parent->route_count++].relay = relay;
    }
    return OK;
}

static struct result open_relays(struct parent *parent, const struct parent_routes *routes,
                                 struct detail *detail)
{
    const struct relays_settings settings = { .connections_max =
                                                  parent->settings->relays.max_connections,
                                              .resolve_ttl_ms = RELAY_RESOLVE_TTL_MS };
    TRY(relays_new(parent->loop, &settings, &parent->relays));
    TRY(open_routes(parent, "inbound", routes->inbound, routes->inbound_count, detail));
    return open_routes(parent, "outbound", routes->outbound, routes->outbound_count, detail);
}

static struct result open_heartbeat(struct parent *parent, struct detail *detail)
{
    const struct stream_server_settings settings = {
        .listen = parent_own_port(parent->settings, PARENT_HEARTBEAT_PORT),
        .protocol = &heartbeat_protocol,
        .context = &parent->heartbeat,
        .peer_cid = (uint32_t)parent->settings->enclave.cid,
        .connections_max = HEARTBEATS_MAX,
        .unsent_max = 1,
        .idle_timeout_ms = HEARTBEAT_TIMEOUT_MS,
    };
    return stream_server_new(parent->loop, &settings, &parent->heartbeat_server, detail);
}

static struct result open_bootstrap(struct parent *parent, struct detail *detail)
{
    const struct parent_settings *settings = parent->settings;
    bool has_file = strcmp(settings->credentials.source, "file") == 0;
    TRY(log_sink_new(settings->enclave_log.file, settings->enclave_log.max_kib_per_second * KIB,
                     &parent->sink, detail));
    const struct bootstrap_server_settings bootstrap = {
        .listen = parent_own_port(settings, BOOTSTRAP_PORT),
        .configuration_file = settings->configuration_file,
        .credentials = has_file ? credentials_file(settings->credentials.file) : credentials_none(),
        .peer_cid = (uint32_t)settings->enclave.cid,
        .sink = parent->sink,
    };
    return bootstrap_server_new(parent->loop, &bootstrap, &parent->bootstrap, detail);
}

static struct result open_metrics(struct parent *parent, struct detail *detail)
{
    const struct http_server_settings settings = {
        .loops = 1,
        .connections_max = METRICS_CONNECTIONS_MAX,
        .body_max = 0,
        .body_memory_max = METRICS_MEMORY,
        .response_memory_max = METRICS_MEMORY,
        .idle_timeout_s = METRICS_TIMEOUT_S,
        .request_timeout_s = METRICS_TIMEOUT_S,
        .write_timeout_s = METRICS_TIMEOUT_S,
    };
    const struct http_endpoint endpoint = {
        .address = parent->settings->metrics.listen_address,
        .port = (uint16_t)parent->settings->metrics.listen_port,
        .handler = parent_metrics,
        .context = parent,
    };
    TRY(http_server_new(&settings, &parent->metrics));
    TRY(http_server_listen(parent->metrics, &endpoint, &parent->metrics_port, detail));
    return http_server_start(parent->metrics);
}

RESULT parent_open(struct parent *parent, const struct parent_settings *settings,
                   const struct parent_routes *routes, struct detail *detail)
{
    parent->settings = settings;
    TRY(event_loop_new(&parent->loop));
    TRY(open_bootstrap(parent, detail));
    if (settings->enclave.heartbeat) {
        TRY(open_heartbeat(parent, detail));
    }
    TRY(open_relays(parent, routes, detail));
    return settings->metrics.enabled ? open_metrics(parent, detail) : OK;
}

void parent_close(struct parent *parent)
{
    (void)http_server_drain(parent->metrics, 1);
    http_server_free(parent->metrics);
    relays_free(parent->relays);
    stream_server_free(parent->heartbeat_server);
    bootstrap_server_free(parent->bootstrap);
    log_sink_free(parent->sink);
    event_loop_free(parent->loop);
    *parent = (struct parent){ .settings = NULL };
}
