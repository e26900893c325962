/* messages.h: short names for what the tests of the slashing layer and of its stores are full of.
 */
#ifndef TESTS_STORE_MESSAGES_H
#define TESTS_STORE_MESSAGES_H

#include "slashing/store.h"

#include <stdint.h>
#include <string.h>

/* A validator's public key; keys of higher numbers come later in the order of bytes. */
static inline struct pubkey key_of(uint32_t number)
{
    struct pubkey pubkey = { { 0 } };
    for (int i = 0; i < 4; i++) {
        pubkey.bytes[i] = (uint8_t)(number >> (24 - 8 * i));
        pubkey.bytes[40 + i] = 0xee;
    }
    return pubkey;
}

/* Different for different numbers. */
static inline struct root root_of(uint64_t number)
{
    struct root root = { { 0x52 } };
    for (int i = 0; i < 8; i++) {
        root.bytes[8 + i] = (uint8_t)(number >> 8 * i);
    }
    return root;
}

/* Records and messages; `root` 0 is none. */
static inline struct signed_block block_of(uint64_t slot, uint64_t root)
{
    struct signed_block block = { .slot = { slot }, .has_root = root != 0 };
    if (root != 0) {
        block.root = root_of(root);
    }
    return block;
}

static inline struct signed_attestation vote_of(uint64_t source, uint64_t target, uint64_t root)
{
    struct signed_attestation vote = { .source = { source },
                                       .target = { target },
                                       .has_root = root != 0 };
    if (root != 0) {
        vote.root = root_of(root);
    }
    return vote;
}

static inline struct slashing_check check_block(uint32_t key, uint64_t slot, uint64_t root)
{
    return (struct slashing_check){ .pubkey = key_of(key),
                                    .kind = SLASHING_BLOCK,
                                    .block = block_of(slot, root) };
}

static inline struct slashing_check check_vote(uint32_t key, uint64_t source, uint64_t target,
                                               uint64_t root)
{
    return (struct slashing_check){ .pubkey = key_of(key),
                                    .kind = SLASHING_ATTESTATION,
                                    .attestation = vote_of(source, target, root) };
}

static inline enum verdict decide(struct slashing_store *store, struct slashing_check *check)
{
    struct slashing_check *const checks[] = { check };
    check->verdict = VERDICT_COUNT; /* what decide() must overwrite */
    store->ops->decide(store, checks, 1);
    return check->verdict;
}

static inline enum verdict decide_block(struct slashing_store *store, uint32_t key, uint64_t slot,
                                        uint64_t root)
{
    struct slashing_check check = check_block(key, slot, root);
    return decide(store, &check);
}

static inline enum verdict decide_vote(struct slashing_store *store, uint32_t key, uint64_t source,
                                       uint64_t target, uint64_t root)
{
    struct slashing_check check = check_vote(key, source, target, root);
    return decide(store, &check);
}

static inline bool block_equal(const struct signed_block *a, const struct signed_block *b)
{
    return a->slot.value == b->slot.value && a->has_root == b->has_root &&
           (!a->has_root || root_equal(&a->root, &b->root));
}

static inline bool vote_equal(const struct signed_attestation *a,
                              const struct signed_attestation *b)
{
    return a->source.value == b->source.value && a->target.value == b->target.value &&
           a->has_root == b->has_root && (!a->has_root || root_equal(&a->root, &b->root));
}

static inline bool marks_equal(const struct watermarks *a, const struct watermarks *b)
{
    bool blocks = a->has_block == b->has_block &&
                  (!a->has_block || a->block_slot.value == b->block_slot.value);
    bool votes = a->has_attestation == b->has_attestation &&
                 (!a->has_attestation ||
                  (a->source.value == b->source.value && a->target.value == b->target.value));
    return blocks && votes;
}

static inline bool history_equal(const struct history *a, const struct history *b)
{
    bool same = pubkey_equal(&a->pubkey, &b->pubkey) && marks_equal(&a->marks, &b->marks) &&
                a->block_count == b->block_count && a->attestation_count == b->attestation_count;
    for (size_t i = 0; same && i < a->block_count; i++) {
        same = block_equal(&a->blocks[i], &b->blocks[i]);
    }
    for (size_t i = 0; same && i < a->attestation_count; i++) {
        same = vote_equal(&a->attestations[i], &b->attestations[i]);
    }
    return same;
}

/* Repeatable random numbers (xorshift64*). The seed is not 0. */
struct dice {
    uint64_t state;
};

static inline uint64_t dice_roll(struct dice *dice, uint64_t sides)
{
    dice->state ^= dice->state >> 12;
    dice->state ^= dice->state << 25;
    dice->state ^= dice->state >> 27;
    return (dice->state * UINT64_C(0x2545f4914f6cdd1d) >> 32) % sides;
}

#endif
