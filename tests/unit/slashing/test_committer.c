#include "harness.h"
#include "slashing/committer.h"

#include "base/thread.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* A store that writes down what it is asked, and waits where the test wants it to. */
struct recording_store {
    struct slashing_store base;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool closed_gate;
    size_t batches;
    size_t batch_sizes[4096];
    uint64_t slots[8192]; /* in the order of decisions */
    size_t decided;
    bool fails;
};

static void wait_at_gate(struct recording_store *store, size_t count)
{
    LOCK_SCOPE(&store->mutex);
    store->batch_sizes[store->batches++] = count;
    pthread_cond_broadcast(&store->changed);
    while (store->closed_gate) {
        pthread_cond_wait(&store->changed, &store->mutex);
    }
}

static void decide(struct slashing_store *base, struct slashing_check *const checks[], size_t count)
{
    struct recording_store *store = (struct recording_store *)base;
    wait_at_gate(store, count);
    for (size_t i = 0; i < count; i++) {
        store->slots[store->decided++] = checks[i]->block.slot.value;
        checks[i]->verdict = store->fails ? VERDICT_STORE_FAILED : VERDICT_NEW;
    }
}

static const struct slashing_store_ops ops = { .name = "recording", .decide = decide };

static void store_init(struct recording_store *store)
{
    *store = (struct recording_store){ .base.ops = &ops };
    pthread_mutex_init(&store->mutex, NULL);
    pthread_cond_init(&store->changed, NULL);
}

static void set_gate(struct recording_store *store, bool closed)
{
    LOCK_SCOPE(&store->mutex);
    store->closed_gate = closed;
    pthread_cond_broadcast(&store->changed);
}

static void wait_for_batches(struct recording_store *store, size_t batches)
{
    LOCK_SCOPE(&store->mutex);
    while (store->batches < batches) {
        pthread_cond_wait(&store->changed, &store->mutex);
    }
}

/* Checks with a counter that their callbacks raise. */
struct counted_check {
    struct pending_check pending; /* first */
    atomic_size_t *done;
};

static void on_decided(struct pending_check *pending)
{
    atomic_fetch_add(((struct counted_check *)pending)->done, 1);
}

static void make(struct counted_check *check, uint64_t slot, atomic_size_t *done)
{
    *check = (struct counted_check){ .pending.decided = on_decided, .done = done };
    check->pending.check.kind = SLASHING_BLOCK;
    check->pending.check.block.slot.value = slot;
}

/* Waits until so many are decided, unasked. False: not in a minute. */
static bool wait_decided(atomic_size_t *done, size_t count)
{
    for (int i = 0; i < 60000 && atomic_load(done) < count; i++) {
        usleep(1000);
    }
    return atomic_load(done) == count;
}

static struct result nothing(struct slashing_store *store, void *context)
{
    (void)store;
    (void)context;
    return OK;
}

TEST(an_urgent_check_is_decided_at_once_and_alone)
{
    struct recording_store store;
    struct committer *committer = NULL;
    struct counted_check check;
    atomic_size_t done = 0;
    store_init(&store);
    CHECK_OK(committer_new(&store.base, &committer));
    make(&check, 7, &done);
    committer_submit(committer, &check.pending, true);
    CHECK_OK(committer_call(committer, nothing, NULL)); /* comes after the check */
    CHECK(atomic_load(&done) == 1);
    CHECK(check.pending.check.verdict == VERDICT_NEW);
    CHECK(store.batches == 1 && store.batch_sizes[0] == 1);
    committer_free(committer);
}

TEST(checks_that_are_not_urgent_ride_along_in_one_batch_in_order)
{
    static struct counted_check checks[100];
    struct recording_store store;
    struct committer *committer = NULL;
    atomic_size_t done = 0;
    store_init(&store);
    CHECK_OK(committer_new(&store.base, &committer));
    for (size_t i = 0; i < 100; i++) {
        make(&checks[i], i, &done);
        committer_submit(committer, &checks[i].pending, false);
    }
    CHECK(committer_counts(committer).waiting == 100);
    committer_urge(committer, &checks[50].pending);
    CHECK(wait_decided(&done, 100));
    CHECK(store.batches == 1 && store.batch_sizes[0] == 100);
    for (size_t i = 0; i < 100; i++) {
        CHECK(store.slots[i] == i);
    }
    committer_free(committer);
}

TEST(what_comes_during_a_commit_makes_the_next_batch)
{
    static struct counted_check checks[11];
    struct recording_store store;
    struct committer *committer = NULL;
    atomic_size_t done = 0;
    store_init(&store);
    CHECK_OK(committer_new(&store.base, &committer));
    set_gate(&store, true);
    for (size_t i = 0; i < 11; i++) {
        make(&checks[i], i, &done);
        committer_submit(committer, &checks[i].pending, true);
        if (i == 0) {
            wait_for_batches(&store, 1);
        }
    }
    set_gate(&store, false);
    CHECK_OK(committer_call(committer, nothing, NULL));
    CHECK(store.batches == 2 && store.batch_sizes[0] == 1 && store.batch_sizes[1] == 10);
    CHECK(atomic_load(&done) == 11);
    committer_free(committer);
}

TEST(urging_a_check_whose_commit_has_begun_starts_no_other)
{
    static struct counted_check checks[2];
    struct recording_store store;
    struct committer *committer = NULL;
    atomic_size_t done = 0;
    store_init(&store);
    CHECK_OK(committer_new(&store.base, &committer));
    set_gate(&store, true);
    make(&checks[0], 0, &done);
    committer_submit(committer, &checks[0].pending, true);
    wait_for_batches(&store, 1);
    make(&checks[1], 1, &done);
    committer_submit(committer, &checks[1].pending, false);
    committer_urge(committer, &checks[0].pending);
    set_gate(&store, false);
    for (int i = 0; i < 60000 && atomic_load(&done) == 0; i++) {
        usleep(1000);
    }
    CHECK(atomic_load(&done) == 1);
    CHECK(committer_counts(committer).waiting == 1); /* nobody asked for the second one */
    committer_free(committer);
    CHECK(atomic_load(&done) == 2);
}

TEST(a_batch_is_bounded_and_the_rest_follows_unasked)
{
    enum { COUNT = STORE_BATCH_MAX + 1 };
    static struct counted_check checks[COUNT];
    struct recording_store store;
    struct committer *committer = NULL;
    atomic_size_t done = 0;
    store_init(&store);
    CHECK_OK(committer_new(&store.base, &committer));
    for (size_t i = 0; i < COUNT; i++) {
        make(&checks[i], i, &done);
        committer_submit(committer, &checks[i].pending, i == COUNT - 1);
    }
    CHECK(wait_decided(&done, COUNT));
    CHECK(store.batches == 2 && store.batch_sizes[0] == STORE_BATCH_MAX);
    committer_free(committer);
}

TEST(a_failing_store_is_told_to_every_check)
{
    struct recording_store store;
    struct committer *committer = NULL;
    struct counted_check check;
    atomic_size_t done = 0;
    store_init(&store);
    store.fails = true;
    CHECK_OK(committer_new(&store.base, &committer));
    make(&check, 1, &done);
    committer_submit(committer, &check.pending, true);
    CHECK_OK(committer_call(committer, nothing, NULL));
    CHECK(check.pending.check.verdict == VERDICT_STORE_FAILED);
    CHECK(committer_counts(committer).failed == 1);
    committer_free(committer);
}

static struct result fail_with_context(struct slashing_store *store, void *context)
{
    (void)store;
    *(int *)context += 1;
    return FAIL(REFUSED, "as the test wants");
}

static void forget(struct slashing_store *base, struct slashing_check *const checks[], size_t count)
{
    (void)base;
    (void)checks;
    (void)count;
}

/* What a forgetful store leaves standing must not pass for a verdict. */
static void decide_with_forgetful_store(void)
{
    static const struct slashing_store_ops forgetful = { .name = "forgetful", .decide = forget };
    struct slashing_store store = { .ops = &forgetful };
    struct committer *committer = NULL;
    struct counted_check check;
    atomic_size_t done = 0;
    signal(SIGABRT, SIG_DFL);
    make(&check, 1, &done);
    check.pending.check.verdict = VERDICT_NEW;
    if (is_ok(committer_new(&store, &committer))) {
        committer_submit(committer, &check.pending, true);
        committer_free(committer);
    }
}

TEST(a_check_without_a_verdict_ends_the_process)
{
    pid_t child = fork();
    if (child == 0) {
        if (dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO) >= 0) {
            setrlimit(RLIMIT_CORE, &(const struct rlimit){ 0, 0 });
            decide_with_forgetful_store();
        }
        _exit(0);
    }
    int status = 0;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

TEST(a_call_hands_on_its_result)
{
    struct recording_store store;
    struct committer *committer = NULL;
    int calls = 0;
    store_init(&store);
    CHECK_OK(committer_new(&store.base, &committer));
    CHECK_FAILS(REFUSED, committer_call(committer, fail_with_context, &calls));
    CHECK(calls == 1);
    committer_free(committer);
}

TEST(freeing_decides_what_still_waits)
{
    static struct counted_check checks[3];
    struct recording_store store;
    struct committer *committer = NULL;
    atomic_size_t done = 0;
    store_init(&store);
    CHECK_OK(committer_new(&store.base, &committer));
    for (size_t i = 0; i < 3; i++) {
        make(&checks[i], i, &done);
        committer_submit(committer, &checks[i].pending, false);
    }
    committer_free(committer);
    CHECK(atomic_load(&done) == 3);
    committer_free(NULL);
}

struct submitter {
    struct committer *committer;
    struct counted_check checks[200];
    atomic_size_t *done;
};

static void *submit_many(void *context)
{
    struct submitter *submitter = context;
    for (size_t i = 0; i < 200; i++) {
        make(&submitter->checks[i], i, submitter->done);
        committer_submit(submitter->committer, &submitter->checks[i].pending, i % 7 == 0);
        committer_urge(submitter->committer, &submitter->checks[i].pending);
    }
    return NULL;
}

TEST(many_threads_get_every_check_decided_once)
{
    static struct submitter submitters[8];
    pthread_t threads[8];
    struct recording_store store;
    struct committer *committer = NULL;
    atomic_size_t done = 0;
    store_init(&store);
    CHECK_OK(committer_new(&store.base, &committer));
    for (size_t i = 0; i < 8; i++) {
        submitters[i].committer = committer;
        submitters[i].done = &done;
        CHECK_OK(thread_start(&threads[i], "submit", submit_many, &submitters[i]));
    }
    for (size_t i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
    }
    committer_free(committer);
    CHECK(atomic_load(&done) == 8 * 200);
    CHECK(store.decided == 8 * 200);
}

/* A check that is submitted again as soon as it is decided, so that one is always waiting. */
struct endless_check {
    struct pending_check pending; /* first */
    struct committer *committer;
    atomic_bool stop;
    size_t decided; /* the committer's thread only */
};
enum { ENDLESS = 10 * 1000 * 1000 };

static void again(struct pending_check *pending)
{
    struct endless_check *check = (struct endless_check *)pending;
    check->decided++;
    if (atomic_load(&check->stop) || check->decided == ENDLESS) {
        atomic_store(&check->stop, true);
        return;
    }
    committer_submit(check->committer, pending, true);
}

static void allow(struct slashing_store *base, struct slashing_check *const checks[], size_t count)
{
    (void)base;
    for (size_t i = 0; i < count; i++) {
        checks[i]->verdict = VERDICT_NEW;
    }
}

static struct result stop_endless(struct slashing_store *store, void *context)
{
    struct endless_check *check = context;
    (void)store;
    ENSURE(!atomic_exchange(&check->stop, true), UNAVAILABLE, "it had to wait for the end");
    return OK;
}

TEST(a_call_gets_its_turn_while_checks_keep_coming)
{
    static const struct slashing_store_ops allowing = { .name = "allowing", .decide = allow };
    struct slashing_store store = { .ops = &allowing };
    struct endless_check check = { .pending.decided = again };
    CHECK_OK(committer_new(&store, &check.committer));
    committer_submit(check.committer, &check.pending, true);
    struct result called = committer_call(check.committer, stop_endless, &check);
    committer_free(check.committer);
    CHECK_OK(called);
}

static struct result note_decided(struct slashing_store *base, void *context)
{
    *(size_t *)context = ((struct recording_store *)base)->decided;
    return OK;
}

TEST(a_call_comes_after_all_checks_that_came_before_it)
{
    enum { CHECKS = 3 * STORE_BATCH_MAX };
    static struct counted_check checks[CHECKS];
    static struct recording_store store;
    struct committer *committer = NULL;
    atomic_size_t done = 0;
    size_t decided = 0;
    store_init(&store);
    CHECK_OK(committer_new(&store.base, &committer));
    for (size_t i = 0; i < CHECKS; i++) {
        make(&checks[i], i, &done);
        committer_submit(committer, &checks[i].pending, false); /* none is urgent */
    }
    CHECK_OK(committer_call(committer, note_decided, &decided));
    CHECK(decided == CHECKS);
    committer_free(committer);
}

HARNESS_TESTS(T(an_urgent_check_is_decided_at_once_and_alone),
              T(checks_that_are_not_urgent_ride_along_in_one_batch_in_order),
              T(what_comes_during_a_commit_makes_the_next_batch),
              T(urging_a_check_whose_commit_has_begun_starts_no_other),
              T(a_batch_is_bounded_and_the_rest_follows_unasked),
              T(a_failing_store_is_told_to_every_check),
              T(a_check_without_a_verdict_ends_the_process), T(a_call_hands_on_its_result),
              T(a_call_gets_its_turn_while_checks_keep_coming),
              T(a_call_comes_after_all_checks_that_came_before_it),
              T(freeing_decides_what_still_waits), T(many_threads_get_every_check_decided_once))
