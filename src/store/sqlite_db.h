/* sqlite_db.h: one SQLite connection as the slashing store uses it: what is set on it, bounded
 * checkpoints, and what a failure means for all that follows. */
#ifndef STORE_SQLITE_DB_H
#define STORE_SQLITE_DB_H

#include "base/result.h"

#include <sqlite3.h>
#include <stdbool.h>

enum {
    /* The cache's bound. The pages that signing touches are about 2 MiB for 10,000 validators. */
    SQLITE_DB_CACHE_KIB = 16 * 1024,
    /* A checkpoint starts when the -wal holds this many pages, writes no more than those, and
     * delays one batch by a few milliseconds. Measured: half or twice as many cost the same, a
     * quarter costs more in all, four times as many delay twice as long. */
    SQLITE_DB_CHECKPOINT_PAGES = 1000,
    /* What an import leaves behind of the -wal is cut to this. */
    SQLITE_DB_WAL_BYTES_KEPT = 16 * 1024 * 1024,
};

struct sqlite_db {
    sqlite3 *handle;
    int wal_pages;        /* in the -wal after the last commit */
    int checkpoint_pages; /* SQLITE_DB_CHECKPOINT_PAGES; tests use less */
    const char *poisoned; /* a literal that says why nothing is trusted any more, or NULL */
};

/* Opens the file at `path`, which exists, with what must be set before its first page is read. The
 * struct must not move from then on. After a failure too, sqlite_db_close() is due. */
RESULT sqlite_db_open(struct sqlite_db *db, const char *path);

/* Sets journal, durability and bounds; the file is known to be ours. */
RESULT sqlite_db_configure(struct sqlite_db *db);

/* With `clean`, moves the -wal into the file and removes it; else leaves both as they are. No
 * statement may be left. */
void sqlite_db_close(struct sqlite_db *db, bool clean);

/* The class and the sentence for an SQLite result code that is not a success. Poisons the
 * connection unless the failure is one after which a rollback leaves everything as it was: a full
 * disk, no memory, a lock. After a failed sync the kernel may have dropped what it could not write
 * and still show it to readers, so that nothing read later is known to be on the disk, until a
 * restart writes all of the -wal anew. */
RESULT sqlite_db_failure(struct sqlite_db *db, int code);

/* From now on sqlite_db_usable() fails with the literal `why`. */
void sqlite_db_poison(struct sqlite_db *db, const char *why);

/* OK unless poisoned; and poisons when the file was removed or replaced under us. */
RESULT sqlite_db_usable(struct sqlite_db *db);

/* Writes all of the -wal once more where it is and syncs it. Must come before the first change
 * after an opening. Where an earlier process's sync failed, the kernel holds pages of the -wal that
 * are not on the disk and will never be, since it takes them for written. Moving such a -wal into
 * the file would leave, after a power cut, a new file and the old beginning of its -wal, which is
 * played over it. */
RESULT sqlite_db_rewrite_wal(struct sqlite_db *db);

/* Moves the -wal into the file when it has grown enough. Nothing durable depends on it: after a
 * failure the -wal still holds everything. A full disk is tried again later, another failure
 * poisons. */
void sqlite_db_checkpoint(struct sqlite_db *db);
/* The same now and entirely. */
RESULT sqlite_db_checkpoint_all(struct sqlite_db *db);

#endif
