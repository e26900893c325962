#include "net/http_waiting.h"

#include "base/clock.h"

enum { LINGER_SECONDS = 5 };

static void list_remove(struct http_connection *connection)
{
    struct connection_list *list = &connection->loop->lists[connection->state];
    *(connection->previous == NULL ? &list->first : &connection->previous->next) = connection->next;
    *(connection->next == NULL ? &list->last : &connection->next->previous) = connection->previous;
    connection->previous = NULL;
    connection->next = NULL;
}

static void list_append(struct http_connection *connection)
{
    struct connection_list *list = &connection->loop->lists[connection->state];
    connection->previous = list->last;
    *(list->last == NULL ? &list->first : &list->last->next) = connection;
    list->last = connection;
}

static uint64_t timeout_of(const struct http_server_settings *settings, enum connection_state state)
{
    const uint64_t second = 1000000000U;
    switch (state) {
    case CONNECTION_IDLE:
        return settings->idle_timeout_s * second;
    case CONNECTION_HANDSHAKE:
    case CONNECTION_RECEIVING:
        return settings->request_timeout_s * second;
    case CONNECTION_WRITING:
        return settings->write_timeout_s * second;
    case CONNECTION_LINGERING:
        return LINGER_SECONDS * second;
    case CONNECTION_BUSY:
    case CONNECTION_STATES:
        break;
    }
    return 0;
}

/* How many connections of the server are in a state that a drain waits for. */
static atomic_size_t *counter_of(struct http_server *server, enum connection_state state)
{
    if (state == CONNECTION_BUSY || state == CONNECTION_WRITING) {
        return &server->active;
    }
    bool receiving = state == CONNECTION_RECEIVING || state == CONNECTION_HANDSHAKE;
    return receiving ? &server->receiving : NULL;
}

static void count_state(struct http_server *server, enum connection_state state, bool enters)
{
    atomic_size_t *counter = counter_of(server, state);
    if (counter != NULL && enters) {
        atomic_fetch_add(counter, 1);
    } else if (counter != NULL) {
        atomic_fetch_sub(counter, 1);
    }
}

void http_waiting_begin(struct http_connection *connection)
{
    connection->state = CONNECTION_IDLE;
    connection->deadline_ns =
        clock_monotonic_ns() + timeout_of(&connection->loop->server->settings, CONNECTION_IDLE);
    list_append(connection);
}

void http_waiting_end(struct http_connection *connection)
{
    list_remove(connection);
    count_state(connection->loop->server, connection->state, false);
}

void http_waiting_set(struct http_connection *connection, enum connection_state state)
{
    list_remove(connection);
    /* In and only then out: a drain that looks meanwhile must not see nothing under way. */
    count_state(connection->loop->server, state, true);
    count_state(connection->loop->server, connection->state, false);
    connection->state = state;
    connection->deadline_ns =
        clock_monotonic_ns() + timeout_of(&connection->loop->server->settings, state);
    list_append(connection);
}

void http_waiting_more(struct http_connection *connection)
{
    const struct timeval at_once = { 0 };
    if (connection->more_event != NULL && transport_has_more(&connection->transport)) {
        event_add(connection->more_event, &at_once);
    }
}

void http_waiting_read(struct http_connection *connection, bool reading)
{
    if (connection->reading == reading) {
        return;
    }
    connection->reading = reading;
    if (reading) {
        event_add(connection->read_event, NULL);
        http_waiting_more(connection);
    } else {
        event_del(connection->read_event);
        if (connection->more_event != NULL) {
            event_del(connection->more_event);
        }
    }
}

bool http_waiting_write(struct http_connection *connection)
{
    if (connection->write_event == NULL) {
        connection->write_event = event_new(connection->loop->base, connection->transport.fd,
                                            EV_WRITE, http_connection_writable, connection);
    }
    return connection->write_event != NULL && event_add(connection->write_event, NULL) == 0;
}

void http_waiting_write_to_read(struct http_connection *connection)
{
    http_waiting_read(connection, false);
    if (!http_waiting_write(connection)) {
        http_connection_close(connection);
    }
}
