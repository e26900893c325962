#include "eth/fork_info.h"

#include "eth_test.h"

#define GVR "0x4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe95"
#define FORK(previous, current, at) \
    "{'previous_version':" previous ",'current_version':" current ",'epoch':" at "}"
#define INFO(fork, root) "{'fork':" fork ",'genesis_validators_root':" root "}"

static struct result read_text(const char *text, struct fork_info *out, struct detail *detail)
{
    CLEANUP(json_free_ptr) struct json *value = json_of(text);
    ENSURE(value != NULL, UNAVAILABLE, "the test's text is not JSON");
    return fork_info_read(value, out, detail);
}

TEST(a_fork_is_read)
{
    struct fork_info info;
    CHECK_OK(
        read_text(INFO(FORK("'0x01000000'", "'02000000'", "144896"), "'" GVR "'"), &info, NULL));
    CHECK(info.previous_version.bytes[0] == 1);
    CHECK(info.current_version.bytes[0] == 2);
    CHECK(info.epoch.value == 144896);
    CHECK(root_is(&info.genesis_validators_root, GVR));
}

TEST(a_fork_that_is_incomplete_or_wrong_is_refused_in_its_place)
{
    static const struct {
        const char *text;
        const char *place;
    } cases[] = {
        { "{}", "fork_info.fork" },
        { "[]", "fork_info.fork" },
        { "'0x01000000'", "fork_info.fork" },
        { INFO("null", "'" GVR "'"), "fork_info.fork" },
        { INFO("[]", "'" GVR "'"), "fork_info.fork" },
        { INFO("{}", "'" GVR "'"), "fork_info.fork.previous_version" },
        { INFO(FORK("'0x010000'", "'0x02000000'", "1"), "'" GVR "'"),
          "fork_info.fork.previous_version" },
        { INFO(FORK("1", "'0x02000000'", "1"), "'" GVR "'"), "fork_info.fork.previous_version" },
        { INFO(FORK("'0x01000000'", "'0x0200000000'", "1"), "'" GVR "'"),
          "fork_info.fork.current_version" },
        { INFO(FORK("'0x01000000'", "null", "1"), "'" GVR "'"), "fork_info.fork.current_version" },
        { INFO(FORK("'0x01000000'", "'0x02000000'", "-1"), "'" GVR "'"), "fork_info.fork.epoch" },
        { INFO(FORK("'0x01000000'", "'0x02000000'", "'x'"), "'" GVR "'"), "fork_info.fork.epoch" },
        { INFO(FORK("'0x01000000'", "'0x02000000'", "1.5"), "'" GVR "'"), "fork_info.fork.epoch" },
        { INFO(FORK("'0x01000000'", "'0x02000000'", "1"), "'0x11'"),
          "fork_info.genesis_validators_root" },
        { INFO(FORK("'0x01000000'", "'0x02000000'", "1"), "null"),
          "fork_info.genesis_validators_root" },
        { "{'fork':" FORK("'0x01000000'", "'0x02000000'", "1") "}",
          "fork_info.genesis_validators_root" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fork_info info = { .epoch = { 77 } };
        struct detail detail = { .text = "" };
        CHECK_FAILS(BAD_INPUT, read_text(cases[i].text, &info, &detail));
        CHECK_TEXT(detail.text, cases[i].place);
        CHECK(info.epoch.value == 77);
    }
}

TEST(the_current_version_begins_with_the_fork_s_epoch)
{
    struct fork_info info = {
        .previous_version = { { 1 } },
        .current_version = { { 2 } },
        .epoch = { 10 },
    };
    CHECK(fork_info_version_at(&info, (struct epoch){ 0 }).bytes[0] == 1);
    CHECK(fork_info_version_at(&info, (struct epoch){ 9 }).bytes[0] == 1);
    CHECK(fork_info_version_at(&info, (struct epoch){ 10 }).bytes[0] == 2);
    CHECK(fork_info_version_at(&info, far_future_epoch).bytes[0] == 2);
}

/* A network in Deneb from the start, with Electra to come, and one that stays in phase 0. */
#define COMMON                                                                          \
    "PRESET_BASE: minimal\nCONFIG_NAME: devnet\nSECONDS_PER_SLOT: 6\nGENESIS_TIME: 0\n" \
    "GENESIS_VALIDATORS_ROOT: " GVR "\nGENESIS_FORK_VERSION: 0x00000000\n"
#define FROM_DENEB                                                         \
    COMMON "ALTAIR_FORK_VERSION: 0x01000000\nALTAIR_FORK_EPOCH: 0\n"       \
           "BELLATRIX_FORK_VERSION: 0x02000000\nBELLATRIX_FORK_EPOCH: 0\n" \
           "CAPELLA_FORK_VERSION: 0x03000000\nCAPELLA_FORK_EPOCH: 0\n"     \
           "DENEB_FORK_VERSION: 0x04000000\nDENEB_FORK_EPOCH: 0\n"         \
           "ELECTRA_FORK_VERSION: 0x05000000\nELECTRA_FORK_EPOCH: 100\n"

enum { PRE_CAPELLA = 194047, CAPELLA = 194048, PRE_DENEB = 269567, DENEB = 269568 };

/* The fork's versions are first bytes, as mainnet's; `first` and `second` likewise, 0xff: none. */
struct exit_case {
    uint8_t previous;
    uint8_t current;
    uint64_t fork_epoch;
    uint64_t exit_epoch;
    uint8_t first;
    uint8_t second;
};

static bool versions_are(const struct network *network, const struct exit_case *exit)
{
    struct fork_info info = {
        .previous_version = { { exit->previous } },
        .current_version = { { exit->current } },
        .epoch = { exit->fork_epoch },
    };
    struct fork_version versions[2] = { { { 0xee } }, { { 0xee } } };
    unsigned count =
        fork_info_exit_versions(&info, network, (struct epoch){ exit->exit_epoch }, versions);
    bool is_first = versions[0].bytes[0] == exit->first;
    bool is_second =
        exit->second == 0xff ? count == 1 : count == 2 && versions[1].bytes[0] == exit->second;
    if (!is_first || !is_second) {
        printf("# fork %d %d @ %llu, exit @ %llu: %u versions, %d %d\n", exit->previous,
               exit->current, (unsigned long long)exit->fork_epoch,
               (unsigned long long)exit->exit_epoch, count, versions[0].bytes[0],
               versions[1].bytes[0]);
    }
    return is_first && is_second;
}

TEST(an_exit_on_mainnet_is_under_the_version_that_its_chain_checks)
{
    static const struct exit_case cases[] = {
        /* The chain is in Altair, Bellatrix: the fork's rule, Capella is far. */
        { 0, 1, 74240, 74240, 1, 0xff },
        { 0, 1, 74240, 74239, 0, 0xff },
        { 1, 2, 144896, PRE_CAPELLA, 2, 0xff },
        /* In Bellatrix, for a later epoch: the schedule shows what will check it. */
        { 1, 2, 144896, CAPELLA, 2, 3 },
        { 1, 2, 144896, DENEB, 3, 2 },
        /* In Capella: the fork's rule, with Capella's version for clients ahead of the time. */
        { 2, 3, CAPELLA, CAPELLA, 3, 0xff },
        { 2, 3, CAPELLA, PRE_CAPELLA, 2, 3 },
        { 2, 3, CAPELLA, PRE_DENEB, 3, 0xff },
        /* In Deneb and after: Capella's, with the fork's for clients behind the time. */
        { 3, 4, DENEB, DENEB, 3, 4 },
        { 3, 4, DENEB, PRE_DENEB, 3, 0xff },
        { 3, 4, DENEB, 0, 3, 0xff },
        { 4, 5, 364032, 364032, 3, 5 },
        { 4, 5, 364032, 364031, 3, 4 },
        { 4, 5, 364032, 5, 3, 4 },
        { 5, 6, 411392, 411400, 3, 6 },
        /* Lodestar: fork.epoch is that of the signing slot. */
        { 5, 6, 420000, 420000, 3, 6 },
        /* Lighthouse: Capella twice, from the exit's epoch on. */
        { 3, 3, 420000, 420000, 3, 0xff },
        { 3, 3, 100, 100, 3, 0xff },
        /* A fork that the table does not know yet, before and after its epoch. */
        { 7, 8, 500000, 500000, 3, 8 },
        { 7, 8, 500000, 499999, 3, 7 },
        { 7, 8, 500000, 10, 3, 7 },
        /* Another network's versions: the schedule alone. */
        { 0x90, 0x91, 10, 20, 0x91, 0xff },
        { 0x90, 0x91, 10, DENEB, 3, 0x91 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK(versions_are(network_find("mainnet"), &cases[i]));
    }
}

TEST(on_a_network_in_deneb_from_the_start_every_exit_is_under_capella_s_version)
{
    static const struct exit_case cases[] = {
        { 4, 4, 0, 0, 3, 4 },     { 3, 4, 0, 7, 3, 4 },   { 4, 5, 100, 99, 3, 4 },
        { 4, 5, 100, 100, 3, 5 }, { 5, 6, 200, 0, 3, 5 }, { 3, 3, 7, 7, 3, 0xff },
    };
    struct network network;
    CHECK_OK(network_parse(FROM_DENEB, sizeof(FROM_DENEB) - 1, &network, NULL));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK(versions_are(&network, &cases[i]));
    }
}

TEST(on_a_network_without_capella_every_exit_is_under_the_fork_s_version)
{
    static const struct exit_case cases[] = {
        { 0, 0, 0, 0, 0, 0xff },
        { 0, 3, 5, 5, 3, 0xff },
        { 0, 4, 5, 4, 0, 0xff },
    };
    struct network network;
    CHECK_OK(network_parse(COMMON, sizeof(COMMON) - 1, &network, NULL));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK(versions_are(&network, &cases[i]));
    }
}

TEST(a_schedule_with_deneb_has_a_version_for_capella)
{
    struct network network;
    struct detail detail = { .text = "" };
    const char *yaml = COMMON "DENEB_FORK_VERSION: 0x04000000\nDENEB_FORK_EPOCH: 0\n";
    CHECK_FAILS(BAD_INPUT, network_parse(yaml, strlen(yaml), &network, &detail));
    CHECK_TEXT(detail.text, "DENEB_FORK_EPOCH");
}

HARNESS_TESTS(T(a_fork_is_read), T(a_fork_that_is_incomplete_or_wrong_is_refused_in_its_place),
              T(the_current_version_begins_with_the_fork_s_epoch),
              T(an_exit_on_mainnet_is_under_the_version_that_its_chain_checks),
              T(on_a_network_in_deneb_from_the_start_every_exit_is_under_capella_s_version),
              T(on_a_network_without_capella_every_exit_is_under_the_fork_s_version),
              T(a_schedule_with_deneb_has_a_version_for_capella))
