#include "store/conformance.h"

TEST(a_new_message_is_allowed_recorded_and_from_then_on_a_repeat)
{
    STORE *store = backend_open_fresh();
    CHECK(store != NULL);
    CHECK(decide_vote(store, 1, 3, 4, 1) == VERDICT_NEW);
    CHECK(decide_block(store, 1, 99, 2) == VERDICT_NEW);
    CHECK(decide_vote(store, 1, 3, 4, 1) == VERDICT_REPEAT);
    CHECK(decide_block(store, 1, 99, 2) == VERDICT_REPEAT);
    HISTORY history = { .block_count = 0 };
    struct pubkey pubkey = key_of(1);
    CHECK_OK(store->ops->load_history(store, &pubkey, &history));
    CHECK(history.block_count == 1 && history.attestation_count == 1);
    struct signed_block block = block_of(99, 2);
    struct signed_attestation vote = vote_of(3, 4, 1);
    CHECK(block_equal(&history.blocks[0], &block));
    CHECK(vote_equal(&history.attestations[0], &vote));
}

TEST(the_first_message_sets_the_watermarks_of_its_kind_and_later_ones_do_not)
{
    STORE *store = backend_open_fresh();
    CHECK(store != NULL);
    CHECK(decide_vote(store, 1, 10, 20, 1) == VERDICT_NEW);
    struct watermarks marks = marks_of(store, 1);
    CHECK(!marks.has_block && marks.has_attestation && marks.source.value == 10 &&
          marks.target.value == 20);
    CHECK(decide_block(store, 1, 500, 1) == VERDICT_NEW);
    CHECK(decide_block(store, 1, 600, 1) == VERDICT_NEW);
    CHECK(decide_vote(store, 1, 30, 40, 1) == VERDICT_NEW);
    marks = marks_of(store, 1);
    CHECK(marks.has_block && marks.block_slot.value == 500);
    CHECK(marks.source.value == 10 && marks.target.value == 20);
    CHECK(decide_block(store, 1, 499, 1) == VERDICT_SLOT_NOT_ABOVE_WATERMARK);
    CHECK(decide_block(store, 1, 501, 1) == VERDICT_NEW);
    CHECK(decide_vote(store, 1, 9, 19, 1) == VERDICT_SOURCE_BELOW_WATERMARK);
    CHECK(decide_vote(store, 1, 10, 19, 1) == VERDICT_TARGET_NOT_ABOVE_WATERMARK);
    CHECK(decide_vote(store, 1, 10, 21, 1) == VERDICT_NEW);
}

TEST(a_batch_is_judged_in_its_order)
{
    STORE *store = backend_open_fresh();
    CHECK(store != NULL);
    struct slashing_check items[] = {
        check_block(1, 10, 1),  check_block(1, 10, 2),  check_block(1, 10, 1),
        check_vote(1, 2, 5, 1), check_vote(1, 2, 5, 2), check_vote(1, 3, 4, 1),
        check_vote(1, 1, 6, 1), check_vote(1, 2, 5, 1), check_vote(1, 2, 6, 1),
        check_block(2, 10, 2),
    };
    static const enum verdict wanted[] = {
        VERDICT_NEW,        VERDICT_DOUBLE_BLOCK, VERDICT_REPEAT, VERDICT_NEW, VERDICT_DOUBLE_VOTE,
        VERDICT_SURROUNDED, VERDICT_SURROUNDS,    VERDICT_REPEAT, VERDICT_NEW, VERDICT_NEW,
    };
    struct slashing_check *checks[10];
    for (size_t i = 0; i < 10; i++) {
        checks[i] = &items[i];
    }
    store->ops->decide(store, checks, 10);
    for (size_t i = 0; i < 10; i++) {
        CHECK(items[i].verdict == wanted[i]);
    }
    CHECK(decide_block(store, 1, 10, 1) == VERDICT_REPEAT);
    CHECK(decide_vote(store, 1, 2, 6, 1) == VERDICT_REPEAT);
}

TEST(of_two_that_conflict_in_one_batch_the_first_wins_either_way)
{
    for (int turned = 0; turned < 2; turned++) {
        STORE *store = backend_open_fresh();
        CHECK(store != NULL);
        struct slashing_check inner = check_vote(1, 3, 4, 1);
        struct slashing_check outer = check_vote(1, 2, 5, 1);
        struct slashing_check *const checks[] = { turned ? &outer : &inner,
                                                  turned ? &inner : &outer };
        store->ops->decide(store, checks, 2);
        CHECK(checks[0]->verdict == VERDICT_NEW);
        CHECK(checks[1]->verdict == (turned ? VERDICT_SURROUNDED : VERDICT_SURROUNDS));
        CHECK(decide(store, checks[0]) == VERDICT_REPEAT);
    }
}

TEST(the_record_in_the_way_is_given)
{
    STORE *store = backend_open_fresh();
    CHECK(store != NULL);
    CHECK(decide_block(store, 1, 10, 1) == VERDICT_NEW);
    CHECK(decide_vote(store, 1, 0, 1, 1) == VERDICT_NEW);
    CHECK(decide_vote(store, 1, 3, 6, 2) == VERDICT_NEW);
    CHECK(decide_vote(store, 1, 6, 9, 3) == VERDICT_NEW);
    struct signed_attestation middle = vote_of(3, 6, 2);
    struct slashing_check block = check_block(1, 10, 2);
    CHECK(decide(store, &block) == VERDICT_DOUBLE_BLOCK);
    struct signed_block known = block_of(10, 1);
    CHECK(block_equal(&block.conflicting_block, &known));
    struct slashing_check votes[] = { check_vote(1, 3, 6, 9), check_vote(1, 2, 7, 9),
                                      check_vote(1, 4, 5, 9) };
    static const enum verdict wanted[] = { VERDICT_DOUBLE_VOTE, VERDICT_SURROUNDS,
                                           VERDICT_SURROUNDED };
    for (size_t i = 0; i < 3; i++) {
        CHECK(decide(store, &votes[i]) == wanted[i]);
        CHECK(vote_equal(&votes[i].conflicting_attestation, &middle));
    }
}

TEST(what_is_refused_leaves_no_trace)
{
    STORE *store = backend_open_fresh();
    CHECK(store != NULL);
    CHECK(decide_vote(store, 9, 5, 4, 1) == VERDICT_SOURCE_AFTER_TARGET);
    struct pubkey stranger = key_of(9);
    HISTORY nothing = { .block_count = 0 };
    CHECK_FAILS(NOT_FOUND, store->ops->load_history(store, &stranger, &nothing));
    CHECK(decide_vote(store, 1, 3, 6, 1) == VERDICT_NEW);
    CHECK(decide_block(store, 1, 10, 1) == VERDICT_NEW);
    HISTORY before = { .block_count = 0 };
    HISTORY after = { .block_count = 0 };
    struct pubkey pubkey = key_of(1);
    CHECK_OK(store->ops->load_history(store, &pubkey, &before));
    CHECK(!verdict_allows(decide_vote(store, 1, 3, 6, 2)));
    CHECK(!verdict_allows(decide_vote(store, 1, 2, 7, 1)));
    CHECK(!verdict_allows(decide_vote(store, 1, 4, 5, 1)));
    CHECK(!verdict_allows(decide_vote(store, 1, 0, 5, 1)));
    CHECK(!verdict_allows(decide_block(store, 1, 10, 2)));
    CHECK(!verdict_allows(decide_block(store, 1, 9, 2)));
    CHECK_OK(store->ops->load_history(store, &pubkey, &after));
    CHECK(history_equal(&before, &after));
}

TEST(gaps_between_records_are_signed_in_where_nothing_conflicts)
{
    STORE *store = backend_open_fresh();
    CHECK(store != NULL);
    CHECK(decide_vote(store, 1, 2, 3, 1) == VERDICT_NEW);
    CHECK(decide_vote(store, 1, 10, 20, 1) == VERDICT_NEW);
    CHECK(decide_vote(store, 1, 5, 12, 1) == VERDICT_NEW);
    CHECK(decide_vote(store, 1, 4, 13, 1) == VERDICT_SURROUNDS);
    CHECK(decide_vote(store, 1, 11, 19, 1) == VERDICT_SURROUNDED);
    CHECK(decide_vote(store, 1, 10, 19, 1) == VERDICT_NEW);
    CHECK(decide_vote(store, 1, 10, 21, 1) == VERDICT_NEW);
    CHECK(decide_vote(store, 1, 9, 22, 1) == VERDICT_SURROUNDS);
    CHECK(decide_block(store, 1, 10, 1) == VERDICT_NEW);
    CHECK(decide_block(store, 1, 30, 1) == VERDICT_NEW);
    CHECK(decide_block(store, 1, 20, 1) == VERDICT_NEW);
    CHECK(decide_block(store, 1, 20, 2) == VERDICT_DOUBLE_BLOCK);
}

TEST(validators_do_not_hinder_each_other)
{
    STORE *store = backend_open_fresh();
    CHECK(store != NULL);
    for (uint32_t key = 1; key <= 60; key++) {
        CHECK(decide_vote(store, key, key, key + 10, key) == VERDICT_NEW);
        CHECK(decide_block(store, key, 1000 - key, key) == VERDICT_NEW);
    }
    for (uint32_t key = 1; key <= 60; key++) {
        CHECK(decide_vote(store, key, key, key + 10, key) == VERDICT_REPEAT);
        CHECK(decide_vote(store, key, key, key + 10, key + 1) == VERDICT_DOUBLE_VOTE);
        CHECK(decide_vote(store, key, key, key + 11, 1) == VERDICT_NEW);
        CHECK(decide_block(store, key, 1000 - key, key + 1) == VERDICT_DOUBLE_BLOCK);
        CHECK(decide_block(store, key, 1001 - key, 1) == VERDICT_NEW);
    }
}

TEST(a_disabled_validator_is_refused_everything_until_it_is_enabled)
{
    STORE *store = backend_open_fresh();
    CHECK(store != NULL);
    struct pubkey known = key_of(1);
    struct pubkey stranger = key_of(2);
    CHECK(decide_vote(store, 1, 3, 4, 1) == VERDICT_NEW);
    CHECK_OK(store->ops->set_enabled(store, &known, false));
    CHECK_OK(store->ops->set_enabled(store, &stranger, false));
    for (int times = 0; times < 2; times++) {
        CHECK(decide_vote(store, 1, 3, 4, 1) == VERDICT_DISABLED);
        CHECK(decide_vote(store, 1, 4, 5, 1) == VERDICT_DISABLED);
        CHECK(decide_vote(store, 1, 9, 5, 1) == VERDICT_DISABLED);
        CHECK(decide_block(store, 2, 1, 1) == VERDICT_DISABLED);
        CHECK(decide_block(store, 3, 1 + (uint64_t)times, 1) == VERDICT_NEW);
        store = backend_reopen(store);
        CHECK(store != NULL);
    }
    CHECK_OK(store->ops->set_enabled(store, &known, true));
    CHECK_OK(store->ops->set_enabled(store, &stranger, true));
    CHECK(decide_vote(store, 1, 3, 4, 1) == VERDICT_REPEAT);
    CHECK(decide_block(store, 2, 1, 1) == VERDICT_NEW);
}

TEST(the_ceiling_holds_for_all_validators_and_survives)
{
    STORE *store = backend_open_fresh();
    CHECK(store != NULL);
    struct ceiling ceiling = { .has_slot = true };
    CHECK_OK(store->ops->load_ceiling(store, &ceiling));
    CHECK(!ceiling.has_slot && !ceiling.has_epoch);
    CHECK(decide_vote(store, 1, 3, 10, 1) == VERDICT_NEW);
    ceiling = (struct ceiling){ .has_epoch = true, .epoch = { 10 } };
    CHECK_OK(store->ops->save_ceiling(store, &ceiling));
    for (int times = 0; times < 2; times++) {
        CHECK(decide_vote(store, 1, 3, 10, 1) == VERDICT_NOT_BELOW_CEILING);
        CHECK(decide_vote(store, 2, 3, 11, 1) == VERDICT_NOT_BELOW_CEILING);
        CHECK(decide_vote(store, 2, 3, 8 + (uint64_t)times, 1) == VERDICT_NEW);
        CHECK(decide_block(store, 1, 100000 + (uint64_t)times, 1) == VERDICT_NEW);
        store = backend_reopen(store);
        CHECK(store != NULL);
    }
    ceiling = (struct ceiling){ .has_slot = true, .slot = { UINT64_MAX } };
    CHECK_OK(store->ops->save_ceiling(store, &ceiling));
    CHECK_OK(store->ops->load_ceiling(store, &ceiling));
    CHECK(ceiling.has_slot && ceiling.slot.value == UINT64_MAX && !ceiling.has_epoch);
    CHECK(decide_vote(store, 1, 3, 10, 1) == VERDICT_REPEAT);
    CHECK(decide_block(store, 1, UINT64_MAX, 1) == VERDICT_NOT_BELOW_CEILING);
    CHECK(decide_block(store, 1, UINT64_MAX - 1, 1) == VERDICT_NEW);
}

/* Numbers around every border of a signed or unsigned representation, in order. */
static const uint64_t extremes[] = { 0,
                                     1,
                                     INT64_MAX - UINT64_C(1),
                                     INT64_MAX,
                                     UINT64_C(1) << 63,
                                     (UINT64_C(1) << 63) + 1,
                                     UINT64_MAX - 1,
                                     UINT64_MAX };
enum { EXTREMES = sizeof(extremes) / sizeof(extremes[0]) };

TEST(slots_of_all_sizes_are_told_apart_and_ordered)
{
    STORE *store = backend_open_fresh();
    CHECK(store != NULL);
    for (size_t i = 0; i < EXTREMES; i++) {
        CHECK(decide_block(store, 1, extremes[i], 1) == VERDICT_NEW);
    }
    CHECK(decide_block(store, 2, UINT64_C(1) << 63, 1) == VERDICT_NEW);
    store = backend_reopen(store);
    CHECK(store != NULL);
    for (size_t i = 0; i < EXTREMES; i++) {
        CHECK(decide_block(store, 1, extremes[i], 1) == VERDICT_REPEAT);
        CHECK(decide_block(store, 1, extremes[i], 2) == VERDICT_DOUBLE_BLOCK);
        bool above = extremes[i] > UINT64_C(1) << 63;
        bool same = extremes[i] == UINT64_C(1) << 63;
        CHECK(decide_block(store, 2, extremes[i], 1) == (above ? VERDICT_NEW
                                                         : same
                                                             ? VERDICT_REPEAT
                                                             : VERDICT_SLOT_NOT_ABOVE_WATERMARK));
    }
    HISTORY history = { .block_count = 0 };
    struct pubkey pubkey = key_of(1);
    CHECK_OK(store->ops->load_history(store, &pubkey, &history));
    CHECK(history.block_count == EXTREMES);
    for (size_t i = 0; i < EXTREMES; i++) {
        CHECK(history.blocks[i].slot.value == extremes[i]);
    }
}

TEST(epochs_of_all_sizes_are_told_apart_and_ordered)
{
    STORE *store = backend_open_fresh();
    CHECK(store != NULL);
    for (size_t i = 0; i < EXTREMES; i++) {
        CHECK(decide_vote(store, 1, extremes[i == 0 ? 0 : i - 1], extremes[i], 1) == VERDICT_NEW);
    }
    store = backend_reopen(store);
    CHECK(store != NULL);
    for (size_t i = 1; i < EXTREMES; i++) {
        uint64_t source = extremes[i - 1];
        CHECK(decide_vote(store, 1, source, extremes[i], 1) == VERDICT_REPEAT);
        CHECK(decide_vote(store, 1, source, extremes[i], 2) == VERDICT_DOUBLE_VOTE);
    }
    CHECK(decide_vote(store, 2, 0, UINT64_MAX, 1) == VERDICT_NEW);
    CHECK(decide_vote(store, 2, 1, INT64_MAX, 1) == VERDICT_SURROUNDED);
    CHECK(decide_vote(store, 3, UINT64_C(1) << 63, UINT64_C(1) << 63, 1) == VERDICT_NEW);
    CHECK(decide_vote(store, 3, INT64_MAX, UINT64_MAX, 1) == VERDICT_SURROUNDS);
    CHECK(decide_vote(store, 3, INT64_MAX, INT64_MAX, 1) == VERDICT_SOURCE_BELOW_WATERMARK);
    CHECK(decide_vote(store, 4, UINT64_MAX, UINT64_MAX, 1) == VERDICT_NEW);
    CHECK(decide_vote(store, 4, UINT64_MAX, UINT64_MAX, 1) == VERDICT_REPEAT);
    CHECK(decide_vote(store, 4, UINT64_MAX, UINT64_MAX, 2) == VERDICT_DOUBLE_VOTE);
    CHECK(decide_vote(store, 5, 0, 0, 1) == VERDICT_NEW);
    CHECK(decide_vote(store, 5, 0, 0, 2) == VERDICT_DOUBLE_VOTE);
    CHECK(decide_vote(store, 5, 0, 1, 1) == VERDICT_NEW);
}

TEST(opening_again_loses_nothing)
{
    STORE *store = backend_open_fresh();
    CHECK(store != NULL);
    for (uint32_t round = 0; round < 5; round++) {
        for (uint32_t key = 1; key <= 20; key++) {
            uint64_t epoch = 10 + 3 * round + key;
            CHECK(decide_vote(store, key, epoch, epoch + 1, key) == VERDICT_NEW);
            CHECK(decide_block(store, key, 32 * epoch, key) == VERDICT_NEW);
        }
        store = backend_reopen(store);
        CHECK(store != NULL);
    }
    for (uint32_t round = 0; round < 5; round++) {
        for (uint32_t key = 1; key <= 20; key++) {
            uint64_t epoch = 10 + 3 * round + key;
            CHECK(decide_vote(store, key, epoch, epoch + 1, key) == VERDICT_REPEAT);
            CHECK(decide_vote(store, key, epoch, epoch + 1, 99) == VERDICT_DOUBLE_VOTE);
            CHECK(decide_block(store, key, 32 * epoch, key) == VERDICT_REPEAT);
            CHECK(decide_block(store, key, 32 * epoch, 99) == VERDICT_DOUBLE_BLOCK);
        }
    }
    CHECK(marks_of(store, 7).source.value == 17 && marks_of(store, 7).block_slot.value == 32 * 17);
}

TEST(batches_of_every_size_up_to_the_largest_are_taken)
{
    STORE *store = backend_open_fresh();
    CHECK(store != NULL);
    static struct slashing_check items[STORE_BATCH_MAX];
    struct slashing_check *checks[STORE_BATCH_MAX];
    static const size_t sizes[] = { 0, 1, 2, 511, STORE_BATCH_MAX };
    for (size_t round = 0; round < sizeof(sizes) / sizeof(sizes[0]); round++) {
        for (size_t i = 0; i < sizes[round]; i++) {
            items[i] = check_vote((uint32_t)i, round, round + 1, i + 1);
            checks[i] = &items[i];
        }
        store->ops->decide(store, checks, sizes[round]);
        for (size_t i = 0; i < sizes[round]; i++) {
            CHECK(items[i].verdict == VERDICT_NEW);
        }
        store->ops->decide(store, checks, sizes[round]);
        for (size_t i = 0; i < sizes[round]; i++) {
            CHECK(items[i].verdict == VERDICT_REPEAT);
        }
    }
}

TEST(a_record_without_a_root_never_repeats)
{
    STORE *store = backend_open_fresh();
    CHECK(store != NULL);
    HISTORY added = { .pubkey = key_of(1) };
    struct signed_block block = block_of(10, 0);
    struct signed_attestation vote = vote_of(3, 5, 0);
    CHECK_OK(history_add_block(&added, &block));
    CHECK_OK(history_add_attestation(&added, &vote));
    CHECK_OK(import_one(store, &added, CONFLICT_REFUSE, NULL));
    CHECK(decide_block(store, 1, 10, 1) == VERDICT_DOUBLE_BLOCK);
    CHECK(decide_vote(store, 1, 3, 5, 1) == VERDICT_DOUBLE_VOTE);
    CHECK(decide_vote(store, 1, 3, 5, 0) == VERDICT_DOUBLE_VOTE);
    CHECK(decide_vote(store, 1, 3, 6, 0) == VERDICT_NEW);
    CHECK(decide_vote(store, 1, 3, 6, 0) == VERDICT_DOUBLE_VOTE);
}

TEST(a_healthy_store_says_so)
{
    STORE *store = backend_open_fresh();
    CHECK(store != NULL);
    struct detail detail = { "" };
    CHECK(store->ops->name != NULL && store->ops->name[0] != '\0');
    CHECK_OK(store->ops->health(store, &detail));
    CHECK_OK(store->ops->health(store, NULL));
    CHECK(decide_vote(store, 1, 3, 5, 1) == VERDICT_NEW);
    CHECK_OK(store->ops->health(store, NULL));
}

CONFORMANCE_TESTS(T(a_new_message_is_allowed_recorded_and_from_then_on_a_repeat),
                  T(the_first_message_sets_the_watermarks_of_its_kind_and_later_ones_do_not),
                  T(a_batch_is_judged_in_its_order),
                  T(of_two_that_conflict_in_one_batch_the_first_wins_either_way),
                  T(the_record_in_the_way_is_given), T(what_is_refused_leaves_no_trace),
                  T(gaps_between_records_are_signed_in_where_nothing_conflicts),
                  T(validators_do_not_hinder_each_other),
                  T(a_disabled_validator_is_refused_everything_until_it_is_enabled),
                  T(the_ceiling_holds_for_all_validators_and_survives),
                  T(slots_of_all_sizes_are_told_apart_and_ordered),
                  T(epochs_of_all_sizes_are_told_apart_and_ordered), T(opening_again_loses_nothing),
                  T(batches_of_every_size_up_to_the_largest_are_taken),
                  T(a_record_without_a_root_never_repeats), T(a_healthy_store_says_so))
