/* sqlite_load.h: from a file to a store that is ready: holding the database to what its last
 * process left there, while its validators are read into memory. */
#ifndef STORE_SQLITE_LOAD_H
#define STORE_SQLITE_LOAD_H

#include "base/detail.h"
#include "base/result.h"
#include "store/sqlite_store.h"

/* Opens the connection of a zeroed store whose path is set, checks everything and reads the
 * validators. `has_wal`: the file has a -wal; without one, a file that was not closed has lost
 * records, which is UNAVAILABLE unless `accept_loss`. Afterwards the file is marked as in use and
 * all that was read is durable. After a failure too, the caller releases the store. */
RESULT sqlite_load(struct sqlite_store *store, const struct root *genesis_validators_root,
                   bool has_wal, bool accept_loss, struct detail *detail);

#endif
