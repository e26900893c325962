/* conformance.h: what the programs of the conformance suite share. The suite holds every backend to
 * each sentence of slashing/store.h; nothing in it knows which backend it runs on. */
#ifndef TESTS_STORE_CONFORMANCE_H
#define TESTS_STORE_CONFORMANCE_H

#include "base/cleanup.h"
#include "harness.h"
#include "store/backend.h"
#include "store/messages.h"

#define STORE   CLEANUP(slashing_store_close_ptr) struct slashing_store
#define HISTORY CLEANUP(history_done) struct history

/* One history into the store, in a transaction of its own. */
static inline struct result import_one(struct slashing_store *store, const struct history *added,
                                       enum conflict_policy policy, struct detail *detail)
{
    TRY(store->ops->import_begin(store));
    struct result imported = store->ops->import_history(store, added, policy, detail);
    struct result ended = store->ops->import_end(store, is_ok(imported));
    return is_ok(imported) ? ended : imported;
}

/* The marks that are recorded; all false for an unknown validator. */
static inline struct watermarks marks_of(struct slashing_store *store, uint32_t key)
{
    HISTORY history = { .block_count = 0 };
    struct pubkey pubkey = key_of(key);
    if (!is_ok(store->ops->load_history(store, &pubkey, &history))) {
        return (struct watermarks){ .has_block = false };
    }
    return history.marks;
}

#define CONFORMANCE_TESTS(...)                                             \
    int main(void)                                                         \
    {                                                                      \
        static const struct harness_test tests[] = { __VA_ARGS__ };        \
        if (backend_missing() != NULL) {                                   \
            printf("1..0 # SKIP %s\n", backend_missing());                 \
            return 0;                                                      \
        }                                                                  \
        int failed = harness_run(tests, sizeof(tests) / sizeof(tests[0])); \
        backend_discard();                                                 \
        return failed;                                                     \
    }

#endif
