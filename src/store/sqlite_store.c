#include "store/sqlite_store.h"

#include <assert.h>

RESULT sqlite_store_begin(struct sqlite_store *store)
{
    assert(!store->in_transaction);
    TRY(sqlite_begin(&store->queries));
    store->whole_before = store->whole;
    store->in_transaction = true;
    return OK;
}

void sqlite_store_rollback(struct sqlite_store *store)
{
    if (!store->in_transaction) {
        return;
    }
    sqlite_rollback(&store->queries);
    validator_table_undo(&store->table);
    store->whole = store->whole_before;
    store->in_transaction = false;
}

static struct result save_whole(struct sqlite_store *store)
{
    const struct sqlite_whole *whole = &store->whole;
    SQLITE_USE use = sqlite_use(&store->queries, QUERY_SAVE_STORE);
    sqlite_give_integer(&use, whole->in_use);
    sqlite_give_integer(&use, (int64_t)whole->tally.rows);
    sqlite_give_integer(
        &use, (int64_t)(whole->tally.sum + tally_hash_whole(whole->in_use, &whole->ceiling)));
    sqlite_give_maybe_u64(&use, whole->ceiling.has_slot, whole->ceiling.slot.value);
    sqlite_give_maybe_u64(&use, whole->ceiling.has_epoch, whole->ceiling.epoch.value);
    return sqlite_run(&use);
}

static struct result write_validator(struct sqlite_store *store, enum sqlite_query query,
                                     uint32_t id, const struct validator *validator)
{
    const struct watermarks *marks = &validator->marks;
    SQLITE_USE use = sqlite_use(&store->queries, query);
    sqlite_give_integer(&use, id);
    sqlite_give_pubkey(&use, &validator->pubkey);
    sqlite_give_integer(&use, validator->enabled);
    sqlite_give_maybe_u64(&use, marks->has_block, marks->block_slot.value);
    sqlite_give_maybe_u64(&use, marks->has_attestation, marks->source.value);
    sqlite_give_maybe_u64(&use, marks->has_attestation, marks->target.value);
    return sqlite_run(&use);
}

/* Most changes are of peaks, which the file does not hold: they follow from the records. */
static struct result save_validator(struct sqlite_store *store,
                                    const struct validator_change *change)
{
    const struct validator *validator = &store->table.items[change->index];
    struct tally *tally = &store->whole.tally;
    uint32_t id = change->index + 1;
    uint64_t after =
        tally_hash_validator(id, &validator->pubkey, validator->enabled, &validator->marks);
    if (change->is_new) {
        tally_add(tally, after);
        return write_validator(store, QUERY_ADD_VALIDATOR, id, validator);
    }
    uint64_t before = tally_hash_validator(id, &validator->pubkey, change->enabled, &change->marks);
    if (after == before) {
        return OK;
    }
    tally_remove(tally, before);
    tally_add(tally, after);
    return write_validator(store, QUERY_SAVE_VALIDATOR, id, validator);
}

static struct result save_all(struct sqlite_store *store)
{
    for (size_t i = 0; i < store->table.change_count; i++) {
        TRY(save_validator(store, &store->table.changes[i]));
    }
    TRY(save_whole(store));
    return sqlite_commit(&store->queries);
}

RESULT sqlite_store_commit(struct sqlite_store *store)
{
    assert(store->in_transaction);
    struct result saved = save_all(store);
    if (!is_ok(saved)) {
        sqlite_store_rollback(store);
        return saved;
    }
    validator_table_keep(&store->table);
    store->in_transaction = false;
    return OK;
}

RESULT sqlite_store_change_validator(struct sqlite_store *store, const struct pubkey *pubkey,
                                     struct validator **out)
{
    assert(store->in_transaction);
    struct validator *validator = validator_table_find(&store->table, pubkey);
    if (validator == NULL) {
        return validator_table_add(&store->table, pubkey, out);
    }
    TRY(validator_table_touch(&store->table, validator));
    *out = validator;
    return OK;
}

RESULT sqlite_store_add_block(struct sqlite_store *store, uint32_t id,
                              const struct signed_block *block)
{
    SQLITE_USE use = sqlite_use(&store->queries, QUERY_ADD_BLOCK);
    sqlite_give_integer(&use, id);
    sqlite_give_u64(&use, block->slot.value);
    sqlite_give_root(&use, block->has_root, &block->root);
    tally_add(&store->whole.tally, tally_hash_block(id, block));
    return sqlite_run(&use);
}

RESULT sqlite_store_remove_block(struct sqlite_store *store, uint32_t id,
                                 const struct signed_block *block)
{
    SQLITE_USE use = sqlite_use(&store->queries, QUERY_REMOVE_BLOCK);
    sqlite_give_integer(&use, id);
    sqlite_give_u64(&use, block->slot.value);
    tally_remove(&store->whole.tally, tally_hash_block(id, block));
    return sqlite_run(&use);
}

RESULT sqlite_store_add_attestation(struct sqlite_store *store, uint32_t id,
                                    const struct signed_attestation *attestation)
{
    SQLITE_USE use = sqlite_use(&store->queries, QUERY_ADD_ATTESTATION);
    sqlite_give_u64(&use, attestation->target.value);
    sqlite_give_integer(&use, id);
    sqlite_give_u64(&use, attestation->source.value);
    sqlite_give_root(&use, attestation->has_root, &attestation->root);
    tally_add(&store->whole.tally, tally_hash_attestation(id, attestation));
    return sqlite_run(&use);
}

RESULT sqlite_store_remove_attestation(struct sqlite_store *store, uint32_t id,
                                       const struct signed_attestation *attestation)
{
    SQLITE_USE use = sqlite_use(&store->queries, QUERY_REMOVE_ATTESTATION);
    sqlite_give_u64(&use, attestation->target.value);
    sqlite_give_integer(&use, id);
    tally_remove(&store->whole.tally, tally_hash_attestation(id, attestation));
    return sqlite_run(&use);
}

static struct result read_block(struct sqlite_use *use, struct signed_block *out)
{
    *out = (struct signed_block){ .slot = { sqlite_u64(use, 0) } };
    return sqlite_maybe_root(use, 1, &out->root, &out->has_root);
}

RESULT sqlite_store_find_block(struct sqlite_store *store, uint32_t id, struct slot slot,
                               struct signed_block *out, bool *found_out)
{
    SQLITE_USE use = sqlite_use(&store->queries, QUERY_BLOCK);
    sqlite_give_integer(&use, id);
    sqlite_give_u64(&use, slot.value);
    TRY(sqlite_step(&use, found_out));
    return *found_out ? read_block(&use, out) : OK;
}

RESULT sqlite_store_read_blocks(struct sqlite_store *store, uint32_t id, struct slot last,
                                size_t rows_max, struct history *out)
{
    SQLITE_USE use = sqlite_use(&store->queries, QUERY_BLOCKS_UP_TO);
    sqlite_give_integer(&use, id);
    sqlite_give_u64(&use, last.value);
    sqlite_give_integer(&use, rows_max > INT64_MAX ? INT64_MAX : (int64_t)rows_max);
    for (;;) {
        bool row = false;
        struct signed_block block;
        TRY(sqlite_step(&use, &row));
        if (!row) {
            return OK;
        }
        TRY(read_block(&use, &block));
        TRY(history_add_block(out, &block));
    }
}

/* Where the search for one validator's attestations goes on. */
struct place {
    uint64_t target;
    uint32_t id;
};

/* Reads the first row at or behind the place. When that is the validator's own, `*found_out` is
 * true; in any case the place moves to the next that could be. False at the end of the table. */
static struct result seek(struct sqlite_store *store, uint32_t id, struct place *place,
                          struct signed_attestation *out, bool *found_out, bool *more_out)
{
    SQLITE_USE use = sqlite_use(&store->queries, QUERY_NEXT_ATTESTATION);
    sqlite_give_u64(&use, place->target);
    sqlite_give_integer(&use, place->id);
    TRY(sqlite_step(&use, more_out));
    *found_out = false;
    if (!*more_out) {
        return OK;
    }
    uint64_t target = sqlite_u64(&use, 0);
    int64_t found_id = sqlite3_column_int64(use.statement, 1);
    *found_out = found_id == id;
    if (*found_out) {
        *out =
            (struct signed_attestation){ .source = { sqlite_u64(&use, 2) }, .target = { target } };
        TRY(sqlite_maybe_root(&use, 3, &out->root, &out->has_root));
    }
    bool may_follow =
        found_id < id; /* this target begins with smaller ids: ours may be among them */
    *more_out = may_follow || target < UINT64_MAX;
    place->target = may_follow ? target : target + 1;
    return OK;
}

/* The table is ordered by time, so one validator's rows lie apart: one seek for each target that
 * anybody has a row of, rarely two. */
RESULT sqlite_store_read_attestations(struct sqlite_store *store, uint32_t id, struct epoch first,
                                      struct epoch last, struct history *out)
{
    struct place place = { .target = first.value, .id = id };
    bool more = true;
    while (more && place.target <= last.value) {
        struct signed_attestation attestation;
        bool found = false;
        TRY(seek(store, id, &place, &attestation, &found, &more));
        if (found && attestation.target.value <= last.value) {
            TRY(history_add_attestation(out, &attestation));
        }
    }
    return OK;
}
