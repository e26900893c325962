/* parent.h: the parent of an enclave: relays into it and out of it, the heartbeat, the bootstrap
 * server, and metrics. One event loop does it all; beside it there are a thread that resolves
 * names, one that writes the enclave's log and one that serves the metrics. */
#ifndef PARENT_PARENT_H
#define PARENT_PARENT_H

#include "net/event_loop.h"
#include "net/http_server.h"
#include "net/relay.h"
#include "parent/bootstrap_server.h"
#include "parent/heartbeat.h"
#include "parent/log_sink.h"
#include "parent/settings.h"

struct parent {
    const struct parent_settings *settings;
    struct event_loop *loop;
    struct relays *relays;
    struct {
        const struct parent_route *route;
        const char *direction; /* "inbound", "outbound" */
        struct relay *relay;
    } routes[2 * PARENT_ROUTES_MAX];
    size_t route_count;
    struct heartbeat heartbeat;
    struct stream_server *heartbeat_server; /* NULL: switched off */
    struct log_sink *sink;
    struct bootstrap_server *bootstrap;
    struct http_server *metrics; /* NULL: switched off */
    uint16_t metrics_port;
};

/* Opens all of it; `parent` is zero at first. Everything given is borrowed. Failures name what
 * could not be opened; parent_close() is due then as well. */
RESULT parent_open(struct parent *parent, const struct parent_settings *settings,
                   const struct parent_routes *routes, struct detail *detail);

/* Breaks off what is open, writes the enclave's last lines, and frees. */
void parent_close(struct parent *parent);

/* The Prometheus page. `context` is a struct parent. */
void parent_metrics(struct http_exchange *exchange, void *context);

#endif
