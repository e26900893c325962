#define _GNU_SOURCE
#include "net/stream.h"

#include "base/log.h"
#include "base/secret.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ACCEPT_AT_ONCE = 64, TICK_MS = 100, READ_SIZE = 16 * 1024 };

struct stream {
    struct stream_server *server;
    struct stream *next;
    struct stream *previous;
    struct bufferevent *buffers;
    void *connection; /* the protocol's */
    bool ending;
};

struct stream_server {
    struct event_loop *loop;
    struct stream_server_settings settings;
    int fd;
    struct event *acceptable;
    struct loop_source *tick; /* accepts again after a lack of descriptors, ends what is ending */
    bool paused;
    struct stream *streams;
    size_t count;
};

static void free_stream(struct stream *stream)
{
    struct stream_server *server = stream->server;
    if (stream->previous == NULL) {
        server->streams = stream->next;
    } else {
        stream->previous->next = stream->next;
    }
    if (stream->next != NULL) {
        stream->next->previous = stream->previous;
    }
    server->count--;
    if (stream->connection != NULL) {
        server->settings.protocol->close(stream->connection);
    }
    bufferevent_free(stream->buffers);
    free(stream);
}

/* Frees a stream that is ending once nothing is left to send. */
static void finish(struct stream *stream)
{
    if (stream->ending && evbuffer_get_length(bufferevent_get_output(stream->buffers)) == 0) {
        free_stream(stream);
    }
}

void stream_end(struct stream *stream)
{
    if (!stream->ending) {
        stream->ending = true; /* it is freed by what comes next: its bytes are sent, or a tick */
        bufferevent_disable(stream->buffers, EV_READ);
    }
}

static void on_bytes(struct bufferevent *buffers, void *context)
{
    struct stream *stream = context;
    struct evbuffer *input = bufferevent_get_input(buffers);
    uint8_t bytes[READ_SIZE];
    while (!stream->ending) {
        int got = evbuffer_remove(input, bytes, sizeof(bytes));
        if (got <= 0) {
            break;
        }
        if (!stream->server->settings.protocol->bytes(stream->connection, bytes, (size_t)got)) {
            stream_end(stream);
        }
    }
    finish(stream);
}

static void on_written(struct bufferevent *buffers, void *context)
{
    (void)buffers;
    finish(context);
}

static void on_event(struct bufferevent *buffers, short what, void *context)
{
    (void)buffers;
    (void)what; /* an end, an error or a time-out: it is over in each case */
    free_stream(context);
}

/* Bytes on their way to the peer, which may be credentials. */
static void forget_sent(const void *bytes, size_t size, void *copy)
{
    (void)bytes;
    secret_wipe(copy, size);
    free(copy);
}

RESULT stream_write(struct stream *stream, const void *bytes, size_t size)
{
    struct evbuffer *output = bufferevent_get_output(stream->buffers);
    size_t waiting = evbuffer_get_length(output);
    size_t max = stream->server->settings.unsent_max;
    ENSURE(!stream->ending && waiting <= max && size <= max - waiting, LIMIT,
           "the peer does not take what it is sent");
    CLEANUP(free_ptr) uint8_t *copy = calloc(1, size + 1);
    ENSURE(copy != NULL, UNAVAILABLE, "out of memory");
    memcpy(copy, bytes, size);
    if (evbuffer_add_reference(output, copy, size, forget_sent, copy) != 0) {
        secret_wipe(copy, size);
        return FAIL(UNAVAILABLE, "out of memory");
    }
    (void)STEAL(copy);
    return OK;
}

/* The newest stream is the first of the list. */
static void free_oldest(struct stream_server *server)
{
    struct stream *oldest = server->streams;
    while (oldest->next != NULL) {
        oldest = oldest->next;
    }
    free_stream(oldest);
}

static struct stream *new_stream(struct stream_server *server, int fd)
{
    struct stream *stream = calloc(1, sizeof(*stream));
    struct bufferevent *buffers =
        stream == NULL
            ? NULL
            : bufferevent_socket_new(event_loop_base(server->loop), fd, BEV_OPT_CLOSE_ON_FREE);
    if (buffers == NULL) {
        free(stream);
        close(fd);
        return NULL;
    }
    stream->server = server;
    stream->buffers = buffers;
    stream->next = server->streams;
    if (stream->next != NULL) {
        stream->next->previous = stream;
    }
    server->streams = stream;
    server->count++;
    return stream;
}

static void open_stream(struct stream_server *server, int fd)
{
    unsigned limit_ms = server->settings.idle_timeout_ms;
    const struct timeval limit = { .tv_sec = limit_ms / 1000, .tv_usec = (limit_ms % 1000) * 1000 };
    struct stream *stream = new_stream(server, fd);
    if (stream == NULL) {
        return;
    }
    bufferevent_setcb(stream->buffers, on_bytes, on_written, on_event, stream);
    bufferevent_setwatermark(stream->buffers, EV_READ, 0, READ_SIZE);
    bufferevent_set_timeouts(stream->buffers, &limit, &limit);
    stream->connection = server->settings.protocol->open(stream, server->settings.context);
    if (stream->connection == NULL) {
        free_stream(stream);
        return;
    }
    if (!stream->ending) {
        bufferevent_enable(stream->buffers, EV_READ | EV_WRITE);
    }
}

static void on_acceptable(evutil_socket_t fd, short what, void *context)
{
    struct stream_server *server = context;
    (void)what;
    for (int i = 0; i < ACCEPT_AT_ONCE; i++) {
        int accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != ECONNABORTED &&
            errno != EINTR) {
            event_del(server->acceptable); /* until the next tick: no descriptors, most likely */
            server->paused = true;
        }
        if (accepted < 0) {
            return;
        }
        if (server->settings.peer_cid != 0 &&
            !endpoint_peer_is(accepted, server->settings.peer_cid)) {
            close(accepted);
            continue;
        }
        if (server->count == server->settings.connections_max) {
            free_oldest(server);
        }
        open_stream(server, accepted);
    }
}

static void on_tick(void *context)
{
    struct stream_server *server = context;
    if (server->paused) {
        server->paused = event_add(server->acceptable, NULL) != 0;
    }
    for (struct stream *stream = server->streams; stream != NULL;) {
        struct stream *next = stream->next; /* closing one leaves the others alone */
        finish(stream);
        stream = next;
    }
}

RESULT stream_server_new(struct event_loop *loop, const struct stream_server_settings *settings,
                         struct stream_server **out, struct detail *detail)
{
    CLEANUP(stream_server_free_ptr) struct stream_server *server = calloc(1, sizeof(*server));
    detail_set(detail, "%s", "");
    ENSURE(server != NULL, UNAVAILABLE, "out of memory");
    server->loop = loop;
    server->settings = *settings;
    server->fd = -1;
    TRY(endpoint_listen(&settings->listen, &server->fd, detail));
    TRY(loop_every(loop, TICK_MS, on_tick, server, &server->tick));
    server->acceptable =
        event_new(event_loop_base(loop), server->fd, EV_READ | EV_PERSIST, on_acceptable, server);
    ENSURE(server->acceptable != NULL && event_add(server->acceptable, NULL) == 0, UNAVAILABLE,
           "out of memory");
    *out = STEAL(server);
    return OK;
}

void stream_server_free(struct stream_server *server)
{
    if (server == NULL) {
        return;
    }
    while (server->streams != NULL) {
        free_stream(server->streams);
    }
    if (server->acceptable != NULL) {
        event_free(server->acceptable);
    }
    loop_source_free(server->tick);
    endpoint_unlisten(&server->settings.listen, server->fd);
    free(server);
}
