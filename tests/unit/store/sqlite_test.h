/* sqlite_test.h: what the tests of the SQLite store's parts share: a store in a folder of its own,
 * and ways to do to its file what it does not expect. */
#ifndef TESTS_UNIT_STORE_SQLITE_TEST_H
#define TESTS_UNIT_STORE_SQLITE_TEST_H

#include "harness.h"
#include "store/messages.h"
#include "store/place.h"
#include "store/sqlite.h"
#include "store/sqlite_store.h"

#include <sys/stat.h>

#define STORE   CLEANUP(slashing_store_close_ptr) struct slashing_store
#define HISTORY CLEANUP(history_done) struct history

static const struct root test_network = { { 0x5a } };

static inline const char *database_path(void)
{
    return place_path("slashing.sqlite");
}

static inline const char *wal_path(void)
{
    return place_path("slashing.sqlite-wal");
}

static inline struct result open_database(struct slashing_store **out, struct detail *detail)
{
    return sqlite_store_open(database_path(), false, &test_network, out, detail);
}

/* A store in an empty folder. NULL: failed, and said why. */
static inline struct slashing_store *fresh_store(void)
{
    struct slashing_store *store = NULL;
    struct detail detail = { "" };
    (void)database_path();
    place_empty();
    struct result opened = sqlite_store_open(database_path(), true, &test_network, &store, &detail);
    if (!is_ok(opened)) {
        printf("# %s: %s\n", detail.text, opened.what);
    }
    return store;
}

/* Runs SQL on the closed database, as an administrator might. */
static inline bool run_sql(const char *sql)
{
    sqlite3 *handle = NULL;
    int code = sqlite3_open_v2(database_path(), &handle, SQLITE_OPEN_READWRITE, NULL);
    code = code == SQLITE_OK ? sqlite3_exec(handle, sql, NULL, NULL, NULL) : code;
    if (code != SQLITE_OK) {
        printf("# %s: %s\n", sql, sqlite3_errmsg(handle));
    }
    sqlite3_close(handle);
    return code == SQLITE_OK;
}

/* Runs SQL on the open store's own connection, behind its back. */
static inline bool run_inside(struct slashing_store *store, const char *sql)
{
    return sqlite3_exec(sqlite_store_of(store)->db.handle, sql, NULL, NULL, NULL) == SQLITE_OK;
}

/* No page more than there are: the next that needs one finds the disk full. */
static inline bool fill_disk(struct slashing_store *store)
{
    return run_inside(store, "PRAGMA max_page_count = 1");
}

static inline bool free_disk(struct slashing_store *store)
{
    return run_inside(store, "PRAGMA max_page_count = 1000000");
}

/* Leaves the store's files as a kill would, and releases the rest. */
static inline void abandon(struct slashing_store *store)
{
    sqlite_db_poison(&sqlite_store_of(store)->db, "abandoned by the test");
    slashing_store_close(store);
}

static inline bool exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

/* A closed database with some of everything. */
static inline bool make_database(void)
{
    struct slashing_store *store = fresh_store();
    bool made = store != NULL;
    struct ceiling ceiling = { .has_slot = true, .slot = { UINT64_MAX } };
    for (uint64_t epoch = 1; made && epoch <= 12; epoch++) {
        for (uint32_t key = 1; made && key <= 8; key++) {
            made = decide_vote(store, key, epoch - 1, epoch, epoch + key) == VERDICT_NEW &&
                   (epoch % 4 != 0 ||
                    decide_block(store, key, epoch * 32 + key, epoch) == VERDICT_NEW);
        }
    }
    made = made && is_ok(store->ops->save_ceiling(store, &ceiling));
    slashing_store_close(store);
    return made;
}

struct expectation {
    enum status status;
    const char *words; /* in the detail or the reason; NULL: any */
};

static inline bool opens_with(const struct expectation *wanted)
{
    struct slashing_store *store = NULL;
    struct detail detail = { "" };
    char line[600];
    struct result opened = open_database(&store, &detail);
    detail_line(&detail, opened, line, sizeof(line));
    bool as_wanted = opened.status == wanted->status &&
                     (wanted->words == NULL || strstr(line, wanted->words) != NULL);
    if (!as_wanted) {
        printf("# %s\n", line);
    }
    if (is_ok(opened)) {
        slashing_store_close(store);
    } else {
        as_wanted = as_wanted && strstr(line, database_path()) == line;
    }
    return as_wanted;
}

#define OPENS_WITH(st, text) opens_with(&(struct expectation){ STATUS_##st, text })

/* Makes the file anew with these contents. */
static inline bool write_database(const void *bytes, size_t size)
{
    FILE *file = fopen(database_path(), "w");
    return file != NULL && fwrite(bytes, 1, size, file) == size && fclose(file) == 0;
}

#endif
