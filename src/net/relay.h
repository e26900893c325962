/* relay.h: byte relays: each takes connections at one endpoint and carries their bytes to and from
 * another. Any number of them share one event loop, and nothing that a peer of one connection does
 * or leaves undone harms another connection:
 *
 * - A direction holds at most RELAY_HELD_MAX bytes; reading stops until the other side has taken
 *   them. Connections that hold nothing cost no buffer.
 * - The end of one direction is passed on as such where the target's transport can carry it. Where
 *   it cannot (endpoint_carries_half_close()), the other direction goes on until it ends or is
 *   silent for `linger_ms`. A stream that breaks off is reset, so that it never passes for whole.
 * - Every wait has its limit, and so has the number of connections; what is over it is reset at
 *   once. Without file descriptors a relay stops accepting for a moment.
 * - All addresses of a name are tried in turn. Names are resolved on a thread of their own, and
 *   again when the addresses are older than `resolve_ttl_ms`; while that fails the old ones serve.
 */
#ifndef NET_RELAY_H
#define NET_RELAY_H

#include "base/cleanup.h"
#include "base/detail.h"
#include "base/result.h"
#include "net/endpoint.h"
#include "net/event_loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RELAY_HELD_MAX = 64 * 1024, RELAYS_MAX = 64, RELAY_RESOLVE_TTL_MS = 60 * 1000 };

/* endpoint_resolve(), or another for tests; it is called on the resolver's thread. */
typedef struct result (*relay_resolver)(const struct endpoint *endpoint,
                                        struct endpoint_addresses *out, struct detail *detail);

struct relays_settings {
    size_t connections_max;  /* of all relays together */
    unsigned resolve_ttl_ms; /* RELAY_RESOLVE_TTL_MS */
    relay_resolver resolve;  /* NULL: endpoint_resolve() */
};

struct relay_settings {
    struct endpoint listen;
    struct endpoint target;
    uint32_t peer_cid; /* where a vsock's connections must come from; 0: from anywhere */
    size_t connections_max;
    unsigned connect_timeout_ms; /* for the name, for each address, and for a UDS's answer */
    unsigned idle_timeout_ms;    /* without a byte in either direction */
    unsigned linger_ms;          /* the same when one direction is over and cannot be said so */
};

struct relays;
struct relay;

/* `loop` is borrowed. */
RESULT relays_new(struct event_loop *loop, const struct relays_settings *settings,
                  struct relays **out);

/* Resets all connections and frees. It waits for a name that is being resolved. Accepts NULL. */
void relays_free(struct relays *relays);
DEFINE_CLEANUP(struct relays, relays_free);

/* Listens at once. The relay lives as long as `relays`. LIMIT: RELAYS_MAX are there; others as
 * endpoint_listen(). */
RESULT relays_add(struct relays *relays, const struct relay_settings *settings, struct relay **out,
                  struct detail *detail);

/* Takes no more connections; those that are there go on. */
void relays_stop_listening(struct relays *relays);

/* Connections that are open now, of all relays. Any thread. */
size_t relays_active(const struct relays *relays);

const struct relay_settings *relay_settings_of(const struct relay *relay);

/* The TCP port it listens on, also when the kernel chose it; 0 for other kinds. */
uint16_t relay_port(const struct relay *relay);

struct relay_counts {
    uint64_t accepted;  /* taken, whatever became of them */
    uint64_t active;    /* open now */
    uint64_t refused;   /* over a limit of connections, or from another CID */
    uint64_t failed;    /* the target could not be reached */
    uint64_t timed_out; /* idle, or lingering, for too long */
    uint64_t reset;     /* broken off by one side */
    uint64_t bytes_to_target;
    uint64_t bytes_from_target;
};

/* Any thread. */
struct relay_counts relay_counts(const struct relay *relay);

#endif
