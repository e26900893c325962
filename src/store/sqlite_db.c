#include "store/sqlite_db.h"

#include "base/cleanup.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static int set_option(struct sqlite_db *db, int option, int value)
{
    return sqlite3_db_config(db->handle, option, value, NULL);
}

/* The file may have been made by somebody else: nothing in its schema may act. The journal is left
 * alone on close until sqlite_db_close() knows better. */
static int distrust(struct sqlite_db *db)
{
    static const struct {
        int option;
        int value;
    } options[] = {
        { SQLITE_DBCONFIG_DEFENSIVE, 1 },      { SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
        { SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 }, { SQLITE_DBCONFIG_ENABLE_VIEW, 0 },
        { SQLITE_DBCONFIG_DQS_DML, 0 },        { SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1 },
    };
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        int code = set_option(db, options[i].option, options[i].value);
        if (code != SQLITE_OK) {
            return code;
        }
    }
    return SQLITE_OK;
}

static int note_wal_pages(void *context, sqlite3 *handle, const char *name, int pages)
{
    (void)handle;
    (void)name;
    struct sqlite_db *db = context;
    db->wal_pages = pages;
    return SQLITE_OK;
}

/* Runs a PRAGMA and holds its answer to what we need: SQLite answers with the old setting, and no
 * error, where it cannot change one. */
static struct result set_pragma(struct sqlite_db *db, const char *pragma, const char *wanted)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db->handle, pragma, -1, &statement, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_step(statement);
    }
    const char *got = code == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    bool as_wanted = wanted == NULL || (got != NULL && strcmp(got, wanted) == 0);
    sqlite3_finalize(statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        return sqlite_db_failure(db, code);
    }
    ENSURE(as_wanted, UNAVAILABLE,
           "SQLite cannot be set up for durable writes on this file system");
    return OK;
}

RESULT sqlite_db_open(struct sqlite_db *db, const char *path)
{
    *db = (struct sqlite_db){ .checkpoint_pages = SQLITE_DB_CHECKPOINT_PAGES };
    int code =
        sqlite3_open_v2(path, &db->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_extended_result_codes(db->handle, 1);
    }
    if (code == SQLITE_OK) {
        code = distrust(db);
    }
    if (code != SQLITE_OK) {
        return sqlite_db_failure(db, code);
    }
    sqlite3_wal_hook(db->handle, note_wal_pages, db); /* in place of SQLite's own checkpoints */
    return set_pragma(db, "PRAGMA locking_mode = EXCLUSIVE", "exclusive");
}

RESULT sqlite_db_configure(struct sqlite_db *db)
{
    char cache_size[64];
    char wal_size[64];
    snprintf(cache_size, sizeof(cache_size), "PRAGMA cache_size = -%d", SQLITE_DB_CACHE_KIB);
    snprintf(wal_size, sizeof(wal_size), "PRAGMA journal_size_limit = %d",
             SQLITE_DB_WAL_BYTES_KEPT);
    TRY(set_pragma(db, "PRAGMA journal_mode = WAL", "wal"));
    TRY(set_pragma(db, "PRAGMA synchronous = FULL", NULL));
    TRY(set_pragma(db, "PRAGMA synchronous", "2"));
    TRY(set_pragma(db, cache_size, NULL));
    TRY(set_pragma(db, wal_size, NULL));
    TRY(set_pragma(db, "PRAGMA cell_size_check = ON", NULL));
    TRY(set_pragma(db, "PRAGMA temp_store = MEMORY", NULL));
    return set_pragma(db, "PRAGMA secure_delete = OFF", NULL);
}

void sqlite_db_close(struct sqlite_db *db, bool clean)
{
    if (clean) {
        (void)set_option(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0);
    }
    int code = sqlite3_close(db->handle); /* accepts NULL */
    assert(code == SQLITE_OK);
    *db = (struct sqlite_db){ .handle = NULL };
}

void sqlite_db_poison(struct sqlite_db *db, const char *why)
{
    db->poisoned = db->poisoned == NULL ? why : db->poisoned; /* the first cause is what to mend */
}

static struct result poison(struct sqlite_db *db, struct result failure)
{
    sqlite_db_poison(db, failure.what);
    return failure;
}

RESULT sqlite_db_failure(struct sqlite_db *db, int code)
{
    switch (code & 0xff) { /* the rest of an extended code says which call it was */
    case SQLITE_FULL:
        return FAIL(UNAVAILABLE, "the disk of the database is full");
    case SQLITE_NOMEM:
        return FAIL(UNAVAILABLE, "out of memory");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return FAIL(UNAVAILABLE, "another process has the database open; stop it first");
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return poison(db, FAIL(UNAVAILABLE, "the database cannot be written"));
    case SQLITE_CANTOPEN:
        return poison(db, FAIL(UNAVAILABLE, "the database or its journal cannot be opened"));
    case SQLITE_CORRUPT:
        return poison(db, FAIL(UNAVAILABLE, "the database is damaged; restore the file"));
    case SQLITE_NOTADB:
        return poison(db, FAIL(BAD_INPUT, "not a database of ours"));
    case SQLITE_CONSTRAINT:
        return poison(db, FAIL(UNAVAILABLE, "the database holds a record that was not expected; "
                                            "restart the signer"));
    case SQLITE_IOERR:
        return poison(db, FAIL(UNAVAILABLE, "the disk of the database failed; see to it, then "
                                            "restart the signer"));
    default:
        return poison(db, FAIL(UNAVAILABLE, "SQLite failed; restart the signer"));
    }
}

RESULT sqlite_db_usable(struct sqlite_db *db)
{
    if (db->poisoned == NULL) {
        int moved = 0;
        int code = sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
        if (code == SQLITE_OK && moved == 0) {
            return OK;
        }
        return poison(db, FAIL(UNAVAILABLE, "the database file was removed or replaced while in "
                                            "use; restart the signer"));
    }
    return (struct result){ STATUS_UNAVAILABLE, db->poisoned };
}

static int rewrite(sqlite3_file *file)
{
    static const int part = 64 * 1024;
    CLEANUP(free_ptr) uint8_t *bytes = calloc(1, (size_t)part);
    sqlite3_int64 size = 0;
    int code = bytes == NULL ? SQLITE_NOMEM : file->pMethods->xFileSize(file, &size);
    for (sqlite3_int64 at = 0; code == SQLITE_OK && at < size; at += part) {
        int now = size - at < part ? (int)(size - at) : part;
        code = file->pMethods->xRead(file, bytes, now, at);
        code = code == SQLITE_OK ? file->pMethods->xWrite(file, bytes, now, at) : code;
    }
    return code == SQLITE_OK && size > 0 ? file->pMethods->xSync(file, SQLITE_SYNC_NORMAL) : code;
}

RESULT sqlite_db_rewrite_wal(struct sqlite_db *db)
{
    sqlite3_file *wal = NULL;
    int code = sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal);
    if (code == SQLITE_OK && wal != NULL && wal->pMethods != NULL) {
        code = rewrite(wal);
    }
    return code == SQLITE_OK ? OK : sqlite_db_failure(db, code);
}

static int checkpoint(struct sqlite_db *db, int mode)
{
    int pages = 0;
    int moved = 0;
    int code = sqlite3_wal_checkpoint_v2(db->handle, "main", mode, &pages, &moved);
    if (code == SQLITE_OK && pages == moved) {
        db->wal_pages = 0;
    }
    return code == SQLITE_OK && pages != moved ? SQLITE_BUSY : code;
}

void sqlite_db_checkpoint(struct sqlite_db *db)
{
    if (db->wal_pages < db->checkpoint_pages || db->poisoned != NULL) {
        return;
    }
    int code = checkpoint(db, SQLITE_CHECKPOINT_PASSIVE);
    if (code != SQLITE_OK) {
        struct result failed = sqlite_db_failure(db, code); /* poisons or not */
        (void)failed;
    }
}

RESULT sqlite_db_checkpoint_all(struct sqlite_db *db)
{
    int code = checkpoint(db, SQLITE_CHECKPOINT_FULL);
    return code == SQLITE_OK ? OK : sqlite_db_failure(db, code);
}
