#include "store/sqlite_load.h"

#include "base/cleanup.h"
#include "base/hex.h"
#include "sqlite_0001.h" /* generated from schema/sqlite_0001.sql */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void statement_done(sqlite3_stmt **statement)
{
    sqlite3_finalize(*statement);
}

static void connection_done(sqlite3 **handle)
{
    sqlite3_close(*handle);
}

/* ---- A new database ---- */

static int insert_store(sqlite3 *handle, const struct root *genesis_validators_root)
{
    CLEANUP(statement_done) sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(handle,
                                  "INSERT INTO store (id, genesis_validators_root, in_use, "
                                  "tally_rows, tally_sum) VALUES (1, ?1, 0, 0, 0)",
                                  -1, &statement, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_bind_blob(statement, 1, genesis_validators_root->bytes,
                                 sizeof(genesis_validators_root->bytes), SQLITE_STATIC);
    }
    return code == SQLITE_OK ? sqlite3_step(statement) : code;
}

static int write_layout(sqlite3 *handle, const struct root *genesis_validators_root)
{
    char identity[96];
    snprintf(identity, sizeof(identity), "PRAGMA application_id = %d; PRAGMA user_version = %d;",
             SQLITE_APPLICATION_ID, SQLITE_LAYOUT);
    static const char *const before =
        "PRAGMA synchronous = FULL; PRAGMA auto_vacuum = NONE; BEGIN;";
    const char *const steps[] = { before, sqlite_0001, identity };
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        int code = sqlite3_exec(handle, steps[i], NULL, NULL, NULL);
        if (code != SQLITE_OK) {
            return code;
        }
    }
    int code = insert_store(handle, genesis_validators_root);
    return code == SQLITE_DONE ? sqlite3_exec(handle, "COMMIT", NULL, NULL, NULL) : code;
}

static struct result fill(const char *path, void *context)
{
    const struct root *genesis_validators_root = context;
    struct sqlite_db db;
    struct result opened = sqlite_db_open(&db, path);
    if (is_ok(opened)) {
        int code = write_layout(db.handle, genesis_validators_root);
        opened = code == SQLITE_OK ? OK : sqlite_db_failure(&db, code);
    }
    sqlite_db_close(&db, true);
    return opened;
}

RESULT sqlite_load_create(const char *path, const struct root *genesis_validators_root,
                          struct detail *detail)
{
    struct root root = *genesis_validators_root;
    return sqlite_file_create(path, fill, &root, detail);
}

/* ---- Whose file it is ---- */

static struct result read_pragma(struct sqlite_db *db, const char *pragma, int *out)
{
    CLEANUP(statement_done) sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db->handle, pragma, -1, &statement, NULL);
    code = code == SQLITE_OK ? sqlite3_step(statement) : code;
    if (code != SQLITE_ROW) {
        return sqlite_db_failure(db, code);
    }
    *out = sqlite3_column_int(statement, 0);
    return OK;
}

/* Reads the file's first page, so this is where a lock or another format shows. */
static struct result check_identity(struct sqlite_store *store, struct detail *detail)
{
    int application_id = 0;
    int layout = 0;
    struct result read = read_pragma(&store->db, "PRAGMA application_id", &application_id);
    if (!is_ok(read) && sqlite3_errcode(store->db.handle) == SQLITE_BUSY) {
        sqlite_file_name_holder(store->path, detail);
    }
    TRY(read);
    ENSURE(application_id == SQLITE_APPLICATION_ID, BAD_INPUT,
           "not a slashing protection database of ours");
    TRY(read_pragma(&store->db, "PRAGMA user_version", &layout));
    detail_set(detail, " (layout %d, this program knows %d)", layout, SQLITE_LAYOUT);
    ENSURE(layout <= SQLITE_LAYOUT, BAD_INPUT,
           "the database was made by a newer version; use that one");
    ENSURE(layout == SQLITE_LAYOUT, BAD_INPUT, "the database has no layout of ours");
    detail_set(detail, "%s", "");
    return OK;
}

/* What an administrator's ANALYZE adds does no harm, and the objects of SQLite itself follow from
 * ours. */
static const char schema_query[] = "SELECT type, name, tbl_name, sql FROM sqlite_schema "
                                   "WHERE name NOT GLOB 'sqlite_*' ORDER BY name";

static bool is_same_row(sqlite3_stmt *a, sqlite3_stmt *b)
{
    for (int column = 0; column < 4; column++) {
        const char *text_a = (const char *)sqlite3_column_text(a, column);
        const char *text_b = (const char *)sqlite3_column_text(b, column);
        if (text_a == NULL || text_b == NULL || strcmp(text_a, text_b) != 0) {
            return false;
        }
    }
    return true;
}

/* Goes through both schemas side by side. */
static int compare_schemas(sqlite3_stmt *theirs, sqlite3_stmt *ours, bool *same_out)
{
    *same_out = true;
    for (;;) {
        int code_theirs = sqlite3_step(theirs);
        int code_ours = sqlite3_step(ours);
        if (code_theirs != SQLITE_ROW && code_theirs != SQLITE_DONE) {
            return code_theirs;
        }
        bool both = code_theirs == SQLITE_ROW && code_ours == SQLITE_ROW;
        if (!both || !is_same_row(theirs, ours)) {
            *same_out = code_theirs == SQLITE_DONE && code_ours == SQLITE_DONE;
            return SQLITE_OK;
        }
    }
}

/* Every table, index, trigger and view must be exactly one that our layout makes. */
static struct result check_schema(struct sqlite_db *db)
{
    CLEANUP(connection_done) sqlite3 *model = NULL;
    CLEANUP(statement_done) sqlite3_stmt *ours = NULL;
    CLEANUP(statement_done) sqlite3_stmt *theirs = NULL;
    bool same = false;
    int code = sqlite3_open_v2(
        ":memory:", &model, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY, NULL);
    code = code == SQLITE_OK ? sqlite3_exec(model, sqlite_0001, NULL, NULL, NULL) : code;
    code = code == SQLITE_OK ? sqlite3_prepare_v2(model, schema_query, -1, &ours, NULL) : code;
    ENSURE(code == SQLITE_OK, UNAVAILABLE, "out of memory");
    code = sqlite3_prepare_v2(db->handle, schema_query, -1, &theirs, NULL);
    code = code == SQLITE_OK ? compare_schemas(theirs, ours, &same) : code;
    if (code != SQLITE_OK) {
        return sqlite_db_failure(db, code);
    }
    ENSURE(same, BAD_INPUT, "the tables of the database are not ours; somebody changed them");
    return OK;
}

static struct result check_network(const struct root *theirs, const struct root *ours,
                                   struct detail *detail)
{
    if (root_equal(theirs, ours)) {
        return OK;
    }
    char their_text[HEX_TEXT_SIZE(sizeof(theirs->bytes))];
    char our_text[HEX_TEXT_SIZE(sizeof(ours->bytes))];
    hex_encode(theirs->bytes, sizeof(theirs->bytes), their_text);
    hex_encode(ours->bytes, sizeof(ours->bytes), our_text);
    detail_set(detail, " (genesis validators root %s, not %s)", their_text, our_text);
    return FAIL(BAD_INPUT, "the database belongs to another network");
}

static struct result load_whole(struct sqlite_store *store, struct root *genesis_validators_root)
{
    CLEANUP(statement_done) sqlite3_stmt *statement = NULL;
    struct sqlite_use use = { .db = &store->db };
    struct sqlite_whole *whole = &store->whole;
    int code = sqlite3_prepare_v2(store->db.handle,
                                  "SELECT genesis_validators_root, in_use, tally_rows, tally_sum, "
                                  "ceiling_slot, ceiling_epoch FROM store",
                                  -1, &statement, NULL);
    code = code == SQLITE_OK ? sqlite3_step(statement) : code;
    if (code != SQLITE_ROW) {
        return sqlite_db_failure(&store->db, code == SQLITE_DONE ? SQLITE_CORRUPT : code);
    }
    use.statement = statement;
    whole->in_use = sqlite3_column_int(statement, 1) != 0;
    whole->tally.rows = (uint64_t)sqlite3_column_int64(statement, 2);
    whole->tally.sum = (uint64_t)sqlite3_column_int64(statement, 3);
    whole->ceiling.slot.value = sqlite_maybe_u64(&use, 4, &whole->ceiling.has_slot);
    whole->ceiling.epoch.value = sqlite_maybe_u64(&use, 5, &whole->ceiling.has_epoch);
    bool has_root = false;
    return sqlite_maybe_root(&use, 0, genesis_validators_root, &has_root);
}

/* ---- What is in it ---- */

/* Every row is looked at, in the order of the tables, which shows pages that were lost or mixed up;
 * the tally shows rows that were altered. */
static struct result damaged(struct sqlite_store *store, struct detail *detail, const char *table,
                             const char *how)
{
    detail_set(detail, " (%s: %s)", table, how);
    return sqlite_db_failure(&store->db, SQLITE_CORRUPT);
}

static struct result load_validator(struct sqlite_store *store, struct sqlite_use *use,
                                    struct tally *tally, struct detail *detail)
{
    struct pubkey pubkey;
    struct validator *validator = NULL;
    TRY(sqlite_pubkey(use, 1, &pubkey));
    if (sqlite3_column_int64(use->statement, 0) != (int64_t)store->table.count + 1) {
        return damaged(store, detail, "validators", "an id is missing");
    }
    if (validator_table_find(&store->table, &pubkey) != NULL) {
        return damaged(store, detail, "validators", "a public key is there twice");
    }
    TRY(validator_table_add(&store->table, &pubkey, &validator));
    struct watermarks *marks = &validator->marks;
    bool has_source = false;
    validator->enabled = sqlite3_column_int(use->statement, 2) != 0;
    marks->block_slot.value = sqlite_maybe_u64(use, 3, &marks->has_block);
    marks->source.value = sqlite_maybe_u64(use, 4, &has_source);
    marks->target.value = sqlite_maybe_u64(use, 5, &marks->has_attestation);
    if (has_source != marks->has_attestation) {
        return damaged(store, detail, "validators", "half a watermark");
    }
    tally_add(tally, tally_hash_validator(sqlite_store_id(store, validator), &pubkey,
                                          validator->enabled, marks));
    return OK;
}

static struct result load_validators(struct sqlite_store *store, struct tally *tally,
                                     struct detail *detail)
{
    SQLITE_USE use = sqlite_use(&store->queries, QUERY_ALL_VALIDATORS);
    for (;;) {
        bool row = false;
        TRY(sqlite_step(&use, &row));
        if (!row) {
            validator_table_keep(&store->table);
            return OK;
        }
        TRY(load_validator(store, &use, tally, detail));
    }
}

static struct result check_blocks(struct sqlite_store *store, struct tally *tally,
                                  struct detail *detail)
{
    SQLITE_USE use = sqlite_use(&store->queries, QUERY_ALL_BLOCKS);
    int64_t last_id = 0;
    uint64_t last_slot = 0;
    for (;;) {
        bool row = false;
        TRY(sqlite_step(&use, &row));
        if (!row) {
            return OK;
        }
        int64_t id = sqlite3_column_int64(use.statement, 0);
        struct signed_block block = { .slot = { sqlite_u64(&use, 1) } };
        TRY(sqlite_maybe_root(&use, 2, &block.root, &block.has_root));
        bool in_order = id > last_id || (id == last_id && block.slot.value > last_slot);
        if (!in_order || id < 1 || id > (int64_t)store->table.count) {
            return damaged(store, detail, "blocks", "rows out of order");
        }
        if (!store->table.items[id - 1].marks.has_block) {
            return damaged(store, detail, "blocks", "a block without a watermark");
        }
        tally_add(tally, tally_hash_block((uint32_t)id, &block));
        last_id = id;
        last_slot = block.slot.value;
    }
}

/* In the order of targets the sources of one validator never fall, or one would surround another.
 */
static struct result load_attestation(struct sqlite_store *store, struct validator *validator,
                                      const struct signed_attestation *attestation,
                                      struct detail *detail)
{
    struct peaks *peaks = &validator->peaks;
    if (!validator->marks.has_attestation) {
        return damaged(store, detail, "attestations", "an attestation without a watermark");
    }
    if (attestation->source.value > attestation->target.value ||
        (peaks->has_attestation && attestation->source.value < peaks->source.value)) {
        return damaged(store, detail, "attestations", "two that contradict each other");
    }
    *peaks = (struct peaks){ .has_attestation = true,
                             .source = attestation->source,
                             .target = attestation->target };
    return OK;
}

static struct result load_attestations(struct sqlite_store *store, struct tally *tally,
                                       struct detail *detail)
{
    SQLITE_USE use = sqlite_use(&store->queries, QUERY_ALL_ATTESTATIONS);
    int64_t last_id = 0;
    uint64_t last_target = 0;
    for (;;) {
        bool row = false;
        TRY(sqlite_step(&use, &row));
        if (!row) {
            return OK;
        }
        int64_t id = sqlite3_column_int64(use.statement, 1);
        struct signed_attestation attestation = { .target = { sqlite_u64(&use, 0) },
                                                  .source = { sqlite_u64(&use, 2) } };
        TRY(sqlite_maybe_root(&use, 3, &attestation.root, &attestation.has_root));
        uint64_t target = attestation.target.value;
        bool in_order = target > last_target || (target == last_target && id > last_id);
        if (!in_order || id < 1 || id > (int64_t)store->table.count) {
            return damaged(store, detail, "attestations", "rows out of order");
        }
        TRY(load_attestation(store, &store->table.items[id - 1], &attestation, detail));
        tally_add(tally, tally_hash_attestation((uint32_t)id, &attestation));
        last_id = id;
        last_target = target;
    }
}

static struct result load_rows(struct sqlite_store *store, struct detail *detail)
{
    struct tally tally = { .rows = 0 };
    TRY(load_validators(store, &tally, detail));
    TRY(check_blocks(store, &tally, detail));
    TRY(load_attestations(store, &tally, detail));
    if (!tally_equal(&tally, &store->whole.tally)) {
        detail_set(detail, " (%" PRIu64 " rows, of which %" PRIu64 " were written%s)", tally.rows,
                   store->whole.tally.rows,
                   tally.rows == store->whole.tally.rows ? "; some were altered" : "");
        return sqlite_db_failure(&store->db, SQLITE_CORRUPT);
    }
    return OK;
}

/* Records that a process wrote to the -wal and did not live to sync are in the kernel's memory at
 * best. So all of the -wal is made durable, and moved into the file, before the first answer relies
 * on it. */
static struct result take_into_use(struct sqlite_store *store)
{
    TRY(sqlite_db_rewrite_wal(&store->db));
    TRY(sqlite_store_begin(store));
    store->whole.in_use = true;
    TRY(sqlite_store_commit(store));
    return sqlite_db_checkpoint_all(&store->db);
}

RESULT sqlite_load(struct sqlite_store *store, const struct root *genesis_validators_root,
                   bool has_wal, bool accept_loss, struct detail *detail)
{
    struct root root;
    TRY(validator_table_init(&store->table));
    TRY(sqlite_db_open(&store->db, store->path));
    TRY(check_identity(store, detail));
    ENSURE(sqlite3_db_readonly(store->db.handle, "main") == 0, UNAVAILABLE,
           "the database cannot be written");
    TRY(check_schema(&store->db));
    TRY(load_whole(store, &root));
    TRY(check_network(&root, genesis_validators_root, detail));
    ENSURE(!store->whole.in_use || has_wal || accept_loss, UNAVAILABLE,
           "the -wal file that belongs to the database is missing, and the latest records with it: "
           "put both files back, or see \"slashing check --help\"");
    TRY(sqlite_db_configure(&store->db));
    TRY(sqlite_queries_init(&store->queries, &store->db));
    TRY(load_rows(store, detail));
    return take_into_use(store);
}
