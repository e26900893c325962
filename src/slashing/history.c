#include "slashing/history.h"

#include "base/hex.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 16 };

void history_done(struct history *history)
{
    free(history->blocks);
    free(history->attestations);
    *history = (struct history){ .block_count = 0 };
}

RESULT history_copy(const struct history *from, struct history *out)
{
    CLEANUP(history_done)
    struct history copy = { .pubkey = from->pubkey, .marks = from->marks };
    for (size_t i = 0; i < from->block_count; i++) {
        TRY(history_add_block(&copy, &from->blocks[i]));
    }
    for (size_t i = 0; i < from->attestation_count; i++) {
        TRY(history_add_attestation(&copy, &from->attestations[i]));
    }
    *out = copy;
    copy = (struct history){ .block_count = 0 };
    return OK;
}

/* Room for one more item: `items` itself, or a larger copy in its place. NULL: no memory, nothing
 * changed. */
static void *make_room(void *items, size_t item_size, size_t count, size_t *capacity)
{
    if (count < *capacity) {
        return items;
    }
    size_t larger = *capacity == 0 ? FIRST_CAPACITY : 2 * *capacity;
    void *copy = calloc(larger, item_size);
    if (copy == NULL) {
        return NULL;
    }
    if (count > 0) {
        memcpy(copy, items, count * item_size);
    }
    free(items);
    *capacity = larger;
    return copy;
}

RESULT history_add_block(struct history *history, const struct signed_block *block)
{
    ENSURE(history->block_count < HISTORY_RECORDS_MAX, LIMIT, "too many blocks for one validator");
    struct signed_block *blocks =
        make_room(history->blocks, sizeof(*blocks), history->block_count, &history->block_capacity);
    ENSURE(blocks != NULL, UNAVAILABLE, "out of memory");
    history->blocks = blocks;
    blocks[history->block_count++] = *block;
    return OK;
}

RESULT history_add_attestation(struct history *history,
                               const struct signed_attestation *attestation)
{
    ENSURE(history->attestation_count < HISTORY_RECORDS_MAX, LIMIT,
           "too many attestations for one validator");
    struct signed_attestation *attestations =
        make_room(history->attestations, sizeof(*attestations), history->attestation_count,
                  &history->attestation_capacity);
    ENSURE(attestations != NULL, UNAVAILABLE, "out of memory");
    history->attestations = attestations;
    attestations[history->attestation_count++] = *attestation;
    return OK;
}

/* One record's place in time. `index` counts the known records first and settles ties, so that the
 * order is total and what was there first stays first. */
struct place {
    uint64_t time; /* slot or target */
    size_t index;
};

static bool is_before(const struct place *a, const struct place *b)
{
    return a->time < b->time || (a->time == b->time && a->index < b->index);
}

static void sift_down(struct place *heap, size_t root, size_t count)
{
    struct place moved = heap[root];
    for (size_t child = 2 * root + 1; child < count; child = 2 * root + 1) {
        if (child + 1 < count && is_before(&heap[child], &heap[child + 1])) {
            child++;
        }
        if (!is_before(&moved, &heap[child])) {
            break;
        }
        heap[root] = heap[child];
        root = child;
    }
    heap[root] = moved;
}

/* Heapsort: whatever a hostile file does to the order, this is O(n log n) and needs no memory.
 * Files usually come sorted, which is seen first. */
static void sort_places(struct place *places, size_t count)
{
    size_t sorted = 1;
    while (sorted < count && is_before(&places[sorted - 1], &places[sorted])) {
        sorted++;
    }
    if (sorted >= count) {
        return;
    }
    for (size_t root = count / 2; root-- > 0;) {
        sift_down(places, root, count);
    }
    for (size_t last = count - 1; last > 0; last--) {
        struct place highest = places[0];
        places[0] = places[last];
        places[last] = highest;
        sift_down(places, 0, last);
    }
}

/* A merge under way. `out` is the history to be; its records are complete and clean up to the last.
 *
 * A record with a root may be signed again, whatever the marks say, so a root is kept only where it
 * is certain that nothing else in the way was signed: not where two claims differ or one is
 * silent, not where the marks stand for records that are not there any more, and not where a
 * conflict was raised over. A claim that something was signed does not prove that it was: clients
 * record first and sign then. */
struct merge {
    struct history out;
    struct watermarks before; /* the known marks */
    struct watermarks raised; /* over all that was in conflict */
    enum conflict_policy policy;
    struct detail *detail;
};

static void name_validator(struct detail *detail, const struct pubkey *pubkey)
{
    char text[HEX_TEXT_SIZE(sizeof(pubkey->bytes))];
    hex_encode(pubkey->bytes, sizeof(pubkey->bytes), text);
    detail_prefix(detail, "validator %s: ", text);
}

static void name_block(struct detail *detail, const struct pubkey *pubkey, struct slot slot)
{
    detail_set(detail, "block at slot %" PRIu64, slot.value);
    name_validator(detail, pubkey);
}

/* Names `next`, and `last` too where the trouble is between the two. */
static void name_attestation(struct detail *detail, const struct pubkey *pubkey,
                             const struct signed_attestation *last,
                             const struct signed_attestation *next)
{
    detail_set(detail, "attestation from source %" PRIu64 " to target %" PRIu64, next->source.value,
               next->target.value);
    if (last != NULL && next->source.value <= next->target.value) {
        detail_prefix(detail, "attestation from source %" PRIu64 " to target %" PRIu64 " and ",
                      last->source.value, last->target.value);
    }
    name_validator(detail, pubkey);
}

/* Two claims of one slot or target. False: they contradict each other. Else `kept` keeps its root
 * when both know it. */
static bool unite_roots(const struct root *kept, bool *has_kept, const struct root *other,
                        bool has_other)
{
    if (*has_kept && has_other) {
        return root_equal(kept, other);
    }
    *has_kept = false;
    return true;
}

static bool is_above_attestation_marks(const struct watermarks *marks,
                                       const struct signed_attestation *attestation)
{
    return !marks->has_attestation || (attestation->source.value >= marks->source.value &&
                                       attestation->target.value > marks->target.value);
}

static struct result append_block(struct merge *merge, const struct signed_block *block,
                                  bool is_known)
{
    struct signed_block kept = *block;
    bool is_above = !merge->before.has_block || block->slot.value > merge->before.block_slot.value;
    kept.has_root = kept.has_root && (is_known || is_above);
    return history_add_block(&merge->out, &kept);
}

static struct result append_attestation(struct merge *merge,
                                        const struct signed_attestation *attestation, bool is_known)
{
    struct signed_attestation kept = *attestation;
    bool is_above = is_above_attestation_marks(&merge->before, attestation);
    kept.has_root = kept.has_root && (is_known || is_above);
    return history_add_attestation(&merge->out, &kept);
}

static struct result merge_block(struct merge *merge, const struct signed_block *block,
                                 bool is_known)
{
    struct history *out = &merge->out;
    struct signed_block *last = out->block_count > 0 ? &out->blocks[out->block_count - 1] : NULL;
    if (last == NULL || last->slot.value != block->slot.value) {
        return append_block(merge, block, is_known);
    }
    if (unite_roots(&last->root, &last->has_root, &block->root, block->has_root)) {
        return OK;
    }
    if (merge->policy == CONFLICT_REFUSE) {
        name_block(merge->detail, &out->pubkey, block->slot);
        return FAIL(REFUSED, "two different blocks for one slot");
    }
    watermarks_cover_block(&out->marks, block->slot);
    last->has_root = false;
    return OK;
}

/* Why `next` cannot stand behind `last` (NULL: none) in a clean history; OK when it can. Two of one
 * target that agree can not either; the caller has seen to them. */
static struct result check_neighbours(const struct signed_attestation *last,
                                      const struct signed_attestation *next)
{
    ENSURE(next->source.value <= next->target.value, REFUSED,
           "the source epoch is after the target epoch");
    if (last == NULL) {
        return OK;
    }
    ENSURE(next->target.value != last->target.value, REFUSED,
           "two different attestations for one target epoch");
    ENSURE(next->source.value >= last->source.value, REFUSED, "one surrounds the other");
    return OK;
}

static void raise_over(struct merge *merge, const struct signed_attestation *attestation)
{
    watermarks_cover_attestation(&merge->raised, attestation->source, attestation->target);
    watermarks_cover_attestation(&merge->out.marks, attestation->source, attestation->target);
}

static struct result merge_attestation(struct merge *merge,
                                       const struct signed_attestation *attestation, bool is_known)
{
    struct history *out = &merge->out;
    struct signed_attestation *last =
        out->attestation_count > 0 ? &out->attestations[out->attestation_count - 1] : NULL;
    bool same_vote = last != NULL && last->target.value == attestation->target.value &&
                     last->source.value == attestation->source.value;
    if (same_vote &&
        unite_roots(&last->root, &last->has_root, &attestation->root, attestation->has_root)) {
        return OK;
    }
    struct result clean = check_neighbours(last, attestation);
    if (is_ok(clean)) {
        return append_attestation(merge, attestation, is_known);
    }
    if (merge->policy == CONFLICT_REFUSE) {
        name_attestation(merge->detail, &out->pubkey, last, attestation);
        return clean;
    }
    raise_over(merge, attestation);
    if (last != NULL) {
        raise_over(merge, last);
    }
    return OK;
}

/* What was dropped is in conflict with no record above the marks that were raised over it. */
static void forget_contested_roots(struct merge *merge)
{
    for (size_t i = 0; i < merge->out.attestation_count; i++) {
        struct signed_attestation *record = &merge->out.attestations[i];
        record->has_root = record->has_root && is_above_attestation_marks(&merge->raised, record);
    }
}

/* EIP-3076, conditions 2, 4 and 5: the lowest values of an import bind from then on. */
static void cover_lowest(struct watermarks *marks, const struct history *added)
{
    if (added->block_count > 0) {
        struct slot lowest = added->blocks[0].slot;
        for (size_t i = 1; i < added->block_count; i++) {
            struct slot slot = added->blocks[i].slot;
            lowest = slot.value < lowest.value ? slot : lowest;
        }
        watermarks_cover_block(marks, lowest);
    }
    if (added->attestation_count > 0) {
        struct epoch source = added->attestations[0].source;
        struct epoch target = added->attestations[0].target;
        for (size_t i = 1; i < added->attestation_count; i++) {
            const struct signed_attestation *attestation = &added->attestations[i];
            source = attestation->source.value < source.value ? attestation->source : source;
            target = attestation->target.value < target.value ? attestation->target : target;
        }
        watermarks_cover_attestation(marks, source, target);
    }
}

static void cover_marks(struct watermarks *marks, const struct watermarks *other)
{
    if (other->has_block) {
        watermarks_cover_block(marks, other->block_slot);
    }
    if (other->has_attestation) {
        watermarks_cover_attestation(marks, other->source, other->target);
    }
}

static struct result merge_blocks(struct merge *merge, const struct history *known,
                                  const struct history *added, struct place *places)
{
    size_t count = known->block_count + added->block_count;
    for (size_t i = 0; i < count; i++) {
        const struct signed_block *block =
            i < known->block_count ? &known->blocks[i] : &added->blocks[i - known->block_count];
        places[i] = (struct place){ .time = block->slot.value, .index = i };
    }
    sort_places(places, count);
    for (size_t i = 0; i < count; i++) {
        size_t index = places[i].index;
        bool is_known = index < known->block_count;
        TRY(merge_block(
            merge, is_known ? &known->blocks[index] : &added->blocks[index - known->block_count],
            is_known));
    }
    return OK;
}

static struct result merge_attestations(struct merge *merge, const struct history *known,
                                        const struct history *added, struct place *places)
{
    size_t count = known->attestation_count + added->attestation_count;
    for (size_t i = 0; i < count; i++) {
        const struct signed_attestation *attestation =
            i < known->attestation_count ? &known->attestations[i]
                                         : &added->attestations[i - known->attestation_count];
        places[i] = (struct place){ .time = attestation->target.value, .index = i };
    }
    sort_places(places, count);
    for (size_t i = 0; i < count; i++) {
        size_t index = places[i].index;
        bool is_known = index < known->attestation_count;
        TRY(merge_attestation(merge,
                              is_known ? &known->attestations[index]
                                       : &added->attestations[index - known->attestation_count],
                              is_known));
    }
    forget_contested_roots(merge);
    return OK;
}

static struct result merge_all(struct merge *merge, const struct history *known,
                               const struct history *added)
{
    size_t blocks = known->block_count + added->block_count;
    size_t attestations = known->attestation_count + added->attestation_count;
    size_t most = blocks > attestations ? blocks : attestations;
    CLEANUP(free_ptr) struct place *places = calloc(most + 1, sizeof(*places));
    ENSURE(places != NULL, UNAVAILABLE, "out of memory");
    cover_marks(&merge->out.marks, &added->marks);
    cover_lowest(&merge->out.marks, added);
    TRY(merge_blocks(merge, known, added, places));
    return merge_attestations(merge, known, added, places);
}

RESULT history_merge(struct history *known, const struct history *added,
                     enum conflict_policy policy, struct detail *detail)
{
    struct merge merge = {
        .out = { .pubkey = known->pubkey, .marks = known->marks },
        .before = known->marks,
        .policy = policy,
        .detail = detail,
    };
    struct result merged = merge_all(&merge, known, added);
    if (!is_ok(merged)) {
        history_done(&merge.out);
        return merged;
    }
    history_done(known);
    *known = merge.out;
    return OK;
}

bool history_is_clean(const struct history *history, struct detail *detail)
{
    for (size_t i = 1; i < history->block_count; i++) {
        if (history->blocks[i].slot.value <= history->blocks[i - 1].slot.value) {
            name_block(detail, &history->pubkey, history->blocks[i].slot);
            return false;
        }
    }
    const struct signed_attestation *last = NULL;
    for (size_t i = 0; i < history->attestation_count; i++) {
        const struct signed_attestation *next = &history->attestations[i];
        bool in_order = last == NULL || next->target.value > last->target.value;
        if (!in_order || !is_ok(check_neighbours(last, next))) {
            name_attestation(detail, &history->pubkey, last, next);
            return false;
        }
        last = next;
    }
    return true;
}

struct peaks history_peaks(const struct history *history)
{
    if (history->attestation_count == 0) {
        return (struct peaks){ .has_attestation = false };
    }
    const struct signed_attestation *last = &history->attestations[history->attestation_count - 1];
    return (
        struct peaks){ .has_attestation = true, .source = last->source, .target = last->target };
}
