#include "store/sqlite_db.h"

#include "sqlite_test.h"

TEST(failures_after_which_nothing_is_known_poison)
{
    static const struct {
        int code;
        enum status status;
        bool poisons;
    } cases[] = {
        { SQLITE_FULL, STATUS_UNAVAILABLE, false },
        { SQLITE_NOMEM, STATUS_UNAVAILABLE, false },
        { SQLITE_BUSY, STATUS_UNAVAILABLE, false },
        { SQLITE_BUSY_RECOVERY, STATUS_UNAVAILABLE, false },
        { SQLITE_LOCKED, STATUS_UNAVAILABLE, false },
        { SQLITE_IOERR_FSYNC, STATUS_UNAVAILABLE, true },
        { SQLITE_IOERR_DIR_FSYNC, STATUS_UNAVAILABLE, true },
        { SQLITE_IOERR_WRITE, STATUS_UNAVAILABLE, true },
        { SQLITE_IOERR_READ, STATUS_UNAVAILABLE, true },
        { SQLITE_IOERR_TRUNCATE, STATUS_UNAVAILABLE, true },
        { SQLITE_CORRUPT, STATUS_UNAVAILABLE, true },
        { SQLITE_CORRUPT_INDEX, STATUS_UNAVAILABLE, true },
        { SQLITE_CONSTRAINT_PRIMARYKEY, STATUS_UNAVAILABLE, true },
        { SQLITE_READONLY, STATUS_UNAVAILABLE, true },
        { SQLITE_CANTOPEN, STATUS_UNAVAILABLE, true },
        { SQLITE_NOTADB, STATUS_BAD_INPUT, true },
        { SQLITE_MISUSE, STATUS_UNAVAILABLE, true },
        { SQLITE_ERROR, STATUS_UNAVAILABLE, true },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sqlite_db db = { .handle = NULL };
        struct result failure = sqlite_db_failure(&db, cases[i].code);
        CHECK(failure.status == cases[i].status);
        CHECK((db.poisoned != NULL) == cases[i].poisons);
        CHECK(db.poisoned == NULL || strcmp(db.poisoned, failure.what) == 0);
    }
}

TEST(the_first_poison_is_the_one_that_is_told)
{
    STORE *base = fresh_store();
    CHECK(base != NULL);
    struct sqlite_db *db = &sqlite_store_of(base)->db;
    CHECK_OK(sqlite_db_usable(db));
    sqlite_db_poison(db, "the first");
    sqlite_db_poison(db, "the second");
    CHECK_FAILS(UNAVAILABLE, sqlite_db_usable(db));
    CHECK_TEXT(sqlite_db_usable(db).what, "the first");
}

static int pragma(struct slashing_store *store, const char *text)
{
    sqlite3_stmt *statement = NULL;
    int value = -1;
    if (sqlite3_prepare_v2(sqlite_store_of(store)->db.handle, text, -1, &statement, NULL) ==
            SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW) {
        value = sqlite3_column_int(statement, 0);
    }
    sqlite3_finalize(statement);
    return value;
}

TEST(the_connection_is_set_up_for_durable_writes_and_hostile_schemas)
{
    STORE *base = fresh_store();
    CHECK(base != NULL);
    int on = -1;
    sqlite3 *handle = sqlite_store_of(base)->db.handle;
    CHECK(pragma(base, "PRAGMA synchronous") == 2);
    CHECK(pragma(base, "PRAGMA cache_size") == -SQLITE_DB_CACHE_KIB);
    CHECK(pragma(base, "PRAGMA journal_size_limit") == SQLITE_DB_WAL_BYTES_KEPT);
    CHECK(pragma(base, "PRAGMA trusted_schema") == 0);
    CHECK(pragma(base, "PRAGMA cell_size_check") == 1);
    CHECK(pragma(base, "PRAGMA wal_autocheckpoint") == 0);
    CHECK(sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, -1, &on) == 0 && on == 0);
    CHECK(sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, -1, &on) == 0 && on == 1);
    CHECK(!exists(place_path("slashing.sqlite-shm")));
    CHECK(exists(wal_path()));
}

TEST(a_file_that_was_removed_or_replaced_ends_all_use)
{
    for (int replaced = 0; replaced < 2; replaced++) {
        STORE *store = fresh_store();
        CHECK(store != NULL);
        CHECK(decide_vote(store, 1, 1, 2, 1) == VERDICT_NEW);
        CHECK(rename(database_path(), place_path("elsewhere")) == 0);
        if (replaced == 1) {
            FILE *other = fopen(database_path(), "w");
            CHECK(other != NULL && fclose(other) == 0);
        }
        CHECK(decide_vote(store, 1, 2, 3, 1) == VERDICT_STORE_FAILED);
        CHECK(rename(place_path("elsewhere"), database_path()) == 0);
        CHECK(decide_vote(store, 1, 2, 3, 1) == VERDICT_STORE_FAILED);
        CHECK_FAILS(UNAVAILABLE, store->ops->health(store, NULL));
        CHECK(strstr(sqlite_db_usable(&sqlite_store_of(store)->db).what, "removed or replaced"));
    }
}

TEST(the_wal_goes_with_a_clean_close_only)
{
    struct slashing_store *store = fresh_store();
    CHECK(store != NULL);
    CHECK(decide_vote(store, 1, 1, 2, 1) == VERDICT_NEW);
    abandon(store);
    CHECK(exists(wal_path()));
    CHECK_OK(open_database(&store, NULL));
    slashing_store_close(store);
    CHECK(!exists(wal_path()));
}

TEST(a_checkpoint_comes_when_the_wal_has_grown_and_not_before)
{
    STORE *base = fresh_store();
    CHECK(base != NULL);
    struct sqlite_db *db = &sqlite_store_of(base)->db;
    CHECK(db->checkpoint_pages == SQLITE_DB_CHECKPOINT_PAGES);
    db->checkpoint_pages = 20;
    int highest = 0;
    int checkpoints = 0;
    for (uint64_t epoch = 1; epoch < 60; epoch++) {
        int before = db->wal_pages;
        CHECK(decide_vote(base, 1, epoch - 1, epoch, 1) == VERDICT_NEW);
        highest = db->wal_pages > highest ? db->wal_pages : highest;
        checkpoints += db->wal_pages < before;
    }
    CHECK(highest < 20 && checkpoints > 3 && checkpoints < 20);
    CHECK_OK(sqlite_db_checkpoint_all(db));
    CHECK(db->wal_pages == 0);
}

TEST(rewriting_the_wal_changes_nothing)
{
    struct slashing_store *store = fresh_store();
    CHECK(store != NULL);
    for (uint64_t epoch = 1; epoch < 60; epoch++) {
        CHECK(decide_vote(store, 1, epoch - 1, epoch, 1) == VERDICT_NEW);
        CHECK_OK(sqlite_db_rewrite_wal(&sqlite_store_of(store)->db));
    }
    abandon(store);
    CHECK_OK(open_database(&store, NULL));
    CHECK(decide_vote(store, 1, 58, 59, 1) == VERDICT_REPEAT);
    slashing_store_close(store);
}

TEST(what_is_not_there_is_not_made)
{
    struct sqlite_db db;
    CHECK_FAILS(UNAVAILABLE, sqlite_db_open(&db, place_path("nowhere.sqlite")));
    sqlite_db_close(&db, false);
    CHECK(!exists(place_path("nowhere.sqlite")));
}

HARNESS_TESTS(T(failures_after_which_nothing_is_known_poison),
              T(the_first_poison_is_the_one_that_is_told),
              T(the_connection_is_set_up_for_durable_writes_and_hostile_schemas),
              T(a_file_that_was_removed_or_replaced_ends_all_use),
              T(the_wal_goes_with_a_clean_close_only),
              T(a_checkpoint_comes_when_the_wal_has_grown_and_not_before),
              T(rewriting_the_wal_changes_nothing), T(what_is_not_there_is_not_made))
