#include "eth/operation.h"

#include "harness.h"

#include <strings.h>

TEST(every_operation_has_its_row)
{
    for (unsigned i = 0; i < OPERATION_COUNT; i++) {
        const struct operation_info *info = &operation_table[i];
        CHECK(info->type[0] != NULL);
        CHECK(info->member[0] != NULL);
        CHECK(info->object != NULL || info->shape != SHAPE_BARE);
        CHECK(info->version_min <= info->version_max);
        CHECK(info->version_max < VERSION_COUNT);
    }
}

TEST(every_object_under_a_fork_says_its_epoch)
{
    for (unsigned i = 0; i < OPERATION_COUNT; i++) {
        const struct operation_info *info = &operation_table[i];
        bool forked = info->domain == DOMAIN_OF_FORK || info->domain == DOMAIN_OF_EXIT;
        CHECK(forked == (info->slot[0] != NULL || info->epoch[0] != NULL));
        CHECK(info->slot[0] == NULL || info->epoch[0] == NULL);
    }
}

TEST(spellings_are_of_one_operation_each)
{
    for (unsigned i = 0; i < OPERATION_COUNT; i++) {
        for (size_t j = 0; j < 2 && operation_table[i].type[j] != NULL; j++) {
            CHECK(operation_find(operation_table[i].type[j]) == (enum operation)i);
        }
    }
}

/* Two operations that share a domain type must differ in their object's root or be one duty. */
TEST(domain_types_are_shared_only_where_the_specifications_share_them)
{
    for (unsigned i = 0; i < OPERATION_COUNT; i++) {
        for (unsigned j = i + 1; j < OPERATION_COUNT; j++) {
            bool shared = operation_table[i].domain_type == operation_table[j].domain_type;
            bool blocks = i == OPERATION_BLOCK && j == OPERATION_BLOCK_V2;
            bool aggregates =
                i == OPERATION_AGGREGATE_AND_PROOF && j == OPERATION_AGGREGATE_AND_PROOF_V2;
            bool builder =
                i == OPERATION_EXECUTION_PAYLOAD_BID && j == OPERATION_EXECUTION_PAYLOAD_ENVELOPE;
            CHECK(shared == (blocks || aggregates || builder));
        }
    }
}

TEST(what_is_slashable_is_protected_and_nothing_else)
{
    for (unsigned i = 0; i < OPERATION_COUNT; i++) {
        bool block = i == OPERATION_BLOCK || i == OPERATION_BLOCK_V2;
        enum protection wanted = block                        ? PROTECTION_BLOCK
                                 : i == OPERATION_ATTESTATION ? PROTECTION_ATTESTATION
                                                              : PROTECTION_NONE;
        CHECK(operation_table[i].protection == wanted);
    }
}

TEST(versions_are_the_forks_and_heze)
{
    for (unsigned fork = 0; fork < FORK_COUNT; fork++) {
        CHECK(version_find(fork_name((enum fork)fork)) == fork);
    }
    CHECK(version_find("HEZE") == VERSION_HEZE);
    CHECK(version_find("Heze") == VERSION_COUNT);
    CHECK(version_find("electra") == VERSION_COUNT);
    CHECK(version_find("PHASE 0") == VERSION_COUNT);
    CHECK(version_find("") == VERSION_COUNT);
}

TEST(whole_blocks_are_of_phase_0_and_altair)
{
    for (unsigned version = 0; version < VERSION_COUNT; version++) {
        CHECK((version_table[version].block != NULL) == (version <= FORK_ALTAIR));
        CHECK(version_table[version].aggregate != NULL);
    }
}

HARNESS_TESTS(T(every_operation_has_its_row), T(every_object_under_a_fork_says_its_epoch),
              T(spellings_are_of_one_operation_each),
              T(domain_types_are_shared_only_where_the_specifications_share_them),
              T(what_is_slashable_is_protected_and_nothing_else),
              T(versions_are_the_forks_and_heze), T(whole_blocks_are_of_phase_0_and_altair))
