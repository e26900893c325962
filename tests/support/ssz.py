"""Hash tree roots and signing roots, written from the consensus specifications (ssz/simple-serialize.md, EIP-7495,
EIP-7916) and from nothing of the product's: what the tests hold its signatures to.

A type is a function from a value, as the beacon APIs write it in JSON, to its 32-byte root."""
import hashlib

ZERO = bytes(32)


def sha(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(left + right).digest()


def raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def little(number, size: int = 32) -> bytes:
    return int(number).to_bytes(size, "little")


# -------------------------------------------------------------------------------------------------- trees

def merkleize(chunks: list[bytes], limit: int) -> bytes:
    """The root of a tree with room for `limit` chunks; those that are not there are zero."""
    assert len(chunks) <= limit
    level, empty = list(chunks) or [ZERO], ZERO
    for _ in range((max(limit, 1) - 1).bit_length()):
        level += [empty] * (len(level) % 2)
        level = [sha(level[i], level[i + 1]) for i in range(0, len(level), 2)]
        empty = sha(empty, empty)
    return level[0]


def progressive(chunks: list[bytes], room: int = 1) -> bytes:
    """Subtrees of 1, 4, 16, … chunks, each on the left of all that follow (EIP-7916)."""
    if not chunks:
        return ZERO
    return sha(merkleize(chunks[:room], room), progressive(chunks[room:], 4 * room))


def pack(data: bytes) -> list[bytes]:
    return [data[i:i + 32].ljust(32, b"\0") for i in range(0, len(data), 32)]


def tree(chunks: list[bytes], limit: int | None) -> bytes:
    return progressive(chunks) if limit is None else merkleize(chunks, limit)


def chunk_count(limit: int | None, per_chunk: int) -> int | None:
    return None if limit is None else -(-limit // per_chunk)


# -------------------------------------------------------------------------------------------------- types

def uint64(value) -> bytes:
    return little(value, 8) + bytes(24)


def uint256(value) -> bytes:
    return little(value)


def boolean(value: bool) -> bytes:
    return little(int(value))


def vector_of_bytes(size: int):
    def root(value: str) -> bytes:
        data = raw(value)
        assert len(data) == size
        return merkleize(pack(data), -(-size // 32))
    return root


def list_of_bytes(limit: int | None):
    def root(value: str) -> bytes:
        data = raw(value)
        return sha(tree(pack(data), chunk_count(limit, 32)), little(len(data)))
    return root


def bitvector(size: int):
    def root(value: str) -> bytes:
        data = raw(value)
        assert len(data) == -(-size // 8) and int.from_bytes(data, "little") >> size == 0
        return merkleize(pack(data), -(-size // 256))
    return root


def bitlist(limit: int | None):
    def root(value: str) -> bytes:
        number = int.from_bytes(raw(value), "little")
        length = number.bit_length() - 1  # the highest bit ends the list
        bits = (number ^ 1 << length).to_bytes(-(-length // 8), "little")
        return sha(tree(pack(bits), chunk_count(limit, 256)), little(length))
    return root


def list_of(element, limit: int | None):
    def root(values: list) -> bytes:
        assert limit is None or len(values) <= limit
        return sha(tree([element(value) for value in values], limit), little(len(values)))
    return root


def list_of_uint64(limit: int):
    def root(values: list) -> bytes:
        packed = b"".join(little(value, 8) for value in values)
        return sha(merkleize(pack(packed), -(-limit * 8 // 32)), little(len(values)))
    return root


def vector_of(element, size: int):
    def root(values: list) -> bytes:
        assert len(values) == size
        return merkleize([element(value) for value in values], size)
    return root


def container(**fields):
    def root(value: dict) -> bytes:
        return merkleize([kind(value[name]) for name, kind in fields.items()], len(fields))
    root.fields = fields
    return root


def progressive_container(**fields):
    """All fields are active: the mixed-in bits are ones (EIP-7495)."""
    def root(value: dict) -> bytes:
        return sha(progressive([kind(value[name]) for name, kind in fields.items()]),
                   little((1 << len(fields)) - 1))
    root.fields = fields
    return root


# ------------------------------------------------------------------------------------- consensus objects

bytes20, bytes32 = vector_of_bytes(20), vector_of_bytes(32)
bytes48, bytes96 = vector_of_bytes(48), vector_of_bytes(96)

Checkpoint = container(epoch=uint64, root=bytes32)
AttestationData = container(slot=uint64, index=uint64, beacon_block_root=bytes32, source=Checkpoint,
                            target=Checkpoint)
Header = container(slot=uint64, proposer_index=uint64, parent_root=bytes32, state_root=bytes32, body_root=bytes32)
SignedHeader = container(message=Header, signature=bytes96)
ProposerSlashing = container(signed_header_1=SignedHeader, signed_header_2=SignedHeader)
IndexedAttestation = container(attesting_indices=list_of_uint64(2048), data=AttestationData, signature=bytes96)
AttesterSlashing = container(attestation_1=IndexedAttestation, attestation_2=IndexedAttestation)
Attestation = container(aggregation_bits=bitlist(2048), data=AttestationData, signature=bytes96)
DepositMessage = container(pubkey=bytes48, withdrawal_credentials=bytes32, amount=uint64)
DepositData = container(**DepositMessage.fields, signature=bytes96)
Deposit = container(proof=vector_of(bytes32, 33), data=DepositData)
VoluntaryExit = container(epoch=uint64, validator_index=uint64)
SignedVoluntaryExit = container(message=VoluntaryExit, signature=bytes96)
Eth1Data = container(deposit_root=bytes32, deposit_count=uint64, block_hash=bytes32)
BodyPhase0 = container(
    randao_reveal=bytes96, eth1_data=Eth1Data, graffiti=bytes32, proposer_slashings=list_of(ProposerSlashing, 16),
    attester_slashings=list_of(AttesterSlashing, 2), attestations=list_of(Attestation, 128),
    deposits=list_of(Deposit, 16), voluntary_exits=list_of(SignedVoluntaryExit, 16))


def block_with(body):
    return container(slot=uint64, proposer_index=uint64, parent_root=bytes32, state_root=bytes32, body=body)


def block_altair(sync_committee_size: int):
    aggregate = container(sync_committee_bits=bitvector(sync_committee_size), sync_committee_signature=bytes96)
    return block_with(container(**BodyPhase0.fields, sync_aggregate=aggregate))


def contribution_and_proof(sync_committee_size: int):
    contribution = container(slot=uint64, beacon_block_root=bytes32, subcommittee_index=uint64,
                             aggregation_bits=bitvector(sync_committee_size // 4), signature=bytes96)
    return container(aggregator_index=uint64, contribution=contribution, selection_proof=bytes96)


def aggregate_and_proof(attestation):
    return container(aggregator_index=uint64, aggregate=attestation, selection_proof=bytes96)


BlockPhase0 = block_with(BodyPhase0)
BlockAltair = block_altair(512)
ContributionAndProof = contribution_and_proof(512)
SyncSelection = container(slot=uint64, subcommittee_index=uint64)
Registration = container(fee_recipient=bytes20, gas_limit=uint64, timestamp=uint64, pubkey=bytes48)
BlsChange = container(validator_index=uint64, from_bls_pubkey=bytes48, to_execution_address=bytes20)
AttestationElectra = container(aggregation_bits=bitlist(131072), data=AttestationData, signature=bytes96,
                               committee_bits=bitvector(64))
AttestationGloas = progressive_container(aggregation_bits=bitlist(None), data=AttestationData, signature=bytes96,
                                         committee_bits=bitvector(64))

Bid = progressive_container(
    parent_block_hash=bytes32, parent_block_root=bytes32, block_hash=bytes32, prev_randao=bytes32,
    fee_recipient=bytes20, gas_limit=uint64, builder_index=uint64, slot=uint64, value=uint64,
    execution_payment=uint64, blob_kzg_commitments=list_of(bytes48, None), execution_requests_root=bytes32)
Withdrawal = container(index=uint64, validator_index=uint64, address=bytes20, amount=uint64)
Payload = progressive_container(
    parent_hash=bytes32, fee_recipient=bytes20, state_root=bytes32, receipts_root=bytes32,
    logs_bloom=vector_of_bytes(256), prev_randao=bytes32, block_number=uint64, gas_limit=uint64, gas_used=uint64,
    timestamp=uint64, extra_data=list_of_bytes(32), base_fee_per_gas=uint256, block_hash=bytes32,
    transactions=list_of(list_of_bytes(None), None), withdrawals=list_of(Withdrawal, None), blob_gas_used=uint64,
    excess_blob_gas=uint64, block_access_list=list_of_bytes(None), slot_number=uint64)
DepositRequest = container(pubkey=bytes48, withdrawal_credentials=bytes32, amount=uint64, signature=bytes96,
                           index=uint64)
WithdrawalRequest = container(source_address=bytes20, validator_pubkey=bytes48, amount=uint64)
ConsolidationRequest = container(source_address=bytes20, source_pubkey=bytes48, target_pubkey=bytes48)
BuilderDeposit = container(pubkey=bytes48, withdrawal_credentials=bytes32, amount=uint64, signature=bytes96)
BuilderExit = container(source_address=bytes20, pubkey=bytes48)
ExecutionRequests = progressive_container(
    deposits=list_of(DepositRequest, None), withdrawals=list_of(WithdrawalRequest, None),
    consolidations=list_of(ConsolidationRequest, None), builder_deposits=list_of(BuilderDeposit, None),
    builder_exits=list_of(BuilderExit, None))
Envelope = progressive_container(payload=Payload, execution_requests=ExecutionRequests, builder_index=uint64,
                                 beacon_block_root=bytes32, parent_beacon_block_root=bytes32)
PayloadAttestationData = container(beacon_block_root=bytes32, slot=uint64, payload_present=boolean,
                                   blob_data_available=boolean)
ProposerPreferences = container(dependent_root=bytes32, proposal_slot=uint64, validator_index=uint64,
                                fee_recipient=bytes20, target_gas_limit=uint64)
BuilderAuth = container(data=list_of_bytes(4096), slot=uint64)

DOMAINS = {
    "BEACON_PROPOSER": "00000000", "BEACON_ATTESTER": "01000000", "RANDAO": "02000000", "DEPOSIT": "03000000",
    "VOLUNTARY_EXIT": "04000000", "SELECTION_PROOF": "05000000", "AGGREGATE_AND_PROOF": "06000000",
    "SYNC_COMMITTEE": "07000000", "SYNC_COMMITTEE_SELECTION_PROOF": "08000000",
    "CONTRIBUTION_AND_PROOF": "09000000", "BLS_TO_EXECUTION_CHANGE": "0a000000", "BEACON_BUILDER": "0b000000",
    "PTC_ATTESTER": "0c000000", "PROPOSER_PREFERENCES": "0d000000", "APPLICATION_BUILDER": "00000001",
    "BUILDER_REQUEST_AUTH": "0b000001",
}


def signing_root(object_root: bytes, domain: str, version: str, genesis_validators_root: str | None = None) -> str:
    """`domain` is a name of DOMAINS, `version` the fork's; without a genesis validators root it is zero."""
    network = ZERO if genesis_validators_root is None else raw(genesis_validators_root)
    fork_data = sha(raw(version).ljust(32, b"\0"), network)
    return "0x" + sha(object_root, raw(DOMAINS[domain]) + fork_data[:28]).hex()
