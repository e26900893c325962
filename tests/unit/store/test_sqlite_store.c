#include "store/sqlite_store.h"

#include "sqlite_test.h"

/* A row behind the store's back: the readers under test do not look at the memory. */
static bool put(struct slashing_store *store, uint32_t id, uint64_t target)
{
    char sql[160];
    snprintf(sql, sizeof(sql), "INSERT INTO attestations VALUES (%lld, %u, %lld, NULL)",
             (long long)sqlite_from_u64(target), id, (long long)sqlite_from_u64(target));
    return run_inside(store, sql);
}

static bool reads(struct slashing_store *base, uint32_t id, uint64_t first, uint64_t last,
                  const uint64_t *wanted, size_t count)
{
    HISTORY read = { .block_count = 0 };
    if (!is_ok(sqlite_store_read_attestations(sqlite_store_of(base), id, (struct epoch){ first },
                                              (struct epoch){ last }, &read)) ||
        read.attestation_count != count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (read.attestations[i].target.value != wanted[i]) {
            return false;
        }
    }
    return true;
}

TEST(one_validators_attestations_are_read_within_both_bounds)
{
    STORE *store = fresh_store();
    CHECK(store != NULL);
    static const uint64_t wanted[] = { 0, 3, 4, 9, UINT64_MAX };
    for (size_t i = 0; i < 5; i++) {
        CHECK(put(store, 5, wanted[i]));
    }
    CHECK(put(store, 4, 3) && put(store, 6, 3) && put(store, 4, 5) && put(store, 6, 6));
    CHECK(put(store, 1, 7) && put(store, 2, 7) && put(store, 9, 8) && put(store, 9, UINT64_MAX));
    CHECK(reads(store, 5, 0, UINT64_MAX, wanted, 5));
    CHECK(reads(store, 5, 1, UINT64_MAX - 1, wanted + 1, 3));
    CHECK(reads(store, 5, 3, 4, wanted + 1, 2));
    CHECK(reads(store, 5, 4, 3, NULL, 0));
    CHECK(reads(store, 5, 5, 8, NULL, 0));
    CHECK(reads(store, 5, UINT64_MAX, UINT64_MAX, wanted + 4, 1));
    CHECK(reads(store, 7, 0, UINT64_MAX, NULL, 0));
    CHECK(reads(store, 1, 0, UINT64_MAX, (const uint64_t[]){ 7 }, 1));
}

TEST(reading_agrees_with_looking_at_every_row)
{
    enum { IDS = 6, TARGETS = 12 };
    struct dice dice = { 12 };
    for (int round = 0; round < 20; round++) {
        STORE *store = fresh_store();
        CHECK(store != NULL);
        bool there[IDS + 1][TARGETS] = { { false } };
        CHECK(run_inside(store, "BEGIN"));
        for (int i = 0; i < 25; i++) {
            uint64_t id = 1 + dice_roll(&dice, IDS);
            uint64_t target = dice_roll(&dice, TARGETS);
            CHECK(there[id][target] || put(store, (uint32_t)id, target));
            there[id][target] = true;
        }
        CHECK(run_inside(store, "COMMIT"));
        for (uint32_t id = 1; id <= IDS; id++) {
            for (uint64_t first = 0; first < TARGETS; first++) {
                for (uint64_t last = first; last < TARGETS; last++) {
                    uint64_t wanted[TARGETS];
                    size_t count = 0;
                    for (uint64_t target = first; target <= last; target++) {
                        if (there[id][target]) {
                            wanted[count++] = target;
                        }
                    }
                    CHECK(reads(store, id, first, last, wanted, count));
                }
            }
        }
    }
}

TEST(blocks_are_read_up_to_a_slot_and_a_number)
{
    STORE *base = fresh_store();
    CHECK(base != NULL);
    struct sqlite_store *store = sqlite_store_of(base);
    for (uint64_t slot = 1; slot <= 5; slot++) {
        CHECK(decide_block(base, 1, slot * 10, slot) == VERDICT_NEW);
        CHECK(decide_block(base, 2, slot * 10, slot) == VERDICT_NEW);
    }
    static const struct {
        uint64_t last;
        size_t rows_max;
        size_t count;
    } cases[] = { { UINT64_MAX, SIZE_MAX, 5 },
                  { 50, 9, 5 },
                  { 49, 9, 4 },
                  { 9, 9, 0 },
                  { 50, 2, 2 },
                  { 50, 0, 0 } };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        HISTORY read = { .block_count = 0 };
        CHECK_OK(sqlite_store_read_blocks(store, 2, (struct slot){ cases[i].last },
                                          cases[i].rows_max, &read));
        CHECK(read.block_count == cases[i].count);
        CHECK(read.block_count == 0 || read.blocks[0].slot.value == 10);
    }
    struct signed_block block;
    bool found = false;
    CHECK_OK(sqlite_store_find_block(store, 1, (struct slot){ 30 }, &block, &found));
    CHECK(found && block.has_root && block.slot.value == 30);
    CHECK_OK(sqlite_store_find_block(store, 1, (struct slot){ 31 }, &block, &found));
    CHECK(!found);
    CHECK_OK(sqlite_store_find_block(store, 3, (struct slot){ 30 }, &block, &found));
    CHECK(!found);
}

TEST(file_and_memory_are_taken_back_together)
{
    struct slashing_store *base = fresh_store();
    CHECK(base != NULL);
    struct sqlite_store *store = sqlite_store_of(base);
    CHECK(decide_vote(base, 1, 1, 2, 1) == VERDICT_NEW);
    struct sqlite_whole before = store->whole;
    struct validator *validator = NULL;
    struct pubkey pubkey = key_of(2);
    struct signed_block block = block_of(3, 1);
    CHECK_OK(sqlite_store_begin(store));
    CHECK_OK(sqlite_store_change_validator(store, &pubkey, &validator));
    watermarks_cover_block(&validator->marks, block.slot);
    CHECK_OK(sqlite_store_add_block(store, sqlite_store_id(store, validator), &block));
    store->whole.ceiling.has_slot = true;
    sqlite_store_rollback(store);
    CHECK(!store->in_transaction && validator_table_find(&store->table, &pubkey) == NULL);
    CHECK(tally_equal(&store->whole.tally, &before.tally) && !store->whole.ceiling.has_slot);
    slashing_store_close(base);
    CHECK_OK(open_database(&base, NULL)); /* which compares the tally */
    CHECK(decide_block(base, 2, 3, 2) == VERDICT_NEW);
    slashing_store_close(base);
}

TEST(a_commit_that_fails_has_taken_back)
{
    struct slashing_store *base = fresh_store();
    CHECK(base != NULL);
    struct sqlite_store *store = sqlite_store_of(base);
    struct validator *validator = NULL;
    struct tally before = store->whole.tally;
    CHECK(fill_disk(base));
    CHECK_OK(sqlite_store_begin(store));
    for (uint32_t key = 1; key < 200; key++) {
        struct pubkey pubkey = key_of(key);
        CHECK_OK(sqlite_store_change_validator(store, &pubkey, &validator));
    }
    CHECK_FAILS(UNAVAILABLE, sqlite_store_commit(store));
    CHECK(store->table.count == 0 && tally_equal(&store->whole.tally, &before));
    CHECK(!store->in_transaction && store->db.poisoned == NULL);
    CHECK(free_disk(base));
    CHECK(decide_vote(base, 1, 1, 2, 1) == VERDICT_NEW);
    slashing_store_close(base);
    CHECK_OK(open_database(&base, NULL));
    slashing_store_close(base);
}

TEST(removing_a_record_takes_it_out_of_the_tally)
{
    struct slashing_store *base = fresh_store();
    CHECK(base != NULL);
    struct sqlite_store *store = sqlite_store_of(base);
    CHECK(decide_vote(base, 1, 1, 2, 1) == VERDICT_NEW);
    CHECK(decide_block(base, 1, 7, 1) == VERDICT_NEW);
    struct tally before = store->whole.tally;
    struct signed_block block = block_of(8, 2);
    struct signed_attestation vote = vote_of(3, 4, 2);
    CHECK_OK(sqlite_store_begin(store));
    CHECK_OK(sqlite_store_add_block(store, 1, &block));
    CHECK_OK(sqlite_store_add_attestation(store, 1, &vote));
    CHECK(store->whole.tally.rows == before.rows + 2);
    CHECK_OK(sqlite_store_remove_block(store, 1, &block));
    CHECK_OK(sqlite_store_remove_attestation(store, 1, &vote));
    CHECK(tally_equal(&store->whole.tally, &before));
    CHECK_OK(sqlite_store_commit(store));
    slashing_store_close(base);
    CHECK_OK(open_database(&base, NULL));
    CHECK(decide_vote(base, 1, 3, 4, 9) == VERDICT_NEW);
    slashing_store_close(base);
}

HARNESS_TESTS(T(one_validators_attestations_are_read_within_both_bounds),
              T(reading_agrees_with_looking_at_every_row),
              T(blocks_are_read_up_to_a_slot_and_a_number),
              T(file_and_memory_are_taken_back_together), T(a_commit_that_fails_has_taken_back),
              T(removing_a_record_takes_it_out_of_the_tally))
