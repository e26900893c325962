/* sqlite_import.h: the store's import: histories from outside merged into what is recorded, all in
 * one transaction. */
#ifndef STORE_SQLITE_IMPORT_H
#define STORE_SQLITE_IMPORT_H

#include "slashing/store.h"

/* As slashing_store_ops says. */
struct result sqlite_import_begin(struct slashing_store *base);
struct result sqlite_import_history(struct slashing_store *base, const struct history *added,
                                    enum conflict_policy policy, struct detail *detail);
struct result sqlite_import_end(struct slashing_store *base, bool commit);

/* All that is recorded of the validator, known to the store's memory, appended to an empty history.
 */
struct result sqlite_read_history(struct slashing_store *base, const struct pubkey *pubkey,
                                  struct history *out);

#endif
