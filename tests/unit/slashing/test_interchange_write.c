#include "slashing/interchange_write.h"

#include "harness.h"
#include "slashing/interchange.h"
#include "store/memory_store.h"
#include "store/messages.h"

#define HISTORY CLEANUP(history_done) struct history
#define STORE   CLEANUP(slashing_store_close_ptr) struct slashing_store

static const struct root network = { { 1 } };
static const struct ceiling no_ceiling;

/* The text of a file with the one history. */
static void write_file(struct buf *out, const struct history *history)
{
    struct interchange_writer writer;
    interchange_write_begin(&writer, out, &network);
    interchange_write_history(&writer, history);
    interchange_write_end(&writer);
}

/* What somebody has who imports the file into an empty store. */
static struct result import_file(const struct buf *text, const struct pubkey *pubkey,
                                 struct history *out)
{
    STORE *store = NULL;
    struct interchange_summary summary;
    TRY(memory_store_open(&store));
    const struct interchange_text order = { .text = text->data,
                                            .size = text->size,
                                            .genesis_validators_root = &network };
    TRY(interchange_import(store, &order, &summary, NULL));
    return store->ops->load_history(store, pubkey, out);
}

TEST(an_empty_file_is_written)
{
    BUF text = BUF_INIT(4096);
    struct interchange_writer writer;
    interchange_write_begin(&writer, &text, &network);
    interchange_write_end(&writer);
    CHECK_TEXT(text.data,
               "{\"metadata\":{\"interchange_format_version\":\"5\",\"genesis_validators_root\":"
               "\"0x0100000000000000000000000000000000000000000000000000000000000000\"},"
               "\"data\":[\n]}\n");
    CHECK(writer.summary.validators == 0);
}

TEST(records_are_written_as_the_format_says)
{
    BUF text = BUF_INIT(4096);
    HISTORY history = { .pubkey = { { 0xab } } };
    struct signed_block block = { .slot = { UINT64_MAX }, .root = { { 0xcd } }, .has_root = true };
    struct signed_attestation vote = vote_of(7, 8, 0);
    CHECK_OK(history_add_block(&history, &block));
    CHECK_OK(history_add_attestation(&history, &vote));
    struct interchange_writer writer = { .out = &text };
    interchange_write_history(&writer, &history);
    interchange_write_history(&writer, &history);
    const char *one =
        "{\"pubkey\":\"0xab"
        "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
        "0"
        "000\",\"signed_blocks\":[{\"slot\":\"18446744073709551615\",\"signing_root\":\"0xcd"
        "00000000000000000000000000000000000000000000000000000000000000\"}],"
        "\"signed_attestations\":[{\"source_epoch\":\"7\",\"target_epoch\":\"8\"}]}\n";
    CHECK(strncmp(text.data, one, strlen(one)) == 0);
    CHECK(text.data[strlen(one)] == ',');
    CHECK_TEXT(text.data + strlen(one) + 1, one);
    CHECK(writer.summary.validators == 2 && writer.summary.blocks == 2 &&
          writer.summary.attestations == 2);
}

struct extract {
    struct watermarks marks;
    uint64_t slots[3]; /* of the history's blocks, 0: no more */
    struct {
        uint64_t source;
        uint64_t target;
    } votes[3];
    const char *wanted; /* in the text */
};

#define MARKS(slot, from, to)                                                                   \
    {                                                                                           \
        .has_block = true, .block_slot = { slot }, .has_attestation = true, .source = { from }, \
        .target = {                                                                             \
            to                                                                                  \
        }                                                                                       \
    }

static const struct extract extracts[] = {
    /* the marks are the first record's: nothing is added */
    { MARKS(5, 2, 3),
      { 5, 9 },
      { { 2, 3 }, { 4, 5 } },
      "[{\"slot\":\"5\"},{\"slot\":\"9\"}],\"signed_attestations\":["
      "{\"source_epoch\":\"2\",\"target_epoch\":\"3\"},"
      "{\"source_epoch\":\"4\",\"target_epoch\":\"5\"}]}" },
    /* no record: the marks alone */
    { MARKS(5, 2, 3),
      { 0 },
      { { 0, 0 } },
      "[{\"slot\":\"5\"}],\"signed_attestations\":["
      "{\"source_epoch\":\"2\",\"target_epoch\":\"3\"}]}" },
    /* records above: the marks before them */
    { MARKS(5, 2, 3),
      { 9 },
      { { 3, 9 } },
      "[{\"slot\":\"5\"},{\"slot\":\"9\"}],\"signed_attestations\":["
      "{\"source_epoch\":\"2\",\"target_epoch\":\"3\"},"
      "{\"source_epoch\":\"3\",\"target_epoch\":\"9\"}]}" },
    /* records below: left out, or the importer's lowest would be lower than our marks */
    { MARKS(5, 2, 3),
      { 4, 9 },
      { { 1, 2 }, { 3, 9 } },
      "[{\"slot\":\"5\"},{\"slot\":\"9\"}],\"signed_attestations\":["
      "{\"source_epoch\":\"2\",\"target_epoch\":\"3\"},"
      "{\"source_epoch\":\"3\",\"target_epoch\":\"9\"}]}" },
    /* a record below the target mark with a source above the source mark: the mark takes its source
     */
    { MARKS(5, 2, 60),
      { 5 },
      { { 5, 10 }, { 5, 70 } },
      "{\"source_epoch\":\"5\",\"target_epoch\":\"60\"},"
      "{\"source_epoch\":\"5\",\"target_epoch\":\"70\"}]}" },
    /* a record above the target mark with a source below the source mark would contradict the mark
     */
    { MARKS(5, 50, 60),
      { 5 },
      { { 3, 70 }, { 55, 80 } },
      "{\"source_epoch\":\"50\",\"target_epoch\":\"70\"},"
      "{\"source_epoch\":\"55\",\"target_epoch\":\"80\"}]}" },
    /* a record at the mark with a higher source stands for it */
    { MARKS(5, 2, 60),
      { 5 },
      { { 5, 60 }, { 6, 61 } },
      "{\"source_epoch\":\"5\",\"target_epoch\":\"60\"},"
      "{\"source_epoch\":\"6\",\"target_epoch\":\"61\"}]}" },
    /* a source mark above the target mark is no valid record */
    { MARKS(5, 9, 2),
      { 5 },
      { { 0, 0 } },
      "\"signed_attestations\":[{\"source_epoch\":\"9\",\"target_epoch\":\"9\"}]}" },
};

TEST(marks_and_records_become_records_that_bind_as_much)
{
    for (size_t i = 0; i < sizeof(extracts) / sizeof(extracts[0]); i++) {
        const struct extract *extract = &extracts[i];
        BUF text = BUF_INIT(4096);
        HISTORY history = { .marks = extract->marks };
        for (size_t k = 0; k < 3 && extract->slots[k] != 0; k++) {
            struct signed_block block = block_of(extract->slots[k], 0);
            CHECK_OK(history_add_block(&history, &block));
        }
        for (size_t k = 0; k < 3 && extract->votes[k].target != 0; k++) {
            struct signed_attestation vote =
                vote_of(extract->votes[k].source, extract->votes[k].target, 0);
            CHECK_OK(history_add_attestation(&history, &vote));
        }
        write_file(&text, &history);
        if (strstr(text.data, extract->wanted) == NULL) {
            printf("# case %zu: %s\n", i, text.data);
        }
        CHECK(strstr(text.data, extract->wanted) != NULL);
    }
}

static struct watermarks random_marks(struct dice *dice)
{
    return (struct watermarks){
        .has_block = dice_roll(dice, 4) > 0,
        .block_slot = { dice_roll(dice, 6) },
        .has_attestation = dice_roll(dice, 4) > 0,
        .source = { dice_roll(dice, 6) },
        .target = { dice_roll(dice, 6) },
    };
}

/* Any clean history with marks, as imports with conflicts and prunings leave them. */
static struct result random_history(struct dice *dice, struct history *out)
{
    HISTORY added = { .marks = random_marks(dice) };
    for (uint64_t left = dice_roll(dice, 5); left > 0; left--) {
        uint64_t source = dice_roll(dice, 6);
        struct signed_attestation vote =
            vote_of(source, source + dice_roll(dice, 4), dice_roll(dice, 3));
        struct signed_block block = block_of(dice_roll(dice, 6), dice_roll(dice, 3));
        TRY(history_add_attestation(&added, &vote));
        TRY(history_add_block(&added, &block));
    }
    TRY(history_merge(out, &added, CONFLICT_RAISE, NULL));
    const struct history higher = { .marks = random_marks(dice) }; /* than the records ask for */
    return history_merge(out, &higher, CONFLICT_RAISE, NULL);
}

static bool binds_as_much(const struct history *strict, const struct history *loose)
{
    for (uint64_t at = 0; at < 10 * 10 * 3; at++) {
        struct signed_attestation vote = vote_of(at % 10, at / 10 % 10, at / 100 + 1);
        enum verdict strict_says =
            rules_attestation(&strict->marks, &no_ceiling, strict->attestations,
                              strict->attestation_count, &vote, NULL);
        enum verdict loose_says = rules_attestation(&loose->marks, &no_ceiling, loose->attestations,
                                                    loose->attestation_count, &vote, NULL);
        if (verdict_allows(strict_says) && strict_says != loose_says) {
            return false;
        }
    }
    return true;
}

/* The header's promise, for attestations; and what was imported is written the same again. */
TEST(whoever_imports_refuses_at_least_what_the_history_refuses)
{
    struct dice dice = { 31337 };
    for (size_t round = 0; round < harness_rounds(20000); round++) {
        BUF text = BUF_INIT(1 << 16);
        BUF again = BUF_INIT(1 << 16);
        HISTORY history = { .block_count = 0 };
        HISTORY imported = { .block_count = 0 };
        CHECK_OK(random_history(&dice, &history));
        write_file(&text, &history);
        CHECK_OK(import_file(&text, &history.pubkey, &imported));
        CHECK(binds_as_much(&imported, &history));
        for (uint64_t slot = 0; slot < 8; slot++) {
            bool was = history.marks.has_block && slot <= history.marks.block_slot.value;
            bool is = imported.marks.has_block && slot <= imported.marks.block_slot.value;
            CHECK(is || !was);
        }
        write_file(&again, &imported);
        CHECK_TEXT(again.data, text.data);
    }
}

TEST(every_record_above_the_marks_is_in_the_file_with_its_root)
{
    BUF text = BUF_INIT(1 << 16);
    HISTORY history = { .pubkey = key_of(3) };
    HISTORY imported = { .block_count = 0 };
    for (uint64_t i = 0; i < 20; i++) {
        struct signed_block block = block_of(10 + 3 * i, i);
        struct signed_attestation vote = vote_of(i / 2, i + 1, i);
        CHECK_OK(history_add_block(&history, &block));
        CHECK_OK(history_add_attestation(&history, &vote));
    }
    watermarks_cover_block(&history.marks, (struct slot){ 10 });
    watermarks_cover_attestation(&history.marks, (struct epoch){ 0 }, (struct epoch){ 1 });
    write_file(&text, &history);
    CHECK_OK(import_file(&text, &history.pubkey, &imported));
    CHECK(history_equal(&history, &imported));
}

TEST(a_full_buffer_shows)
{
    BUF text = BUF_INIT(100);
    HISTORY history = { .block_count = 0 };
    write_file(&text, &history);
    CHECK_FAILS(LIMIT, buf_check(&text));
}

HARNESS_TESTS(T(an_empty_file_is_written), T(records_are_written_as_the_format_says),
              T(marks_and_records_become_records_that_bind_as_much),
              T(whoever_imports_refuses_at_least_what_the_history_refuses),
              T(every_record_above_the_marks_is_in_the_file_with_its_root), T(a_full_buffer_shows))
