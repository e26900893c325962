/* Random histories of small numbers, so that conflicts are frequent: the store against the
 * reference, and both against a judge that is written from the words of EIP-3076 and knows nothing
 * of our rules. */
#include "store/conformance.h"
#include "store/memory_store.h"

enum {
    ROUNDS = 40,
    VALIDATORS = 512, /* of a round: 20,480 histories in all */
    STEPS = 20,
    NUMBERS = 9, /* slots and epochs below this */
    CLAIMS_MAX = 256,
};

/* All that was ever claimed to be signed by one validator. */
struct claims {
    struct signed_block blocks[CLAIMS_MAX];
    size_t block_count;
    struct signed_attestation votes[CLAIMS_MAX];
    size_t vote_count;
    struct watermarks
        floor;     /* the lowest of the first message and of each import, the highest of them */
    bool is_lossy; /* records became watermarks: only safety can be predicted */
    bool is_disabled;
};

static struct claims all_claims[VALIDATORS];
static struct ceiling ceiling;

/* consensus-specs, is_slashable_attestation_data(): different data and the same target, or one
 * around the other. Data of which a root is unknown counts as different (EIP-3076, condition 1). */
static bool votes_slashable(const struct signed_attestation *a, const struct signed_attestation *b)
{
    bool same = a->source.value == b->source.value && a->target.value == b->target.value &&
                a->has_root && b->has_root && root_equal(&a->root, &b->root);
    bool around = a->source.value < b->source.value && b->target.value < a->target.value;
    bool inside = b->source.value < a->source.value && a->target.value < b->target.value;
    return (!same && a->target.value == b->target.value) || around || inside;
}

/* Two claims about the past: here a root that is unknown may be the same one. */
static bool votes_contradict(const struct signed_attestation *a, const struct signed_attestation *b)
{
    bool may_be_one = a->source.value == b->source.value && a->target.value == b->target.value &&
                      (!a->has_root || !b->has_root || root_equal(&a->root, &b->root));
    return !may_be_one && votes_slashable(a, b);
}

static bool blocks_slashable(const struct signed_block *a, const struct signed_block *b)
{
    return a->slot.value == b->slot.value &&
           !(a->has_root && b->has_root && root_equal(&a->root, &b->root));
}

static bool blocks_contradict(const struct signed_block *a, const struct signed_block *b)
{
    return a->slot.value == b->slot.value && a->has_root && b->has_root &&
           !root_equal(&a->root, &b->root);
}

struct judgement {
    bool was_claimed;
    bool is_slashable;
    bool is_below_floor;
    bool is_forbidden; /* for another reason */
};

static struct judgement judge_block(const struct claims *claims, const struct signed_block *wanted)
{
    struct judgement says = { .is_forbidden = claims->is_disabled };
    says.is_forbidden =
        says.is_forbidden || (ceiling.has_slot && wanted->slot.value >= ceiling.slot.value);
    for (size_t i = 0; i < claims->block_count; i++) {
        says.was_claimed =
            says.was_claimed || (wanted->has_root && block_equal(&claims->blocks[i], wanted));
        says.is_slashable = says.is_slashable || blocks_slashable(&claims->blocks[i], wanted);
    }
    says.is_below_floor =
        claims->floor.has_block && wanted->slot.value <= claims->floor.block_slot.value;
    return says;
}

static struct judgement judge_vote(const struct claims *claims,
                                   const struct signed_attestation *wanted)
{
    struct judgement says = { .is_forbidden = claims->is_disabled };
    says.is_forbidden = says.is_forbidden || wanted->source.value > wanted->target.value ||
                        (ceiling.has_epoch && wanted->target.value >= ceiling.epoch.value);
    for (size_t i = 0; i < claims->vote_count; i++) {
        says.was_claimed =
            says.was_claimed || (wanted->has_root && vote_equal(&claims->votes[i], wanted));
        says.is_slashable = says.is_slashable || votes_slashable(&claims->votes[i], wanted);
    }
    says.is_below_floor =
        claims->floor.has_attestation && (wanted->source.value < claims->floor.source.value ||
                                          wanted->target.value <= claims->floor.target.value);
    return says;
}

static bool verdict_fits(const struct claims *claims, const struct judgement *says,
                         enum verdict verdict)
{
    if (verdict_allows(verdict) && says->is_slashable) {
        return false;
    }
    if (verdict == VERDICT_NEW && says->is_below_floor) {
        return false;
    }
    if (verdict == VERDICT_REPEAT && !says->was_claimed) {
        return false;
    }
    if (says->is_forbidden) {
        return !verdict_allows(verdict);
    }
    bool allowed = !says->is_slashable && (says->was_claimed || !says->is_below_floor);
    return claims->is_lossy || verdict_allows(verdict) == allowed;
}

static bool conflict_fits(const struct slashing_check *check)
{
    switch (check->verdict) {
    case VERDICT_DOUBLE_BLOCK:
        return blocks_slashable(&check->conflicting_block, &check->block);
    case VERDICT_DOUBLE_VOTE:
        return check->conflicting_attestation.target.value == check->attestation.target.value;
    case VERDICT_SURROUNDS:
    case VERDICT_SURROUNDED:
        return check->conflicting_attestation.target.value != check->attestation.target.value &&
               votes_slashable(&check->conflicting_attestation, &check->attestation);
    case VERDICT_NONE:
    case VERDICT_STORE_FAILED:
    case VERDICT_COUNT:
        return false;
    case VERDICT_NEW:
    case VERDICT_REPEAT:
    case VERDICT_DISABLED:
    case VERDICT_SOURCE_AFTER_TARGET:
    case VERDICT_SLOT_NOT_ABOVE_WATERMARK:
    case VERDICT_SOURCE_BELOW_WATERMARK:
    case VERDICT_TARGET_NOT_ABOVE_WATERMARK:
    case VERDICT_NOT_BELOW_CEILING:
        return true;
    }
    return false;
}

static void claim_block(struct claims *claims, const struct signed_block *block)
{
    if (claims->block_count < CLAIMS_MAX) {
        claims->blocks[claims->block_count++] = *block;
    }
}

static void claim_vote(struct claims *claims, const struct signed_attestation *vote)
{
    if (claims->vote_count < CLAIMS_MAX) {
        claims->votes[claims->vote_count++] = *vote;
    }
}

/* The judge looks at one answer and notes what was signed. */
static bool judge_accepts(const struct slashing_check *check, size_t validator)
{
    struct claims *claims = &all_claims[validator];
    struct judgement says = check->kind == SLASHING_BLOCK ? judge_block(claims, &check->block)
                                                          : judge_vote(claims, &check->attestation);
    if (!verdict_fits(claims, &says, check->verdict) || !conflict_fits(check)) {
        printf("# validator %zu: kind %d, slot %d, vote %d to %d: %s\n", validator,
               (int)check->kind, (int)check->block.slot.value, (int)check->attestation.source.value,
               (int)check->attestation.target.value, verdict_text(check->verdict));
        return false;
    }
    if (check->verdict == VERDICT_NEW && check->kind == SLASHING_BLOCK) {
        claim_block(claims, &check->block);
        if (!claims->floor.has_block) {
            watermarks_cover_block(&claims->floor, check->block.slot);
        }
    } else if (check->verdict == VERDICT_NEW) {
        claim_vote(claims, &check->attestation);
        if (!claims->floor.has_attestation) {
            watermarks_cover_attestation(&claims->floor, check->attestation.source,
                                         check->attestation.target);
        }
    }
    return true;
}

static struct slashing_check random_check(struct dice *dice, size_t validator)
{
    uint32_t key = (uint32_t)validator;
    if (dice_roll(dice, 4) == 0) {
        return check_block(key, dice_roll(dice, NUMBERS), 1 + dice_roll(dice, 2));
    }
    uint64_t source = dice_roll(dice, NUMBERS);
    uint64_t target = dice_roll(dice, 8) == 0 ? dice_roll(dice, NUMBERS)
                                              : source + dice_roll(dice, NUMBERS - source);
    return check_vote(key, source, target, 1 + dice_roll(dice, 2));
}

static bool try_batch(struct slashing_store *store, struct slashing_store *reference,
                      struct dice *dice)
{
    static struct slashing_check items[STORE_BATCH_MAX];
    static struct slashing_check twins[STORE_BATCH_MAX];
    static size_t validators[STORE_BATCH_MAX];
    struct slashing_check *checks[STORE_BATCH_MAX];
    struct slashing_check *twin_checks[STORE_BATCH_MAX];
    for (size_t i = 0; i < STORE_BATCH_MAX; i++) {
        validators[i] = dice_roll(dice, VALIDATORS);
        items[i] = random_check(dice, validators[i]);
        twins[i] = items[i];
        checks[i] = &items[i];
        twin_checks[i] = &twins[i];
    }
    store->ops->decide(store, checks, STORE_BATCH_MAX);
    reference->ops->decide(reference, twin_checks, STORE_BATCH_MAX);
    for (size_t i = 0; i < STORE_BATCH_MAX; i++) {
        if (items[i].verdict != twins[i].verdict) {
            printf("# the store says: %s; the reference: %s\n", verdict_text(items[i].verdict),
                   verdict_text(twins[i].verdict));
            return false;
        }
        if (!judge_accepts(&items[i], validators[i])) {
            return false;
        }
    }
    return true;
}

static bool random_history(struct dice *dice, size_t validator, struct history *out)
{
    bool made = true;
    out->pubkey = key_of((uint32_t)validator);
    for (uint64_t left = dice_roll(dice, 3); left > 0; left--) {
        struct signed_block block = block_of(dice_roll(dice, NUMBERS), dice_roll(dice, 3));
        made = made && is_ok(history_add_block(out, &block));
    }
    for (uint64_t left = dice_roll(dice, 3); left > 0; left--) {
        uint64_t source = dice_roll(dice, NUMBERS);
        struct signed_attestation vote =
            vote_of(source, source + dice_roll(dice, 3), dice_roll(dice, 3));
        if (dice_roll(dice, 16) == 0) {
            vote.target.value = dice_roll(dice, NUMBERS);
        }
        made = made && is_ok(history_add_attestation(out, &vote));
    }
    return made;
}

/* A claim from outside at or below the marks is not believed in its root, unless it is of a slot or
 * target that is known. */
static void doubt_roots(const struct claims *claims, struct history *added)
{
    const struct watermarks *floor = &claims->floor;
    for (size_t i = 0; i < added->block_count; i++) {
        struct signed_block *block = &added->blocks[i];
        bool is_known = false;
        for (size_t k = 0; k < claims->block_count; k++) {
            is_known = is_known || claims->blocks[k].slot.value == block->slot.value;
        }
        bool is_below = floor->has_block && block->slot.value <= floor->block_slot.value;
        block->has_root = block->has_root && (is_known || !is_below);
    }
    for (size_t i = 0; i < added->attestation_count; i++) {
        struct signed_attestation *vote = &added->attestations[i];
        bool is_known = false;
        for (size_t k = 0; k < claims->vote_count; k++) {
            is_known = is_known || claims->votes[k].target.value == vote->target.value;
        }
        bool is_below = floor->has_attestation && (vote->source.value < floor->source.value ||
                                                   vote->target.value <= floor->target.value);
        vote->has_root = vote->has_root && (is_known || !is_below);
    }
}

/* Once one claim of a slot has no root, those that follow have nothing to differ from. */
static bool block_root_is_unknown(const struct claims *claims, const struct history *added,
                                  size_t index)
{
    uint64_t slot = added->blocks[index].slot.value;
    bool found = false;
    for (size_t k = 0; k < claims->block_count; k++) {
        found = found || (claims->blocks[k].slot.value == slot && !claims->blocks[k].has_root);
    }
    for (size_t k = 0; k < index; k++) {
        found = found || (added->blocks[k].slot.value == slot && !added->blocks[k].has_root);
    }
    return found;
}

static bool is_rootless_twin(const struct signed_attestation *a, const struct signed_attestation *b)
{
    return a->source.value == b->source.value && a->target.value == b->target.value && !a->has_root;
}

static struct signed_attestation vote_as_known(const struct claims *claims,
                                               const struct history *added, size_t index)
{
    struct signed_attestation vote = added->attestations[index];
    for (size_t k = 0; k < claims->vote_count; k++) {
        vote.has_root = vote.has_root && !is_rootless_twin(&claims->votes[k], &vote);
    }
    for (size_t k = 0; k < index; k++) {
        vote.has_root = vote.has_root && !is_rootless_twin(&added->attestations[k], &vote);
    }
    return vote;
}

/* Every pair of what is imported and what was claimed. */
static bool contradicts(const struct claims *claims, const struct history *added)
{
    bool found = false;
    for (size_t i = 0; i < added->block_count; i++) {
        if (block_root_is_unknown(claims, added, i)) {
            continue;
        }
        for (size_t k = 0; k < claims->block_count; k++) {
            found = found || blocks_contradict(&added->blocks[i], &claims->blocks[k]);
        }
        for (size_t k = 0; k < i; k++) {
            found = found || blocks_contradict(&added->blocks[i], &added->blocks[k]);
        }
    }
    for (size_t i = 0; i < added->attestation_count; i++) {
        const struct signed_attestation vote = vote_as_known(claims, added, i);
        found = found || vote.source.value > vote.target.value;
        for (size_t k = 0; k < claims->vote_count; k++) {
            found = found || votes_contradict(&vote, &claims->votes[k]);
        }
        for (size_t k = 0; k < i; k++) {
            found = found || votes_contradict(&vote, &added->attestations[k]);
        }
    }
    return found;
}

static void claim_import(struct claims *claims, const struct history *added)
{
    uint64_t lowest[3] = { UINT64_MAX, UINT64_MAX, UINT64_MAX };
    for (size_t i = 0; i < added->block_count; i++) {
        claim_block(claims, &added->blocks[i]);
        uint64_t slot = added->blocks[i].slot.value;
        lowest[0] = slot < lowest[0] ? slot : lowest[0];
    }
    for (size_t i = 0; i < added->attestation_count; i++) {
        claim_vote(claims, &added->attestations[i]);
        uint64_t source = added->attestations[i].source.value;
        uint64_t target = added->attestations[i].target.value;
        lowest[1] = source < lowest[1] ? source : lowest[1];
        lowest[2] = target < lowest[2] ? target : lowest[2];
    }
    if (added->block_count > 0) {
        watermarks_cover_block(&claims->floor, (struct slot){ lowest[0] });
    }
    if (added->attestation_count > 0) {
        watermarks_cover_attestation(&claims->floor, (struct epoch){ lowest[1] },
                                     (struct epoch){ lowest[2] });
    }
}

static bool import_of_one(struct slashing_store *store, struct slashing_store *reference,
                          struct dice *dice, bool kept)
{
    size_t validator = dice_roll(dice, VALIDATORS);
    struct claims *claims = &all_claims[validator];
    enum conflict_policy policy = dice_roll(dice, 4) == 0 ? CONFLICT_RAISE : CONFLICT_REFUSE;
    HISTORY added = { .block_count = 0 };
    if (!random_history(dice, validator, &added)) {
        return false;
    }
    struct result got = store->ops->import_history(store, &added, policy, NULL);
    struct result wanted = reference->ops->import_history(reference, &added, policy, NULL);
    doubt_roots(claims, &added);
    bool conflict = contradicts(claims, &added);
    bool should_refuse = conflict && policy == CONFLICT_REFUSE;
    if (got.status != wanted.status || (got.status != STATUS_OK && got.status != STATUS_REFUSED) ||
        (!claims->is_lossy && is_ok(got) == should_refuse)) {
        printf("# import of validator %zu: %s, and %s\n", validator, got.what, wanted.what);
        return false;
    }
    if (is_ok(got) && kept) {
        claim_import(claims, &added);
        claims->is_lossy = claims->is_lossy || conflict;
    }
    return true;
}

/* Imports of some validators; one time in four it is taken back. What is kept must be told from
 * what is not beforehand, since a validator may come twice. */
static bool try_imports(struct slashing_store *store, struct slashing_store *reference,
                        struct dice *dice)
{
    bool kept = dice_roll(dice, 4) > 0;
    bool held =
        is_ok(store->ops->import_begin(store)) && is_ok(reference->ops->import_begin(reference));
    for (uint64_t left = kept ? 1 + dice_roll(dice, 40) : 1; held && left > 0; left--) {
        held = import_of_one(store, reference, dice, kept);
    }
    return is_ok(store->ops->import_end(store, kept)) &&
           is_ok(reference->ops->import_end(reference, kept)) && held;
}

static bool try_prune(struct slashing_store *store, struct slashing_store *reference,
                      struct dice *dice)
{
    struct epoch target_below = { dice_roll(dice, 3) };
    struct slot slot_below = { dice_roll(dice, 3) };
    bool more = true;
    bool reference_more = true;
    while (more || reference_more) {
        if (!is_ok(store->ops->prune(store, target_below, slot_below, 100, &more)) ||
            !is_ok(
                reference->ops->prune(reference, target_below, slot_below, 100, &reference_more))) {
            return false;
        }
    }
    for (size_t i = 0; i < VALIDATORS; i++) {
        all_claims[i].is_lossy = true;
    }
    return true;
}

static bool try_settings(struct slashing_store *store, struct slashing_store *reference,
                         struct dice *dice)
{
    size_t validator = dice_roll(dice, VALIDATORS);
    struct pubkey pubkey = key_of((uint32_t)validator);
    bool enabled = dice_roll(dice, 3) > 0;
    all_claims[validator].is_disabled = !enabled;
    ceiling = (struct ceiling){ .has_slot = dice_roll(dice, 4) == 0,
                                .slot = { dice_roll(dice, NUMBERS) },
                                .has_epoch = dice_roll(dice, 4) == 0,
                                .epoch = { dice_roll(dice, NUMBERS) } };
    return is_ok(store->ops->set_enabled(store, &pubkey, enabled)) &&
           is_ok(reference->ops->set_enabled(reference, &pubkey, enabled)) &&
           is_ok(store->ops->save_ceiling(store, &ceiling)) &&
           is_ok(reference->ops->save_ceiling(reference, &ceiling));
}

static bool same_contents(struct slashing_store *store, struct slashing_store *reference)
{
    for (size_t i = 0; i < VALIDATORS; i++) {
        HISTORY stored = { .block_count = 0 };
        HISTORY wanted = { .block_count = 0 };
        struct pubkey pubkey = key_of((uint32_t)i);
        struct result got = store->ops->load_history(store, &pubkey, &stored);
        struct result there = reference->ops->load_history(reference, &pubkey, &wanted);
        if (got.status != there.status || (is_ok(got) && !history_equal(&stored, &wanted)) ||
            (is_ok(got) && !history_is_clean(&stored, NULL))) {
            printf("# validator %zu is recorded otherwise than in the reference\n", i);
            return false;
        }
    }
    return true;
}

/* `with_loss`: histories that are pruned too. */
static bool run_round(struct slashing_store **store, struct slashing_store *reference,
                      struct dice *dice, bool with_loss)
{
    memset(all_claims, 0, sizeof(all_claims));
    ceiling = (struct ceiling){ .has_slot = false };
    for (int step = 0; step < STEPS; step++) {
        bool held = try_batch(*store, reference, dice);
        if (held && dice_roll(dice, 4) == 0) {
            held = try_imports(*store, reference, dice);
        }
        if (held && dice_roll(dice, 8) == 0) {
            held = try_settings(*store, reference, dice);
        }
        if (held && with_loss && dice_roll(dice, 8) == 0) {
            held = try_prune(*store, reference, dice);
        }
        if (held && dice_roll(dice, 16) == 0) {
            *store = backend_reopen(*store);
            held = *store != NULL;
        }
        if (!held) {
            return false;
        }
    }
    return same_contents(*store, reference);
}

static bool run_rounds(int rounds, bool with_loss, uint64_t seed)
{
    for (int round = 0; round < rounds; round++) {
        STORE *store = backend_open_fresh();
        STORE *reference = NULL;
        struct dice dice = { seed + (uint64_t)round };
        if (store == NULL || !is_ok(memory_store_open(&reference)) ||
            !run_round(&store, reference, &dice, with_loss)) {
            printf("# round %d\n", round);
            return false;
        }
    }
    return true;
}

TEST(complete_histories_get_exactly_the_verdicts_of_the_eip)
{
    CHECK(run_rounds(ROUNDS, false, 1000));
}

TEST(pruned_histories_get_the_references_verdicts_and_none_that_is_unsafe)
{
    CHECK(run_rounds(ROUNDS / 2, true, 2000));
}

CONFORMANCE_TESTS(T(complete_histories_get_exactly_the_verdicts_of_the_eip),
                  T(pruned_histories_get_the_references_verdicts_and_none_that_is_unsafe))
