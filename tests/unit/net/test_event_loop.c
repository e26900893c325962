#include "net/event_loop.h"

#include "base/thread.h"
#include "harness.h"

#include <signal.h>

#define LOOP CLEANUP(event_loop_free_ptr) struct event_loop *

struct counter {
    struct loop_call call;
    struct event_loop *loop;
    int count;
    int wanted;
};

static void count(void *context)
{
    struct counter *counter = context;
    if (++counter->count == counter->wanted) {
        event_loop_stop(counter->loop);
    }
}

static void count_call(struct loop_call *call)
{
    count(call);
}

TEST(a_stop_that_came_before_the_run_counts)
{
    LOOP loop = NULL;
    CHECK_OK(event_loop_new(&loop));
    event_loop_stop(loop);
    CHECK_OK(event_loop_run(loop));
}

static void *post(void *context)
{
    struct counter *counters = context;
    for (int i = 0; i < 100; i++) {
        event_loop_post(counters[i].loop, &counters[i].call);
    }
    return NULL;
}

static int calls;

static void count_calls(struct loop_call *call)
{
    struct counter *counter = (struct counter *)call;
    counter->count++;
    if (++calls == 100) {
        event_loop_stop(counter->loop);
    }
}

TEST(calls_of_another_thread_run_on_the_loop_once_each)
{
    LOOP loop = NULL;
    static struct counter counters[100];
    pthread_t thread;
    CHECK_OK(event_loop_new(&loop));
    for (int i = 0; i < 100; i++) {
        counters[i] = (struct counter){ .call = { .run = count_calls }, .loop = loop };
    }
    CHECK_OK(thread_start(&thread, "poster", post, counters));
    CHECK_OK(event_loop_run(loop));
    pthread_join(thread, NULL);
    for (int i = 0; i < 100; i++) {
        CHECK(counters[i].count == 1);
    }
}

TEST(a_timer_comes_again_and_again)
{
    LOOP loop = NULL;
    CHECK_OK(event_loop_new(&loop));
    struct counter counter = { .loop = loop, .wanted = 3 };
    CLEANUP(loop_source_free_ptr) struct loop_source *source = NULL;
    CHECK_OK(loop_every(loop, 1, count, &counter, &source));
    CHECK_OK(event_loop_run(loop));
    CHECK(counter.count == 3);
}

static void raise_signal(struct loop_call *call)
{
    (void)call;
    raise(SIGUSR1);
}

TEST(a_signal_is_an_event)
{
    LOOP loop = NULL;
    CHECK_OK(event_loop_new(&loop));
    struct counter counter = { .loop = loop, .wanted = 1 };
    struct loop_call call = { .run = raise_signal };
    CLEANUP(loop_source_free_ptr) struct loop_source *source = NULL;
    CHECK_OK(loop_on_signal(loop, SIGUSR1, count, &counter, &source));
    event_loop_post(loop, &call);
    CHECK_OK(event_loop_run(loop));
    CHECK(counter.count == 1);
}

TEST(what_was_posted_and_never_run_is_dropped)
{
    LOOP loop = NULL;
    CHECK_OK(event_loop_new(&loop));
    struct counter counter = { .call = { .run = count_call }, .loop = loop };
    event_loop_post(loop, &counter.call);
    event_loop_free(STEAL(loop));
    CHECK(counter.count == 0);
}

HARNESS_TESTS(T(a_stop_that_came_before_the_run_counts),
              T(calls_of_another_thread_run_on_the_loop_once_each),
              T(a_timer_comes_again_and_again), T(a_signal_is_an_event),
              T(what_was_posted_and_never_run_is_dropped))
