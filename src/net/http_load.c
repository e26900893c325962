#define _GNU_SOURCE
#include "net/http_load.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <llhttp.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

enum {
    EVENTS_AT_ONCE = 256,
    STALL_MS = 60 * 1000,
    ANSWER_PIECE = 16 * 1024,
    SETTLE_NS = 50 * 1000 * 1000, /* for the server to take the connections */
};

struct client {
    int fd;
    uint64_t sent_ns; /* 0: no request is under way */
    uint64_t next_ns; /* when the next one is due */
    llhttp_t parser;
    bool answer_is_whole;
};

struct run {
    const struct http_load *load;
    struct http_load_result *result;
    int epoll;
    struct client *clients;
    size_t sent;
    size_t open;
};

static void run_done(struct run *run)
{
    for (size_t i = 0; run->clients != NULL && i < run->load->connections; i++) {
        if (run->clients[i].fd > 0) {
            close(run->clients[i].fd);
        }
    }
    free(run->clients);
    if (run->epoll > 0) {
        close(run->epoll);
    }
}

static int on_message_complete(llhttp_t *parser)
{
    struct client *client = parser->data;
    client->answer_is_whole = true;
    return 0;
}

static llhttp_settings_t callbacks = { .on_message_complete = on_message_complete };

static struct result dial(struct run *run, struct client *client, const struct sockaddr_in *address)
{
    const int on = 1;
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = client };
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ENSURE(client->fd >= 0, UNAVAILABLE, "cannot make a socket");
    ENSURE(connect(client->fd, (const struct sockaddr *)address, sizeof(*address)) == 0,
           UNAVAILABLE, "cannot connect to the signer");
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    ENSURE(epoll_ctl(run->epoll, EPOLL_CTL_ADD, client->fd, &event) == 0, UNAVAILABLE,
           "cannot watch a socket");
    llhttp_init(&client->parser, HTTP_RESPONSE, &callbacks);
    client->parser.data = client;
    run->open++;
    return OK;
}

static void lose(struct run *run, struct client *client)
{
    close(client->fd);
    client->fd = -1;
    run->result->failed += client->sent_ns != 0;
    run->open--;
}

static void send_next(struct run *run, struct client *client)
{
    char request[HTTP_LOAD_REQUEST_MAX];
    if (run->sent == run->load->requests) {
        return;
    }
    size_t size = run->load->write_request(run->sent++, request, run->load->context);
    client->answer_is_whole = false;
    client->sent_ns = clock_monotonic_ns();
    if (send(client->fd, request, size, MSG_NOSIGNAL) != (ssize_t)size) {
        lose(run, client);
    }
}

static void keep_answer(struct run *run, struct client *client)
{
    struct http_load_result *result = run->result;
    uint64_t now = clock_monotonic_ns();
    if (client->parser.status_code == 200) {
        result->latencies_ns[result->answered++] = now - client->sent_ns;
    } else {
        result->refused++;
    }
    client->sent_ns = 0;
    client->next_ns = now + run->load->pause_ns;
}

static void on_readable(struct run *run, struct client *client)
{
    char piece[ANSWER_PIECE];
    ssize_t got = recv(client->fd, piece, sizeof(piece), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    /* What comes unasked must not count as an answer: there is room for the asked ones only. */
    if (got <= 0 || client->sent_ns == 0 ||
        llhttp_execute(&client->parser, piece, (size_t)got) != HPE_OK) {
        lose(run, client);
        return;
    }
    if (client->answer_is_whole) {
        keep_answer(run, client);
        if (run->load->pause_ns == 0) {
            send_next(run, client);
        }
    }
}

static bool is_finished(const struct run *run)
{
    const struct http_load_result *result = run->result;
    return result->answered + result->refused + result->failed >= run->load->requests ||
           run->open == 0;
}

/* Sends what is due on connections that pause between requests; gives the time until the next is
 * due, in milliseconds. */
static int send_due(struct run *run)
{
    uint64_t now = clock_monotonic_ns();
    uint64_t wait_ns = (uint64_t)STALL_MS * 1000000;
    for (size_t i = 0; run->load->pause_ns > 0 && i < run->load->connections; i++) {
        struct client *client = &run->clients[i];
        if (client->fd < 0 || client->sent_ns != 0 || run->sent == run->load->requests) {
            continue;
        }
        if (client->next_ns <= now) {
            send_next(run, client);
        } else if (client->next_ns - now < wait_ns) {
            wait_ns = client->next_ns - now;
        }
    }
    return (int)(wait_ns / 1000000) + 1;
}

static void drive(struct run *run)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    for (size_t i = 0; i < run->load->connections; i++) {
        send_next(run, &run->clients[i]);
    }
    while (!is_finished(run)) {
        int wait_ms = send_due(run);
        int ready = epoll_wait(run->epoll, events, EVENTS_AT_ONCE, wait_ms);
        if (ready == 0 && wait_ms > STALL_MS) { /* nobody answers any more */
            return;
        }
        for (int i = 0; i < ready; i++) {
            on_readable(run, events[i].data.ptr);
        }
    }
}

/* CPU time of all threads of a process so far; 0 when there is none to ask for. */
static uint64_t cpu_ns_of(pid_t process)
{
    clockid_t clock = 0;
    struct timespec now = { 0 };
    if (process == 0 || clock_getcpuclockid(process, &clock) != 0 ||
        clock_gettime(clock, &now) != 0) {
        return 0;
    }
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void measure(struct run *run)
{
    struct http_load_result *result = run->result;
    nanosleep(&(struct timespec){ .tv_nsec = SETTLE_NS }, NULL);
    uint64_t cpu_ns = cpu_ns_of(run->load->server);
    uint64_t start_ns = clock_monotonic_ns();
    drive(run);
    result->wall_ns = clock_monotonic_ns() - start_ns;
    result->cpu_ns = cpu_ns_of(run->load->server) - cpu_ns;
}

static int compare_latencies(const void *a, const void *b)
{
    const uint64_t *left = a;
    const uint64_t *right = b;
    return (*left > *right) - (*left < *right);
}

RESULT http_load_run(const struct http_load *load, struct http_load_result *out,
                     struct detail *detail)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(load->port) };
    CLEANUP(free_ptr) uint64_t *latencies = calloc(load->requests, sizeof(*latencies));
    struct http_load_result result = { .latencies_ns = latencies };
    CLEANUP(run_done) struct run run = { .load = load, .result = &result };
    detail_set(detail, "%s port %u", load->address, load->port);
    ENSURE(load->connections <= HTTP_LOAD_CONNECTIONS_MAX, LIMIT, "too many connections");
    ENSURE(inet_pton(AF_INET, load->address, &address.sin_addr) == 1, BAD_INPUT,
           "not an IPv4 address");
    ENSURE(latencies != NULL, UNAVAILABLE, "out of memory");
    run.epoll = epoll_create1(EPOLL_CLOEXEC);
    run.clients = calloc(load->connections, sizeof(*run.clients));
    ENSURE(run.epoll > 0 && run.clients != NULL, UNAVAILABLE, "out of memory");
    for (size_t i = 0; i < load->connections; i++) {
        TRY(dial(&run, &run.clients[i], &address));
    }
    measure(&run);
    /* Also what was never sent because no connection was left. */
    result.failed = load->requests - result.answered - result.refused;
    qsort(latencies, result.answered, sizeof(*latencies), compare_latencies);
    *out = result;
    latencies = NULL;
    return OK;
}

uint64_t http_load_quantile(const struct http_load_result *result, double share)
{
    if (result->answered == 0) {
        return 0;
    }
    size_t index = (size_t)((double)(result->answered - 1) * share);
    return result->latencies_ns[index];
}
