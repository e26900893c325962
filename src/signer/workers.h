/* workers.h: the threads that compute, and the queues in front of them.
 * Two lanes, each first in, first out: `sign` for signatures, `bulk` for bodies so long that
 * reading them would hold up an event loop. At most half of the workers (and at least one) read
 * long bodies at a time, so that they cannot hold up the signatures either. */
#ifndef SIGNER_WORKERS_H
#define SIGNER_WORKERS_H

#include "base/cleanup.h"
#include "base/result.h"

#include <stddef.h>

struct workers;

enum lane { LANE_SIGN, LANE_BULK, LANES };

/* The head of every job; its owner embeds it. */
struct work {
    void (*run)(struct work *work); /* on a worker's thread; the work may be freed in it */
    struct work *next;              /* the workers' */
};

/* Starts `count` threads. */
RESULT workers_new(size_t count, struct workers **out);

/* Runs what is queued, ends the threads and frees. Accepts NULL. */
void workers_free(struct workers *workers);
DEFINE_CLEANUP(struct workers, workers_free);

/* Queues work. Any thread. The queues have no limit of their own: admission bounds the jobs. */
void workers_push(struct workers *workers, enum lane lane, struct work *work);

/* True when a signature pushed now would find a worker free. */
bool workers_are_idle(struct workers *workers);

/* Jobs that wait in a lane. */
size_t workers_waiting(struct workers *workers, enum lane lane);

size_t workers_count(const struct workers *workers);

#endif
