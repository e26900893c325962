#include "net/http_loop.h"

#include "base/clock.h"
#include "base/thread.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static void update_date(struct http_loop *loop)
{
    time_t now = (time_t)clock_wall_seconds();
    struct tm parts = { 0 };
    gmtime_r(&now, &parts);
    strftime(loop->date, sizeof(loop->date), "%a, %d %b %Y %H:%M:%S GMT", &parts);
}

/* Ends the connections whose time is up; each list is in the order of deadlines. */
static void expire(struct http_loop *loop, enum connection_state state, uint64_t now)
{
    struct connection_list *list = &loop->lists[state];
    while (list->first != NULL && list->first->deadline_ns <= now) {
        http_connection_expire(list->first);
    }
}

static void close_idle(struct http_loop *loop)
{
    struct connection_list *list = &loop->lists[CONNECTION_IDLE];
    while (list->first != NULL) {
        http_connection_close(list->first);
    }
}

void http_listener_close(struct http_listener *listener)
{
    if (listener->event != NULL) {
        event_free(listener->event);
        listener->event = NULL;
    }
    if (listener->fd >= 0) {
        close(listener->fd);
        listener->fd = -1;
    }
}

/* Accepting pauses when the process is out of file descriptors. */
static void resume_accepting(struct http_loop *loop)
{
    if (loop != loop->server->loops[0]) {
        return;
    }
    for (size_t i = 0; i < loop->server->listener_count; i++) {
        if (loop->server->listeners[i].event != NULL) {
            event_add(loop->server->listeners[i].event, NULL);
        }
    }
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    struct http_loop *loop = context;
    uint64_t now = clock_monotonic_ns();
    (void)fd;
    (void)what;
    update_date(loop);
    expire(loop, CONNECTION_IDLE, now);
    expire(loop, CONNECTION_HANDSHAKE, now);
    expire(loop, CONNECTION_RECEIVING, now);
    expire(loop, CONNECTION_WRITING, now);
    expire(loop, CONNECTION_LINGERING, now);
    resume_accepting(loop);
}

static void take_posted(struct http_loop *loop, struct http_exchange **answered,
                        struct handed_connection **handed, bool *stop)
{
    LOCK_SCOPE(&loop->mutex);
    *answered = loop->answered;
    loop->answered = NULL;
    loop->answered_end = &loop->answered;
    *handed = loop->handed;
    loop->handed = NULL;
    *stop = loop->stop;
}

static void open_handed(struct http_loop *loop, struct handed_connection *handed)
{
    while (handed != NULL) {
        struct handed_connection *next = handed->next;
        http_connection_open(loop, handed->listener, handed->fd);
        free(handed);
        handed = next;
    }
}

/* The first loop owns the listeners. */
static void close_listeners(struct http_loop *loop)
{
    if (loop != loop->server->loops[0]) {
        return;
    }
    for (size_t i = 0; i < loop->server->listener_count; i++) {
        http_listener_close(&loop->server->listeners[i]);
    }
}

/* Does what other threads asked for. True: the loop shall end. */
static bool work_off_posted(struct http_loop *loop)
{
    struct http_exchange *answered = NULL;
    struct handed_connection *handed = NULL;
    bool stop = false;
    take_posted(loop, &answered, &handed, &stop);
    open_handed(loop, handed);
    while (answered != NULL) {
        struct http_exchange *next = answered->next;
        http_connection_finish(answered);
        answered = next;
    }
    return stop;
}

static void on_wake(evutil_socket_t fd, short what, void *context)
{
    struct http_loop *loop = context;
    uint64_t count = 0;
    (void)what;
    (void)!read(fd, &count, sizeof(count));
    bool stop = work_off_posted(loop);
    if (atomic_load(&loop->server->draining)) {
        close_listeners(loop);
        close_idle(loop);
    }
    if (stop) {
        event_base_loopbreak(loop->base);
    }
}

static struct event_base *new_base(void)
{
    struct event_config *config = event_config_new();
    if (config == NULL) {
        return NULL;
    }
    /* One thread uses the base; others only write to its eventfd. */
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

RESULT http_loop_new(struct http_server *server, struct http_loop **out)
{
    const struct timeval second = { .tv_sec = 1 };
    struct http_loop *loop = calloc(1, sizeof(*loop));
    ENSURE(loop != NULL, UNAVAILABLE, "out of memory");
    *out = loop; /* half-built is fine for http_loop_free() */
    pthread_mutex_init(&loop->mutex, NULL);
    loop->server = server;
    loop->answered_end = &loop->answered;
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ENSURE(loop->wake_fd >= 0, UNAVAILABLE, "cannot make an eventfd");
    loop->base = new_base();
    ENSURE(loop->base != NULL, UNAVAILABLE, "cannot make an event loop");
    loop->wake_event = event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
    loop->tick_event = event_new(loop->base, -1, EV_PERSIST, on_tick, loop);
    ENSURE(loop->wake_event != NULL && loop->tick_event != NULL, UNAVAILABLE, "out of memory");
    event_add(loop->wake_event, NULL);
    event_add(loop->tick_event, &second);
    update_date(loop);
    return OK;
}

/* With many requests under way, what has arrived and what was answered is taken in turns: each time
 * that the loop is woken it pushes a worker aside, and wants its own system calls, for one request
 * as for ten. */
static void pause_between_turns(const struct http_loop *loop)
{
    const struct http_server *server = loop->server;
    uint64_t pause_ns = atomic_load(&server->active) * server->settings.pause_per_request_ns;
    if (pause_ns >= HTTP_PAUSE_MIN_NS) {
        pause_ns = pause_ns < HTTP_PAUSE_MAX_NS ? pause_ns : HTTP_PAUSE_MAX_NS;
        nanosleep(&(struct timespec){ .tv_nsec = (long)pause_ns }, NULL);
    }
}

static void *run(void *context)
{
    struct http_loop *loop = context;
    while (event_base_loop(loop->base, EVLOOP_ONCE) == 0 && !event_base_got_break(loop->base)) {
        atomic_fetch_add_explicit(&loop->server->turns, 1, memory_order_relaxed);
        pause_between_turns(loop);
    }
    return NULL;
}

RESULT http_loop_start(struct http_loop *loop)
{
    TRY(thread_start(&loop->thread, "http", run, loop));
    loop->running = true;
    return OK;
}

void http_loop_stop(struct http_loop *loop)
{
    if (!loop->running) {
        return;
    }
    {
        LOCK_SCOPE(&loop->mutex);
        loop->stop = true;
    }
    http_loop_wake(loop);
    pthread_join(loop->thread, NULL);
    loop->running = false;
}

void http_loop_free(struct http_loop *loop)
{
    if (loop == NULL) {
        return;
    }
    (void)work_off_posted(loop);
    assert(loop->lists[CONNECTION_BUSY].first == NULL); /* nobody is owed an answer any more */
    for (size_t state = 0; state < CONNECTION_STATES; state++) {
        while (loop->lists[state].first != NULL) {
            http_connection_close(loop->lists[state].first);
        }
    }
    if (loop->wake_event != NULL) {
        event_free(loop->wake_event);
    }
    if (loop->tick_event != NULL) {
        event_free(loop->tick_event);
    }
    if (loop->base != NULL) {
        event_base_free(loop->base);
    }
    if (loop->wake_fd >= 0) {
        close(loop->wake_fd);
    }
    pthread_mutex_destroy(&loop->mutex);
    free(loop);
}

void http_loop_wake(struct http_loop *loop)
{
    const uint64_t one = 1;
    (void)!write(loop->wake_fd, &one, sizeof(one));
}

void http_loop_hand_over(struct http_loop *loop, int fd, const struct http_listener *listener)
{
    struct handed_connection *handed = calloc(1, sizeof(*handed));
    if (handed == NULL) {
        close(fd);
        return;
    }
    *handed = (struct handed_connection){ .fd = fd, .listener = listener };
    {
        LOCK_SCOPE(&loop->mutex);
        handed->next = loop->handed;
        loop->handed = handed;
    }
    http_loop_wake(loop);
}

void http_loop_answered(struct http_loop *loop, struct http_exchange *exchange)
{
    bool was_empty = false;
    {
        LOCK_SCOPE(&loop->mutex);
        was_empty = loop->answered == NULL;
        exchange->next = NULL;
        *loop->answered_end = exchange;
        loop->answered_end = &exchange->next;
    }
    if (was_empty) {
        http_loop_wake(loop);
    }
}
