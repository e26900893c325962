#include "base/arena.h"

#include "base/secret.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

/* A chunk is an eighth of what was taken before, so that no more than that is in vain. */
enum { CHUNK_MIN = 16 * 1024 - 64, CHUNK_MAX = 1024 * 1024, CHUNK_SHARE = 8 };

struct arena_chunk {
    size_t holders; /* blocks that were not given back, and the arena that cuts from it */
    size_t used;
    size_t size;
    uint64_t bytes[];
};

/* Before each block. */
struct block {
    struct arena_chunk *chunk;
    uint64_t bytes[];
};

/* One chunk of the smallest size that each thread keeps, wiped, for its next tree. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t spare;
static bool can_spare;

static void init_once(void)
{
    can_spare = pthread_key_create(&spare, free) == 0;
}

static bool keep_spare(struct arena_chunk *chunk)
{
    pthread_once(&once, init_once);
    return chunk->size == CHUNK_MIN && can_spare && pthread_getspecific(spare) == NULL &&
           pthread_setspecific(spare, chunk) == 0;
}

static struct arena_chunk *new_chunk(size_t size)
{
    pthread_once(&once, init_once);
    struct arena_chunk *kept = size == CHUNK_MIN && can_spare ? pthread_getspecific(spare) : NULL;
    if (kept != NULL) {
        pthread_setspecific(spare, NULL);
        return kept;
    }
    return size > SIZE_MAX - sizeof(*kept) ? NULL : malloc(sizeof(*kept) + size);
}

static void let_go(struct arena_chunk *chunk)
{
    if (chunk == NULL || --chunk->holders > 0) {
        return;
    }
    secret_wipe(chunk->bytes, chunk->used);
    if (!keep_spare(chunk)) {
        free(chunk);
    }
}

/* In place of the chunk that is full. */
static struct arena_chunk *next_chunk(struct arena *arena, size_t needed)
{
    size_t size = (arena->taken / CHUNK_SHARE + 7) & ~(size_t)7;
    size = size < CHUNK_MIN ? CHUNK_MIN : size;
    size = size > CHUNK_MAX ? CHUNK_MAX : size;
    size = size < needed ? needed : size;
    struct arena_chunk *chunk = new_chunk(size);
    if (chunk != NULL) {
        *chunk = (struct arena_chunk){ .holders = 1, .size = size };
        let_go(arena->chunk);
        arena->chunk = chunk;
    }
    return chunk;
}

void *arena_take(struct arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2) {
        return NULL;
    }
    size_t needed = sizeof(struct block) + ((size + 7) & ~(size_t)7);
    struct arena_chunk *chunk = arena->chunk;
    if (chunk == NULL || needed > chunk->size - chunk->used) {
        chunk = next_chunk(arena, needed);
    }
    if (chunk == NULL) {
        return NULL;
    }
    struct block *block = (struct block *)&chunk->bytes[chunk->used / sizeof(chunk->bytes[0])];
    block->chunk = chunk;
    chunk->used += needed;
    chunk->holders++;
    arena->taken += needed;
    return block->bytes;
}

void arena_end(struct arena *arena)
{
    let_go(arena->chunk);
    *arena = (struct arena){ .taken = arena->taken };
}

void arena_give_back(void *block)
{
    if (block != NULL) {
        let_go(((struct block *)((char *)block - offsetof(struct block, bytes)))->chunk);
    }
}
