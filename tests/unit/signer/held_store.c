#include "held_store.h"

#include "waiting.h"

#include <stdlib.h>

static void stay(struct held_store *store, enum held_place place)
{
    LOCK_SCOPE(&store->mutex);
    while (store->hold == place) {
        store->inside = place;
        pthread_cond_broadcast(&store->changed);
        pthread_cond_wait(&store->changed, &store->mutex);
    }
    store->inside = HELD_NOWHERE;
}

static const struct root *root_of(const struct slashing_check *check)
{
    return check->kind == SLASHING_BLOCK ? &check->block.root : &check->attestation.root;
}

static enum held_fault begin(struct held_store *store, size_t count)
{
    LOCK_SCOPE(&store->mutex);
    store->checks += count;
    store->batches++;
    if (store->fault != HELD_FAILS_BY_TURN) {
        return store->fault;
    }
    return store->batches % 2 == 0   ? HELD_NO_FAULT
           : store->batches % 4 == 1 ? HELD_FAILS
                                     : HELD_FAILS_AFTER;
}

static void write_down(struct held_store *store, struct slashing_check *const checks[],
                       size_t count)
{
    LOCK_SCOPE(&store->mutex);
    for (size_t i = 0; i < count; i++) {
        if (checks[i]->verdict == VERDICT_NEW && store->record_count < HELD_RECORDS_MAX) {
            store->records[store->record_count++] =
                (struct held_record){ checks[i]->pubkey, *root_of(checks[i]) };
        }
    }
}

static void decide(struct slashing_store *base, struct slashing_check *const checks[], size_t count)
{
    struct held_store *store = (struct held_store *)base;
    enum held_fault fault = begin(store, count);
    stay(store, HELD_BEFORE);
    if (fault != HELD_FAILS) {
        store->inner->ops->decide(store->inner, checks, count);
        write_down(store, checks, count);
    }
    for (size_t i = 0; i < count && fault != HELD_NO_FAULT; i++) {
        if (fault == HELD_FAILS || verdict_allows(checks[i]->verdict)) {
            checks[i]->verdict = VERDICT_STORE_FAILED;
        }
    }
    stay(store, HELD_AFTER);
}

static struct result load_history(struct slashing_store *base, const struct pubkey *pubkey,
                                  struct history *out)
{
    struct held_store *store = (struct held_store *)base;
    return store->inner->ops->load_history(store->inner, pubkey, out);
}

static void close_store(struct slashing_store *base)
{
    struct held_store *store = (struct held_store *)base;
    slashing_store_close(store->inner);
    pthread_cond_destroy(&store->changed);
    pthread_mutex_destroy(&store->mutex);
    free(store);
}

static const struct slashing_store_ops ops = {
    .name = "held",
    .decide = decide,
    .load_history = load_history,
    .close = close_store,
};

struct held_store *held_store_new(struct slashing_store *inner)
{
    struct held_store *store = calloc(1, sizeof(*store));
    if (store != NULL) {
        store->base.ops = &ops;
        store->inner = inner;
        pthread_mutex_init(&store->mutex, NULL);
        waiting_cond_init(&store->changed);
    }
    return store;
}

void held_store_hold(struct held_store *store, enum held_place place)
{
    LOCK_SCOPE(&store->mutex);
    store->hold = place;
    pthread_cond_broadcast(&store->changed);
}

bool held_store_wait(struct held_store *store, enum held_place place)
{
    struct timespec limit = waiting_limit();
    LOCK_SCOPE(&store->mutex);
    while (store->inside != place && waiting_goes_on(&store->changed, &store->mutex, &limit)) {
    }
    return store->inside == place;
}

void held_store_set_fault(struct held_store *store, enum held_fault fault)
{
    LOCK_SCOPE(&store->mutex);
    store->fault = fault;
}

size_t held_store_batches(struct held_store *store)
{
    LOCK_SCOPE(&store->mutex);
    return store->batches;
}

size_t held_store_checks(struct held_store *store)
{
    LOCK_SCOPE(&store->mutex);
    return store->checks;
}

size_t held_store_count(struct held_store *store)
{
    LOCK_SCOPE(&store->mutex);
    return store->record_count;
}

bool held_store_has(struct held_store *store, const struct pubkey *pubkey, const struct root *root)
{
    LOCK_SCOPE(&store->mutex);
    for (size_t i = 0; i < store->record_count; i++) {
        if (pubkey_equal(&store->records[i].pubkey, pubkey) &&
            root_equal(&store->records[i].root, root)) {
            return true;
        }
    }
    return false;
}
