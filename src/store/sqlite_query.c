#include "store/sqlite_query.h"

#include "base/cleanup.h"

#include <stddef.h>
#include <string.h>

static const char *const texts[QUERY_COUNT] = {
    [QUERY_BEGIN] = "BEGIN IMMEDIATE",
    [QUERY_COMMIT] = "COMMIT",
    [QUERY_ROLLBACK] = "ROLLBACK",
    [QUERY_LOAD_STORE] = "SELECT genesis_validators_root, in_use, tally_rows, tally_sum, "
                         "ceiling_slot, ceiling_epoch FROM store",
    [QUERY_SAVE_STORE] = "UPDATE store SET in_use = ?1, tally_rows = ?2, tally_sum = ?3, "
                         "ceiling_slot = ?4, ceiling_epoch = ?5 WHERE id = 1",
    [QUERY_ALL_VALIDATORS] = "SELECT id, pubkey, enabled, block_slot, source, target "
                             "FROM validators ORDER BY id",
    [QUERY_ALL_BLOCKS] = "SELECT validator, slot, root FROM blocks ORDER BY validator, slot",
    [QUERY_ALL_ATTESTATIONS] = "SELECT target, validator, source, root FROM attestations "
                               "ORDER BY target, validator",
    [QUERY_NEXT_PUBKEY] = "SELECT pubkey FROM validators WHERE pubkey > ?1 ORDER BY pubkey LIMIT 1",
    [QUERY_ADD_VALIDATOR] = "INSERT INTO validators (id, pubkey, enabled, block_slot, source, "
                            "target) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [QUERY_SAVE_VALIDATOR] = "UPDATE validators SET pubkey = ?2, enabled = ?3, block_slot = ?4, "
                             "source = ?5, target = ?6 WHERE id = ?1",
    [QUERY_BLOCK] = "SELECT slot, root FROM blocks WHERE validator = ?1 AND slot = ?2",
    [QUERY_BLOCKS_UP_TO] = "SELECT slot, root FROM blocks WHERE validator = ?1 AND slot <= ?2 "
                           "ORDER BY slot LIMIT ?3",
    [QUERY_ADD_BLOCK] = "INSERT INTO blocks (validator, slot, root) VALUES (?1, ?2, ?3)",
    [QUERY_REMOVE_BLOCK] = "DELETE FROM blocks WHERE validator = ?1 AND slot = ?2",
    [QUERY_REMOVE_BLOCKS_UP_TO] = "DELETE FROM blocks WHERE validator = ?1 AND slot <= ?2",
    [QUERY_NEXT_ATTESTATION] = "SELECT target, validator, source, root FROM attestations "
                               "WHERE (target, validator) >= (?1, ?2) "
                               "ORDER BY target, validator LIMIT 1",
    [QUERY_ATTESTATIONS_BELOW] = "SELECT target, validator, source, root FROM attestations "
                                 "WHERE target < ?1 ORDER BY target, validator LIMIT ?2",
    [QUERY_ADD_ATTESTATION] = "INSERT INTO attestations (target, validator, source, root) "
                              "VALUES (?1, ?2, ?3, ?4)",
    [QUERY_REMOVE_ATTESTATION] = "DELETE FROM attestations WHERE target = ?1 AND validator = ?2",
    [QUERY_REMOVE_ATTESTATIONS_UP_TO] = "DELETE FROM attestations "
                                        "WHERE (target, validator) <= (?1, ?2)",
};

RESULT sqlite_queries_init(struct sqlite_queries *queries, struct sqlite_db *db)
{
    *queries = (struct sqlite_queries){ .db = db };
    for (size_t i = 0; i < QUERY_COUNT; i++) {
        int code = sqlite3_prepare_v3(db->handle, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                      &queries->statements[i], NULL);
        if (code != SQLITE_OK) {
            return sqlite_db_failure(db, code);
        }
    }
    return OK;
}

void sqlite_queries_done(struct sqlite_queries *queries)
{
    for (size_t i = 0; i < QUERY_COUNT; i++) {
        sqlite3_finalize(queries->statements[i]); /* accepts NULL */
        queries->statements[i] = NULL;
    }
}

static struct result run_plain(struct sqlite_queries *queries, enum sqlite_query query)
{
    SQLITE_USE use = sqlite_use(queries, query);
    return sqlite_run(&use);
}

RESULT sqlite_begin(struct sqlite_queries *queries)
{
    return run_plain(queries, QUERY_BEGIN);
}

RESULT sqlite_commit(struct sqlite_queries *queries)
{
    struct result committed = run_plain(queries, QUERY_COMMIT);
    if (!is_ok(committed)) {
        sqlite_rollback(queries);
    }
    return committed;
}

void sqlite_rollback(struct sqlite_queries *queries)
{
    if (sqlite3_get_autocommit(queries->db->handle) != 0) {
        return; /* SQLite itself rolls back after some failures */
    }
    if (!is_ok(run_plain(queries, QUERY_ROLLBACK))) {
        sqlite_db_poison(queries->db, "a transaction could not be taken back; restart the signer");
    }
}

struct sqlite_use sqlite_use(struct sqlite_queries *queries, enum sqlite_query query)
{
    return (struct sqlite_use){ .db = queries->db, .statement = queries->statements[query] };
}

void sqlite_use_end(struct sqlite_use *use)
{
    sqlite3_reset(use->statement); /* repeats the step's code, which was seen */
}

static void note_given(struct sqlite_use *use, int code)
{
    use->failed = use->failed == SQLITE_OK ? code : use->failed;
}

void sqlite_give_integer(struct sqlite_use *use, int64_t integer)
{
    note_given(use, sqlite3_bind_int64(use->statement, ++use->given, integer));
}

void sqlite_give_u64(struct sqlite_use *use, uint64_t number)
{
    sqlite_give_integer(use, sqlite_from_u64(number));
}

static void give_null(struct sqlite_use *use)
{
    note_given(use, sqlite3_bind_null(use->statement, ++use->given));
}

void sqlite_give_bytes(struct sqlite_use *use, const uint8_t *bytes, int size)
{
    note_given(use, sqlite3_bind_blob(use->statement, ++use->given, bytes, size, SQLITE_STATIC));
}

void sqlite_give_maybe_u64(struct sqlite_use *use, bool present, uint64_t number)
{
    if (present) {
        sqlite_give_u64(use, number);
    } else {
        give_null(use);
    }
}

void sqlite_give_pubkey(struct sqlite_use *use, const struct pubkey *pubkey)
{
    sqlite_give_bytes(use, pubkey->bytes, sizeof(pubkey->bytes));
}

void sqlite_give_root(struct sqlite_use *use, bool present, const struct root *root)
{
    if (present) {
        sqlite_give_bytes(use, root->bytes, sizeof(root->bytes));
    } else {
        give_null(use);
    }
}

RESULT sqlite_step(struct sqlite_use *use, bool *row_out)
{
    int code = use->failed == SQLITE_OK ? sqlite3_step(use->statement) : use->failed;
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        return sqlite_db_failure(use->db, code);
    }
    *row_out = code == SQLITE_ROW;
    return OK;
}

RESULT sqlite_run(struct sqlite_use *use)
{
    bool row = false;
    return sqlite_step(use, &row);
}

uint64_t sqlite_maybe_u64(const struct sqlite_use *use, int column, bool *present_out)
{
    *present_out = sqlite3_column_type(use->statement, column) != SQLITE_NULL;
    return *present_out ? sqlite_u64(use, column) : 0;
}

static struct result copy_bytes(struct sqlite_use *use, int column, uint8_t *out, int size)
{
    const void *bytes = sqlite3_column_blob(use->statement, column);
    if (bytes == NULL || sqlite3_column_bytes(use->statement, column) != size) {
        return sqlite_db_failure(use->db, SQLITE_CORRUPT);
    }
    memcpy(out, bytes, (size_t)size);
    return OK;
}

RESULT sqlite_pubkey(struct sqlite_use *use, int column, struct pubkey *out)
{
    return copy_bytes(use, column, out->bytes, sizeof(out->bytes));
}

RESULT sqlite_maybe_root(struct sqlite_use *use, int column, struct root *out, bool *present_out)
{
    *present_out = sqlite3_column_type(use->statement, column) != SQLITE_NULL;
    return *present_out ? copy_bytes(use, column, out->bytes, sizeof(out->bytes)) : OK;
}
