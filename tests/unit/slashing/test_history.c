#include "slashing/history.h"

#include "harness.h"
#include "store/messages.h"

/* A history with records in the order given. */
static bool fill(struct history *history, const struct signed_block *blocks, size_t block_count,
                 const struct signed_attestation *votes, size_t vote_count)
{
    bool filled = true;
    history->pubkey = key_of(7);
    for (size_t i = 0; i < block_count; i++) {
        filled = filled && is_ok(history_add_block(history, &blocks[i]));
    }
    for (size_t i = 0; i < vote_count; i++) {
        filled = filled && is_ok(history_add_attestation(history, &votes[i]));
    }
    return filled;
}

#define BLOCKS(...)                               \
    (const struct signed_block[]){ __VA_ARGS__ }, \
        sizeof((const struct signed_block[]){ __VA_ARGS__ }) / sizeof(struct signed_block)
#define VOTES(...)                                                   \
    (const struct signed_attestation[]){ __VA_ARGS__ },              \
        sizeof((const struct signed_attestation[]){ __VA_ARGS__ }) / \
            sizeof(struct signed_attestation)
#define NO_BLOCKS NULL, 0
#define NO_VOTES  NULL, 0
#define HISTORY   CLEANUP(history_done) struct history

TEST(a_merge_sorts_and_keeps_every_record)
{
    HISTORY known = { .block_count = 0 };
    HISTORY added = { .block_count = 0 };
    CHECK(fill(&known, BLOCKS(block_of(5, 1), block_of(9, 2)), VOTES(vote_of(1, 4, 1))));
    known.marks = (struct watermarks){ .has_block = true,
                                       .block_slot = { 5 },
                                       .has_attestation = true,
                                       .source = { 1 },
                                       .target = { 4 } };
    CHECK(fill(&added, BLOCKS(block_of(8, 3), block_of(7, 0), block_of(30, 4)),
               VOTES(vote_of(2, 6, 0), vote_of(2, 5, 2))));
    CHECK_OK(history_merge(&known, &added, CONFLICT_REFUSE, NULL));
    static const uint64_t slots[] = { 5, 7, 8, 9, 30 };
    CHECK(known.block_count == 5 && known.attestation_count == 3);
    for (size_t i = 0; i < 5; i++) {
        CHECK(known.blocks[i].slot.value == slots[i]);
    }
    CHECK(!known.blocks[1].has_root && known.blocks[2].has_root);
    CHECK(known.attestations[0].target.value == 4 && known.attestations[2].target.value == 6);
    CHECK(history_is_clean(&known, NULL));
}

TEST(the_lowest_of_an_import_becomes_the_mark_when_it_is_higher)
{
    HISTORY known = { .block_count = 0 };
    HISTORY high = { .block_count = 0 };
    HISTORY low = { .block_count = 0 };
    CHECK(fill(&high, BLOCKS(block_of(50, 1), block_of(40, 1)),
               VOTES(vote_of(10, 50, 1), vote_of(9, 49, 1))));
    CHECK(fill(&low, BLOCKS(block_of(3, 1)), VOTES(vote_of(2, 3, 1))));
    CHECK_OK(history_merge(&known, &low, CONFLICT_REFUSE, NULL));
    CHECK(known.marks.block_slot.value == 3 && known.marks.source.value == 2 &&
          known.marks.target.value == 3);
    CHECK_OK(history_merge(&known, &high, CONFLICT_REFUSE, NULL));
    CHECK(known.marks.block_slot.value == 40 && known.marks.source.value == 9 &&
          known.marks.target.value == 49);
    CHECK_OK(history_merge(&known, &low, CONFLICT_REFUSE, NULL));
    CHECK(known.marks.block_slot.value == 40 && known.marks.source.value == 9 &&
          known.marks.target.value == 49);
}

TEST(lowest_source_and_lowest_target_may_be_of_two_records)
{
    HISTORY known = { .block_count = 0 };
    HISTORY added = { .block_count = 0 };
    CHECK(fill(&added, NO_BLOCKS, VOTES(vote_of(5, 6, 1), vote_of(2, 9, 1))));
    CHECK_FAILS(REFUSED, history_merge(&known, &added, CONFLICT_REFUSE, NULL));
    CHECK_OK(history_merge(&known, &added, CONFLICT_RAISE, NULL));
    CHECK(known.marks.source.value == 5 && known.marks.target.value == 9);
}

TEST(marks_without_records_are_merged_too)
{
    HISTORY known = { .block_count = 0 };
    HISTORY added = { .block_count = 0 };
    added.marks = (struct watermarks){ .has_block = true, .block_slot = { 8 } };
    CHECK_OK(history_merge(&known, &added, CONFLICT_REFUSE, NULL));
    CHECK(known.marks.has_block && known.marks.block_slot.value == 8);
    CHECK(!known.marks.has_attestation);
    added.marks = (struct watermarks){ .has_attestation = true, .source = { 3 }, .target = { 4 } };
    CHECK_OK(history_merge(&known, &added, CONFLICT_REFUSE, NULL));
    CHECK(known.marks.has_block && known.marks.source.value == 3 && known.marks.target.value == 4);
}

TEST(the_same_twice_is_one_and_an_unknown_root_wins)
{
    HISTORY known = { .block_count = 0 };
    HISTORY added = { .block_count = 0 };
    CHECK(fill(&added, BLOCKS(block_of(5, 0), block_of(5, 1), block_of(5, 1), block_of(6, 0)),
               VOTES(vote_of(1, 4, 2), vote_of(1, 4, 0), vote_of(1, 4, 2))));
    CHECK_OK(history_merge(&known, &added, CONFLICT_REFUSE, NULL));
    CHECK(known.block_count == 2 && known.attestation_count == 1);
    CHECK(!known.blocks[0].has_root && !known.blocks[1].has_root);
    CHECK(!known.attestations[0].has_root);
    CHECK_OK(history_merge(&known, &added, CONFLICT_REFUSE, NULL));
    CHECK(known.block_count == 2 && known.attestation_count == 1);
}

/* Merges `added` into a history that knows a block at 5 and a vote from 3 to 6; REFUSE must refuse,
 * name what `words` say and change nothing; RAISE must leave a clean history under the marks. */
struct conflict {
    const char *words;
    struct signed_block block;      /* slot 0: none */
    struct signed_attestation vote; /* target 0: none */
    uint64_t slot_mark;             /* after RAISE */
    uint64_t source_mark;
    uint64_t target_mark;
};

static const struct conflict conflicts[] = {
    { .words = ": block at slot 5",
      .block = { .slot = { 5 }, .root = { { 9 } }, .has_root = true },
      .slot_mark = 5,
      .source_mark = 1,
      .target_mark = 1 },
    { .words = ": attestation from source 3 to target 6 and attestation from source 3 to target 6",
      .vote = { .source = { 3 }, .target = { 6 }, .root = { { 9 } }, .has_root = true },
      .slot_mark = 1,
      .source_mark = 3,
      .target_mark = 6 },
    { .words = ": attestation from source 3 to target 6 and attestation from source 4 to target 6",
      .vote = { .source = { 4 }, .target = { 6 } },
      .slot_mark = 1,
      .source_mark = 4,
      .target_mark = 6 },
    { .words = ": attestation from source 3 to target 6 and attestation from source 2 to target 7",
      .vote = { .source = { 2 }, .target = { 7 } },
      .slot_mark = 1,
      .source_mark = 3,
      .target_mark = 7 },
    { .words = ": attestation from source 4 to target 5 and attestation from source 3 to target 6",
      .vote = { .source = { 4 }, .target = { 5 } },
      .slot_mark = 1,
      .source_mark = 4,
      .target_mark = 6 },
    { .words = ": attestation from source 8 to target 2",
      .vote = { .source = { 8 }, .target = { 2 } },
      .slot_mark = 1,
      .source_mark = 8,
      .target_mark = 2 },
};

static bool make_conflict(const struct conflict *conflict, struct history *known,
                          struct history *added)
{
    bool made = fill(known, BLOCKS(block_of(5, 1)), VOTES(vote_of(3, 6, 1)));
    known->marks = (struct watermarks){ .has_block = true,
                                        .block_slot = { 1 },
                                        .has_attestation = true,
                                        .source = { 1 },
                                        .target = { 1 } };
    size_t blocks = conflict->block.slot.value != 0;
    size_t votes = conflict->vote.target.value != 0;
    added->pubkey = known->pubkey;
    return made && fill(added, &conflict->block, blocks, &conflict->vote, votes);
}

TEST(each_kind_of_conflict_is_refused_by_name_and_changes_nothing)
{
    for (size_t i = 0; i < sizeof(conflicts) / sizeof(conflicts[0]); i++) {
        HISTORY known = { .block_count = 0 };
        HISTORY added = { .block_count = 0 };
        HISTORY before = { .block_count = 0 };
        struct detail detail = { "" };
        CHECK(make_conflict(&conflicts[i], &known, &added));
        CHECK_OK(history_copy(&known, &before));
        CHECK_FAILS(REFUSED, history_merge(&known, &added, CONFLICT_REFUSE, &detail));
        CHECK(history_equal(&known, &before));
        CHECK_TEXT(strstr(detail.text, ": "), conflicts[i].words);
        CHECK(strstr(detail.text, "validator 0x00000007") == detail.text);
    }
}

TEST(each_kind_of_conflict_can_be_raised_over)
{
    for (size_t i = 0; i < sizeof(conflicts) / sizeof(conflicts[0]); i++) {
        HISTORY known = { .block_count = 0 };
        HISTORY added = { .block_count = 0 };
        CHECK(make_conflict(&conflicts[i], &known, &added));
        CHECK_OK(history_merge(&known, &added, CONFLICT_RAISE, NULL));
        CHECK(history_is_clean(&known, NULL));
        CHECK(known.block_count == 1 && known.attestation_count == 1);
        CHECK(known.marks.block_slot.value == conflicts[i].slot_mark);
        CHECK(known.marks.source.value == conflicts[i].source_mark);
        CHECK(known.marks.target.value == conflicts[i].target_mark);
    }
}

TEST(a_contested_slot_or_target_never_repeats)
{
    HISTORY known = { .block_count = 0 };
    HISTORY added = { .block_count = 0 };
    CHECK(fill(&added, BLOCKS(block_of(5, 1), block_of(5, 2), block_of(5, 1), block_of(6, 3)),
               VOTES(vote_of(1, 4, 1), vote_of(1, 4, 2), vote_of(1, 4, 1), vote_of(1, 5, 3))));
    CHECK_OK(history_merge(&known, &added, CONFLICT_RAISE, NULL));
    CHECK(known.block_count == 2 && known.attestation_count == 2);
    CHECK(!known.blocks[0].has_root && known.blocks[1].has_root);
    CHECK(!known.attestations[0].has_root && known.attestations[1].has_root);
}

/* Pairwise, as consensus-specs' is_slashable_attestation_data() says. */
static bool is_slashable(const struct signed_attestation *a, const struct signed_attestation *b)
{
    bool same = a->source.value == b->source.value && a->target.value == b->target.value &&
                a->has_root && b->has_root && root_equal(&a->root, &b->root);
    bool double_vote = a->target.value == b->target.value && !same;
    bool surround = a->source.value < b->source.value && b->target.value < a->target.value;
    return double_vote || surround;
}

/* What the marks and records let through must not be slashable with anything that was claimed, and
 * what they take for a repetition must have been claimed. */
static bool lets_through_only_what_is_safe(const struct history *history,
                                           const struct signed_attestation *claimed, size_t count)
{
    static const struct ceiling none;
    for (uint64_t at = 0; at < 8 * 8 * 3; at++) {
        struct signed_attestation wanted = vote_of(at % 8, at / 8 % 8, at / 64 + 1);
        enum verdict verdict = rules_attestation(&history->marks, &none, history->attestations,
                                                 history->attestation_count, &wanted, NULL);
        bool slashable = false;
        bool was_claimed = false;
        for (size_t i = 0; i < count; i++) {
            slashable = slashable || is_slashable(&wanted, &claimed[i]) ||
                        is_slashable(&claimed[i], &wanted);
            was_claimed = was_claimed || vote_equal(&wanted, &claimed[i]);
        }
        if ((verdict_allows(verdict) && slashable) || (verdict == VERDICT_REPEAT && !was_claimed)) {
            return false;
        }
    }
    return true;
}

TEST(whatever_is_raised_over_nothing_that_depended_on_it_gets_through)
{
    struct dice dice = { 20240601 };
    for (size_t round = 0; round < harness_rounds(20000); round++) {
        HISTORY known = { .block_count = 0 };
        struct signed_attestation claimed[8];
        size_t count = 0;
        for (int import = 0; import < 2; import++) {
            HISTORY added = { .block_count = 0 };
            for (uint64_t left = dice_roll(&dice, 4) + 1; left > 0; left--) {
                claimed[count] =
                    vote_of(dice_roll(&dice, 7), dice_roll(&dice, 7), dice_roll(&dice, 3));
                CHECK_OK(history_add_attestation(&added, &claimed[count]));
                count++;
            }
            CHECK_OK(history_merge(&known, &added, CONFLICT_RAISE, NULL));
        }
        CHECK(history_is_clean(&known, NULL));
        CHECK(lets_through_only_what_is_safe(&known, claimed, count));
    }
}

TEST(refusing_agrees_with_looking_at_every_pair)
{
    struct dice dice = { 7 };
    size_t refused = 0;
    size_t rounds = harness_rounds(20000);
    for (size_t round = 0; round < rounds; round++) {
        HISTORY known = { .block_count = 0 };
        HISTORY added = { .block_count = 0 };
        bool slashable = false;
        for (uint64_t left = dice_roll(&dice, 4) + 1; left > 0; left--) {
            uint64_t source = dice_roll(&dice, 6);
            uint64_t target = source + dice_roll(&dice, 3);
            struct signed_attestation vote = vote_of(source, target, 1 + dice_roll(&dice, 2));
            for (size_t i = 0; i < added.attestation_count; i++) {
                slashable = slashable || is_slashable(&vote, &added.attestations[i]) ||
                            is_slashable(&added.attestations[i], &vote);
            }
            CHECK_OK(history_add_attestation(&added, &vote));
        }
        struct result merged = history_merge(&known, &added, CONFLICT_REFUSE, NULL);
        CHECK(is_ok(merged) != slashable);
        refused += slashable;
    }
    CHECK(refused > rounds / 10 && refused < rounds / 10 * 9);
}

TEST(what_is_not_clean_is_seen)
{
    static const struct {
        struct signed_attestation votes[2];
        bool clean;
    } cases[] = {
        { { { { 1 }, { 2 }, { { 0 } }, false }, { { 1 }, { 3 }, { { 0 } }, false } }, true },
        { { { { 1 }, { 3 }, { { 0 } }, false }, { { 1 }, { 2 }, { { 0 } }, false } }, false },
        { { { { 1 }, { 3 }, { { 0 } }, false }, { { 1 }, { 3 }, { { 0 } }, false } }, false },
        { { { { 2 }, { 3 }, { { 0 } }, false }, { { 1 }, { 4 }, { { 0 } }, false } }, false },
        { { { { 4 }, { 3 }, { { 0 } }, false }, { { 4 }, { 5 }, { { 0 } }, false } }, false },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        HISTORY history = { .block_count = 0 };
        struct detail detail = { "" };
        CHECK(fill(&history, NO_BLOCKS, cases[i].votes, 2));
        CHECK(history_is_clean(&history, &detail) == cases[i].clean);
        CHECK((detail.text[0] == '\0') == cases[i].clean);
    }
    HISTORY blocks = { .block_count = 0 };
    CHECK(fill(&blocks, BLOCKS(block_of(5, 1), block_of(5, 2)), NO_VOTES));
    CHECK(!history_is_clean(&blocks, NULL));
}

TEST(peaks_are_the_highest)
{
    HISTORY history = { .block_count = 0 };
    CHECK(!history_peaks(&history).has_attestation);
    CHECK(fill(&history, NO_BLOCKS, VOTES(vote_of(1, 2, 1), vote_of(3, 9, 1))));
    struct peaks peaks = history_peaks(&history);
    CHECK(peaks.has_attestation && peaks.source.value == 3 && peaks.target.value == 9);
}

TEST(a_reversed_or_shuffled_file_of_many_records_is_merged_in_order)
{
    enum { COUNT = 300000 };
    HISTORY known = { .block_count = 0 };
    HISTORY added = { .block_count = 0 };
    for (uint64_t i = 0; i < COUNT; i++) {
        struct signed_block block = block_of(COUNT - i, i + 1);
        uint64_t shuffled = (i * 7919) % COUNT; /* 7919 is prime to COUNT */
        struct signed_attestation vote = vote_of(shuffled, shuffled + 1, i + 1);
        CHECK_OK(history_add_block(&added, &block));
        CHECK_OK(history_add_attestation(&added, &vote));
    }
    CHECK_OK(history_merge(&known, &added, CONFLICT_REFUSE, NULL));
    CHECK(known.block_count == COUNT && known.attestation_count == COUNT);
    CHECK(history_is_clean(&known, NULL));
}

TEST(a_history_holds_its_limit_and_no_record_more)
{
    HISTORY history = { .block_count = 0 };
    for (uint64_t i = 0; i < HISTORY_RECORDS_MAX; i++) {
        struct signed_block block = { .slot = { i } };
        CHECK_OK(history_add_block(&history, &block));
    }
    struct signed_block one_more = { .slot = { HISTORY_RECORDS_MAX } };
    CHECK_FAILS(LIMIT, history_add_block(&history, &one_more));
    HISTORY added = { .block_count = 0 };
    CHECK_OK(history_add_block(&added, &one_more));
    CHECK_FAILS(LIMIT, history_merge(&history, &added, CONFLICT_REFUSE, NULL));
    CHECK(history.block_count == HISTORY_RECORDS_MAX);
}

HARNESS_TESTS(T(a_merge_sorts_and_keeps_every_record),
              T(the_lowest_of_an_import_becomes_the_mark_when_it_is_higher),
              T(lowest_source_and_lowest_target_may_be_of_two_records),
              T(marks_without_records_are_merged_too),
              T(the_same_twice_is_one_and_an_unknown_root_wins),
              T(each_kind_of_conflict_is_refused_by_name_and_changes_nothing),
              T(each_kind_of_conflict_can_be_raised_over),
              T(a_contested_slot_or_target_never_repeats),
              T(whatever_is_raised_over_nothing_that_depended_on_it_gets_through),
              T(refusing_agrees_with_looking_at_every_pair), T(what_is_not_clean_is_seen),
              T(peaks_are_the_highest),
              T(a_reversed_or_shuffled_file_of_many_records_is_merged_in_order),
              T(a_history_holds_its_limit_and_no_record_more))
