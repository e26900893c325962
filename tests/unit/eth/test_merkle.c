#include "eth/merkle.h"

#include "base/hex.h"
#include "base/sha256.h"
#include "harness.h"

#include <stdlib.h>

enum { CHUNKS = 400 };

static uint8_t chunks[CHUNKS][MERKLE_CHUNK_SIZE];

static void fill_chunks(void)
{
    for (size_t i = 0; i < CHUNKS; i++) {
        for (size_t j = 0; j < MERKLE_CHUNK_SIZE; j++) {
            chunks[i][j] = (uint8_t)(i * 31 + j * 7 + 1);
        }
    }
}

/* The slow twins: what the specifications say, word by word. */

static struct root slow_tree(size_t first, size_t count, size_t leaves)
{
    struct root root = { 0 };
    if (leaves == 1) {
        if (count > 0) {
            memcpy(root.bytes, chunks[first], sizeof(root.bytes));
        }
        return root;
    }
    size_t half = leaves / 2;
    struct root left = slow_tree(first, count < half ? count : half, half);
    struct root right = slow_tree(first + half, count < half ? 0 : count - half, half);
    sha256_pair(left.bytes, right.bytes, root.bytes);
    return root;
}

static struct root slow_progressive(size_t first, size_t count, size_t leaves)
{
    struct root root = { 0 };
    if (count == 0) {
        return root;
    }
    size_t here = count < leaves ? count : leaves;
    struct root subtree = slow_tree(first, here, leaves);
    struct root rest = slow_progressive(first + here, count - here, leaves * 4);
    sha256_pair(subtree.bytes, rest.bytes, root.bytes);
    return root;
}

static struct root fast(bool progressive, size_t limit, size_t count)
{
    struct merkle merkle;
    if (progressive) {
        merkle_start_progressive(&merkle);
    } else {
        merkle_start(&merkle, limit);
    }
    for (size_t i = 0; i < count; i++) {
        merkle_push(&merkle, chunks[i]);
    }
    return merkle_finish(&merkle);
}

static bool is_root(struct root root, const char *text)
{
    char got[HEX_TEXT_SIZE(sizeof(root))];
    hex_encode(root.bytes, sizeof(root.bytes), got);
    return strcmp(got, text) == 0;
}

TEST(every_count_within_every_small_limit_agrees_with_the_definition)
{
    fill_chunks();
    for (size_t leaves = 1; leaves <= 64; leaves *= 2) {
        for (size_t count = 0; count <= leaves; count++) {
            struct root wanted = slow_tree(0, count, leaves);
            struct root got = fast(false, leaves, count);
            CHECK(root_equal(&got, &wanted));
        }
    }
}

TEST(a_limit_between_powers_of_two_has_the_depth_of_the_next_one)
{
    fill_chunks();
    for (size_t limit = 33; limit <= 64; limit++) {
        struct root wanted = slow_tree(0, 33, 64);
        struct root got = fast(false, limit, 33);
        CHECK(root_equal(&got, &wanted));
    }
    struct root deeper = fast(false, 65, 33);
    struct root wanted = slow_tree(0, 33, 128);
    CHECK(root_equal(&deeper, &wanted));
}

TEST(a_progressive_tree_of_every_length_agrees_with_the_definition)
{
    fill_chunks();
    for (size_t count = 0; count <= CHUNKS; count++) {
        struct root wanted = slow_progressive(0, count, 1);
        struct root got = fast(true, 0, count);
        CHECK(root_equal(&got, &wanted));
    }
}

TEST(no_chunks_under_the_largest_limit_are_the_known_zero_root)
{
    /* Well-known roots of zero trees, of depths 1 and 2. */
    CHECK(is_root(fast(false, 2, 0),
                  "0xf5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b"));
    CHECK(is_root(fast(false, 4, 0),
                  "0xdb56114e00fdd4c1f85c892bf35ac9a89289aaecb1ebd0a96cde606a748b5d71"));
    struct root node = { 0 };
    for (unsigned depth = 0; depth < MERKLE_DEPTH_MAX; depth++) {
        sha256_pair(node.bytes, node.bytes, node.bytes);
    }
    struct root got = fast(false, MERKLE_CHUNKS_MAX, 0);
    CHECK(root_equal(&got, &node));
}

TEST(trees_without_room_and_without_chunks_are_zero)
{
    struct root zero = { 0 };
    struct root none = fast(false, 0, 0);
    struct root progressive = fast(true, 0, 0);
    CHECK(root_equal(&none, &zero));
    CHECK(root_equal(&progressive, &zero));
}

TEST(a_number_is_mixed_in_as_32_little_endian_bytes)
{
    struct root root = { 0 };
    uint8_t leaf[32] = { 0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01 };
    struct root wanted;
    sha256_pair(root.bytes, leaf, wanted.bytes);
    struct root got = merkle_mix_in(&root, UINT64_C(0x0102030405060708));
    CHECK(root_equal(&got, &wanted));
}

HARNESS_TESTS(T(every_count_within_every_small_limit_agrees_with_the_definition),
              T(a_limit_between_powers_of_two_has_the_depth_of_the_next_one),
              T(a_progressive_tree_of_every_length_agrees_with_the_definition),
              T(no_chunks_under_the_largest_limit_are_the_known_zero_root),
              T(trees_without_room_and_without_chunks_are_zero),
              T(a_number_is_mixed_in_as_32_little_endian_bytes))
