/* rules.h: what a validator may sign after what it has signed: EIP-3076, the complete conditions.
 * Pure. */
#ifndef SLASHING_RULES_H
#define SLASHING_RULES_H

#include "slashing/records.h"

#include <stdbool.h>
#include <stddef.h>

enum verdict {
    VERDICT_NONE,   /* not judged yet */
    VERDICT_NEW,    /* allowed once it is recorded */
    VERDICT_REPEAT, /* the very message was signed before: allowed, no new record, even at or below
                       the watermarks; not at or above the ceiling */
    VERDICT_DISABLED,
    VERDICT_SOURCE_AFTER_TARGET,
    VERDICT_DOUBLE_BLOCK,
    VERDICT_DOUBLE_VOTE,
    VERDICT_SURROUNDS,
    VERDICT_SURROUNDED,
    VERDICT_SLOT_NOT_ABOVE_WATERMARK,
    VERDICT_SOURCE_BELOW_WATERMARK,
    VERDICT_TARGET_NOT_ABOVE_WATERMARK,
    VERDICT_NOT_BELOW_CEILING,
    VERDICT_STORE_FAILED, /* not judged, or not durable: must not be signed */
    VERDICT_COUNT,
};

/* True for the two verdicts under which a signature may leave. */
bool verdict_allows(enum verdict verdict);

/* One sentence for the client, without a full stop ("another block was signed for this slot"). */
const char *verdict_text(enum verdict verdict);

/* Judges a block. `same_slot` is the record at its slot, or NULL. */
enum verdict rules_block(const struct watermarks *marks, const struct ceiling *ceiling,
                         const struct signed_block *same_slot, const struct signed_block *wanted);

/* Judges an attestation against `records`: all of the validator's records whose target is at or
 * above rules_relevant_target(). Any order; further records do no harm; no record has a source
 * after its target. `conflict_out` (may be NULL) gets the index of the record in the way, or
 * `count`. */
enum verdict rules_attestation(const struct watermarks *marks, const struct ceiling *ceiling,
                               const struct signed_attestation *records, size_t count,
                               const struct signed_attestation *wanted, size_t *conflict_out);

/* The lowest target of a record that could matter to `wanted`: the same target, or any above its
 * source. */
struct epoch rules_relevant_target(const struct signed_attestation *wanted);

/* True when the peaks alone prove that no record can be in the way: the target is above all targets
 * and the source not below any source. The usual case; it spares reading records.
 * rules_attestation() with no records then gives the same verdict as with all of them. */
bool rules_attestation_is_ahead(const struct peaks *peaks, const struct signed_attestation *wanted);

#endif
