/* event_loop.h: one thread's loop of events, by libevent, for what is not HTTP: relays, streams,
 * timers, signals. All that hangs on a loop is made, used and freed on its thread, or while it does
 * not run; only event_loop_stop() and event_loop_post() may be called from others. */
#ifndef NET_EVENT_LOOP_H
#define NET_EVENT_LOOP_H

#include "base/cleanup.h"
#include "base/result.h"

#include <stdint.h>

struct event_loop;
struct event_base; /* libevent's, for src/net alone */

RESULT event_loop_new(struct event_loop **out);
/* What hangs on the loop must be freed before. Calls that were posted and not run are dropped.
 * Accepts NULL. */
void event_loop_free(struct event_loop *loop);
DEFINE_CLEANUP(struct event_loop, event_loop_free);

/* Runs until event_loop_stop(), which may have come before. UNAVAILABLE: libevent gave up. */
RESULT event_loop_run(struct event_loop *loop);
void event_loop_stop(struct event_loop *loop); /* any thread */

struct event_base *event_loop_base(struct event_loop *loop);

/* The head of a call for the loop's thread; its owner embeds it. */
struct loop_call {
    void (*run)(struct loop_call *call); /* the call may be freed in it */
    struct loop_call *next;              /* the loop's */
};

/* Runs the call on the loop's thread, soon. Any thread. */
void event_loop_post(struct event_loop *loop, struct loop_call *call);

/* Something that comes again and again, until it is freed; `run` may free it. */
struct loop_source;
RESULT loop_every(struct event_loop *loop, uint64_t interval_ms, void (*run)(void *context),
                  void *context, struct loop_source **out);
/* The signal is handled by the loop, so it must not be blocked in the loop's thread. */
RESULT loop_on_signal(struct event_loop *loop, int number, void (*run)(void *context),
                      void *context, struct loop_source **out);
void loop_source_free(struct loop_source *source); /* accepts NULL */
DEFINE_CLEANUP(struct loop_source, loop_source_free);

#endif
