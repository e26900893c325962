#include "harness.h"
#include "signer/workers.h"

#include <stdatomic.h>
#include <stdlib.h>

/* Work that counts itself, and waits at a gate where the test wants it to. */
struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool closed;
    size_t inside; /* jobs at the gate now */
    size_t inside_max;
    size_t ran;
    char order[4096]; /* one letter a job, in the order of their start */
};

struct job {
    struct work work; /* first */
    struct gate *gate;
    char letter;
};

static void gate_init(struct gate *gate, bool closed)
{
    *gate = (struct gate){ .closed = closed };
    pthread_mutex_init(&gate->mutex, NULL);
    pthread_cond_init(&gate->changed, NULL);
}

static void gate_open(struct gate *gate)
{
    LOCK_SCOPE(&gate->mutex);
    gate->closed = false;
    pthread_cond_broadcast(&gate->changed);
}

static void wait_inside(struct gate *gate, size_t inside)
{
    LOCK_SCOPE(&gate->mutex);
    while (gate->inside < inside) {
        pthread_cond_wait(&gate->changed, &gate->mutex);
    }
}

static void run_job(struct work *work)
{
    struct job *job = (struct job *)work;
    struct gate *gate = job->gate;
    LOCK_SCOPE(&gate->mutex);
    gate->order[gate->ran++] = job->letter;
    gate->inside++;
    gate->inside_max = gate->inside > gate->inside_max ? gate->inside : gate->inside_max;
    pthread_cond_broadcast(&gate->changed);
    while (gate->closed) {
        pthread_cond_wait(&gate->changed, &gate->mutex);
    }
    gate->inside--;
}

static void push(struct workers *workers, struct job *jobs, size_t count, enum lane lane,
                 struct gate *gate, char letter)
{
    for (size_t i = 0; i < count; i++) {
        jobs[i] = (struct job){ .work.run = run_job, .gate = gate, .letter = letter };
        workers_push(workers, lane, &jobs[i].work);
    }
}

TEST(all_work_runs_and_freeing_waits_for_it)
{
    static struct job jobs[1000];
    struct workers *workers = NULL;
    struct gate gate;
    gate_init(&gate, false);
    CHECK_OK(workers_new(3, &workers));
    push(workers, jobs, 500, LANE_SIGN, &gate, 's');
    push(workers, jobs + 500, 500, LANE_BULK, &gate, 'b');
    workers_free(workers);
    CHECK(gate.ran == 1000);
    workers_free(NULL);
}

TEST(one_worker_runs_in_order)
{
    static struct job jobs[26];
    struct workers *workers = NULL;
    struct gate gate;
    gate_init(&gate, false);
    CHECK_OK(workers_new(1, &workers));
    for (size_t i = 0; i < 26; i++) {
        push(workers, jobs + i, 1, LANE_SIGN, &gate, (char)('a' + (char)i));
    }
    workers_free(workers);
    CHECK_TEXT(gate.order, "abcdefghijklmnopqrstuvwxyz");
}

TEST(long_bodies_never_take_more_than_half_of_the_workers)
{
    static struct job bulk[20];
    static struct job sign[4];
    struct workers *workers = NULL;
    struct gate gate;
    struct gate open;
    gate_init(&gate, true);
    gate_init(&open, false);
    CHECK_OK(workers_new(4, &workers));
    push(workers, bulk, 20, LANE_BULK, &gate, 'b');
    wait_inside(&gate, 2);
    push(workers, sign, 4, LANE_SIGN, &open, 's'); /* the other half signs meanwhile */
    for (int i = 0; i < 60000 && workers_waiting(workers, LANE_SIGN) > 0; i++) {
        struct timespec pause = { .tv_nsec = 1000000 };
        nanosleep(&pause, NULL);
    }
    CHECK(workers_waiting(workers, LANE_SIGN) == 0);
    CHECK(workers_waiting(workers, LANE_BULK) == 18);
    gate_open(&gate);
    workers_free(workers);
    CHECK(gate.inside_max == 2);
    CHECK(gate.ran == 20 && open.ran == 4);
}

TEST(with_both_lanes_full_both_go_on)
{
    static struct job first[1];
    static struct job sign[40];
    static struct job bulk[10];
    struct workers *workers = NULL;
    struct gate gate;
    struct gate work;
    gate_init(&gate, true);
    gate_init(&work, false);
    CHECK_OK(workers_new(1, &workers));
    push(workers, first, 1, LANE_SIGN, &gate, 'x'); /* holds the only worker until all is queued */
    wait_inside(&gate, 1);
    push(workers, sign, 40, LANE_SIGN, &work, 's');
    push(workers, bulk, 10, LANE_BULK, &work, 'b');
    gate_open(&gate);
    workers_free(workers);
    CHECK(strncmp(work.order, "sssbsssbsssb", 12) == 0);
}

TEST(idle_means_that_a_signature_would_start_at_once)
{
    static struct job jobs[2];
    struct workers *workers = NULL;
    struct gate gate;
    gate_init(&gate, true);
    CHECK_OK(workers_new(2, &workers));
    for (int i = 0; i < 60000 && !workers_are_idle(workers); i++) {
        struct timespec pause = { .tv_nsec = 1000000 };
        nanosleep(&pause, NULL);
    }
    CHECK(workers_are_idle(workers));
    push(workers, jobs, 2, LANE_SIGN, &gate, 's');
    CHECK(!workers_are_idle(workers));
    wait_inside(&gate, 2);
    CHECK(!workers_are_idle(workers));
    gate_open(&gate);
    workers_free(workers);
}

TEST(no_workers_are_refused)
{
    struct workers *workers = NULL;
    CHECK_FAILS(BAD_INPUT, workers_new(0, &workers));
}

HARNESS_TESTS(T(all_work_runs_and_freeing_waits_for_it), T(one_worker_runs_in_order),
              T(long_bodies_never_take_more_than_half_of_the_workers),
              T(with_both_lanes_full_both_go_on),
              T(idle_means_that_a_signature_would_start_at_once), T(no_workers_are_refused))
