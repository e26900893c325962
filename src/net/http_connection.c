/*~ One connection's life: bytes come in and go through the parser; a complete request becomes an
 * exchange and goes to the handler; its response goes out; then the next request's turn comes. */
#include "net/http_waiting.h"

#include "base/clock.h"
#include "base/hex.h"
#include "base/secret.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_MAX = 1024 };

/* How a connection stands after a response. */
enum standing {
    STANDING_GONE,    /* freed */
    STANDING_WAITING, /* alive; an event will go on with it */
    STANDING_READY,   /* alive and idle: what was sent ahead may be looked at */
};

/* At the limit the connection that was idle longest makes room; without one the new one is refused.
 */
static bool make_room(struct http_loop *loop)
{
    struct http_server *server = loop->server;
    if (atomic_load(&server->open) < server->settings.connections_max) {
        return true;
    }
    struct http_connection *longest_idle = loop->lists[CONNECTION_IDLE].first;
    if (longest_idle == NULL) {
        return false;
    }
    http_connection_close(longest_idle);
    return true;
}

static struct http_connection *connection_new(struct http_loop *loop,
                                              const struct http_listener *listener, int fd)
{
    struct http_connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL) {
        return NULL;
    }
    connection->parser = http_parser_new(&loop->server->budget);
    connection->read_event = event_new(
        loop->base, fd, EV_READ | EV_PERSIST,
        listener->tls == NULL ? http_connection_readable : http_connection_handshake, connection);
    if (connection->parser == NULL || connection->read_event == NULL) {
        http_parser_free(connection->parser);
        if (connection->read_event != NULL) {
            event_free(connection->read_event);
        }
        free(connection);
        return NULL;
    }
    return connection;
}

void http_connection_open(struct http_loop *loop, const struct http_listener *listener, int fd)
{
    struct http_server *server = loop->server;
    struct http_connection *connection = NULL;
    if (!atomic_load(&server->draining) && make_room(loop)) {
        connection = connection_new(loop, listener, fd);
    }
    if (connection == NULL) {
        atomic_fetch_add(&server->refused, 1);
        close(fd);
        return;
    }
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    connection->loop = loop;
    connection->listener = listener;
    connection->transport.fd = fd;
    connection->ahead = BUF_INIT(HTTP_READ_SIZE);
    connection->out = BUF_INIT(HTTP_RESPONSE_BODY_MAX + (size_t)HEAD_MAX);
    http_waiting_begin(connection);
    http_waiting_read(connection, true);
    atomic_fetch_add(&server->open, 1);
    atomic_fetch_add(&server->accepted, 1);
}

/* What was sent ahead may be a body with a password in it. */
static void wipe_ahead(struct http_connection *connection)
{
    secret_wipe(connection->ahead.data, connection->ahead.size);
    buf_clear(&connection->ahead);
}

static void forget_unsent(struct http_connection *connection)
{
    atomic_fetch_sub(&connection->loop->server->unsent, connection->unsent);
    connection->unsent = 0;
}

static void connection_free(struct http_connection *connection)
{
    http_waiting_end(connection);
    forget_unsent(connection);
    http_parser_free(connection->parser);
    transport_free(&connection->transport);
    wipe_ahead(connection);
    buf_free(&connection->ahead);
    buf_free(&connection->out);
    free(connection);
}

/* Closes the socket. The connection itself stays as long as a handler owes it a response. */
void http_connection_close(struct http_connection *connection)
{
    if (connection->transport.fd >= 0) {
        event_free(connection->read_event);
        if (connection->write_event != NULL) {
            event_free(connection->write_event);
        }
        if (connection->more_event != NULL) {
            event_free(connection->more_event);
        }
        transport_close(&connection->transport);
        atomic_fetch_sub(&connection->loop->server->open, 1);
    }
    if (connection->exchange == NULL) {
        connection_free(connection);
    }
}

static void format_id(struct http_server *server, char id[static HTTP_EXCHANGE_ID_SIZE])
{
    uint64_t number = atomic_fetch_add(&server->next_id, 1);
    uint8_t bytes[6];
    char text[HEX_TEXT_SIZE(sizeof(bytes))];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(number >> 8 * (sizeof(bytes) - 1 - i));
    }
    hex_encode(bytes, sizeof(bytes), text);
    size_t prefix = strlen(server->id_prefix);
    memcpy(id, server->id_prefix, prefix);
    memcpy(id + prefix, text + 2, sizeof(text) - 2);
}

/* Hands the complete request to the handler. */
static void dispatch(struct http_connection *connection)
{
    struct http_loop *loop = connection->loop;
    struct http_exchange *exchange = calloc(1, sizeof(*exchange));
    if (exchange == NULL) {
        connection->close_after = true;
        http_request_free(http_parser_take(connection->parser), &loop->server->budget);
        return;
    }
    exchange->connection = connection;
    exchange->request = http_parser_take(connection->parser);
    exchange->start_ns = clock_monotonic_ns();
    format_id(loop->server, exchange->id);
    atomic_fetch_add(&loop->server->requests, 1);
    connection->exchange = exchange;
    http_waiting_set(connection, CONNECTION_BUSY);
    loop->dispatching = exchange;
    connection->listener->handler(exchange, connection->listener->context);
    loop->dispatching = NULL;
}

static void append_head(struct http_connection *connection, const struct http_response *response,
                        const char *id)
{
    struct buf *out = &connection->out;
    char head[HEAD_MAX];
    int size = snprintf(
        head, sizeof(head),
        "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nDate: %s\r\n"
        "X-Request-Id: %s\r\n%s%s%s%s",
        response->status, http_reason(response->status), response->content_type,
        response->body.size, connection->loop->date, id, /* allow= */
        response->allow == NULL ? "" : "Allow: ", response->allow == NULL ? "" : response->allow,
        response->allow == NULL ? "" : "\r\n",
        connection->close_after ? "Connection: close\r\n" : "");
    assert(size > 0 && (size_t)size < sizeof(head));
    buf_append(out, head, (size_t)size);
    if (response->retry_after_seconds > 0) {
        buf_printf(out, "Retry-After: %u\r\n", response->retry_after_seconds);
    }
    buf_append(out, "\r\n", 2);
}

/* Sends what is in `out`. False when the connection is gone. */
static bool send_out(struct http_connection *connection)
{
    struct buf *out = &connection->out;
    while (connection->out_done < out->size) {
        size_t sent = 0;
        enum transport_status status =
            transport_send(&connection->transport, out->data + connection->out_done,
                           out->size - connection->out_done, &sent);
        if (status == TRANSPORT_WANTS_WRITE) {
            return true;
        }
        if (status != TRANSPORT_DONE) {
            http_connection_close(connection);
            return false;
        }
        connection->out_done += sent;
    }
    buf_free(out);
    connection->out_done = 0;
    forget_unsent(connection);
    return true;
}

/* Counts a response that its client does not take at once. False: all that wait together take too
 * much memory. A single one may be of any size. */
static bool keep_unsent(struct http_connection *connection)
{
    struct http_server *server = connection->loop->server;
    connection->unsent = connection->out.size;
    size_t others = atomic_fetch_add(&server->unsent, connection->unsent);
    return others == 0 || others + connection->unsent <= server->settings.response_memory_max;
}

/* Lets the loop send the rest when the socket has room again. */
static enum standing wait_writable(struct http_connection *connection)
{
    if (!http_waiting_write(connection) || !keep_unsent(connection)) {
        http_connection_close(connection);
        return STANDING_GONE;
    }
    http_waiting_read(connection, false);
    http_waiting_set(connection, CONNECTION_WRITING);
    return STANDING_WAITING;
}

/* A client that is still sending what was refused would lose the response to a reset if the socket
 * were closed now: what it sends is thrown away for a while. */
static enum standing linger(struct http_connection *connection)
{
    transport_end_sending(&connection->transport);
    http_waiting_set(connection, CONNECTION_LINGERING);
    http_waiting_read(connection, true);
    return STANDING_WAITING;
}

/* After a whole response: closes, or makes ready for the next request. */
static enum standing response_is_out(struct http_connection *connection)
{
    if (connection->refused && !connection->peer_closed) {
        return linger(connection);
    }
    if (connection->close_after || connection->ahead.failed || /* a gap in what was sent ahead */
        (connection->peer_closed && connection->ahead.size == 0)) {
        http_connection_close(connection);
        return STANDING_GONE;
    }
    http_waiting_set(connection, CONNECTION_IDLE);
    http_waiting_read(connection, !connection->peer_closed);
    return STANDING_READY;
}

static enum standing respond(struct http_connection *connection, struct http_response *response,
                             const char *id, bool with_body)
{
    connection->close_after = connection->close_after || response->close ||
                              atomic_load(&connection->loop->server->draining);
    append_head(connection, response, id);
    if (with_body) {
        buf_append(&connection->out, response->body.data, response->body.size);
    }
    buf_free(&response->body);
    if (connection->out.failed) { /* out of memory: half a response must not pass for a whole one */
        http_connection_close(connection);
        return STANDING_GONE;
    }
    if (!send_out(connection)) {
        return STANDING_GONE;
    }
    return connection->out.size > 0 ? wait_writable(connection) : response_is_out(connection);
}

/* Sends an exchange's response and frees the exchange. */
static enum standing finish(struct http_exchange *exchange)
{
    struct http_connection *connection = exchange->connection;
    enum standing standing = STANDING_GONE;
    bool with_body = exchange->request->method != METHOD_HEAD;
    connection->close_after = connection->close_after || !exchange->request->keep_alive;
    http_request_free(exchange->request, &connection->loop->server->budget);
    connection->exchange = NULL;
    if (connection->transport.fd < 0) {
        buf_free(&exchange->response.body);
        connection_free(connection);
    } else {
        standing = respond(connection, &exchange->response, exchange->id, with_body);
    }
    free(exchange);
    return standing;
}

/* Refuses a request that is not even complete. */
static void refuse(struct http_connection *connection, struct http_response response)
{
    char id[HTTP_EXCHANGE_ID_SIZE];
    format_id(connection->loop->server, id);
    atomic_fetch_add(&connection->loop->server->requests_refused, 1);
    connection->refused = true;
    (void)respond(connection, &response, id, true);
}

/* What follows the bytes that the parser took. True: go on with the bytes behind them. */
static bool after_feed(struct http_connection *connection, enum http_parser_state parsed)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (connection->state == CONNECTION_IDLE && !http_parser_is_idle(connection->parser)) {
        http_waiting_set(connection, CONNECTION_RECEIVING);
    }
    switch (parsed) {
    case HTTP_PARSER_MORE:
        return false;
    case HTTP_PARSER_CONTINUE:
        /* What does not fit the socket goes out before the response: the client sends its body
         * after a while anyway. */
        buf_append(&connection->out, go_on, sizeof(go_on) - 1);
        (void)send_out(connection);
        return false;
    case HTTP_PARSER_FAILED:
        refuse(connection, http_parser_refusal(connection->parser));
        return false;
    case HTTP_PARSER_DONE:
        break;
    }
    dispatch(connection);
    if (connection->exchange == NULL) { /* no memory for one */
        http_connection_close(connection);
        return false;
    }
    return true;
}

/* Works through bytes until they are used up, a handler takes its time, or the connection ends. */
static void process(struct http_connection *connection, const char *bytes, size_t size)
{
    while (size > 0) {
        size_t used = 0;
        enum http_parser_state parsed = http_parser_feed(connection->parser, bytes, size, &used);
        bytes += used;
        size -= used;
        if (!after_feed(connection, parsed)) {
            return;
        }
        buf_append(&connection->ahead, bytes, size);
        if (!connection->exchange->answered || finish(connection->exchange) != STANDING_READY) {
            return;
        }
        wipe_ahead(connection); /* `bytes` goes on with the same */
    }
    if (connection->state == CONNECTION_IDLE && connection->peer_closed) {
        http_connection_close(connection);
    }
}

/* Goes on with what the client sent ahead of a response. */
static void process_ahead(struct http_connection *connection)
{
    BUF ahead = connection->ahead;
    connection->ahead = BUF_INIT(HTTP_READ_SIZE);
    process(connection, ahead.data, ahead.size);
    secret_wipe(ahead.data, ahead.size);
}

void http_connection_finish(struct http_exchange *exchange)
{
    struct http_connection *connection = exchange->connection;
    if (finish(exchange) == STANDING_READY) {
        process_ahead(connection);
    }
}

static void on_peer_closed(struct http_connection *connection)
{
    connection->peer_closed = true;
    http_waiting_read(connection, false);
    if (connection->state != CONNECTION_BUSY && connection->state != CONNECTION_WRITING) {
        http_connection_close(connection);
    }
}

/* What is in the loop's buffer now. The connection may be gone afterwards. */
static void take(struct http_connection *connection, size_t size)
{
    struct http_loop *loop = connection->loop;
    http_waiting_more(connection);
    if (connection->state == CONNECTION_BUSY) {
        buf_append(&connection->ahead, loop->read_buffer, size);
    } else if (connection->state != CONNECTION_LINGERING) {
        process(connection, loop->read_buffer, size);
    }
}

void http_connection_readable(evutil_socket_t fd, short what, void *context)
{
    struct http_connection *connection = context;
    struct http_loop *loop = connection->loop;
    (void)fd;
    (void)what;
    if (connection->state == CONNECTION_BUSY && connection->ahead.size > 0) {
        http_waiting_read(connection, false); /* enough sent ahead; the rest waits in the socket */
        return;
    }
    size_t got = 0;
    switch (transport_receive(&connection->transport, loop->read_buffer, sizeof(loop->read_buffer),
                              &got)) {
    case TRANSPORT_DONE:
        take(connection, got);
        secret_wipe(loop->read_buffer, got); /* bodies carry passwords */
        break;
    case TRANSPORT_WANTS_READ:
        break;
    case TRANSPORT_WANTS_WRITE:
        http_waiting_write_to_read(connection);
        break;
    case TRANSPORT_ENDED:
        on_peer_closed(connection);
        break;
    case TRANSPORT_FAILED:
        http_connection_close(connection);
        break;
    }
}

void http_connection_writable(evutil_socket_t fd, short what, void *context)
{
    struct http_connection *connection = context;
    if (connection->state != CONNECTION_WRITING) {
        http_waiting_read(connection, true);
        (connection->state == CONNECTION_HANDSHAKE ? http_connection_handshake
                                                   : http_connection_readable)(fd, what, context);
        return;
    }
    if (!send_out(connection)) {
        return;
    }
    if (connection->out.size > 0) {
        event_add(connection->write_event, NULL);
        return;
    }
    if (response_is_out(connection) == STANDING_READY) {
        process_ahead(connection);
    }
}

/* The connection's time is up. */
void http_connection_expire(struct http_connection *connection)
{
    if (connection->state == CONNECTION_HANDSHAKE) {
        http_connection_handshake_failed(connection,
                                         "not complete within server.request_timeout_seconds");
        return;
    }
    if (connection->state != CONNECTION_RECEIVING) {
        http_connection_close(connection);
        return;
    }
    struct http_response response =
        http_error(408, "the request was not complete within server.request_timeout_seconds");
    response.close = true;
    refuse(connection, response);
}

const struct http_request *http_exchange_request(const struct http_exchange *exchange)
{
    return exchange->request;
}

uint64_t http_exchange_start_ns(const struct http_exchange *exchange)
{
    return exchange->start_ns;
}

const char *http_exchange_id(const struct http_exchange *exchange)
{
    return exchange->id;
}

static bool is_in_its_handler(const struct http_exchange *exchange)
{
    const struct http_loop *loop = exchange->connection->loop;
    return pthread_equal(pthread_self(), loop->thread) && loop->dispatching == exchange &&
           !exchange->answered;
}

RESULT http_exchange_export_key(const struct http_exchange *exchange, const char *label,
                                const void *context, size_t context_size, uint8_t *out,
                                size_t out_size)
{
    assert(is_in_its_handler(exchange));
    return transport_export_key(&exchange->connection->transport, label, context, context_size, out,
                                out_size);
}

RESULT http_exchange_server_key(const struct http_exchange *exchange, struct buf *out)
{
    assert(is_in_its_handler(exchange));
    return transport_server_key(&exchange->connection->transport, out);
}

const struct tls_peer *http_exchange_peer(const struct http_exchange *exchange)
{
    return transport_peer(&exchange->connection->transport);
}

void http_respond(struct http_exchange *exchange, struct http_response *response)
{
    struct http_loop *loop = exchange->connection->loop;
    assert(!exchange->answered);
    exchange->response = *response;
    response->body = BUF_INIT(0);
    if (pthread_equal(pthread_self(), loop->thread) && loop->dispatching == exchange) {
        exchange->answered = true;
        return;
    }
    http_loop_answered(loop, exchange);
}
