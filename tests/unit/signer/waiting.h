/* waiting.h: waits for another thread, for a minute at most: a test that would hang fails instead.
 */
#ifndef TESTS_UNIT_SIGNER_WAITING_H
#define TESTS_UNIT_SIGNER_WAITING_H

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

enum { WAITING_SECONDS_MAX = 60 };

static inline void waiting_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

/* When a wait that begins now must be over. */
static inline struct timespec waiting_limit(void)
{
    struct timespec limit;
    clock_gettime(CLOCK_MONOTONIC, &limit);
    limit.tv_sec += WAITING_SECONDS_MAX;
    return limit;
}

/* Waits for a change; false: the time is over. */
static inline bool waiting_goes_on(pthread_cond_t *cond, pthread_mutex_t *mutex,
                                   const struct timespec *limit)
{
    return pthread_cond_timedwait(cond, mutex, limit) == 0;
}

#endif
