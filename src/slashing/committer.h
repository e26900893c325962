/* committer.h: group commit. One thread owns the store, judges the checks that are waiting and
 * makes them durable together.
 *
 * It never waits to fill a batch: a check that is urgent starts a commit at once, and the commit
 * takes all that is waiting. A check whose signature is still queued behind others is not urgent:
 * it rides along, at the latest with committer_urge(), which the signer calls when the signature's
 * turn comes. So an idle server commits while it signs, and a busy one commits seldom and much. */
#ifndef SLASHING_COMMITTER_H
#define SLASHING_COMMITTER_H

#include "base/cleanup.h"
#include "base/result.h"
#include "slashing/store.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct committer;

/* A check on its way. The caller owns it and keeps it until `decided` was called. */
struct pending_check {
    struct slashing_check check;
    /* Called once, on the committer's thread, when the verdict is final and, where it allows,
     * durable. Must not block. The pending check may be freed in it. */
    void (*decided)(struct pending_check *pending);
    struct pending_check *next; /* the committer's */
    atomic_bool taken;          /* the committer's */
};

/* Starts the thread. `store` must outlive the committer, and nobody else may use it meanwhile. */
RESULT committer_new(struct slashing_store *store, struct committer **out);

/* Decides all that is waiting, ends the thread and frees. Accepts NULL. */
void committer_free(struct committer *committer);
DEFINE_CLEANUP(struct committer, committer_free);

/* Hands over a check. Any thread. Checks are decided in the order of their submission. */
void committer_submit(struct committer *committer, struct pending_check *pending, bool urgent);

/* Makes the check urgent unless its commit has begun; one that was decided and is still there is
 * left alone. Any thread. */
void committer_urge(struct committer *committer, struct pending_check *pending);

/* Runs `run` on the committer's thread after all checks submitted before, and however many come
 * after, waits for it and hands on its result. For imports, exports, pruning. Any thread but the
 * committer's. */
RESULT committer_call(struct committer *committer,
                      struct result (*run)(struct slashing_store *store, void *context),
                      void *context);

struct committer_counts {
    uint64_t batches;
    uint64_t checks;
    uint64_t batch_max; /* largest batch so far */
    uint64_t waiting;   /* checks waiting now */
    uint64_t failed;    /* checks that the store could not decide */
    uint64_t commit_ns; /* time spent in the store altogether */
};
struct committer_counts committer_counts(struct committer *committer);

#endif
