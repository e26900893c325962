/* records.h: what is kept of one validator: every signed block and attestation with its signing
 * root ("records"), and a lower bound ("watermarks") that stands for all records that were pruned
 * or never imported. */
#ifndef SLASHING_RECORDS_H
#define SLASHING_RECORDS_H

#include "eth/types.h"

#include <stdbool.h>

/* A block that was signed, or is to be. A record that was imported without its signing root never
 * counts as a repeat. */
struct signed_block {
    struct slot slot;
    struct root root; /* its signing root, when `has_root` */
    bool has_root;
};

/* An attestation that was signed, or is to be. */
struct signed_attestation {
    struct epoch source;
    struct epoch target;
    struct root root;
    bool has_root;
};

/* Lower bounds of one validator. Nothing new is signed at or below `block_slot`, below `source`, at
 * or below `target`. They only rise. */
struct watermarks {
    bool has_block;
    struct slot block_slot;
    bool has_attestation;
    struct epoch source;
    struct epoch target;
};

/* Lifts the marks so that they cover a block at `slot`, or an attestation from `source` to
 * `target`. */
static inline void watermarks_cover_block(struct watermarks *marks, struct slot slot)
{
    if (!marks->has_block || marks->block_slot.value < slot.value) {
        marks->block_slot = slot;
    }
    marks->has_block = true;
}

static inline void watermarks_cover_attestation(struct watermarks *marks, struct epoch source,
                                                struct epoch target)
{
    if (!marks->has_attestation || marks->source.value < source.value) {
        marks->source = source;
    }
    if (!marks->has_attestation || marks->target.value < target.value) {
        marks->target = target;
    }
    marks->has_attestation = true;
}

/* The highest values in one validator's records. */
struct peaks {
    bool has_attestation;
    struct epoch source;
    struct epoch target;
};

/* Upper bounds of the whole store, set by an operator who moves validators elsewhere: nothing is
 * signed at or above them. */
struct ceiling {
    bool has_slot;
    struct slot slot;
    bool has_epoch;
    struct epoch epoch;
};

#endif
