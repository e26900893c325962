#include "eth/merkle.h"

#include "base/sha256.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

/* zero_roots[d] is the root of a tree of depth d whose chunks are all zero. */
static struct root zero_roots[MERKLE_DEPTH_MAX + 1];
static pthread_once_t zero_roots_once = PTHREAD_ONCE_INIT;

static void compute_zero_roots(void)
{
    for (unsigned depth = 0; depth < MERKLE_DEPTH_MAX; depth++) {
        sha256_pair(zero_roots[depth].bytes, zero_roots[depth].bytes, zero_roots[depth + 1].bytes);
    }
}

static void start_tree(struct merkle *merkle, unsigned depth)
{
    merkle->depth = depth;
    merkle->count = 0;
}

void merkle_start(struct merkle *merkle, uint64_t chunk_limit)
{
    assert(chunk_limit <= MERKLE_CHUNKS_MAX);
    pthread_once(&zero_roots_once, compute_zero_roots);
    unsigned depth = 0;
    while (UINT64_C(1) << depth < chunk_limit) {
        depth++;
    }
    merkle->progressive = false;
    merkle->subtrees = 0;
    start_tree(merkle, depth);
}

void merkle_start_progressive(struct merkle *merkle)
{
    merkle_start(merkle, 1);
    merkle->progressive = true;
}

/* The chunk and every node that it completes climb until a level has no left node waiting: the
 * levels count in binary. */
static void push_into_tree(struct merkle *merkle, const uint8_t chunk[static MERKLE_CHUNK_SIZE])
{
    assert(merkle->count < UINT64_C(1) << merkle->depth);
    struct root node;
    memcpy(node.bytes, chunk, sizeof(node.bytes));
    unsigned level = 0;
    for (; (merkle->count >> level & 1) != 0; level++) {
        sha256_pair(merkle->nodes[level].bytes, node.bytes, node.bytes);
    }
    merkle->nodes[level] = node;
    merkle->count++;
}

/* Fills the tree's right side up with zeros. */
static struct root finish_tree(const struct merkle *merkle)
{
    if (merkle->count == UINT64_C(1) << merkle->depth) {
        return merkle->nodes[merkle->depth];
    }
    struct root node = zero_roots[0];
    bool begun = false; /* until a left node was met, all to the right is zero */
    for (unsigned level = 0; level < merkle->depth; level++) {
        if ((merkle->count >> level & 1) != 0) {
            sha256_pair(merkle->nodes[level].bytes, node.bytes, node.bytes);
            begun = true;
        } else if (begun) {
            sha256_pair(node.bytes, zero_roots[level].bytes, node.bytes);
        } else {
            node = zero_roots[level + 1];
        }
    }
    return node;
}

static void close_subtree(struct merkle *merkle)
{
    assert(merkle->subtrees < MERKLE_SUBTREES_MAX);
    merkle->subtree_roots[merkle->subtrees++] = finish_tree(merkle);
}

void merkle_push(struct merkle *merkle, const uint8_t chunk[static MERKLE_CHUNK_SIZE])
{
    if (merkle->progressive && merkle->count == UINT64_C(1) << merkle->depth) {
        close_subtree(merkle);
        start_tree(merkle, merkle->depth + 2);
    }
    push_into_tree(merkle, chunk);
}

/* The subtrees hang, the smallest highest, on a spine that ends in zero. */
static struct root finish_progressive(struct merkle *merkle)
{
    if (merkle->count > 0) {
        close_subtree(merkle);
    }
    struct root node = zero_roots[0];
    for (unsigned i = merkle->subtrees; i-- > 0;) {
        sha256_pair(merkle->subtree_roots[i].bytes, node.bytes, node.bytes);
    }
    return node;
}

struct root merkle_finish(struct merkle *merkle)
{
    return merkle->progressive ? finish_progressive(merkle) : finish_tree(merkle);
}

struct root merkle_mix_in(const struct root *root, uint64_t number)
{
    uint8_t leaf[MERKLE_CHUNK_SIZE] = { 0 };
    for (unsigned i = 0; i < sizeof(number); i++) {
        leaf[i] = (uint8_t)(number >> (8 * i));
    }
    struct root mixed;
    sha256_pair(root->bytes, leaf, mixed.bytes);
    return mixed;
}
