#include "store/sqlite_decide.h"

#include "sqlite_test.h"

#include <stdlib.h>

/* As many new validators in one batch as make the file grow. */
enum { MANY = 400 };

static void decide_many(struct slashing_store *store, struct slashing_check *items, uint64_t target)
{
    struct slashing_check *checks[MANY];
    for (uint32_t i = 0; i < MANY; i++) {
        items[i] = check_vote(i, 1, target, i + 1);
        checks[i] = &items[i];
    }
    items[1] = check_vote(0, 1, target, 99); /* contradicts the first of the batch */
    items[2] = check_vote(0, 1, target, 1);  /* repeats it */
    items[3] = check_vote(3, 9, 8, 1);       /* refused whatever happens */
    store->ops->decide(store, checks, MANY);
}

TEST(when_the_disk_is_full_nothing_of_the_batch_is_remembered)
{
    STORE *store = fresh_store();
    CHECK(store != NULL);
    static struct slashing_check items[MANY];
    CHECK(fill_disk(store));
    decide_many(store, items, 5);
    for (size_t i = 0; i < MANY; i++) {
        bool refused = items[i].verdict == VERDICT_DOUBLE_VOTE ||
                       items[i].verdict == VERDICT_SOURCE_AFTER_TARGET;
        CHECK(items[i].verdict == VERDICT_STORE_FAILED || (refused && (i == 1 || i == 3)));
    }
    CHECK(items[0].verdict == VERDICT_STORE_FAILED && items[2].verdict == VERDICT_STORE_FAILED);
    CHECK(free_disk(store));
    decide_many(store, items, 4); /* would be refused if 5 were remembered anywhere */
    for (size_t i = 0; i < MANY; i++) {
        enum verdict wanted = i == 1   ? VERDICT_DOUBLE_VOTE
                              : i == 2 ? VERDICT_REPEAT
                              : i == 3 ? VERDICT_SOURCE_AFTER_TARGET
                                       : VERDICT_NEW;
        CHECK(items[i].verdict == wanted);
    }
    CHECK(marks_equal(
        &sqlite_store_of(store)->table.items[0].marks,
        &(struct watermarks){ .has_attestation = true, .source = { 1 }, .target = { 4 } }));
}

/* A row that the memory does not know of: the primary key stands in the way. */
TEST(a_record_that_the_memory_does_not_know_fails_closed_and_for_good)
{
    struct slashing_store *store = fresh_store();
    CHECK(store != NULL);
    CHECK(decide_vote(store, 1, 1, 2, 1) == VERDICT_NEW);
    char sql[120];
    snprintf(sql, sizeof(sql), "INSERT INTO attestations VALUES (%lld, 1, %lld, NULL)",
             (long long)sqlite_from_u64(3), (long long)sqlite_from_u64(2));
    CHECK(run_inside(store, sql));
    struct slashing_check unknown = check_vote(1, 2, 3, 1);
    CHECK(decide(store, &unknown) == VERDICT_STORE_FAILED);
    CHECK(decide_vote(store, 1, 2, 4, 1) == VERDICT_STORE_FAILED);
    CHECK_FAILS(UNAVAILABLE, store->ops->health(store, NULL));
    abandon(store);
    CHECK_FAILS(UNAVAILABLE, open_database(&store, NULL));
}

TEST(the_usual_next_message_reads_no_records)
{
    STORE *store = fresh_store();
    CHECK(store != NULL);
    sqlite3_stmt *reading = sqlite_store_of(store)->queries.statements[QUERY_NEXT_ATTESTATION];
    for (uint64_t epoch = 1; epoch <= 20; epoch++) {
        CHECK(decide_vote(store, 1, epoch - 1, epoch, 1) == VERDICT_NEW);
    }
    CHECK(sqlite3_stmt_status(reading, SQLITE_STMTSTATUS_RUN, 0) == 0);
    CHECK(decide_vote(store, 1, 19, 20, 1) == VERDICT_REPEAT);
    int runs = sqlite3_stmt_status(reading, SQLITE_STMTSTATUS_RUN, 0);
    CHECK(runs >= 1 && runs <= 2); /* a repeat of the latest looks at one target */
    CHECK(decide_vote(store, 1, 10, 20, 2) == VERDICT_DOUBLE_VOTE);
    CHECK(sqlite3_stmt_status(reading, SQLITE_STMTSTATUS_RUN, 0) <= runs + 11);
}

TEST(what_needs_no_new_record_needs_no_transaction)
{
    STORE *store = fresh_store();
    CHECK(store != NULL);
    CHECK(decide_vote(store, 1, 1, 2, 1) == VERDICT_NEW);
    sqlite3_stmt *begin = sqlite_store_of(store)->queries.statements[QUERY_BEGIN];
    int runs = sqlite3_stmt_status(begin, SQLITE_STMTSTATUS_RUN, 0);
    CHECK(decide_vote(store, 1, 1, 2, 1) == VERDICT_REPEAT);
    CHECK(decide_vote(store, 1, 1, 2, 2) == VERDICT_DOUBLE_VOTE);
    CHECK(decide_vote(store, 9, 3, 2, 2) == VERDICT_SOURCE_AFTER_TARGET);
    CHECK(sqlite3_stmt_status(begin, SQLITE_STMTSTATUS_RUN, 0) == runs);
    CHECK(decide_vote(store, 1, 2, 3, 1) == VERDICT_NEW);
    CHECK(sqlite3_stmt_status(begin, SQLITE_STMTSTATUS_RUN, 0) == runs + 1);
}

TEST(nothing_is_decided_while_an_import_is_under_way)
{
    STORE *store = fresh_store();
    CHECK(store != NULL);
    struct history added = { .pubkey = key_of(2) };
    CHECK(decide_vote(store, 1, 1, 2, 1) == VERDICT_NEW);
    CHECK_OK(store->ops->import_begin(store));
    CHECK_OK(store->ops->import_history(store, &added, CONFLICT_REFUSE, NULL));
    CHECK(decide_vote(store, 1, 1, 2, 1) == VERDICT_STORE_FAILED);
    CHECK(decide_vote(store, 1, 2, 3, 1) == VERDICT_STORE_FAILED);
    CHECK_OK(store->ops->import_end(store, true)); /* which the refusals did not take back */
    HISTORY history = { .block_count = 0 };
    CHECK_OK(store->ops->load_history(store, &added.pubkey, &history));
    CHECK(decide_vote(store, 1, 2, 3, 1) == VERDICT_NEW);
}

HARNESS_TESTS(T(when_the_disk_is_full_nothing_of_the_batch_is_remembered),
              T(a_record_that_the_memory_does_not_know_fails_closed_and_for_good),
              T(the_usual_next_message_reads_no_records),
              T(what_needs_no_new_record_needs_no_transaction),
              T(nothing_is_decided_while_an_import_is_under_way))
