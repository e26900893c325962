/*~ A connection to a listener with TLS, from its first byte to the end of the handshake: then it is
 * a connection like any other. */
#include "base/log.h"
#include "net/http_waiting.h"

/* The first byte of a handshake has arrived. */
static bool start_handshake(struct http_connection *connection)
{
    CLEANUP(tls_context_release_ptr)
    struct tls_context *context = tls_slot_take(connection->listener->tls);
    http_waiting_set(connection, CONNECTION_HANDSHAKE);
    return context != NULL && transport_start_tls(&connection->transport, context);
}

void http_connection_handshake_failed(struct http_connection *connection, const char *reason)
{
    atomic_fetch_add(&connection->loop->server->handshakes_failed, 1);
    if (reason != NULL && log_request_allowed()) {
        log_info("a TLS handshake failed", LOG_TEXT("reason", reason));
    }
    http_connection_close(connection);
}

static void handshake_done(struct http_connection *connection)
{
    struct event_base *base = connection->loop->base;
    connection->more_event = event_new(base, -1, 0, http_connection_readable, connection);
    if (connection->more_event == NULL || atomic_load(&connection->loop->server->draining)) {
        http_connection_close(connection);
        return;
    }
    http_waiting_set(connection, CONNECTION_IDLE);
    http_waiting_read(connection, false);
    event_assign(connection->read_event, base, connection->transport.fd, EV_READ | EV_PERSIST,
                 http_connection_readable, connection);
    http_waiting_read(connection, true);
}

void http_connection_handshake(evutil_socket_t fd, short what, void *context)
{
    struct http_connection *connection = context;
    const char *reason = NULL;
    (void)fd;
    (void)what;
    if (connection->state == CONNECTION_IDLE && !start_handshake(connection)) {
        http_connection_handshake_failed(connection, "no certificate to show, or out of memory");
        return;
    }
    switch (transport_handshake(&connection->transport, &reason)) {
    case TRANSPORT_DONE:
        handshake_done(connection);
        break;
    case TRANSPORT_WANTS_READ:
        break;
    case TRANSPORT_WANTS_WRITE:
        http_waiting_write_to_read(connection);
        break;
    case TRANSPORT_ENDED:
    case TRANSPORT_FAILED:
        http_connection_handshake_failed(connection, reason);
        break;
    }
}
