#include "store/sqlite_prune.h"

#include "sqlite_test.h"

static bool fill(struct slashing_store *store, uint32_t keys, uint64_t count)
{
    static struct slashing_check items[STORE_BATCH_MAX];
    struct slashing_check *checks[STORE_BATCH_MAX];
    bool filled = true;
    for (uint64_t at = 1; at <= count; at++) {
        for (uint32_t key = 0; key < keys; key++) {
            items[key] = check_vote(key, at - 1, at, at);
            checks[key] = &items[key];
        }
        store->ops->decide(store, checks, keys);
        for (uint32_t key = 0; key < keys; key++) {
            filled = filled && items[key].verdict == VERDICT_NEW;
        }
    }
    return filled;
}

/* The marks and the rows they stand for go together, whatever happens in between. */
TEST(a_pruning_that_fails_changes_nothing)
{
    struct slashing_store *store = fresh_store();
    CHECK(store != NULL);
    CHECK(fill(store, 50, 20));
    struct tally before = sqlite_store_of(store)->whole.tally;
    struct watermarks marks = sqlite_store_of(store)->table.items[7].marks;
    bool more = false;
    CHECK(run_inside(store, "CREATE TEMP TRIGGER no BEFORE UPDATE ON main.validators "
                            "BEGIN SELECT RAISE(ABORT, 'no'); END"));
    int on = 0;
    sqlite3_db_config(sqlite_store_of(store)->db.handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 1, &on);
    CHECK(on == 1);
    CHECK_FAILS(UNAVAILABLE,
                store->ops->prune(store, (struct epoch){ 10 }, (struct slot){ 0 }, 100000, &more));
    CHECK(tally_equal(&sqlite_store_of(store)->whole.tally, &before));
    CHECK(marks_equal(&sqlite_store_of(store)->table.items[7].marks, &marks));
    abandon(store);
    CHECK_OK(open_database(&store, NULL));
    CHECK(tally_equal(&sqlite_store_of(store)->whole.tally, &before));
    CHECK(decide_vote(store, 7, 0, 1, 1) == VERDICT_REPEAT);
    slashing_store_close(store);
}

TEST(rows_and_tally_agree_after_every_call)
{
    struct slashing_store *store = fresh_store();
    CHECK(store != NULL);
    CHECK(fill(store, 50, 20));
    uint64_t rows = sqlite_store_of(store)->whole.tally.rows;
    bool more = true;
    for (int calls = 0; more; calls++) {
        CHECK(calls < 12);
        CHECK_OK(store->ops->prune(store, (struct epoch){ 11 }, (struct slot){ 0 }, 49, &more));
        uint64_t left = sqlite_store_of(store)->whole.tally.rows;
        CHECK(rows - left == 49 || (!more && rows - left == 500 - 49 * 10));
        rows = left;
        slashing_store_close(store);
        CHECK_OK(open_database(&store, NULL)); /* counts and compares */
    }
    for (uint32_t key = 0; key < 50; key++) {
        CHECK(decide_vote(store, key, 9, 10, 10) == VERDICT_TARGET_NOT_ABOVE_WATERMARK);
        CHECK(decide_vote(store, key, 10, 11, 11) == VERDICT_REPEAT);
    }
    slashing_store_close(store);
}

TEST(a_damaged_row_ends_the_pruning)
{
    STORE *store = fresh_store();
    CHECK(store != NULL);
    CHECK(fill(store, 2, 2));
    CHECK(run_inside(store, "UPDATE attestations SET root = x'00' WHERE validator = 2"));
    bool more = false;
    CHECK_FAILS(UNAVAILABLE,
                store->ops->prune(store, (struct epoch){ 9 }, (struct slot){ 9 }, 9, &more));
    CHECK(decide_vote(store, 1, 5, 6, 1) == VERDICT_STORE_FAILED);
}

TEST(a_row_of_a_validator_that_does_not_exist_ends_the_pruning)
{
    STORE *store = fresh_store();
    CHECK(store != NULL);
    CHECK(fill(store, 2, 2));
    CHECK(run_inside(store, "UPDATE attestations SET validator = 3 WHERE validator = 2"));
    bool more = false;
    CHECK_FAILS(UNAVAILABLE,
                store->ops->prune(store, (struct epoch){ 9 }, (struct slot){ 9 }, 9, &more));
}

HARNESS_TESTS(T(a_pruning_that_fails_changes_nothing), T(rows_and_tally_agree_after_every_call),
              T(a_damaged_row_ends_the_pruning),
              T(a_row_of_a_validator_that_does_not_exist_ends_the_pruning))
