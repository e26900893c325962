/* relay_pair.h: one connection of a relay: the side that came and the side that it leads to.
 * Internal to src/net: relay.c accepts, relay_pair.c is what happens then. All on the loop's
 * thread, but for the counters. */
#ifndef NET_RELAY_PAIR_H
#define NET_RELAY_PAIR_H

#include "net/relay_target.h"

#include <event2/event.h>
#include <stdatomic.h>

struct relay_tally {
    atomic_uint_fast64_t accepted, active, refused, failed, timed_out, reset;
    atomic_uint_fast64_t bytes[2]; /* to the target, from the target */
};

struct relay {
    struct relays *relays;
    struct relay_settings settings;
    struct relay_target target;
    struct relay_tally tally;
    struct relay_pair *pairs; /* the open ones */
    int fd;                   /* -1: listens no more */
    uint16_t port;
    struct event *acceptable;
    bool paused; /* there were no file descriptors */
};

struct relays {
    struct event_loop *loop;
    struct relays_settings settings;
    struct tasks *resolver;
    struct loop_source *tick;
    struct relay *items[RELAYS_MAX];
    size_t count;
    atomic_size_t active;
    uint8_t *scratch; /* RELAY_HELD_MAX bytes, for one read */
};

struct relay_pair;

/* Takes an accepted connection. */
void relay_pair_open(struct relay *relay, int fd);

/* Resets both sides and frees. */
void relay_pair_abort(struct relay_pair *pair);

/* Closes a connection so that its peer cannot take it for an orderly end. */
void relay_reset_fd(int fd);

#endif
