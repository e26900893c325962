#define _GNU_SOURCE
#include "net/http_server.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/random.h"
#include "net/endpoint.h"
#include "net/http_loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ACCEPT_AT_ONCE = 256, DRAIN_POLL_NS = 5 * 1000 * 1000 };

/* A request that is only half here when the drain begins gets this long to arrive. */
enum { DRAIN_RECEIVING_NS = 2 * 1000 * 1000 * 1000UL };

RESULT http_server_new(const struct http_server_settings *settings, struct http_server **out)
{
    ENSURE(settings->loops > 0, BAD_INPUT, "an HTTP server needs at least one thread");
    CLEANUP(http_server_free_ptr) struct http_server *server = calloc(1, sizeof(*server));
    ENSURE(server != NULL, UNAVAILABLE, "out of memory");
    uint8_t prefix[4];
    char text[HEX_TEXT_SIZE(sizeof(prefix))];
    random_bytes(prefix, sizeof(prefix));
    hex_encode(prefix, sizeof(prefix), text);
    snprintf(server->id_prefix, sizeof(server->id_prefix), "%s-", text + 2);
    server->settings = *settings;
    server->budget.body_max = settings->body_max;
    server->budget.reserved = settings->body_memory_reserved;
    atomic_store(&server->budget.left, settings->body_memory_max);
    server->loops = calloc(settings->loops, sizeof(struct http_loop *));
    ENSURE(server->loops != NULL, UNAVAILABLE, "out of memory");
    for (; server->loop_count < settings->loops; server->loop_count++) {
        struct result made = http_loop_new(server, &server->loops[server->loop_count]);
        if (!is_ok(made)) {
            http_loop_free(server->loops[server->loop_count]);
            return made;
        }
    }
    *out = STEAL(server);
    return OK;
}

void http_server_stop(struct http_server *server)
{
    if (server != NULL) { /* what was sent ahead of a late answer gets no handler any more */
        atomic_store(&server->draining, true);
    }
    for (unsigned i = 0; server != NULL && i < server->loop_count; i++) {
        http_loop_stop(server->loops[i]);
    }
}

void http_server_free(struct http_server *server)
{
    if (server == NULL) {
        return;
    }
    http_server_stop(server); /* the threads first: they use the listeners */
    for (size_t i = 0; i < server->listener_count; i++) {
        http_listener_close(&server->listeners[i]);
    }
    for (unsigned i = 0; i < server->loop_count; i++) {
        http_loop_free(server->loops[i]);
    }
    free(server->loops);
    free(server);
}

static RESULT open_listener(const struct http_endpoint *wanted, int *fd_out, struct detail *detail)
{
    struct endpoint endpoint = { .kind = ENDPOINT_VSOCK, .cid = UINT32_MAX, .port = wanted->port };
    if (wanted->address != NULL) {
        endpoint.kind = ENDPOINT_TCP;
        snprintf(endpoint.host, sizeof(endpoint.host), "%s", wanted->address);
    }
    return endpoint_listen(&endpoint, fd_out, detail);
}

static void on_accept(evutil_socket_t fd, short what, void *context)
{
    struct http_listener *listener = context;
    struct http_server *server = listener->server;
    (void)what;
    for (int i = 0; i < ACCEPT_AT_ONCE; i++) {
        int accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM)) {
            log_warn("cannot accept a connection", LOG_TEXT("reason", strerror(errno)));
            event_del(listener->event); /* until the next tick: some connection may have ended */
            return;
        }
        if (accepted < 0) {
            return;
        }
        struct http_loop *loop = server->loops[server->next_loop++ % server->loop_count];
        if (loop == server->loops[0]) {
            http_connection_open(loop, listener, accepted);
        } else {
            http_loop_hand_over(loop, accepted, listener);
        }
    }
}

/* Takes the descriptor when it succeeds. */
static struct result add_listener(struct http_server *server, const struct http_endpoint *endpoint,
                                  int fd)
{
    struct http_listener *listener = &server->listeners[server->listener_count];
    *listener = (struct http_listener){ .server = server,
                                        .fd = fd,
                                        .handler = endpoint->handler,
                                        .context = endpoint->context,
                                        .tls = endpoint->tls };
    listener->event =
        event_new(server->loops[0]->base, fd, EV_READ | EV_PERSIST, on_accept, listener);
    ENSURE(listener->event != NULL, UNAVAILABLE, "out of memory");
    event_add(listener->event, NULL);
    server->listener_count++;
    return OK;
}

RESULT http_server_listen(struct http_server *server, const struct http_endpoint *endpoint,
                          uint16_t *port_out, struct detail *detail)
{
    CLEANUP(fd_close_ptr) int fd = -1;
    ENSURE(server->listener_count < HTTP_LISTENERS_MAX, LIMIT, "too many listeners");
    TRY(open_listener(endpoint, &fd, detail));
    uint16_t port = endpoint_bound_port(fd);
    TRY(add_listener(server, endpoint, fd));
    fd = -1;
    if (port_out != NULL) {
        *port_out = endpoint->address == NULL ? endpoint->port : port;
    }
    return OK;
}

RESULT http_server_start(struct http_server *server)
{
    for (unsigned i = 0; i < server->loop_count; i++) {
        TRY(http_loop_start(server->loops[i]));
    }
    return OK;
}

bool http_server_drain(struct http_server *server, unsigned timeout_s)
{
    const struct timespec pause = { .tv_nsec = DRAIN_POLL_NS };
    if (server == NULL) {
        return true;
    }
    uint64_t start = clock_monotonic_ns();
    uint64_t end = start + timeout_s * 1000000000UL;
    atomic_store(&server->draining, true);
    for (unsigned i = 0; i < server->loop_count; i++) {
        http_loop_wake(server->loops[i]);
    }
    for (;;) {
        uint64_t now = clock_monotonic_ns();
        bool receiving = atomic_load(&server->receiving) > 0 && now - start < DRAIN_RECEIVING_NS;
        if (!receiving && atomic_load(&server->active) == 0) {
            return true;
        }
        if (now >= end) {
            return false;
        }
        nanosleep(&pause, NULL);
    }
}

struct http_server_counts http_server_counts(const struct http_server *server)
{
    return (struct http_server_counts){
        .connections_open = atomic_load(&server->open),
        .connections_accepted = atomic_load(&server->accepted),
        .connections_refused = atomic_load(&server->refused),
        .requests = atomic_load(&server->requests),
        .requests_refused = atomic_load(&server->requests_refused),
        .turns = atomic_load(&server->turns),
        .handshakes_failed = atomic_load(&server->handshakes_failed),
    };
}
