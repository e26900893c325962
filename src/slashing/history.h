/* history.h: all that is known of what one validator signed, and how two such histories become one.
 * Pure. */
#ifndef SLASHING_HISTORY_H
#define SLASHING_HISTORY_H

#include "base/cleanup.h"
#include "base/detail.h"
#include "base/result.h"
#include "slashing/rules.h"

#include <stddef.h>

enum { HISTORY_RECORDS_MAX = 4 * 1000 * 1000 }; /* of each kind, for one validator */

struct history {
    struct pubkey pubkey;
    struct watermarks marks;
    struct signed_block *blocks; /* sorted by slot, one for a slot */
    size_t block_count;
    size_t block_capacity;
    struct signed_attestation *attestations; /* sorted by target, one for a target */
    size_t attestation_count;
    size_t attestation_capacity;
};

/* Releases the records; the history is empty afterwards. Accepts a zeroed one. */
void history_done(struct history *history);

/* A copy of all of it into `out`, which is not released before. UNAVAILABLE: no memory. */
RESULT history_copy(const struct history *from, struct history *out);

/* Appends without sorting or checking: for what comes in order, or goes into history_merge() as
 * `added`. LIMIT: over HISTORY_RECORDS_MAX. UNAVAILABLE: no memory. */
RESULT history_add_block(struct history *history, const struct signed_block *block);
RESULT history_add_attestation(struct history *history,
                               const struct signed_attestation *attestation);

/* What to do with an import that contradicts what is known, or itself. */
enum conflict_policy {
    CONFLICT_REFUSE, /* fail and name the entry */
    CONFLICT_RAISE,  /* keep one record and raise the watermarks over all that are involved, so that
                        nothing which could depend on the lost detail is signed */
};

/* Merges `added` (in any order, as it came from outside) into `known` (sorted and clean). Every
 * record of both stays represented: as a record, or, with CONFLICT_RAISE, under the watermarks. The
 * marks become the higher of those of `known`, those of `added`, and the lowest slot, source and
 * target among the records of `added` (EIP-3076 conditions 2, 4, 5; the gap between two imports is
 * never signed in). Two records of one slot or target with the same root are one. A root, by which
 * the message may be signed again, is kept only where nothing else that was signed can be in its
 * way: where of two records of one slot or target one has no root, the one that is kept has none;
 * nor has one of `added` at or below the marks of `known`, which stand for records that are gone,
 * unless `known` has that record itself. A slashable pair, or a source after its target: REFUSED
 * under CONFLICT_REFUSE, `detail` naming the validator and the entry. Under CONFLICT_RAISE all
 * records that the conflict could touch are kept without a root. LIMIT: over
 * HISTORY_RECORDS_MAX. After any failure `known` is unchanged. O(n log n) whatever the order. */
RESULT history_merge(struct history *known, const struct history *added,
                     enum conflict_policy policy, struct detail *detail);

/* True when the records are in order, no two of them are slashable together and no source is after
 * its target; else `detail` names a pair. Sorted by target, records hold no surround exactly when
 * their sources never fall: one look at neighbours tells, O(n). */
bool history_is_clean(const struct history *history, struct detail *detail);

/* The highest source and target. `history` is sorted and clean. */
struct peaks history_peaks(const struct history *history);

#endif
