#include "base/tasks.h"

#include "harness.h"

#include "base/thread.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument);
static size_t threads_left; /* that the system gives */

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument)
{
    if (threads_left == 0) {
        return EAGAIN;
    }
    threads_left--;
    return __real_pthread_create(thread, attributes, run, argument);
}

/* Tasks write down that they ran, and wait where the test wants them to. */
struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool closed;
    size_t inside;
    size_t inside_max;
    size_t ran;
    size_t order[1000];
    size_t impolite; /* tasks on a thread of normal priority */
};

struct job {
    struct task task; /* first */
    struct gate *gate;
    size_t number;
};

static void gate_init(struct gate *gate, bool closed)
{
    threads_left = 1000;
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

/* Frees its task, as the contract allows. */
static void run_job(struct task *task)
{
    struct job *job = (struct job *)task;
    struct gate *gate = job->gate;
    LOCK_SCOPE(&gate->mutex);
    gate->order[gate->ran++] = job->number;
    gate->impolite += getpriority(PRIO_PROCESS, 0) < 10;
    free(job);
    gate->inside++;
    gate->inside_max = gate->inside > gate->inside_max ? gate->inside : gate->inside_max;
    pthread_cond_broadcast(&gate->changed);
    while (gate->closed) {
        pthread_cond_wait(&gate->changed, &gate->mutex);
    }
    gate->inside--;
}

static bool push(struct tasks *tasks, struct gate *gate, size_t number)
{
    struct job *job = calloc(1, sizeof(*job));
    if (job == NULL) {
        return false;
    }
    *job = (struct job){ .task.run = run_job, .gate = gate, .number = number };
    if (!tasks_push(tasks, &job->task)) {
        free(job);
        return false;
    }
    return true;
}

TEST(every_task_runs_once_and_freeing_waits_for_it)
{
    struct tasks *tasks = NULL;
    struct gate gate;
    bool seen[500] = { false };
    gate_init(&gate, false);
    CHECK_OK(tasks_new(3, 500, &tasks));
    for (size_t i = 0; i < 500; i++) {
        CHECK(push(tasks, &gate, i));
    }
    tasks_free(tasks);
    CHECK(gate.ran == 500);
    for (size_t i = 0; i < 500; i++) {
        CHECK(!seen[gate.order[i]]);
        seen[gate.order[i]] = true;
    }
    tasks_free(NULL);
}

TEST(tasks_begin_in_the_order_in_which_they_came)
{
    struct tasks *tasks = NULL;
    struct gate gate;
    gate_init(&gate, true);
    CHECK_OK(tasks_new(1, 100, &tasks));
    for (size_t i = 0; i < 100; i++) {
        CHECK(push(tasks, &gate, i));
    }
    gate_open(&gate);
    tasks_free(tasks);
    for (size_t i = 0; i < 100; i++) {
        CHECK(gate.order[i] == i);
    }
}

/* Those that run do not count. */
static void wait_ran(struct gate *gate, size_t ran)
{
    LOCK_SCOPE(&gate->mutex);
    while (gate->ran < ran) {
        pthread_cond_wait(&gate->changed, &gate->mutex);
    }
}

/* Most of the time its thread sleeps by then. */
TEST(a_task_is_begun_without_waiting_for_another)
{
    struct tasks *tasks = NULL;
    struct gate gate;
    gate_init(&gate, false);
    CHECK_OK(tasks_new(1, 1, &tasks));
    for (size_t i = 0; i < 200; i++) {
        CHECK(push(tasks, &gate, i));
        wait_ran(&gate, i + 1);
    }
    tasks_free(tasks);
}

TEST(a_full_queue_takes_no_task_and_loses_none)
{
    enum { THREADS = 2, QUEUE = 5 };
    struct tasks *tasks = NULL;
    struct gate gate;
    gate_init(&gate, true);
    CHECK_OK(tasks_new(THREADS, QUEUE, &tasks));
    for (size_t i = 0; i < THREADS; i++) {
        CHECK(push(tasks, &gate, i));
        wait_inside(&gate, i + 1);
    }
    for (size_t i = 0; i < QUEUE; i++) {
        CHECK(push(tasks, &gate, THREADS + i));
    }
    for (size_t i = 0; i < 3; i++) {
        CHECK(!push(tasks, &gate, 999));
    }
    gate_open(&gate);
    tasks_free(tasks);
    CHECK(gate.ran == THREADS + QUEUE);
    CHECK(gate.inside_max == THREADS);
    for (size_t i = 0; i < gate.ran; i++) {
        CHECK(gate.order[i] != 999);
    }
}

TEST(a_place_in_the_queue_is_free_again_when_its_task_runs)
{
    struct tasks *tasks = NULL;
    struct gate gate;
    gate_init(&gate, true);
    CHECK_OK(tasks_new(1, 1, &tasks));
    CHECK(push(tasks, &gate, 0));
    wait_inside(&gate, 1);
    CHECK(push(tasks, &gate, 1));
    CHECK(!push(tasks, &gate, 2));
    gate_open(&gate);
    size_t tries = 0;
    while (!push(tasks, &gate, 3) && tries++ < 60000) {
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
    tasks_free(tasks);
    CHECK(gate.ran == 3 && gate.order[1] == 1 && gate.order[2] == 3);
}

TEST(a_queue_of_no_length_takes_nothing)
{
    struct tasks *tasks = NULL;
    struct gate gate;
    gate_init(&gate, false);
    CHECK_OK(tasks_new(1, 0, &tasks));
    CHECK(!push(tasks, &gate, 0));
    tasks_free(tasks);
    CHECK(gate.ran == 0);
}

TEST(tasks_run_at_low_priority)
{
    struct tasks *tasks = NULL;
    struct gate gate;
    int before = getpriority(PRIO_PROCESS, 0);
    gate_init(&gate, false);
    CHECK_OK(tasks_new(2, 20, &tasks));
    for (size_t i = 0; i < 20; i++) {
        CHECK(push(tasks, &gate, i));
    }
    tasks_free(tasks);
    CHECK(gate.ran == 20 && gate.impolite == 0);
    CHECK(getpriority(PRIO_PROCESS, 0) == before); /* the caller's own is as it was */
}

static struct tasks *chain_tasks;

/* A task that queues the next one. */
static void run_chain(struct task *task)
{
    struct job *job = (struct job *)task;
    size_t left = job->number;
    struct gate *gate = job->gate;
    {
        LOCK_SCOPE(&gate->mutex);
        gate->ran++;
    }
    job->number = left - 1;
    if (left == 0 || !tasks_push(chain_tasks, &job->task)) {
        free(job);
    }
}

TEST(a_task_may_queue_tasks_even_while_all_is_ending)
{
    struct gate gate;
    gate_init(&gate, false);
    CHECK_OK(tasks_new(2, 10, &chain_tasks));
    struct job *job = calloc(1, sizeof(*job));
    CHECK(job != NULL);
    *job = (struct job){ .task.run = run_chain, .gate = &gate, .number = 50 };
    CHECK(tasks_push(chain_tasks, &job->task));
    tasks_free(chain_tasks);
    CHECK(gate.ran == 51);
}

struct pusher {
    struct tasks *tasks;
    struct gate *gate;
    size_t taken;
};

static void *push_many(void *context)
{
    struct pusher *pusher = context;
    for (size_t i = 0; i < 200; i++) {
        pusher->taken += push(pusher->tasks, pusher->gate, i);
    }
    return NULL;
}

TEST(from_many_threads_what_was_taken_runs)
{
    enum { PUSHERS = 5 };
    struct tasks *tasks = NULL;
    struct gate gate;
    struct pusher pushers[PUSHERS];
    pthread_t threads[PUSHERS];
    size_t taken = 0;
    gate_init(&gate, false);
    CHECK_OK(tasks_new(3, 8, &tasks));
    for (size_t i = 0; i < PUSHERS; i++) {
        pushers[i] = (struct pusher){ .tasks = tasks, .gate = &gate };
        CHECK_OK(thread_start(&threads[i], "pusher", push_many, &pushers[i]));
    }
    for (size_t i = 0; i < PUSHERS; i++) {
        pthread_join(threads[i], NULL);
        taken += pushers[i].taken;
    }
    tasks_free(tasks);
    CHECK(taken > 0 && gate.ran == taken);
}

TEST(no_threads_are_refused_and_too_few_leave_nothing_behind)
{
    struct tasks *tasks = NULL;
    CHECK_FAILS(BAD_INPUT, tasks_new(0, 10, &tasks));
    for (size_t given = 0; given < 3; given++) {
        threads_left = given;
        CHECK_FAILS(UNAVAILABLE, tasks_new(3, 10, &tasks));
        CHECK(tasks == NULL);
    }
}

HARNESS_TESTS(T(every_task_runs_once_and_freeing_waits_for_it),
              T(tasks_begin_in_the_order_in_which_they_came),
              T(a_task_is_begun_without_waiting_for_another),
              T(a_full_queue_takes_no_task_and_loses_none),
              T(a_place_in_the_queue_is_free_again_when_its_task_runs),
              T(a_queue_of_no_length_takes_nothing), T(tasks_run_at_low_priority),
              T(a_task_may_queue_tasks_even_while_all_is_ending),
              T(from_many_threads_what_was_taken_runs),
              T(no_threads_are_refused_and_too_few_leave_nothing_behind))
