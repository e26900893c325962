#include "app/bench_load.h"
#include "harness.h"

#include "eth/signing_request.h"
#include "net/http_server.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { KEYS = 5, ASKED_MAX = 64 };

/* What one request asked for; all on the server's one thread. */
struct asked {
    struct signing_target target;
    char key[HTTP_TARGET_MAX + 1];
    bool is_whole; /* it was a signing request as a client sends it */
};
static struct asked asked[ASKED_MAX];
static size_t asked_count;
static atomic_size_t refused_from; /* requests from this on are answered with 503 */

static bool read_body(const struct http_request *request, struct signing_target *out)
{
    struct signing_request body = { 0 };
    struct detail detail = { "" };
    struct result read = signing_request_parse(request->body == NULL ? "" : request->body,
                                               request->body_size, &body, &detail);
    read =
        is_ok(read) ? signing_request_resolve(&body, network_find("mainnet"), out, &detail) : read;
    if (!is_ok(read)) {
        printf("# %s: %s\n", detail.text, read.what);
    }
    signing_request_done(&body);
    return is_ok(read);
}

static void handle(struct http_exchange *exchange, void *context)
{
    static const char prefix[] = "/api/v1/eth2/sign/";
    const struct http_request *request = http_exchange_request(exchange);
    struct http_response response =
        http_text(asked_count < atomic_load(&refused_from) ? 200 : 503, CONTENT_TYPE_JSON, "{}");
    (void)context;
    if (asked_count < ASKED_MAX) {
        struct asked *now = &asked[asked_count++];
        snprintf(now->key, sizeof(now->key), "%s", request->path + strlen(prefix));
        now->is_whole =
            request->method == METHOD_POST && strncmp(request->path, prefix, strlen(prefix)) == 0 &&
            strcmp(request->content_type, "application/json") == 0 &&
            strcmp(request->accept, "application/json") == 0 && read_body(request, &now->target);
    }
    http_respond(exchange, &response);
}

static struct pubkey keys[KEYS];

/* A load generator that knows the keys, and the server that it asks. */
struct place {
    struct bench_load load;
    struct http_server *server;
    struct bench_order order;
};

static void place_close(struct place *place)
{
    bench_load_stop(&place->load);
    http_server_free(place->server);
}

static struct result place_open(struct place *place)
{
    const struct http_server_settings settings = { .loops = 1,
                                                   .connections_max = 100,
                                                   .body_max = 1024 * 1024,
                                                   .body_memory_max = 4 * 1024 * 1024,
                                                   .idle_timeout_s = 600,
                                                   .request_timeout_s = 600,
                                                   .write_timeout_s = 600 };
    const struct http_endpoint endpoint = { .address = "127.0.0.1", .handler = handle };
    *place = (struct place){
        .order = { .keys = KEYS, .connections = 3, .requests = 23, .first_epoch = 1000 }
    };
    place->order.genesis_validators_root = network_find("mainnet")->genesis_validators_root;
    memset(asked, 0, sizeof(asked));
    asked_count = 0;
    atomic_store(&refused_from, SIZE_MAX);
    for (size_t i = 0; i < KEYS; i++) {
        memset(keys[i].bytes, (int)(0xa0 + i), sizeof(keys[i].bytes));
    }
    TRY(bench_load_start(&place->load)); /* before there are threads */
    TRY(bench_load_keys(&place->load, keys, KEYS));
    TRY(http_server_new(&settings, &place->server));
    TRY(http_server_listen(place->server, &endpoint, &place->order.port, NULL));
    return http_server_start(place->server);
}

#define PLACE(name)                         \
    CLEANUP(place_close) struct place name; \
    CHECK_OK(place_open(&name))

static bool is_attestation_of_mainnet(const struct asked *one)
{
    return one->is_whole && one->target.protection == PROTECTION_ATTESTATION &&
           root_equal(&one->target.genesis_validators_root,
                      &network_find("mainnet")->genesis_validators_root);
}

/* Whether the two, of one key, could both be signed. */
static bool are_slashable(const struct asked *a, const struct asked *b)
{
    uint64_t sources[] = { a->target.source.value, b->target.source.value };
    uint64_t targets[] = { a->target.target.value, b->target.target.value };
    return targets[0] == targets[1] || (sources[0] < sources[1] && targets[0] > targets[1]) ||
           (sources[0] > sources[1] && targets[0] < targets[1]);
}

static size_t count_asked_of_key(size_t number)
{
    char text[HTTP_TARGET_MAX + 1];
    size_t count = 0;
    snprintf(text, sizeof(text), "0x");
    for (size_t i = 0; i < sizeof(struct pubkey); i++) {
        snprintf(text + 2 + 2 * i, 3, "%02zx", 0xa0 + number);
    }
    for (size_t i = 0; i < asked_count; i++) {
        count += strcmp(asked[i].key, text) == 0;
    }
    return count;
}

static size_t count_roots(void)
{
    size_t count = 0;
    for (size_t i = 0; i < asked_count; i++) {
        size_t before = 0;
        while (!root_equal(&asked[before].target.signing_root, &asked[i].target.signing_root)) {
            before++;
        }
        count += before == i;
    }
    return count;
}

TEST(what_is_asked_for_is_whole_and_nothing_of_it_slashable)
{
    struct bench_outcome outcome = { 0 };
    PLACE(place);
    CHECK_OK(bench_load_run(&place.load, &place.order, &outcome, NULL));
    http_server_stop(place.server);
    CHECK(asked_count == 23);
    for (size_t i = 0; i < asked_count; i++) {
        CHECK(is_attestation_of_mainnet(&asked[i]));
        CHECK(asked[i].target.target.value >= 1000);
        for (size_t j = 0; j < i; j++) {
            CHECK(strcmp(asked[i].key, asked[j].key) != 0 || !are_slashable(&asked[i], &asked[j]));
        }
    }
    for (size_t i = 0; i < KEYS; i++) { /* all keys in turn */
        CHECK(count_asked_of_key(i) == (i < 3 ? 5 : 4));
    }
    CHECK(count_roots() == 23); /* every message different */
    CHECK(outcome.cpu_ns > 0);
}

TEST(with_one_message_all_keys_sign_the_same_in_an_epoch)
{
    struct bench_outcome outcome = { 0 };
    PLACE(place);
    place.order.same_message = true;
    CHECK_OK(bench_load_run(&place.load, &place.order, &outcome, NULL));
    http_server_stop(place.server);
    CHECK(asked_count == 23);
    for (size_t i = 0; i < asked_count; i++) {
        CHECK(is_attestation_of_mainnet(&asked[i]));
        for (size_t j = 0; j < i; j++) {
            CHECK(strcmp(asked[i].key, asked[j].key) != 0 || !are_slashable(&asked[i], &asked[j]));
            CHECK((asked[i].target.target.value == asked[j].target.target.value) ==
                  root_equal(&asked[i].target.signing_root, &asked[j].target.signing_root));
        }
    }
    CHECK(count_roots() == 5); /* 23 requests of 5 keys are 5 epochs */
}

TEST(the_outcome_is_that_of_the_order)
{
    struct bench_outcome outcome = { 0 };
    PLACE(place);
    atomic_store(&refused_from, 20);
    CHECK_OK(bench_load_run(&place.load, &place.order, &outcome, NULL));
    CHECK(outcome.ran);
    CHECK(outcome.answered == 20 && outcome.refused == 3 && outcome.failed == 0);
    CHECK(outcome.p50_ns > 0 && outcome.p50_ns <= outcome.p90_ns);
    CHECK(outcome.p90_ns <= outcome.p99_ns && outcome.p99_ns <= outcome.max_ns);
    CHECK(outcome.max_ns <= outcome.wall_ns);
    CHECK(http_server_counts(place.server).connections_accepted == 3);
    place.order.first_epoch = 2000; /* and the next one by the same process */
    place.order.requests = 10;
    atomic_store(&refused_from, SIZE_MAX);
    CHECK_OK(bench_load_run(&place.load, &place.order, &outcome, NULL));
    CHECK(outcome.answered == 10 && outcome.refused == 0 && outcome.failed == 0);
}

TEST(a_signer_that_cannot_be_reached_is_named)
{
    struct bench_outcome outcome = { .answered = 77 };
    struct detail detail = { "before" };
    PLACE(place);
    uint16_t port = place.order.port;
    place.order.port = 1;
    CHECK_FAILS(UNAVAILABLE, bench_load_run(&place.load, &place.order, &outcome, &detail));
    CHECK_TEXT(detail.text, "127.0.0.1 port 1: cannot connect to the signer");
    CHECK(outcome.answered == 77);
    place.order.port = port; /* the process is still there for the next */
    CHECK_OK(bench_load_run(&place.load, &place.order, &outcome, &detail));
    CHECK(outcome.answered == 23);
}

TEST(a_process_that_is_gone_is_an_error_and_no_wait)
{
    struct bench_outcome outcome = { .answered = 77 };
    struct detail detail = { "before" };
    PLACE(place);
    CHECK(kill(place.load.process, SIGKILL) == 0);
    struct result ran = bench_load_run(&place.load, &place.order, &outcome, &detail);
    CHECK(ran.status == STATUS_UNAVAILABLE);
    CHECK_TEXT(ran.what, "the load generator ended");
    CHECK_TEXT(detail.text, "");
    CHECK(outcome.answered == 77);
}

TEST(stopping_ends_the_process_and_may_be_repeated)
{
    struct bench_load never = { 0 };
    PLACE(place);
    pid_t process = place.load.process;
    bench_load_stop(&never);
    bench_load_stop(&place.load);
    CHECK(kill(process, 0) != 0); /* waited for, so gone */
    bench_load_stop(&place.load);
}

HARNESS_TESTS(T(what_is_asked_for_is_whole_and_nothing_of_it_slashable),
              T(with_one_message_all_keys_sign_the_same_in_an_epoch),
              T(the_outcome_is_that_of_the_order), T(a_signer_that_cannot_be_reached_is_named),
              T(a_process_that_is_gone_is_an_error_and_no_wait),
              T(stopping_ends_the_process_and_may_be_repeated))
