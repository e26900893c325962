#include "slashing/rules.h"

#include <assert.h>

bool verdict_allows(enum verdict verdict)
{
    return verdict == VERDICT_NEW || verdict == VERDICT_REPEAT;
}

const char *verdict_text(enum verdict verdict)
{
    static const char *const texts[VERDICT_COUNT] = {
        [VERDICT_NONE] = "the message was not judged",
        [VERDICT_NEW] = "the message is new and may be signed",
        [VERDICT_REPEAT] = "the very message was signed before",
        [VERDICT_DISABLED] = "the Key Manager API deleted the key; only an import there enables it",
        [VERDICT_SOURCE_AFTER_TARGET] = "the source epoch is after the target epoch",
        [VERDICT_DOUBLE_BLOCK] = "another block was signed for this slot",
        [VERDICT_DOUBLE_VOTE] = "another attestation was signed for this target epoch",
        [VERDICT_SURROUNDS] = "the attestation surrounds one that was signed",
        [VERDICT_SURROUNDED] = "the attestation is surrounded by one that was signed",
        [VERDICT_SLOT_NOT_ABOVE_WATERMARK] = "the slot is not above the low watermark",
        [VERDICT_SOURCE_BELOW_WATERMARK] = "the source epoch is below the low watermark",
        [VERDICT_TARGET_NOT_ABOVE_WATERMARK] = "the target epoch is not above the low watermark",
        [VERDICT_NOT_BELOW_CEILING] = "the slot or epoch is not below the high watermark",
        [VERDICT_STORE_FAILED] = "the slashing protection store failed",
    };
    assert((unsigned)verdict < VERDICT_COUNT);
    return texts[verdict];
}

static bool is_same_root(const struct root *a, bool has_a, const struct root *b, bool has_b)
{
    return has_a && has_b && root_equal(a, b);
}

enum verdict rules_block(const struct watermarks *marks, const struct ceiling *ceiling,
                         const struct signed_block *same_slot, const struct signed_block *wanted)
{
    if (ceiling->has_slot && wanted->slot.value >= ceiling->slot.value) {
        return VERDICT_NOT_BELOW_CEILING;
    }
    if (same_slot != NULL) {
        assert(same_slot->slot.value == wanted->slot.value);
        bool same =
            is_same_root(&same_slot->root, same_slot->has_root, &wanted->root, wanted->has_root);
        return same ? VERDICT_REPEAT : VERDICT_DOUBLE_BLOCK;
    }
    if (marks->has_block && wanted->slot.value <= marks->block_slot.value) {
        return VERDICT_SLOT_NOT_ABOVE_WATERMARK;
    }
    return VERDICT_NEW;
}

/* What one record says about `wanted`: VERDICT_NEW when it is not in the way. */
static enum verdict judge_pair(const struct signed_attestation *record,
                               const struct signed_attestation *wanted)
{
    uint64_t source = wanted->source.value;
    uint64_t target = wanted->target.value;
    if (record->target.value == target) {
        /* The root commits to the source: an equal one over another source is a lie. */
        bool same = record->source.value == source &&
                    is_same_root(&record->root, record->has_root, &wanted->root, wanted->has_root);
        return same ? VERDICT_REPEAT : VERDICT_DOUBLE_VOTE;
    }
    if (source < record->source.value && record->target.value < target) {
        return VERDICT_SURROUNDS;
    }
    if (record->source.value < source && target < record->target.value) {
        return VERDICT_SURROUNDED;
    }
    return VERDICT_NEW;
}

/* A record of the same target decides alone; among the others the first in the way does. */
static enum verdict judge_records(const struct signed_attestation *records, size_t count,
                                  const struct signed_attestation *wanted, size_t *conflict_out)
{
    enum verdict verdict = VERDICT_NEW;
    for (size_t i = 0; i < count; i++) {
        enum verdict pair = judge_pair(&records[i], wanted);
        if (pair == VERDICT_DOUBLE_VOTE) {
            *conflict_out = i;
            return pair;
        }
        if (pair == VERDICT_REPEAT) {
            *conflict_out = count;
            verdict = pair;
        } else if (pair != VERDICT_NEW && verdict == VERDICT_NEW) {
            *conflict_out = i;
            verdict = pair;
        }
    }
    return verdict;
}

enum verdict rules_attestation(const struct watermarks *marks, const struct ceiling *ceiling,
                               const struct signed_attestation *records, size_t count,
                               const struct signed_attestation *wanted, size_t *conflict_out)
{
    size_t ignored = 0;
    conflict_out = conflict_out == NULL ? &ignored : conflict_out;
    *conflict_out = count;
    if (wanted->source.value > wanted->target.value) {
        return VERDICT_SOURCE_AFTER_TARGET;
    }
    if (ceiling->has_epoch && wanted->target.value >= ceiling->epoch.value) {
        return VERDICT_NOT_BELOW_CEILING; /* the source is not above the target */
    }
    enum verdict verdict = judge_records(records, count, wanted, conflict_out);
    if (verdict != VERDICT_NEW) {
        return verdict;
    }
    if (marks->has_attestation && wanted->source.value < marks->source.value) {
        return VERDICT_SOURCE_BELOW_WATERMARK;
    }
    if (marks->has_attestation && wanted->target.value <= marks->target.value) {
        return VERDICT_TARGET_NOT_ABOVE_WATERMARK;
    }
    return VERDICT_NEW;
}

struct epoch rules_relevant_target(const struct signed_attestation *wanted)
{
    if (wanted->source.value < wanted->target.value) {
        return (struct epoch){ wanted->source.value + 1 };
    }
    return wanted->target;
}

bool rules_attestation_is_ahead(const struct peaks *peaks, const struct signed_attestation *wanted)
{
    return !peaks->has_attestation || (wanted->target.value > peaks->target.value &&
                                       wanted->source.value >= peaks->source.value);
}
