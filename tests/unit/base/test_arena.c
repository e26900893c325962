#include "base/arena.h"
#include "harness.h"

#include <malloc.h>
#include <stdint.h>

enum { BLOCKS = 5000 };

/* Every block gets bytes of its own, so that one that lies over another shows. */
static bool holds(const uint8_t *block, size_t size, uint8_t byte)
{
    for (size_t i = 0; i < size; i++) {
        if (block[i] != byte) {
            return false;
        }
    }
    return true;
}

TEST(blocks_lie_apart_and_are_aligned)
{
    static uint8_t *blocks[BLOCKS];
    struct arena arena = { .taken = 0 };
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = arena_take(&arena, i % 300);
        CHECK(blocks[i] != NULL);
        CHECK((uintptr_t)blocks[i] % 8 == 0);
        memset(blocks[i], (uint8_t)i, i % 300);
    }
    arena_end(&arena);
    for (size_t i = 0; i < BLOCKS; i++) {
        CHECK(holds(blocks[i], i % 300, (uint8_t)i));
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        size_t other = (i * 7 + 3) % BLOCKS; /* in another order than they were taken */
        arena_give_back(blocks[other]);
    }
}

TEST(large_blocks_are_whole_and_sizes_that_overflow_are_refused)
{
    struct arena arena = { .taken = 0 };
    uint8_t *small = arena_take(&arena, 1);
    uint8_t *large = arena_take(&arena, 3 * 1024 * 1024);
    uint8_t *after = arena_take(&arena, 1);
    CHECK(small != NULL && large != NULL && after != NULL);
    memset(large, 0xaa, 3 * 1024 * 1024);
    *small = 1;
    *after = 2;
    CHECK(holds(large, 3 * 1024 * 1024, 0xaa) && *small == 1 && *after == 2);
    CHECK(arena_take(&arena, SIZE_MAX) == NULL);
    CHECK(arena_take(&arena, SIZE_MAX / 2 + 1) == NULL);
    CHECK(arena_take(&arena, SIZE_MAX - 7) == NULL);
    arena_give_back(small);
    arena_give_back(large);
    arena_give_back(after);
    arena_give_back(NULL);
    arena_end(&arena);
}

TEST(what_was_taken_is_counted_with_what_it_costs)
{
    struct arena arena = { .taken = 0 };
    void *nothing = arena_take(&arena, 0);
    size_t cost = arena.taken;
    CHECK(nothing != NULL && cost > 0 && cost <= 16);
    void *block = arena_take(&arena, 100);
    CHECK(arena.taken >= 2 * cost + 100 && arena.taken < 2 * cost + 100 + 8);
    size_t before = arena.taken;
    arena_give_back(block);
    arena_end(&arena);
    CHECK(arena.taken == before);
    arena_give_back(nothing);
}

TEST(the_next_tree_gets_the_same_chunk_wiped)
{
    struct arena first = { .taken = 0 };
    struct arena second = { .taken = 0 };
    uint8_t *block = arena_take(&first, 1000);
    memset(block, 0xaa, 1000);
    arena_end(&first);
    arena_give_back(block);
    uint8_t *again = arena_take(&second, 1000);
    CHECK(again == block);
    CHECK(holds(again, 1000, 0));
    arena_end(&second);
    arena_give_back(again);
}

/* A long value that grows must not leave all its former selves behind. */
TEST(a_large_block_is_freed_when_it_is_given_back)
{
    struct arena arena = { .taken = 0 };
    void *kept = arena_take(&arena, 8);
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    for (int i = 0; i < 100; i++) {
        void *large = arena_take(&arena, 1024 * 1024);
        CHECK(large != NULL);
        arena_give_back(large);
    }
    size_t after = mallinfo2().uordblks + mallinfo2().hblkhd;
    arena_end(&arena);
    arena_give_back(kept);
    CHECK(after < before + 3 * 1024 * 1024);
}

HARNESS_TESTS(T(blocks_lie_apart_and_are_aligned),
              T(large_blocks_are_whole_and_sizes_that_overflow_are_refused),
              T(what_was_taken_is_counted_with_what_it_costs),
              T(the_next_tree_gets_the_same_chunk_wiped),
              T(a_large_block_is_freed_when_it_is_given_back))
