#include "keystore/key_table.h"

#include "base/random.h"
#include "bls/bls.h"

#include <assert.h>
#include <sodium.h>
#include <stdatomic.h>
#include <string.h>

enum { BUCKETS_MIN = 64 };

struct key {
    struct key *next; /* in its bucket, under the table's mutex */
    atomic_uint uses; /* the table's own, while the key is in it, and one for each holder */
    struct vault *vault;
    uint32_t slot;
    enum key_origin origin;
    struct pubkey pubkey;
    char path[]; /* NUL-terminated */
};

struct key_table {
    pthread_mutex_t mutex; /* guards all below but what the keys hold */
    struct vault *vault;
    struct key **buckets;
    size_t bucket_count; /* a power of two */
    size_t counts[KEY_ORIGIN_COUNT];
    uint8_t hash_key[crypto_shorthash_KEYBYTES]; /* so that nobody can choose keys that collide */
};

const char *key_origin_name(enum key_origin origin)
{
    static const char *const names[] = {
        [KEY_ORIGIN_FILESYSTEM] = "filesystem", [KEY_ORIGIN_MEMORY] = "memory"
    };
    assert(origin < KEY_ORIGIN_COUNT);
    return names[origin];
}

RESULT key_table_new(struct vault *vault, struct key_table **out)
{
    CLEANUP(free_ptr) struct key_table *table = calloc(1, sizeof(*table));
    ENSURE(table != NULL, UNAVAILABLE, "out of memory");
    table->buckets = calloc(BUCKETS_MIN, sizeof(struct key *));
    ENSURE(table->buckets != NULL, UNAVAILABLE, "out of memory");
    table->bucket_count = BUCKETS_MIN;
    table->vault = vault;
    pthread_mutex_init(&table->mutex, NULL);
    random_bytes(table->hash_key, sizeof(table->hash_key));
    *out = STEAL(table);
    return OK;
}

void key_table_free(struct key_table *table)
{
    if (table == NULL) {
        return;
    }
    for (size_t i = 0; i < table->bucket_count; i++) {
        for (struct key *key = table->buckets[i]; key != NULL;) {
            struct key *next = key->next;
            assert(atomic_load(&key->uses) == 1);
            key_release(key);
            key = next;
        }
    }
    free(table->buckets);
    pthread_mutex_destroy(&table->mutex);
    free(table);
}

/* The link that points to the key, or where its bucket ends. */
static struct key **find_link(const struct key_table *table, const struct pubkey *pubkey)
{
    uint64_t hash = 0;
    _Static_assert(sizeof(hash) == crypto_shorthash_BYTES, "a hash is 64 bits");
    crypto_shorthash((unsigned char *)&hash, pubkey->bytes, sizeof(pubkey->bytes), table->hash_key);
    struct key **link = &table->buckets[hash & (table->bucket_count - 1)];
    while (*link != NULL && !pubkey_equal(&(*link)->pubkey, pubkey)) {
        link = &(*link)->next;
    }
    return link;
}

static size_t total(const struct key_table *table)
{
    size_t count = 0;
    for (size_t i = 0; i < KEY_ORIGIN_COUNT; i++) {
        count += table->counts[i];
    }
    return count;
}

/* Doubles the buckets when there are as many keys. Without memory the table only gets slower. */
static void grow(struct key_table *table)
{
    if (total(table) < table->bucket_count) {
        return;
    }
    struct key_table larger = *table;
    larger.bucket_count = 2 * table->bucket_count;
    larger.buckets = calloc(larger.bucket_count, sizeof(struct key *));
    if (larger.buckets == NULL) {
        return;
    }
    for (size_t i = 0; i < table->bucket_count; i++) {
        for (struct key *key = table->buckets[i]; key != NULL;) {
            struct key *next = key->next;
            key->next = NULL;
            *find_link(&larger, &key->pubkey) = key;
            key = next;
        }
    }
    free(table->buckets);
    table->buckets = larger.buckets;
    table->bucket_count = larger.bucket_count;
}

static bool holds(struct key_table *table, const struct pubkey *pubkey)
{
    LOCK_SCOPE(&table->mutex);
    return *find_link(table, pubkey) != NULL;
}

/* A key in no table yet, with its secret in the vault. */
static struct result key_new(struct vault *vault, const struct secret32 *secret,
                             const struct pubkey *pubkey, enum key_origin origin, const char *path,
                             struct key **out)
{
    size_t path_size = strlen(path) + 1;
    CLEANUP(free_ptr) struct key *key = calloc(1, sizeof(*key) + path_size);
    ENSURE(key != NULL, UNAVAILABLE, "out of memory");
    TRY(vault_put(vault, secret, &key->slot));
    atomic_init(&key->uses, 1);
    key->vault = vault;
    key->origin = origin;
    key->pubkey = *pubkey;
    memcpy(key->path, path, path_size);
    *out = STEAL(key);
    return OK;
}

/* False: another thread was faster. */
static bool insert(struct key_table *table, struct key *key)
{
    LOCK_SCOPE(&table->mutex);
    if (*find_link(table, &key->pubkey) != NULL) {
        return false;
    }
    grow(table);
    *find_link(table, &key->pubkey) = key;
    table->counts[key->origin]++;
    return true;
}

RESULT key_table_add(struct key_table *table, const struct secret32 *secret,
                     const struct pubkey *claimed, enum key_origin origin, const char *path,
                     struct pubkey *pubkey_out)
{
    assert(origin < KEY_ORIGIN_COUNT);
    struct pubkey pubkey;
    struct pubkey ignored;
    struct pubkey *derived_out = pubkey_out != NULL ? pubkey_out : &ignored;
    TRY(bls_public_key(secret->bytes, pubkey.bytes));
    ENSURE(claimed == NULL || pubkey_equal(&pubkey, claimed), BAD_INPUT,
           "the secret key is not that of the claimed public key");
    ENSURE(strlen(path) <= EIP2335_PATH_MAX, LIMIT, "the derivation path is over 128 bytes");
    if (holds(table, &pubkey)) { /* looked at first: it needs no room in the vault */
        *derived_out = pubkey;
        return FAIL(REFUSED, "the key is already loaded");
    }
    CLEANUP(key_release_ptr) struct key *key = NULL;
    TRY(key_new(table->vault, secret, &pubkey, origin, path, &key));
    *derived_out = pubkey;
    ENSURE(insert(table, key), REFUSED, "the key is already loaded");
    (void)STEAL(key);
    return OK;
}

/* Takes the key out of the table, whose use of it the caller then has. */
static struct result unlink_key(struct key_table *table, const struct pubkey *pubkey,
                                enum key_origin origin, struct key **out)
{
    LOCK_SCOPE(&table->mutex);
    struct key **link = find_link(table, pubkey);
    struct key *key = *link;
    ENSURE(key != NULL, NOT_FOUND, "the key is not loaded");
    ENSURE(key->origin == origin, REFUSED, "the key is of another source");
    *link = key->next;
    table->counts[origin]--;
    *out = key;
    return OK;
}

RESULT key_table_remove(struct key_table *table, const struct pubkey *pubkey,
                        enum key_origin origin)
{
    CLEANUP(key_release_ptr) struct key *key = NULL;
    return unlink_key(table, pubkey, origin, &key);
}

struct key *key_table_acquire(struct key_table *table, const struct pubkey *pubkey)
{
    LOCK_SCOPE(&table->mutex);
    struct key *key = *find_link(table, pubkey);
    if (key != NULL) {
        /* Under the lock the table's own use is there, so that the count cannot be zero. */
        atomic_fetch_add_explicit(&key->uses, 1, memory_order_relaxed);
    }
    return key;
}

void key_release(struct key *key)
{
    /* What each holder did with the key comes before the wipe. */
    if (key != NULL && atomic_fetch_sub_explicit(&key->uses, 1, memory_order_acq_rel) == 1) {
        vault_erase(key->vault, key->slot);
        free(key);
    }
}

const struct pubkey *key_pubkey(const struct key *key)
{
    return &key->pubkey;
}

enum key_origin key_origin_of(const struct key *key)
{
    return key->origin;
}

const uint8_t *key_secret(const struct key *key)
{
    return vault_get(key->vault, key->slot);
}

static void describe(const struct key *key, struct key_info *out)
{
    out->pubkey = key->pubkey;
    out->origin = key->origin;
    memcpy(out->path, key->path, strlen(key->path) + 1);
}

/* Fills in at most `max` keys and tells how many there are. */
static size_t snapshot(struct key_table *table, struct key_info *out, size_t max)
{
    LOCK_SCOPE(&table->mutex);
    size_t done = 0;
    for (size_t i = 0; i < table->bucket_count && total(table) <= max; i++) {
        for (const struct key *key = table->buckets[i]; key != NULL; key = key->next) {
            describe(key, &out[done++]);
        }
    }
    return total(table);
}

static int compare_infos(const void *a, const void *b)
{
    const struct key_info *left = a;
    const struct key_info *right = b;
    return memcmp(left->pubkey.bytes, right->pubkey.bytes, sizeof(left->pubkey.bytes));
}

RESULT key_table_list(struct key_table *table, struct key_info **keys_out, size_t *count_out)
{
    /* Memory is taken without the lock; keys that come meanwhile ask for another round. */
    CLEANUP(free_ptr) struct key_info *keys = NULL;
    size_t max = 0;
    size_t count = key_table_count(table);
    do {
        free(keys);
        max = count + BUCKETS_MIN;
        keys = calloc(max, sizeof(*keys));
        ENSURE(keys != NULL, UNAVAILABLE, "out of memory");
        count = snapshot(table, keys, max);
    } while (count > max);
    qsort(keys, count, sizeof(*keys), compare_infos);
    *keys_out = STEAL(keys);
    *count_out = count;
    return OK;
}

size_t key_table_count(struct key_table *table)
{
    LOCK_SCOPE(&table->mutex);
    return total(table);
}

size_t key_table_count_of(struct key_table *table, enum key_origin origin)
{
    assert(origin < KEY_ORIGIN_COUNT);
    LOCK_SCOPE(&table->mutex);
    return table->counts[origin];
}
