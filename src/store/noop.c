#include "store/noop.h"

#include <assert.h>
#include <stdlib.h>

static void decide(struct slashing_store *store, struct slashing_check *const checks[],
                   size_t count)
{
    (void)store;
    assert(count <= STORE_BATCH_MAX);
    for (size_t i = 0; i < count; i++) {
        checks[i]->verdict = VERDICT_NEW;
    }
}

static struct result import_begin(struct slashing_store *store)
{
    (void)store;
    return OK;
}

static struct result import_history(struct slashing_store *store, const struct history *added,
                                    enum conflict_policy policy, struct detail *detail)
{
    (void)store;
    (void)added;
    (void)policy;
    (void)detail;
    return OK;
}

static struct result import_end(struct slashing_store *store, bool commit)
{
    (void)store;
    (void)commit;
    return OK;
}

static struct result load_history(struct slashing_store *store, const struct pubkey *pubkey,
                                  struct history *out)
{
    (void)store;
    (void)pubkey;
    (void)out;
    return FAIL(NOT_FOUND, "the noop store remembers nothing");
}

static struct result each_validator(struct slashing_store *store,
                                    struct result (*visit)(const struct pubkey *pubkey,
                                                           void *context),
                                    void *context)
{
    (void)store;
    (void)visit;
    (void)context;
    return OK;
}

static struct result set_enabled(struct slashing_store *store, const struct pubkey *pubkey,
                                 bool enabled)
{
    (void)store;
    (void)pubkey;
    (void)enabled;
    return OK;
}

static struct result prune(struct slashing_store *store, struct epoch target_below,
                           struct slot slot_below, size_t rows_max, bool *more_out)
{
    (void)store;
    (void)target_below;
    (void)slot_below;
    (void)rows_max;
    *more_out = false;
    return OK;
}

static struct result load_ceiling(struct slashing_store *store, struct ceiling *out)
{
    (void)store;
    *out = (struct ceiling){ .has_slot = false };
    return OK;
}

static struct result save_ceiling(struct slashing_store *store, const struct ceiling *ceiling)
{
    (void)store;
    (void)ceiling;
    return OK;
}

static struct result health(struct slashing_store *store, struct detail *detail)
{
    (void)store;
    (void)detail;
    return OK;
}

static void close_store(struct slashing_store *store)
{
    free(store);
}

static const struct slashing_store_ops ops = {
    .name = "noop",
    .decide = decide,
    .import_begin = import_begin,
    .import_history = import_history,
    .import_end = import_end,
    .load_history = load_history,
    .each_validator = each_validator,
    .set_enabled = set_enabled,
    .prune = prune,
    .load_ceiling = load_ceiling,
    .save_ceiling = save_ceiling,
    .health = health,
    .close = close_store,
};

RESULT noop_store_open(struct slashing_store **out)
{
    struct slashing_store *store = calloc(1, sizeof(*store));
    ENSURE(store != NULL, UNAVAILABLE, "out of memory");
    store->ops = &ops;
    *out = store;
    return OK;
}
