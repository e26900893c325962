#include "store/sqlite_layout.h"

#include "base/cleanup.h"
#include "sqlite_0001.h" /* generated from schema/sqlite_0001.sql */

#include <stdio.h>
#include <string.h>

static void statement_done(sqlite3_stmt **statement)
{
    sqlite3_finalize(*statement);
}

static void connection_done(sqlite3 **handle)
{
    sqlite3_close(*handle);
}

static int insert_store(sqlite3 *handle, const struct root *genesis_validators_root)
{
    CLEANUP(statement_done) sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(handle,
                                  "INSERT INTO store (id, genesis_validators_root, in_use, "
                                  "tally_rows, tally_sum) VALUES (1, ?1, 0, 0, 0)",
                                  -1, &statement, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_bind_blob(statement, 1, genesis_validators_root->bytes,
                                 sizeof(genesis_validators_root->bytes), SQLITE_STATIC);
    }
    return code == SQLITE_OK ? sqlite3_step(statement) : code;
}

static int write_layout(sqlite3 *handle, const struct root *genesis_validators_root)
{
    char identity[96];
    snprintf(identity, sizeof(identity), "PRAGMA application_id = %d; PRAGMA user_version = %d;",
             SQLITE_APPLICATION_ID, SQLITE_LAYOUT);
    static const char *const before =
        "PRAGMA synchronous = FULL; PRAGMA auto_vacuum = NONE; BEGIN;";
    const char *const steps[] = { before, sqlite_0001, identity };
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        int code = sqlite3_exec(handle, steps[i], NULL, NULL, NULL);
        if (code != SQLITE_OK) {
            return code;
        }
    }
    int code = insert_store(handle, genesis_validators_root);
    return code == SQLITE_DONE
               ? sqlite3_exec(handle, "COMMIT; PRAGMA journal_mode = WAL", NULL, NULL, NULL)
               : code;
}

static struct result fill(const char *path, void *context)
{
    const struct root *genesis_validators_root = context;
    struct sqlite_db db;
    struct result opened = sqlite_db_open(&db, path);
    if (is_ok(opened)) {
        int code = write_layout(db.handle, genesis_validators_root);
        opened = code == SQLITE_OK ? OK : sqlite_db_failure(&db, code);
    }
    sqlite_db_close(&db, true);
    return opened;
}

RESULT sqlite_layout_create(const char *path, const struct root *genesis_validators_root,
                            struct detail *detail)
{
    struct root root = *genesis_validators_root;
    return sqlite_file_create(path, fill, &root, detail);
}

static struct result read_pragma(struct sqlite_db *db, const char *pragma, int *out)
{
    CLEANUP(statement_done) sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db->handle, pragma, -1, &statement, NULL);
    code = code == SQLITE_OK ? sqlite3_step(statement) : code;
    if (code != SQLITE_ROW) {
        return sqlite_db_failure(db, code);
    }
    *out = sqlite3_column_int(statement, 0);
    return OK;
}

/* Reads the file's first page, so this is where a lock or another format shows. */
static struct result check_identity(struct sqlite_store *store, struct detail *detail)
{
    int application_id = 0;
    int layout = 0;
    struct result read = read_pragma(&store->db, "PRAGMA application_id", &application_id);
    if (!is_ok(read) && sqlite3_errcode(store->db.handle) == SQLITE_BUSY) {
        sqlite_file_name_holder(store->path, detail);
    }
    TRY(read);
    ENSURE(application_id == SQLITE_APPLICATION_ID, BAD_INPUT,
           "not a slashing protection database of ours");
    TRY(read_pragma(&store->db, "PRAGMA user_version", &layout));
    detail_set(detail, " (layout %d, this program knows %d)", layout, SQLITE_LAYOUT);
    ENSURE(layout <= SQLITE_LAYOUT, BAD_INPUT,
           "the database was made by a newer version; use that one");
    ENSURE(layout == SQLITE_LAYOUT, BAD_INPUT, "the database has no layout of ours");
    detail_set(detail, "%s", "");
    return OK;
}

/* What an administrator's ANALYZE adds does no harm, and the objects of SQLite itself follow from
 * ours. */
static const char schema_query[] = "SELECT type, name, tbl_name, sql FROM sqlite_schema "
                                   "WHERE name NOT GLOB 'sqlite_*' ORDER BY name";

static bool is_same_row(sqlite3_stmt *a, sqlite3_stmt *b)
{
    for (int column = 0; column < 4; column++) {
        const char *text_a = (const char *)sqlite3_column_text(a, column);
        const char *text_b = (const char *)sqlite3_column_text(b, column);
        if (text_a == NULL || text_b == NULL || strcmp(text_a, text_b) != 0) {
            return false;
        }
    }
    return true;
}

/* Goes through both schemas side by side. */
static int compare_schemas(sqlite3_stmt *theirs, sqlite3_stmt *ours, bool *same_out)
{
    *same_out = true;
    for (;;) {
        int code_theirs = sqlite3_step(theirs);
        int code_ours = sqlite3_step(ours);
        if (code_theirs != SQLITE_ROW && code_theirs != SQLITE_DONE) {
            return code_theirs;
        }
        bool both = code_theirs == SQLITE_ROW && code_ours == SQLITE_ROW;
        if (!both || !is_same_row(theirs, ours)) {
            *same_out = code_theirs == SQLITE_DONE && code_ours == SQLITE_DONE;
            return SQLITE_OK;
        }
    }
}

/* Every table, index, trigger and view must be exactly one that our layout makes. */
static struct result check_schema(struct sqlite_db *db)
{
    CLEANUP(connection_done) sqlite3 *model = NULL;
    CLEANUP(statement_done) sqlite3_stmt *ours = NULL;
    CLEANUP(statement_done) sqlite3_stmt *theirs = NULL;
    bool same = false;
    int code = sqlite3_open_v2(
        ":memory:", &model, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY, NULL);
    code = code == SQLITE_OK ? sqlite3_exec(model, sqlite_0001, NULL, NULL, NULL) : code;
    code = code == SQLITE_OK ? sqlite3_prepare_v2(model, schema_query, -1, &ours, NULL) : code;
    ENSURE(code == SQLITE_OK, UNAVAILABLE, "out of memory");
    code = sqlite3_prepare_v2(db->handle, schema_query, -1, &theirs, NULL);
    code = code == SQLITE_OK ? compare_schemas(theirs, ours, &same) : code;
    if (code != SQLITE_OK) {
        return sqlite_db_failure(db, code);
    }
    ENSURE(same, BAD_INPUT, "the tables of the database are not ours; somebody changed them");
    return OK;
}

RESULT sqlite_layout_check(struct sqlite_store *store, struct detail *detail)
{
    TRY(check_identity(store, detail));
    return check_schema(&store->db);
}
