#include "store/validator_table.h"

#include "base/cleanup.h"
#include "base/random.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(VALIDATOR_TABLE_KEY_SIZE == crypto_shorthash_KEYBYTES, "SipHash takes such a key");

enum { FIRST_CAPACITY = 64, BUCKETS_PER_ITEM = 2 };

RESULT validator_table_init(struct validator_table *table)
{
    *table = (struct validator_table){ .count = 0 };
    random_bytes(table->hash_key, sizeof(table->hash_key));
    table->items = calloc(FIRST_CAPACITY, sizeof(*table->items));
    table->buckets = calloc(FIRST_CAPACITY * BUCKETS_PER_ITEM, sizeof(*table->buckets));
    table->changes = calloc(FIRST_CAPACITY, sizeof(*table->changes));
    table->capacity = FIRST_CAPACITY;
    table->bucket_count = FIRST_CAPACITY * BUCKETS_PER_ITEM;
    table->change_capacity = FIRST_CAPACITY;
    ENSURE(table->items != NULL && table->buckets != NULL && table->changes != NULL, UNAVAILABLE,
           "out of memory");
    return OK;
}

void validator_table_done(struct validator_table *table)
{
    free(table->items);
    free(table->buckets);
    free(table->changes);
    *table = (struct validator_table){ .count = 0 };
}

/* The bucket that holds the key, or the empty one where it belongs. There is always an empty one:
 * the buckets are at most half full. */
static uint32_t *find_bucket(const struct validator_table *table, const struct pubkey *pubkey)
{
    uint64_t hash = 0;
    _Static_assert(sizeof(hash) == crypto_shorthash_BYTES, "SipHash gives 64 bits");
    crypto_shorthash((unsigned char *)&hash, pubkey->bytes, sizeof(pubkey->bytes), table->hash_key);
    size_t mask = table->bucket_count - 1;
    for (size_t at = hash & mask;; at = (at + 1) & mask) {
        uint32_t *bucket = &table->buckets[at];
        if (*bucket == 0 || pubkey_equal(&table->items[*bucket - 1].pubkey, pubkey)) {
            return bucket;
        }
    }
}

struct validator *validator_table_find(const struct validator_table *table,
                                       const struct pubkey *pubkey)
{
    uint32_t place = *find_bucket(table, pubkey);
    return place == 0 ? NULL : &table->items[place - 1];
}

static void fill_buckets(struct validator_table *table)
{
    memset(table->buckets, 0, table->bucket_count * sizeof(*table->buckets));
    for (size_t i = 0; i < table->count; i++) {
        *find_bucket(table, &table->items[i].pubkey) = (uint32_t)i + 1;
    }
}

static struct result make_room(struct validator_table *table)
{
    if (table->count < table->capacity) {
        return OK;
    }
    size_t capacity = 2 * table->capacity;
    CLEANUP(free_ptr) struct validator *items = calloc(capacity, sizeof(*items));
    CLEANUP(free_ptr)
    uint32_t *buckets = calloc(capacity * BUCKETS_PER_ITEM, sizeof(*buckets));
    ENSURE(items != NULL && buckets != NULL, UNAVAILABLE, "out of memory");
    memcpy(items, table->items, table->count * sizeof(*items));
    free(table->items);
    free(table->buckets);
    table->items = STEAL(items);
    table->buckets = STEAL(buckets);
    table->capacity = capacity;
    table->bucket_count = capacity * BUCKETS_PER_ITEM;
    fill_buckets(table);
    return OK;
}

static struct result make_room_for_change(struct validator_table *table)
{
    if (table->change_count < table->change_capacity) {
        return OK;
    }
    struct validator_change *changes = calloc(2 * table->change_capacity, sizeof(*changes));
    ENSURE(changes != NULL, UNAVAILABLE, "out of memory");
    memcpy(changes, table->changes, table->change_count * sizeof(*changes));
    free(table->changes);
    table->changes = changes;
    table->change_capacity *= 2;
    return OK;
}

/* Room was made. */
static void note_change(struct validator_table *table, struct validator *validator, bool is_new)
{
    table->changes[table->change_count++] = (struct validator_change){
        .index = validator_table_index(table, validator),
        .is_new = is_new,
        .enabled = validator->enabled,
        .marks = validator->marks,
        .peaks = validator->peaks,
    };
    validator->change = (uint32_t)table->change_count;
}

RESULT validator_table_add(struct validator_table *table, const struct pubkey *pubkey,
                           struct validator **out)
{
    ENSURE(table->count < VALIDATOR_TABLE_MAX, LIMIT, "too many validators in one store");
    TRY(make_room(table));
    TRY(make_room_for_change(table));
    uint32_t *bucket = find_bucket(table, pubkey);
    assert(*bucket == 0);
    struct validator *validator = &table->items[table->count++];
    *validator = (struct validator){ .pubkey = *pubkey, .enabled = true };
    *bucket = (uint32_t)table->count;
    note_change(table, validator, true);
    *out = validator;
    return OK;
}

RESULT validator_table_touch(struct validator_table *table, struct validator *validator)
{
    if (validator->change != 0) {
        return OK;
    }
    TRY(make_room_for_change(table));
    note_change(table, validator, false);
    return OK;
}

void validator_table_keep(struct validator_table *table)
{
    for (size_t i = 0; i < table->change_count; i++) {
        table->items[table->changes[i].index].change = 0;
    }
    table->change_count = 0;
}

void validator_table_undo(struct validator_table *table)
{
    size_t count = table->count;
    for (size_t i = 0; i < table->change_count; i++) {
        const struct validator_change *change = &table->changes[i];
        struct validator *validator = &table->items[change->index];
        validator->enabled = change->enabled;
        validator->marks = change->marks;
        validator->peaks = change->peaks;
        validator->change = 0;
        table->count -= change->is_new;
    }
    table->change_count = 0;
    if (table->count < count) { /* new ones are always the last; rare, so simply start over */
        fill_buckets(table);
    }
}
