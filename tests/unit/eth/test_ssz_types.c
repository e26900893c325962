#include "eth/ssz_types.h"

#include "base/buf.h"
#include "eth/ssz.h"
#include "eth_test.h"

#define COUNT_OF(list) (sizeof(list) / sizeof((list)[0]))

enum { TEXT_MAX = 4 << 20, PATH_SIZE = 128 };

/* Writes an object of a type that is all zeros and empty lists, but for one member, at `target`,
 * that is given `length` bytes, bits or elements; lists on the way to it get one element. */
struct writer {
    struct buf *out;
    const struct preset *preset;
    const char *target;
    size_t length;
};

static void write_value(const struct writer *writer, const struct ssz_type *type, const char *path);

static void write_zeros(const struct writer *writer, size_t bytes, const char *end)
{
    buf_append_text(writer->out, "\"0x");
    for (size_t i = 0; i < bytes; i++) {
        buf_append_text(writer->out, "00");
    }
    buf_append_text(writer->out, end);
    buf_append_text(writer->out, "\"");
}

static void write_bits(const struct writer *writer, size_t bits)
{
    char end[8];
    snprintf(end, sizeof(end), "%02x", 1U << bits % 8);
    write_zeros(writer, bits / 8, end);
}

static void write_elements(const struct writer *writer, const struct ssz_type *type,
                           const char *path, size_t count)
{
    char inner[PATH_SIZE];
    snprintf(inner, sizeof(inner), "%s[0]", path);
    buf_append_text(writer->out, "[");
    for (size_t i = 0; i < count; i++) {
        buf_append_text(writer->out, i == 0 ? "" : ",");
        write_value(writer, type->element, inner);
    }
    buf_append_text(writer->out, "]");
}

static void write_fields(const struct writer *writer, const struct ssz_type *type, const char *path)
{
    buf_append_text(writer->out, "{");
    for (uint32_t i = 0; i < type->length; i++) {
        char inner[PATH_SIZE];
        snprintf(inner, sizeof(inner), "%s.%s", path, type->fields[i].name);
        buf_printf(writer->out, "%s\"%s\":", i == 0 ? "" : ",", type->fields[i].name);
        write_value(writer, type->fields[i].type, inner);
    }
    buf_append_text(writer->out, "}");
}

static size_t scaled(const struct writer *writer, const struct ssz_type *type)
{
    if (type->scale == SSZ_COMMITTEES) {
        return type->length * writer->preset->max_committees_per_slot;
    }
    return type->scale == SSZ_ONE ? type->length
                                  : type->length * writer->preset->sync_committee_size / 4;
}

static void write_value(const struct writer *writer, const struct ssz_type *type, const char *path)
{
    bool is_target = strcmp(path, writer->target) == 0;
    size_t on_path = strncmp(path, writer->target, strlen(path)) == 0;
    size_t fixed = is_target ? writer->length : scaled(writer, type);
    switch (type->kind) {
    case SSZ_UINT:
    case SSZ_UINT256:
        buf_append_text(writer->out, "\"00000000\""); /* as long as the numbers of real lists */
        return;
    case SSZ_BOOLEAN:
        buf_append_text(writer->out, "false");
        return;
    case SSZ_BYTE_VECTOR:
        write_zeros(writer, fixed, "");
        return;
    case SSZ_BITVECTOR:
        write_zeros(writer, (fixed + 7) / 8, "");
        return;
    case SSZ_BYTE_LIST:
        write_zeros(writer, is_target ? writer->length : 0, "");
        return;
    case SSZ_BITLIST:
        write_bits(writer, is_target ? writer->length : 0);
        return;
    case SSZ_VECTOR:
        write_elements(writer, type, path, fixed);
        return;
    case SSZ_LIST:
        write_elements(writer, type, path, is_target ? writer->length : on_path);
        return;
    case SSZ_CONTAINER:
        write_fields(writer, type, path);
        return;
    }
}

static struct result root_with(const struct ssz_type *type, const char *preset, const char *target,
                               size_t length, struct root *out)
{
    BUF text = BUF_INIT(TEXT_MAX);
    struct writer writer = { &text, preset_find(preset), target, length };
    CLEANUP(json_free_ptr) struct json *value = NULL;
    struct detail detail;
    write_value(&writer, type, "");
    TRY(buf_check(&text));
    TRY(json_parse(text.data, text.size, &value, NULL));
    struct result result = ssz_root(type, writer.preset, value, out, &detail);
    if (!is_ok(result) && strcmp(detail.text, target) != 0) {
        return FAIL(UNAVAILABLE, "refused in another place");
    }
    return result;
}

struct zero_case {
    const struct ssz_type *type;
    const char *root;
};

static bool zero_roots_are(const char *preset, const struct zero_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct root root;
        struct result result = root_with(cases[i].type, preset, "none", 0, &root);
        if (!is_ok(result) || !root_is(&root, cases[i].root)) {
            printf("# case %zu: %s\n", i, result.what);
            return false;
        }
    }
    return true;
}

/* The roots of each type's default value, as @lodestar/types has them. */

TEST(default_values_have_the_known_roots)
{
    static const struct zero_case cases[] = {
        { &ssz_type_beacon_block_phase0,
          "0xeade62f0457b2fdf48e7d3fc4b60736688286be7c7a3ac4c9a16a5e0600bd9e4" },
        { &ssz_type_beacon_block_altair,
          "0x496977ba14e1d8f15be2292283644993ce0a73c4b4fc696efa4c47597b421248" },
        { &ssz_type_beacon_block_header,
          "0xc78009fdf07fc56a11f122370658a353aaa542ed63e44c4bc15ff4cd105ab33c" },
        { &ssz_type_attestation_data,
          "0x01f278ee83d4e438cf8f563ce108974d64c029a20280ab8eca07741df7ee5290" },
        { &ssz_type_aggregate_and_proof_phase0,
          "0x68d5d5f64bd7756fdf0404243022ca016745927d59819ce59bbce9c55fb648ff" },
        { &ssz_type_aggregate_and_proof_electra,
          "0x4e697c38e1f6cfd5974c1d65e9eadabc128e0a3afadb9da431e57e14eef1b5c7" },
        { &ssz_type_aggregate_and_proof_gloas,
          "0xc18af37183e145996f82ff20f0d84a9074cdca7c2151fd966f01362cafa56afa" },
        { &ssz_type_voluntary_exit,
          "0xf5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b" },
        { &ssz_type_deposit_message,
          "0xda6d807bf795106146e5822775d914b0277a65240f650ed4c8a7ca77824e5adf" },
        { &ssz_type_sync_aggregator_selection_data,
          "0xf5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b" },
        { &ssz_type_contribution_and_proof,
          "0x546312f002fef7ffbfbc34fceca66eeaeb9161f446b98d660e07a249e02428b8" },
        { &ssz_type_validator_registration_v1,
          "0x603f586e2e596c07385d5a97a708f56a663d82b42e6886b1b5f4d0026ee6aeae" },
        { &ssz_type_bls_to_execution_change,
          "0xbad1ebffe915f474f39873c538915f5cb1b246dfc5dc98eed668aac9292f1351" },
        { &ssz_type_execution_payload_bid,
          "0x83b932ee5875c06aa35328e3c3e3c976c703f2f4b1bc98e32991ceabbb2e4b63" },
        { &ssz_type_execution_payload_envelope,
          "0xf4a18a53008d3c2c6a7c27a3ebf4c82c2c236e212be004f985f26907af0342ec" },
        { &ssz_type_payload_attestation_data,
          "0xdb56114e00fdd4c1f85c892bf35ac9a89289aaecb1ebd0a96cde606a748b5d71" },
        { &ssz_type_proposer_preferences,
          "0xc78009fdf07fc56a11f122370658a353aaa542ed63e44c4bc15ff4cd105ab33c" },
        { &ssz_type_builder_request_auth,
          "0x9858c9629b72801e1521270368ca4840d271e55695e31a65e47b7d2e65cd0157" },
    };
    CHECK(zero_roots_are("mainnet", cases, COUNT_OF(cases)));
}

TEST(default_values_of_the_minimal_preset_have_the_known_roots)
{
    static const struct zero_case cases[] = {
        { &ssz_type_beacon_block_altair,
          "0xde02b5ccffcd82b5e6424fd28d7b5540c83f77e4da68b9462a6ff89887a6662a" },
        { &ssz_type_aggregate_and_proof_electra,
          "0x744821dfb63fc335d25e1340f13d4e1f1c920a6e1272c357ca0abe0702b1ba16" },
    };
    CHECK(zero_roots_are("minimal", cases, COUNT_OF(cases)));
}

/* Lists: the specifications' limits, on mainnet and in the minimal preset. */
static const struct {
    const struct ssz_type *type;
    const char *place;
    size_t mainnet;
    size_t minimal;
} limits[] = {
    { &ssz_type_beacon_block_phase0, ".body.proposer_slashings", 16, 16 },
    { &ssz_type_beacon_block_phase0, ".body.attester_slashings", 2, 2 },
    { &ssz_type_beacon_block_phase0, ".body.attester_slashings[0].attestation_1.attesting_indices",
      2048, 2048 },
    { &ssz_type_beacon_block_phase0, ".body.attestations", 128, 128 },
    { &ssz_type_beacon_block_phase0, ".body.attestations[0].aggregation_bits", 2048, 2048 },
    { &ssz_type_beacon_block_phase0, ".body.deposits", 16, 16 },
    { &ssz_type_beacon_block_phase0, ".body.voluntary_exits", 16, 16 },
    { &ssz_type_beacon_block_altair, ".body.proposer_slashings", 16, 16 },
    { &ssz_type_beacon_block_altair, ".body.attester_slashings", 2, 2 },
    { &ssz_type_beacon_block_altair, ".body.attestations", 128, 128 },
    { &ssz_type_beacon_block_altair, ".body.deposits", 16, 16 },
    { &ssz_type_beacon_block_altair, ".body.voluntary_exits", 16, 16 },
    { &ssz_type_aggregate_and_proof_phase0, ".aggregate.aggregation_bits", 2048, 2048 },
    { &ssz_type_aggregate_and_proof_electra, ".aggregate.aggregation_bits", 131072, 8192 },
    { &ssz_type_execution_payload_envelope, ".payload.extra_data", 32, 32 },
    { &ssz_type_builder_request_auth, ".data", 4096, 4096 },
};

TEST(every_list_has_its_limit_and_not_one_more)
{
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        struct root root;
        printf("# %s\n", limits[i].place);
        CHECK_OK(root_with(limits[i].type, "mainnet", limits[i].place, limits[i].mainnet, &root));
        CHECK_FAILS(BAD_INPUT, root_with(limits[i].type, "mainnet", limits[i].place,
                                         limits[i].mainnet + 1, &root));
        CHECK_OK(root_with(limits[i].type, "minimal", limits[i].place, limits[i].minimal, &root));
        CHECK_FAILS(BAD_INPUT, root_with(limits[i].type, "minimal", limits[i].place,
                                         limits[i].minimal + 1, &root));
    }
}

/* Vectors: bytes, elements, or bits in whole bytes. */
static const struct {
    const struct ssz_type *type;
    const char *place;
    size_t mainnet;
    size_t minimal;
    size_t step;
} lengths[] = {
    { &ssz_type_deposit_message, ".pubkey", 48, 48, 1 },
    { &ssz_type_deposit_message, ".withdrawal_credentials", 32, 32, 1 },
    { &ssz_type_aggregate_and_proof_phase0, ".selection_proof", 96, 96, 1 },
    { &ssz_type_validator_registration_v1, ".fee_recipient", 20, 20, 1 },
    { &ssz_type_execution_payload_envelope, ".payload.logs_bloom", 256, 256, 1 },
    { &ssz_type_execution_payload_bid, ".blob_kzg_commitments[0]", 48, 48, 1 },
    { &ssz_type_beacon_block_phase0, ".body.deposits[0].proof", 33, 33, 1 },
    { &ssz_type_aggregate_and_proof_electra, ".aggregate.committee_bits", 64, 4, 8 },
    { &ssz_type_aggregate_and_proof_gloas, ".aggregate.committee_bits", 64, 4, 8 },
    { &ssz_type_beacon_block_altair, ".body.sync_aggregate.sync_committee_bits", 512, 32, 8 },
    { &ssz_type_contribution_and_proof, ".contribution.aggregation_bits", 128, 8, 8 },
};

TEST(every_vector_has_exactly_its_length)
{
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        const char *presets[] = { "mainnet", "minimal" };
        size_t wanted[] = { lengths[i].mainnet, lengths[i].minimal };
        for (size_t j = 0; j < 2; j++) {
            struct root root;
            size_t less = wanted[j] < lengths[i].step ? 0 : wanted[j] - lengths[i].step;
            printf("# %s %s\n", presets[j], lengths[i].place);
            CHECK_OK(root_with(lengths[i].type, presets[j], lengths[i].place, wanted[j], &root));
            CHECK_FAILS(BAD_INPUT,
                        root_with(lengths[i].type, presets[j], lengths[i].place, less, &root));
            CHECK_FAILS(BAD_INPUT, root_with(lengths[i].type, presets[j], lengths[i].place,
                                             wanted[j] + lengths[i].step, &root));
        }
    }
}

TEST(progressive_lists_have_no_limit)
{
    static const struct {
        const struct ssz_type *type;
        const char *place;
        size_t length;
    } cases[] = {
        { &ssz_type_aggregate_and_proof_gloas, ".aggregate.aggregation_bits", 131073 },
        { &ssz_type_execution_payload_bid, ".blob_kzg_commitments", 4097 },
        { &ssz_type_execution_payload_envelope, ".payload.transactions", 2000 },
        { &ssz_type_execution_payload_envelope, ".payload.transactions[0]", 100000 },
        { &ssz_type_execution_payload_envelope, ".payload.withdrawals", 17 },
        { &ssz_type_execution_payload_envelope, ".payload.block_access_list", 100000 },
        { &ssz_type_execution_payload_envelope, ".execution_requests.deposits", 1000 },
        { &ssz_type_execution_payload_envelope, ".execution_requests.withdrawals", 17 },
        { &ssz_type_execution_payload_envelope, ".execution_requests.consolidations", 3 },
        { &ssz_type_execution_payload_envelope, ".execution_requests.builder_deposits", 65 },
        { &ssz_type_execution_payload_envelope, ".execution_requests.builder_exits", 17 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct root root;
        printf("# %s\n", cases[i].place);
        CHECK_OK(root_with(cases[i].type, "mainnet", cases[i].place, cases[i].length, &root));
    }
}

HARNESS_TESTS(T(default_values_have_the_known_roots),
              T(default_values_of_the_minimal_preset_have_the_known_roots),
              T(every_list_has_its_limit_and_not_one_more), T(every_vector_has_exactly_its_length),
              T(progressive_lists_have_no_limit))
