#define _GNU_SOURCE
#include "net/relay.h"

#include "base/log.h"
#include "net/relay_pair.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ACCEPT_AT_ONCE = 64, TICK_MS = 100 };

static const uint64_t ns_per_ms = 1000 * 1000;

/* A relay that ran out of file descriptors tries again: some may have come back. */
static void on_tick(void *context)
{
    const struct relays *relays = context;
    for (size_t i = 0; i < relays->count; i++) {
        struct relay *relay = relays->items[i];
        if (relay->paused && relay->fd >= 0) {
            relay->paused = event_add(relay->acceptable, NULL) != 0;
        }
    }
}

RESULT relays_new(struct event_loop *loop, const struct relays_settings *settings,
                  struct relays **out)
{
    CLEANUP(relays_free_ptr) struct relays *relays = calloc(1, sizeof(*relays));
    ENSURE(relays != NULL, UNAVAILABLE, "out of memory");
    relays->loop = loop;
    relays->settings = *settings;
    relays->scratch = calloc(1, RELAY_HELD_MAX);
    ENSURE(relays->scratch != NULL, UNAVAILABLE, "out of memory");
    TRY(tasks_new(1, RELAYS_MAX, &relays->resolver));
    TRY(loop_every(loop, TICK_MS, on_tick, relays, &relays->tick));
    *out = STEAL(relays);
    return OK;
}

static void stop_listening(struct relay *relay)
{
    if (relay->acceptable != NULL) {
        event_free(STEAL(relay->acceptable));
    }
    endpoint_unlisten(&relay->settings.listen, relay->fd);
    relay->fd = -1;
}

static void free_relay(struct relay *relay)
{
    stop_listening(relay);
    while (relay->pairs != NULL) {
        relay_pair_abort(relay->pairs);
    }
    free(relay);
}

void relays_free(struct relays *relays)
{
    if (relays == NULL) {
        return;
    }
    tasks_free(relays->resolver); /* it posts to the loop, and writes into the relays */
    for (size_t i = 0; i < relays->count; i++) {
        free_relay(relays->items[i]);
    }
    loop_source_free(relays->tick);
    free(relays->scratch);
    free(relays);
}

void relays_stop_listening(struct relays *relays)
{
    for (size_t i = 0; i < relays->count; i++) {
        stop_listening(relays->items[i]);
    }
}

static bool is_welcome(const struct relay *relay, int fd)
{
    uint32_t cid = relay->settings.peer_cid;
    return cid == 0 || endpoint_peer_is(fd, cid);
}

static bool has_room(const struct relay *relay)
{
    return atomic_load(&relay->tally.active) < relay->settings.connections_max &&
           atomic_load(&relay->relays->active) < relay->relays->settings.connections_max;
}

static bool lacks_descriptors(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
}

/* Until the next tick. */
static void pause_accepting(struct relay *relay)
{
    if (log_request_allowed()) {
        log_warn("a relay cannot accept a connection", LOG_TEXT("reason", strerror(errno)));
    }
    event_del(relay->acceptable);
    relay->paused = true;
}

static void on_acceptable(evutil_socket_t fd, short what, void *context)
{
    struct relay *relay = context;
    (void)what;
    for (int i = 0; i < ACCEPT_AT_ONCE; i++) {
        int accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted < 0 && lacks_descriptors(errno)) {
            pause_accepting(relay);
        }
        if (accepted < 0) {
            return;
        }
        if (has_room(relay) && is_welcome(relay, accepted)) {
            atomic_fetch_add(&relay->tally.accepted, 1);
            relay_pair_open(relay, accepted);
        } else {
            atomic_fetch_add(&relay->tally.refused, 1);
            relay_reset_fd(accepted);
        }
    }
}

static struct result start_relay(struct relay *relay, struct detail *detail)
{
    struct relays *relays = relay->relays;
    relay->target.endpoint = relay->settings.target;
    relay->target.loop = relays->loop;
    relay->target.tasks = relays->resolver;
    relay->target.resolve =
        relays->settings.resolve == NULL ? endpoint_resolve : relays->settings.resolve;
    relay->target.ttl_ns = relays->settings.resolve_ttl_ms * ns_per_ms;
    TRY(relay_target_init(&relay->target, detail));
    TRY(endpoint_listen(&relay->settings.listen, &relay->fd, detail));
    relay->port = endpoint_bound_port(relay->fd);
    relay->acceptable = event_new(event_loop_base(relays->loop), relay->fd, EV_READ | EV_PERSIST,
                                  on_acceptable, relay);
    ENSURE(relay->acceptable != NULL && event_add(relay->acceptable, NULL) == 0, UNAVAILABLE,
           "out of memory");
    return OK;
}

RESULT relays_add(struct relays *relays, const struct relay_settings *settings, struct relay **out,
                  struct detail *detail)
{
    detail_set(detail, "%s", "");
    ENSURE(relays->count < RELAYS_MAX, LIMIT, "more than 64 relays");
    struct relay *relay = calloc(1, sizeof(*relay));
    ENSURE(relay != NULL, UNAVAILABLE, "out of memory");
    relay->relays = relays;
    relay->settings = *settings;
    relay->fd = -1;
    struct result started = start_relay(relay, detail);
    if (!is_ok(started)) {
        free_relay(relay);
        return started;
    }
    relays->items[relays->count++] = relay;
    *out = relay;
    return OK;
}

size_t relays_active(const struct relays *relays)
{
    return atomic_load(&relays->active);
}

const struct relay_settings *relay_settings_of(const struct relay *relay)
{
    return &relay->settings;
}

uint16_t relay_port(const struct relay *relay)
{
    return relay->port;
}

struct relay_counts relay_counts(const struct relay *relay)
{
    const struct relay_tally *tally = &relay->tally;
    return (struct relay_counts){
        .accepted = atomic_load(&tally->accepted),
        .active = atomic_load(&tally->active),
        .refused = atomic_load(&tally->refused),
        .failed = atomic_load(&tally->failed),
        .timed_out = atomic_load(&tally->timed_out),
        .reset = atomic_load(&tally->reset),
        .bytes_to_target = atomic_load(&tally->bytes[0]),
        .bytes_from_target = atomic_load(&tally->bytes[1]),
    };
}
