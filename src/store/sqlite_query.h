/* sqlite_query.h: the SQL of the slashing store, prepared once, and transactions that are durable
 * when they end. */
#ifndef STORE_SQLITE_QUERY_H
#define STORE_SQLITE_QUERY_H

#include "base/result.h"
#include "eth/types.h"
#include "store/sqlite_db.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

enum sqlite_query {
    QUERY_BEGIN,
    QUERY_COMMIT,
    QUERY_ROLLBACK,
    QUERY_LOAD_STORE,
    QUERY_SAVE_STORE,
    QUERY_ALL_VALIDATORS,
    QUERY_ALL_BLOCKS,
    QUERY_ALL_ATTESTATIONS,
    QUERY_NEXT_PUBKEY,
    QUERY_ADD_VALIDATOR,
    QUERY_SAVE_VALIDATOR,
    QUERY_BLOCK,
    QUERY_BLOCKS_UP_TO,
    QUERY_ADD_BLOCK,
    QUERY_REMOVE_BLOCK,
    QUERY_REMOVE_BLOCKS_UP_TO,
    QUERY_NEXT_ATTESTATION,
    QUERY_ATTESTATIONS_BELOW,
    QUERY_ADD_ATTESTATION,
    QUERY_REMOVE_ATTESTATION,
    QUERY_REMOVE_ATTESTATIONS_UP_TO,
    QUERY_COUNT,
};

struct sqlite_queries {
    struct sqlite_db *db;
    sqlite3_stmt *statements[QUERY_COUNT];
};

/* Prepares all of them; the schema is known to be ours. After a failure too, _done() is due. */
RESULT sqlite_queries_init(struct sqlite_queries *queries, struct sqlite_db *db);
/* Accepts a zeroed struct. */
void sqlite_queries_done(struct sqlite_queries *queries);

RESULT sqlite_begin(struct sqlite_queries *queries);
/* OK: durable. A failure has rolled back. */
RESULT sqlite_commit(struct sqlite_queries *queries);
/* Nothing to roll back is fine. */
void sqlite_rollback(struct sqlite_queries *queries);

/* SQLite's integers are signed; this keeps the order of unsigned ones. */
static inline int64_t sqlite_from_u64(uint64_t number)
{
    return (int64_t)(number ^ UINT64_C(1) << 63);
}
static inline uint64_t sqlite_to_u64(int64_t stored)
{
    return (uint64_t)stored ^ UINT64_C(1) << 63;
}

/* One use of a statement: parameters in order, then steps. Ends with its scope:
 * SQLITE_USE use = sqlite_use(queries, QUERY_BLOCK); Bytes that were given must live as long. */
struct sqlite_use {
    struct sqlite_db *db;
    sqlite3_stmt *statement;
    int given;  /* parameters so far */
    int failed; /* code of the first that could not be given; the step returns it */
};
#define SQLITE_USE CLEANUP(sqlite_use_end) struct sqlite_use
struct sqlite_use sqlite_use(struct sqlite_queries *queries, enum sqlite_query query);
void sqlite_use_end(struct sqlite_use *use);
void sqlite_give_integer(struct sqlite_use *use, int64_t integer);
void sqlite_give_u64(struct sqlite_use *use, uint64_t number);
/* NULL unless `present`. */
void sqlite_give_maybe_u64(struct sqlite_use *use, bool present, uint64_t number);
void sqlite_give_bytes(struct sqlite_use *use, const uint8_t *bytes, int size);
void sqlite_give_pubkey(struct sqlite_use *use, const struct pubkey *pubkey);
void sqlite_give_root(struct sqlite_use *use, bool present, const struct root *root);

/* Goes to the next row; `*row_out` says whether there is one. */
RESULT sqlite_step(struct sqlite_use *use, bool *row_out);
/* For statements that give no rows. */
RESULT sqlite_run(struct sqlite_use *use);

/* Columns of the row at hand. The layout is STRICT, so numbers are what they seem. */
static inline uint64_t sqlite_u64(const struct sqlite_use *use, int column)
{
    return sqlite_to_u64(sqlite3_column_int64(use->statement, column));
}
uint64_t sqlite_maybe_u64(const struct sqlite_use *use, int column, bool *present_out);
/* UNAVAILABLE, and the connection poisoned: bytes of another length. */
RESULT sqlite_pubkey(struct sqlite_use *use, int column, struct pubkey *out);
RESULT sqlite_maybe_root(struct sqlite_use *use, int column, struct root *out, bool *present_out);

#endif
