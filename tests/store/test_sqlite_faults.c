/* Every call to the disk fails once, in every way, and the process or the power goes at the end: no
 * message that was allowed may be forgotten, nothing that was promised may be undone, and after a
 * failed sync nothing more may be promised. */
#include "harness.h"
#include "slashing/interchange.h"
#include "store/fault_vfs.h"
#include "store/messages.h"
#include "store/place.h"
#include "store/sqlite.h"
#include "store/sqlite_store.h"

#define STORE CLEANUP(slashing_store_close_ptr) struct slashing_store

enum { PROMISES_MAX = 256, CHECKPOINT_PAGES = 6, IMPORTED = 12 };

static const struct root network = { { 0x5a } };

/* What the process was told, and would have told others. */
struct promises {
    struct slashing_check checks[PROMISES_MAX]; /* allowed */
    size_t count;
    bool was_open;
    bool has_import;
    bool has_disabled;
    bool may_be_pruned;
    size_t strikes;   /* when the store was opened last */
    bool is_poisoned; /* a sync failed in this process: nothing may be allowed any more */
    bool broke_rules;
};

static void keep_promise(struct promises *promises, const struct slashing_check *check)
{
    if (promises->count < PROMISES_MAX) {
        promises->checks[promises->count++] = *check;
    }
}

/* A sync that failed while the store was open ends it. */
static void note_poison(struct slashing_store *store, struct promises *promises,
                        const struct fault *fault)
{
    if (fault->call == FAULT_SYNC && fault_vfs_strikes() > promises->strikes) {
        promises->is_poisoned = true;
        promises->broke_rules = promises->broke_rules || is_ok(store->ops->health(store, NULL));
    }
}

static void decide_epoch(struct slashing_store *store, struct promises *promises,
                         const struct fault *fault, uint64_t epoch)
{
    struct slashing_check items[] = {
        check_vote(1, epoch - 1, epoch, epoch),
        check_vote(2, epoch - 1, epoch, epoch),
        check_vote(3, epoch - 1, epoch, epoch),
        check_block(1 + (uint32_t)(epoch % 3), epoch * 32, epoch),
        check_vote(3, epoch - 1, epoch, 99),
    };
    struct slashing_check *checks[5];
    bool was_poisoned = promises->is_poisoned;
    for (size_t i = 0; i < 5; i++) {
        checks[i] = &items[i];
    }
    store->ops->decide(store, checks, 5);
    for (size_t i = 0; i < 5; i++) {
        enum verdict verdict = items[i].verdict;
        if (verdict_allows(verdict)) {
            keep_promise(promises, &items[i]);
            promises->broke_rules = promises->broke_rules || was_poisoned || i == 4;
        } else if (verdict != VERDICT_STORE_FAILED && verdict != VERDICT_DOUBLE_VOTE) {
            promises->broke_rules = true; /* memory was not taken back with the transaction */
        }
    }
    note_poison(store, promises, fault);
}

static struct result import_some(struct slashing_store *store)
{
    TRY(store->ops->import_begin(store));
    struct result imported = OK;
    for (uint32_t key = 10; key < 12 && is_ok(imported); key++) {
        CLEANUP(history_done) struct history added = { .pubkey = key_of(key) };
        for (uint64_t epoch = 1; epoch <= IMPORTED; epoch++) {
            struct signed_attestation vote = vote_of(epoch - 1, epoch, epoch);
            TRY(history_add_attestation(&added, &vote));
        }
        imported = store->ops->import_history(store, &added, CONFLICT_REFUSE, NULL);
    }
    struct result ended = store->ops->import_end(store, is_ok(imported));
    return is_ok(imported) ? ended : imported;
}

static void use_store(struct slashing_store *store, struct promises *promises,
                      const struct fault *fault, uint64_t first_epoch)
{
    struct pubkey disabled = key_of(20);
    bool more = false;
    promises->was_open = true;
    promises->is_poisoned = false;
    promises->strikes = fault_vfs_strikes();
    sqlite_store_of(store)->db.checkpoint_pages = CHECKPOINT_PAGES;
    decide_epoch(store, promises, fault, first_epoch);
    decide_epoch(store, promises, fault, first_epoch + 1);
    decide_epoch(store, promises, fault, first_epoch + 1); /* repeats */
    if (is_ok(store->ops->set_enabled(store, &disabled, false))) {
        promises->has_disabled = true;
    }
    note_poison(store, promises, fault);
    if (is_ok(import_some(store))) {
        promises->has_import = true;
    }
    note_poison(store, promises, fault);
    decide_epoch(store, promises, fault, first_epoch + 2);
    promises->may_be_pruned = true;
    (void)store->ops->prune(store, (struct epoch){ 3 }, (struct slot){ 64 }, 5, &more).status;
    note_poison(store, promises, fault);
    decide_epoch(store, promises, fault, first_epoch + 3);
}

static struct slashing_store *open_store(bool create)
{
    struct slashing_store *store = NULL;
    struct detail detail = { "" };
    struct result opened =
        sqlite_store_open(place_path("s.sqlite"), create, &network, &store, &detail);
    if (!is_ok(opened) && !create) {
        printf("# %s: %s\n", detail.text, opened.what);
    }
    return is_ok(opened) ? store : NULL;
}

/* The whole life: created, used, closed, opened, used, and no time to close. */
static void live(struct promises *promises, const struct fault *fault)
{
    for (int part = 0; part < 2; part++) {
        struct slashing_store *store = open_store(true);
        if (store != NULL) {
            use_store(store, promises, fault, part == 0 ? 1 : 20);
        }
        if (part == 1) {
            fault_vfs_die(0);
        }
        slashing_store_close(store);
    }
}

static bool is_kept(struct slashing_store *store, const struct promises *promises, size_t index)
{
    struct slashing_check check = promises->checks[index];
    struct slashing_check other = check;
    other.block.root = root_of(77);
    other.attestation.root = root_of(77);
    enum verdict verdict = decide(store, &check);
    bool pruned = promises->may_be_pruned && (verdict == VERDICT_SLOT_NOT_ABOVE_WATERMARK ||
                                              verdict == VERDICT_SOURCE_BELOW_WATERMARK ||
                                              verdict == VERDICT_TARGET_NOT_ABOVE_WATERMARK);
    enum verdict conflicting = decide(store, &other);
    return (verdict == VERDICT_REPEAT || pruned) && !verdict_allows(conflicting) &&
           conflicting != VERDICT_STORE_FAILED;
}

static bool all_kept(const struct promises *promises)
{
    if (!promises->was_open) {
        return true; /* nobody was promised anything */
    }
    STORE *store = open_store(false);
    if (store == NULL) {
        printf("# cannot be opened again\n");
        return false;
    }
    for (size_t i = 0; i < promises->count; i++) {
        if (!is_kept(store, promises, i)) {
            printf("# promise %zu of %zu is not kept\n", i, promises->count);
            return false;
        }
    }
    struct slashing_check imported = check_vote(10, IMPORTED - 1, IMPORTED, IMPORTED);
    struct slashing_check disabled = check_vote(20, 1, 2, 1);
    return (!promises->has_import || decide(store, &imported) == VERDICT_REPEAT) &&
           (!promises->has_disabled || decide(store, &disabled) == VERDICT_DISABLED) &&
           is_ok(sqlite_store_check(store, NULL));
}

/* Opens what is left, asks for everything again, and cuts the power right behind the answers: what
 * was found must have been durable, not only readable. */
static bool kept_twice(const struct promises *promises)
{
    struct slashing_store *store = promises->was_open ? open_store(false) : NULL;
    if (store == NULL) {
        return !promises->was_open;
    }
    bool kept = true;
    for (size_t i = 0; i < promises->count; i++) {
        kept = kept && is_kept(store, promises, i);
    }
    fault_vfs_die(1);
    slashing_store_close(store);
    fault_vfs_leave(1, OUTCOME_POWER_CUT, 1);
    return kept && all_kept(promises);
}

static bool survives(const struct fault *fault, size_t *calls_out)
{
    static struct promises promises;
    memset(&promises, 0, sizeof(promises));
    (void)place_path("");
    place_empty();
    fault_vfs_forget();
    fault_vfs_set(fault);
    live(&promises, fault);
    for (size_t i = 0; calls_out != NULL && i < FAULT_CALLS; i++) {
        calls_out[i] = fault_vfs_count((enum fault_call)i);
    }
    bool held = !promises.broke_rules;
    fault_vfs_set(&(struct fault){ .nth = 0 });
    for (int outcome = 0; outcome < OUTCOMES; outcome++) {
        fault_vfs_leave(0, (enum fault_outcome)outcome, fault->nth + 1);
        if (!kept_twice(&promises)) {
            printf("# outcome %d\n", outcome);
            held = false;
        }
    }
    return held;
}

static bool survives_all(struct fault fault, size_t calls)
{
    for (fault.nth = 1; fault.nth <= calls; fault.nth++) {
        if (!survives(&fault, NULL)) {
            printf("# call %d, the %zuth, code %d\n", (int)fault.call, fault.nth, fault.code);
            return false;
        }
    }
    return true;
}

static size_t calls[FAULT_CALLS]; /* of a life without faults */

TEST(a_life_without_faults_keeps_its_promises)
{
    const struct fault none = { .nth = 0 };
    CHECK(survives(&none, calls));
    printf("# %zu writes, %zu syncs, %zu truncations, %zu opens, %zu deletions\n",
           calls[FAULT_WRITE], calls[FAULT_SYNC], calls[FAULT_TRUNCATE], calls[FAULT_OPEN],
           calls[FAULT_DELETE]);
    CHECK(calls[FAULT_WRITE] > 50 && calls[FAULT_SYNC] > 20 && calls[FAULT_OPEN] > 4);
}

TEST(every_write_may_fail)
{
    CHECK(survives_all((struct fault){ .call = FAULT_WRITE, .code = SQLITE_IOERR_WRITE },
                       calls[FAULT_WRITE]));
}

TEST(every_write_may_leave_half)
{
    CHECK(survives_all(
        (struct fault){
            .call = FAULT_WRITE, .code = SQLITE_IOERR_WRITE, .for_good = true, .halfway = true },
        calls[FAULT_WRITE]));
}

TEST(every_write_may_find_the_disk_full)
{
    CHECK(survives_all((struct fault){ .call = FAULT_WRITE, .code = SQLITE_FULL },
                       calls[FAULT_WRITE]));
}

TEST(the_disk_may_be_full_from_any_write_on)
{
    CHECK(survives_all((struct fault){ .call = FAULT_WRITE, .code = SQLITE_FULL, .for_good = true },
                       calls[FAULT_WRITE]));
}

TEST(every_sync_may_fail_once)
{
    CHECK(survives_all((struct fault){ .call = FAULT_SYNC, .code = SQLITE_IOERR_FSYNC },
                       calls[FAULT_SYNC]));
}

TEST(syncs_may_fail_from_any_one_on)
{
    CHECK(survives_all(
        (struct fault){ .call = FAULT_SYNC, .code = SQLITE_IOERR_FSYNC, .for_good = true },
        calls[FAULT_SYNC]));
}

TEST(every_truncation_opening_and_deletion_may_fail)
{
    CHECK(survives_all((struct fault){ .call = FAULT_TRUNCATE, .code = SQLITE_IOERR_TRUNCATE },
                       calls[FAULT_TRUNCATE]));
    CHECK(survives_all((struct fault){ .call = FAULT_OPEN, .code = SQLITE_CANTOPEN },
                       calls[FAULT_OPEN]));
    CHECK(survives_all((struct fault){ .call = FAULT_DELETE, .code = SQLITE_IOERR_DELETE },
                       calls[FAULT_DELETE]));
}

static bool open_fresh(struct slashing_store **out, const struct fault *fault)
{
    (void)place_path("");
    place_empty();
    fault_vfs_forget();
    fault_vfs_set(&(struct fault){ .nth = 0 });
    *out = open_store(true);
    fault_vfs_set(fault);
    return *out != NULL;
}

TEST(a_full_disk_refuses_until_there_is_room)
{
    STORE *store = NULL;
    CHECK(open_fresh(
        &store,
        &(struct fault){ .call = FAULT_WRITE, .nth = 1, .code = SQLITE_FULL, .for_good = true }));
    for (uint64_t epoch = 2; epoch < 6; epoch++) {
        CHECK(decide_vote(store, 1, epoch - 1, epoch, 1) == VERDICT_STORE_FAILED);
    }
    fault_vfs_set(&(struct fault){ .nth = 0 });
    CHECK_OK(store->ops->health(store, NULL));
    CHECK(decide_vote(store, 1, 0, 3, 1) == VERDICT_NEW); /* nothing of the refused is remembered */
    CHECK(decide_vote(store, 1, 0, 3, 1) == VERDICT_REPEAT);
}

TEST(a_failed_sync_ends_all_answers_until_the_store_is_opened_again)
{
    struct slashing_store *store = NULL;
    CHECK(open_fresh(&store, &(struct fault){ .nth = 0 }));
    CHECK(decide_vote(store, 1, 0, 1, 1) == VERDICT_NEW);
    fault_vfs_set(&(struct fault){ .call = FAULT_SYNC, .nth = 1, .code = SQLITE_IOERR_FSYNC });
    CHECK(decide_vote(store, 1, 1, 2, 1) == VERDICT_STORE_FAILED);
    struct detail detail = { "" };
    struct pubkey pubkey = key_of(1);
    struct history history;
    struct ceiling ceiling = { .has_slot = false };
    bool more = false;
    struct slashing_check double_vote = check_vote(1, 0, 1, 2);
    CHECK(decide_vote(store, 1, 0, 1, 1) == VERDICT_STORE_FAILED);
    CHECK(decide(store, &double_vote) == VERDICT_STORE_FAILED);
    CHECK(decide_vote(store, 2, 0, 1, 1) == VERDICT_STORE_FAILED);
    CHECK_FAILS(UNAVAILABLE, store->ops->health(store, &detail));
    CHECK(strstr(detail.text, "s.sqlite") != NULL);
    CHECK_FAILS(UNAVAILABLE, store->ops->load_history(store, &pubkey, &history));
    CHECK_FAILS(UNAVAILABLE, store->ops->set_enabled(store, &pubkey, true));
    CHECK_FAILS(UNAVAILABLE, store->ops->import_begin(store));
    CHECK_FAILS(UNAVAILABLE, store->ops->load_ceiling(store, &ceiling));
    CHECK_FAILS(UNAVAILABLE, store->ops->save_ceiling(store, &ceiling));
    CHECK_FAILS(UNAVAILABLE,
                store->ops->prune(store, (struct epoch){ 9 }, (struct slot){ 9 }, 9, &more));
    slashing_store_close(store);
    store = open_store(false);
    CHECK(store != NULL);
    CHECK(decide_vote(store, 1, 0, 1, 1) == VERDICT_REPEAT);
    CHECK(decide_vote(store, 1, 0, 1, 2) == VERDICT_DOUBLE_VOTE);
    slashing_store_close(store);
}

TEST(a_sync_that_fails_in_a_checkpoint_does_not_take_back_what_was_allowed)
{
    struct slashing_store *store = NULL;
    CHECK(open_fresh(&store,
                     &(struct fault){ .call = FAULT_SYNC, .nth = 3, .code = SQLITE_IOERR_FSYNC }));
    sqlite_store_of(store)->db.checkpoint_pages = 1;
    CHECK(decide_vote(store, 1, 0, 1, 1) == VERDICT_NEW);
    CHECK(fault_vfs_strikes() == 1);
    CHECK(decide_vote(store, 1, 1, 2, 1) == VERDICT_STORE_FAILED);
    fault_vfs_die(0);
    slashing_store_close(store);
    fault_vfs_leave(0, OUTCOME_POWER_CUT, 1);
    store = open_store(false);
    CHECK(store != NULL);
    CHECK(decide_vote(store, 1, 0, 1, 1) == VERDICT_REPEAT);
    slashing_store_close(store);
}

int main(void)
{
    static const struct harness_test tests[] = {
        T(a_life_without_faults_keeps_its_promises),
        T(every_write_may_fail),
        T(every_write_may_leave_half),
        T(every_write_may_find_the_disk_full),
        T(the_disk_may_be_full_from_any_write_on),
        T(every_sync_may_fail_once),
        T(syncs_may_fail_from_any_one_on),
        T(every_truncation_opening_and_deletion_may_fail),
        T(a_full_disk_refuses_until_there_is_room),
        T(a_failed_sync_ends_all_answers_until_the_store_is_opened_again),
        T(a_sync_that_fails_in_a_checkpoint_does_not_take_back_what_was_allowed),
    };
    if (access("/dev/shm", W_OK) ==
        0) { /* the failing disk is modelled; a real one only takes time */
        setenv("TMPDIR", "/dev/shm", 0);
    }
    fault_vfs_install();
    return harness_run(tests, sizeof(tests) / sizeof(tests[0]));
}
