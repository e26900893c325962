/* listener.h: accepts the connections of one endpoint on an event loop, and hands them on. On the
 * loop's thread. */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "base/cleanup.h"
#include "base/detail.h"
#include "base/result.h"
#include "net/endpoint.h"
#include "net/event_loop.h"

#include <stdint.h>

struct listener;

/* `accepted` gets each connection, non-blocking, and owns it. Without file descriptors accepting
 * stops for a moment. As endpoint_listen(). */
RESULT listener_new(struct event_loop *loop, const struct endpoint *endpoint,
                    void (*accepted)(void *context, int fd), void *context, struct listener **out,
                    struct detail *detail);
void listener_free(struct listener *listener); /* accepts NULL */
DEFINE_CLEANUP(struct listener, listener_free);

uint16_t listener_port(const struct listener *listener); /* of TCP */

#endif
