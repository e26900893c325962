#include "eth/network.h"

#include "eth_test.h"

#define ROOT_TEXT "0x1111111111111111111111111111111111111111111111111111111111111111"

/* The lines that every configuration needs. */
#define NEEDED                                                                               \
    "PRESET_BASE: 'minimal'\nCONFIG_NAME: devnet\nSECONDS_PER_SLOT: 6\nGENESIS_TIME: 1000\n" \
    "GENESIS_FORK_VERSION: 0x00000001\nGENESIS_VALIDATORS_ROOT: '" ROOT_TEXT "'\n"

static struct result parse(const char *yaml, struct network *out, struct detail *detail)
{
    return network_parse(yaml, strlen(yaml), out, detail);
}

/* The text with its first `from` replaced. */
static const char *with(const char *text, const char *from, const char *to)
{
    static char out[2048];
    const char *at = strstr(text, from);
    snprintf(out, sizeof(out), "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    return out;
}

TEST(networks_are_found_by_their_exact_names)
{
    static const char *const known[] = { "mainnet", "sepolia", "hoodi", "gnosis", "chiado" };
    static const char *const unknown[] = { "", "Mainnet", "mainnet ", "holesky", "minimal" };
    for (size_t i = 0; i < 5; i++) {
        CHECK(network_find(known[i]) != NULL);
        CHECK_TEXT(network_find(known[i])->name, known[i]);
        CHECK(network_find(unknown[i]) == NULL);
    }
    CHECK(preset_find("minimal")->slots_per_epoch == 8);
    CHECK(preset_find("Minimal") == NULL);
}

TEST(forks_are_found_by_their_upper_case_names)
{
    for (unsigned fork = 0; fork < FORK_COUNT; fork++) {
        CHECK(fork_find(fork_name((enum fork)fork)) == (enum fork)fork);
    }
    CHECK(fork_find("PHASE0") == FORK_PHASE0);
    CHECK(fork_find("GLOAS") == FORK_GLOAS);
    CHECK(fork_find("gloas") == FORK_COUNT);
    CHECK(fork_find("HEZE") == FORK_COUNT);
    CHECK(fork_find("") == FORK_COUNT);
}

TEST(a_fork_begins_with_its_epoch)
{
    const struct network *mainnet = network_find("mainnet");
    CHECK(network_fork_at(mainnet, (struct epoch){ 0 }) == FORK_PHASE0);
    CHECK(network_fork_at(mainnet, (struct epoch){ 74239 }) == FORK_PHASE0);
    CHECK(network_fork_at(mainnet, (struct epoch){ 74240 }) == FORK_ALTAIR);
    CHECK(network_fork_at(mainnet, (struct epoch){ 269568 }) == FORK_DENEB);
    CHECK(network_fork_at(mainnet, (struct epoch){ 411392 }) == FORK_FULU);
}

TEST(of_forks_with_one_epoch_the_last_holds)
{
    const struct network *hoodi = network_find("hoodi");
    CHECK(network_fork_at(hoodi, (struct epoch){ 0 }) == FORK_DENEB);
    CHECK(network_fork_at(hoodi, (struct epoch){ 2047 }) == FORK_DENEB);
    CHECK(network_fork_at(hoodi, (struct epoch){ 2048 }) == FORK_ELECTRA);
}

TEST(a_fork_that_is_not_scheduled_never_comes)
{
    const struct network *mainnet = network_find("mainnet");
    CHECK(network_fork_at(mainnet, far_future_epoch) == FORK_FULU);
    CHECK(network_fork_at(mainnet, (struct epoch){ UINT64_MAX - 1 }) == FORK_FULU);
}

TEST(versions_name_forks)
{
    const struct network *mainnet = network_find("mainnet");
    struct fork_version gloas = { { 7, 0, 0, 0 } };
    struct fork_version unknown = { { 8, 0, 0, 0 } };
    CHECK(network_fork_of(mainnet, gloas) == FORK_GLOAS);
    CHECK(network_fork_of(mainnet, unknown) == FORK_COUNT);
}

TEST(epochs_follow_from_slots_by_the_preset)
{
    CHECK(network_epoch_of(network_find("mainnet"), (struct slot){ 31 }).value == 0);
    CHECK(network_epoch_of(network_find("mainnet"), (struct slot){ 32 }).value == 1);
    CHECK(network_epoch_of(network_find("gnosis"), (struct slot){ 32 }).value == 2);
    CHECK(network_epoch_of(network_find("mainnet"), (struct slot){ UINT64_MAX }).value ==
          UINT64_MAX / 32);
}

TEST(epochs_follow_from_the_clock)
{
    const struct network *mainnet = network_find("mainnet");
    uint64_t genesis = mainnet->genesis_time;
    CHECK(network_epoch_at(mainnet, 0).value == 0);
    CHECK(network_epoch_at(mainnet, genesis - 1).value == 0);
    CHECK(network_epoch_at(mainnet, genesis).value == 0);
    CHECK(network_epoch_at(mainnet, genesis + 383).value == 0);
    CHECK(network_epoch_at(mainnet, genesis + 384).value == 1);
    CHECK(network_epoch_at(mainnet, UINT64_MAX).value == (UINT64_MAX - genesis) / 12 / 32);
}

TEST(a_configuration_is_read)
{
    struct network network;
    CHECK_OK(parse("# a devnet\n---\n" NEEDED "ALTAIR_FORK_VERSION: 0x01000001\n"
                   "ALTAIR_FORK_EPOCH: 5   # soon\nBELLATRIX_FORK_VERSION: 0x02000001\n"
                   "BELLATRIX_FORK_EPOCH: \"18446744073709551615\"\n",
                   &network, NULL));
    CHECK_TEXT(network.name, "devnet");
    CHECK_TEXT(network.preset->name, "minimal");
    CHECK(network.seconds_per_slot == 6);
    CHECK(network.genesis_time == 1000);
    CHECK(root_is(&network.genesis_validators_root, ROOT_TEXT));
    CHECK(network.forks[FORK_PHASE0].epoch.value == 0);
    CHECK(network.forks[FORK_PHASE0].version.bytes[3] == 1);
    CHECK(network_fork_at(&network, (struct epoch){ 4 }) == FORK_PHASE0);
    CHECK(network_fork_at(&network, (struct epoch){ 5 }) == FORK_ALTAIR);
    CHECK(network_fork_at(&network, (struct epoch){ UINT64_MAX - 1 }) == FORK_ALTAIR);
}

TEST(forks_that_are_left_out_have_no_version_of_their_own)
{
    struct network network;
    CHECK_OK(parse(NEEDED, &network, NULL));
    struct fork_version genesis = { { 0, 0, 0, 1 } };
    CHECK(network_fork_of(&network, genesis) == FORK_PHASE0);
    CHECK(network_fork_of(&network, (struct fork_version){ { 0 } }) == FORK_COUNT);
    CHECK(network_fork_at(&network, (struct epoch){ UINT64_MAX - 1 }) == FORK_PHASE0);
}

TEST(other_names_are_ignored_whatever_they_hold)
{
    struct network network;
    CHECK_OK(parse("BLOB_SCHEDULE:\n- EPOCH: 1\n  MAX_BLOBS_PER_BLOCK: 2\n- {a: [b, {c: d}]}\n"
                   "EMPTY:\nHEZE_FORK_EPOCH: 1\nNESTED: {CONFIG_NAME: [other]}\n"
                   "BLOB_SCHEDULE: again\n\"CONFIG_NAME\\0\": other\n" NEEDED,
                   &network, NULL));
    CHECK_TEXT(network.name, "devnet");
}

TEST(a_slot_s_length_may_be_in_milliseconds)
{
    struct network network;
    CHECK_OK(parse(with(NEEDED, "SECONDS_PER_SLOT: 6", "SLOT_DURATION_MS: 6000"), &network, NULL));
    CHECK(network.seconds_per_slot == 6);
    CHECK_OK(parse(NEEDED "SLOT_DURATION_MS: 6000\n", &network, NULL));
}

/* In place of `from`, `to`: refused at `place`. */
static const struct {
    const char *from;
    const char *to;
    const char *place;
    const char *what; /* NULL: the base layer's words */
} refusals[] = {
    { "CONFIG_NAME: devnet\n", "", "CONFIG_NAME", "missing" },
    { "PRESET_BASE: 'minimal'\n", "", "PRESET_BASE", "missing" },
    { "GENESIS_TIME: 1000\n", "", "GENESIS_TIME", "missing" },
    { "GENESIS_VALIDATORS_ROOT", "GENESIS_VALIDATOR_ROOT", "GENESIS_VALIDATORS_ROOT", "missing" },
    { "GENESIS_FORK_VERSION", "genesis_fork_version", "GENESIS_FORK_VERSION", "missing" },
    { "SECONDS_PER_SLOT: 6\n", "", "SECONDS_PER_SLOT", "missing" },
    { "SECONDS_PER_SLOT: 6", "SECONDS_PER_SLOT: 0", "SECONDS_PER_SLOT", "less than a second" },
    { "SECONDS_PER_SLOT: 6", "SLOT_DURATION_MS: 999", "SLOT_DURATION_MS", "less than a second" },
    { "SECONDS_PER_SLOT: 6", "SLOT_DURATION_MS: 6001", "SLOT_DURATION_MS",
      "not SECONDS_PER_SLOT in milliseconds" },
    { "SECONDS_PER_SLOT: 6", "SECONDS_PER_SLOT: 6\nSLOT_DURATION_MS: 12000", "SLOT_DURATION_MS",
      "not SECONDS_PER_SLOT in milliseconds" },
    { "SECONDS_PER_SLOT: 6", "SECONDS_PER_SLOT: 18446744073709551615\nSLOT_DURATION_MS: 1000",
      "SLOT_DURATION_MS", "not SECONDS_PER_SLOT in milliseconds" },
    { "SECONDS_PER_SLOT: 6", "SECONDS_PER_SLOT: six", "line 3 (SECONDS_PER_SLOT)",
      "not a decimal number" },
    { "SECONDS_PER_SLOT: 6", "SECONDS_PER_SLOT: -6", "line 3 (SECONDS_PER_SLOT)",
      "not a decimal number" },
    { "SECONDS_PER_SLOT: 6", "SECONDS_PER_SLOT: 6.5", "line 3 (SECONDS_PER_SLOT)",
      "not a decimal number" },
    { "SECONDS_PER_SLOT: 6", "SECONDS_PER_SLOT:", "line 3 (SECONDS_PER_SLOT)", NULL },
    { "SECONDS_PER_SLOT: 6", "SECONDS_PER_SLOT: [6]", "line 3 (SECONDS_PER_SLOT)",
      "not a single value" },
    { "SECONDS_PER_SLOT: 6", "SECONDS_PER_SLOT: {a: 6}", "line 3 (SECONDS_PER_SLOT)",
      "not a single value" },
    { "SECONDS_PER_SLOT: 6", "A: &six 6\nSECONDS_PER_SLOT: *six", "line 4 (SECONDS_PER_SLOT)",
      "not a single value" },
    { "GENESIS_TIME: 1000", "GENESIS_TIME: 1000\nGENESIS_TIME: 1000", "line 5 (GENESIS_TIME)",
      "given twice" },
    { "GENESIS_TIME: 1000", "GENESIS_TIME: 18446744073709551616", "line 4 (GENESIS_TIME)", NULL },
    { "'minimal'", "'Minimal'", "line 1 (PRESET_BASE)", "not one of mainnet, minimal, gnosis" },
    { "'minimal'", "\"minimal\\0\"", "line 1 (PRESET_BASE)",
      "not one of mainnet, minimal, gnosis" },
    { "0x00000001", "0x0000000001", "line 5 (GENESIS_FORK_VERSION)",
      "wrong number of hexadecimal digits" },
    { "0x00000001", "0x0000000g", "line 5 (GENESIS_FORK_VERSION)", NULL },
    { "'" ROOT_TEXT "'", "'0x1111'", "line 6 (GENESIS_VALIDATORS_ROOT)",
      "wrong number of hexadecimal digits" },
    { "devnet", "''", "line 2 (CONFIG_NAME)", "an empty name" },
    { "devnet", "dev net", "line 2 (CONFIG_NAME)", "the name holds an unusual character" },
    { "devnet", "\"dev\\nnet\"", "line 2 (CONFIG_NAME)", "the name holds an unusual character" },
    { "devnet", "0123456789012345678901234567890123456789012345678901234567890123",
      "line 2 (CONFIG_NAME)", "the name has more than 63 characters" },
    { "GENESIS_TIME: 1000", "ALTAIR_FORK_EPOCH: 5\nGENESIS_TIME: 1000", "ALTAIR_FORK_VERSION",
      "missing" },
    { "GENESIS_TIME: 1000", "ALTAIR_FORK_VERSION: 0x01000001\nGENESIS_TIME: 1000",
      "ALTAIR_FORK_EPOCH", "missing" },
    { "GENESIS_TIME: 1000",
      "ALTAIR_FORK_EPOCH: 5\nALTAIR_FORK_VERSION: 0x00000001\nGENESIS_TIME: 1000",
      "ALTAIR_FORK_VERSION", "another fork has this version" },
    { "GENESIS_TIME: 1000",
      "DENEB_FORK_EPOCH: 0\nDENEB_FORK_VERSION: 0x04000001\nGENESIS_TIME: 1000", "DENEB_FORK_EPOCH",
      "before the fork that precedes it" },
    { "GENESIS_TIME: 1000",
      "ALTAIR_FORK_EPOCH: 5\nALTAIR_FORK_VERSION: 0x01000001\nBELLATRIX_FORK_EPOCH: 4\n"
      "BELLATRIX_FORK_VERSION: 0x02000001\nGENESIS_TIME: 1000",
      "BELLATRIX_FORK_EPOCH", "before the fork that precedes it" },
    { "GENESIS_TIME: 1000", "GENESIS_TIME: [1000", "line 4 (GENESIS_TIME)", "not a single value" },
    { "GENESIS_TIME: 1000", "A: [1000", "line 5", "not valid YAML" },
    { "GENESIS_TIME: 1000", "\tGENESIS_TIME: 1000", "line 4", "not valid YAML" },
    { "GENESIS_TIME: 1000", "? [GENESIS_TIME]\n: 1000", "line 4",
      "not one mapping of names to values" },
    { "GENESIS_TIME: 1000", "GENESIS_TIME: 1000\n---\na: b", "line 5",
      "not one mapping of names to values" },
};

TEST(a_configuration_that_is_wrong_is_refused_with_its_line_or_name)
{
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        struct network network = { .name = "untouched" };
        struct detail detail = { .text = "" };
        const char *yaml = with(NEEDED, refusals[i].from, refusals[i].to);
        struct result result = parse(yaml, &network, &detail);
        printf("# case %zu\n", i);
        CHECK(result.status == STATUS_BAD_INPUT);
        CHECK_TEXT(detail.text, refusals[i].place);
        CHECK_TEXT(result.what, refusals[i].what != NULL ? refusals[i].what : result.what);
        CHECK_TEXT(network.name, "untouched");
    }
}

TEST(what_is_no_mapping_is_refused)
{
    static const char *const texts[] = { "", "null", "[]", "- a\n", "a", "{", "{}{}", "\xff\xfe" };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct network network;
        printf("# case %zu\n", i);
        CHECK_FAILS(BAD_INPUT, parse(texts[i], &network, NULL));
    }
}

TEST(the_longest_name_is_taken)
{
    struct network network;
    const char *name = "012345678901234567890123456789012345678901234567890123456789012";
    CHECK_OK(parse(with(NEEDED, "devnet", name), &network, NULL));
    CHECK_TEXT(network.name, name);
}

TEST(a_file_has_its_limit_and_not_one_byte_more)
{
    CLEANUP(free_ptr) char *text = malloc(NETWORK_FILE_MAX + 1);
    CHECK(text != NULL);
    memset(text, ' ', NETWORK_FILE_MAX + 1);
    memcpy(text, NEEDED "#", sizeof(NEEDED "#") - 1);
    struct network network;
    CHECK_OK(network_parse(text, NETWORK_FILE_MAX, &network, NULL));
    CHECK_FAILS(LIMIT, network_parse(text, NETWORK_FILE_MAX + 1, &network, NULL));
}

/* NEEDED and a name with `depth` arrays, one in the other. */
static struct result parse_nested(size_t depth)
{
    CLEANUP(free_ptr) char *text = malloc(NETWORK_FILE_MAX);
    ENSURE(text != NULL, UNAVAILABLE, "out of memory");
    size_t used = sizeof(NEEDED "A: ") - 1;
    memcpy(text, NEEDED "A: ", used);
    memset(text + used, '[', depth);
    memset(text + used + depth, ']', depth);
    struct network network;
    return network_parse(text, used + 2 * depth, &network, NULL);
}

TEST(nesting_has_its_limit_and_not_one_level_more)
{
    CHECK_OK(parse_nested(NETWORK_FILE_DEPTH_MAX));
    CHECK_FAILS(LIMIT, parse_nested(NETWORK_FILE_DEPTH_MAX + 1));
    CHECK_FAILS(LIMIT, parse_nested(NETWORK_FILE_MAX / 2 - sizeof(NEEDED "A: ")));
}

HARNESS_TESTS(T(networks_are_found_by_their_exact_names),
              T(forks_are_found_by_their_upper_case_names), T(a_fork_begins_with_its_epoch),
              T(of_forks_with_one_epoch_the_last_holds),
              T(a_fork_that_is_not_scheduled_never_comes), T(versions_name_forks),
              T(epochs_follow_from_slots_by_the_preset), T(epochs_follow_from_the_clock),
              T(a_configuration_is_read), T(forks_that_are_left_out_have_no_version_of_their_own),
              T(other_names_are_ignored_whatever_they_hold),
              T(a_slot_s_length_may_be_in_milliseconds),
              T(a_configuration_that_is_wrong_is_refused_with_its_line_or_name),
              T(what_is_no_mapping_is_refused), T(the_longest_name_is_taken),
              T(a_file_has_its_limit_and_not_one_byte_more),
              T(nesting_has_its_limit_and_not_one_level_more))
