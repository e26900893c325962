#include "store/noop.h"

#include "harness.h"
#include "store/messages.h"

#define STORE CLEANUP(slashing_store_close_ptr) struct slashing_store

static struct result never(const struct pubkey *pubkey, void *context)
{
    (void)pubkey;
    (void)context;
    return FAIL(REFUSED, "visited");
}

TEST(it_allows_everything_and_remembers_nothing)
{
    STORE *store = NULL;
    CHECK_OK(noop_store_open(&store));
    CHECK_TEXT(store->ops->name, "noop");
    CHECK(decide_block(store, 1, 5, 1) == VERDICT_NEW);
    CHECK(decide_block(store, 1, 5, 2) == VERDICT_NEW);
    CHECK(decide_vote(store, 1, 9, 3, 2) == VERDICT_NEW);
    struct pubkey pubkey = key_of(1);
    struct history history = { .pubkey = pubkey };
    CHECK_FAILS(NOT_FOUND, store->ops->load_history(store, &pubkey, &history));
    CHECK_OK(store->ops->each_validator(store, never, NULL));
    CHECK_OK(store->ops->import_begin(store));
    CHECK_OK(store->ops->import_history(store, &history, CONFLICT_REFUSE, NULL));
    CHECK_OK(store->ops->import_end(store, true));
    CHECK_FAILS(NOT_FOUND, store->ops->load_history(store, &pubkey, &history));
}

TEST(its_settings_change_nothing)
{
    STORE *store = NULL;
    CHECK_OK(noop_store_open(&store));
    struct pubkey pubkey = key_of(1);
    struct ceiling ceiling = { .has_slot = true };
    bool more = true;
    CHECK_OK(store->ops->set_enabled(store, &pubkey, false));
    CHECK_OK(store->ops->save_ceiling(store, &ceiling));
    CHECK_OK(store->ops->load_ceiling(store, &ceiling));
    CHECK(!ceiling.has_slot && !ceiling.has_epoch);
    CHECK_OK(store->ops->prune(store, (struct epoch){ 9 }, (struct slot){ 9 }, 9, &more));
    CHECK(!more);
    CHECK_OK(store->ops->health(store, NULL));
    CHECK(decide_block(store, 1, 5, 1) == VERDICT_NEW);
}

HARNESS_TESTS(T(it_allows_everything_and_remembers_nothing), T(its_settings_change_nothing))
