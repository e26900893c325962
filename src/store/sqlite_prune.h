/* sqlite_prune.h: the store's pruning: old records become watermarks. */
#ifndef STORE_SQLITE_PRUNE_H
#define STORE_SQLITE_PRUNE_H

#include "store/sqlite_store.h"

/* As slashing_store_ops.prune says, within the transaction at hand. */
RESULT sqlite_prune(struct sqlite_store *store, struct epoch target_below, struct slot slot_below,
                    size_t rows_max, bool *more_out);

#endif
