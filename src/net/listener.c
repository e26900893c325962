#define _GNU_SOURCE
#include "net/listener.h"

#include "base/log.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { ACCEPT_AT_ONCE = 64, PAUSE_MS = 100 };

struct listener {
    struct endpoint endpoint;
    int fd;
    struct event *acceptable;
    struct event *resume; /* after a pause */
    void (*accepted)(void *context, int fd);
    void *context;
};

static void pause_accepting(struct listener *listener)
{
    const struct timeval pause = { .tv_usec = PAUSE_MS * 1000 };
    if (log_request_allowed()) {
        log_warn("a connection cannot be accepted", LOG_TEXT("reason", strerror(errno)));
    }
    event_del(listener->acceptable);
    event_add(listener->resume, &pause);
}

static void on_resume(evutil_socket_t fd, short what, void *context)
{
    const struct listener *listener = context;
    (void)fd;
    (void)what;
    event_add(listener->acceptable, NULL);
}

static void on_acceptable(evutil_socket_t fd, short what, void *context)
{
    struct listener *listener = context;
    (void)what;
    for (int i = 0; i < ACCEPT_AT_ONCE; i++) {
        int accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
                pause_accepting(listener);
            }
            return;
        }
        listener->accepted(listener->context, accepted);
    }
}

RESULT listener_new(struct event_loop *loop, const struct endpoint *endpoint,
                    void (*accepted)(void *context, int fd), void *context, struct listener **out,
                    struct detail *detail)
{
    CLEANUP(listener_free_ptr) struct listener *listener = calloc(1, sizeof(*listener));
    ENSURE(listener != NULL, UNAVAILABLE, "out of memory");
    *listener = (struct listener){
        .endpoint = *endpoint, .fd = -1, .accepted = accepted, .context = context
    };
    struct event_base *base = event_loop_base(loop);
    TRY(endpoint_listen(endpoint, &listener->fd, detail));
    listener->acceptable =
        event_new(base, listener->fd, EV_READ | EV_PERSIST, on_acceptable, listener);
    listener->resume = event_new(base, -1, 0, on_resume, listener);
    ENSURE(listener->acceptable != NULL && listener->resume != NULL &&
               event_add(listener->acceptable, NULL) == 0,
           UNAVAILABLE, "out of memory");
    *out = STEAL(listener);
    return OK;
}

void listener_free(struct listener *listener)
{
    if (listener == NULL) {
        return;
    }
    if (listener->acceptable != NULL) {
        event_free(listener->acceptable);
    }
    if (listener->resume != NULL) {
        event_free(listener->resume);
    }
    endpoint_unlisten(&listener->endpoint, listener->fd);
    free(listener);
}

uint16_t listener_port(const struct listener *listener)
{
    return endpoint_bound_port(listener->fd);
}
