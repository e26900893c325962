/* merkle.h: Merkle roots of 32-byte chunks that come one by one (consensus-specs
 * ssz/simple-serialize.md, merkleize; EIP-7916, progressive trees). Pure.
 *
 * A tree needs a fixed number of nodes however long the list and however large its limit are: one
 * for every level that is begun, and a table of the roots of trees that hold only zeros. */
#ifndef ETH_MERKLE_H
#define ETH_MERKLE_H

#include "eth/types.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    MERKLE_CHUNK_SIZE = 32,
    MERKLE_DEPTH_MAX = 20,
    MERKLE_SUBTREES_MAX = MERKLE_DEPTH_MAX / 2 + 1, /* of a progressive tree: depths 0, 2, 4, … */
    MERKLE_CHUNKS_MAX = 1 << MERKLE_DEPTH_MAX,      /* 32 MiB of bytes; payloads have at most 10 */
};

struct merkle {
    bool progressive;
    unsigned depth;                          /* of the tree being filled */
    uint64_t count;                          /* chunks in it */
    unsigned subtrees;                       /* complete subtrees of a progressive tree */
    struct root nodes[MERKLE_DEPTH_MAX + 1]; /* the waiting left node of each level */
    struct root subtree_roots[MERKLE_SUBTREES_MAX];
};

/* Begins a tree with room for `chunk_limit` chunks, which the tree's depth follows from. The limit
 * and the chunks pushed are at most MERKLE_CHUNKS_MAX. */
void merkle_start(struct merkle *merkle, uint64_t chunk_limit);

/* Begins a progressive tree, which has no limit of its own; at most MERKLE_CHUNKS_MAX chunks. */
void merkle_start_progressive(struct merkle *merkle);

void merkle_push(struct merkle *merkle, const uint8_t chunk[static MERKLE_CHUNK_SIZE]);

/* The root; the tree is of no more use. */
struct root merkle_finish(struct merkle *merkle);

/* SHA-256(root || number as 32 bytes little-endian): mix_in_length. */
struct root merkle_mix_in(const struct root *root, uint64_t number);

#endif
