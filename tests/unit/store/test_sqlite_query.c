#include "store/sqlite_query.h"

#include "base/cleanup.h"
#include "sqlite_test.h"

TEST(numbers_keep_their_order_as_signed_ones)
{
    static const uint64_t numbers[] = {
        0, 1, UINT32_MAX, INT64_MAX, UINT64_C(1) << 63, (UINT64_C(1) << 63) + 1, UINT64_MAX
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        CHECK(sqlite_to_u64(sqlite_from_u64(numbers[i])) == numbers[i]);
        CHECK(i == 0 || sqlite_from_u64(numbers[i - 1]) < sqlite_from_u64(numbers[i]));
    }
    CHECK(sqlite_from_u64(0) == INT64_MIN && sqlite_from_u64(UINT64_MAX) == INT64_MAX);
}

/* The schema says how to read what is stored; the views do it. */
TEST(the_views_show_decimal_numbers)
{
    struct slashing_store *store = fresh_store();
    CHECK(store != NULL);
    CHECK(decide_vote(store, 1, 0, INT64_MAX, 1) == VERDICT_NEW);
    CHECK(decide_vote(store, 1, UINT64_C(1) << 63, UINT64_MAX, 1) == VERDICT_NEW);
    CHECK(decide_block(store, 1, 0, 1) == VERDICT_NEW);
    CHECK(decide_block(store, 1, UINT64_MAX, 1) == VERDICT_NEW);
    CHECK(decide_block(store, 2, 77, 1) == VERDICT_NEW);
    slashing_store_close(store);
    sqlite3 *handle = NULL;
    sqlite3_stmt *statement = NULL;
    CHECK(sqlite3_open_v2(database_path(), &handle, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK);
    CHECK(sqlite3_prepare_v2(handle,
                             "SELECT group_concat(t, ' ') FROM ("
                             "SELECT source || '-' || target AS t FROM readable_attestations "
                             "UNION ALL SELECT slot FROM readable_blocks "
                             "UNION ALL SELECT coalesce(block_slot, '?') || ',' || "
                             "coalesce(source, '?') || ',' || coalesce(target, '?') || ',' || "
                             "substr(pubkey, 1, 8) FROM readable_validators)",
                             -1, &statement, NULL) == SQLITE_OK);
    CHECK(sqlite3_step(statement) == SQLITE_ROW);
    CHECK_TEXT((const char *)sqlite3_column_text(statement, 0),
               "0-9223372036854775807 9223372036854775808-18446744073709551615 "
               "0 18446744073709551615 77 "
               "0,0,9223372036854775807,00000001 77,?,?,00000002");
    sqlite3_finalize(statement);
    sqlite3_close(handle);
}

TEST(what_is_given_is_what_comes_back)
{
    STORE *base = fresh_store();
    CHECK(base != NULL);
    struct sqlite_queries *queries = &sqlite_store_of(base)->queries;
    struct root root = root_of(5);
    struct root got = { { 0 } };
    bool present = false;
    bool row = false;
    for (int with_root = 0; with_root < 2; with_root++) {
        SQLITE_USE use = sqlite_use(queries, QUERY_ADD_BLOCK);
        sqlite_give_integer(&use, 1);
        sqlite_give_u64(&use, UINT64_MAX - (uint64_t)with_root);
        sqlite_give_root(&use, with_root == 1, &root);
        CHECK_OK(sqlite_run(&use));
    }
    SQLITE_USE use = sqlite_use(queries, QUERY_ALL_BLOCKS);
    CHECK_OK(sqlite_step(&use, &row));
    CHECK(row && sqlite_u64(&use, 1) == UINT64_MAX - 1);
    CHECK_OK(sqlite_maybe_root(&use, 2, &got, &present));
    CHECK(present && root_equal(&got, &root));
    CHECK_OK(sqlite_step(&use, &row));
    CHECK(row && sqlite_maybe_u64(&use, 1, &present) == UINT64_MAX && present);
    CHECK_OK(sqlite_maybe_root(&use, 2, &got, &present));
    CHECK(!present);
    CHECK(sqlite_maybe_u64(&use, 2, &present) == 0 && !present);
    CHECK_OK(sqlite_step(&use, &row));
    CHECK(!row);
}

TEST(bytes_of_another_length_are_damage)
{
    STORE *base = fresh_store();
    CHECK(base != NULL);
    CHECK(run_inside(base, "INSERT INTO blocks VALUES (1, 1, x'00')"));
    struct sqlite_queries *queries = &sqlite_store_of(base)->queries;
    SQLITE_USE use = sqlite_use(queries, QUERY_ALL_BLOCKS);
    bool row = false;
    bool present = false;
    struct root root;
    CHECK_OK(sqlite_step(&use, &row));
    CHECK_FAILS(UNAVAILABLE, sqlite_maybe_root(&use, 2, &root, &present));
    CHECK(queries->db->poisoned != NULL);
}

TEST(a_parameter_that_cannot_be_given_fails_the_step)
{
    STORE *base = fresh_store();
    CHECK(base != NULL);
    SQLITE_USE use = sqlite_use(&sqlite_store_of(base)->queries, QUERY_REMOVE_BLOCK);
    sqlite_give_integer(&use, 1);
    sqlite_give_integer(&use, 1);
    sqlite_give_integer(&use, 1); /* there is no third */
    CHECK_FAILS(UNAVAILABLE, sqlite_run(&use));
}

TEST(a_rollback_without_a_transaction_is_fine_and_one_with_takes_back)
{
    STORE *base = fresh_store();
    CHECK(base != NULL);
    struct sqlite_store *store = sqlite_store_of(base);
    sqlite_rollback(&store->queries);
    CHECK_OK(sqlite_begin(&store->queries));
    CHECK(run_inside(base, "INSERT INTO blocks VALUES (1, 1, NULL)"));
    CHECK_FAILS(UNAVAILABLE, sqlite_begin(&store->queries)); /* not within another */
    sqlite_rollback(&store->queries);
    CHECK(sqlite3_get_autocommit(store->db.handle) != 0);
    SQLITE_USE use = sqlite_use(&store->queries, QUERY_ALL_BLOCKS);
    bool row = true;
    CHECK_OK(sqlite_step(&use, &row));
    CHECK(!row);
}

/* A constraint that is looked at only in the end fails the COMMIT and leaves the transaction open.
 */
TEST(a_commit_that_fails_has_rolled_back)
{
    STORE *base = fresh_store();
    CHECK(base != NULL);
    struct sqlite_store *store = sqlite_store_of(base);
    CHECK(run_inside(base, "PRAGMA foreign_keys = ON;"
                           "CREATE TEMP TABLE a (x PRIMARY KEY);"
                           "CREATE TEMP TABLE b (y REFERENCES a DEFERRABLE INITIALLY DEFERRED);"));
    CHECK_OK(sqlite_begin(&store->queries));
    CHECK(run_inside(base, "INSERT INTO b VALUES (1)"));
    CHECK_FAILS(UNAVAILABLE, sqlite_commit(&store->queries));
    CHECK(sqlite3_get_autocommit(store->db.handle) != 0);
}

HARNESS_TESTS(T(numbers_keep_their_order_as_signed_ones), T(the_views_show_decimal_numbers),
              T(what_is_given_is_what_comes_back), T(bytes_of_another_length_are_damage),
              T(a_parameter_that_cannot_be_given_fails_the_step),
              T(a_commit_that_fails_has_rolled_back),
              T(a_rollback_without_a_transaction_is_fine_and_one_with_takes_back))
