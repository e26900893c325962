#include "store/conformance.h"

static struct result add(struct history *history, uint64_t slot, uint64_t source, uint64_t target,
                         uint64_t root)
{
    struct signed_block block = block_of(slot, root);
    struct signed_attestation vote = vote_of(source, target, root);
    TRY(history_add_block(history, &block));
    return history_add_attestation(history, &vote);
}

TEST(an_import_is_merged_as_history_merge_merges)
{
    STORE *store = backend_open_fresh();
    CHECK(store != NULL);
    struct dice dice = { 99 };
    for (uint32_t key = 1; key <= 40; key++) {
        HISTORY model = { .pubkey = key_of(key) };
        for (int import = 0; import < 4; import++) {
            HISTORY added = { .pubkey = key_of(key) };
            for (uint64_t left = dice_roll(&dice, 5); left > 0; left--) {
                uint64_t source = dice_roll(&dice, 8);
                CHECK_OK(add(&added, dice_roll(&dice, 9), source, source + dice_roll(&dice, 4),
                             dice_roll(&dice, 3)));
            }
            enum conflict_policy policy =
                dice_roll(&dice, 2) == 0 ? CONFLICT_REFUSE : CONFLICT_RAISE;
            struct result wanted = history_merge(&model, &added, policy, NULL);
            struct result got = import_one(store, &added, policy, NULL);
            CHECK(got.status == wanted.status);
            HISTORY stored = { .block_count = 0 };
            struct result loaded = store->ops->load_history(store, &model.pubkey, &stored);
            CHECK(is_ok(loaded) || (loaded.status == STATUS_NOT_FOUND && import == 0));
            CHECK(!is_ok(loaded) || history_equal(&stored, &model));
        }
    }
}

TEST(an_import_is_judged_by_and_survives)
{
    STORE *store = backend_open_fresh();
    CHECK(store != NULL);
    HISTORY added = { .pubkey = key_of(1) };
    CHECK_OK(add(&added, 10, 2, 5, 1));
    CHECK_OK(add(&added, 20, 4, 7, 2));
    CHECK_OK(import_one(store, &added, CONFLICT_REFUSE, NULL));
    for (int times = 0; times < 2; times++) {
        CHECK(decide_block(store, 1, 10, 1) == VERDICT_REPEAT);
        CHECK(decide_block(store, 1, 10, 2) == VERDICT_DOUBLE_BLOCK);
        CHECK(decide_block(store, 1, 9, 1) == VERDICT_SLOT_NOT_ABOVE_WATERMARK);
        CHECK(decide_vote(store, 1, 4, 7, 2) == VERDICT_REPEAT);
        CHECK(decide_vote(store, 1, 3, 8, 1) == VERDICT_SURROUNDS);
        CHECK(decide_vote(store, 1, 1, 4, 1) == VERDICT_SOURCE_BELOW_WATERMARK);
        CHECK(decide_vote(store, 1, 2, 4, 1) == VERDICT_TARGET_NOT_ABOVE_WATERMARK);
        store = backend_reopen(store);
        CHECK(store != NULL);
    }
    CHECK(decide_vote(store, 1, 3, 6, 1) == VERDICT_NEW);
    CHECK(decide_block(store, 1, 15, 1) == VERDICT_NEW);
}

TEST(an_import_that_ends_without_commit_leaves_nothing)
{
    STORE *store = backend_open_fresh();
    CHECK(store != NULL);
    CHECK(decide_vote(store, 1, 1, 2, 1) == VERDICT_NEW);
    HISTORY known = { .pubkey = key_of(1) };
    HISTORY stranger = { .pubkey = key_of(2) };
    HISTORY before = { .block_count = 0 };
    CHECK_OK(add(&known, 10, 5, 9, 1));
    CHECK_OK(add(&stranger, 10, 5, 9, 1));
    CHECK_OK(store->ops->load_history(store, &known.pubkey, &before));
    CHECK_OK(store->ops->import_begin(store));
    CHECK_OK(store->ops->import_history(store, &known, CONFLICT_REFUSE, NULL));
    CHECK_OK(store->ops->import_history(store, &stranger, CONFLICT_REFUSE, NULL));
    CHECK_OK(store->ops->import_end(store, false));
    for (int times = 0; times < 2; times++) {
        HISTORY after = { .block_count = 0 };
        CHECK_OK(store->ops->load_history(store, &known.pubkey, &after));
        CHECK(history_equal(&before, &after));
        CHECK_FAILS(NOT_FOUND, store->ops->load_history(store, &stranger.pubkey, &after));
        store = backend_reopen(store);
        CHECK(store != NULL);
    }
    CHECK(decide_vote(store, 1, 6, 8, 1) == VERDICT_NEW);
    CHECK(decide_vote(store, 2, 0, 1, 1) == VERDICT_NEW);
}

TEST(a_refused_history_leaves_its_validator_unchanged_and_the_import_goes_on)
{
    STORE *store = backend_open_fresh();
    CHECK(store != NULL);
    CHECK(decide_vote(store, 1, 3, 5, 1) == VERDICT_NEW);
    HISTORY bad = { .pubkey = key_of(1) };
    HISTORY good = { .pubkey = key_of(2) };
    HISTORY before = { .block_count = 0 };
    HISTORY after = { .block_count = 0 };
    struct detail detail = { "" };
    CHECK_OK(add(&bad, 10, 6, 7, 1));
    CHECK_OK(add(&bad, 11, 2, 6, 1));
    CHECK_OK(add(&good, 10, 6, 7, 1));
    CHECK_OK(store->ops->load_history(store, &bad.pubkey, &before));
    CHECK_OK(store->ops->import_begin(store));
    CHECK_FAILS(REFUSED, store->ops->import_history(store, &bad, CONFLICT_REFUSE, &detail));
    CHECK(strstr(detail.text, "source 3 to target 5") != NULL);
    CHECK_OK(store->ops->import_history(store, &good, CONFLICT_REFUSE, NULL));
    CHECK_OK(store->ops->import_end(store, true));
    CHECK_OK(store->ops->load_history(store, &bad.pubkey, &after));
    CHECK(history_equal(&before, &after));
    CHECK(decide_vote(store, 2, 6, 7, 1) == VERDICT_REPEAT);
    CHECK_OK(import_one(store, &bad, CONFLICT_RAISE, NULL));
    CHECK(marks_of(store, 1).source.value == 6 || marks_of(store, 1).source.value == 3);
    CHECK(decide_vote(store, 1, 2, 6, 1) != VERDICT_NEW);
}

TEST(a_validator_twice_in_one_import_is_merged)
{
    STORE *store = backend_open_fresh();
    CHECK(store != NULL);
    HISTORY one = { .pubkey = key_of(1) };
    HISTORY two = { .pubkey = key_of(1) };
    HISTORY three = { .pubkey = key_of(1) };
    CHECK_OK(add(&one, 10, 2, 5, 1));
    CHECK_OK(add(&two, 11, 3, 6, 1));
    CHECK_OK(add(&three, 11, 4, 6, 2));
    CHECK_OK(store->ops->import_begin(store));
    CHECK_OK(store->ops->import_history(store, &one, CONFLICT_REFUSE, NULL));
    CHECK_OK(store->ops->import_history(store, &two, CONFLICT_REFUSE, NULL));
    CHECK_FAILS(REFUSED, store->ops->import_history(store, &three, CONFLICT_REFUSE, NULL));
    HISTORY meanwhile = { .block_count = 0 };
    CHECK_OK(store->ops->load_history(store, &one.pubkey, &meanwhile));
    CHECK(meanwhile.block_count == 2 && meanwhile.attestation_count == 2);
    CHECK_OK(store->ops->import_end(store, true));
    CHECK(decide_block(store, 1, 10, 1) == VERDICT_REPEAT);
    CHECK(decide_vote(store, 1, 3, 6, 1) == VERDICT_REPEAT);
}

TEST(what_raising_dropped_or_contested_stays_so_after_opening_again)
{
    STORE *store = backend_open_fresh();
    CHECK(store != NULL);
    CHECK(decide_vote(store, 1, 3, 8, 1) == VERDICT_NEW);
    CHECK(decide_block(store, 1, 10, 1) == VERDICT_NEW);
    HISTORY added = { .pubkey = key_of(1) };
    CHECK_OK(add(&added, 10, 4, 6, 2)); /* the vote is surrounded by, and sorts before, the known */
    CHECK_OK(import_one(store, &added, CONFLICT_RAISE, NULL));
    for (int times = 0; times < 2; times++) {
        CHECK(decide_vote(store, 1, 4, 6, 2) == VERDICT_DOUBLE_VOTE); /* its root is in doubt */
        CHECK(decide_vote(store, 1, 3, 8, 1) == VERDICT_SURROUNDS);
        CHECK(decide_vote(store, 1, 4, 8, 1) == VERDICT_TARGET_NOT_ABOVE_WATERMARK);
        CHECK(decide_block(store, 1, 10, 1) == VERDICT_DOUBLE_BLOCK);
        CHECK(decide_block(store, 1, 10, 2) == VERDICT_DOUBLE_BLOCK);
        store = backend_reopen(store);
        CHECK(store != NULL);
    }
    CHECK(decide_vote(store, 1, 4, 9, 1) == VERDICT_NEW);
}

/* Each case is a way in which a file could have a message signed that is slashable with one of our
 * own: what counts is that a claim from outside is not yet a reason to sign. */
TEST(a_claim_from_outside_is_not_signed_beside_what_raising_dropped)
{
    STORE *store = backend_open_fresh();
    CHECK(store != NULL);
    CHECK(decide_vote(store, 1, 0, 1, 1) == VERDICT_NEW);
    CHECK(decide_vote(store, 1, 1, 10, 1) == VERDICT_NEW);
    HISTORY added = { .pubkey = key_of(1) };
    CHECK_OK(add(&added, 20, 2, 7, 2));  /* surrounded by ours */
    CHECK_OK(add(&added, 21, 3, 10, 2)); /* of the target of ours, and behind the other */
    CHECK_OK(add(&added, 22, 4, 11, 2)); /* in no conflict */
    CHECK_OK(import_one(store, &added, CONFLICT_RAISE, NULL));
    store = backend_reopen(store);
    CHECK(store != NULL);
    CHECK(decide_vote(store, 1, 2, 7, 2) == VERDICT_DOUBLE_VOTE);
    CHECK(decide_vote(store, 1, 3, 10, 2) == VERDICT_DOUBLE_VOTE);
    CHECK(decide_vote(store, 1, 4, 11, 2) == VERDICT_REPEAT);
}

TEST(a_claim_from_outside_is_not_signed_where_a_root_is_unknown)
{
    STORE *store = backend_open_fresh();
    CHECK(store != NULL);
    for (uint32_t key = 1; key <= 2; key++) {
        HISTORY rootless = { .pubkey = key_of(key) };
        HISTORY rooted = { .pubkey = key_of(key) };
        CHECK_OK(add(&rootless, 10, 4, 6, 0));
        CHECK_OK(add(&rooted, 10, 4, 6, 3));
        CHECK_OK(import_one(store, key == 1 ? &rootless : &rooted, CONFLICT_REFUSE, NULL));
        CHECK_OK(import_one(store, key == 1 ? &rooted : &rootless, CONFLICT_REFUSE, NULL));
        CHECK_OK(import_one(store, &rooted, CONFLICT_REFUSE, NULL));
    }
    store = backend_reopen(store);
    CHECK(store != NULL);
    for (uint32_t key = 1; key <= 2; key++) {
        CHECK(decide_vote(store, key, 4, 6, 3) == VERDICT_DOUBLE_VOTE);
        CHECK(decide_block(store, key, 10, 3) == VERDICT_DOUBLE_BLOCK);
    }
}

TEST(a_claim_from_outside_is_not_signed_where_records_were_pruned)
{
    STORE *store = backend_open_fresh();
    CHECK(store != NULL);
    bool more = true;
    CHECK(decide_vote(store, 1, 1, 10, 1) == VERDICT_NEW);
    CHECK(decide_vote(store, 1, 2, 11, 1) == VERDICT_NEW);
    CHECK(decide_block(store, 1, 20, 1) == VERDICT_NEW);
    CHECK(decide_block(store, 1, 21, 1) == VERDICT_NEW);
    CHECK_OK(store->ops->prune(store, (struct epoch){ 11 }, (struct slot){ 21 }, 100, &more));
    HISTORY added = { .pubkey = key_of(1) };
    CHECK_OK(add(&added, 20, 1, 10, 2)); /* another root than ours had */
    CHECK_OK(add(&added, 21, 2, 11, 1)); /* ours, which is still there */
    CHECK_OK(add(&added, 22, 2, 12, 2));
    CHECK_OK(import_one(store, &added, CONFLICT_REFUSE, NULL));
    CHECK(decide_block(store, 1, 20, 2) == VERDICT_DOUBLE_BLOCK);
    CHECK(decide_vote(store, 1, 1, 10, 2) == VERDICT_DOUBLE_VOTE);
    CHECK(decide_block(store, 1, 21, 1) == VERDICT_REPEAT);
    CHECK(decide_vote(store, 1, 2, 11, 1) == VERDICT_REPEAT);
    CHECK(decide_block(store, 1, 22, 2) == VERDICT_REPEAT);
    CHECK(decide_vote(store, 1, 2, 12, 2) == VERDICT_REPEAT);
}

TEST(an_import_enables_new_validators_and_leaves_others_as_they_are)
{
    STORE *store = backend_open_fresh();
    CHECK(store != NULL);
    struct pubkey disabled = key_of(1);
    CHECK_OK(store->ops->set_enabled(store, &disabled, false));
    HISTORY old = { .pubkey = disabled };
    HISTORY new = { .pubkey = key_of(2) };
    CHECK_OK(add(&old, 10, 4, 6, 1));
    CHECK_OK(add(&new, 10, 4, 6, 1));
    CHECK_OK(import_one(store, &old, CONFLICT_REFUSE, NULL));
    CHECK_OK(import_one(store, &new, CONFLICT_REFUSE, NULL));
    CHECK(decide_vote(store, 1, 5, 7, 1) == VERDICT_DISABLED);
    CHECK(decide_vote(store, 2, 5, 7, 1) == VERDICT_NEW);
}

TEST(an_imported_validator_is_known_even_without_records)
{
    STORE *store = backend_open_fresh();
    CHECK(store != NULL);
    HISTORY empty = { .pubkey = key_of(1) };
    HISTORY loaded = { .block_count = 0 };
    CHECK_FAILS(NOT_FOUND, store->ops->load_history(store, &empty.pubkey, &loaded));
    CHECK_OK(import_one(store, &empty, CONFLICT_REFUSE, NULL));
    store = backend_reopen(store);
    CHECK(store != NULL);
    CHECK_OK(store->ops->load_history(store, &empty.pubkey, &loaded));
    CHECK(history_equal(&loaded, &empty));
    CHECK(decide_vote(store, 1, 0, 0, 1) == VERDICT_NEW);
}

struct tour {
    struct slashing_store *store;
    uint32_t next;
    uint32_t stop_at;
};

static struct result visit(const struct pubkey *pubkey, void *context)
{
    struct tour *tour = context;
    struct pubkey wanted = key_of(tour->next++);
    HISTORY history = { .block_count = 0 };
    ENSURE(pubkey_equal(pubkey, &wanted), BAD_INPUT, "not the next key");
    TRY(tour->store->ops->load_history(tour->store, pubkey, &history));
    ENSURE(history.attestation_count == 1, BAD_INPUT, "not what was signed");
    ENSURE(tour->next != tour->stop_at, REFUSED, "far enough");
    return OK;
}

TEST(validators_are_visited_in_order_until_a_visit_fails)
{
    STORE *store = backend_open_fresh();
    CHECK(store != NULL);
    struct tour none = { .store = store, .next = 1 };
    CHECK_OK(store->ops->each_validator(store, visit, &none));
    CHECK(none.next == 1);
    for (uint32_t i = 0; i < 50; i++) {
        uint32_t key = 1 + (i * 17) % 50;
        CHECK(decide_vote(store, key, 3, 4, key) == VERDICT_NEW);
    }
    struct tour all = { .store = store, .next = 1 };
    CHECK_OK(store->ops->each_validator(store, visit, &all));
    CHECK(all.next == 51);
    struct tour part = { .store = store, .next = 1, .stop_at = 21 };
    CHECK_FAILS(REFUSED, store->ops->each_validator(store, visit, &part));
    CHECK(part.next == 21);
}

TEST(one_validators_records_are_found_among_those_of_others)
{
    STORE *store = backend_open_fresh();
    CHECK(store != NULL);
    for (uint64_t epoch = 1; epoch <= 30; epoch++) {
        for (uint32_t key = 1; key <= 9; key++) {
            if ((epoch * 31 + key * 7) % 5 != 0) { /* everybody misses some */
                CHECK(decide_vote(store, key, epoch - 1, epoch, key + epoch) == VERDICT_NEW);
            }
        }
    }
    store = backend_reopen(store);
    CHECK(store != NULL);
    for (uint32_t key = 1; key <= 9; key++) {
        HISTORY history = { .block_count = 0 };
        struct pubkey pubkey = key_of(key);
        CHECK_OK(store->ops->load_history(store, &pubkey, &history));
        size_t at = 0;
        for (uint64_t epoch = 1; epoch <= 30; epoch++) {
            if ((epoch * 31 + key * 7) % 5 != 0) {
                struct signed_attestation wanted = vote_of(epoch - 1, epoch, key + epoch);
                CHECK(at < history.attestation_count);
                CHECK(vote_equal(&history.attestations[at++], &wanted));
            }
        }
        CHECK(at == history.attestation_count);
    }
}

CONFORMANCE_TESTS(T(an_import_is_merged_as_history_merge_merges),
                  T(an_import_is_judged_by_and_survives),
                  T(an_import_that_ends_without_commit_leaves_nothing),
                  T(a_refused_history_leaves_its_validator_unchanged_and_the_import_goes_on),
                  T(a_validator_twice_in_one_import_is_merged),
                  T(what_raising_dropped_or_contested_stays_so_after_opening_again),
                  T(a_claim_from_outside_is_not_signed_beside_what_raising_dropped),
                  T(a_claim_from_outside_is_not_signed_where_a_root_is_unknown),
                  T(a_claim_from_outside_is_not_signed_where_records_were_pruned),
                  T(an_import_enables_new_validators_and_leaves_others_as_they_are),
                  T(an_imported_validator_is_known_even_without_records),
                  T(validators_are_visited_in_order_until_a_visit_fails),
                  T(one_validators_records_are_found_among_those_of_others))
