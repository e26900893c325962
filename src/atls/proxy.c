/*~ A connection's life: the server is verified while the client's bytes stay in the kernel; then
 * they are carried, until either side ends or the evidence is too old; or the client is refused. */
#include "atls/proxy.h"

#include "atls/session.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "net/http_message.h"
#include "net/listener.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TICK_MS = 100, ROUNDS_AT_ONCE = 4, LINE_SIZE = DETAIL_SIZE + 256 };

static const uint64_t ns_per_ms = 1000 * 1000;

/* Bytes from one side that the other has not taken yet. */
struct flow {
    uint8_t bytes[PROXY_HELD_MAX];
    size_t size;
    size_t at;
    bool ended;  /* the side will say no more … */
    bool passed; /* … and the other was told */
};

enum { TO_SERVER, TO_CLIENT, FLOWS };

enum connection_state {
    CONNECTION_VERIFIES,
    CONNECTION_CARRIES,
    CONNECTION_REFUSES,   /* the client has not asked yet */
    CONNECTION_DISMISSES, /* it is being told */
    CONNECTION_LEAVES,    /* it was told: what it still sends is thrown away */
};

struct connection {
    struct proxy *proxy;
    struct connection *next;
    struct connection *previous;
    enum connection_state state;
    struct channel *client;
    struct session *session; /* NULL when refused */
    struct flow *flows;      /* of FLOWS, while carrying; wiped: what passes may be a password */
    struct buf refusal;
    size_t told;
    uint64_t moved_ns; /* when a byte moved last, or the state began */
    int moved_last;    /* the flow of that byte */
    uint64_t expires_ns;
    uint64_t leaving_ns; /* since when it may not go on; 0: it may */
};

struct proxy {
    struct event_loop *loop;
    struct proxy_settings settings;
    const struct expectations *wanted;
    struct tls_client_context *tls;
    struct dialer *dialer;
    struct listener *listener; /* NULL: takes no more */
    struct loop_source *tick;
    struct connection *connections;
    size_t active;
    uint16_t port;
    bool draining;
};

static void free_connection(struct connection *connection)
{
    struct proxy *proxy = connection->proxy;
    if (connection->previous == NULL) {
        proxy->connections = connection->next;
    } else {
        connection->previous->next = connection->next;
    }
    if (connection->next != NULL) {
        connection->next->previous = connection->previous;
    }
    proxy->active--;
    session_free(connection->session);
    channel_free(connection->client);
    if (connection->flows != NULL) {
        secret_wipe(connection->flows, FLOWS * sizeof(*connection->flows));
        free(connection->flows);
    }
    buf_free(&connection->refusal);
    free(connection);
}

static void enter(struct connection *connection, enum connection_state state)
{
    connection->state = state;
    connection->moved_ns = clock_monotonic_ns();
}

/* -------------------------------------------------------------------------------------- refusing
 */

static void write_refusal(struct connection *connection, const struct session_verdict *verdict)
{
    char reason[LINE_SIZE];
    char line[LINE_SIZE + 32];
    detail_line(&verdict->detail, verdict->result, reason, sizeof(reason));
    snprintf(line, sizeof(line), "%s: %s",
             verdict->connected ? "enclave refused" : "enclave not reached", reason);
    struct http_response response = http_error(503, line);
    buf_printf(&connection->refusal,
               "HTTP/1.1 503 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nRetry-After: 1\r\n"
               "Connection: close\r\n\r\n",
               http_reason(503), response.content_type, response.body.size);
    buf_append(&connection->refusal, response.body.data, response.body.size);
    buf_free(&response.body);
    if (log_request_allowed()) {
        log_warn("a client is refused: the server could not be verified",
                 LOG_TEXT("reason", reason));
    }
}

/* The answer waits for the client's question: what comes unasked is taken for nothing, or for the
 * answer to something else. */
static void refuse(struct connection *connection)
{
    write_refusal(connection, session_verdict(connection->session));
    session_free(STEAL(connection->session));
    enter(connection, CONNECTION_REFUSES);
    channel_wait(connection->client, true, false);
}

static enum channel_status throw_away(struct connection *connection)
{
    uint8_t bytes[PROXY_HELD_MAX];
    enum channel_status status = CHANNEL_DONE;
    for (int i = 0; i < ROUNDS_AT_ONCE && status == CHANNEL_DONE; i++) {
        size_t got = 0;
        status = channel_read(connection->client, bytes, sizeof(bytes), &got);
        secret_wipe(bytes, got);
        if (status == CHANNEL_DONE && connection->state == CONNECTION_REFUSES) {
            connection->state = CONNECTION_DISMISSES;
        }
    }
    return status;
}

static enum channel_status tell(struct connection *connection)
{
    enum channel_status status = CHANNEL_DONE;
    const struct buf *refusal = &connection->refusal;
    while (status == CHANNEL_DONE && connection->told < refusal->size) {
        size_t sent = 0;
        status = channel_write(connection->client, refusal->data + connection->told,
                               refusal->size - connection->told, &sent);
        connection->told += status == CHANNEL_DONE ? sent : 0;
    }
    if (status == CHANNEL_DONE) {
        connection->state = CONNECTION_LEAVES;
        status = channel_end(connection->client);
    }
    return status;
}

/* A client that has ended its question may still want the answer. */
static void dismiss(struct connection *connection)
{
    enum channel_status heard = throw_away(connection);
    enum channel_status said = CHANNEL_DONE;
    if (connection->state == CONNECTION_DISMISSES) {
        said = tell(connection);
    }
    bool asks = connection->state == CONNECTION_DISMISSES;
    if (heard == CHANNEL_FAILED || said == CHANNEL_FAILED || (heard == CHANNEL_ENDED && !asks)) {
        free_connection(connection);
        return;
    }
    channel_wait(connection->client, heard != CHANNEL_ENDED, asks);
}

/* -------------------------------------------------------------------------------------- carrying
 */

static bool is_empty(const struct flow *flow)
{
    return flow->at == flow->size;
}

static struct channel *source_of(struct connection *connection, int flow)
{
    return flow == TO_SERVER ? connection->client : session_channel(connection->session);
}

static struct channel *sink_of(struct connection *connection, int flow)
{
    return source_of(connection, 1 - flow);
}

static void note_moved(struct connection *connection, int flow)
{
    connection->moved_ns = clock_monotonic_ns();
    connection->moved_last = flow;
}

/* Fills an empty flow. */
static enum channel_status fill(struct connection *connection, int i)
{
    struct flow *flow = &connection->flows[i];
    size_t got = 0;
    enum channel_status status =
        channel_read(source_of(connection, i), flow->bytes, sizeof(flow->bytes), &got);
    if (status == CHANNEL_DONE) {
        flow->at = 0;
        flow->size = got;
        note_moved(connection, i);
    }
    flow->ended = status == CHANNEL_ENDED;
    return status;
}

static enum channel_status drain(struct connection *connection, int i)
{
    struct flow *flow = &connection->flows[i];
    enum channel_status status = CHANNEL_DONE;
    while (status == CHANNEL_DONE && !is_empty(flow)) {
        size_t sent = 0;
        status = channel_write(sink_of(connection, i), flow->bytes + flow->at,
                               flow->size - flow->at, &sent);
        if (status == CHANNEL_DONE) {
            flow->at += sent;
            note_moved(connection, i);
        }
    }
    if (status == CHANNEL_DONE && flow->ended && !flow->passed) {
        status = channel_end(sink_of(connection, i));
        flow->passed = status == CHANNEL_DONE;
    }
    return status;
}

/* False: the connection is broken. */
static bool carry_flow(struct connection *connection, int i)
{
    struct flow *flow = &connection->flows[i];
    for (int round = 0; round < ROUNDS_AT_ONCE; round++) {
        enum channel_status status = drain(connection, i);
        if (status == CHANNEL_FAILED) {
            return false;
        }
        if (status == CHANNEL_WAITS || flow->ended) {
            return true;
        }
        status = fill(connection, i);
        if (status == CHANNEL_FAILED) {
            return false;
        }
        if (status == CHANNEL_WAITS) {
            return true;
        }
    }
    return true;
}

static bool wants_reading(const struct flow *flow)
{
    return !flow->ended && is_empty(flow);
}

static bool wants_writing(const struct flow *flow)
{
    return !is_empty(flow) || (flow->ended && !flow->passed);
}

/* The client has heard the end of what the server says: what it still sends nobody takes. */
static bool is_over(const struct connection *connection)
{
    return connection->flows[TO_CLIENT].passed && connection->flows[TO_SERVER].ended;
}

static void carry(struct connection *connection)
{
    const struct flow *flows = connection->flows;
    bool carried = carry_flow(connection, TO_SERVER) && carry_flow(connection, TO_CLIENT);
    if (!carried || is_over(connection)) {
        free_connection(connection);
        return;
    }
    channel_wait(connection->client, wants_reading(&flows[TO_SERVER]),
                 wants_writing(&flows[TO_CLIENT]));
    channel_wait(session_channel(connection->session), wants_reading(&flows[TO_CLIENT]),
                 wants_writing(&flows[TO_SERVER]));
}

static void on_ready(void *context)
{
    struct connection *connection = context;
    switch (connection->state) {
    case CONNECTION_VERIFIES:
        break;
    case CONNECTION_CARRIES:
        carry(connection);
        break;
    case CONNECTION_REFUSES:
    case CONNECTION_DISMISSES:
    case CONNECTION_LEAVES:
        dismiss(connection);
        break;
    }
}

/* By the clock that does not jump; the wall clock is looked at besides. */
static void note_expiry(struct connection *connection)
{
    uint64_t now = clock_wall_seconds();
    uint64_t end = session_verdict(connection->session)->expires_seconds;
    uint64_t left = end >= now ? end + 1 - now : 0; /* the verifier still takes that second */
    connection->expires_ns =
        left > UINT32_MAX ? UINT64_MAX : clock_monotonic_ns() + left * 1000 * ns_per_ms;
}

static void on_decided(void *context)
{
    struct connection *connection = context;
    const struct channel_owner owner = { on_ready, connection };
    if (is_ok(session_verdict(connection->session)->result)) {
        connection->flows = calloc(FLOWS, sizeof(*connection->flows));
        if (connection->flows == NULL) {
            free_connection(connection);
            return;
        }
        channel_set_owner(session_channel(connection->session), &owner);
        note_expiry(connection);
        connection->moved_last = TO_CLIENT;
        enter(connection, CONNECTION_CARRIES);
        carry(connection);
        return;
    }
    refuse(connection);
}

/* ------------------------------------------------------------------------------------------ time
 */

static bool has_expired(const struct connection *connection, uint64_t now_ns)
{
    return now_ns >= connection->expires_ns ||
           clock_wall_seconds() > session_verdict(connection->session)->expires_seconds;
}

static bool is_quiet(const struct connection *connection, uint64_t now_ns)
{
    return connection->moved_last == TO_CLIENT && is_empty(&connection->flows[TO_SERVER]) &&
           is_empty(&connection->flows[TO_CLIENT]) &&
           now_ns - connection->moved_ns >= PROXY_QUIET_MS * ns_per_ms;
}

/* An orderly end for both. */
static void part(struct connection *connection)
{
    (void)channel_end(connection->client);
    (void)channel_end(session_channel(connection->session));
    free_connection(connection);
}

/* How long nothing may move. */
static uint64_t silence_ns(const struct connection *connection)
{
    bool lingers = connection->flows[TO_SERVER].ended || connection->flows[TO_CLIENT].ended;
    uint64_t limit_ms = connection->proxy->settings.idle_timeout_ms;
    limit_ms = lingers && limit_ms > PROXY_LINGER_MS ? PROXY_LINGER_MS : limit_ms;
    return limit_ms * ns_per_ms;
}

static void look_after_carrying(struct connection *connection, uint64_t now_ns)
{
    if (connection->leaving_ns == 0 &&
        (connection->proxy->draining || has_expired(connection, now_ns))) {
        connection->leaving_ns = now_ns;
    }
    bool leaves = connection->leaving_ns != 0;
    if (leaves && !is_quiet(connection, now_ns) &&
        now_ns - connection->leaving_ns >= PROXY_GRACE_MS * ns_per_ms) {
        free_connection(connection);
    } else if ((leaves && is_quiet(connection, now_ns)) ||
               now_ns - connection->moved_ns >= silence_ns(connection)) {
        part(connection);
    }
}

static void look_after(struct connection *connection, uint64_t now_ns)
{
    switch (connection->state) {
    case CONNECTION_VERIFIES: /* the session has its own limit */
        break;
    case CONNECTION_CARRIES:
        look_after_carrying(connection, now_ns);
        break;
    case CONNECTION_REFUSES:
    case CONNECTION_DISMISSES:
    case CONNECTION_LEAVES:
        if (connection->proxy->draining ||
            now_ns - connection->moved_ns >= PROXY_REFUSAL_MS * ns_per_ms) {
            free_connection(connection);
        }
        break;
    }
}

static void on_tick(void *context)
{
    const struct proxy *proxy = context;
    uint64_t now_ns = clock_monotonic_ns();
    for (struct connection *connection = proxy->connections; connection != NULL;) {
        struct connection *next = connection->next;
        look_after(connection, now_ns);
        connection = next;
    }
}

/* ------------------------------------------------------------------------------------- the proxy
 */

static struct result open_connection(struct proxy *proxy, int fd)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL) {
        close(fd);
        return FAIL(UNAVAILABLE, "out of memory");
    }
    const struct channel_owner owner = { on_ready, connection };
    const struct session_settings settings = {
        .loop = proxy->loop,
        .dialer = proxy->dialer,
        .tls = proxy->tls,
        .server = &proxy->settings.server,
        .wanted = proxy->wanted,
        .timeout_ms = proxy->settings.verify_timeout_ms,
    };
    connection->proxy = proxy;
    connection->refusal = BUF_INIT(2 * LINE_SIZE);
    connection->next = proxy->connections;
    if (connection->next != NULL) {
        connection->next->previous = connection;
    }
    proxy->connections = connection;
    proxy->active++;
    enter(connection, CONNECTION_VERIFIES);
    struct result opened = channel_new(proxy->loop, fd, &owner, &connection->client);
    if (is_ok(opened)) {
        opened = session_new(&settings, on_decided, connection, &connection->session);
    }
    if (!is_ok(opened)) {
        free_connection(connection);
    }
    return opened;
}

static void on_accepted(void *context, int fd)
{
    struct proxy *proxy = context;
    struct result opened = FAIL(LIMIT, "as many connections are open as may be");
    if (proxy->active < proxy->settings.connections_max) {
        opened = open_connection(proxy, fd);
    } else {
        close(fd);
    }
    if (!is_ok(opened) && log_request_allowed()) {
        log_warn("a client is not let in", LOG_TEXT("reason", opened.what));
    }
}

RESULT proxy_new(struct event_loop *loop, const struct proxy_settings *settings,
                 const struct expectations *wanted, struct proxy **out, struct detail *detail)
{
    CLEANUP(proxy_free_ptr) struct proxy *proxy = calloc(1, sizeof(*proxy));
    ENSURE(proxy != NULL, UNAVAILABLE, "out of memory");
    proxy->loop = loop;
    proxy->settings = *settings;
    proxy->wanted = wanted;
    TRY(tls_client_context_new(&proxy->tls));
    TRY(dialer_new(loop, &settings->server, PROXY_ADDRESS_MS, &proxy->dialer, detail));
    TRY(loop_every(loop, TICK_MS, on_tick, proxy, &proxy->tick));
    TRY(listener_new(loop, &settings->listen, on_accepted, proxy, &proxy->listener, detail));
    proxy->port = listener_port(proxy->listener);
    *out = STEAL(proxy);
    return OK;
}

void proxy_free(struct proxy *proxy)
{
    if (proxy == NULL) {
        return;
    }
    listener_free(proxy->listener);
    while (proxy->connections != NULL) {
        free_connection(proxy->connections);
    }
    loop_source_free(proxy->tick);
    dialer_free(proxy->dialer);
    tls_client_context_free(proxy->tls);
    free(proxy);
}

uint16_t proxy_port(const struct proxy *proxy)
{
    return proxy->port;
}

size_t proxy_active(const struct proxy *proxy)
{
    return proxy->active;
}

/* False: it was carrying, and is cut. */
static bool recheck(struct connection *connection)
{
    if (connection->session == NULL) {
        return true;
    }
    bool holds = is_ok(session_recheck(connection->session));
    if (holds && connection->state == CONNECTION_CARRIES) {
        note_expiry(connection);
    }
    if (!holds) {
        free_connection(connection);
    }
    return holds;
}

size_t proxy_recheck(struct proxy *proxy)
{
    size_t cut = 0;
    for (struct connection *connection = proxy->connections; connection != NULL;) {
        struct connection *next = connection->next;
        cut += !recheck(connection);
        connection = next;
    }
    return cut;
}

void proxy_drain(struct proxy *proxy)
{
    listener_free(STEAL(proxy->listener));
    proxy->draining = true;
}
