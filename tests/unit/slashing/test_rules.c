#include "slashing/rules.h"

#include "harness.h"
#include "store/messages.h"

static const struct watermarks no_marks;
static const struct ceiling no_ceiling;

static enum verdict judge(const struct watermarks *marks, const struct signed_attestation *records,
                          size_t count, struct signed_attestation wanted)
{
    return rules_attestation(marks, &no_ceiling, records, count, &wanted, NULL);
}

TEST(only_two_verdicts_allow_and_each_has_its_sentence)
{
    for (int i = 0; i < VERDICT_COUNT; i++) {
        enum verdict verdict = (enum verdict)i;
        CHECK(verdict_allows(verdict) == (verdict == VERDICT_NEW || verdict == VERDICT_REPEAT));
        CHECK(verdict_text(verdict) != NULL && strlen(verdict_text(verdict)) > 10);
        CHECK(verdict_text(verdict)[strlen(verdict_text(verdict)) - 1] != '.');
        for (int k = 0; k < i; k++) {
            CHECK(strcmp(verdict_text(verdict), verdict_text((enum verdict)k)) != 0);
        }
    }
}

TEST(a_block_is_judged_by_its_slot_alone)
{
    struct watermarks marks = { .has_block = true, .block_slot = { 10 } };
    struct signed_block wanted = block_of(11, 1);
    CHECK(rules_block(&no_marks, &no_ceiling, NULL, &wanted) == VERDICT_NEW);
    CHECK(rules_block(&marks, &no_ceiling, NULL, &wanted) == VERDICT_NEW);
    wanted = block_of(10, 1);
    CHECK(rules_block(&marks, &no_ceiling, NULL, &wanted) == VERDICT_SLOT_NOT_ABOVE_WATERMARK);
    wanted = block_of(9, 1);
    CHECK(rules_block(&marks, &no_ceiling, NULL, &wanted) == VERDICT_SLOT_NOT_ABOVE_WATERMARK);
    struct watermarks votes = { .has_attestation = true, .source = { 50 }, .target = { 60 } };
    CHECK(rules_block(&votes, &no_ceiling, NULL, &wanted) == VERDICT_NEW);
}

TEST(a_block_repeats_only_with_the_very_root)
{
    struct watermarks marks = { .has_block = true, .block_slot = { 20 } };
    struct signed_block wanted = block_of(10, 1);
    struct signed_block same = block_of(10, 1);
    struct signed_block other = block_of(10, 2);
    struct signed_block rootless = block_of(10, 0);
    CHECK(rules_block(&marks, &no_ceiling, &same, &wanted) == VERDICT_REPEAT);
    CHECK(rules_block(&no_marks, &no_ceiling, &other, &wanted) == VERDICT_DOUBLE_BLOCK);
    CHECK(rules_block(&no_marks, &no_ceiling, &rootless, &wanted) == VERDICT_DOUBLE_BLOCK);
    CHECK(rules_block(&no_marks, &no_ceiling, &rootless, &rootless) == VERDICT_DOUBLE_BLOCK);
}

TEST(bytes_that_are_no_root_are_not_compared)
{
    struct signed_block block = block_of(10, 1);
    struct signed_block unknown = block;
    unknown.has_root = false; /* the bytes are the same */
    CHECK(rules_block(&no_marks, &no_ceiling, &block, &unknown) == VERDICT_DOUBLE_BLOCK);
    CHECK(rules_block(&no_marks, &no_ceiling, &unknown, &block) == VERDICT_DOUBLE_BLOCK);
    struct signed_attestation vote = vote_of(3, 5, 1);
    struct signed_attestation rootless = vote;
    rootless.has_root = false;
    CHECK(judge(&no_marks, &vote, 1, rootless) == VERDICT_DOUBLE_VOTE);
    CHECK(judge(&no_marks, &rootless, 1, vote) == VERDICT_DOUBLE_VOTE);
}

TEST(nothing_at_or_above_the_ceiling_is_signed_not_even_again)
{
    struct ceiling ceiling = {
        .has_slot = true, .slot = { 10 }, .has_epoch = true, .epoch = { 5 }
    };
    struct signed_block at = block_of(10, 1);
    struct signed_block below = block_of(9, 1);
    CHECK(rules_block(&no_marks, &ceiling, NULL, &below) == VERDICT_NEW);
    CHECK(rules_block(&no_marks, &ceiling, NULL, &at) == VERDICT_NOT_BELOW_CEILING);
    CHECK(rules_block(&no_marks, &ceiling, &at, &at) == VERDICT_NOT_BELOW_CEILING);
    struct signed_attestation vote = vote_of(3, 5, 1);
    CHECK(rules_attestation(&no_marks, &ceiling, &vote, 1, &vote, NULL) ==
          VERDICT_NOT_BELOW_CEILING);
    vote = vote_of(3, 4, 1);
    CHECK(rules_attestation(&no_marks, &ceiling, NULL, 0, &vote, NULL) == VERDICT_NEW);
    vote = vote_of(UINT64_MAX, UINT64_MAX, 1);
    CHECK(rules_attestation(&no_marks, &ceiling, NULL, 0, &vote, NULL) ==
          VERDICT_NOT_BELOW_CEILING);
}

TEST(a_vote_repeats_only_as_the_very_message)
{
    struct signed_attestation record = vote_of(3, 5, 1);
    struct watermarks marks = { .has_attestation = true, .source = { 9 }, .target = { 9 } };
    CHECK(judge(&marks, &record, 1, vote_of(3, 5, 1)) == VERDICT_REPEAT);
    CHECK(judge(&no_marks, &record, 1, vote_of(3, 5, 2)) == VERDICT_DOUBLE_VOTE);
    CHECK(judge(&no_marks, &record, 1, vote_of(4, 5, 1)) == VERDICT_DOUBLE_VOTE);
    CHECK(judge(&no_marks, &record, 1, vote_of(3, 5, 0)) == VERDICT_DOUBLE_VOTE);
    struct signed_attestation rootless = vote_of(3, 5, 0);
    CHECK(judge(&no_marks, &rootless, 1, vote_of(3, 5, 1)) == VERDICT_DOUBLE_VOTE);
    CHECK(judge(&no_marks, &rootless, 1, vote_of(3, 5, 0)) == VERDICT_DOUBLE_VOTE);
}

TEST(surrounding_is_strict_on_both_sides)
{
    struct signed_attestation record = vote_of(3, 6, 1);
    CHECK(judge(&no_marks, &record, 1, vote_of(2, 7, 2)) == VERDICT_SURROUNDS);
    CHECK(judge(&no_marks, &record, 1, vote_of(0, UINT64_MAX, 2)) == VERDICT_SURROUNDS);
    CHECK(judge(&no_marks, &record, 1, vote_of(4, 5, 2)) == VERDICT_SURROUNDED);
    CHECK(judge(&no_marks, &record, 1, vote_of(5, 5, 2)) == VERDICT_SURROUNDED);
    CHECK(judge(&no_marks, &record, 1, vote_of(3, 7, 2)) == VERDICT_NEW);
    CHECK(judge(&no_marks, &record, 1, vote_of(3, 5, 2)) == VERDICT_NEW);
    CHECK(judge(&no_marks, &record, 1, vote_of(2, 5, 2)) == VERDICT_NEW);
    CHECK(judge(&no_marks, &record, 1, vote_of(4, 7, 2)) == VERDICT_NEW);
}

TEST(the_record_in_the_way_is_named)
{
    const struct signed_attestation records[] = { vote_of(1, 2, 1), vote_of(3, 6, 1),
                                                  vote_of(4, 9, 1) };
    struct signed_attestation wanted = vote_of(2, 7, 2);
    size_t conflict = 99;
    CHECK(rules_attestation(&no_marks, &no_ceiling, records, 3, &wanted, &conflict) ==
          VERDICT_SURROUNDS);
    CHECK(conflict == 1);
    wanted = vote_of(2, 9, 2); /* surrounds one and doubles another: the double is named */
    CHECK(rules_attestation(&no_marks, &no_ceiling, records, 3, &wanted, &conflict) ==
          VERDICT_DOUBLE_VOTE);
    CHECK(conflict == 2);
    wanted = vote_of(4, 9, 1);
    CHECK(rules_attestation(&no_marks, &no_ceiling, records, 3, &wanted, &conflict) ==
          VERDICT_REPEAT);
    CHECK(conflict == 3);
    wanted = vote_of(9, 8, 1);
    CHECK(rules_attestation(&no_marks, &no_ceiling, records, 3, &wanted, &conflict) ==
          VERDICT_SOURCE_AFTER_TARGET);
    CHECK(conflict == 3);
}

TEST(of_two_records_of_one_target_the_other_one_counts)
{
    const struct signed_attestation records[] = { vote_of(3, 5, 1), vote_of(3, 5, 2) };
    CHECK(judge(&no_marks, records, 2, vote_of(3, 5, 1)) == VERDICT_DOUBLE_VOTE);
    CHECK(judge(&no_marks, records, 2, vote_of(3, 5, 2)) == VERDICT_DOUBLE_VOTE);
}

TEST(watermarks_bind_the_source_from_below_and_the_target_from_at)
{
    struct watermarks marks = { .has_attestation = true, .source = { 3 }, .target = { 6 } };
    CHECK(judge(&marks, NULL, 0, vote_of(3, 7, 1)) == VERDICT_NEW);
    CHECK(judge(&marks, NULL, 0, vote_of(2, 7, 1)) == VERDICT_SOURCE_BELOW_WATERMARK);
    CHECK(judge(&marks, NULL, 0, vote_of(3, 6, 1)) == VERDICT_TARGET_NOT_ABOVE_WATERMARK);
    CHECK(judge(&marks, NULL, 0, vote_of(3, 5, 1)) == VERDICT_TARGET_NOT_ABOVE_WATERMARK);
    struct watermarks blocks = { .has_block = true, .block_slot = { 100 } };
    CHECK(judge(&blocks, NULL, 0, vote_of(0, 0, 1)) == VERDICT_NEW);
}

TEST(a_source_after_its_target_is_always_refused)
{
    CHECK(judge(&no_marks, NULL, 0, vote_of(5, 4, 1)) == VERDICT_SOURCE_AFTER_TARGET);
    CHECK(judge(&no_marks, NULL, 0, vote_of(UINT64_MAX, 0, 1)) == VERDICT_SOURCE_AFTER_TARGET);
    CHECK(judge(&no_marks, NULL, 0, vote_of(4, 4, 1)) == VERDICT_NEW);
}

TEST(marks_only_rise)
{
    struct watermarks marks = { .has_block = false };
    watermarks_cover_block(&marks, (struct slot){ 0 });
    CHECK(marks.has_block && marks.block_slot.value == 0 && !marks.has_attestation);
    watermarks_cover_block(&marks, (struct slot){ 7 });
    watermarks_cover_block(&marks, (struct slot){ 3 });
    CHECK(marks.block_slot.value == 7);
    watermarks_cover_attestation(&marks, (struct epoch){ 0 }, (struct epoch){ 0 });
    CHECK(marks.has_attestation && marks.source.value == 0 && marks.target.value == 0);
    watermarks_cover_attestation(&marks, (struct epoch){ 5 }, (struct epoch){ 2 });
    watermarks_cover_attestation(&marks, (struct epoch){ 1 }, (struct epoch){ 9 });
    CHECK(marks.source.value == 5 && marks.target.value == 9);
}

/* The exhaustive checks below go through every set of up to three votes with epochs below 4. */
enum { EPOCHS = 4, VOTES = EPOCHS * (EPOCHS + 1) / 2 };

static size_t all_votes(struct signed_attestation out[static VOTES])
{
    size_t count = 0;
    for (uint64_t target = 0; target < EPOCHS; target++) {
        for (uint64_t source = 0; source <= target; source++) {
            out[count] = vote_of(source, target, count + 1);
            count++;
        }
    }
    return count;
}

static struct peaks peaks_of(const struct signed_attestation *records, size_t count)
{
    struct peaks peaks = { .has_attestation = count > 0 };
    for (size_t i = 0; i < count; i++) {
        if (records[i].source.value > peaks.source.value) {
            peaks.source = records[i].source;
        }
        if (records[i].target.value > peaks.target.value) {
            peaks.target = records[i].target;
        }
    }
    return peaks;
}

/* Both shortcuts of the stores against the full rules, for one set of records and one message. */
static bool shortcuts_hold_for(const struct signed_attestation *records, size_t count,
                               const struct watermarks *marks,
                               const struct signed_attestation *wanted)
{
    struct peaks peaks = peaks_of(records, count);
    enum verdict full = judge(marks, records, count, *wanted);
    struct signed_attestation relevant[3];
    size_t relevant_count = 0;
    for (size_t k = 0; k < count; k++) {
        if (records[k].target.value >= rules_relevant_target(wanted).value) {
            relevant[relevant_count++] = records[k];
        }
    }
    bool ahead_holds =
        !rules_attestation_is_ahead(&peaks, wanted) || judge(marks, NULL, 0, *wanted) == full;
    return ahead_holds && judge(marks, relevant, relevant_count, *wanted) == full;
}

/* Each message as the very one of the records, and as another of the same epochs. */
static bool shortcuts_hold(const struct signed_attestation *records, size_t count,
                           const struct watermarks *marks)
{
    struct signed_attestation votes[VOTES];
    for (size_t i = 0; i < all_votes(votes); i++) {
        struct signed_attestation other = votes[i];
        other.root = root_of(99);
        if (!shortcuts_hold_for(records, count, marks, &votes[i]) ||
            !shortcuts_hold_for(records, count, marks, &other)) {
            return false;
        }
    }
    return true;
}

TEST(shortcuts_agree_with_the_full_rules_on_every_small_history)
{
    struct signed_attestation votes[VOTES];
    size_t count = all_votes(votes);
    size_t tried = 0;
    for (size_t marks_at = 0; marks_at <= VOTES; marks_at++) {
        struct watermarks marks = { .has_attestation = marks_at < VOTES };
        if (marks_at < VOTES) {
            marks.source = votes[marks_at].source;
            marks.target = votes[marks_at].target;
        }
        for (size_t set = 0; set < count * count * count; set++) {
            const struct signed_attestation records[] = { votes[set % count],
                                                          votes[set / count % count],
                                                          votes[set / count / count] };
            for (size_t size = 0; size <= 3; size++) {
                CHECK(shortcuts_hold(records, size, &marks));
                tried++;
            }
        }
    }
    CHECK(tried == (VOTES + 1) * 4 * VOTES * VOTES * VOTES);
}

TEST(the_relevant_target_does_not_overflow)
{
    struct signed_attestation last = vote_of(UINT64_MAX, UINT64_MAX, 1);
    CHECK(rules_relevant_target(&last).value == UINT64_MAX);
    struct signed_attestation wide = vote_of(0, UINT64_MAX, 1);
    CHECK(rules_relevant_target(&wide).value == 1);
    struct signed_attestation wrong = vote_of(UINT64_MAX, 3, 1);
    CHECK(rules_relevant_target(&wrong).value == 3);
}

HARNESS_TESTS(T(only_two_verdicts_allow_and_each_has_its_sentence),
              T(a_block_is_judged_by_its_slot_alone), T(a_block_repeats_only_with_the_very_root),
              T(bytes_that_are_no_root_are_not_compared),
              T(nothing_at_or_above_the_ceiling_is_signed_not_even_again),
              T(a_vote_repeats_only_as_the_very_message), T(surrounding_is_strict_on_both_sides),
              T(the_record_in_the_way_is_named),
              T(of_two_records_of_one_target_the_other_one_counts),
              T(watermarks_bind_the_source_from_below_and_the_target_from_at),
              T(a_source_after_its_target_is_always_refused), T(marks_only_rise),
              T(shortcuts_agree_with_the_full_rules_on_every_small_history),
              T(the_relevant_target_does_not_overflow))
