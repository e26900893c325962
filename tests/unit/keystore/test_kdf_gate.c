#include "keystore/kdf_gate.h"

#include "base/cleanup.h"
#include "harness.h"

#include <sched.h>
#include <stdatomic.h>

#define GATE(max_bytes)                          \
    CLEANUP(kdf_gate_done) struct kdf_gate gate; \
    kdf_gate_init(&gate, max_bytes)

TEST(what_fits_does_not_wait)
{
    GATE(100);
    CHECK(kdf_gate_enter(&gate, 60));
    CHECK(kdf_gate_enter(&gate, 40));
    CHECK(kdf_gate_enter(&gate, 0));
    kdf_gate_leave(&gate, 0);
    kdf_gate_leave(&gate, 40);
    CHECK(kdf_gate_enter(&gate, 40));
}

TEST(one_over_the_bound_runs_alone)
{
    GATE(100);
    CHECK(kdf_gate_enter(&gate, 1000));
    CHECK(kdf_gate_enter(&gate, 0)); /* needs no memory */
    kdf_gate_leave(&gate, 0);
    kdf_gate_leave(&gate, 1000);
    CHECK(kdf_gate_enter(&gate, 100));
}

/* Threads that keep their own account of what is inside. */
enum { CROWD_THREADS = 6, CROWD_ROUNDS = 3000, CROWD_MAX = 100 };

struct crowd {
    struct kdf_gate gate;
    atomic_size_t inside; /* bytes */
    atomic_size_t users;
    atomic_size_t wrong;
    atomic_size_t shared; /* times that somebody else was inside as well */
};

static void go_through(struct crowd *crowd, size_t bytes)
{
    if (!kdf_gate_enter(&crowd->gate, bytes)) {
        atomic_fetch_add(&crowd->wrong, 1);
        return;
    }
    size_t inside = atomic_fetch_add(&crowd->inside, bytes) + bytes;
    size_t users = atomic_fetch_add(&crowd->users, 1) + 1;
    if (inside > CROWD_MAX && inside != bytes) {
        atomic_fetch_add(&crowd->wrong, 1);
    }
    atomic_fetch_add(&crowd->shared, users > 1);
    sched_yield();
    atomic_fetch_sub(&crowd->users, 1);
    atomic_fetch_sub(&crowd->inside, bytes);
    kdf_gate_leave(&crowd->gate, bytes);
}

static void *run_crowd(void *context)
{
    static const size_t sizes[] = { 30, 50, 1, 100, 70, 150, 30 };
    for (size_t i = 0; i < CROWD_ROUNDS; i++) {
        go_through(context, sizes[i % (sizeof(sizes) / sizeof(sizes[0]))]);
    }
    return NULL;
}

TEST(the_sum_inside_never_passes_the_bound)
{
    static struct crowd crowd;
    pthread_t threads[CROWD_THREADS];
    kdf_gate_init(&crowd.gate, CROWD_MAX);
    for (size_t i = 0; i < CROWD_THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, run_crowd, &crowd) == 0);
    }
    for (size_t i = 0; i < CROWD_THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    kdf_gate_done(&crowd.gate);
    CHECK(atomic_load(&crowd.wrong) == 0);
    CHECK(atomic_load(&crowd.shared) > 0); /* else it is a plain lock */
}

static void *enter_once(void *context)
{
    struct kdf_gate *gate = context;
    return kdf_gate_enter(gate, 60) ? gate : NULL;
}

TEST(a_closed_gate_turns_all_away)
{
    GATE(100);
    pthread_t waiter;
    void *entered = &gate;
    CHECK(kdf_gate_enter(&gate, 60));
    CHECK(pthread_create(&waiter, NULL, enter_once, &gate) == 0);
    kdf_gate_close(&gate); /* whether it waits already or comes later */
    pthread_join(waiter, &entered);
    CHECK(entered == NULL);
    CHECK(!kdf_gate_enter(&gate, 1));
    CHECK(!kdf_gate_enter(&gate, 0));
    kdf_gate_leave(&gate, 60);
    CHECK(!kdf_gate_enter(&gate, 1));
}

HARNESS_TESTS(T(what_fits_does_not_wait), T(one_over_the_bound_runs_alone),
              T(the_sum_inside_never_passes_the_bound), T(a_closed_gate_turns_all_away))
