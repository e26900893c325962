/* dial.h: connecting to one endpoint, by its name, from an event loop: the name is resolved on a
 * task thread, and its addresses are tried one after the other. On the loop's thread. */
#ifndef NET_DIAL_H
#define NET_DIAL_H

#include "base/cleanup.h"
#include "base/detail.h"
#include "base/result.h"
#include "net/endpoint.h"
#include "net/event_loop.h"

/* How long addresses of a name are good. */
enum { DIAL_RESOLVE_TTL_MS = 60 * 1000 };

struct dialer;

/* To a TCP endpoint. An address that does not answer within `address_timeout_ms` is given up. */
RESULT dialer_new(struct event_loop *loop, const struct endpoint *endpoint,
                  unsigned address_timeout_ms, struct dialer **out, struct detail *detail);
/* All dials must be over. Waits for a name that is being resolved. The loop must not run any more.
 * Accepts NULL. */
void dialer_free(struct dialer *dialer);
DEFINE_CLEANUP(struct dialer, dialer_free);

struct dial;

/* How it ended. OK: `fd` is connected and non-blocking, and is the callee's. Else -1: NOT_FOUND, no
 * such host; UNAVAILABLE, nobody could be reached; `detail` has the endpoint and the reason of the
 * last address. */
typedef void (*dial_done)(void *context, struct result result, int fd, const struct detail *detail);

/* Begins to connect. `done` is called once, later, never from within; the dial is gone then. */
RESULT dial_begin(struct dialer *dialer, dial_done done, void *context, struct dial **out);
/* Gives up; `done` is not called. Accepts NULL. */
void dial_cancel(struct dial *dial);

#endif
