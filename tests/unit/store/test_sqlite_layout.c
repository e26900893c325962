#include "store/sqlite_layout.h"

#include "sqlite_test.h"

#include <sys/stat.h>

TEST(what_is_not_ours_is_refused_and_left_as_it_is)
{
    (void)database_path();
    place_empty();
    CHECK(OPENS_WITH(NOT_FOUND, "no such database"));
    static const char text[4096] = "This is the diary of somebody else, not a database.\n";
    CHECK(write_database(text, sizeof(text)));
    CHECK(OPENS_WITH(BAD_INPUT, "not a database of ours"));
    place_empty();
    CHECK(write_database("short", 5));
    CHECK(OPENS_WITH(BAD_INPUT, "not a"));
    place_empty();
    CHECK(write_database("", 0));
    CHECK(OPENS_WITH(UNAVAILABLE, "empty"));
    place_empty();
    sqlite3 *handle = NULL;
    CHECK(sqlite3_open(database_path(), &handle) == SQLITE_OK);
    CHECK(sqlite3_exec(handle, "CREATE TABLE diary (day)", NULL, NULL, NULL) == SQLITE_OK);
    sqlite3_close(handle);
    CHECK(OPENS_WITH(BAD_INPUT, "not a slashing protection database of ours"));
    CHECK(!exists(wal_path()));
    CHECK(run_sql("INSERT INTO diary VALUES (1)"));
}

TEST(a_newer_layout_is_refused)
{
    CHECK(make_database());
    CHECK(run_sql("PRAGMA user_version = 2"));
    CHECK(OPENS_WITH(BAD_INPUT, "(layout 2, this program knows 1): the database was made by a "
                                "newer version"));
    CHECK(run_sql("PRAGMA user_version = 0"));
    CHECK(OPENS_WITH(BAD_INPUT, "layout 0"));
    CHECK(run_sql("PRAGMA user_version = 1"));
    CHECK(OPENS_WITH(OK, NULL));
}

TEST(a_schema_that_was_changed_is_refused)
{
    static const char *const changes[] = {
        "CREATE TRIGGER t AFTER INSERT ON attestations BEGIN DELETE FROM attestations; END",
        "CREATE TABLE more (a)",
        "CREATE VIEW seen AS SELECT 1",
        "CREATE INDEX i ON blocks (slot)",
        "DROP VIEW readable_blocks",
        "DROP TABLE blocks",
        "ALTER TABLE blocks ADD COLUMN more INTEGER",
        "ALTER TABLE store RENAME COLUMN in_use TO used",
    };
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        CHECK(make_database());
        CHECK(run_sql(changes[i]));
        CHECK(OPENS_WITH(BAD_INPUT, "not ours"));
    }
    CHECK(make_database());
    CHECK(run_sql("ANALYZE")); /* harmless, and within an administrator's rights */
    CHECK(OPENS_WITH(OK, NULL));
}

TEST(a_new_database_is_complete_and_alone)
{
    struct slashing_store *store = NULL;
    struct stat info;
    (void)database_path();
    place_empty();
    CHECK_OK(sqlite_layout_create(database_path(), &test_network, NULL));
    CHECK(stat(database_path(), &info) == 0 && (info.st_mode & 07777) == 0600);
    CHECK(!exists(wal_path()) && !exists(place_path("slashing.sqlite-journal")));
    CHECK_OK(open_database(&store, NULL));
    CHECK(decide_vote(store, 1, 1, 2, 1) == VERDICT_NEW);
    slashing_store_close(store);
    char header[100] = "";
    FILE *file = fopen(database_path(), "r");
    CHECK(file != NULL && fread(header, 1, sizeof(header), file) == sizeof(header));
    CHECK(fclose(file) == 0);
    CHECK(memcmp(header + 68, "CCSP", 4) == 0); /* where SQLite's format has the application's id */
    CHECK(OPENS_WITH(OK, NULL));
}

TEST(a_database_that_is_there_is_not_made_again)
{
    struct slashing_store *store = fresh_store();
    CHECK(store != NULL);
    CHECK(decide_vote(store, 1, 1, 2, 1) == VERDICT_NEW);
    slashing_store_close(store);
    CHECK_OK(sqlite_layout_create(database_path(), &test_network, NULL));
    CHECK_OK(open_database(&store, NULL));
    CHECK(decide_vote(store, 1, 1, 2, 1) == VERDICT_REPEAT);
    slashing_store_close(store);
}

HARNESS_TESTS(T(what_is_not_ours_is_refused_and_left_as_it_is), T(a_newer_layout_is_refused),
              T(a_schema_that_was_changed_is_refused), T(a_new_database_is_complete_and_alone),
              T(a_database_that_is_there_is_not_made_again))
