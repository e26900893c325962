#include "eth/ssz_types.h"

#define COUNT_OF(list) (sizeof(list) / sizeof((list)[0]))
#define BYTES(size)                               \
    {                                             \
        .kind = SSZ_BYTE_VECTOR, .length = (size) \
    }
#define VECTOR(of, size)                                       \
    {                                                          \
        .kind = SSZ_VECTOR, .length = (size), .element = &(of) \
    }
#define LIST(of, limit)                                       \
    {                                                         \
        .kind = SSZ_LIST, .length = (limit), .element = &(of) \
    }
#define CONTAINER(list)                                                   \
    {                                                                     \
        .kind = SSZ_CONTAINER, .length = COUNT_OF(list), .fields = (list) \
    }
/* clang-format off */
#define PROGRESSIVE_LIST(of) { .kind = SSZ_LIST, .progressive = true, .element = &(of) }
#define PROGRESSIVE_CONTAINER(list) \
    { .kind = SSZ_CONTAINER, .progressive = true, .length = COUNT_OF(list), .fields = (list) }
/* clang-format on */

/* Values that every preset shares. */
enum {
    MAX_VALIDATORS_PER_COMMITTEE = 2048,
    MAX_PROPOSER_SLASHINGS = 16,
    MAX_ATTESTER_SLASHINGS = 2,
    MAX_ATTESTATIONS = 128,
    MAX_DEPOSITS = 16,
    MAX_VOLUNTARY_EXITS = 16,
    DEPOSIT_CONTRACT_TREE_DEPTH = 32,
    BYTES_PER_LOGS_BLOOM = 256,
    MAX_EXTRA_DATA_BYTES = 32,
    MAX_BUILDER_AUTH_DATA_SIZE = 4096,
};

/* Basic types and bytes. */

const struct ssz_type ssz_type_uint64 = { .kind = SSZ_UINT, .length = 8 };
const struct ssz_type ssz_type_bytes32 = BYTES(32);
static const struct ssz_type uint256 = { .kind = SSZ_UINT256 };
static const struct ssz_type boolean = { .kind = SSZ_BOOLEAN };
static const struct ssz_type address = BYTES(20);
static const struct ssz_type pubkey = BYTES(48);
static const struct ssz_type signature = BYTES(96);
static const struct ssz_type kzg_commitment = BYTES(48);
static const struct ssz_type progressive_bytes = { .kind = SSZ_BYTE_LIST, .progressive = true };

/* Phase 0. */

static const struct ssz_field checkpoint_fields[] = {
    { "epoch", &ssz_type_uint64 },
    { "root", &ssz_type_bytes32 },
};
static const struct ssz_type checkpoint = CONTAINER(checkpoint_fields);

static const struct ssz_field attestation_data_fields[] = {
    { "slot", &ssz_type_uint64 },
    { "index", &ssz_type_uint64 },
    { "beacon_block_root", &ssz_type_bytes32 },
    { "source", &checkpoint },
    { "target", &checkpoint },
};
const struct ssz_type ssz_type_attestation_data = CONTAINER(attestation_data_fields);

static const struct ssz_field header_fields[] = {
    { "slot", &ssz_type_uint64 },         { "proposer_index", &ssz_type_uint64 },
    { "parent_root", &ssz_type_bytes32 }, { "state_root", &ssz_type_bytes32 },
    { "body_root", &ssz_type_bytes32 },
};
const struct ssz_type ssz_type_beacon_block_header = CONTAINER(header_fields);

static const struct ssz_field signed_header_fields[] = {
    { "message", &ssz_type_beacon_block_header },
    { "signature", &signature },
};
static const struct ssz_type signed_header = CONTAINER(signed_header_fields);

static const struct ssz_field proposer_slashing_fields[] = {
    { "signed_header_1", &signed_header },
    { "signed_header_2", &signed_header },
};
static const struct ssz_type proposer_slashing = CONTAINER(proposer_slashing_fields);
static const struct ssz_type proposer_slashings = LIST(proposer_slashing, MAX_PROPOSER_SLASHINGS);

static const struct ssz_type attesting_indices =
    LIST(ssz_type_uint64, MAX_VALIDATORS_PER_COMMITTEE);
static const struct ssz_field indexed_attestation_fields[] = {
    { "attesting_indices", &attesting_indices },
    { "data", &ssz_type_attestation_data },
    { "signature", &signature },
};
static const struct ssz_type indexed_attestation = CONTAINER(indexed_attestation_fields);

static const struct ssz_field attester_slashing_fields[] = {
    { "attestation_1", &indexed_attestation },
    { "attestation_2", &indexed_attestation },
};
static const struct ssz_type attester_slashing = CONTAINER(attester_slashing_fields);
static const struct ssz_type attester_slashings = LIST(attester_slashing, MAX_ATTESTER_SLASHINGS);

static const struct ssz_type committee_members = {
    .kind = SSZ_BITLIST,
    .length = MAX_VALIDATORS_PER_COMMITTEE,
};
static const struct ssz_field attestation_fields[] = {
    { "aggregation_bits", &committee_members },
    { "data", &ssz_type_attestation_data },
    { "signature", &signature },
};
static const struct ssz_type attestation = CONTAINER(attestation_fields);
static const struct ssz_type attestations = LIST(attestation, MAX_ATTESTATIONS);

static const struct ssz_field deposit_message_fields[] = {
    { "pubkey", &pubkey },
    { "withdrawal_credentials", &ssz_type_bytes32 },
    { "amount", &ssz_type_uint64 },
};
const struct ssz_type ssz_type_deposit_message = CONTAINER(deposit_message_fields);

static const struct ssz_field deposit_data_fields[] = {
    { "pubkey", &pubkey },
    { "withdrawal_credentials", &ssz_type_bytes32 },
    { "amount", &ssz_type_uint64 },
    { "signature", &signature },
};
static const struct ssz_type deposit_data = CONTAINER(deposit_data_fields);
static const struct ssz_type deposit_proof =
    VECTOR(ssz_type_bytes32, DEPOSIT_CONTRACT_TREE_DEPTH + 1);
static const struct ssz_field deposit_fields[] = {
    { "proof", &deposit_proof },
    { "data", &deposit_data },
};
static const struct ssz_type deposit = CONTAINER(deposit_fields);
static const struct ssz_type deposits = LIST(deposit, MAX_DEPOSITS);

static const struct ssz_field voluntary_exit_fields[] = {
    { "epoch", &ssz_type_uint64 },
    { "validator_index", &ssz_type_uint64 },
};
const struct ssz_type ssz_type_voluntary_exit = CONTAINER(voluntary_exit_fields);

static const struct ssz_field signed_voluntary_exit_fields[] = {
    { "message", &ssz_type_voluntary_exit },
    { "signature", &signature },
};
static const struct ssz_type signed_voluntary_exit = CONTAINER(signed_voluntary_exit_fields);
static const struct ssz_type voluntary_exits = LIST(signed_voluntary_exit, MAX_VOLUNTARY_EXITS);

static const struct ssz_field eth1_data_fields[] = {
    { "deposit_root", &ssz_type_bytes32 },
    { "deposit_count", &ssz_type_uint64 },
    { "block_hash", &ssz_type_bytes32 },
};
static const struct ssz_type eth1_data = CONTAINER(eth1_data_fields);

static const struct ssz_field body_phase0_fields[] = {
    { "randao_reveal", &signature },
    { "eth1_data", &eth1_data },
    { "graffiti", &ssz_type_bytes32 },
    { "proposer_slashings", &proposer_slashings },
    { "attester_slashings", &attester_slashings },
    { "attestations", &attestations },
    { "deposits", &deposits },
    { "voluntary_exits", &voluntary_exits },
};
static const struct ssz_type body_phase0 = CONTAINER(body_phase0_fields);

static const struct ssz_field block_phase0_fields[] = {
    { "slot", &ssz_type_uint64 },
    { "proposer_index", &ssz_type_uint64 },
    { "parent_root", &ssz_type_bytes32 },
    { "state_root", &ssz_type_bytes32 },
    { "body", &body_phase0 },
};
const struct ssz_type ssz_type_beacon_block_phase0 = CONTAINER(block_phase0_fields);

static const struct ssz_field aggregate_phase0_fields[] = {
    { "aggregator_index", &ssz_type_uint64 },
    { "aggregate", &attestation },
    { "selection_proof", &signature },
};
const struct ssz_type ssz_type_aggregate_and_proof_phase0 = CONTAINER(aggregate_phase0_fields);

/* Altair. */

static const struct ssz_type sync_committee_bits = {
    .kind = SSZ_BITVECTOR,
    .scale = SSZ_SYNC_SUBCOMMITTEES,
    .length = SYNC_COMMITTEE_SUBNET_COUNT,
};
static const struct ssz_field sync_aggregate_fields[] = {
    { "sync_committee_bits", &sync_committee_bits },
    { "sync_committee_signature", &signature },
};
static const struct ssz_type sync_aggregate = CONTAINER(sync_aggregate_fields);

static const struct ssz_field body_altair_fields[] = {
    { "randao_reveal", &signature },
    { "eth1_data", &eth1_data },
    { "graffiti", &ssz_type_bytes32 },
    { "proposer_slashings", &proposer_slashings },
    { "attester_slashings", &attester_slashings },
    { "attestations", &attestations },
    { "deposits", &deposits },
    { "voluntary_exits", &voluntary_exits },
    { "sync_aggregate", &sync_aggregate },
};
static const struct ssz_type body_altair = CONTAINER(body_altair_fields);

static const struct ssz_field block_altair_fields[] = {
    { "slot", &ssz_type_uint64 },
    { "proposer_index", &ssz_type_uint64 },
    { "parent_root", &ssz_type_bytes32 },
    { "state_root", &ssz_type_bytes32 },
    { "body", &body_altair },
};
const struct ssz_type ssz_type_beacon_block_altair = CONTAINER(block_altair_fields);

static const struct ssz_field selection_data_fields[] = {
    { "slot", &ssz_type_uint64 },
    { "subcommittee_index", &ssz_type_uint64 },
};
const struct ssz_type ssz_type_sync_aggregator_selection_data = CONTAINER(selection_data_fields);

static const struct ssz_type subcommittee_bits = {
    .kind = SSZ_BITVECTOR,
    .scale = SSZ_SYNC_SUBCOMMITTEES,
    .length = 1,
};
static const struct ssz_field contribution_fields[] = {
    { "slot", &ssz_type_uint64 },
    { "beacon_block_root", &ssz_type_bytes32 },
    { "subcommittee_index", &ssz_type_uint64 },
    { "aggregation_bits", &subcommittee_bits },
    { "signature", &signature },
};
static const struct ssz_type contribution = CONTAINER(contribution_fields);
static const struct ssz_field contribution_and_proof_fields[] = {
    { "aggregator_index", &ssz_type_uint64 },
    { "contribution", &contribution },
    { "selection_proof", &signature },
};
const struct ssz_type ssz_type_contribution_and_proof = CONTAINER(contribution_and_proof_fields);

/* Bellatrix and Capella. */

static const struct ssz_field registration_fields[] = {
    { "fee_recipient", &address },
    { "gas_limit", &ssz_type_uint64 },
    { "timestamp", &ssz_type_uint64 },
    { "pubkey", &pubkey },
};
const struct ssz_type ssz_type_validator_registration_v1 = CONTAINER(registration_fields);

static const struct ssz_field bls_change_fields[] = {
    { "validator_index", &ssz_type_uint64 },
    { "from_bls_pubkey", &pubkey },
    { "to_execution_address", &address },
};
const struct ssz_type ssz_type_bls_to_execution_change = CONTAINER(bls_change_fields);

static const struct ssz_field withdrawal_fields[] = {
    { "index", &ssz_type_uint64 },
    { "validator_index", &ssz_type_uint64 },
    { "address", &address },
    { "amount", &ssz_type_uint64 },
};
static const struct ssz_type withdrawal = CONTAINER(withdrawal_fields);

/* Electra. */

static const struct ssz_type slot_members = {
    .kind = SSZ_BITLIST,
    .scale = SSZ_COMMITTEES,
    .length = MAX_VALIDATORS_PER_COMMITTEE,
};
static const struct ssz_type committee_bits = {
    .kind = SSZ_BITVECTOR,
    .scale = SSZ_COMMITTEES,
    .length = 1,
};
static const struct ssz_field attestation_electra_fields[] = {
    { "aggregation_bits", &slot_members },
    { "data", &ssz_type_attestation_data },
    { "signature", &signature },
    { "committee_bits", &committee_bits },
};
static const struct ssz_type attestation_electra = CONTAINER(attestation_electra_fields);
static const struct ssz_field aggregate_electra_fields[] = {
    { "aggregator_index", &ssz_type_uint64 },
    { "aggregate", &attestation_electra },
    { "selection_proof", &signature },
};
const struct ssz_type ssz_type_aggregate_and_proof_electra = CONTAINER(aggregate_electra_fields);

static const struct ssz_field deposit_request_fields[] = {
    { "pubkey", &pubkey },          { "withdrawal_credentials", &ssz_type_bytes32 },
    { "amount", &ssz_type_uint64 }, { "signature", &signature },
    { "index", &ssz_type_uint64 },
};
static const struct ssz_type deposit_request = CONTAINER(deposit_request_fields);

static const struct ssz_field withdrawal_request_fields[] = {
    { "source_address", &address },
    { "validator_pubkey", &pubkey },
    { "amount", &ssz_type_uint64 },
};
static const struct ssz_type withdrawal_request = CONTAINER(withdrawal_request_fields);

static const struct ssz_field consolidation_request_fields[] = {
    { "source_address", &address },
    { "source_pubkey", &pubkey },
    { "target_pubkey", &pubkey },
};
static const struct ssz_type consolidation_request = CONTAINER(consolidation_request_fields);

/* Gloas. */

static const struct ssz_type progressive_bits = { .kind = SSZ_BITLIST, .progressive = true };
static const struct ssz_field attestation_gloas_fields[] = {
    { "aggregation_bits", &progressive_bits },
    { "data", &ssz_type_attestation_data },
    { "signature", &signature },
    { "committee_bits", &committee_bits },
};
static const struct ssz_type attestation_gloas = PROGRESSIVE_CONTAINER(attestation_gloas_fields);
static const struct ssz_field aggregate_gloas_fields[] = {
    { "aggregator_index", &ssz_type_uint64 },
    { "aggregate", &attestation_gloas },
    { "selection_proof", &signature },
};
const struct ssz_type ssz_type_aggregate_and_proof_gloas = CONTAINER(aggregate_gloas_fields);

static const struct ssz_type kzg_commitments = PROGRESSIVE_LIST(kzg_commitment);
static const struct ssz_field bid_fields[] = {
    { "parent_block_hash", &ssz_type_bytes32 },
    { "parent_block_root", &ssz_type_bytes32 },
    { "block_hash", &ssz_type_bytes32 },
    { "prev_randao", &ssz_type_bytes32 },
    { "fee_recipient", &address },
    { "gas_limit", &ssz_type_uint64 },
    { "builder_index", &ssz_type_uint64 },
    { "slot", &ssz_type_uint64 },
    { "value", &ssz_type_uint64 },
    { "execution_payment", &ssz_type_uint64 },
    { "blob_kzg_commitments", &kzg_commitments },
    { "execution_requests_root", &ssz_type_bytes32 },
};
const struct ssz_type ssz_type_execution_payload_bid = PROGRESSIVE_CONTAINER(bid_fields);

static const struct ssz_type logs_bloom = BYTES(BYTES_PER_LOGS_BLOOM);
static const struct ssz_type extra_data = {
    .kind = SSZ_BYTE_LIST,
    .length = MAX_EXTRA_DATA_BYTES,
};
static const struct ssz_type transactions = PROGRESSIVE_LIST(progressive_bytes);
static const struct ssz_type withdrawals = PROGRESSIVE_LIST(withdrawal);
static const struct ssz_field payload_fields[] = {
    { "parent_hash", &ssz_type_bytes32 },    { "fee_recipient", &address },
    { "state_root", &ssz_type_bytes32 },     { "receipts_root", &ssz_type_bytes32 },
    { "logs_bloom", &logs_bloom },           { "prev_randao", &ssz_type_bytes32 },
    { "block_number", &ssz_type_uint64 },    { "gas_limit", &ssz_type_uint64 },
    { "gas_used", &ssz_type_uint64 },        { "timestamp", &ssz_type_uint64 },
    { "extra_data", &extra_data },           { "base_fee_per_gas", &uint256 },
    { "block_hash", &ssz_type_bytes32 },     { "transactions", &transactions },
    { "withdrawals", &withdrawals },         { "blob_gas_used", &ssz_type_uint64 },
    { "excess_blob_gas", &ssz_type_uint64 }, { "block_access_list", &progressive_bytes },
    { "slot_number", &ssz_type_uint64 },
};
static const struct ssz_type payload = PROGRESSIVE_CONTAINER(payload_fields);

static const struct ssz_field builder_deposit_request_fields[] = {
    { "pubkey", &pubkey },
    { "withdrawal_credentials", &ssz_type_bytes32 },
    { "amount", &ssz_type_uint64 },
    { "signature", &signature },
};
static const struct ssz_type builder_deposit_request = CONTAINER(builder_deposit_request_fields);

static const struct ssz_field builder_exit_request_fields[] = {
    { "source_address", &address },
    { "pubkey", &pubkey },
};
static const struct ssz_type builder_exit_request = CONTAINER(builder_exit_request_fields);

static const struct ssz_type deposit_requests = PROGRESSIVE_LIST(deposit_request);
static const struct ssz_type withdrawal_requests = PROGRESSIVE_LIST(withdrawal_request);
static const struct ssz_type consolidation_requests = PROGRESSIVE_LIST(consolidation_request);
static const struct ssz_type builder_deposit_requests = PROGRESSIVE_LIST(builder_deposit_request);
static const struct ssz_type builder_exit_requests = PROGRESSIVE_LIST(builder_exit_request);
static const struct ssz_field execution_requests_fields[] = {
    { "deposits", &deposit_requests },
    { "withdrawals", &withdrawal_requests },
    { "consolidations", &consolidation_requests },
    { "builder_deposits", &builder_deposit_requests },
    { "builder_exits", &builder_exit_requests },
};
static const struct ssz_type execution_requests = PROGRESSIVE_CONTAINER(execution_requests_fields);

static const struct ssz_field envelope_fields[] = {
    { "payload", &payload },
    { "execution_requests", &execution_requests },
    { "builder_index", &ssz_type_uint64 },
    { "beacon_block_root", &ssz_type_bytes32 },
    { "parent_beacon_block_root", &ssz_type_bytes32 },
};
const struct ssz_type ssz_type_execution_payload_envelope = PROGRESSIVE_CONTAINER(envelope_fields);

static const struct ssz_field payload_attestation_data_fields[] = {
    { "beacon_block_root", &ssz_type_bytes32 },
    { "slot", &ssz_type_uint64 },
    { "payload_present", &boolean },
    { "blob_data_available", &boolean },
};
const struct ssz_type ssz_type_payload_attestation_data =
    CONTAINER(payload_attestation_data_fields);

static const struct ssz_field preferences_fields[] = {
    { "dependent_root", &ssz_type_bytes32 },  { "proposal_slot", &ssz_type_uint64 },
    { "validator_index", &ssz_type_uint64 },  { "fee_recipient", &address },
    { "target_gas_limit", &ssz_type_uint64 },
};
const struct ssz_type ssz_type_proposer_preferences = CONTAINER(preferences_fields);

static const struct ssz_type auth_data = {
    .kind = SSZ_BYTE_LIST,
    .length = MAX_BUILDER_AUTH_DATA_SIZE,
};
static const struct ssz_field auth_fields[] = {
    { "data", &auth_data },
    { "slot", &ssz_type_uint64 },
};
const struct ssz_type ssz_type_builder_request_auth = CONTAINER(auth_fields);
