#include "keystore/key_table.h"

#include "bls/bls.h"
#include "harness.h"
#include "support/keystore_maker.h"

#include <stdatomic.h>
#include <stdint.h>

static const uint8_t zeros[32];

static void secret_number(uint32_t number, struct secret32 *out)
{
    keystore_maker_secret(number, out->bytes);
}

static struct pubkey pubkey_number(uint32_t number)
{
    SECRET secret;
    struct pubkey pubkey = { { 0 } };
    secret_number(number, &secret);
    if (!is_ok(bls_public_key(secret.bytes, pubkey.bytes))) {
        printf("# no public key\n");
    }
    return pubkey;
}

static struct result add(struct key_table *table, uint32_t number, enum key_origin origin)
{
    SECRET secret;
    secret_number(number, &secret);
    return key_table_add(table, &secret, NULL, origin, "", NULL);
}

struct fixture {
    struct vault *vault;
    struct key_table *table;
};

static struct result fixture_open(size_t slots, struct fixture *out)
{
    TRY(vault_new(slots, VAULT_LOCK_REQUIRED, &out->vault));
    return key_table_new(out->vault, &out->table);
}

static void fixture_close(struct fixture *fixture)
{
    key_table_free(fixture->table);
    vault_free(fixture->vault);
}

#define FIXTURE(slots)                                              \
    CLEANUP(fixture_close) struct fixture fixture = { NULL, NULL }; \
    CHECK_OK(fixture_open(slots, &fixture));                        \
    struct key_table *table = fixture.table

TEST(an_added_key_is_found_with_its_secret)
{
    FIXTURE(4);
    SECRET secret;
    struct pubkey wanted = pubkey_number(1);
    struct pubkey derived;
    secret_number(1, &secret);
    CHECK_OK(
        key_table_add(table, &secret, &wanted, KEY_ORIGIN_MEMORY, "m/12381/3600/0/0/0", &derived));
    CHECK(pubkey_equal(&derived, &wanted));
    CLEANUP(key_release_ptr) struct key *key = key_table_acquire(table, &wanted);
    CHECK(key != NULL);
    CHECK(pubkey_equal(key_pubkey(key), &wanted));
    CHECK(key_origin_of(key) == KEY_ORIGIN_MEMORY);
    CHECK(memcmp(key_secret(key), secret.bytes, 32) == 0);
}

TEST(a_key_that_is_not_there_is_not_found)
{
    FIXTURE(4);
    struct pubkey pubkey = pubkey_number(1);
    CHECK(key_table_acquire(table, &pubkey) == NULL);
    CHECK_OK(add(table, 1, KEY_ORIGIN_FILESYSTEM));
    pubkey.bytes[47] ^= 1;
    CHECK(key_table_acquire(table, &pubkey) == NULL);
    CHECK_FAILS(NOT_FOUND, key_table_remove(table, &pubkey, KEY_ORIGIN_FILESYSTEM));
    key_release(NULL);
}

TEST(a_secret_of_another_public_key_is_refused)
{
    FIXTURE(4);
    SECRET secret;
    struct pubkey other = pubkey_number(2);
    struct pubkey untouched = other;
    secret_number(1, &secret);
    CHECK_FAILS(BAD_INPUT,
                key_table_add(table, &secret, &other, KEY_ORIGIN_MEMORY, "", &untouched));
    CHECK(pubkey_equal(&untouched, &other));
    CHECK(key_table_count(table) == 0);
}

TEST(what_is_no_secret_key_is_refused)
{
    FIXTURE(4);
    struct secret32 zero = { { 0 } };
    struct secret32 large;
    memset(&large, 0xff, sizeof(large));
    CHECK_FAILS(BAD_INPUT, key_table_add(table, &zero, NULL, KEY_ORIGIN_MEMORY, "", NULL));
    CHECK_FAILS(BAD_INPUT, key_table_add(table, &large, NULL, KEY_ORIGIN_MEMORY, "", NULL));
    CHECK(key_table_count(table) == 0);
}

TEST(a_second_key_of_the_same_is_refused_and_named)
{
    FIXTURE(4);
    SECRET secret;
    struct pubkey derived = { { 0 } };
    struct pubkey wanted = pubkey_number(1);
    secret_number(1, &secret);
    CHECK_OK(add(table, 1, KEY_ORIGIN_FILESYSTEM));
    CHECK_FAILS(REFUSED, key_table_add(table, &secret, NULL, KEY_ORIGIN_MEMORY, "other", &derived));
    CHECK(pubkey_equal(&derived, &wanted));
    CHECK(key_table_count_of(table, KEY_ORIGIN_FILESYSTEM) == 1);
    CHECK(key_table_count_of(table, KEY_ORIGIN_MEMORY) == 0);
}

TEST(only_the_keys_own_origin_may_remove_it)
{
    FIXTURE(4);
    struct pubkey pubkey = pubkey_number(1);
    CHECK_OK(add(table, 1, KEY_ORIGIN_FILESYSTEM));
    CHECK_FAILS(REFUSED, key_table_remove(table, &pubkey, KEY_ORIGIN_MEMORY));
    CHECK(key_table_count(table) == 1);
    CHECK_OK(key_table_remove(table, &pubkey, KEY_ORIGIN_FILESYSTEM));
    CHECK_FAILS(NOT_FOUND, key_table_remove(table, &pubkey, KEY_ORIGIN_FILESYSTEM));
    CHECK(key_table_count(table) == 0);
    CHECK(key_table_acquire(table, &pubkey) == NULL);
}

TEST(a_removed_key_is_wiped_at_once_when_nobody_uses_it)
{
    FIXTURE(4);
    struct pubkey pubkey = pubkey_number(1);
    CHECK_OK(add(table, 1, KEY_ORIGIN_MEMORY));
    struct key *key = key_table_acquire(table, &pubkey);
    CHECK(key != NULL);
    const uint8_t *secret = key_secret(key);
    key_release(key);
    CHECK(memcmp(secret, zeros, 32) != 0);
    CHECK_OK(key_table_remove(table, &pubkey, KEY_ORIGIN_MEMORY));
    CHECK(memcmp(secret, zeros, 32) == 0);
}

TEST(a_removed_key_is_wiped_when_its_last_user_is_done)
{
    FIXTURE(4);
    SECRET wanted;
    struct pubkey pubkey = pubkey_number(1);
    secret_number(1, &wanted);
    CHECK_OK(add(table, 1, KEY_ORIGIN_MEMORY));
    struct key *first = key_table_acquire(table, &pubkey);
    struct key *second = key_table_acquire(table, &pubkey);
    CHECK(first != NULL && second == first);
    const uint8_t *secret = key_secret(first);
    CHECK_OK(key_table_remove(table, &pubkey, KEY_ORIGIN_MEMORY));
    CHECK(key_table_acquire(table, &pubkey) == NULL);
    CHECK(memcmp(secret, wanted.bytes, 32) == 0);
    key_release(first);
    CHECK(memcmp(secret, wanted.bytes, 32) == 0);
    key_release(second);
    CHECK(memcmp(secret, zeros, 32) == 0);
}

TEST(a_key_may_come_back_while_its_removed_self_is_in_use)
{
    FIXTURE(4);
    SECRET wanted;
    struct pubkey pubkey = pubkey_number(1);
    secret_number(1, &wanted);
    CHECK_OK(add(table, 1, KEY_ORIGIN_MEMORY));
    struct key *old = key_table_acquire(table, &pubkey);
    CHECK_OK(key_table_remove(table, &pubkey, KEY_ORIGIN_MEMORY));
    CHECK_OK(add(table, 1, KEY_ORIGIN_MEMORY));
    struct key *new = key_table_acquire(table, &pubkey);
    CHECK(old != NULL && new != NULL &&key_secret(old) != key_secret(new));
    key_release(old);
    CHECK(memcmp(key_secret(new), wanted.bytes, 32) == 0);
    key_release(new);
}

TEST(a_full_vault_is_a_limit_until_a_key_goes)
{
    FIXTURE(3);
    struct pubkey second = pubkey_number(2);
    for (uint32_t i = 1; i <= 3; i++) {
        CHECK_OK(add(table, i, KEY_ORIGIN_MEMORY));
    }
    CHECK_FAILS(LIMIT, add(table, 4, KEY_ORIGIN_MEMORY));
    CHECK_FAILS(REFUSED, add(table, 2, KEY_ORIGIN_MEMORY)); /* known without a free slot */
    CHECK(key_table_count(table) == 3);
    CHECK_OK(key_table_remove(table, &second, KEY_ORIGIN_MEMORY));
    CHECK_OK(add(table, 4, KEY_ORIGIN_MEMORY));
}

TEST(a_refused_key_takes_no_slot)
{
    FIXTURE(2);
    CHECK_OK(add(table, 1, KEY_ORIGIN_MEMORY));
    for (int i = 0; i < 5; i++) {
        CHECK_FAILS(REFUSED, add(table, 1, KEY_ORIGIN_MEMORY));
    }
    CHECK_OK(add(table, 2, KEY_ORIGIN_MEMORY));
}

TEST(paths_are_bounded_at_the_limit)
{
    FIXTURE(4);
    SECRET secret;
    char path[EIP2335_PATH_MAX + 2];
    memset(path, 'm', sizeof(path));
    path[EIP2335_PATH_MAX + 1] = '\0';
    secret_number(1, &secret);
    CHECK_FAILS(LIMIT, key_table_add(table, &secret, NULL, KEY_ORIGIN_MEMORY, path, NULL));
    path[EIP2335_PATH_MAX] = '\0';
    CHECK_OK(key_table_add(table, &secret, NULL, KEY_ORIGIN_MEMORY, path, NULL));
    CLEANUP(free_ptr) struct key_info *keys = NULL;
    size_t count = 0;
    CHECK_OK(key_table_list(table, &keys, &count));
    CHECK(count == 1);
    CHECK_TEXT(keys[0].path, path);
}

TEST(an_empty_table_lists_nothing)
{
    FIXTURE(1);
    CLEANUP(free_ptr) struct key_info *keys = NULL;
    size_t count = 9;
    CHECK_OK(key_table_list(table, &keys, &count));
    CHECK(count == 0);
}

enum { MANY = 600 };

TEST(many_keys_are_listed_in_order_and_all_are_found)
{
    FIXTURE(MANY);
    for (uint32_t i = 0; i < MANY; i++) {
        CHECK_OK(add(table, i, i % 3 == 0 ? KEY_ORIGIN_MEMORY : KEY_ORIGIN_FILESYSTEM));
    }
    CHECK(key_table_count_of(table, KEY_ORIGIN_MEMORY) == MANY / 3);
    CHECK(key_table_count_of(table, KEY_ORIGIN_FILESYSTEM) == MANY - MANY / 3);
    CLEANUP(free_ptr) struct key_info *keys = NULL;
    size_t count = 0;
    CHECK_OK(key_table_list(table, &keys, &count));
    CHECK(count == MANY);
    for (size_t i = 0; i < count; i++) {
        CHECK(i == 0 || memcmp(keys[i - 1].pubkey.bytes, keys[i].pubkey.bytes, 48) < 0);
        CLEANUP(key_release_ptr) struct key *key = key_table_acquire(table, &keys[i].pubkey);
        CHECK(key != NULL && key_origin_of(key) == keys[i].origin);
    }
    for (size_t i = 0; i < count; i += 2) {
        CHECK_OK(key_table_remove(table, &keys[i].pubkey, keys[i].origin));
    }
    for (size_t i = 0; i < count; i++) {
        CLEANUP(key_release_ptr) struct key *key = key_table_acquire(table, &keys[i].pubkey);
        CHECK((key == NULL) == (i % 2 == 0));
    }
    CHECK(key_table_count(table) == MANY / 2);
}

TEST(origins_have_the_names_of_the_metrics)
{
    CHECK_TEXT(key_origin_name(KEY_ORIGIN_FILESYSTEM), "filesystem");
    CHECK_TEXT(key_origin_name(KEY_ORIGIN_MEMORY), "memory");
}

/* Adders, removers, users and listers of the same few keys, all at once. A secret that is not the
 * key's while it is held, or a wipe beside a use (which the thread sanitizer sees), fails. */
enum { CROWD_KEYS = 8, CROWD_THREADS = 6, CROWD_ROUNDS = 400 };

struct crowd {
    struct key_table *table;
    struct secret32 secrets[CROWD_KEYS];
    struct pubkey pubkeys[CROWD_KEYS];
    atomic_size_t wrong;
    atomic_size_t uses;
};

static void use_key(struct crowd *crowd, size_t i)
{
    CLEANUP(key_release_ptr) struct key *key = key_table_acquire(crowd->table, &crowd->pubkeys[i]);
    if (key == NULL) {
        return;
    }
    atomic_fetch_add(&crowd->uses, 1);
    for (int times = 0; times < 20; times++) {
        if (memcmp(key_secret(key), crowd->secrets[i].bytes, 32) != 0) {
            atomic_fetch_add(&crowd->wrong, 1);
        }
    }
}

static void *run_crowd_adder(void *context)
{
    struct crowd *crowd = context;
    for (size_t round = 0; round < CROWD_ROUNDS; round++) {
        size_t i = round % CROWD_KEYS;
        struct result result = key_table_add(crowd->table, &crowd->secrets[i], &crowd->pubkeys[i],
                                             KEY_ORIGIN_MEMORY, "m", NULL);
        if (!is_ok(result) && result.status != STATUS_REFUSED) {
            atomic_fetch_add(&crowd->wrong, 1);
        }
    }
    return NULL;
}

static void *run_crowd_remover(void *context)
{
    struct crowd *crowd = context;
    for (size_t round = 0; round < 20 * CROWD_ROUNDS; round++) {
        size_t i = round % CROWD_KEYS;
        struct result result =
            key_table_remove(crowd->table, &crowd->pubkeys[i], KEY_ORIGIN_MEMORY);
        if (!is_ok(result) && result.status != STATUS_NOT_FOUND) {
            atomic_fetch_add(&crowd->wrong, 1);
        }
        sched_yield();
    }
    return NULL;
}

static void *run_crowd_user(void *context)
{
    struct crowd *crowd = context;
    for (size_t round = 0; round < 40 * CROWD_ROUNDS; round++) {
        use_key(crowd, round % CROWD_KEYS);
    }
    CLEANUP(free_ptr) struct key_info *keys = NULL;
    size_t count = 0;
    if (!is_ok(key_table_list(crowd->table, &keys, &count)) || count > CROWD_KEYS) {
        atomic_fetch_add(&crowd->wrong, 1);
    }
    return NULL;
}

TEST(threads_may_add_remove_and_use_at_once)
{
    FIXTURE(CROWD_KEYS + CROWD_THREADS);
    static void *(*const roles[CROWD_THREADS])(void *) = {
        run_crowd_adder, run_crowd_user,  run_crowd_remover,
        run_crowd_user,  run_crowd_adder, run_crowd_user,
    };
    static struct crowd crowd;
    pthread_t threads[CROWD_THREADS];
    crowd.table = table;
    for (uint32_t i = 0; i < CROWD_KEYS; i++) {
        secret_number(i, &crowd.secrets[i]);
        crowd.pubkeys[i] = pubkey_number(i);
        CHECK_OK(add(table, i, KEY_ORIGIN_MEMORY));
    }
    for (size_t i = 0; i < CROWD_THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, roles[i], &crowd) == 0);
    }
    for (size_t i = 0; i < CROWD_THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK(atomic_load(&crowd.wrong) == 0);
    CHECK(atomic_load(&crowd.uses) > 0);
}

/* Two threads that add the same key at the same moment, many times over: one of them wins. */
enum { RACE_ROUNDS = 300 };

struct race {
    struct key_table *table;
    struct pubkey pubkey;
    pthread_barrier_t barrier;
    atomic_size_t added;
};

static void *run_race(void *context)
{
    struct race *race = context;
    for (int round = 0; round < RACE_ROUNDS; round++) {
        pthread_barrier_wait(&race->barrier);
        if (is_ok(add(race->table, 1, KEY_ORIGIN_MEMORY))) {
            atomic_fetch_add(&race->added, 1);
        }
        if (pthread_barrier_wait(&race->barrier) == PTHREAD_BARRIER_SERIAL_THREAD) {
            (void)!is_ok(key_table_remove(race->table, &race->pubkey, KEY_ORIGIN_MEMORY));
        }
    }
    return NULL;
}

TEST(of_two_threads_that_add_the_same_key_one_wins)
{
    FIXTURE(4);
    struct race race = { .table = table, .pubkey = pubkey_number(1) };
    pthread_t other;
    pthread_barrier_init(&race.barrier, NULL, 2);
    CHECK(pthread_create(&other, NULL, run_race, &race) == 0);
    run_race(&race);
    pthread_join(other, NULL);
    pthread_barrier_destroy(&race.barrier);
    CHECK(atomic_load(&race.added) == RACE_ROUNDS);
    CHECK(key_table_count(table) == 0);
}

HARNESS_TESTS(T(an_added_key_is_found_with_its_secret), T(a_key_that_is_not_there_is_not_found),
              T(a_secret_of_another_public_key_is_refused), T(what_is_no_secret_key_is_refused),
              T(a_second_key_of_the_same_is_refused_and_named),
              T(only_the_keys_own_origin_may_remove_it),
              T(a_removed_key_is_wiped_at_once_when_nobody_uses_it),
              T(a_removed_key_is_wiped_when_its_last_user_is_done),
              T(a_key_may_come_back_while_its_removed_self_is_in_use),
              T(a_full_vault_is_a_limit_until_a_key_goes), T(a_refused_key_takes_no_slot),
              T(paths_are_bounded_at_the_limit), T(an_empty_table_lists_nothing),
              T(many_keys_are_listed_in_order_and_all_are_found),
              T(origins_have_the_names_of_the_metrics), T(threads_may_add_remove_and_use_at_once),
              T(of_two_threads_that_add_the_same_key_one_wins))
