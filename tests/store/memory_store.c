#include "store/memory_store.h"

#include <stdlib.h>
#include <string.h>

struct item {
    bool enabled;
    struct history history;
};

/* Everything that a failed import takes back. */
struct contents {
    struct item *items; /* sorted by public key */
    size_t count;
    struct ceiling ceiling;
};

struct memory_store {
    struct slashing_store base;
    struct contents now;
    struct contents before; /* the import */
};

static struct memory_store *store_of(struct slashing_store *base)
{
    return (struct memory_store *)(void *)base;
}

static void contents_done(struct contents *contents)
{
    for (size_t i = 0; i < contents->count; i++) {
        history_done(&contents->items[i].history);
    }
    free(contents->items);
    *contents = (struct contents){ .count = 0 };
}

static int compare(const struct item *item, const struct pubkey *pubkey)
{
    return memcmp(item->history.pubkey.bytes, pubkey->bytes, sizeof(pubkey->bytes));
}

/* The place of the validator, or the one where it belongs. */
static size_t place_of(const struct contents *contents, const struct pubkey *pubkey)
{
    size_t low = 0;
    size_t high = contents->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(&contents->items[middle], pubkey) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct item *find(struct memory_store *store, const struct pubkey *pubkey)
{
    size_t place = place_of(&store->now, pubkey);
    bool found = place < store->now.count && compare(&store->now.items[place], pubkey) == 0;
    return found ? &store->now.items[place] : NULL;
}

static struct item *find_or_add(struct memory_store *store, const struct pubkey *pubkey)
{
    struct contents *now = &store->now;
    struct item *found = find(store, pubkey);
    if (found != NULL) {
        return found;
    }
    size_t place = place_of(now, pubkey);
    struct item *items = calloc(now->count + 1, sizeof(*items));
    if (items == NULL) {
        abort();
    }
    if (now->count > 0) {
        memcpy(items, now->items, place * sizeof(*items));
        memcpy(items + place + 1, now->items + place, (now->count - place) * sizeof(*items));
    }
    free(now->items);
    now->items = items;
    now->count++;
    items[place] = (struct item){ .enabled = true, .history = { .pubkey = *pubkey } };
    return &items[place];
}

static void must(struct result result)
{
    if (!is_ok(result)) {
        abort();
    }
}

static void add_block(struct history *history, const struct signed_block *block)
{
    must(history_add_block(history, block));
    for (size_t i = history->block_count - 1;
         i > 0 && history->blocks[i - 1].slot.value > block->slot.value; i--) {
        history->blocks[i] = history->blocks[i - 1];
        history->blocks[i - 1] = *block;
    }
    if (!history->marks.has_block) {
        watermarks_cover_block(&history->marks, block->slot);
    }
}

static void add_vote(struct history *history, const struct signed_attestation *vote)
{
    must(history_add_attestation(history, vote));
    for (size_t i = history->attestation_count - 1;
         i > 0 && history->attestations[i - 1].target.value > vote->target.value; i--) {
        history->attestations[i] = history->attestations[i - 1];
        history->attestations[i - 1] = *vote;
    }
    if (!history->marks.has_attestation) {
        watermarks_cover_attestation(&history->marks, vote->source, vote->target);
    }
}

static void judge_block(const struct memory_store *store, const struct history *history,
                        struct slashing_check *check)
{
    const struct signed_block *same_slot = NULL;
    for (size_t i = 0; i < history->block_count; i++) {
        if (history->blocks[i].slot.value == check->block.slot.value) {
            same_slot = &history->blocks[i];
            check->conflicting_block = *same_slot;
        }
    }
    check->verdict = rules_block(&history->marks, &store->now.ceiling, same_slot, &check->block);
}

static void judge_vote(const struct memory_store *store, const struct history *history,
                       struct slashing_check *check)
{
    size_t conflict = 0;
    check->verdict = rules_attestation(&history->marks, &store->now.ceiling, history->attestations,
                                       history->attestation_count, &check->attestation, &conflict);
    if (conflict < history->attestation_count) {
        check->conflicting_attestation = history->attestations[conflict];
    }
}

static void decide_one(struct memory_store *store, struct slashing_check *check)
{
    const struct item stranger = { .enabled = true, .history = { .pubkey = check->pubkey } };
    const struct item *item = find(store, &check->pubkey);
    item = item == NULL ? &stranger : item;
    if (!item->enabled) {
        check->verdict = VERDICT_DISABLED;
    } else if (check->kind == SLASHING_BLOCK) {
        judge_block(store, &item->history, check);
    } else {
        judge_vote(store, &item->history, check);
    }
    if (check->verdict == VERDICT_NEW && check->kind == SLASHING_BLOCK) {
        add_block(&find_or_add(store, &check->pubkey)->history, &check->block);
    } else if (check->verdict == VERDICT_NEW) {
        add_vote(&find_or_add(store, &check->pubkey)->history, &check->attestation);
    }
}

static void decide(struct slashing_store *base, struct slashing_check *const checks[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        decide_one(store_of(base), checks[i]);
    }
}

static struct result import_begin(struct slashing_store *base)
{
    struct memory_store *store = store_of(base);
    struct contents *before = &store->before;
    *before = store->now;
    before->items = calloc(store->now.count + 1, sizeof(*before->items));
    if (before->items == NULL) {
        abort();
    }
    for (size_t i = 0; i < store->now.count; i++) {
        before->items[i].enabled = store->now.items[i].enabled;
        must(history_copy(&store->now.items[i].history, &before->items[i].history));
    }
    return OK;
}

static struct result import_history(struct slashing_store *base, const struct history *added,
                                    enum conflict_policy policy, struct detail *detail)
{
    struct item *item = find(store_of(base), &added->pubkey);
    if (item != NULL) {
        return history_merge(&item->history, added, policy, detail);
    }
    struct history history = { .pubkey = added->pubkey };
    TRY(history_merge(&history, added, policy, detail));
    find_or_add(store_of(base), &added->pubkey)->history = history;
    return OK;
}

static struct result import_end(struct slashing_store *base, bool commit)
{
    struct memory_store *store = store_of(base);
    contents_done(commit ? &store->before : &store->now);
    if (!commit) {
        store->now = store->before;
    }
    store->before = (struct contents){ .count = 0 };
    return OK;
}

static struct result load_history(struct slashing_store *base, const struct pubkey *pubkey,
                                  struct history *out)
{
    const struct item *item = find(store_of(base), pubkey);
    ENSURE(item != NULL, NOT_FOUND, "the validator is not known");
    return history_copy(&item->history, out);
}

static struct result each_validator(struct slashing_store *base,
                                    struct result (*visit)(const struct pubkey *pubkey,
                                                           void *context),
                                    void *context)
{
    struct memory_store *store = store_of(base);
    for (size_t i = 0; i < store->now.count; i++) {
        TRY(visit(&store->now.items[i].history.pubkey, context));
    }
    return OK;
}

static struct result set_enabled(struct slashing_store *base, const struct pubkey *pubkey,
                                 bool enabled)
{
    find_or_add(store_of(base), pubkey)->enabled = enabled;
    return OK;
}

/* Attestations first, in the order of time, as rows_max makes a difference. */
static struct item *oldest_vote(struct memory_store *store, struct epoch below)
{
    struct item *oldest = NULL;
    for (size_t i = 0; i < store->now.count; i++) {
        const struct history *history = &store->now.items[i].history;
        if (history->attestation_count > 0 && history->attestations[0].target.value < below.value &&
            (oldest == NULL || history->attestations[0].target.value <
                                   oldest->history.attestations[0].target.value)) {
            oldest = &store->now.items[i];
        }
    }
    return oldest;
}

static struct item *any_old_block(struct memory_store *store, struct slot below)
{
    for (size_t i = 0; i < store->now.count; i++) {
        const struct history *history = &store->now.items[i].history;
        if (history->block_count > 0 && history->blocks[0].slot.value < below.value) {
            return &store->now.items[i];
        }
    }
    return NULL;
}

static void fold_vote(struct history *history)
{
    struct signed_attestation *votes = history->attestations;
    watermarks_cover_attestation(&history->marks, votes[0].source, votes[0].target);
    history->attestation_count--;
    memmove(votes, votes + 1, history->attestation_count * sizeof(*votes));
}

static void fold_block(struct history *history)
{
    struct signed_block *blocks = history->blocks;
    watermarks_cover_block(&history->marks, blocks[0].slot);
    history->block_count--;
    memmove(blocks, blocks + 1, history->block_count * sizeof(*blocks));
}

static struct result prune(struct slashing_store *base, struct epoch target_below,
                           struct slot slot_below, size_t rows_max, bool *more_out)
{
    struct memory_store *store = store_of(base);
    for (;; rows_max--) {
        struct item *vote = oldest_vote(store, target_below);
        struct item *block = vote == NULL ? any_old_block(store, slot_below) : NULL;
        *more_out = vote != NULL || block != NULL;
        if (!*more_out || rows_max == 0) {
            return OK;
        }
        if (vote != NULL) {
            fold_vote(&vote->history);
        } else {
            fold_block(&block->history);
        }
    }
}

static struct result load_ceiling(struct slashing_store *base, struct ceiling *out)
{
    *out = store_of(base)->now.ceiling;
    return OK;
}

static struct result save_ceiling(struct slashing_store *base, const struct ceiling *ceiling)
{
    store_of(base)->now.ceiling = *ceiling;
    return OK;
}

static struct result health(struct slashing_store *base, struct detail *detail)
{
    (void)base;
    (void)detail;
    return OK;
}

static void close_store(struct slashing_store *base)
{
    struct memory_store *store = store_of(base);
    contents_done(&store->now);
    contents_done(&store->before);
    free(store);
}

static const struct slashing_store_ops ops = {
    .name = "memory",
    .decide = decide,
    .import_begin = import_begin,
    .import_history = import_history,
    .import_end = import_end,
    .load_history = load_history,
    .each_validator = each_validator,
    .set_enabled = set_enabled,
    .prune = prune,
    .load_ceiling = load_ceiling,
    .save_ceiling = save_ceiling,
    .health = health,
    .close = close_store,
};

RESULT memory_store_open(struct slashing_store **out)
{
    struct memory_store *store = calloc(1, sizeof(*store));
    ENSURE(store != NULL, UNAVAILABLE, "out of memory");
    store->base.ops = &ops;
    *out = &store->base;
    return OK;
}
