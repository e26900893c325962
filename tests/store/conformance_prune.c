#include "store/conformance.h"

static const struct epoch no_epoch;
static const struct slot no_slot;

/* Validators 1 to `keys`: votes for the targets and blocks at the slots 1 to `count`. */
static bool fill(struct slashing_store *store, uint32_t keys, uint64_t count)
{
    bool filled = true;
    for (uint32_t key = 1; key <= keys; key++) {
        for (uint64_t at = 1; at <= count; at++) {
            filled = filled && decide_vote(store, key, at - 1, at, at) == VERDICT_NEW &&
                     decide_block(store, key, at, at) == VERDICT_NEW;
        }
    }
    return filled;
}

TEST(what_is_below_the_bounds_becomes_a_watermark_and_the_rest_stays)
{
    STORE *store = backend_open_fresh();
    CHECK(store != NULL);
    CHECK(fill(store, 3, 6));
    bool more = true;
    CHECK_OK(store->ops->prune(store, (struct epoch){ 4 }, (struct slot){ 5 }, 1000, &more));
    CHECK(!more);
    for (int times = 0; times < 2; times++) {
        for (uint32_t key = 1; key <= 3; key++) {
            HISTORY history = { .block_count = 0 };
            struct pubkey pubkey = key_of(key);
            CHECK_OK(store->ops->load_history(store, &pubkey, &history));
            CHECK(history.attestation_count == 3 && history.block_count == 2);
            CHECK(history.attestations[0].target.value == 4);
            CHECK(history.blocks[0].slot.value == 5);
            CHECK(history.marks.source.value == 2 && history.marks.target.value == 3);
            CHECK(history.marks.block_slot.value == 4);
            CHECK(decide_vote(store, key, 2, 3, 3) == VERDICT_TARGET_NOT_ABOVE_WATERMARK);
            CHECK(decide_vote(store, key, 3, 4, 4) == VERDICT_REPEAT);
            CHECK(decide_block(store, key, 4, 4) == VERDICT_SLOT_NOT_ABOVE_WATERMARK);
            CHECK(decide_block(store, key, 5, 5) == VERDICT_REPEAT);
        }
        store = backend_reopen(store);
        CHECK(store != NULL);
    }
}

TEST(bounds_of_zero_prune_nothing_and_of_the_highest_all_but_the_highest)
{
    STORE *store = backend_open_fresh();
    CHECK(store != NULL);
    bool more = true;
    CHECK_OK(store->ops->prune(store, no_epoch, no_slot, 10, &more));
    CHECK(!more);
    CHECK(decide_vote(store, 1, 0, 0, 1) == VERDICT_NEW);
    CHECK(decide_vote(store, 1, 7, UINT64_MAX, 1) == VERDICT_NEW);
    CHECK(decide_block(store, 1, 0, 1) == VERDICT_NEW);
    CHECK(decide_block(store, 1, UINT64_MAX, 1) == VERDICT_NEW);
    CHECK_OK(store->ops->prune(store, no_epoch, no_slot, 10, &more));
    CHECK(!more);
    CHECK(decide_vote(store, 1, 0, 0, 1) == VERDICT_REPEAT);
    struct epoch all_epochs = { UINT64_MAX };
    struct slot all_slots = { UINT64_MAX };
    CHECK_OK(store->ops->prune(store, all_epochs, all_slots, 10, &more));
    CHECK(!more);
    CHECK(decide_vote(store, 1, 0, 0, 1) == VERDICT_TARGET_NOT_ABOVE_WATERMARK);
    CHECK(decide_vote(store, 1, 7, UINT64_MAX, 1) == VERDICT_REPEAT);
    CHECK(decide_block(store, 1, 0, 1) == VERDICT_SLOT_NOT_ABOVE_WATERMARK);
    CHECK(decide_block(store, 1, UINT64_MAX, 1) == VERDICT_REPEAT);
}

static size_t records_left(struct slashing_store *store, uint32_t keys)
{
    size_t left = 0;
    for (uint32_t key = 1; key <= keys; key++) {
        HISTORY history = { .block_count = 0 };
        struct pubkey pubkey = key_of(key);
        if (is_ok(store->ops->load_history(store, &pubkey, &history))) {
            left += history.block_count + history.attestation_count;
        }
    }
    return left;
}

TEST(each_call_deletes_at_most_what_it_may_and_says_whether_there_is_more)
{
    static const size_t rows_max[] = { 1, 3, 7, 10, 40 };
    for (size_t i = 0; i < sizeof(rows_max) / sizeof(rows_max[0]); i++) {
        STORE *store = backend_open_fresh();
        CHECK(store != NULL);
        CHECK(fill(store, 4, 6));
        bool more = true;
        for (size_t left = 48; left > 8;) { /* targets 1 to 5 and slots 1 to 5 of four go */
            CHECK(more);
            CHECK_OK(store->ops->prune(store, (struct epoch){ 6 }, (struct slot){ 6 }, rows_max[i],
                                       &more));
            size_t gone = left - 8 < rows_max[i] ? left - 8 : rows_max[i];
            left -= gone;
            CHECK(records_left(store, 4) == left);
            CHECK(more == (left > 8));
        }
        CHECK_OK(
            store->ops->prune(store, (struct epoch){ 6 }, (struct slot){ 6 }, rows_max[i], &more));
        CHECK(!more && records_left(store, 4) == 8);
    }
}

TEST(a_call_that_may_delete_nothing_only_tells)
{
    STORE *store = backend_open_fresh();
    CHECK(store != NULL);
    CHECK(fill(store, 1, 2));
    bool more = false;
    CHECK_OK(store->ops->prune(store, (struct epoch){ 2 }, no_slot, 0, &more));
    CHECK(more && records_left(store, 1) == 4);
    more = false;
    CHECK_OK(store->ops->prune(store, no_epoch, (struct slot){ 2 }, 0, &more));
    CHECK(more && records_left(store, 1) == 4);
    CHECK_OK(store->ops->prune(store, (struct epoch){ 1 }, (struct slot){ 1 }, 0, &more));
    CHECK(!more);
}

TEST(each_validator_gets_marks_of_its_own)
{
    STORE *store = backend_open_fresh();
    CHECK(store != NULL);
    CHECK(decide_vote(store, 1, 1, 2, 1) == VERDICT_NEW);
    CHECK(decide_vote(store, 1, 3, 8, 1) == VERDICT_NEW);
    CHECK(decide_vote(store, 2, 5, 6, 1) == VERDICT_NEW);
    CHECK(decide_vote(store, 3, 9, 20, 1) == VERDICT_NEW);
    CHECK(decide_block(store, 2, 7, 1) == VERDICT_NEW);
    bool more = true;
    CHECK_OK(store->ops->prune(store, (struct epoch){ 10 }, (struct slot){ 10 }, 100, &more));
    struct watermarks one = marks_of(store, 1);
    struct watermarks two = marks_of(store, 2);
    struct watermarks three = marks_of(store, 3);
    CHECK(one.source.value == 3 && one.target.value == 8 && !one.has_block);
    CHECK(two.source.value == 5 && two.target.value == 6 && two.block_slot.value == 7);
    CHECK(three.source.value == 9 && three.target.value == 20);
    CHECK(decide_vote(store, 1, 3, 9, 1) == VERDICT_NEW);
    CHECK(decide_vote(store, 2, 5, 7, 1) == VERDICT_NEW);
    CHECK(decide_vote(store, 3, 9, 20, 1) == VERDICT_REPEAT);
}

TEST(the_mark_covers_the_highest_source_even_below_a_higher_target)
{
    STORE *store = backend_open_fresh();
    CHECK(store != NULL);
    HISTORY added = { .pubkey = key_of(1) };
    added.marks = (struct watermarks){ .has_attestation = true, .source = { 2 }, .target = { 60 } };
    struct signed_attestation vote = vote_of(5, 10, 1);
    CHECK_OK(history_add_attestation(&added, &vote));
    CHECK_OK(import_one(store, &added, CONFLICT_REFUSE, NULL));
    CHECK(decide_vote(store, 1, 3, 61, 1) == VERDICT_SURROUNDS);
    bool more = true;
    CHECK_OK(store->ops->prune(store, (struct epoch){ 11 }, no_slot, 100, &more));
    CHECK(marks_of(store, 1).source.value == 5 && marks_of(store, 1).target.value == 60);
    CHECK(decide_vote(store, 1, 4, 61, 1) == VERDICT_SOURCE_BELOW_WATERMARK);
    CHECK(decide_vote(store, 1, 5, 61, 1) == VERDICT_NEW);
}

/* A random history of one validator, everything that could be asked of it before, a pruning, and
 * everything again: what was refused stays refused. */
TEST(pruning_never_frees_what_was_refused)
{
    enum { KEYS = 200, EPOCHS = 6, ROOTS = 2, VOTES = EPOCHS * EPOCHS * ROOTS };
    STORE *store = backend_open_fresh();
    CHECK(store != NULL);
    struct dice dice = { 4711 };
    for (uint32_t key = 1; key <= KEYS; key++) {
        for (uint64_t left = 1 + dice_roll(&dice, 6); left > 0; left--) {
            (void)decide_vote(store, key, dice_roll(&dice, EPOCHS), dice_roll(&dice, EPOCHS), 1);
            (void)decide_block(store, key, dice_roll(&dice, EPOCHS), 1);
        }
    }
    static struct history before[KEYS + 1];
    static struct history after[KEYS + 1];
    for (uint32_t key = 1; key <= KEYS; key++) {
        struct pubkey pubkey = key_of(key);
        (void)store->ops->load_history(store, &pubkey, &before[key]).status;
    }
    bool more = true;
    while (more) {
        CHECK_OK(store->ops->prune(store, (struct epoch){ 4 }, (struct slot){ 3 }, 17, &more));
    }
    static const struct ceiling none;
    int compared = 0;
    for (uint32_t key = 1; key <= KEYS; key++) {
        struct pubkey pubkey = key_of(key);
        (void)store->ops->load_history(store, &pubkey, &after[key]).status;
        for (uint64_t at = 0; at < VOTES; at++) {
            struct signed_attestation vote =
                vote_of(at % EPOCHS, at / EPOCHS % EPOCHS, 1 + at / EPOCHS / EPOCHS);
            enum verdict was =
                rules_attestation(&before[key].marks, &none, before[key].attestations,
                                  before[key].attestation_count, &vote, NULL);
            enum verdict is = rules_attestation(&after[key].marks, &none, after[key].attestations,
                                                after[key].attestation_count, &vote, NULL);
            CHECK(is != VERDICT_NEW || was == VERDICT_NEW);
            CHECK(is != VERDICT_REPEAT || was == VERDICT_REPEAT);
            compared += was != is;
        }
        history_done(&before[key]);
        history_done(&after[key]);
    }
    CHECK(compared > 0); /* else nothing was pruned and nothing shown */
}

CONFORMANCE_TESTS(T(what_is_below_the_bounds_becomes_a_watermark_and_the_rest_stays),
                  T(bounds_of_zero_prune_nothing_and_of_the_highest_all_but_the_highest),
                  T(each_call_deletes_at_most_what_it_may_and_says_whether_there_is_more),
                  T(a_call_that_may_delete_nothing_only_tells),
                  T(each_validator_gets_marks_of_its_own),
                  T(the_mark_covers_the_highest_source_even_below_a_higher_target),
                  T(pruning_never_frees_what_was_refused))
