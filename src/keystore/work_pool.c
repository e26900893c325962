#include "keystore/work_pool.h"

#include "base/cleanup.h"
#include "base/thread.h"

#include <pthread.h>
#include <time.h>

struct pool {
    const struct work_batch *work;
    atomic_size_t next;
    pthread_mutex_t mutex; /* guards `running` */
    pthread_cond_t changed;
    size_t running;
};

static void run_pieces(struct pool *pool)
{
    const struct work_batch *work = pool->work;
    while (!atomic_load(work->cancelled)) {
        size_t index = atomic_fetch_add(&pool->next, 1);
        if (index >= work->count) {
            return;
        }
        work->run(index, work->context);
    }
}

static void *run_thread(void *context)
{
    struct pool *pool = context;
    thread_lower_priority();
    run_pieces(pool);
    LOCK_SCOPE(&pool->mutex);
    pool->running--;
    pthread_cond_signal(&pool->changed);
    return NULL;
}

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

static struct timespec in_milliseconds(unsigned ms)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_sec += (time_t)(ms / 1000);
    time.tv_nsec += (long)(ms % 1000) * 1000000;
    if (time.tv_nsec >= 1000000000) {
        time.tv_sec++;
        time.tv_nsec -= 1000000000;
    }
    return time;
}

/* Waits until the threads are done or a tick is due; true when they are done. */
static bool wait_for_threads(struct pool *pool)
{
    struct timespec until = in_milliseconds(pool->work->tick_ms);
    LOCK_SCOPE(&pool->mutex);
    int waited = 0;
    while (pool->running > 0 && waited == 0) {
        if (pool->work->tick == NULL) {
            waited = pthread_cond_wait(&pool->changed, &pool->mutex);
        } else {
            waited = pthread_cond_timedwait(&pool->changed, &pool->mutex, &until);
        }
    }
    return pool->running == 0;
}

static void pool_init(struct pool *pool, const struct work_batch *work)
{
    pthread_condattr_t monotonic;
    *pool = (struct pool){ .work = work };
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&pool->mutex, NULL);
}

/* Starts as many threads as it can and gives their number. */
static size_t start_threads(struct pool *pool, pthread_t *threads, size_t count)
{
    LOCK_SCOPE(&pool->mutex);
    for (size_t i = 0; i < count; i++) {
        if (!is_ok(thread_start(&threads[i], "key-loader", run_thread, pool))) {
            break;
        }
        pool->running++;
    }
    return pool->running;
}

void work_pool_run(const struct work_batch *work)
{
    size_t wanted = smallest(work->threads, work->count, thread_cpu_count());
    wanted = wanted == 0 ? 1 : wanted;
    struct pool pool;
    pool_init(&pool, work);
    CLEANUP(free_ptr) pthread_t *threads = calloc(wanted, sizeof(*threads));
    size_t started = threads != NULL ? start_threads(&pool, threads, wanted) : 0;
    if (started == 0) {
        run_pieces(&pool);
    }
    while (!wait_for_threads(&pool)) {
        work->tick(work->context);
    }
    for (size_t i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_cond_destroy(&pool.changed);
    pthread_mutex_destroy(&pool.mutex);
}
