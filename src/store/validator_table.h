/* validator_table.h: what a store keeps in memory about every validator, found by public key, with
 * changes that can be taken back together when the transaction they belong to fails. */
#ifndef STORE_VALIDATOR_TABLE_H
#define STORE_VALIDATOR_TABLE_H

#include "base/result.h"
#include "eth/types.h"
#include "slashing/records.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    VALIDATOR_TABLE_MAX = 16 * 1000 * 1000,
    VALIDATOR_TABLE_KEY_SIZE = 16,
};

struct validator {
    struct pubkey pubkey;
    bool enabled;
    uint32_t change; /* the table's: its place + 1 in `changes` during a transaction, or 0 */
    struct watermarks marks;
    struct peaks peaks;
};

/* What a validator was before the transaction. */
struct validator_change {
    uint32_t index;
    bool is_new; /* it was not there; the rest says nothing */
    bool enabled;
    struct watermarks marks;
    struct peaks peaks;
};

/* `items` and `changes` may be read by the owner; a validator's index never changes. */
struct validator_table {
    struct validator *items;
    size_t count;
    size_t capacity;
    uint32_t *buckets; /* index + 1, or 0; the public key's hash says where */
    size_t bucket_count;
    struct validator_change *changes; /* of this transaction, each validator once */
    size_t change_count;
    size_t change_capacity;
    uint8_t
        hash_key[VALIDATOR_TABLE_KEY_SIZE]; /* random: files with chosen keys must not collide */
};

/* An empty table. */
RESULT validator_table_init(struct validator_table *table);
/* Accepts a zeroed table. */
void validator_table_done(struct validator_table *table);

/* NULL: unknown. The pointer lives until the next validator_table_add(). */
struct validator *validator_table_find(const struct validator_table *table,
                                       const struct pubkey *pubkey);

static inline uint32_t validator_table_index(const struct validator_table *table,
                                             const struct validator *validator)
{
    return (uint32_t)(validator - table->items);
}

/* Adds an unknown validator, enabled and without marks, as a change of the transaction. LIMIT: over
 * VALIDATOR_TABLE_MAX. UNAVAILABLE: no memory, nothing changed. */
RESULT validator_table_add(struct validator_table *table, const struct pubkey *pubkey,
                           struct validator **out);

/* Must be called before a validator's fields are changed in a transaction. UNAVAILABLE: no memory.
 */
RESULT validator_table_touch(struct validator_table *table, struct validator *validator);

/* Ends the transaction: with all changes kept, or with all taken back. Neither can fail. */
void validator_table_keep(struct validator_table *table);
void validator_table_undo(struct validator_table *table);

#endif
