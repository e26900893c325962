#include "net/dial.h"

#include "net/relay_target.h"

#include <errno.h>
#include <event2/event.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct dialer {
    struct relay_target target;
    struct tasks *resolver;
    unsigned address_timeout_ms;
};

struct dial {
    struct dialer *dialer;
    dial_done done;
    void *context;
    struct relay_waiter waiter;
    struct event *timer;
    struct event *writable;
    int fd;
    size_t address;                      /* the next to be tried */
    struct endpoint_addresses addresses; /* what the name was when this began */
    struct detail detail;
};

RESULT dialer_new(struct event_loop *loop, const struct endpoint *endpoint,
                  unsigned address_timeout_ms, struct dialer **out, struct detail *detail)
{
    CLEANUP(dialer_free_ptr) struct dialer *dialer = calloc(1, sizeof(*dialer));
    ENSURE(dialer != NULL, UNAVAILABLE, "out of memory");
    dialer->address_timeout_ms = address_timeout_ms;
    TRY(tasks_new(1, 1, &dialer->resolver));
    dialer->target.endpoint = *endpoint;
    dialer->target.loop = loop;
    dialer->target.tasks = dialer->resolver;
    dialer->target.resolve = endpoint_resolve;
    dialer->target.ttl_ns = DIAL_RESOLVE_TTL_MS * (uint64_t)1000000;
    TRY(relay_target_init(&dialer->target, detail));
    *out = STEAL(dialer);
    return OK;
}

void dialer_free(struct dialer *dialer)
{
    if (dialer != NULL) {
        tasks_free(dialer->resolver); /* it writes into the target */
        free(dialer);
    }
}

static void drop_socket(struct dial *dial)
{
    if (dial->writable != NULL) {
        event_free(STEAL(dial->writable));
    }
    fd_close_ptr(&dial->fd);
    dial->fd = -1;
}

void dial_cancel(struct dial *dial)
{
    if (dial == NULL) {
        return;
    }
    relay_target_forget(&dial->dialer->target, &dial->waiter);
    drop_socket(dial);
    if (dial->timer != NULL) {
        event_free(dial->timer);
    }
    free(dial);
}

static void finish(struct dial *dial, struct result result)
{
    dial_done done = dial->done;
    void *context = dial->context;
    struct detail detail = dial->detail;
    int fd = is_ok(result) ? dial->fd : -1;
    dial->fd = is_ok(result) ? -1 : dial->fd;
    dial_cancel(dial);
    done(context, result, fd, &detail);
}

static void note_reason(struct dial *dial, int error)
{
    char text[ENDPOINT_TEXT_SIZE];
    endpoint_print(&dial->dialer->target.endpoint, text);
    detail_set(&dial->detail, "%s (%s)", text, strerror(error));
}

static void try_next_address(struct dial *dial);

static void on_writable(evutil_socket_t fd, short what, void *context)
{
    struct dial *dial = context;
    int error = 0;
    socklen_t size = sizeof(error);
    (void)what;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0) {
        finish(dial, OK);
        return;
    }
    note_reason(dial, error);
    drop_socket(dial);
    try_next_address(dial);
}

static bool watch(struct dial *dial)
{
    unsigned limit_ms = dial->dialer->address_timeout_ms;
    const struct timeval limit = { .tv_sec = (time_t)(limit_ms / 1000),
                                   .tv_usec = (suseconds_t)(limit_ms % 1000 * 1000) };
    struct event_base *base = event_loop_base(dial->dialer->target.loop);
    dial->writable = event_new(base, dial->fd, EV_WRITE, on_writable, dial);
    return dial->writable != NULL && event_add(dial->writable, NULL) == 0 &&
           event_add(dial->timer, &limit) == 0;
}

static void try_next_address(struct dial *dial)
{
    while (dial->address < dial->addresses.count) {
        const struct endpoint_address *address = &dial->addresses.items[dial->address++];
        if (!is_ok(endpoint_connect(address, dial->dialer->address_timeout_ms, &dial->fd))) {
            note_reason(dial, errno);
            dial->fd = -1;
            continue;
        }
        if (!watch(dial)) {
            finish(dial, FAIL(UNAVAILABLE, "out of memory"));
        }
        return;
    }
    finish(dial, FAIL(UNAVAILABLE, "cannot connect"));
}

static void begin(struct dial *dial)
{
    const struct relay_target *target = &dial->dialer->target;
    if (target->addresses.count == 0) {
        dial->detail = target->detail;
        finish(dial, is_ok(target->outcome) ? FAIL(UNAVAILABLE, "the name has no address")
                                            : target->outcome);
        return;
    }
    dial->addresses = target->addresses;
    try_next_address(dial);
}

static void on_ready(struct relay_waiter *waiter)
{
    begin((struct dial *)((char *)waiter - offsetof(struct dial, waiter)));
}

/* At first it begins the dial, from the loop; later an address has not answered. */
static void on_timer(evutil_socket_t fd, short what, void *context)
{
    struct dial *dial = context;
    (void)fd;
    (void)what;
    if (dial->fd >= 0) {
        note_reason(dial, ETIMEDOUT);
        drop_socket(dial);
        try_next_address(dial);
    } else if (relay_target_ask(&dial->dialer->target, &dial->waiter)) {
        begin(dial);
    }
}

RESULT dial_begin(struct dialer *dialer, dial_done done, void *context, struct dial **out)
{
    const struct timeval now = { .tv_sec = 0 };
    struct dial *dial = calloc(1, sizeof(*dial));
    ENSURE(dial != NULL, UNAVAILABLE, "out of memory");
    *dial = (struct dial){ .dialer = dialer, .done = done, .context = context, .fd = -1 };
    dial->waiter.ready = on_ready;
    dial->timer = event_new(event_loop_base(dialer->target.loop), -1, 0, on_timer, dial);
    if (dial->timer == NULL || event_add(dial->timer, &now) != 0) {
        dial_cancel(dial);
        return FAIL(UNAVAILABLE, "out of memory");
    }
    *out = dial;
    return OK;
}
