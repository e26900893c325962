/* work_pool.h: does numbered pieces of work on several threads of low priority, and waits for them.
 */
#ifndef KEYSTORE_WORK_POOL_H
#define KEYSTORE_WORK_POOL_H

#include <stdatomic.h>
#include <stddef.h>

struct work_batch {
    size_t count;   /* pieces */
    size_t threads; /* at most so many, and never more than pieces or CPUs; at least one */
    void (*run)(size_t index, void *context); /* piece `index`, on any of the threads */
    void *context;
    const atomic_bool *cancelled; /* when it becomes true, no further piece is begun */
    void (*tick)(void *context);  /* called every `tick_ms` on the caller's thread; or NULL */
    unsigned tick_ms;
};

/* Returns when all pieces are done, or the begun ones after `cancelled`. Pieces begin in their
 * order. When the system gives no thread, the caller's does the work, without ticks. */
void work_pool_run(const struct work_batch *work);

#endif
