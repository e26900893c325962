/* The Prometheus page (text exposition format 0.0.4). Names are contracts: docs/metrics.md. */
#include "api/routes.h"

#include "base/log.h"
#include "base/usage.h"

#include <inttypes.h>

enum { METRICS_PAGE_MAX = 1024 * 1024 };

static const double seconds_per_ns = 1e-9;

static void write_head(struct buf *out, const char *name, const char *kind, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
}

/* A metric without labels. */
static void write_value(struct buf *out, const char *name, const char *kind, const char *help,
                        double value)
{
    write_head(out, name, kind, help);
    buf_printf(out, "%s %.17g\n", name, value);
}

static const char *operation_label(size_t operation)
{
    return operation == OPERATION_COUNT ? "unknown" : operation_name((enum operation)operation);
}

static void write_requests(struct buf *out, const struct signer_metrics *metrics)
{
    static const char name[] = "containment_signing_requests_total";
    write_head(out, name, "counter", "Signing requests by outcome and operation.");
    for (size_t operation = 0; operation <= OPERATION_COUNT; operation++) {
        for (size_t status = 0; status < SIGN_STATUS_COUNT; status++) {
            uint64_t count = atomic_load(&metrics->requests[operation][status]);
            if (count > 0 || (status == SIGN_OK && operation < OPERATION_COUNT)) {
                buf_printf(out, "%s{status=\"%s\",operation=\"%s\"} %" PRIu64 "\n", name,
                           sign_status_name((enum sign_status)status), operation_label(operation),
                           count);
            }
        }
    }
}

static void write_histogram(struct buf *out, const char *name, const char *operation,
                            const struct latency_histogram *histogram)
{
    uint64_t cumulative = 0;
    for (size_t i = 0; i < LATENCY_BUCKETS; i++) {
        cumulative += atomic_load(&histogram->buckets[i]);
        buf_printf(out, "%s_bucket{operation=\"%s\",le=\"%g\"} %" PRIu64 "\n", name, operation,
                   (double)latency_bounds_ns[i] * seconds_per_ns, cumulative);
    }
    cumulative += atomic_load(&histogram->buckets[LATENCY_BUCKETS]);
    buf_printf(out, "%s_bucket{operation=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", name, operation,
               cumulative);
    buf_printf(out, "%s_sum{operation=\"%s\"} %.9g\n", name, operation,
               (double)atomic_load(&histogram->sum_ns) * seconds_per_ns);
    buf_printf(out, "%s_count{operation=\"%s\"} %" PRIu64 "\n", name, operation, cumulative);
}

static void write_durations(struct buf *out, const struct signer_metrics *metrics)
{
    static const char name[] = "containment_signing_duration_seconds";
    write_head(out, name, "histogram", "Time from a complete request to its signature.");
    for (size_t operation = 0; operation < OPERATION_COUNT; operation++) {
        if (atomic_load(&metrics->requests[operation][SIGN_OK]) > 0) {
            write_histogram(out, name, operation_name((enum operation)operation),
                            &metrics->duration[operation]);
        }
    }
}

static uint64_t sum_status(const struct signer_metrics *metrics, enum sign_status status)
{
    uint64_t sum = 0;
    for (size_t operation = 0; operation <= OPERATION_COUNT; operation++) {
        sum += atomic_load(&metrics->requests[operation][status]);
    }
    return sum;
}

static void write_signer(struct buf *out, struct api *api)
{
    const struct signer_metrics *metrics = signer_metrics(api->signer);
    struct signer_load load = signer_load(api->signer);
    size_t busy = load.in_flight < load.limit ? load.in_flight : load.limit;
    write_requests(out, metrics);
    write_durations(out, metrics);
    write_value(out, "containment_slashing_rejections_total", "counter",
                "Requests that slashing protection refused.",
                (double)sum_status(metrics, SIGN_SLASHABLE));
    write_value(out, "containment_slashing_repeats_total", "counter",
                "Messages that were signed again unchanged.",
                (double)atomic_load(&metrics->repeats));
    write_value(
        out, "containment_auth_rejections_total", "counter",
        "Requests of callers that were not known or not allowed.",
        (double)(sum_status(metrics, SIGN_UNAUTHORIZED) + sum_status(metrics, SIGN_FORBIDDEN)));
    write_value(out, "containment_signing_concurrency_limit", "gauge",
                "Requests that may be under way (signing.queue_limit).", (double)load.limit);
    write_value(out, "containment_signing_semaphore_available", "gauge",
                "Requests that may still be admitted now.", (double)(load.limit - busy));
    write_value(out, "containment_signing_queue_depth", "gauge", "Requests waiting for a worker.",
                (double)load.waiting);
    write_value(out, "containment_signing_workers", "gauge", "Threads that compute signatures.",
                (double)load.workers);
    write_value(out, "containment_message_cache_hits_total", "counter",
                "Signatures whose message was hashed to the curve already.",
                (double)load.message_hits);
    write_value(out, "containment_message_cache_misses_total", "counter",
                "Signatures whose message had to be hashed to the curve.",
                (double)load.message_misses);
}

static void write_store(struct buf *out, struct api *api)
{
    struct committer_counts counts = committer_counts(api->committer);
    uint64_t database = 0;
    uint64_t disk_free = 0;
    health_disk(api->health, &database, &disk_free);
    write_value(out, "containment_slashing_commits_total", "counter",
                "Batches that slashing protection decided.", (double)counts.batches);
    write_value(out, "containment_slashing_checks_total", "counter", "Messages in those batches.",
                (double)counts.checks);
    write_value(out, "containment_slashing_store_failures_total", "counter",
                "Messages that the store could not decide or record.", (double)counts.failed);
    write_value(out, "containment_slashing_commit_seconds_total", "counter",
                "Time spent deciding and recording.", (double)counts.commit_ns * seconds_per_ns);
    write_value(out, "containment_slashing_batch_size_max", "gauge", "Largest batch so far.",
                (double)counts.batch_max);
    write_value(out, "containment_slashing_checks_waiting", "gauge",
                "Messages waiting for the next batch.", (double)counts.waiting);
    write_value(out, "containment_slashing_database_bytes", "gauge",
                "Size of the slashing protection database.", (double)database);
    write_value(out, "containment_slashing_disk_free_bytes", "gauge",
                "Free space where that database is.", (double)disk_free);
}

static void write_keys(struct buf *out, struct api *api)
{
    struct reload_status status = reloader_status(api->reloader);
    write_head(out, "containment_keys_active", "gauge", "Loaded keys by source.");
    for (size_t origin = 0; origin < KEY_ORIGIN_COUNT; origin++) {
        buf_printf(out, "containment_keys_active{source=\"%s\"} %zu\n",
                   key_origin_name((enum key_origin)origin),
                   key_table_count_of(api->keys, (enum key_origin)origin));
    }
    write_value(out, "containment_key_loading_duration_seconds", "gauge",
                "Time that the last load of the filesystem's keys took.",
                (double)status.duration_ns * seconds_per_ns);
    write_value(out, "containment_key_load_failures_total", "counter",
                "Key files that could not be loaded.", (double)status.failures_total);
}

static void write_health(struct buf *out, struct api *api)
{
    char reason[DETAIL_SIZE];
    bool healthy =
        health_store_is_up(api->health, reason) && reloader_status(api->reloader).ever_completed;
    write_value(out, "containment_healthy", "gauge", "1 when /healthcheck answers 200.", healthy);
    write_head(out, "containment_signer_state", "gauge", "1 for the state that the signer is in.");
    buf_append_text(out, "containment_signer_state{state=\"unsealed\"} 1\n");
    write_head(out, "containment_build_info", "gauge", "The version, as a label.");
    buf_printf(out, "containment_build_info{version=\"%s\",network=\"%s\"} 1\n", CHAMBER_VERSION,
               api->network->name);
}

static void write_http(struct buf *out, struct api *api)
{
    struct http_server_counts counts = http_server_counts(api->server);
    write_value(out, "containment_http_connections_open", "gauge", "Connections open now.",
                (double)counts.connections_open);
    write_value(out, "containment_http_connections_total", "counter", "Connections accepted.",
                (double)counts.connections_accepted);
    write_value(out, "containment_http_connections_refused_total", "counter",
                "Connections closed because server.max_connections was reached.",
                (double)counts.connections_refused);
    write_value(out, "containment_http_requests_total", "counter", "Complete requests.",
                (double)counts.requests);
    write_value(out, "containment_http_requests_refused_total", "counter",
                "Requests refused as malformed, too large or too slow.",
                (double)counts.requests_refused);
    write_value(out, "containment_tls_handshakes_failed_total", "counter",
                "TLS handshakes that were refused or given up, by either side.",
                (double)counts.handshakes_failed);
    write_value(out, "containment_tls_certificate_expiry_seconds", "gauge",
                "When the TLS certificate expires, in seconds since 1970; 0 without TLS.",
                (double)atomic_load(&api->certificate_expiry));
    write_value(out, "containment_log_lines_dropped_total", "counter",
                "Log lines dropped because stderr was not read fast enough.",
                (double)log_dropped());
}

static void write_process(struct buf *out, struct api *api)
{
    write_value(out, "process_cpu_seconds_total", "counter", "CPU time of the process.",
                (double)usage_cpu_ns() * seconds_per_ns);
    write_value(out, "process_resident_memory_bytes", "gauge", "Resident memory.",
                (double)usage_resident_bytes());
    write_value(out, "process_open_fds", "gauge", "Open file descriptors.",
                (double)usage_open_files());
    write_value(out, "process_start_time_seconds", "gauge", "Start, in seconds since 1970.",
                (double)api->start_seconds);
}

void api_metrics(struct api *api, struct http_exchange *exchange, const char *parameter)
{
    (void)parameter;
    BUF page = BUF_INIT(METRICS_PAGE_MAX);
    write_signer(&page, api);
    write_store(&page, api);
    write_keys(&page, api);
    write_health(&page, api);
    write_http(&page, api);
    write_process(&page, api);
    if (!is_ok(buf_check(&page))) {
        respond_error(exchange, 500, "the page is too long");
        return;
    }
    struct http_response response = { .status = 200,
                                      .content_type = "text/plain; version=0.0.4; charset=utf-8",
                                      .body = page };
    page = BUF_INIT(0);
    http_respond(exchange, &response);
}
