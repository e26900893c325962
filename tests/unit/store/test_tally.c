#include "store/tally.h"

#include "harness.h"
#include "store/messages.h"

#include <stddef.h>

/* The sum is written into every database: another function would refuse them all. */
TEST(the_hashes_are_part_of_the_layout)
{
    struct signed_block block = block_of(12345, 7);
    struct signed_attestation vote = vote_of(11, 12, 8);
    struct pubkey pubkey = key_of(3);
    struct watermarks marks = { .has_block = true,
                                .block_slot = { 5 },
                                .has_attestation = true,
                                .source = { 6 },
                                .target = { 7 } };
    CHECK(tally_hash_block(1, &block) == UINT64_C(0x985d11ded8db1ed4));
    CHECK(tally_hash_attestation(1, &vote) == UINT64_C(0x31aa150b888c3308));
    CHECK(tally_hash_validator(1, &pubkey, true, &marks) == UINT64_C(0x72b88f7b2c69872a));
}

TEST(every_field_of_a_row_counts)
{
    const struct signed_block blocks[] = { block_of(5, 1), block_of(6, 1), block_of(5, 2),
                                           block_of(5, 0) };
    const struct signed_attestation votes[] = { vote_of(1, 2, 1), vote_of(0, 2, 1),
                                                vote_of(1, 3, 1), vote_of(1, 2, 2),
                                                vote_of(1, 2, 0), vote_of(2, 1, 1) };
    uint64_t hashes[12];
    size_t count = 0;
    for (size_t i = 0; i < 4; i++) {
        hashes[count++] = tally_hash_block(1, &blocks[i]);
    }
    hashes[count++] = tally_hash_block(2, &blocks[0]);
    for (size_t i = 0; i < 6; i++) {
        hashes[count++] = tally_hash_attestation(1, &votes[i]);
    }
    hashes[count++] = tally_hash_attestation(2, &votes[0]);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < i; k++) {
            CHECK(hashes[i] != hashes[k]);
        }
    }
}

TEST(every_field_of_a_validator_counts)
{
    struct watermarks marks[6] = { { .has_block = false } };
    marks[1] = (struct watermarks){ .has_block = true };
    marks[2] = (struct watermarks){ .has_block = true, .block_slot = { 1 } };
    marks[3] = (struct watermarks){ .has_attestation = true };
    marks[4] = (struct watermarks){ .has_attestation = true, .source = { 1 } };
    marks[5] = (struct watermarks){ .has_attestation = true, .target = { 1 } };
    struct pubkey pubkey = key_of(1);
    struct pubkey other = key_of(2);
    uint64_t hashes[9];
    for (size_t i = 0; i < 6; i++) {
        hashes[i] = tally_hash_validator(1, &pubkey, true, &marks[i]);
    }
    hashes[6] = tally_hash_validator(1, &pubkey, false, &marks[0]);
    hashes[7] = tally_hash_validator(1, &other, true, &marks[0]);
    hashes[8] = tally_hash_validator(2, &pubkey, true, &marks[0]);
    for (size_t i = 0; i < 9; i++) {
        for (size_t k = 0; k < i; k++) {
            CHECK(hashes[i] != hashes[k]);
        }
    }
    struct watermarks noise = { .block_slot = { 9 }, .source = { 9 }, .target = { 9 } };
    CHECK(tally_hash_validator(1, &pubkey, true, &noise) == hashes[0]);
}

TEST(every_field_of_the_whole_counts)
{
    static const struct ceiling ceilings[] = {
        { .has_slot = false },
        { .has_slot = true },
        { .has_epoch = true },
        { .has_slot = true, .has_epoch = true },
        { .has_slot = true, .slot = { 1 } },
        { .has_epoch = true, .epoch = { 1 } },
    };
    uint64_t hashes[12];
    for (size_t i = 0; i < 12; i++) {
        hashes[i] = tally_hash_whole(i % 2 == 1, &ceilings[i / 2]);
        for (size_t k = 0; k < i; k++) {
            CHECK(hashes[i] != hashes[k]);
        }
    }
    CHECK(hashes[0] == 0);
}

TEST(every_flipped_bit_shows)
{
    struct signed_attestation vote = vote_of(1000, 1001, 5);
    uint64_t whole = tally_hash_attestation(9, &vote);
    for (size_t bit = 0; bit < 8 * sizeof(vote.root.bytes); bit++) {
        struct signed_attestation flipped = vote;
        flipped.root.bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        CHECK(tally_hash_attestation(9, &flipped) != whole);
    }
    for (size_t bit = 0; bit < 64; bit++) {
        struct signed_attestation flipped = vote;
        flipped.target.value ^= UINT64_C(1) << bit;
        CHECK(tally_hash_attestation(9, &flipped) != whole);
    }
}

TEST(removing_takes_back_what_adding_did_in_any_order)
{
    struct tally tally = { .rows = 0 };
    struct tally again = { .rows = 0 };
    for (uint64_t i = 1; i <= 100; i++) {
        tally_add(&tally, i * i * UINT64_C(0x123456789abcdef));
    }
    for (uint64_t i = 100; i >= 51; i--) {
        tally_add(&again, i * i * UINT64_C(0x123456789abcdef));
    }
    CHECK(!tally_equal(&tally, &again));
    for (uint64_t i = 1; i <= 50; i++) {
        tally_remove(&tally, i * i * UINT64_C(0x123456789abcdef));
    }
    CHECK(tally_equal(&tally, &again) && tally.rows == 50);
    again.rows++;
    CHECK(!tally_equal(&tally, &again));
}

HARNESS_TESTS(T(the_hashes_are_part_of_the_layout), T(every_field_of_a_row_counts),
              T(every_field_of_a_validator_counts), T(every_field_of_the_whole_counts),
              T(every_flipped_bit_shows), T(removing_takes_back_what_adding_did_in_any_order))
