/* ssz_types.h: how an SSZ type is described, and the types whose roots are signed (consensus-specs
 * of each fork; builder-specs for the registration and the request authentication). Data only. */
#ifndef ETH_SSZ_TYPES_H
#define ETH_SSZ_TYPES_H

#include <stdbool.h>
#include <stdint.h>

enum ssz_kind {
    SSZ_UINT, /* `length` bytes: 1, 2, 4 or 8 */
    SSZ_UINT256,
    SSZ_BOOLEAN,
    SSZ_BYTE_VECTOR,
    SSZ_BYTE_LIST,
    SSZ_BITVECTOR,
    SSZ_BITLIST,
    SSZ_VECTOR,
    SSZ_LIST,
    SSZ_CONTAINER,
};

enum { SYNC_COMMITTEE_SUBNET_COUNT = 4 };

/* What `length` counts, where the preset has a say. */
enum ssz_scale {
    SSZ_ONE,
    SSZ_COMMITTEES,         /* times MAX_COMMITTEES_PER_SLOT */
    SSZ_SYNC_SUBCOMMITTEES, /* times SYNC_COMMITTEE_SIZE / SYNC_COMMITTEE_SUBNET_COUNT */
};

struct ssz_field {
    const char *name;
    const struct ssz_type *type;
};

/* A type refers only to types described before it, so the walk over one is as deep as these tables.
 */
struct ssz_type {
    enum ssz_kind kind;
    bool progressive; /* lists: without a limit; containers: every field active (EIP-7495, EIP-7916)
                       */
    enum ssz_scale scale;
    uint32_t length; /* bytes, bits, elements or fields: exactly so many, of lists at most */
    const struct ssz_type *element; /* vectors and lists */
    const struct ssz_field *fields; /* containers */
};

extern const struct ssz_type ssz_type_uint64;
extern const struct ssz_type ssz_type_bytes32;

extern const struct ssz_type ssz_type_beacon_block_phase0;
extern const struct ssz_type ssz_type_beacon_block_altair;
extern const struct ssz_type ssz_type_beacon_block_header;
extern const struct ssz_type ssz_type_attestation_data;
extern const struct ssz_type ssz_type_aggregate_and_proof_phase0;
extern const struct ssz_type ssz_type_aggregate_and_proof_electra;
extern const struct ssz_type ssz_type_aggregate_and_proof_gloas;
extern const struct ssz_type ssz_type_voluntary_exit;
extern const struct ssz_type ssz_type_deposit_message;
extern const struct ssz_type ssz_type_sync_aggregator_selection_data;
extern const struct ssz_type ssz_type_contribution_and_proof;
extern const struct ssz_type ssz_type_validator_registration_v1;
extern const struct ssz_type ssz_type_bls_to_execution_change;
extern const struct ssz_type ssz_type_execution_payload_bid;
extern const struct ssz_type ssz_type_execution_payload_envelope;
extern const struct ssz_type ssz_type_payload_attestation_data;
extern const struct ssz_type ssz_type_proposer_preferences;
extern const struct ssz_type ssz_type_builder_request_auth;

#endif
