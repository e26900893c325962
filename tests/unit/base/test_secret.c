#include "base/random.h"
#include "base/secret.h"
#include "child.h"
#include "harness.h"

static bool is_zero(const uint8_t *bytes, size_t size)
{
    uint8_t seen = 0;
    for (size_t i = 0; i < size; i++) {
        seen |= bytes[i];
    }
    return seen == 0;
}

static bool was_zero;

static void note_zero(struct secret32 **watched)
{
    was_zero = is_zero((*watched)->bytes, sizeof((*watched)->bytes));
}

/* Cleanups run from the last declaration to the first: the watcher looks after the wiping. */
TEST(a_secret_is_wiped_at_the_end_of_its_scope)
{
    was_zero = false;
    {
        CLEANUP(note_zero) struct secret32 *watched = NULL;
        SECRET secret;
        memset(secret.bytes, 0xa5, sizeof(secret.bytes));
        watched = &secret;
    }
    CHECK(was_zero);
}

TEST(wiping_nothing_touches_nothing)
{
    uint8_t byte = 7;
    secret_wipe(&byte, 0);
    secret_wipe(NULL, 0);
    CHECK(byte == 7);
}

TEST(wipes_exactly_what_it_is_told_to)
{
    uint8_t bytes[5] = { 1, 2, 3, 4, 5 };
    secret_wipe(bytes + 1, 3);
    CHECK(memcmp(bytes, (const uint8_t[]){ 1, 0, 0, 0, 5 }, 5) == 0);
}

TEST(compares_every_bit)
{
    uint8_t a[33];
    uint8_t b[33];
    random_bytes(a, sizeof(a));
    memcpy(b, a, sizeof(a));
    CHECK(secret_equal(a, b, sizeof(a)));
    for (size_t bit = 0; bit < 8 * sizeof(a); bit++) {
        b[bit / 8] ^= (uint8_t)(1U << bit % 8);
        CHECK(!secret_equal(a, b, sizeof(a)));
        CHECK(secret_equal(a, b, bit / 8)); /* nothing behind the size counts */
        b[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    CHECK(secret_equal(a, b, 0));
}

TEST(a_block_has_its_size_and_a_nul)
{
    static const size_t sizes[] = { 0, 1, 15, 16, 4095, 4096, 100 * 1000 };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        SECRET_BLOCK block = { 0 };
        CHECK(secret_block_new(sizes[i], &block));
        CHECK(block.data != NULL && block.size == sizes[i]);
        CHECK(is_zero(block.data, block.size + 1));
        memset(block.data, 'x', sizes[i]);
        CHECK(strlen((const char *)block.data) == sizes[i]);
    }
}

TEST(refuses_a_block_that_cannot_be)
{
    static const size_t sizes[] = { SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 2 + 1, SIZE_MAX / 2 };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct secret_block block = { 0 };
        CHECK(!secret_block_new(sizes[i], &block));
        CHECK(block.data == NULL && block.size == 0);
    }
}

TEST(freeing_leaves_an_empty_block)
{
    struct secret_block block = { 0 };
    secret_block_free(&block);
    CHECK(secret_block_new(10, &block));
    secret_block_free(&block);
    CHECK(block.data == NULL && block.size == 0);
    secret_block_free(&block);
}

static void read_at(void *address)
{
    (void)*(const volatile uint8_t *)address;
}

TEST(a_read_behind_a_block_faults)
{
    SECRET_BLOCK block = { 0 };
    CHECK(secret_block_new(100, &block));
    CHECK(child_signal(read_at, block.data + 100) == 0);
    CHECK(child_signal(read_at, block.data + 101) == SIGSEGV);
    CHECK(child_signal(read_at, block.data - 4096) == SIGSEGV);
}

HARNESS_TESTS(T(a_secret_is_wiped_at_the_end_of_its_scope), T(wiping_nothing_touches_nothing),
              T(wipes_exactly_what_it_is_told_to), T(compares_every_bit),
              T(a_block_has_its_size_and_a_nul), T(refuses_a_block_that_cannot_be),
              T(freeing_leaves_an_empty_block), T(a_read_behind_a_block_faults))
