#include "store/sqlite_prune.h"

/* One call's way through the rows. */
struct pruning {
    struct sqlite_store *store;
    size_t rows_left; /* that may still go */
    bool more;
    bool found; /* at least one attestation goes; the last one: */
    uint64_t last_target;
    int64_t last_id;
};

static struct result fold_attestation(struct pruning *pruning, struct sqlite_use *use)
{
    struct sqlite_store *store = pruning->store;
    struct signed_attestation attestation = { .target = { sqlite_u64(use, 0) },
                                              .source = { sqlite_u64(use, 2) } };
    int64_t id = sqlite3_column_int64(use->statement, 1);
    TRY(sqlite_maybe_root(use, 3, &attestation.root, &attestation.has_root));
    if (id < 1 || id > (int64_t)store->table.count) {
        return sqlite_db_failure(&store->db, SQLITE_CORRUPT);
    }
    struct validator *validator = &store->table.items[id - 1];
    TRY(validator_table_touch(&store->table, validator));
    watermarks_cover_attestation(&validator->marks, attestation.source, attestation.target);
    tally_remove(&store->whole.tally, tally_hash_attestation((uint32_t)id, &attestation));
    pruning->found = true;
    pruning->last_target = attestation.target.value;
    pruning->last_id = id;
    return OK;
}

static struct result fold_attestations(struct pruning *pruning, struct epoch target_below)
{
    SQLITE_USE use = sqlite_use(&pruning->store->queries, QUERY_ATTESTATIONS_BELOW);
    sqlite_give_u64(&use, target_below.value);
    sqlite_give_integer(&use, (int64_t)pruning->rows_left + 1); /* one more, to see if there is */
    for (;;) {
        bool row = false;
        TRY(sqlite_step(&use, &row));
        if (!row || pruning->rows_left == 0) {
            pruning->more = row;
            return OK;
        }
        TRY(fold_attestation(pruning, &use));
        pruning->rows_left--;
    }
}

/* What was folded is one range at the table's beginning. */
static struct result remove_attestations(struct pruning *pruning)
{
    SQLITE_USE use = sqlite_use(&pruning->store->queries, QUERY_REMOVE_ATTESTATIONS_UP_TO);
    sqlite_give_u64(&use, pruning->last_target);
    sqlite_give_integer(&use, pruning->last_id);
    return sqlite_run(&use);
}

static struct result remove_blocks(struct sqlite_store *store, uint32_t id, struct slot last)
{
    SQLITE_USE use = sqlite_use(&store->queries, QUERY_REMOVE_BLOCKS_UP_TO);
    sqlite_give_integer(&use, id);
    sqlite_give_u64(&use, last.value);
    return sqlite_run(&use);
}

static struct result fold_blocks(struct pruning *pruning, struct validator *validator,
                                 struct slot last)
{
    struct sqlite_store *store = pruning->store;
    CLEANUP(history_done) struct history old = { .block_count = 0 };
    uint32_t id = sqlite_store_id(store, validator);
    TRY(sqlite_store_read_blocks(store, id, last, pruning->rows_left + 1, &old));
    pruning->more = old.block_count > pruning->rows_left;
    size_t count = pruning->more ? pruning->rows_left : old.block_count;
    if (count == 0) {
        return OK;
    }
    TRY(validator_table_touch(&store->table, validator));
    for (size_t i = 0; i < count; i++) {
        watermarks_cover_block(&validator->marks, old.blocks[i].slot);
        tally_remove(&store->whole.tally, tally_hash_block(id, &old.blocks[i]));
    }
    pruning->rows_left -= count;
    return remove_blocks(store, id, old.blocks[count - 1].slot);
}

RESULT sqlite_prune(struct sqlite_store *store, struct epoch target_below, struct slot slot_below,
                    size_t rows_max, bool *more_out)
{
    size_t rows = rows_max < HISTORY_RECORDS_MAX ? rows_max : HISTORY_RECORDS_MAX - 1;
    struct pruning pruning = { .store = store, .rows_left = rows };
    TRY(fold_attestations(&pruning, target_below));
    if (pruning.found) {
        TRY(remove_attestations(&pruning));
    }
    for (size_t i = 0; i < store->table.count && !pruning.more && slot_below.value > 0; i++) {
        struct validator *validator = &store->table.items[i];
        if (validator->marks.has_block) {
            TRY(fold_blocks(&pruning, validator, (struct slot){ slot_below.value - 1 }));
        }
    }
    *more_out = pruning.more;
    return OK;
}
