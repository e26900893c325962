/* sqlite.h: the slashing store in one SQLite file, for one signer process.
 * WAL, synchronous=FULL, mode 0600, an exclusive lock: a second process is refused with the path
 * and, where the system tells, the process that holds it. Schema: src/store/schema/.
 *
 * A failed sync, a damaged page, a row that should not be there, or a file that was removed or
 * replaced while in use ends all answers of an open store until the process restarts; health() says
 * so. A full disk refuses until there is room. While it is open the database is marked as in use,
 * on the disk: a copy of it that lacks its -wal (or a crash after which somebody removed the -wal)
 * is refused, since records are missing then; so is a -wal that is damaged before its last
 * transaction (sqlite_wal.h). */
#ifndef STORE_SQLITE_H
#define STORE_SQLITE_H

#include "base/detail.h"
#include "base/result.h"
#include "slashing/store.h"

enum { SQLITE_STORE_FREE_BYTES_MIN = 16 * 1024 * 1024 }; /* less than this is unhealthy */

/* Opens or creates (`create`) the database at `path` for the network with this genesis validators
 * root. Every start reads every row once (10 million take about two seconds) and compares order,
 * kinds, contradictions, count and a sum over all contents, so a truncated file, a lost page or an
 * altered row is noticed. UNAVAILABLE: cannot be opened, is locked, is damaged or not complete, is
 * on a full or read-only disk. BAD_INPUT: another network's, a newer schema, not a database of
 * ours, a symbolic or hard link. NOT_FOUND: no such file and not `create`. `detail` names the path
 * and the reason. With OK, `detail` holds a warning for the operator's log, or nothing. */
RESULT sqlite_store_open(const char *path, bool create, const struct root *genesis_validators_root,
                         struct slashing_store **out, struct detail *detail);

/* For the operator whose -wal is gone for good, and who has seen to it that nothing is signed twice
 * (by waiting, or by raising the watermarks with an import): drops the mark that the database was
 * in use. Fails like sqlite_store_open(). */
RESULT sqlite_store_accept_loss(const char *path, const struct root *genesis_validators_root,
                                struct detail *detail);

/* The thorough look at an open store, minutes with many records: SQLite's integrity_check, and that
 * no validator's records contradict each other. UNAVAILABLE with the first trouble in `detail`. */
RESULT sqlite_store_check(struct slashing_store *store, struct detail *detail);

#endif
