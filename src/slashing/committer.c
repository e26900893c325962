#include "slashing/committer.h"

#include "base/clock.h"
#include "base/thread.h"

#include <assert.h>

/* A function to run between batches, on its caller's stack. */
struct call {
    struct result (*run)(struct slashing_store *store, void *context);
    void *context;
    uint64_t after; /* checks that were submitted before it */
    struct result result;
    bool done;
    struct call *next;
};

struct committer {
    struct slashing_store *store;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t work;   /* something for the thread to do */
    pthread_cond_t called; /* some call is done */
    struct pending_check *first;
    struct pending_check **end;
    struct call *calls;
    struct call **calls_end;
    uint64_t submitted; /* checks so far … */
    uint64_t taken;     /* … and of these, into a batch */
    bool urgent;
    bool stopping;
    struct committer_counts counts;
};

static bool has_work(const struct committer *committer)
{
    return (committer->urgent && committer->first != NULL) || committer->calls != NULL ||
           committer->stopping;
}

/* Takes the oldest checks, at most STORE_BATCH_MAX. */
static size_t take_batch(struct committer *committer, struct pending_check *batch[])
{
    size_t count = 0;
    while (committer->first != NULL && count < STORE_BATCH_MAX) {
        struct pending_check *pending = committer->first;
        committer->first = pending->next;
        atomic_store(&pending->taken, true);
        batch[count++] = pending;
    }
    if (committer->first == NULL) {
        committer->end = &committer->first;
        committer->urgent = false;
    }
    committer->taken += count;
    committer->counts.waiting -= count;
    return count;
}

static uint64_t count_failed(struct pending_check *const batch[], size_t count)
{
    uint64_t failed = 0;
    for (size_t i = 0; i < count; i++) {
        failed += batch[i]->check.verdict == VERDICT_STORE_FAILED;
    }
    return failed;
}

static void count_batch(struct committer *committer, struct pending_check *const batch[],
                        size_t count, uint64_t duration_ns)
{
    LOCK_SCOPE(&committer->mutex);
    struct committer_counts *counts = &committer->counts;
    counts->batches++;
    counts->checks += count;
    counts->batch_max = count > counts->batch_max ? count : counts->batch_max;
    counts->failed += count_failed(batch, count);
    counts->commit_ns += duration_ns;
}

static void decide_batch(struct committer *committer, struct pending_check *batch[], size_t count)
{
    struct slashing_check *checks[STORE_BATCH_MAX];
    for (size_t i = 0; i < count; i++) {
        checks[i] = &batch[i]->check;
        checks[i]->verdict = VERDICT_NONE;
    }
    uint64_t start = clock_monotonic_ns();
    committer->store->ops->decide(committer->store, checks, count);
    count_batch(committer, batch, count, clock_monotonic_ns() - start);
    for (size_t i = 0; i < count; i++) {
        assert(checks[i]->verdict != VERDICT_NONE);
        batch[i]->decided(batch[i]); /* the check may be gone now */
    }
}

static struct call *take_call(struct committer *committer)
{
    struct call *call = committer->calls;
    if (call != NULL) {
        committer->calls = call->next;
        committer->calls_end = committer->calls == NULL ? &committer->calls : committer->calls_end;
    }
    return call;
}

static void run_call(struct committer *committer, struct call *call)
{
    call->result = call->run(committer->store, call->context);
    LOCK_SCOPE(&committer->mutex);
    call->done = true;
    pthread_cond_broadcast(&committer->called);
}

/* True when all checks that came before the oldest call are decided. It does not wait for those
 * that came after: where checks keep coming, its turn would never come. */
static bool is_calls_turn(const struct committer *committer)
{
    return committer->calls != NULL && committer->taken >= committer->calls->after;
}

/* Waits for work and takes it: a batch, or a call whose turn it is. False: the end. */
static bool take_work(struct committer *committer, struct pending_check *batch[], size_t *count_out,
                      struct call **call_out)
{
    LOCK_SCOPE(&committer->mutex);
    while (!has_work(committer)) {
        pthread_cond_wait(&committer->work, &committer->mutex);
    }
    *count_out = is_calls_turn(committer) ? 0 : take_batch(committer, batch);
    *call_out = *count_out == 0 ? take_call(committer) : NULL;
    return *count_out > 0 || *call_out != NULL;
}

static void *run(void *context)
{
    struct committer *committer = context;
    struct pending_check *batch[STORE_BATCH_MAX];
    struct call *call = NULL;
    size_t count = 0;
    while (take_work(committer, batch, &count, &call)) {
        if (count > 0) {
            decide_batch(committer, batch, count);
        } else {
            run_call(committer, call);
        }
    }
    return NULL;
}

RESULT committer_new(struct slashing_store *store, struct committer **out)
{
    CLEANUP(free_ptr) struct committer *committer = calloc(1, sizeof(*committer));
    ENSURE(committer != NULL, UNAVAILABLE, "out of memory");
    committer->store = store;
    committer->end = &committer->first;
    committer->calls_end = &committer->calls;
    pthread_mutex_init(&committer->mutex, NULL);
    pthread_cond_init(&committer->work, NULL);
    pthread_cond_init(&committer->called, NULL);
    TRY(thread_start(&committer->thread, "committer", run, committer));
    *out = STEAL(committer);
    return OK;
}

static void begin_stop(struct committer *committer)
{
    LOCK_SCOPE(&committer->mutex);
    committer->stopping = true;
    pthread_cond_signal(&committer->work);
}

void committer_free(struct committer *committer)
{
    if (committer == NULL) {
        return;
    }
    begin_stop(committer);
    pthread_join(committer->thread, NULL);
    pthread_cond_destroy(&committer->called);
    pthread_cond_destroy(&committer->work);
    pthread_mutex_destroy(&committer->mutex);
    free(committer);
}

void committer_submit(struct committer *committer, struct pending_check *pending, bool urgent)
{
    pending->next = NULL;
    atomic_store(&pending->taken, false);
    LOCK_SCOPE(&committer->mutex);
    assert(!committer->stopping);
    *committer->end = pending;
    committer->end = &pending->next;
    committer->submitted++;
    committer->counts.waiting++;
    if (urgent && !committer->urgent) {
        committer->urgent = true;
        pthread_cond_signal(&committer->work);
    }
}

void committer_urge(struct committer *committer, struct pending_check *pending)
{
    if (atomic_load(&pending->taken)) {
        return;
    }
    LOCK_SCOPE(&committer->mutex);
    if (!committer->urgent && committer->first != NULL) {
        committer->urgent = true;
        pthread_cond_signal(&committer->work);
    }
}

RESULT committer_call(struct committer *committer,
                      struct result (*run_it)(struct slashing_store *store, void *context),
                      void *context)
{
    struct call call = { .run = run_it, .context = context };
    LOCK_SCOPE(&committer->mutex);
    assert(!committer->stopping);
    call.after = committer->submitted;
    *committer->calls_end = &call;
    committer->calls_end = &call.next;
    pthread_cond_signal(&committer->work);
    while (!call.done) {
        pthread_cond_wait(&committer->called, &committer->mutex);
    }
    return call.result;
}

struct committer_counts committer_counts(struct committer *committer)
{
    LOCK_SCOPE(&committer->mutex);
    return committer->counts;
}
