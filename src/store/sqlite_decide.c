#include "store/sqlite_decide.h"

#include "store/sqlite_store.h"

#include <assert.h>

static void cover_peaks(struct peaks *peaks, const struct signed_attestation *attestation)
{
    if (!peaks->has_attestation || attestation->source.value > peaks->source.value) {
        peaks->source = attestation->source;
    }
    if (!peaks->has_attestation || attestation->target.value > peaks->target.value) {
        peaks->target = attestation->target;
    }
    peaks->has_attestation = true;
}

static struct result judge_block(struct sqlite_store *store, const struct validator *validator,
                                 struct slashing_check *check)
{
    struct signed_block *same_slot = &check->conflicting_block;
    bool found = false;
    if (validator->marks.has_block) { /* else it has no blocks, or is not even known */
        TRY(sqlite_store_find_block(store, sqlite_store_id(store, validator), check->block.slot,
                                    same_slot, &found));
    }
    check->verdict = rules_block(&validator->marks, &store->whole.ceiling, found ? same_slot : NULL,
                                 &check->block);
    return OK;
}

/* Anything but the usual next attestation: a repeat, one in a gap, one behind. */
static struct result judge_among_records(struct sqlite_store *store,
                                         const struct validator *validator,
                                         struct slashing_check *check)
{
    CLEANUP(history_done) struct history records = { .block_count = 0 };
    const struct signed_attestation *wanted = &check->attestation;
    size_t conflict = 0;
    TRY(sqlite_store_read_attestations(store, sqlite_store_id(store, validator),
                                       rules_relevant_target(wanted), validator->peaks.target,
                                       &records));
    check->verdict =
        rules_attestation(&validator->marks, &store->whole.ceiling, records.attestations,
                          records.attestation_count, wanted, &conflict);
    if (conflict < records.attestation_count) {
        check->conflicting_attestation = records.attestations[conflict];
    }
    return OK;
}

static struct result judge_attestation(struct sqlite_store *store,
                                       const struct validator *validator,
                                       struct slashing_check *check)
{
    if (!rules_attestation_is_ahead(&validator->peaks, &check->attestation)) {
        return judge_among_records(store, validator, check);
    }
    check->verdict = rules_attestation(&validator->marks, &store->whole.ceiling, NULL, 0,
                                       &check->attestation, NULL);
    return OK;
}

static struct result record(struct sqlite_store *store, const struct slashing_check *check)
{
    struct validator *validator = NULL;
    if (!store->in_transaction) {
        TRY(sqlite_store_begin(store));
    }
    TRY(sqlite_store_change_validator(store, &check->pubkey, &validator));
    uint32_t id = sqlite_store_id(store, validator);
    if (check->kind == SLASHING_BLOCK) {
        if (!validator->marks.has_block) {
            watermarks_cover_block(&validator->marks, check->block.slot);
        }
        return sqlite_store_add_block(store, id, &check->block);
    }
    if (!validator->marks.has_attestation) {
        watermarks_cover_attestation(&validator->marks, check->attestation.source,
                                     check->attestation.target);
    }
    cover_peaks(&validator->peaks, &check->attestation);
    return sqlite_store_add_attestation(store, id, &check->attestation);
}

static struct result decide_one(struct sqlite_store *store, struct slashing_check *check)
{
    static const struct validator stranger = { .enabled = true };
    const struct validator *validator = validator_table_find(&store->table, &check->pubkey);
    validator = validator == NULL ? &stranger : validator;
    if (!validator->enabled) {
        check->verdict = VERDICT_DISABLED;
        return OK;
    }
    TRY(check->kind == SLASHING_BLOCK ? judge_block(store, validator, check)
                                      : judge_attestation(store, validator, check));
    return check->verdict == VERDICT_NEW ? record(store, check) : OK;
}

static struct result decide_all(struct sqlite_store *store, struct slashing_check *const checks[],
                                size_t count)
{
    ENSURE(!store->is_importing, UNAVAILABLE, "an import is under way");
    TRY(sqlite_db_usable(&store->db));
    for (size_t i = 0; i < count; i++) {
        TRY(decide_one(store, checks[i]));
    }
    return store->in_transaction ? sqlite_store_commit(store) : OK;
}

void sqlite_decide(struct slashing_store *base, struct slashing_check *const checks[], size_t count)
{
    assert(count <= STORE_BATCH_MAX);
    struct sqlite_store *store = sqlite_store_of(base);
    for (size_t i = 0; i < count; i++) {
        checks[i]->verdict = VERDICT_NONE;
    }
    if (is_ok(decide_all(store, checks, count))) {
        sqlite_db_checkpoint(&store->db);
        return;
    }
    if (!store->is_importing) {
        sqlite_store_rollback(store);
    }
    for (size_t i = 0; i < count; i++) {
        if (checks[i]->verdict == VERDICT_NONE || verdict_allows(checks[i]->verdict)) {
            checks[i]->verdict = VERDICT_STORE_FAILED;
        }
    }
}
