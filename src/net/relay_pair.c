/*~ A pair's life: wait for the target's addresses, connect to one after the other, say a UDS's
 * greeting, then carry bytes until both directions are over. */
#define _GNU_SOURCE
#include "net/relay_pair.h"

#include "base/clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Full reads of one side in one turn of the loop; the others are waiting. */
enum { READS_AT_ONCE = 4 };

/* A UNIX socket whose queue is full refuses to be waited for; it is asked again so often. */
enum { RETRY_US = 10 * 1000 };

static const uint64_t ns_per_ms = 1000 * 1000;

enum { CLIENT, TARGET, SIDES };

enum pair_state {
    PAIR_RESOLVING,
    PAIR_CONNECTING,
    PAIR_RETRYING, /* the target's queue was full */
    PAIR_GREETING, /* a UDS has not answered yet */
    PAIR_OPEN,
};

struct side {
    struct relay_pair *pair;
    int fd; /* -1: not connected yet */
    struct event *readable;
    struct event *writable;
    bool carries_half_close;
};

/* What side i says, and the other hears. */
struct flow {
    uint8_t *held; /* read, and not taken yet; NULL when there is nothing */
    size_t held_size;
    size_t held_at;
    bool ended;     /* it will say no more */
    bool passed;    /* … and the other was told so, if it can be told */
    bool discarded; /* the other hears no more */
};

struct relay_pair {
    struct relay *relay;
    struct relay_pair *next;
    struct relay_pair *previous;
    struct relay_waiter waiter;
    enum pair_state state;
    struct side sides[SIDES];
    struct flow flows[SIDES];
    struct event *timer;
    uint64_t active_ns;                   /* when a byte moved last, or the state began */
    struct endpoint_addresses *addresses; /* while connecting */
    size_t address;                       /* the one that is being tried */
    char answer[ENDPOINT_ANSWER_MAX];     /* a UDS's, as far as it came */
    size_t answer_size;
};

void relay_reset_fd(int fd)
{
    const struct linger now = { .l_onoff = 1, .l_linger = 0 };
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)); /* TCP only */
    close(fd);
}

static void free_event(struct event **event)
{
    if (*event != NULL) {
        event_free(*event);
        *event = NULL;
    }
}

static void close_side(struct side *side, bool reset)
{
    free_event(&side->readable);
    free_event(&side->writable);
    if (side->fd >= 0 && reset) {
        relay_reset_fd(side->fd);
    } else if (side->fd >= 0) {
        close(side->fd);
    }
    side->fd = -1;
}

static void unlink_pair(struct relay_pair *pair)
{
    struct relay *relay = pair->relay;
    if (pair->previous == NULL) {
        relay->pairs = pair->next;
    } else {
        pair->previous->next = pair->next;
    }
    if (pair->next != NULL) {
        pair->next->previous = pair->previous;
    }
    atomic_fetch_sub(&relay->tally.active, 1);
    atomic_fetch_sub(&relay->relays->active, 1);
}

static void free_pair(struct relay_pair *pair, bool reset)
{
    relay_target_forget(&pair->relay->target, &pair->waiter);
    for (int i = 0; i < SIDES; i++) {
        close_side(&pair->sides[i], reset);
        free(pair->flows[i].held);
    }
    free_event(&pair->timer);
    free(pair->addresses);
    unlink_pair(pair);
    free(pair);
}

void relay_pair_abort(struct relay_pair *pair)
{
    free_pair(pair, true);
}

static void fail(struct relay_pair *pair)
{
    atomic_fetch_add(&pair->relay->tally.failed, 1);
    free_pair(pair, true);
}

static void break_off(struct relay_pair *pair)
{
    atomic_fetch_add(&pair->relay->tally.reset, 1);
    free_pair(pair, true);
}

/* Time-outs. One timer a pair, that is only set anew when it fires too early or when the limit has
 * become shorter: bytes that move cost a look at the clock. */

/* One direction is over and the other end may not know. */
static bool is_lingering(const struct relay_pair *pair)
{
    for (int i = 0; i < SIDES; i++) {
        const struct flow *flow = &pair->flows[i];
        if (flow->discarded || (flow->passed && !pair->sides[1 - i].carries_half_close)) {
            return true;
        }
    }
    return false;
}

static uint64_t limit_ns(const struct relay_pair *pair)
{
    const struct relay_settings *settings = &pair->relay->settings;
    if (pair->state != PAIR_OPEN) {
        return settings->connect_timeout_ms * ns_per_ms;
    }
    bool lingers = is_lingering(pair) && settings->linger_ms < settings->idle_timeout_ms;
    return (lingers ? settings->linger_ms : settings->idle_timeout_ms) * ns_per_ms;
}

static void set_timer(struct relay_pair *pair)
{
    uint64_t end = pair->active_ns + limit_ns(pair);
    uint64_t now = clock_monotonic_ns();
    uint64_t left_us = end > now ? (end - now) / 1000 + 1 : 1;
    const struct timeval left = { .tv_sec = (time_t)(left_us / 1000000),
                                  .tv_usec = (suseconds_t)(left_us % 1000000) };
    event_add(pair->timer, &left);
}

static void enter(struct relay_pair *pair, enum pair_state state)
{
    pair->state = state;
    pair->active_ns = clock_monotonic_ns();
    set_timer(pair);
}

/* Carrying bytes. These give false when the pair is gone. */

static bool settle(struct relay_pair *pair);

/* Writes as much as the socket takes. -1: it takes no more, ever. */
static ssize_t send_some(const struct side *to, const uint8_t *bytes, size_t size)
{
    size_t sent = 0;
    while (sent < size) {
        ssize_t taken = send(to->fd, bytes + sent, size - sent, MSG_NOSIGNAL);
        if (taken < 0 && errno == EINTR) {
            continue;
        }
        if (taken < 0) {
            return errno == EAGAIN || errno == EWOULDBLOCK ? (ssize_t)sent : -1;
        }
        sent += (size_t)taken;
    }
    return (ssize_t)sent;
}

static void note_bytes(struct relay_pair *pair, int from, size_t size)
{
    atomic_fetch_add(&pair->relay->tally.bytes[from], size);
    pair->active_ns = clock_monotonic_ns();
}

static void drop_held(struct flow *flow)
{
    free(STEAL(flow->held));
    flow->held_size = 0;
    flow->held_at = 0;
}

/* Nobody hears this direction any more; it is read on, so that its end is seen. */
static void discard(struct relay_pair *pair, int from)
{
    struct flow *flow = &pair->flows[from];
    drop_held(flow);
    flow->discarded = true;
    event_del(pair->sides[1 - from].writable);
    if (!flow->ended) {
        event_add(pair->sides[from].readable, NULL);
    }
}

/* The other side has closed: what it said before still counts, what it is told no longer does. */
static bool stop_telling(struct relay_pair *pair, int from)
{
    if (errno != EPIPE) {
        break_off(pair);
        return false;
    }
    discard(pair, from);
    return settle(pair);
}

static bool hold(struct relay_pair *pair, int from, const uint8_t *bytes, size_t size)
{
    struct flow *flow = &pair->flows[from];
    flow->held = calloc(1, size);
    if (flow->held == NULL) {
        break_off(pair);
        return false;
    }
    memcpy(flow->held, bytes, size);
    flow->held_size = size;
    flow->held_at = 0;
    event_del(pair->sides[from].readable);
    event_add(pair->sides[1 - from].writable, NULL);
    return true;
}

static bool pass_on(struct relay_pair *pair, int from, const uint8_t *bytes, size_t size)
{
    if (pair->flows[from].discarded) {
        return true;
    }
    ssize_t sent = send_some(&pair->sides[1 - from], bytes, size);
    if (sent < 0) {
        return stop_telling(pair, from);
    }
    note_bytes(pair, from, (size_t)sent);
    return (size_t)sent == size || hold(pair, from, bytes + sent, size - (size_t)sent);
}

/* Passes on the end of what side i says, once all before it is passed on. */
static void pass_end(struct relay_pair *pair, int i)
{
    struct flow *flow = &pair->flows[i];
    if (!flow->ended || flow->held != NULL || flow->passed) {
        return;
    }
    flow->passed = true;
    if (pair->sides[1 - i].carries_half_close) {
        (void)shutdown(pair->sides[1 - i].fd, SHUT_WR);
    }
    if (!pair->sides[i].carries_half_close) { /* it is gone altogether */
        discard(pair, 1 - i);
    }
}

/* Passes ends on, and sees whether the pair is over. */
static bool settle(struct relay_pair *pair)
{
    pass_end(pair, CLIENT);
    pass_end(pair, TARGET);
    pass_end(pair, CLIENT); /* the target's end may have emptied it */
    if (pair->flows[CLIENT].passed && pair->flows[TARGET].passed) {
        free_pair(pair, false);
        return false;
    }
    if (is_lingering(pair)) {
        set_timer(pair);
    }
    return true;
}

static bool read_once(struct relay_pair *pair, int from, bool *more_out)
{
    uint8_t *scratch = pair->relay->relays->scratch;
    struct flow *flow = &pair->flows[from];
    ssize_t got = recv(pair->sides[from].fd, scratch, RELAY_HELD_MAX, 0);
    *more_out = false;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        return true;
    }
    if (got < 0) {
        break_off(pair);
        return false;
    }
    if (got == 0) {
        flow->ended = true;
        event_del(pair->sides[from].readable);
        return settle(pair);
    }
    if (!pass_on(pair, from, scratch, (size_t)got)) {
        return false;
    }
    *more_out = (size_t)got == RELAY_HELD_MAX && flow->held == NULL;
    return true;
}

static int index_of(const struct side *side)
{
    return side == &side->pair->sides[TARGET] ? TARGET : CLIENT;
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    struct side *side = context;
    int from = index_of(side);
    bool more = true;
    (void)fd;
    (void)what;
    for (int i = 0; i < READS_AT_ONCE && more; i++) {
        if (!read_once(side->pair, from, &more)) {
            return;
        }
    }
}

/* The side takes bytes again: what is held goes first. */
static void write_held(struct relay_pair *pair, int to)
{
    int from = 1 - to;
    struct flow *flow = &pair->flows[from];
    ssize_t sent =
        send_some(&pair->sides[to], flow->held + flow->held_at, flow->held_size - flow->held_at);
    if (sent < 0) {
        (void)stop_telling(pair, from);
        return;
    }
    note_bytes(pair, from, (size_t)sent);
    flow->held_at += (size_t)sent;
    if (flow->held_at < flow->held_size) {
        return;
    }
    drop_held(flow);
    event_del(pair->sides[to].writable);
    if (!flow->ended) {
        event_add(pair->sides[from].readable, NULL);
    }
    (void)settle(pair);
}

/* Getting there. */

static void try_next_address(struct relay_pair *pair);

static void open_pair(struct relay_pair *pair)
{
    free(STEAL(pair->addresses));
    event_del(pair->sides[TARGET].writable);
    event_add(pair->sides[CLIENT].readable, NULL);
    event_add(pair->sides[TARGET].readable, NULL);
    enter(pair, PAIR_OPEN);
}

static void greet(struct relay_pair *pair)
{
    char text[ENDPOINT_GREETING_SIZE];
    const struct side *side = &pair->sides[TARGET];
    size_t size = endpoint_greeting(&pair->relay->settings.target, text);
    if (size == 0) {
        open_pair(pair);
        return;
    }
    if (send(side->fd, text, size, MSG_NOSIGNAL) != (ssize_t)size) {
        fail(pair);
        return;
    }
    event_del(side->writable);
    event_add(side->readable, NULL);
    enter(pair, PAIR_GREETING);
}

/* A byte at a time: what follows the answer is the stream's, and stays in the socket. */
static void hear_answer(struct relay_pair *pair)
{
    bool whole = false;
    while (!whole) {
        ssize_t got = recv(pair->sides[TARGET].fd, pair->answer + pair->answer_size, 1, 0);
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
            return;
        }
        pair->answer_size += got == 1;
        if (got <= 0 || !is_ok(endpoint_answer(pair->answer, pair->answer_size, &whole))) {
            fail(pair);
            return;
        }
    }
    open_pair(pair);
}

static void on_target_readable(evutil_socket_t fd, short what, void *context)
{
    struct side *side = context;
    if (side->pair->state == PAIR_GREETING) {
        hear_answer(side->pair);
    } else {
        on_readable(fd, what, context);
    }
}

static void set_no_delay(int fd)
{
    const int on = 1; /* fails on what is not TCP */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

static void connect_decided(struct relay_pair *pair)
{
    int error = 0;
    socklen_t size = sizeof(error);
    struct side *side = &pair->sides[TARGET];
    if (getsockopt(side->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
        close_side(side, false);
        try_next_address(pair);
        return;
    }
    set_no_delay(side->fd);
    greet(pair);
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
    const struct side *side = context;
    (void)fd;
    (void)what;
    if (side->pair->state == PAIR_CONNECTING) {
        connect_decided(side->pair);
    } else {
        write_held(side->pair, index_of(side));
    }
}

static bool make_events(struct side *side, event_callback_fn readable)
{
    struct event_base *base = event_loop_base(side->pair->relay->relays->loop);
    side->readable = event_new(base, side->fd, EV_READ | EV_PERSIST, readable, side);
    side->writable = event_new(base, side->fd, EV_WRITE | EV_PERSIST, on_writable, side);
    return side->readable != NULL && side->writable != NULL;
}

/* The same address again, as long as a connection may take. */
static void retry_soon(struct relay_pair *pair)
{
    const struct timeval pause = { .tv_usec = RETRY_US };
    if (pair->state != PAIR_RETRYING) {
        enter(pair, PAIR_RETRYING);
    }
    pair->address--;
    event_add(pair->timer, &pause);
}

static void try_next_address(struct relay_pair *pair)
{
    struct side *side = &pair->sides[TARGET];
    unsigned timeout_ms = pair->relay->settings.connect_timeout_ms;
    while (pair->address < pair->addresses->count) {
        const struct endpoint_address *address = &pair->addresses->items[pair->address++];
        if (!is_ok(endpoint_connect(address, timeout_ms, &side->fd))) {
            if (errno == EAGAIN) {
                retry_soon(pair);
                return;
            }
            continue;
        }
        if (!make_events(side, on_target_readable)) {
            break;
        }
        event_add(side->writable, NULL);
        enter(pair, PAIR_CONNECTING);
        return;
    }
    fail(pair);
}

static void begin(struct relay_pair *pair)
{
    pair->addresses = calloc(1, sizeof(*pair->addresses));
    if (pair->addresses == NULL || pair->relay->target.addresses.count == 0) {
        fail(pair);
        return;
    }
    *pair->addresses = pair->relay->target.addresses;
    try_next_address(pair);
}

static void on_ready(struct relay_waiter *waiter)
{
    begin((struct relay_pair *)((char *)waiter - offsetof(struct relay_pair, waiter)));
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    struct relay_pair *pair = context;
    (void)fd;
    (void)what;
    bool in_time = clock_monotonic_ns() < pair->active_ns + limit_ns(pair);
    if (in_time && pair->state == PAIR_RETRYING) {
        try_next_address(pair);
    } else if (in_time) {
        set_timer(pair);
    } else if (pair->state == PAIR_CONNECTING) { /* this address does not answer */
        close_side(&pair->sides[TARGET], false);
        try_next_address(pair);
    } else if (pair->state != PAIR_OPEN) {
        fail(pair);
    } else {
        atomic_fetch_add(&pair->relay->tally.timed_out, 1);
        free_pair(pair, !is_lingering(pair));
    }
}

static void link_pair(struct relay_pair *pair)
{
    struct relay *relay = pair->relay;
    pair->next = relay->pairs;
    if (pair->next != NULL) {
        pair->next->previous = pair;
    }
    relay->pairs = pair;
    atomic_fetch_add(&relay->tally.active, 1);
    atomic_fetch_add(&relay->relays->active, 1);
}

void relay_pair_open(struct relay *relay, int fd)
{
    struct relay_pair *pair = calloc(1, sizeof(*pair));
    if (pair == NULL) {
        atomic_fetch_add(&relay->tally.failed, 1);
        relay_reset_fd(fd);
        return;
    }
    const struct relay_settings *settings = &relay->settings;
    pair->relay = relay;
    pair->waiter.ready = on_ready;
    pair->sides[CLIENT] = (struct side){
        .pair = pair, .fd = fd, .carries_half_close = endpoint_carries_half_close(&settings->listen)
    };
    pair->sides[TARGET] = (struct side){
        .pair = pair, .fd = -1, .carries_half_close = endpoint_carries_half_close(&settings->target)
    };
    link_pair(pair);
    set_no_delay(fd);
    pair->timer = event_new(event_loop_base(relay->relays->loop), -1, 0, on_timer, pair);
    if (pair->timer == NULL || !make_events(&pair->sides[CLIENT], on_readable)) {
        fail(pair);
        return;
    }
    enter(pair, PAIR_RESOLVING);
    if (relay_target_ask(&relay->target, &pair->waiter)) {
        begin(pair);
    }
}
