#define _GNU_SOURCE
#include "net/event_loop.h"

#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>

struct event_loop {
    struct event_base *base;
    int wake_fd;
    struct event *wake_event;
    pthread_mutex_t mutex;   /* holds the two below */
    struct loop_call *first; /* posted and not run yet */
    struct loop_call *last;
    atomic_bool stopping;
};

struct loop_source {
    struct event *event;
    void (*run)(void *context);
    void *context;
};

static struct loop_call *take_calls(struct event_loop *loop)
{
    LOCK_SCOPE(&loop->mutex);
    struct loop_call *calls = loop->first;
    loop->first = NULL;
    loop->last = NULL;
    return calls;
}

static void on_wake(evutil_socket_t fd, short what, void *context)
{
    struct event_loop *loop = context;
    eventfd_t count = 0;
    (void)what;
    (void)eventfd_read(fd, &count);
    for (struct loop_call *call = take_calls(loop); call != NULL;) {
        struct loop_call *next = call->next;
        call->run(call);
        call = next;
    }
    if (atomic_load(&loop->stopping)) {
        event_base_loopbreak(loop->base);
    }
}

RESULT event_loop_new(struct event_loop **out)
{
    CLEANUP(event_loop_free_ptr) struct event_loop *loop = calloc(1, sizeof(*loop));
    ENSURE(loop != NULL, UNAVAILABLE, "out of memory");
    pthread_mutex_init(&loop->mutex, NULL);
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ENSURE(loop->wake_fd >= 0, UNAVAILABLE, "cannot make an event descriptor");
    loop->base = event_base_new();
    ENSURE(loop->base != NULL, UNAVAILABLE, "cannot make an event loop");
    loop->wake_event = event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
    ENSURE(loop->wake_event != NULL && event_add(loop->wake_event, NULL) == 0, UNAVAILABLE,
           "cannot make an event loop");
    *out = STEAL(loop);
    return OK;
}

void event_loop_free(struct event_loop *loop)
{
    if (loop == NULL) {
        return;
    }
    if (loop->wake_event != NULL) {
        event_free(loop->wake_event);
    }
    if (loop->base != NULL) {
        event_base_free(loop->base);
    }
    fd_close_ptr(&loop->wake_fd);
    pthread_mutex_destroy(&loop->mutex);
    free(loop);
}

RESULT event_loop_run(struct event_loop *loop)
{
    int ended = event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
    ENSURE(ended == 0, UNAVAILABLE, "the event loop failed");
    return OK;
}

static void wake(struct event_loop *loop)
{
    (void)eventfd_write(loop->wake_fd, 1); /* fails only when it is full, so awake already */
}

void event_loop_stop(struct event_loop *loop)
{
    atomic_store(&loop->stopping, true);
    wake(loop);
}

struct event_base *event_loop_base(struct event_loop *loop)
{
    return loop->base;
}

void event_loop_post(struct event_loop *loop, struct loop_call *call)
{
    {
        LOCK_SCOPE(&loop->mutex);
        call->next = NULL;
        if (loop->last == NULL) {
            loop->first = call;
        } else {
            loop->last->next = call;
        }
        loop->last = call;
    }
    wake(loop);
}

static void on_source(evutil_socket_t fd, short what, void *context)
{
    const struct loop_source *source = context;
    (void)fd;
    (void)what;
    source->run(source->context);
}

static struct result make_source(void (*run)(void *context), void *context,
                                 struct loop_source **out)
{
    struct loop_source *source = calloc(1, sizeof(*source));
    ENSURE(source != NULL, UNAVAILABLE, "out of memory");
    source->run = run;
    source->context = context;
    *out = source;
    return OK;
}

RESULT loop_every(struct event_loop *loop, uint64_t interval_ms, void (*run)(void *context),
                  void *context, struct loop_source **out)
{
    CLEANUP(loop_source_free_ptr) struct loop_source *source = NULL;
    const struct timeval interval = { .tv_sec = (time_t)(interval_ms / 1000),
                                      .tv_usec = (suseconds_t)(interval_ms % 1000 * 1000) };
    TRY(make_source(run, context, &source));
    source->event = event_new(loop->base, -1, EV_PERSIST, on_source, source);
    ENSURE(source->event != NULL && event_add(source->event, &interval) == 0, UNAVAILABLE,
           "cannot make a timer");
    *out = STEAL(source);
    return OK;
}

RESULT loop_on_signal(struct event_loop *loop, int number, void (*run)(void *context),
                      void *context, struct loop_source **out)
{
    CLEANUP(loop_source_free_ptr) struct loop_source *source = NULL;
    TRY(make_source(run, context, &source));
    source->event = evsignal_new(loop->base, number, on_source, source);
    ENSURE(source->event != NULL && event_add(source->event, NULL) == 0, UNAVAILABLE,
           "cannot wait for a signal");
    *out = STEAL(source);
    return OK;
}

void loop_source_free(struct loop_source *source)
{
    if (source == NULL) {
        return;
    }
    if (source->event != NULL) {
        event_free(source->event);
    }
    free(source);
}
