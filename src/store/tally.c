#include "store/tally.h"

#include <stddef.h>
#include <string.h>

/* Tells the kinds of rows apart; any different numbers would do. */
enum { KIND_BLOCK = 1, KIND_ATTESTATION, KIND_VALIDATOR, KIND_WHOLE };

/* Multiplying by an odd constant and folding the high half into the low one are both reversible, so
 * of two rows that differ in one word the hashes differ. */
static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

static uint64_t mix_bytes(uint64_t hash, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
        uint64_t word = 0; /* big-endian, so that a file means the same on every machine */
        for (size_t k = i; k < i + sizeof(word); k++) {
            word = word << 8 | bytes[k];
        }
        hash = mix(hash, word);
    }
    return hash;
}

static uint64_t mix_root(uint64_t hash, const struct root *root, bool has_root)
{
    hash = mix(hash, has_root);
    return has_root ? mix_bytes(hash, root->bytes, sizeof(root->bytes)) : hash;
}

/* The last steps spread the last words over all bits. */
static uint64_t finish(uint64_t hash)
{
    return mix(mix(hash, 0), 0);
}

uint64_t tally_hash_block(uint32_t validator, const struct signed_block *block)
{
    uint64_t hash = mix(mix(KIND_BLOCK, validator), block->slot.value);
    return finish(mix_root(hash, &block->root, block->has_root));
}

uint64_t tally_hash_attestation(uint32_t validator, const struct signed_attestation *attestation)
{
    uint64_t hash = mix(mix(KIND_ATTESTATION, validator), attestation->target.value);
    hash = mix(hash, attestation->source.value);
    return finish(mix_root(hash, &attestation->root, attestation->has_root));
}

uint64_t tally_hash_validator(uint32_t validator, const struct pubkey *pubkey, bool enabled,
                              const struct watermarks *marks)
{
    uint64_t hash = mix(mix(KIND_VALIDATOR, validator), enabled);
    hash = mix_bytes(hash, pubkey->bytes, sizeof(pubkey->bytes));
    hash = mix(hash, (uint64_t)marks->has_block | (uint64_t)marks->has_attestation << 1);
    hash = mix(hash, marks->has_block ? marks->block_slot.value : 0);
    hash = mix(hash, marks->has_attestation ? marks->source.value : 0);
    return finish(mix(hash, marks->has_attestation ? marks->target.value : 0));
}

uint64_t tally_hash_whole(bool in_use, const struct ceiling *ceiling)
{
    if (!in_use && !ceiling->has_slot && !ceiling->has_epoch) {
        return 0;
    }
    uint64_t hash = mix(mix(KIND_WHOLE, in_use),
                        (uint64_t)ceiling->has_slot | (uint64_t)ceiling->has_epoch << 1);
    hash = mix(hash, ceiling->has_slot ? ceiling->slot.value : 0);
    return finish(mix(hash, ceiling->has_epoch ? ceiling->epoch.value : 0));
}
