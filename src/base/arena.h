/* arena.h: memory for the many small blocks of one tree. Blocks are cut from chunks, one behind the
 * other, so that a block costs next to nothing; a chunk is wiped with its last block, and freed,
 * but for one that each thread keeps for its next tree. The blocks of an arena may move from thread
 * to thread, but only one thread may be at them. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

struct arena_chunk;

/* Zero at first. */
struct arena {
    struct arena_chunk *chunk; /* from which blocks are cut */
    size_t taken; /* bytes of all blocks so far, with what each costs beside its size */
};

/* A block of `size` bytes, aligned to 8, or NULL when the system has no memory. */
void *arena_take(struct arena *arena, size_t size);

/* No more blocks: what was taken lives on until it is given back. */
void arena_end(struct arena *arena);

/* Gives a block back; its memory is wiped at the latest when all others of its arena are. Accepts
 * NULL. */
void arena_give_back(void *block);

#endif
