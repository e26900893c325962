/* tally.h: a count of rows and a sum over their contents, kept with every change and compared at
 * every start, so that a row that was lost or altered by the disk (or by hand) is noticed though
 * SQLite's own pages have no checksums. Against accidents, not against an attacker. Pure. */
#ifndef STORE_TALLY_H
#define STORE_TALLY_H

#include "eth/types.h"
#include "slashing/records.h"

#include <stdbool.h>
#include <stdint.h>

struct tally {
    uint64_t rows;
    uint64_t sum; /* of all rows' hashes, modulo 2^64: the order of changes does not matter */
};

static inline bool tally_equal(const struct tally *a, const struct tally *b)
{
    return a->rows == b->rows && a->sum == b->sum;
}

static inline void tally_add(struct tally *tally, uint64_t hash)
{
    tally->rows++;
    tally->sum += hash;
}

static inline void tally_remove(struct tally *tally, uint64_t hash)
{
    tally->rows--;
    tally->sum -= hash;
}

/* Hashes of one row each. `validator` is the row's id. */
uint64_t tally_hash_block(uint32_t validator, const struct signed_block *block);
uint64_t tally_hash_attestation(uint32_t validator, const struct signed_attestation *attestation);
uint64_t tally_hash_validator(uint32_t validator, const struct pubkey *pubkey, bool enabled,
                              const struct watermarks *marks);

/* Of what the row about the whole says besides the tally itself; 0 for a new database. */
uint64_t tally_hash_whole(bool in_use, const struct ceiling *ceiling);

#endif
