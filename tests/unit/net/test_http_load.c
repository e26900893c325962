#include "harness.h"
#include "net/http_load.h"

#include "base/thread.h"
#include "base/usage.h"
#include "net/http_server.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUESTS_MAX = 512 };

/* What the server under load saw, and how it is to answer. All on its one loop's thread. */
static struct {
    size_t seen[REQUESTS_MAX]; /* how often each request came */
    uint64_t came_ns[REQUESTS_MAX];
    size_t refuse_every; /* each so many-th request is answered with 412; 0: none */
    bool close;          /* after every answer */
    size_t hold;         /* answer none before so many are here */
    struct http_exchange *held[REQUESTS_MAX];
    size_t held_count;
} server_side;

static void answer(struct http_exchange *exchange)
{
    size_t index = strtoul(http_exchange_request(exchange)->path + 1, NULL, 10);
    bool refuse = server_side.refuse_every > 0 && index % server_side.refuse_every == 0;
    struct http_response response = http_text(refuse ? 412 : 200, CONTENT_TYPE_TEXT, "answer");
    response.close = server_side.close;
    http_respond(exchange, &response);
}

static void handle(struct http_exchange *exchange, void *context)
{
    size_t index = strtoul(http_exchange_request(exchange)->path + 1, NULL, 10);
    (void)context;
    if (index < REQUESTS_MAX) {
        server_side.seen[index]++;
        server_side.came_ns[index] = http_exchange_start_ns(exchange);
    }
    if (server_side.hold == 0) {
        answer(exchange);
        return;
    }
    server_side.held[server_side.held_count++] = exchange;
    if (server_side.held_count == server_side.hold) {
        server_side.hold = 0;
        for (size_t i = 0; i < server_side.held_count; i++) {
            answer(server_side.held[i]);
        }
    }
}

static size_t write_request(size_t index, char out[static HTTP_LOAD_REQUEST_MAX], void *context)
{
    (void)context;
    return (size_t)snprintf(out, HTTP_LOAD_REQUEST_MAX, "GET /%zu HTTP/1.1\r\n\r\n", index);
}

static struct http_load load_of(uint16_t port, size_t connections, size_t requests)
{
    return (struct http_load){ .address = "127.0.0.1",
                               .port = port,
                               .connections = connections,
                               .requests = requests,
                               .write_request = write_request };
}

static struct http_server *start(uint16_t *port_out)
{
    const struct http_server_settings settings = { .loops = 1,
                                                   .connections_max = 100,
                                                   .body_max = 1024,
                                                   .body_memory_max = 1024 * 1024,
                                                   .idle_timeout_s = 600,
                                                   .request_timeout_s = 600,
                                                   .write_timeout_s = 600 };
    struct http_server *server = NULL;
    memset(&server_side, 0, sizeof(server_side));
    const struct http_endpoint endpoint = { .address = "127.0.0.1", .handler = handle };
    bool started = is_ok(http_server_new(&settings, &server)) &&
                   is_ok(http_server_listen(server, &endpoint, port_out, NULL)) &&
                   is_ok(http_server_start(server));
    return started ? server : NULL;
}

TEST(every_request_is_sent_once_and_its_answer_counted)
{
    uint16_t port = 0;
    struct http_server *server = start(&port);
    CHECK(server != NULL);
    const struct http_load load = load_of(port, 7, 500);
    struct http_load_result result = { 0 };
    CHECK_OK(http_load_run(&load, &result, NULL));
    CHECK(result.answered == 500);
    CHECK(result.refused == 0 && result.failed == 0);
    CHECK(http_server_counts(server).connections_accepted == 7);
    http_server_free(server);
    for (size_t i = 0; i < REQUESTS_MAX; i++) {
        CHECK(server_side.seen[i] == (i < 500 ? 1 : 0));
    }
    for (size_t i = 1; i < result.answered; i++) {
        CHECK(result.latencies_ns[i - 1] <= result.latencies_ns[i]);
    }
    CHECK(result.latencies_ns[0] > 0);
    CHECK(result.latencies_ns[499] <= result.wall_ns);
    free(result.latencies_ns);
}

TEST(the_servers_cpu_time_is_that_of_the_requests)
{
    uint16_t port = 0;
    struct http_server *server = start(&port);
    struct http_load load = load_of(port, 7, 500);
    struct http_load_result unwatched = { 0 };
    struct http_load_result watched = { 0 };
    CHECK_OK(http_load_run(&load, &unwatched, NULL));
    load.server = getpid();
    uint64_t before_ns = usage_cpu_ns();
    CHECK_OK(http_load_run(&load, &watched, NULL));
    CHECK(unwatched.cpu_ns == 0);
    CHECK(watched.cpu_ns > 0);
    CHECK(watched.cpu_ns <= usage_cpu_ns() - before_ns);
    http_server_free(server);
    free(unwatched.latencies_ns);
    free(watched.latencies_ns);
}

TEST(all_connections_ask_at_once)
{
    uint16_t port = 0;
    struct http_server *server = start(&port);
    const struct http_load load = load_of(port, 50, 60);
    struct http_load_result result = { 0 };
    server_side.hold = 50; /* fewer at once, and nobody would ever be answered */
    CHECK_OK(http_load_run(&load, &result, NULL));
    CHECK(result.answered == 60);
    CHECK(http_server_counts(server).connections_accepted == 50);
    http_server_free(server);
    free(result.latencies_ns);
}

TEST(another_status_than_200_is_refused_and_has_no_latency)
{
    uint16_t port = 0;
    struct http_server *server = start(&port);
    const struct http_load load = load_of(port, 4, 99);
    struct http_load_result result = { 0 };
    server_side.refuse_every = 3;
    CHECK_OK(http_load_run(&load, &result, NULL));
    CHECK(result.refused == 33);
    CHECK(result.answered == 66);
    CHECK(result.failed == 0);
    http_server_free(server);
    free(result.latencies_ns);
}

TEST(what_lost_connections_leave_unsent_has_failed)
{
    uint16_t port = 0;
    struct http_server *server = start(&port);
    const struct http_load load = load_of(port, 3, 10);
    struct http_load_result result = { 0 };
    server_side.close = true;
    CHECK_OK(http_load_run(&load, &result, NULL));
    CHECK(result.answered == 3);
    CHECK(result.failed == 7);
    http_server_free(server);
    free(result.latencies_ns);
}

TEST(a_pause_lies_between_an_answer_and_the_next_request)
{
    uint16_t port = 0;
    struct http_server *server = start(&port);
    struct http_load load = load_of(port, 1, 5);
    struct http_load_result result = { 0 };
    load.pause_ns = 3 * 1000 * 1000;
    CHECK_OK(http_load_run(&load, &result, NULL));
    CHECK(result.answered == 5);
    http_server_free(server);
    for (size_t i = 1; i < 5; i++) { /* never less, however slow the machine */
        CHECK(server_side.came_ns[i] - server_side.came_ns[i - 1] >= load.pause_ns);
    }
    free(result.latencies_ns);
}

TEST(no_requests_or_no_connections_are_no_run)
{
    uint16_t port = 0;
    struct http_server *server = start(&port);
    struct http_load load = load_of(port, 2, 0);
    struct http_load_result result = { 0 };
    CHECK_OK(http_load_run(&load, &result, NULL));
    CHECK(result.answered == 0 && result.refused == 0 && result.failed == 0);
    CHECK(http_load_quantile(&result, 0.5) == 0);
    free(result.latencies_ns);
    load = load_of(port, 0, 4);
    CHECK_OK(http_load_run(&load, &result, NULL));
    CHECK(result.answered == 0 && result.failed == 4);
    free(result.latencies_ns);
    http_server_free(server);
}

/* A server that is none: says the texts to the first two connections, the second's first. */
struct impostor {
    pthread_t thread;
    int listener;
    uint16_t port;
    const char *unasked; /* to the second connection, before it asks; NULL: there is none */
    const char *answer;  /* to the first one's request */
};

static void say(int fd, const char *text)
{
    (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static void *pretend(void *context)
{
    const struct impostor *impostor = context;
    char piece[1024];
    int first = accept(impostor->listener, NULL, NULL);
    if (impostor->unasked != NULL) {
        int second = accept(impostor->listener, NULL, NULL);
        say(second, impostor->unasked);
        (void)!recv(second, piece, sizeof(piece), 0); /* until the load generator hangs up */
        close(second);
    }
    (void)!recv(first, piece, sizeof(piece), 0);
    say(first, impostor->answer);
    close(first);
    return NULL;
}

static bool impostor_start(struct impostor *impostor)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t size = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    impostor->listener = socket(AF_INET, SOCK_STREAM, 0);
    bool listens = bind(impostor->listener, (const struct sockaddr *)&address, size) == 0 &&
                   listen(impostor->listener, 8) == 0 &&
                   getsockname(impostor->listener, (struct sockaddr *)&address, &size) == 0;
    impostor->port = ntohs(address.sin_port);
    return listens && is_ok(thread_start(&impostor->thread, "impostor", pretend, impostor));
}

static void impostor_stop(struct impostor *impostor)
{
    pthread_join(impostor->thread, NULL);
    close(impostor->listener);
}

TEST(an_answer_that_nobody_asked_for_does_not_count)
{
    struct impostor impostor = {
        .unasked = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        .answer = "HTTP/1.1 412 No\r\nContent-Length: 0\r\n\r\n",
    };
    CHECK(impostor_start(&impostor));
    const struct http_load load = load_of(impostor.port, 2, 1);
    struct http_load_result result = { 0 };
    CHECK_OK(http_load_run(&load, &result, NULL));
    impostor_stop(&impostor);
    CHECK(result.answered == 0);
    CHECK(result.refused == 1);
    CHECK(result.failed == 0);
    free(result.latencies_ns);
}

TEST(what_is_no_whole_http_answer_has_failed)
{
    static const char *const answers[] = {
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        "",
    };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct impostor impostor = { .answer = answers[i] };
        CHECK(impostor_start(&impostor));
        const struct http_load load = load_of(impostor.port, 1, 4);
        struct http_load_result result = { 0 };
        CHECK_OK(http_load_run(&load, &result, NULL));
        impostor_stop(&impostor);
        CHECK(result.answered == 0 && result.refused == 0);
        CHECK(result.failed == 4);
        free(result.latencies_ns);
    }
}

TEST(a_server_that_is_not_there_is_named_and_nothing_is_written)
{
    struct http_load load = load_of(1, 1, 1); /* nobody listens at port 1 */
    struct http_load_result result = { .answered = 77 };
    struct detail detail = { "" };
    CHECK_FAILS(UNAVAILABLE, http_load_run(&load, &result, &detail));
    CHECK_TEXT(detail.text, "127.0.0.1 port 1");
    load.address = "localhost";
    CHECK_FAILS(BAD_INPUT, http_load_run(&load, &result, &detail));
    load.connections = HTTP_LOAD_CONNECTIONS_MAX + 1;
    CHECK_FAILS(LIMIT, http_load_run(&load, &result, &detail));
    CHECK(result.answered == 77);
    CHECK(result.latencies_ns == NULL);
}

TEST(a_quantile_is_a_latency_that_was_measured)
{
    uint64_t latencies[] = { 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110 };
    const struct http_load_result result = { .answered = 11, .latencies_ns = latencies };
    CHECK(http_load_quantile(&result, 0) == 10);
    CHECK(http_load_quantile(&result, 0.5) == 60);
    CHECK(http_load_quantile(&result, 0.9) == 100);
    CHECK(http_load_quantile(&result, 1) == 110);
    const struct http_load_result one = { .answered = 1, .latencies_ns = latencies };
    CHECK(http_load_quantile(&one, 0.99) == 10);
}

HARNESS_TESTS(T(every_request_is_sent_once_and_its_answer_counted),
              T(the_servers_cpu_time_is_that_of_the_requests), T(all_connections_ask_at_once),
              T(another_status_than_200_is_refused_and_has_no_latency),
              T(what_lost_connections_leave_unsent_has_failed),
              T(a_pause_lies_between_an_answer_and_the_next_request),
              T(no_requests_or_no_connections_are_no_run),
              T(an_answer_that_nobody_asked_for_does_not_count),
              T(what_is_no_whole_http_answer_has_failed),
              T(a_server_that_is_not_there_is_named_and_nothing_is_written),
              T(a_quantile_is_a_latency_that_was_measured))
