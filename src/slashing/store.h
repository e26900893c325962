/* store.h: where records are kept. src/store implements this on SQLite, PostgreSQL and DynamoDB,
 * and tests/store holds all of them to this text. A store is used by one thread at a time (the
 * committer's, or a subcommand's). Several processes may share a store that is made for it; of two
 * that want conflicting messages signed at most one gets VERDICT_NEW, whatever the timing. */
#ifndef SLASHING_STORE_H
#define SLASHING_STORE_H

#include "base/cleanup.h"
#include "base/detail.h"
#include "base/result.h"
#include "slashing/history.h"
#include "slashing/rules.h"

#include <stdbool.h>
#include <stddef.h>

enum slashing_kind { SLASHING_BLOCK, SLASHING_ATTESTATION };

/* One message to be judged and recorded. */
struct slashing_check {
    struct pubkey pubkey;
    enum slashing_kind kind;
    struct signed_block block;             /* SLASHING_BLOCK */
    struct signed_attestation attestation; /* SLASHING_ATTESTATION */
    enum verdict verdict;                  /* out */
    struct signed_block conflicting_block; /* out: in the way, for VERDICT_DOUBLE_BLOCK */
    struct signed_attestation conflicting_attestation; /* _DOUBLE_VOTE, _SURROUNDS, _SURROUNDED */
};

enum { STORE_BATCH_MAX = 512 }; /* checks that decide() takes at once */

struct slashing_store;

struct slashing_store_ops {
    const char *name; /* "sqlite", … as in anti_slashing.backend */

    /* Judges the checks in order, each after the records of those before it, and records those with
     * VERDICT_NEW. All verdicts are set when it returns. The two verdicts that allow mean durable:
     * the record survives the loss of power from now on. After any failure of the store every check
     * that is not refused has VERDICT_STORE_FAILED; whether a record was made for it is unknown,
     * which is safe. A validator that was never seen is added with watermarks at its first message.
     * `count` <= STORE_BATCH_MAX. */
    void (*decide)(struct slashing_store *store, struct slashing_check *const checks[],
                   size_t count);

    /* Imports: between begin and end only import_history() and the two calls that read are used.
     * Validators are merged as history_merge() does, and known from then on even without records;
     * new ones are enabled, others stay as they are. A failed import_history() leaves its validator
     * unchanged; after REFUSED and LIMIT the import may go on, after UNAVAILABLE only end(false) is
     * left. end(commit = true) makes all durable at once; end(false), or a failed end, nothing. */
    struct result (*import_begin)(struct slashing_store *store);
    struct result (*import_history)(struct slashing_store *store, const struct history *added,
                                    enum conflict_policy policy, struct detail *detail);
    struct result (*import_end)(struct slashing_store *store, bool commit);

    /* All that is known of one validator. NOT_FOUND: nothing. The caller calls history_done(). */
    struct result (*load_history)(struct slashing_store *store, const struct pubkey *pubkey,
                                  struct history *out);

    /* Calls `visit` for every validator, by public key, until it fails. It may load_history(). */
    struct result (*each_validator)(struct slashing_store *store,
                                    struct result (*visit)(const struct pubkey *pubkey,
                                                           void *context),
                                    void *context);

    /* A disabled validator gets VERDICT_DISABLED for everything. Durable. Unknown ones are added.
     */
    struct result (*set_enabled)(struct slashing_store *store, const struct pubkey *pubkey,
                                 bool enabled);

    /* Folds records below the bounds into the watermarks and deletes them, at most `rows_max` at
     * once; `*more_out`: there are more. A validator's marks rise to cover what is deleted in the
     * same transaction. */
    struct result (*prune)(struct slashing_store *store, struct epoch target_below,
                           struct slot slot_below, size_t rows_max, bool *more_out);

    struct result (*load_ceiling)(struct slashing_store *store, struct ceiling *out);
    struct result (*save_ceiling)(struct slashing_store *store, const struct ceiling *ceiling);

    /* OK when the store could record now, as far as it can tell cheaply. */
    struct result (*health)(struct slashing_store *store, struct detail *detail);

    /* Releases everything; nothing may be pending. */
    void (*close)(struct slashing_store *store);
};

/* The head of every implementation's own struct. */
struct slashing_store {
    const struct slashing_store_ops *ops;
};

static inline void slashing_store_close(struct slashing_store *store)
{
    if (store != NULL) {
        store->ops->close(store);
    }
}
DEFINE_CLEANUP(struct slashing_store, slashing_store_close);

#endif
