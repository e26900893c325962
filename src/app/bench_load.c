#include "app/bench_load.h"

#include "base/cleanup.h"
#include "base/hex.h"
#include "net/http_load.h"

#include <inttypes.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* What the child holds. */
struct generator {
    int channel;
    struct pubkey *keys;
    size_t key_count;
    struct bench_order order;
};

static bool read_whole(int fd, void *out, size_t size)
{
    return recv(fd, out, size, MSG_WAITALL) == (ssize_t)size;
}

static bool write_whole(int fd, const void *bytes, size_t size)
{
    const char *next = bytes;
    while (size > 0) {
        ssize_t done = send(fd, next, size, MSG_NOSIGNAL);
        if (done <= 0) {
            return false;
        }
        next += done;
        size -= (size_t)done;
    }
    return true;
}

/* An attestation that nobody ever made: its block root is the request's number. */
static size_t write_body(const struct bench_order *order, size_t index, char *out, size_t size)
{
    uint64_t epoch = order->first_epoch + index / order->keys;
    size_t message = order->same_message ? index / order->keys : index;
    char gvr[HEX_TEXT_SIZE(sizeof(struct root))];
    hex_encode(order->genesis_validators_root.bytes, sizeof(struct root), gvr);
    int used = snprintf(
        out, size,
        "{\"type\":\"ATTESTATION\",\"fork_info\":{\"fork\":{\"previous_version\":\"0x05000000\","
        "\"current_version\":\"0x06000000\",\"epoch\":\"1\"},\"genesis_validators_root\":\"%s\"},"
        "\"attestation\":{\"slot\":\"%" PRIu64 "\",\"index\":\"0\",\"beacon_block_root\":"
        "\"0x%064zx\",\"source\":{\"epoch\":\"%" PRIu64 "\",\"root\":\"0x%064d\"},"
        "\"target\":{\"epoch\":\"%" PRIu64 "\",\"root\":\"0x%064d\"}}}",
        gvr, epoch * 32, message, epoch - 1, 1, epoch, 2);
    return (size_t)used;
}

static size_t write_request(size_t index, char out[static HTTP_LOAD_REQUEST_MAX], void *context)
{
    const struct generator *generator = context;
    char body[HTTP_LOAD_REQUEST_MAX / 2];
    char key[HEX_TEXT_SIZE(sizeof(struct pubkey))];
    size_t body_size = write_body(&generator->order, index, body, sizeof(body));
    hex_encode(generator->keys[index % generator->order.keys].bytes, sizeof(struct pubkey), key);
    int used = snprintf(out, HTTP_LOAD_REQUEST_MAX,
                        "POST /api/v1/eth2/sign/%s HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                        "Accept: application/json\r\nContent-Type: application/json\r\n"
                        "Content-Length: %zu\r\n\r\n%s",
                        key, body_size, body);
    return (size_t)used;
}

static void carry_out(struct generator *generator, struct bench_outcome *outcome)
{
    const struct bench_order *order = &generator->order;
    const struct http_load load = {
        .address = "127.0.0.1",
        .port = order->port,
        .connections = order->connections,
        .requests = order->requests,
        .pause_ns = order->pause_ns,
        .write_request = write_request,
        .context = generator,
        .server = getppid(),
    };
    struct http_load_result result = { 0 };
    struct detail detail = { "" };
    struct result ran = http_load_run(&load, &result, &detail);
    if (!is_ok(ran)) {
        detail_line(&detail, ran, outcome->reason, sizeof(outcome->reason));
        return;
    }
    *outcome = (struct bench_outcome){
        .ran = true,
        .answered = result.answered,
        .refused = result.refused,
        .failed = result.failed,
        .wall_ns = result.wall_ns,
        .cpu_ns = result.cpu_ns,
        .p50_ns = http_load_quantile(&result, 0.5),
        .p90_ns = http_load_quantile(&result, 0.9),
        .p99_ns = http_load_quantile(&result, 0.99),
        .max_ns = http_load_quantile(&result, 1.0),
    };
    free(result.latencies_ns);
}

static bool receive_keys(struct generator *generator)
{
    if (!read_whole(generator->channel, &generator->key_count, sizeof(generator->key_count))) {
        return false;
    }
    generator->keys = calloc(generator->key_count, sizeof(*generator->keys));
    for (size_t i = 0; generator->keys != NULL && i < generator->key_count; i++) {
        if (!read_whole(generator->channel, &generator->keys[i], sizeof(*generator->keys))) {
            return false;
        }
    }
    return generator->keys != NULL;
}

/* The child's whole life. */
static void generate(int channel)
{
    struct generator generator = { .channel = channel };
    if (!receive_keys(&generator)) {
        return;
    }
    while (read_whole(channel, &generator.order, sizeof(generator.order))) {
        struct bench_outcome outcome = { 0 };
        carry_out(&generator, &outcome);
        if (!write_whole(channel, &outcome, sizeof(outcome))) {
            break;
        }
    }
    free(generator.keys);
}

RESULT bench_load_start(struct bench_load *out)
{
    int ends[2];
    ENSURE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, UNAVAILABLE,
           "cannot make a socket pair");
    pid_t process = fork();
    if (process < 0) {
        close(ends[0]);
        close(ends[1]);
        return FAIL(UNAVAILABLE, "cannot start the load generator");
    }
    if (process == 0) {
        close(ends[0]);
        generate(ends[1]);
        _exit(0);
    }
    close(ends[1]);
    *out = (struct bench_load){ .process = process, .channel = ends[0] };
    return OK;
}

RESULT bench_load_keys(struct bench_load *load, const struct pubkey *keys, size_t count)
{
    ENSURE(write_whole(load->channel, &count, sizeof(count)) &&
               write_whole(load->channel, keys, count * sizeof(*keys)),
           UNAVAILABLE, "the load generator ended");
    return OK;
}

RESULT bench_load_run(struct bench_load *load, const struct bench_order *order,
                      struct bench_outcome *out, struct detail *detail)
{
    struct bench_outcome outcome = { 0 };
    detail_set(detail, "%s", "");
    ENSURE(write_whole(load->channel, order, sizeof(*order)) &&
               read_whole(load->channel, &outcome, sizeof(outcome)),
           UNAVAILABLE, "the load generator ended");
    detail_set(detail, "%s", outcome.reason);
    ENSURE(outcome.ran, UNAVAILABLE, "the load generator gave up");
    *out = outcome;
    return OK;
}

void bench_load_stop(struct bench_load *load)
{
    if (load->process > 0) {
        close(load->channel);
        waitpid(load->process, NULL, 0);
        load->process = 0;
    }
}
