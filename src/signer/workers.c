#include "signer/workers.h"

#include "base/thread.h"

#include <assert.h>
#include <stdbool.h>

enum { BULK_TURN = 4 }; /* with both lanes full, every fourth job is a long body */

struct queue {
    struct work *first;
    struct work **end;
    size_t count;
};

struct workers {
    pthread_t *threads;
    size_t count;
    size_t bulk_max;
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t wake;
    struct queue lanes[LANES];
    size_t sleeping;
    size_t reading_bulk;
    size_t signatures_since_bulk;
    bool stopping;
};

static bool may_read_bulk(const struct workers *workers)
{
    return workers->lanes[LANE_BULK].count > 0 && workers->reading_bulk < workers->bulk_max;
}

static bool has_work(const struct workers *workers)
{
    return workers->lanes[LANE_SIGN].count > 0 || may_read_bulk(workers);
}

static enum lane choose_lane(struct workers *workers)
{
    if (workers->lanes[LANE_SIGN].count == 0) {
        return LANE_BULK;
    }
    if (may_read_bulk(workers) && ++workers->signatures_since_bulk >= BULK_TURN) {
        workers->signatures_since_bulk = 0;
        return LANE_BULK;
    }
    return LANE_SIGN;
}

static struct work *take(struct workers *workers, enum lane *lane_out)
{
    LOCK_SCOPE(&workers->mutex);
    while (!has_work(workers) && !workers->stopping) {
        workers->sleeping++;
        pthread_cond_wait(&workers->wake, &workers->mutex);
        workers->sleeping--;
    }
    if (!has_work(workers)) {
        return NULL;
    }
    *lane_out = choose_lane(workers);
    struct queue *queue = &workers->lanes[*lane_out];
    struct work *work = queue->first;
    queue->first = work->next;
    queue->end = queue->first == NULL ? &queue->first : queue->end;
    queue->count--;
    workers->reading_bulk += *lane_out == LANE_BULK;
    return work;
}

/* A worker that is done with a long body lets another one take the next. */
static void leave_bulk(struct workers *workers)
{
    LOCK_SCOPE(&workers->mutex);
    workers->reading_bulk--;
    if (may_read_bulk(workers)) {
        pthread_cond_signal(&workers->wake);
    }
}

static void *run(void *context)
{
    struct workers *workers = context;
    enum lane lane = LANE_SIGN;
    for (struct work *work = take(workers, &lane); work != NULL; work = take(workers, &lane)) {
        work->run(work);
        if (lane == LANE_BULK) {
            leave_bulk(workers);
        }
    }
    return NULL;
}

RESULT workers_new(size_t count, struct workers **out)
{
    ENSURE(count > 0, BAD_INPUT, "at least one worker is needed");
    CLEANUP(workers_free_ptr) struct workers *workers = calloc(1, sizeof(*workers));
    ENSURE(workers != NULL, UNAVAILABLE, "out of memory");
    workers->bulk_max = count < 2 ? 1 : count / 2;
    pthread_mutex_init(&workers->mutex, NULL);
    pthread_cond_init(&workers->wake, NULL);
    for (size_t i = 0; i < LANES; i++) {
        workers->lanes[i].end = &workers->lanes[i].first;
    }
    workers->threads = calloc(count, sizeof(*workers->threads));
    ENSURE(workers->threads != NULL, UNAVAILABLE, "out of memory");
    for (; workers->count < count; workers->count++) {
        TRY(thread_start(&workers->threads[workers->count], "worker", run, workers));
    }
    *out = STEAL(workers);
    return OK;
}

static void begin_stop(struct workers *workers)
{
    LOCK_SCOPE(&workers->mutex);
    workers->stopping = true;
    pthread_cond_broadcast(&workers->wake);
}

void workers_free(struct workers *workers)
{
    if (workers == NULL) {
        return;
    }
    begin_stop(workers);
    for (size_t i = 0; i < workers->count; i++) {
        pthread_join(workers->threads[i], NULL);
    }
    pthread_cond_destroy(&workers->wake);
    pthread_mutex_destroy(&workers->mutex);
    free(workers->threads);
    free(workers);
}

void workers_push(struct workers *workers, enum lane lane, struct work *work)
{
    work->next = NULL;
    LOCK_SCOPE(&workers->mutex);
    struct queue *queue = &workers->lanes[lane];
    *queue->end = work;
    queue->end = &work->next;
    queue->count++;
    if (workers->sleeping > 0) {
        pthread_cond_signal(&workers->wake);
    }
}

bool workers_are_idle(struct workers *workers)
{
    LOCK_SCOPE(&workers->mutex);
    return workers->sleeping > workers->lanes[LANE_SIGN].count;
}

size_t workers_waiting(struct workers *workers, enum lane lane)
{
    LOCK_SCOPE(&workers->mutex);
    return workers->lanes[lane].count;
}

size_t workers_count(const struct workers *workers)
{
    return workers->count;
}
