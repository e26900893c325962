/* sqlite.h: the slashing store in one SQLite file, for one signer process.
 * WAL, synchronous=FULL, mode 0600, an exclusive lock: a second process is refused with the path
 * and, where the system tells, the process that holds it. Schema: src/store/schema/. */
#ifndef STORE_SQLITE_H
#define STORE_SQLITE_H

#include "base/detail.h"
#include "base/result.h"
#include "slashing/store.h"

/* Opens or creates (`create`) the database at `path` for the network with this genesis validators
 * root, after an integrity check that is quick enough for every start. UNAVAILABLE: cannot be
 * opened, is locked, is corrupt, is on a full or read-only disk. BAD_INPUT: another network's, a
 * newer schema, not a database of ours. NOT_FOUND: no such file and not `create`. `detail` names
 * the path and the reason. */
RESULT sqlite_store_open(const char *path, bool create, const struct root *genesis_validators_root,
                         struct slashing_store **out, struct detail *detail);

#endif
