/* sqlite_store.h: what the parts of the SQLite store share; for src/store/sqlite*.c only. */
#ifndef STORE_SQLITE_STORE_H
#define STORE_SQLITE_STORE_H

#include "base/detail.h"
#include "base/result.h"
#include "slashing/history.h"
#include "slashing/store.h"
#include "store/sqlite_db.h"
#include "store/sqlite_file.h"
#include "store/sqlite_query.h"
#include "store/tally.h"
#include "store/validator_table.h"

#include <stdbool.h>
#include <stdint.h>

/* The one row about the whole, as it is on the disk after the transaction at hand. */
struct sqlite_whole {
    bool in_use;
    struct tally tally;
    struct ceiling ceiling;
};

struct sqlite_store {
    struct slashing_store base; /* the first member */
    struct sqlite_db db;
    struct sqlite_queries queries;
    struct validator_table table; /* ids are its indexes + 1 */
    struct sqlite_whole whole;
    struct sqlite_whole whole_before; /* the transaction */
    bool in_transaction;
    bool is_importing;
    bool import_failed; /* something of the import was lost: it cannot be kept any more */
    char path[PATH_MAX];
};

static inline struct sqlite_store *sqlite_store_of(struct slashing_store *base)
{
    return (struct sqlite_store *)(void *)base;
}

static inline uint32_t sqlite_store_id(const struct sqlite_store *store,
                                       const struct validator *validator)
{
    return validator_table_index(&store->table, validator) + 1;
}

/* Transactions: the file and the memory change together, or neither does. commit: OK means durable;
 * a failure has rolled back both. */
RESULT sqlite_store_begin(struct sqlite_store *store);
RESULT sqlite_store_commit(struct sqlite_store *store);
void sqlite_store_rollback(struct sqlite_store *store);

/* Finds the validator, or adds it, for a change in the transaction at hand. */
RESULT sqlite_store_change_validator(struct sqlite_store *store, const struct pubkey *pubkey,
                                     struct validator **out);

/* Records, within the transaction at hand; the marks and peaks are the caller's. */
RESULT sqlite_store_add_block(struct sqlite_store *store, uint32_t id,
                              const struct signed_block *block);
RESULT sqlite_store_remove_block(struct sqlite_store *store, uint32_t id,
                                 const struct signed_block *block);
RESULT sqlite_store_add_attestation(struct sqlite_store *store, uint32_t id,
                                    const struct signed_attestation *attestation);
RESULT sqlite_store_remove_attestation(struct sqlite_store *store, uint32_t id,
                                       const struct signed_attestation *attestation);

/* The block at the slot, if there is one. */
RESULT sqlite_store_find_block(struct sqlite_store *store, uint32_t id, struct slot slot,
                               struct signed_block *out, bool *found_out);
/* Appends the validator's blocks in order, at most `rows_max`, up to and with the slot. */
RESULT sqlite_store_read_blocks(struct sqlite_store *store, uint32_t id, struct slot last,
                                size_t rows_max, struct history *out);
/* Appends the validator's attestations with targets from `first` to `last`, both included, in
 * order. */
RESULT sqlite_store_read_attestations(struct sqlite_store *store, uint32_t id, struct epoch first,
                                      struct epoch last, struct history *out);

#endif
