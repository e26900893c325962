/* relay_target.h: where a relay leads, and the addresses of that name. Internal to src/net: relay.c
 * makes it, relay_pair.c asks it. All on the loop's thread but the resolution itself. */
#ifndef NET_RELAY_TARGET_H
#define NET_RELAY_TARGET_H

#include "base/tasks.h"
#include "net/relay.h"

/* Somebody who waits for addresses; its owner embeds it. */
struct relay_waiter {
    void (*ready)(struct relay_waiter *waiter); /* look at the target's addresses now */
    struct relay_waiter *next;
    struct relay_waiter *previous;
    bool waiting;
};

struct relay_target {
    struct endpoint endpoint;
    struct event_loop *loop;
    struct tasks *tasks;
    relay_resolver resolve;
    uint64_t ttl_ns;

    struct endpoint_addresses addresses; /* count 0: none are known */
    uint64_t resolved_ns;
    bool is_fixed; /* no name, so its address never changes */

    bool resolving;
    struct relay_waiter *waiters; /* while resolving */
    struct task task;             /* the resolver's, with what it found: */
    struct loop_call call;
    struct endpoint_addresses found;
    struct result outcome;
    struct detail detail;
};

/* Everything but the fields up to ttl_ns must be zero. */
RESULT relay_target_init(struct relay_target *target, struct detail *detail);

/* True: the addresses are fresh. False: `waiter` is called when they are, or when there is no hope:
 * then the addresses are the old ones or none. */
bool relay_target_ask(struct relay_target *target, struct relay_waiter *waiter);

/* The waiter is not called any more. Accepts one that is not waiting. */
void relay_target_forget(struct relay_target *target, struct relay_waiter *waiter);

#endif
