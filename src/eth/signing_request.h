/* signing_request.h: the body of POST /api/v1/eth2/sign/{pubkey}, and what is to be signed for it.
 * Pure. Follows Web3Signer's API: reference signers.md sections 1.2, 1.5, 2 and 4.
 *
 * Tolerant where clients differ: unknown members are ignored; hex with or without 0x; numbers as
 * decimal text or JSON integers; `signingRoot` or `signing_root`; `type` in any case; both
 * spellings and both shapes (bare, or {"version","data"}) of the types for which clients disagree.
 * Strict about everything that is hashed. */
#ifndef ETH_SIGNING_REQUEST_H
#define ETH_SIGNING_REQUEST_H

#include "base/detail.h"
#include "base/json.h"
#include "base/result.h"
#include "eth/network.h"
#include "eth/types.h"

#include <stddef.h>

/* The values of `type`, and the names of the operations in policies and metrics. */
enum operation {
    OPERATION_BLOCK,
    OPERATION_BLOCK_V2,
    OPERATION_ATTESTATION,
    OPERATION_AGGREGATION_SLOT,
    OPERATION_AGGREGATE_AND_PROOF,
    OPERATION_AGGREGATE_AND_PROOF_V2,
    OPERATION_RANDAO_REVEAL,
    OPERATION_VOLUNTARY_EXIT,
    OPERATION_DEPOSIT,
    OPERATION_SYNC_COMMITTEE_MESSAGE,
    OPERATION_SYNC_COMMITTEE_SELECTION_PROOF,
    OPERATION_SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF,
    OPERATION_VALIDATOR_REGISTRATION,
    OPERATION_BLS_TO_EXECUTION_CHANGE,
    OPERATION_EXECUTION_PAYLOAD_BID,
    OPERATION_EXECUTION_PAYLOAD_ENVELOPE,
    OPERATION_PAYLOAD_ATTESTATION_MESSAGE,
    OPERATION_PROPOSER_PREFERENCES,
    OPERATION_BUILDER_REQUEST_AUTH,
    OPERATION_COUNT,
};

const char *operation_name(enum operation operation);

/* The operation with this name or another of its spellings, in any case; OPERATION_COUNT: none. */
enum operation operation_find(const char *name);

/* Which slashing rule the signature falls under. */
enum protection { PROTECTION_NONE, PROTECTION_BLOCK, PROTECTION_ATTESTATION };

/* A body that was read: `type` is known, the object for it is there, nothing is hashed yet. */
struct signing_request {
    enum operation operation;
    struct json *body; /* owned; everything else points into it */
    const struct json *object;
    const char
        *place[2]; /* members that lead to the object: "beacon_block", "block_header" or NULL */
    const char *version; /* of {"version","data"} and of beacon_block, a known fork's; or NULL */
};

/* What a request asks for once it is understood. */
struct signing_target {
    struct root signing_root;
    /* The request says of which network it is. Without: its type is not bound to one (DEPOSIT,
     * VALIDATOR_REGISTRATION, BUILDER_REQUEST_AUTH), or needs no fork_info and carries none
     * (BLS_TO_EXECUTION_CHANGE, whose domain is always made of the network's own root). */
    bool has_genesis_validators_root;
    struct root genesis_validators_root;
    enum protection protection;
    struct slot slot;    /* PROTECTION_BLOCK */
    struct epoch source; /* PROTECTION_ATTESTATION */
    struct epoch target;
};

/* Reads a body. BAD_INPUT: not JSON, no or unknown `type`, the type's object missing, its version
 * unknown; LIMIT: more values than json.h allows. `detail` names the member. On OK the caller calls
 * signing_request_done(). */
RESULT signing_request_parse(const char *body, size_t size, struct signing_request *out,
                             struct detail *detail);

/* Frees the body; accepts a zeroed request. */
void signing_request_done(struct signing_request *request);

/* Computes the signing root and, when the body carries one, compares it. BAD_INPUT with the
 * member's path in `detail` ("attestation.source.epoch"), or with both roots when they differ. Of a
 * voluntary exit's two legitimate roots (EIP-7044) it gives the one that the body names. */
RESULT signing_request_resolve(const struct signing_request *request, const struct network *network,
                               struct signing_target *out, struct detail *detail);

#endif
