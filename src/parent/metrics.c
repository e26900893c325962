/* The parent's Prometheus page (text exposition format 0.0.4). Names are contracts: docs/parent.md.
 */
#include "base/log.h"
#include "base/usage.h"
#include "enclave/bootstrap.h"
#include "parent/parent.h"

#include <inttypes.h>
#include <string.h>

enum { METRICS_PAGE_MAX = 256 * 1024 };

static const struct relay_metric {
    const char *name;
    const char *kind;
    const char *help;
    size_t offset; /* in struct relay_counts */
} relay_metrics[] = {
    { "containment_parent_relay_connections_open", "gauge", "Connections open now.",
      offsetof(struct relay_counts, active) },
    { "containment_parent_relay_connections_total", "counter", "Connections taken.",
      offsetof(struct relay_counts, accepted) },
    { "containment_parent_relay_refused_total", "counter",
      "Connections closed because a limit was reached.", offsetof(struct relay_counts, refused) },
    { "containment_parent_relay_failed_total", "counter",
      "Connections whose target could not be reached.", offsetof(struct relay_counts, failed) },
    { "containment_parent_relay_timed_out_total", "counter",
      "Connections closed because nothing moved.", offsetof(struct relay_counts, timed_out) },
    { "containment_parent_relay_reset_total", "counter", "Connections that one side broke off.",
      offsetof(struct relay_counts, reset) },
    { "containment_parent_relay_sent_bytes_total", "counter", "Bytes carried to the target.",
      offsetof(struct relay_counts, bytes_to_target) },
    { "containment_parent_relay_received_bytes_total", "counter",
      "Bytes carried back from the target.", offsetof(struct relay_counts, bytes_from_target) },
};

static void write_head(struct buf *out, const char *name, const char *kind, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
}

static void write_value(struct buf *out, const char *name, const char *kind, const char *help,
                        uint64_t value)
{
    write_head(out, name, kind, help);
    buf_printf(out, "%s %" PRIu64 "\n", name, value);
}

static void write_relays(struct buf *out, const struct parent *parent)
{
    for (size_t i = 0; i < sizeof(relay_metrics) / sizeof(relay_metrics[0]); i++) {
        const struct relay_metric *metric = &relay_metrics[i];
        write_head(out, metric->name, metric->kind, metric->help);
        for (size_t route = 0; route < parent->route_count; route++) {
            struct relay_counts counts = relay_counts(parent->routes[route].relay);
            uint64_t value = *(const uint64_t *)((const char *)&counts + metric->offset);
            buf_printf(out, "%s{direction=\"%s\",relay=\"%s\"} %" PRIu64 "\n", metric->name,
                       parent->routes[route].direction, parent->routes[route].route->text, value);
        }
    }
}

static void write_enclave(struct buf *out, const struct parent *parent)
{
    struct bootstrap_counts counts = bootstrap_server_counts(parent->bootstrap);
    struct log_sink_counts lines = log_sink_counts(parent->sink);
    write_value(out, "containment_parent_enclave_connected", "gauge",
                "Bootstrap connections of the enclave.", counts.connected);
    write_value(out, "containment_parent_enclave_starts_total", "counter",
                "Times that the enclave asked for its configuration.", counts.greeted);
    write_head(out, "containment_parent_enclave_state", "gauge",
               "1 for the state that the enclave told last.");
    for (int health = 0; health < BOOTSTRAP_HEALTHS; health++) {
        buf_printf(out, "containment_parent_enclave_state{state=\"%s\"} %d\n",
                   bootstrap_health_name((enum bootstrap_health)health),
                   counts.connected > 0 && counts.health == (uint64_t)health);
    }
    write_value(out, "containment_parent_bootstrap_broken_total", "counter",
                "Bootstrap connections that broke the protocol.", counts.broken);
    write_value(out, "containment_parent_heartbeats_total", "counter", "Heartbeats answered.",
                atomic_load(&parent->heartbeat.beats));
    write_value(out, "containment_parent_enclave_log_lines_total", "counter",
                "Log lines of the enclave that were written.", lines.lines);
    write_value(out, "containment_parent_enclave_log_dropped_total", "counter",
                "Log lines that the parent dropped: too many, or not taken.", lines.dropped);
    write_value(out, "containment_parent_enclave_log_lost_total", "counter",
                "Log lines that the enclave says it dropped.", counts.enclave_dropped);
}

static void write_process(struct buf *out)
{
    write_value(out, "process_resident_memory_bytes", "gauge", "Resident memory.",
                usage_resident_bytes());
    write_value(out, "process_open_fds", "gauge", "Open file descriptors.", usage_open_files());
}

void parent_metrics(struct http_exchange *exchange, void *context)
{
    const struct parent *parent = context;
    const struct http_request *request = http_exchange_request(exchange);
    struct http_response response = http_error(404, "not found; the metrics are at /metrics");
    if (strcmp(request->path, "/metrics") == 0) {
        BUF page = BUF_INIT(METRICS_PAGE_MAX);
        buf_free(&response.body);
        write_relays(&page, parent);
        write_enclave(&page, parent);
        write_process(&page);
        response = (struct http_response){
            .status = 200, .content_type = "text/plain; version=0.0.4; charset=utf-8", .body = page
        };
        page = BUF_INIT(0);
    }
    http_respond(exchange, &response);
}
