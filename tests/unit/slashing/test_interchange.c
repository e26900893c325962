#include "slashing/interchange.h"

#include "base/buf.h"
#include "harness.h"
#include "store/memory_store.h"
#include "store/messages.h"

#include <stdlib.h>

#define HISTORY CLEANUP(history_done) struct history
#define STORE   CLEANUP(slashing_store_close_ptr) struct slashing_store

static const struct root network = { { 0 } };

#define ROOT_0 "0x0000000000000000000000000000000000000000000000000000000000000000"
#define ROOT_1 "0x0100000000000000000000000000000000000000000000000000000000000000"
#define KEY_A                                                                                      \
    "0xaa0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000" \
    "000000"
#define KEY_B                                                                                      \
    "0xbb0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000" \
    "000000"
#define METADATA \
    "\"metadata\":{\"interchange_format_version\":\"5\",\"genesis_validators_root\":\"" ROOT_0 "\"}"
#define FILE_OF(data) "{" METADATA ",\"data\":[" data "]}"
#define ENTRY(key, blocks, votes) \
    "{\"pubkey\":\"" key "\",\"signed_blocks\":[" blocks "],\"signed_attestations\":[" votes "]}"
#define BLOCKS(blocks) FILE_OF(ENTRY(KEY_A, blocks, ""))
#define VOTES(votes)   FILE_OF(ENTRY(KEY_A, "", votes))

static struct result read_nothing(const struct history *history, void *context)
{
    (void)history;
    size_t *visits = context;
    (*visits)++;
    return OK;
}

static struct result read_text(const char *text, struct detail *detail)
{
    size_t visits = 0;
    return interchange_read(text, strlen(text), &network, read_nothing, &visits, detail);
}

/* Each is refused with the place in the detail and the reason in the text. */
static const struct {
    const char *text;
    const char *detail;
    const char *what;
} wrong[] = {
    { "", "byte 0 ('{' expected)", "not valid JSON" },
    { "[]", "byte 0 ('{' expected)", "not valid JSON" },
    { "{}", "metadata", "is missing" },
    { "{" METADATA "}", "data", "is missing" },
    { "{\"data\":[]}", "metadata", "is missing" },
    { "{" METADATA "," METADATA ",\"data\":[]}", "metadata", "is there twice" },
    { "{" METADATA ",\"data\":[],\"data\":[]}", "data", "is there twice" },
    { "{\"metadata\":3,\"data\":[]}", "metadata.interchange_format_version", "is missing" },
    { "{\"metadata\":{\"genesis_validators_root\":\"" ROOT_0 "\"},\"data\":[]}",
      "metadata.interchange_format_version", "is missing" },
    { "{\"metadata\":{\"interchange_format_version\":\"5\"},\"data\":[]}",
      "metadata.genesis_validators_root", "is missing" },
    { "{\"metadata\":{\"interchange_format_version\":\"4\",\"genesis_validators_root\":\"" ROOT_0
      "\"},\"data\":[]}",
      "metadata.interchange_format_version", "only version 5 is understood" },
    { "{\"metadata\":{\"interchange_format_version\":\"05x\",\"genesis_validators_root\":\"" ROOT_0
      "\"},\"data\":[]}",
      "metadata.interchange_format_version", "not a decimal number" },
    { "{\"metadata\":{\"interchange_format_version\":\"5\",\"genesis_validators_root\":\"" ROOT_1
      "\"},\"data\":[]}",
      "metadata.genesis_validators_root is " ROOT_1 ", this network's is " ROOT_0,
      "the file belongs to another network" },
    { "{\"metadata\":{\"interchange_format_version\":\"5\",\"genesis_validators_root\":\"0x00\"},"
      "\"data\":[]}",
      "metadata.genesis_validators_root", "wrong number of hexadecimal digits" },
    { "{" METADATA ",\"data\":{}}", "byte 149 ('[' expected)", "not valid JSON" },
    { FILE_OF("3"), "data[0].pubkey", "is missing" },
    { FILE_OF("{}"), "data[0].pubkey", "is missing" },
    { FILE_OF("{\"pubkey\":7}"), "data[0].pubkey", "not a hexadecimal string" },
    { FILE_OF(ENTRY("0xaabb", "", "")), "data[0].pubkey", "wrong number of hexadecimal digits" },
    { FILE_OF("{\"pubkey\":\"" KEY_A "\"}"), "data[0].signed_blocks", "is missing" },
    { FILE_OF("{\"pubkey\":\"" KEY_A "\",\"signed_blocks\":{}}"), "data[0].signed_blocks",
      "not an array" },
    { FILE_OF("{\"pubkey\":\"" KEY_A "\",\"signed_blocks\":[]}"), "data[0].signed_attestations",
      "is missing" },
    { FILE_OF("{\"pubkey\":\"" KEY_A "\",\"signed_blocks\":[],\"signed_attestations\":null}"),
      "data[0].signed_attestations", "not an array" },
    { BLOCKS("5"), "data[0].signed_blocks[0].slot", "is missing" },
    { BLOCKS("{\"slot\":\"1\"},{}"), "data[0].signed_blocks[1].slot", "is missing" },
    { BLOCKS("{\"slot\":\"\"}"), "data[0].signed_blocks[0].slot",
      "empty where a decimal number is needed" },
    { BLOCKS("{\"slot\":\"-1\"}"), "data[0].signed_blocks[0].slot", "not a decimal number" },
    { BLOCKS("{\"slot\":\"1.0\"}"), "data[0].signed_blocks[0].slot", "not a decimal number" },
    { BLOCKS("{\"slot\":-1}"), "data[0].signed_blocks[0].slot", "number is below zero" },
    { BLOCKS("{\"slot\":1.5}"), "data[0].signed_blocks[0].slot", "not a decimal number" },
    { BLOCKS("{\"slot\":null}"), "data[0].signed_blocks[0].slot", "not a decimal number" },
    { BLOCKS("{\"slot\":\"18446744073709551616\"}"), "data[0].signed_blocks[0].slot",
      "number is over 2^64 - 1" },
    { BLOCKS("{\"slot\":\"1\",\"signing_root\":\"0x12\"}"), "data[0].signed_blocks[0].signing_root",
      "wrong number of hexadecimal digits" },
    { BLOCKS("{\"slot\":\"1\",\"signing_root\":5}"), "data[0].signed_blocks[0].signing_root",
      "not a hexadecimal string" },
    { BLOCKS("{\"slot\":\"1\",\"slot\":\"2\"}"), NULL, "not valid JSON" },
    { VOTES("{\"target_epoch\":\"1\"}"), "data[0].signed_attestations[0].source_epoch",
      "is missing" },
    { VOTES("{\"source_epoch\":\"1\"}"), "data[0].signed_attestations[0].target_epoch",
      "is missing" },
    { VOTES("{\"source_epoch\":\"1\",\"target_epoch\":\"x\"}"),
      "data[0].signed_attestations[0].target_epoch", "not a decimal number" },
    { VOTES("{\"source_epoch\":\"1\",\"target_epoch\":\"2\",\"signing_root\":\"\"}"),
      "data[0].signed_attestations[0].signing_root", "wrong number of hexadecimal digits" },
    { FILE_OF(ENTRY(KEY_A, "", "") "," ENTRY(KEY_B, "", "{}")),
      "data[1].signed_attestations[0].source_epoch", "is missing" },
    { FILE_OF(ENTRY(KEY_A, "", "")) "x", NULL, "not valid JSON" },
    { FILE_OF(ENTRY(KEY_A, "", "") ","), NULL, "not valid JSON" },
    { "{" METADATA ",\"data\":[", NULL, "not valid JSON" },
};

TEST(whatever_is_wrong_is_refused_at_its_place)
{
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct detail detail = { "stale" };
        struct result read = read_text(wrong[i].text, &detail);
        if (read.status != STATUS_BAD_INPUT || strcmp(read.what, wrong[i].what) != 0) {
            printf("# case %zu: %s: %s\n", i, detail.text, read.what);
        }
        CHECK(read.status == STATUS_BAD_INPUT);
        CHECK_TEXT(read.what, wrong[i].what);
        CHECK(strcmp(detail.text, "stale") != 0);
        if (wrong[i].detail != NULL) {
            CHECK_TEXT(detail.text, wrong[i].detail);
        }
        CHECK(read_text(wrong[i].text, NULL).status == STATUS_BAD_INPUT);
    }
}

TEST(every_cut_of_a_good_file_is_refused)
{
    static const char good[] = FILE_OF(
        ENTRY(KEY_A, "{\"slot\":\"1\",\"signing_root\":\"" ROOT_1 "\"}",
              "{\"source_epoch\":\"1\",\"target_epoch\":\"2\",\"signing_root\":\"" ROOT_1 "\"}"));
    CHECK_OK(read_text(good, NULL));
    for (size_t size = 0; size < sizeof(good) - 1; size++) {
        size_t visits = 0;
        CHECK_FAILS(BAD_INPUT, interchange_read(good, size, &network, read_nothing, &visits, NULL));
    }
}

static struct result keep(const struct history *history, void *context)
{
    return history_copy(history, context);
}

TEST(records_are_read_in_all_the_ways_they_are_written)
{
    static const char text[] =
        "{ \"extra\" : [1, {\"deep\": null}],\n" METADATA
        ", \"data\" : [ {\"note\":1,\"signed_attestations\":["
        "{\"source_epoch\":3,\"target_epoch\":\"18446744073709551615\"},"
        "{\"source_epoch\":\"007\",\"target_epoch\":8,\"signing_root\":null,"
        "\"more\":true}],"
        "\"signed_blocks\":[{\"slot\":\"0\",\"signing_root\":\"" ROOT_1
        "\"},{\"slot\":9223372036854775807}],\"pubkey\":\"" KEY_A "\"} ] , \"other\":false }\n";
    HISTORY history = { .block_count = 0 };
    struct detail detail = { "" };
    CHECK_OK(interchange_read(text, strlen(text), &network, keep, &history, &detail));
    CHECK(history.pubkey.bytes[0] == 0xaa && history.pubkey.bytes[47] == 0);
    CHECK(history.block_count == 2 && history.attestation_count == 2);
    CHECK(history.blocks[0].slot.value == 0 && history.blocks[0].has_root &&
          history.blocks[0].root.bytes[0] == 1);
    CHECK(history.blocks[1].slot.value == INT64_MAX && !history.blocks[1].has_root);
    CHECK(history.attestations[0].source.value == 3 &&
          history.attestations[0].target.value == UINT64_MAX);
    CHECK(history.attestations[1].source.value == 7 && !history.attestations[1].has_root);
    CHECK(!history.marks.has_block && !history.marks.has_attestation);
}

TEST(data_before_its_metadata_is_read_once_the_metadata_is_known)
{
    HISTORY history = { .block_count = 0 };
    const char *good = "{\"data\":[" ENTRY(KEY_A, "{\"slot\":\"4\"}", "") "]," METADATA "}";
    CHECK_OK(interchange_read(good, strlen(good), &network, keep, &history, NULL));
    CHECK(history.block_count == 1 && history.blocks[0].slot.value == 4);
    const char *other = "{\"data\":[" ENTRY(
        KEY_A, "", "") "],\"metadata\":{"
                       "\"interchange_format_version\":\"5\",\"genesis_validators_root\":\"" ROOT_1
                       "\"}}";
    size_t visits = 0;
    CHECK_FAILS(BAD_INPUT,
                interchange_read(other, strlen(other), &network, read_nothing, &visits, NULL));
    CHECK(visits == 0);
}

static struct result refuse_second(const struct history *history, void *context)
{
    (void)history;
    size_t *visits = context;
    ENSURE((*visits)++ == 0, REFUSED, "not this one");
    return OK;
}

TEST(a_visit_that_fails_ends_the_reading_and_is_named)
{
    const char *text =
        FILE_OF(ENTRY(KEY_A, "", "") "," ENTRY(KEY_A, "", "") "," ENTRY(KEY_B, "", ""));
    size_t visits = 0;
    struct detail detail = { "" };
    CHECK_FAILS(REFUSED,
                interchange_read(text, strlen(text), &network, refuse_second, &visits, &detail));
    CHECK(visits == 2); /* entries of one key are visited apart */
    CHECK_TEXT(detail.text, "data[1]: ");
}

static struct result import_text(struct slashing_store *store, const char *text,
                                 enum conflict_policy policy, bool dry_run,
                                 struct interchange_summary *summary, struct detail *detail)
{
    const struct interchange_text order = { .text = text,
                                            .size = strlen(text),
                                            .genesis_validators_root = &network,
                                            .policy = policy,
                                            .dry_run = dry_run };
    return interchange_import(store, &order, summary, detail);
}

TEST(an_import_is_all_or_nothing_and_names_the_entry)
{
    STORE *store = NULL;
    struct interchange_summary summary = { .validators = 99 };
    struct detail detail = { "" };
    struct pubkey pubkey = { { 0xaa } };
    HISTORY history = { .block_count = 0 };
    CHECK_OK(memory_store_open(&store));
    CHECK_FAILS(REFUSED, import_text(store,
                                     FILE_OF(ENTRY(KEY_A, "{\"slot\":\"1\"}", "") "," ENTRY(
                                         KEY_B,
                                         "{\"slot\":\"1\",\"signing_root\":\"" ROOT_0
                                         "\"},{\"slot\":\"1\",\"signing_root\":\"" ROOT_1 "\"}",
                                         "")),
                                     CONFLICT_REFUSE, false, &summary, &detail));
    CHECK_TEXT(detail.text, "data[1]: validator " KEY_B ": block at slot 1");
    CHECK_FAILS(BAD_INPUT, import_text(store, FILE_OF(ENTRY(KEY_A, "{\"slot\":\"1\"}", "") ",5"),
                                       CONFLICT_REFUSE, false, &summary, &detail));
    CHECK_FAILS(BAD_INPUT, import_text(store, FILE_OF(ENTRY(KEY_A, "{\"slot\":\"1\"}", "")) "]",
                                       CONFLICT_REFUSE, false, &summary, &detail));
    CHECK(summary.validators == 99);
    CHECK_FAILS(NOT_FOUND, store->ops->load_history(store, &pubkey, &history));
}

TEST(a_dry_run_finds_everything_and_keeps_nothing)
{
    STORE *store = NULL;
    struct interchange_summary summary;
    struct pubkey pubkey = { { 0xaa } };
    HISTORY history = { .block_count = 0 };
    const char *good = FILE_OF(ENTRY(KEY_A, "{\"slot\":\"1\"},{\"slot\":\"2\"}",
                                     "{\"source_epoch\":\"3\",\"target_epoch\":\"4\"}"));
    const char *bad = VOTES("{\"source_epoch\":\"5\",\"target_epoch\":\"4\"}");
    CHECK_OK(memory_store_open(&store));
    CHECK_OK(import_text(store, good, CONFLICT_REFUSE, true, &summary, NULL));
    CHECK(summary.validators == 1 && summary.blocks == 2 && summary.attestations == 1);
    CHECK_FAILS(REFUSED, import_text(store, bad, CONFLICT_REFUSE, true, &summary, NULL));
    CHECK_FAILS(NOT_FOUND, store->ops->load_history(store, &pubkey, &history));
    CHECK_OK(import_text(store, good, CONFLICT_REFUSE, false, &summary, NULL));
    CHECK_OK(store->ops->load_history(store, &pubkey, &history));
    CHECK(history.block_count == 2 && history.attestation_count == 1);
}

/* The whole of a stream that was written in memory. */
static struct result export_text(struct slashing_store *store, const struct pubkey *pubkeys,
                                 size_t count, char **text_out, size_t *size_out,
                                 struct interchange_summary *summary)
{
    FILE *stream = open_memstream(text_out, size_out);
    ENSURE(stream != NULL, UNAVAILABLE, "no stream");
    const struct interchange_selection selection = { &network, pubkeys, count };
    struct result exported = interchange_export(store, &selection, stream, summary, NULL);
    fclose(stream);
    return exported;
}

TEST(an_export_holds_all_or_those_asked_for)
{
    STORE *store = NULL;
    struct interchange_summary summary;
    CHECK_OK(memory_store_open(&store));
    for (uint32_t key = 1; key <= 3; key++) {
        CHECK(decide_vote(store, key, key, key + 1, key) == VERDICT_NEW);
        CHECK(decide_block(store, key, key, key) == VERDICT_NEW);
    }
    CLEANUP(free_ptr) char *all = NULL;
    CLEANUP(free_ptr) char *part = NULL;
    size_t size = 0;
    CHECK_OK(export_text(store, NULL, 0, &all, &size, &summary));
    CHECK(summary.validators == 3 && summary.blocks == 3 && summary.attestations == 3);
    STORE *copy = NULL;
    CHECK_OK(memory_store_open(&copy));
    CHECK_OK(import_text(copy, all, CONFLICT_REFUSE, false, &summary, NULL));
    CHECK(decide_vote(copy, 2, 2, 3, 2) == VERDICT_REPEAT);
    CHECK(decide_vote(copy, 3, 3, 4, 2) == VERDICT_DOUBLE_VOTE);
    const struct pubkey wanted[] = { key_of(3), key_of(9), key_of(1) };
    CHECK_OK(export_text(store, wanted, 3, &part, &size, &summary));
    CHECK(summary.validators == 2);
    CHECK(strstr(part, "0x00000003") < strstr(part, "0x00000001"));
    CHECK(strstr(part, "0x00000002") == NULL && strstr(part, "0x00000009") == NULL);
    CLEANUP(free_ptr) char *none = NULL;
    CHECK_OK(export_text(store, wanted, 0, &none, &size, &summary));
    CHECK(summary.validators == 0 && strstr(none, "pubkey") == NULL);
}

TEST(an_export_to_a_full_disk_fails)
{
    const struct interchange_selection everything = { .genesis_validators_root = &network };
    STORE *store = NULL;
    struct interchange_summary summary = { .validators = 99 };
    struct detail detail = { "" };
    CHECK_OK(memory_store_open(&store));
    CHECK(decide_block(store, 1, 1, 1) == VERDICT_NEW);
    CLEANUP(file_close_ptr) FILE *full = fopen("/dev/full", "w");
    CHECK(full != NULL);
    CHECK_FAILS(UNAVAILABLE, interchange_export(store, &everything, full, &summary, &detail));
    CHECK_TEXT(detail.text, "No space left on device");
    CHECK(summary.validators == 99);
}

HARNESS_TESTS(T(whatever_is_wrong_is_refused_at_its_place), T(every_cut_of_a_good_file_is_refused),
              T(records_are_read_in_all_the_ways_they_are_written),
              T(data_before_its_metadata_is_read_once_the_metadata_is_known),
              T(a_visit_that_fails_ends_the_reading_and_is_named),
              T(an_import_is_all_or_nothing_and_names_the_entry),
              T(a_dry_run_finds_everything_and_keeps_nothing),
              T(an_export_holds_all_or_those_asked_for), T(an_export_to_a_full_disk_fails))
