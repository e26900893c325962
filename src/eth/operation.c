#include "eth/operation.h"

#include <string.h>

/* Domain types (consensus-specs, "Domain types" of each fork; builder-specs). */
enum {
    DOMAIN_BEACON_PROPOSER = 0x00000000,
    DOMAIN_BEACON_ATTESTER = 0x01000000,
    DOMAIN_RANDAO = 0x02000000,
    DOMAIN_DEPOSIT = 0x03000000,
    DOMAIN_VOLUNTARY_EXIT = 0x04000000,
    DOMAIN_SELECTION_PROOF = 0x05000000,
    DOMAIN_AGGREGATE_AND_PROOF = 0x06000000,
    DOMAIN_SYNC_COMMITTEE = 0x07000000,
    DOMAIN_SYNC_COMMITTEE_SELECTION_PROOF = 0x08000000,
    DOMAIN_CONTRIBUTION_AND_PROOF = 0x09000000,
    DOMAIN_BLS_TO_EXECUTION_CHANGE = 0x0a000000,
    DOMAIN_BEACON_BUILDER = 0x0b000000,
    DOMAIN_PTC_ATTESTER = 0x0c000000,
    DOMAIN_PROPOSER_PREFERENCES = 0x0d000000,
    DOMAIN_APPLICATION_BUILDER = 0x00000001,
    DOMAIN_BUILDER_REQUEST_AUTH = 0x0b000001,
};

/* Names that clients other than the remote signing API's give to `type` and to members:
 * Lighthouse's PAYLOAD_ATTESTATION, payload_attestation_data and REQUEST_AUTH, Lodestar's
 * BLS_TO_EXECUTION_CHANGE member. */
const struct operation_info operation_table[OPERATION_COUNT] = {
    [OPERATION_BLOCK] = {
        .type = { "BLOCK" },
        .member = { "block" },
        .domain_type = DOMAIN_BEACON_PROPOSER,
        .protection = PROTECTION_BLOCK,
        .object = &ssz_type_beacon_block_phase0,
        .slot = { "slot" },
    },
    [OPERATION_BLOCK_V2] = {
        .type = { "BLOCK_V2" },
        .member = { "beacon_block" },
        .shape = SHAPE_BLOCK,
        .domain_type = DOMAIN_BEACON_PROPOSER,
        .protection = PROTECTION_BLOCK,
        .slot = { "slot" },
        .version_max = VERSION_HEZE,
    },
    [OPERATION_ATTESTATION] = {
        .type = { "ATTESTATION" },
        .member = { "attestation" },
        .domain_type = DOMAIN_BEACON_ATTESTER,
        .protection = PROTECTION_ATTESTATION,
        .object = &ssz_type_attestation_data,
        .epoch = { "target", "epoch" },
    },
    [OPERATION_AGGREGATION_SLOT] = {
        .type = { "AGGREGATION_SLOT" },
        .member = { "aggregation_slot" },
        .domain_type = DOMAIN_SELECTION_PROOF,
        .object = &ssz_type_uint64,
        .only = "slot",
        .slot = { "slot" },
    },
    [OPERATION_AGGREGATE_AND_PROOF] = {
        .type = { "AGGREGATE_AND_PROOF" },
        .member = { "aggregate_and_proof" },
        .shape = SHAPE_VERSIONED,
        .domain_type = DOMAIN_AGGREGATE_AND_PROOF,
        .slot = { "aggregate", "data", "slot" },
        .version_max = VERSION_HEZE,
    },
    [OPERATION_AGGREGATE_AND_PROOF_V2] = {
        .type = { "AGGREGATE_AND_PROOF_V2" },
        .member = { "aggregate_and_proof" },
        .shape = SHAPE_VERSIONED,
        .domain_type = DOMAIN_AGGREGATE_AND_PROOF,
        .slot = { "aggregate", "data", "slot" },
        .version_max = VERSION_HEZE,
    },
    [OPERATION_RANDAO_REVEAL] = {
        .type = { "RANDAO_REVEAL" },
        .member = { "randao_reveal" },
        .domain_type = DOMAIN_RANDAO,
        .object = &ssz_type_uint64,
        .only = "epoch",
        .epoch = { "epoch" },
    },
    [OPERATION_VOLUNTARY_EXIT] = {
        .type = { "VOLUNTARY_EXIT" },
        .member = { "voluntary_exit" },
        .domain = DOMAIN_OF_EXIT,
        .domain_type = DOMAIN_VOLUNTARY_EXIT,
        .object = &ssz_type_voluntary_exit,
        .epoch = { "epoch" },
    },
    [OPERATION_DEPOSIT] = {
        .type = { "DEPOSIT" },
        .member = { "deposit" },
        .domain = DOMAIN_OF_DEPOSIT,
        .domain_type = DOMAIN_DEPOSIT,
        .object = &ssz_type_deposit_message,
    },
    [OPERATION_SYNC_COMMITTEE_MESSAGE] = {
        .type = { "SYNC_COMMITTEE_MESSAGE" },
        .member = { "sync_committee_message" },
        .domain_type = DOMAIN_SYNC_COMMITTEE,
        .object = &ssz_type_bytes32,
        .only = "beacon_block_root",
        .slot = { "slot" },
    },
    [OPERATION_SYNC_COMMITTEE_SELECTION_PROOF] = {
        .type = { "SYNC_COMMITTEE_SELECTION_PROOF" },
        .member = { "sync_aggregator_selection_data" },
        .domain_type = DOMAIN_SYNC_COMMITTEE_SELECTION_PROOF,
        .object = &ssz_type_sync_aggregator_selection_data,
        .slot = { "slot" },
    },
    [OPERATION_SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF] = {
        .type = { "SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF" },
        .member = { "contribution_and_proof" },
        .domain_type = DOMAIN_CONTRIBUTION_AND_PROOF,
        .object = &ssz_type_contribution_and_proof,
        .slot = { "contribution", "slot" },
    },
    [OPERATION_VALIDATOR_REGISTRATION] = {
        .type = { "VALIDATOR_REGISTRATION" },
        .member = { "validator_registration" },
        .domain = DOMAIN_OF_BUILDER,
        .domain_type = DOMAIN_APPLICATION_BUILDER,
        .object = &ssz_type_validator_registration_v1,
    },
    [OPERATION_BLS_TO_EXECUTION_CHANGE] = {
        .type = { "BLS_TO_EXECUTION_CHANGE" },
        .member = { "bls_to_execution_change", "BLS_TO_EXECUTION_CHANGE" },
        .domain = DOMAIN_OF_GENESIS,
        .domain_type = DOMAIN_BLS_TO_EXECUTION_CHANGE,
        .object = &ssz_type_bls_to_execution_change,
    },
    [OPERATION_EXECUTION_PAYLOAD_BID] = {
        .type = { "EXECUTION_PAYLOAD_BID" },
        .member = { "execution_payload_bid" },
        .shape = SHAPE_VERSIONED,
        .domain_type = DOMAIN_BEACON_BUILDER,
        .object = &ssz_type_execution_payload_bid,
        .slot = { "slot" },
        .version_min = FORK_GLOAS,
        .version_max = FORK_GLOAS, /* Heze's has one more field */
    },
    [OPERATION_EXECUTION_PAYLOAD_ENVELOPE] = {
        .type = { "EXECUTION_PAYLOAD_ENVELOPE" },
        .member = { "execution_payload_envelope" },
        .shape = SHAPE_VERSIONED,
        .domain_type = DOMAIN_BEACON_BUILDER,
        .object = &ssz_type_execution_payload_envelope,
        .slot = { "payload", "slot_number" },
        .version_min = FORK_GLOAS,
        .version_max = VERSION_HEZE,
    },
    [OPERATION_PAYLOAD_ATTESTATION_MESSAGE] = {
        .type = { "PAYLOAD_ATTESTATION_MESSAGE", "PAYLOAD_ATTESTATION" },
        .member = { "payload_attestation_message", "payload_attestation_data" },
        .shape = SHAPE_VERSIONED,
        .domain_type = DOMAIN_PTC_ATTESTER,
        .object = &ssz_type_payload_attestation_data,
        .slot = { "slot" },
        .version_min = FORK_GLOAS,
        .version_max = VERSION_HEZE,
    },
    [OPERATION_PROPOSER_PREFERENCES] = {
        .type = { "PROPOSER_PREFERENCES" },
        .member = { "proposer_preferences" },
        .shape = SHAPE_VERSIONED,
        .domain_type = DOMAIN_PROPOSER_PREFERENCES,
        .object = &ssz_type_proposer_preferences,
        .slot = { "proposal_slot" },
        .version_min = FORK_GLOAS,
        .version_max = VERSION_HEZE,
    },
    [OPERATION_BUILDER_REQUEST_AUTH] = {
        .type = { "BUILDER_REQUEST_AUTH", "REQUEST_AUTH" },
        .member = { "builder_request_auth", "request_auth" },
        .shape = SHAPE_VERSIONED,
        .domain = DOMAIN_OF_BUILDER,
        .domain_type = DOMAIN_BUILDER_REQUEST_AUTH,
        .object = &ssz_type_builder_request_auth,
        .version_min = FORK_GLOAS,
        .version_max = VERSION_HEZE,
    },
};

/* Up to Altair a whole block is sent, from Bellatrix on its header, whose root is the same. */
const struct version_info version_table[VERSION_COUNT] = {
    [FORK_PHASE0] = { &ssz_type_beacon_block_phase0, &ssz_type_aggregate_and_proof_phase0 },
    [FORK_ALTAIR] = { &ssz_type_beacon_block_altair, &ssz_type_aggregate_and_proof_phase0 },
    [FORK_BELLATRIX] = { NULL, &ssz_type_aggregate_and_proof_phase0 },
    [FORK_CAPELLA] = { NULL, &ssz_type_aggregate_and_proof_phase0 },
    [FORK_DENEB] = { NULL, &ssz_type_aggregate_and_proof_phase0 },
    [FORK_ELECTRA] = { NULL, &ssz_type_aggregate_and_proof_electra },
    [FORK_FULU] = { NULL, &ssz_type_aggregate_and_proof_electra },
    [FORK_GLOAS] = { NULL, &ssz_type_aggregate_and_proof_gloas },
    [VERSION_HEZE] = { NULL, &ssz_type_aggregate_and_proof_gloas },
};

unsigned version_find(const char *name)
{
    enum fork fork = fork_find(name);
    if (fork == FORK_COUNT) {
        return strcmp(name, "HEZE") == 0 ? VERSION_HEZE : VERSION_COUNT;
    }
    return fork;
}
