#include "store/sqlite_import.h"

#include "store/sqlite_store.h"

#include <assert.h>

struct result sqlite_import_begin(struct slashing_store *base)
{
    struct sqlite_store *store = sqlite_store_of(base);
    ENSURE(!store->is_importing, UNAVAILABLE, "an import is under way");
    TRY(sqlite_db_usable(&store->db));
    TRY(sqlite_store_begin(store));
    store->is_importing = true;
    store->import_failed = false;
    return OK;
}

struct result sqlite_read_history(struct slashing_store *base, const struct pubkey *pubkey,
                                  struct history *out)
{
    struct sqlite_store *store = sqlite_store_of(base);
    const struct validator *validator = validator_table_find(&store->table, pubkey);
    ENSURE(validator != NULL, NOT_FOUND, "the validator is not known");
    uint32_t id = sqlite_store_id(store, validator);
    out->pubkey = *pubkey;
    out->marks = validator->marks;
    TRY(sqlite_store_read_blocks(store, id, (struct slot){ UINT64_MAX }, SIZE_MAX, out));
    if (!validator->peaks.has_attestation) {
        return OK;
    }
    return sqlite_store_read_attestations(store, id, (struct epoch){ 0 }, validator->peaks.target,
                                          out);
}

static bool is_same_block(const struct signed_block *a, const struct signed_block *b)
{
    return a->has_root == b->has_root && (!a->has_root || root_equal(&a->root, &b->root));
}

static bool is_same_attestation(const struct signed_attestation *a,
                                const struct signed_attestation *b)
{
    return a->source.value == b->source.value && a->has_root == b->has_root &&
           (!a->has_root || root_equal(&a->root, &b->root));
}

/* Both are sorted: one walk finds what left, what came and what changed. */
static struct result save_blocks(struct sqlite_store *store, uint32_t id,
                                 const struct history *before, const struct history *after)
{
    size_t old = 0;
    size_t new = 0;
    while (old < before->block_count || new < after->block_count) {
        const struct signed_block *was = old < before->block_count ? &before->blocks[old] : NULL;
        const struct signed_block *is = new < after->block_count ? &after->blocks[new] : NULL;
        bool leaves = is == NULL || (was != NULL && was->slot.value < is->slot.value);
        bool comes = was == NULL || (is != NULL && is->slot.value < was->slot.value);
        bool changes = !leaves && !comes && !is_same_block(was, is);
        if (leaves || changes) {
            TRY(sqlite_store_remove_block(store, id, was));
        }
        if (comes || changes) {
            TRY(sqlite_store_add_block(store, id, is));
        }
        old += !comes;
        new += !leaves;
    }
    return OK;
}

static struct result save_attestations(struct sqlite_store *store, uint32_t id,
                                       const struct history *before, const struct history *after)
{
    size_t old = 0;
    size_t new = 0;
    while (old < before->attestation_count || new < after->attestation_count) {
        const struct signed_attestation *was =
            old < before->attestation_count ? &before->attestations[old] : NULL;
        const struct signed_attestation *is =
            new < after->attestation_count ? &after->attestations[new] : NULL;
        bool leaves = is == NULL || (was != NULL && was->target.value < is->target.value);
        bool comes = was == NULL || (is != NULL && is->target.value < was->target.value);
        bool changes = !leaves && !comes && !is_same_attestation(was, is);
        if (leaves || changes) {
            TRY(sqlite_store_remove_attestation(store, id, was));
        }
        if (comes || changes) {
            TRY(sqlite_store_add_attestation(store, id, is));
        }
        old += !comes;
        new += !leaves;
    }
    return OK;
}

static struct result save(struct sqlite_store *store, const struct history *before,
                          const struct history *after)
{
    struct validator *validator = NULL;
    TRY(sqlite_store_change_validator(store, &after->pubkey, &validator));
    validator->marks = after->marks;
    validator->peaks = history_peaks(after);
    uint32_t id = sqlite_store_id(store, validator);
    TRY(save_blocks(store, id, before, after));
    return save_attestations(store, id, before, after);
}

struct result sqlite_import_history(struct slashing_store *base, const struct history *added,
                                    enum conflict_policy policy, struct detail *detail)
{
    struct sqlite_store *store = sqlite_store_of(base);
    assert(store->is_importing);
    ENSURE(!store->import_failed, UNAVAILABLE, "the import has failed before");
    CLEANUP(history_done) struct history before = { .pubkey = added->pubkey };
    CLEANUP(history_done) struct history after = { .block_count = 0 };
    struct result done = sqlite_read_history(base, &added->pubkey, &before);
    done = done.status == STATUS_NOT_FOUND ? OK : done;
    if (is_ok(done)) {
        done = history_copy(&before, &after);
    }
    if (is_ok(done)) {
        done = history_merge(&after, added, policy, detail);
    }
    if (is_ok(done)) {
        done = save(store, &before, &after);
    }
    /* What is refused, or too much, is so before anything of it is written. */
    store->import_failed =
        !is_ok(done) && done.status != STATUS_REFUSED && done.status != STATUS_LIMIT;
    return done;
}

struct result sqlite_import_end(struct slashing_store *base, bool commit)
{
    struct sqlite_store *store = sqlite_store_of(base);
    assert(store->is_importing);
    store->is_importing = false;
    if (!commit || store->import_failed) {
        sqlite_store_rollback(store);
        ENSURE(!commit, UNAVAILABLE, "the import has failed before");
        return OK;
    }
    TRY(sqlite_store_commit(store));
    sqlite_db_checkpoint(&store->db); /* now rather than under the first signatures */
    return OK;
}
