/* sqlite_wal.h: whether the -wal that a crash left is the one that was written, as far as it can
 * tell of itself (format: sqlite.org/fileformat2.html, 4). SQLite takes the first frame that does
 * not fit its checksum for the end of what was written, and drops all behind it without a word:
 * right after a power cut, wrong after damage. */
#ifndef STORE_SQLITE_WAL_H
#define STORE_SQLITE_WAL_H

#include "base/result.h"

#include <sqlite3.h>

/* UNAVAILABLE when the file is no -wal, or holds transactions that SQLite will not see: behind a
 * damaged frame there is more than the one transaction that was being written when the power went.
 * Damage to the last transaction, to the rest of the header, and a -wal that was cut cannot be told
 * from what a power cut does.
 * The connection must have read the database, which must be marked as in use. */
RESULT sqlite_wal_check(sqlite3 *handle);

#endif
