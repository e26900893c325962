#include "store/sqlite_import.h"

#include "sqlite_test.h"

static bool fill(struct history *history, uint32_t key, uint64_t count)
{
    bool filled = true;
    history->pubkey = key_of(key);
    for (uint64_t i = 1; i <= count; i++) {
        struct signed_attestation vote = vote_of(i - 1, i, i);
        filled = filled && is_ok(history_add_attestation(history, &vote));
    }
    return filled;
}

TEST(an_import_that_the_disk_ends_can_only_be_taken_back)
{
    for (int commit = 0; commit < 2; commit++) {
        struct slashing_store *store = fresh_store();
        CHECK(store != NULL);
        CHECK(decide_vote(store, 1, 1, 2, 1) == VERDICT_NEW);
        HISTORY small = { .block_count = 0 };
        HISTORY large = { .block_count = 0 };
        CHECK(fill(&small, 2, 3) && fill(&large, 3, 5000));
        CHECK_OK(store->ops->import_begin(store));
        CHECK_OK(store->ops->import_history(store, &small, CONFLICT_REFUSE, NULL));
        CHECK(fill_disk(store));
        CHECK_FAILS(UNAVAILABLE, store->ops->import_history(store, &large, CONFLICT_REFUSE, NULL));
        CHECK(free_disk(store));
        CHECK_FAILS(UNAVAILABLE, store->ops->import_history(store, &small, CONFLICT_REFUSE, NULL));
        struct result ended = store->ops->import_end(store, commit == 1);
        CHECK(is_ok(ended) == (commit == 0));
        CHECK(decide_vote(store, 2, 0, 1, 9) == VERDICT_NEW);
        CHECK(decide_vote(store, 1, 1, 2, 1) == VERDICT_REPEAT);
        slashing_store_close(store);
        CHECK_OK(open_database(&store, NULL));
        CHECK(decide_vote(store, 2, 2, 3, 3) == VERDICT_NEW);
        CHECK(decide_vote(store, 3, 4999, 5000, 1) == VERDICT_NEW);
        slashing_store_close(store);
    }
}

TEST(an_import_that_was_never_ended_is_taken_back_by_closing)
{
    struct slashing_store *store = fresh_store();
    CHECK(store != NULL);
    HISTORY added = { .block_count = 0 };
    CHECK(fill(&added, 2, 30));
    CHECK_OK(store->ops->import_begin(store));
    CHECK_OK(store->ops->import_history(store, &added, CONFLICT_REFUSE, NULL));
    slashing_store_close(store);
    CHECK(!exists(wal_path()));
    CHECK_OK(open_database(&store, NULL));
    CHECK_FAILS(NOT_FOUND, store->ops->load_history(store, &added.pubkey, &added));
    slashing_store_close(store);
}

TEST(nothing_else_changes_the_store_meanwhile)
{
    STORE *store = fresh_store();
    CHECK(store != NULL);
    struct pubkey pubkey = key_of(1);
    struct ceiling ceiling = { .has_slot = true };
    bool more = false;
    CHECK_OK(store->ops->import_begin(store));
    CHECK_FAILS(UNAVAILABLE, store->ops->import_begin(store));
    CHECK_FAILS(UNAVAILABLE, store->ops->set_enabled(store, &pubkey, false));
    CHECK_FAILS(UNAVAILABLE, store->ops->save_ceiling(store, &ceiling));
    CHECK_FAILS(UNAVAILABLE,
                store->ops->prune(store, (struct epoch){ 9 }, (struct slot){ 9 }, 9, &more));
    CHECK_FAILS(UNAVAILABLE, sqlite_store_check(store, NULL));
    CHECK_OK(store->ops->import_end(store, false));
    CHECK_OK(store->ops->set_enabled(store, &pubkey, true));
}

TEST(importing_the_same_again_writes_nothing)
{
    STORE *store = fresh_store();
    CHECK(store != NULL);
    HISTORY added = { .block_count = 0 };
    CHECK(fill(&added, 2, 300));
    for (int times = 0; times < 2; times++) {
        int before = sqlite3_total_changes(sqlite_store_of(store)->db.handle);
        CHECK_OK(store->ops->import_begin(store));
        CHECK_OK(store->ops->import_history(store, &added, CONFLICT_REFUSE, NULL));
        CHECK_OK(store->ops->import_end(store, true));
        int changes = sqlite3_total_changes(sqlite_store_of(store)->db.handle) - before;
        CHECK(changes == (times == 0 ? 302 : 1)); /* the row about the whole is always written */
    }
}

TEST(an_import_goes_on_after_a_validator_too_many)
{
    STORE *store = fresh_store();
    CHECK(store != NULL);
    struct validator_table *table = &sqlite_store_of(store)->table;
    HISTORY one = { .block_count = 0 };
    HISTORY two = { .block_count = 0 };
    CHECK(fill(&one, 1, 3) && fill(&two, 2, 3));
    CHECK_OK(store->ops->import_begin(store));
    CHECK_OK(store->ops->import_history(store, &one, CONFLICT_REFUSE, NULL));
    size_t count = table->count;
    table->count = VALIDATOR_TABLE_MAX;
    CHECK_FAILS(LIMIT, store->ops->import_history(store, &two, CONFLICT_REFUSE, NULL));
    table->count = count;
    CHECK_OK(store->ops->import_history(store, &two, CONFLICT_REFUSE, NULL));
    CHECK_OK(store->ops->import_end(store, true));
    CHECK(decide_vote(store, 2, 2, 3, 3) == VERDICT_REPEAT);
}

TEST(reading_needs_a_known_validator)
{
    STORE *store = fresh_store();
    CHECK(store != NULL);
    struct pubkey pubkey = key_of(1);
    HISTORY history = { .block_count = 0 };
    CHECK_FAILS(NOT_FOUND, sqlite_read_history(store, &pubkey, &history));
    CHECK(decide_vote(store, 1, 1, 2, 1) == VERDICT_NEW);
    CHECK(decide_block(store, 1, 5, 1) == VERDICT_NEW);
    CHECK_OK(sqlite_read_history(store, &pubkey, &history));
    CHECK(history.block_count == 1 && history.attestation_count == 1);
    CHECK(history.marks.has_block && history.marks.has_attestation);
}

HARNESS_TESTS(T(an_import_that_the_disk_ends_can_only_be_taken_back),
              T(an_import_that_was_never_ended_is_taken_back_by_closing),
              T(nothing_else_changes_the_store_meanwhile),
              T(importing_the_same_again_writes_nothing),
              T(an_import_goes_on_after_a_validator_too_many), T(reading_needs_a_known_validator))
