#include "store/validator_table.h"

#include "base/cleanup.h"
#include "harness.h"
#include "store/messages.h"

#define TABLE CLEANUP(validator_table_done) struct validator_table

static struct result add(struct validator_table *table, uint32_t key)
{
    struct validator *validator = NULL;
    struct pubkey pubkey = key_of(key);
    return validator_table_add(table, &pubkey, &validator);
}

static struct validator *find(struct validator_table *table, uint32_t key)
{
    struct pubkey pubkey = key_of(key);
    return validator_table_find(table, &pubkey);
}

TEST(each_validator_is_found_by_its_key_and_keeps_its_index)
{
    enum { COUNT = 5000 };
    TABLE table;
    CHECK_OK(validator_table_init(&table));
    CHECK(find(&table, 0) == NULL);
    for (uint32_t key = 0; key < COUNT; key++) {
        CHECK_OK(add(&table, key));
    }
    for (uint32_t key = 0; key < COUNT; key++) {
        struct validator *found = find(&table, key);
        CHECK(found != NULL && validator_table_index(&table, found) == key);
        CHECK(found->enabled && !found->marks.has_block && !found->peaks.has_attestation);
    }
    CHECK(find(&table, COUNT) == NULL);
    CHECK(table.count == COUNT && table.bucket_count >= 2 * table.count);
}

TEST(keys_that_differ_in_one_bit_are_different)
{
    TABLE table;
    struct validator *validator = NULL;
    CHECK_OK(validator_table_init(&table));
    for (size_t bit = 0; bit < 8 * sizeof(struct pubkey); bit++) {
        struct pubkey pubkey = { { 0 } };
        pubkey.bytes[bit / 8] = (uint8_t)(1U << bit % 8);
        CHECK(validator_table_find(&table, &pubkey) == NULL);
        CHECK_OK(validator_table_add(&table, &pubkey, &validator));
    }
    CHECK(table.count == 384);
}

TEST(undo_takes_back_changes_and_additions)
{
    TABLE table;
    CHECK_OK(validator_table_init(&table));
    for (uint32_t key = 0; key < 100; key++) {
        CHECK_OK(add(&table, key));
        watermarks_cover_block(&find(&table, key)->marks, (struct slot){ key });
    }
    validator_table_keep(&table);
    for (uint32_t key = 0; key < 100; key += 3) {
        struct validator *validator = find(&table, key);
        CHECK_OK(validator_table_touch(&table, validator));
        watermarks_cover_block(&validator->marks, (struct slot){ 1000 });
        CHECK_OK(validator_table_touch(&table, validator)); /* remembers the first state */
        validator->enabled = false;
        validator->peaks = (struct peaks){ .has_attestation = true };
    }
    for (uint32_t key = 100; key < 500; key++) {
        CHECK_OK(add(&table, key));
    }
    CHECK(table.change_count == 34 + 400 && table.changes[0].index == 0);
    CHECK(!table.changes[0].is_new && table.changes[34].is_new);
    validator_table_undo(&table);
    CHECK(table.count == 100 && table.change_count == 0);
    for (uint32_t key = 0; key < 500; key++) {
        struct validator *validator = find(&table, key);
        CHECK((validator != NULL) == (key < 100));
        CHECK(validator == NULL ||
              (validator->enabled && validator->marks.block_slot.value == key &&
               !validator->peaks.has_attestation && validator->change == 0));
    }
    CHECK_OK(add(&table, 300)); /* what was taken back can come again */
    CHECK(validator_table_index(&table, find(&table, 300)) == 100);
}

TEST(what_was_kept_is_not_taken_back)
{
    TABLE table;
    CHECK_OK(validator_table_init(&table));
    CHECK_OK(add(&table, 1));
    find(&table, 1)->enabled = false;
    validator_table_keep(&table);
    validator_table_undo(&table);
    CHECK(find(&table, 1) != NULL && !find(&table, 1)->enabled);
    CHECK_OK(validator_table_touch(&table, find(&table, 1)));
    find(&table, 1)->enabled = true;
    validator_table_keep(&table);
    validator_table_undo(&table);
    CHECK(find(&table, 1)->enabled);
}

TEST(the_table_takes_its_limit_and_no_validator_more)
{
    TABLE table;
    CHECK_OK(validator_table_init(&table));
    table.count = VALIDATOR_TABLE_MAX;
    CHECK_FAILS(LIMIT, add(&table, 1));
    table.count = 0;
    CHECK_OK(add(&table, 1));
}

TEST(ten_thousand_validators_take_little_memory)
{
    TABLE table;
    CHECK_OK(validator_table_init(&table));
    for (uint32_t key = 0; key < 10000; key++) {
        CHECK_OK(add(&table, key));
        validator_table_keep(&table);
    }
    size_t bytes = table.capacity * sizeof(*table.items) +
                   table.bucket_count * sizeof(*table.buckets) +
                   table.change_capacity * sizeof(*table.changes);
    CHECK(bytes < 3 * 1000 * 1000);
}

HARNESS_TESTS(T(each_validator_is_found_by_its_key_and_keeps_its_index),
              T(keys_that_differ_in_one_bit_are_different),
              T(undo_takes_back_changes_and_additions), T(what_was_kept_is_not_taken_back),
              T(the_table_takes_its_limit_and_no_validator_more),
              T(ten_thousand_validators_take_little_memory))
