#include "store/sqlite_load.h"

#include "base/hex.h"
#include "store/sqlite_layout.h"
#include "store/sqlite_wal.h"

#include <inttypes.h>

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
    SQLITE_USE use = sqlite_use(&store->queries, QUERY_LOAD_STORE);
    struct sqlite_whole *whole = &store->whole;
    bool there = false;
    TRY(sqlite_step(&use, &there));
    TRY(there ? sqlite_maybe_root(&use, 0, genesis_validators_root, &there)
              : sqlite_db_failure(&store->db, SQLITE_CORRUPT));
    whole->in_use = sqlite3_column_int(use.statement, 1) != 0;
    whole->ceiling.slot.value = sqlite_maybe_u64(&use, 4, &whole->ceiling.has_slot);
    whole->ceiling.epoch.value = sqlite_maybe_u64(&use, 5, &whole->ceiling.has_epoch);
    whole->tally.rows = (uint64_t)sqlite3_column_int64(use.statement, 2);
    whole->tally.sum = (uint64_t)sqlite3_column_int64(use.statement, 3) -
                       tally_hash_whole(whole->in_use, &whole->ceiling);
    return OK;
}

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
    ENSURE(sqlite3_db_readonly(store->db.handle, "main") == 0, UNAVAILABLE,
           "the database cannot be written; look at its owner, mode and file system");
    TRY(sqlite_layout_check(store, detail));
    TRY(sqlite_queries_init(&store->queries, &store->db));
    TRY(load_whole(store, &root));
    TRY(check_network(&root, genesis_validators_root, detail));
    ENSURE(!store->whole.in_use || has_wal || accept_loss, UNAVAILABLE,
           "the -wal file that belongs to the database is missing, and the latest records with it: "
           "put both files back, or see \"slashing accept-loss\" in docs/protection.md");
    if (store->whole.in_use && !accept_loss) {
        TRY(sqlite_wal_check(store->db.handle));
    }
    TRY(sqlite_db_configure(&store->db));
    TRY(load_rows(store, detail));
    return take_into_use(store);
}
