#define _GNU_SOURCE
#include "keystore/work_pool.h"

#include "base/thread.h"
#include "harness.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PIECES = 500 };

struct bench {
    atomic_size_t done[PIECES];
    atomic_size_t inside;
    atomic_size_t most; /* pieces at the same time */
    atomic_size_t ticks;
    atomic_size_t others;   /* pieces that ran on another thread than the caller's */
    atomic_size_t impolite; /* pieces on a thread of normal priority */
    atomic_bool cancelled;
    pthread_t caller;
};

static void note_most(struct bench *bench, size_t inside)
{
    size_t most = atomic_load(&bench->most);
    while (inside > most && !atomic_compare_exchange_weak(&bench->most, &most, inside)) {
    }
}

static void run_piece(size_t index, void *context)
{
    struct bench *bench = context;
    note_most(bench, atomic_fetch_add(&bench->inside, 1) + 1);
    atomic_fetch_add(&bench->done[index], 1);
    atomic_fetch_add(&bench->others, !pthread_equal(bench->caller, pthread_self()));
    atomic_fetch_add(&bench->impolite, getpriority(PRIO_PROCESS, 0) < 10);
    sched_yield();
    atomic_fetch_sub(&bench->inside, 1);
}

static void run_bench(struct bench *bench, size_t count, size_t threads)
{
    bench->caller = pthread_self();
    work_pool_run(&(struct work_batch){ .count = count,
                                        .threads = threads,
                                        .run = run_piece,
                                        .context = bench,
                                        .cancelled = &bench->cancelled });
}

TEST(every_piece_is_done_once)
{
    static const size_t threads[] = { 1, 2, 7, 1000 };
    for (size_t i = 0; i < sizeof(threads) / sizeof(threads[0]); i++) {
        struct bench bench = { .inside = 0 };
        run_bench(&bench, PIECES, threads[i]);
        for (size_t piece = 0; piece < PIECES; piece++) {
            CHECK(atomic_load(&bench.done[piece]) == 1);
        }
        CHECK(atomic_load(&bench.most) <= threads[i]);
        CHECK(atomic_load(&bench.most) <= thread_cpu_count());
    }
}

TEST(work_is_done_beside_the_caller_and_politely)
{
    struct bench bench = { .inside = 0 };
    int before = getpriority(PRIO_PROCESS, 0);
    run_bench(&bench, PIECES, 2);
    CHECK(atomic_load(&bench.others) == PIECES);
    CHECK(atomic_load(&bench.impolite) == 0);
    CHECK(getpriority(PRIO_PROCESS, 0) == before); /* the caller's own */
}

TEST(no_threads_at_all_is_one)
{
    struct bench bench = { .inside = 0 };
    run_bench(&bench, 3, 0);
    CHECK(atomic_load(&bench.done[2]) == 1);
    CHECK(atomic_load(&bench.others) == 3);
}

/* Sets the size of stacks for threads that are started without saying it. */
static bool set_stack_size(size_t size)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    bool done = pthread_attr_setstacksize(&attributes, size) == 0 &&
                pthread_setattr_default_np(&attributes) == 0;
    pthread_attr_destroy(&attributes);
    return done;
}

TEST(without_threads_the_caller_does_the_work)
{
    struct bench bench = { .inside = 0 };
    pthread_attr_t before;
    size_t usual = 0;
    CHECK(pthread_getattr_default_np(&before) == 0);
    CHECK(pthread_attr_getstacksize(&before, &usual) == 0);
    CHECK(set_stack_size((size_t)1 << 47)); /* all addresses there are: no thread can start */
    run_bench(&bench, PIECES, 4);
    CHECK(set_stack_size(usual));
    CHECK(atomic_load(&bench.others) == 0);
    CHECK(atomic_load(&bench.done[PIECES - 1]) == 1);
}

TEST(no_work_is_done_at_once)
{
    struct bench bench = { .inside = 0 };
    run_bench(&bench, 0, 4);
    CHECK(atomic_load(&bench.others) == 0);
}

static void cancel_at_ten(size_t index, void *context)
{
    struct bench *bench = context;
    run_piece(index, context);
    if (index == 10) {
        atomic_store(&bench->cancelled, true);
    }
}

TEST(a_cancelled_pool_begins_no_further_piece)
{
    struct bench bench = { .inside = 0 };
    bench.caller = pthread_self();
    struct work_batch work = { .count = PIECES,
                               .threads = 1,
                               .run = cancel_at_ten,
                               .context = &bench,
                               .cancelled = &bench.cancelled };
    work_pool_run(&work);
    CHECK(atomic_load(&bench.done[10]) == 1);
    CHECK(atomic_load(&bench.done[11]) == 0);
    work_pool_run(&work); /* was cancelled before */
    CHECK(atomic_load(&bench.done[0]) == 1);
}

static void wait_for_ticks(size_t index, void *context)
{
    struct bench *bench = context;
    (void)index;
    while (atomic_load(&bench->ticks) < 3) {
        usleep(100);
    }
}

static void count_tick(void *context)
{
    struct bench *bench = context;
    atomic_fetch_add(&bench->ticks, pthread_equal(bench->caller, pthread_self()) != 0);
}

TEST(the_caller_ticks_while_it_waits)
{
    struct bench bench = { .inside = 0 };
    bench.caller = pthread_self();
    work_pool_run(&(struct work_batch){ .count = 1,
                                        .threads = 1,
                                        .run = wait_for_ticks,
                                        .context = &bench,
                                        .cancelled = &bench.cancelled,
                                        .tick = count_tick,
                                        .tick_ms = 1 });
    CHECK(atomic_load(&bench.ticks) >= 3);
}

HARNESS_TESTS(T(every_piece_is_done_once), T(work_is_done_beside_the_caller_and_politely),
              T(no_threads_at_all_is_one), T(without_threads_the_caller_does_the_work),
              T(no_work_is_done_at_once), T(a_cancelled_pool_begins_no_further_piece),
              T(the_caller_ticks_while_it_waits))
