"""Every kind of signing request: its body for a given epoch, and the root that must be signed for it, which ssz.py
computes and not the product."""
import hashlib
import typing

import ssz
from signer import GENESIS_ROOTS

MAINNET = GENESIS_ROOTS["mainnet"]
VERSION = {name: f"0x{number:02x}000000" for number, name in enumerate(
    ["PHASE0", "ALTAIR", "BELLATRIX", "CAPELLA", "DENEB", "ELECTRA", "FULU", "GLOAS"])}
OLD, NEW = VERSION["ELECTRA"], VERSION["FULU"]


def filler(name: str, size: int = 32) -> str:
    """Bytes that differ from name to name, so that two fields that were swapped show."""
    return "0x" + (hashlib.sha256(name.encode()).digest() * (size // 32 + 1))[:size].hex()


def number(name: str) -> str:
    return str(int(filler(name, 8), 16))


def fork_info(epoch: int, previous: str = OLD, current: str = NEW, network: str = MAINNET) -> dict:
    return {"fork": {"previous_version": previous, "current_version": current, "epoch": str(epoch)},
            "genesis_validators_root": network}


# ------------------------------------------------------------------------------------------------ objects

def last_slot(epoch: int) -> str:
    return str(32 * epoch + 31)


def checkpoint(epoch: int, name: str) -> dict:
    return {"epoch": str(epoch), "root": filler(name)}


def attestation_data(epoch: int, slot: str | None = None) -> dict:
    return {"slot": slot or last_slot(epoch), "index": "3", "beacon_block_root": filler("head"),
            "source": checkpoint(epoch - 1, "source"), "target": checkpoint(epoch, "target")}


def header(epoch: int) -> dict:
    return {"slot": last_slot(epoch), "proposer_index": number("proposer"), "parent_root": filler("parent"),
            "state_root": filler("state"), "body_root": filler("body")}


def attestation(epoch: int) -> dict:
    return {"aggregation_bits": "0xa50b", "data": attestation_data(epoch), "signature": filler("attestation", 96)}


def signed_header(name: str) -> dict:
    return {"message": header(9) | {"state_root": filler(name)}, "signature": filler(name, 96)}


def indexed_attestation(count: int) -> dict:
    return {"attesting_indices": [number(f"index {i}") for i in range(count)], "data": attestation_data(7),
            "signature": filler("indexed", 96)}


def body_phase0() -> dict:
    deposit = {"proof": [filler(f"proof {i}") for i in range(33)],
               "data": deposit_message() | {"signature": filler("deposit", 96)}}
    del deposit["data"]["genesis_fork_version"]
    return {"randao_reveal": filler("randao", 96),
            "eth1_data": {"deposit_root": filler("deposits"), "deposit_count": "5", "block_hash": filler("eth1")},
            "graffiti": filler("graffiti"),
            "proposer_slashings": [{"signed_header_1": signed_header("one"), "signed_header_2": signed_header("two")}],
            "attester_slashings": [{"attestation_1": indexed_attestation(5), "attestation_2": indexed_attestation(3)}],
            "attestations": [attestation(8), attestation(9), attestation(10)],
            "deposits": [deposit],
            "voluntary_exits": [{"message": {"epoch": "4", "validator_index": "6"}, "signature": filler("exit", 96)}]}


def body_altair() -> dict:
    return body_phase0() | {"sync_aggregate": {"sync_committee_bits": filler("sync bits", 64),
                                               "sync_committee_signature": filler("sync", 96)}}


def block_with(body: dict, epoch: int) -> dict:
    block = header(epoch) | {"body": body}
    del block["body_root"]
    return block


def aggregate_and_proof(epoch: int, electra: bool) -> dict:
    aggregate = attestation(epoch)
    if electra:
        aggregate |= {"aggregation_bits": filler("bits", 40) + "01", "committee_bits": filler("committees", 8)}
    return {"aggregator_index": number("aggregator"), "aggregate": aggregate,
            "selection_proof": filler("selection", 96)}


def contribution_and_proof(epoch: int) -> dict:
    return {"aggregator_index": number("aggregator"), "selection_proof": filler("selection", 96),
            "contribution": {"slot": last_slot(epoch), "beacon_block_root": filler("head"),
                             "subcommittee_index": "2", "aggregation_bits": filler("sync bits", 16),
                             "signature": filler("contribution", 96)}}


def deposit_message() -> dict:
    return {"pubkey": filler("pubkey", 48), "withdrawal_credentials": filler("credentials"),
            "amount": "32000000000", "genesis_fork_version": "0x10000910"}


def registration() -> dict:
    return {"fee_recipient": filler("fees", 20), "gas_limit": "18446744073709551615", "timestamp": "1763800000",
            "pubkey": filler("pubkey", 48)}


def bls_change() -> dict:
    return {"validator_index": number("validator"), "from_bls_pubkey": filler("pubkey", 48),
            "to_execution_address": filler("address", 20)}


def bid(epoch: int) -> dict:
    names = ["parent_block_hash", "parent_block_root", "block_hash", "prev_randao", "execution_requests_root"]
    return {name: filler(name) for name in names} | {
        name: number(name) for name in ["gas_limit", "builder_index", "value", "execution_payment"]} | {
        "fee_recipient": filler("fees", 20), "slot": last_slot(epoch),
        "blob_kzg_commitments": [filler(f"kzg {i}", 48) for i in range(7)]}


def payload(epoch: int) -> dict:
    names = ["parent_hash", "state_root", "receipts_root", "prev_randao", "block_hash"]
    numbers = ["block_number", "gas_limit", "gas_used", "timestamp", "blob_gas_used", "excess_blob_gas"]
    return {name: filler(name) for name in names} | {name: number(name) for name in numbers} | {
        "fee_recipient": filler("fees", 20), "logs_bloom": filler("bloom", 256), "extra_data": "0xabcdef",
        "base_fee_per_gas": str(2**255 + 12345), "transactions": [filler("one", 1000), "0x", filler("two", 31)],
        "withdrawals": [{"index": str(i), "validator_index": "3", "address": filler("address", 20),
                         "amount": number(f"amount {i}")} for i in range(6)],
        "block_access_list": filler("accesses", 333), "slot_number": last_slot(epoch)}


def execution_requests() -> dict:
    key, address, signature = filler("pubkey", 48), filler("address", 20), filler("request", 96)
    credentials = {"pubkey": key, "withdrawal_credentials": filler("credentials"), "amount": "1",
                   "signature": signature}
    return {"deposits": [credentials | {"index": "9"}] * 2,
            "withdrawals": [{"source_address": address, "validator_pubkey": key, "amount": "2"}],
            "consolidations": [{"source_address": address, "source_pubkey": key, "target_pubkey": filler("t", 48)}],
            "builder_deposits": [], "builder_exits": [{"source_address": address, "pubkey": key}] * 6}


def envelope(epoch: int) -> dict:
    return {"payload": payload(epoch), "execution_requests": execution_requests(), "builder_index": "11",
            "beacon_block_root": filler("head"), "parent_beacon_block_root": filler("parent")}


def payload_attestation(epoch: int) -> dict:
    return {"beacon_block_root": filler("head"), "slot": last_slot(epoch), "payload_present": True,
            "blob_data_available": False}


def preferences(epoch: int) -> dict:
    return {"dependent_root": filler("dependent"), "proposal_slot": last_slot(epoch), "validator_index": "17",
            "fee_recipient": filler("fees", 20), "target_gas_limit": "60000000"}


def builder_auth(epoch: int) -> dict:
    return {"data": filler("auth", 4096), "slot": last_slot(epoch)}


# -------------------------------------------------------------------------------------------------- cases

class Case(typing.NamedTuple):
    name: str
    type: str
    member: str
    make: typing.Callable[[int], dict]  # the object at an epoch
    root: typing.Callable[[dict], bytes]
    domain: str
    wrap: typing.Callable[[dict], dict] = lambda thing: thing  # from the object to the member's value
    rule: str = "fork"  # where the domain's version comes from
    current: str = NEW

    def body(self, epoch: int, fork_epoch: int | None = None) -> dict:
        body = {"type": self.type, self.member: self.wrap(self.make(epoch))}
        if self.rule == "fork":
            body["fork_info"] = fork_info(epoch if fork_epoch is None else fork_epoch, current=self.current)
        return body

    def signing_root(self, epoch: int, fork_epoch: int | None = None) -> str:
        thing = self.make(epoch)
        root = self.root(thing)
        if self.rule == "deposit":
            return ssz.signing_root(root, self.domain, thing["genesis_fork_version"])
        if self.rule == "builder":
            return ssz.signing_root(root, self.domain, VERSION["PHASE0"])
        if self.rule == "genesis":
            return ssz.signing_root(root, self.domain, VERSION["PHASE0"], MAINNET)
        is_new = fork_epoch is None or epoch >= fork_epoch
        return ssz.signing_root(root, self.domain, self.current if is_new else OLD, MAINNET)


def wrapped(version: str, member: str = "data"):
    return lambda thing: {"version": version, member: thing}


def block_cases():
    whole = {"PHASE0": (body_phase0, ssz.BlockPhase0), "ALTAIR": (body_altair, ssz.BlockAltair)}
    yield Case("BLOCK", "BLOCK", "block", lambda epoch: block_with(body_phase0(), epoch), ssz.BlockPhase0,
               "BEACON_PROPOSER")
    for version, (body, kind) in whole.items():
        yield Case(f"BLOCK_V2 {version}", "BLOCK_V2", "beacon_block",
                   lambda epoch, body=body: block_with(body(), epoch), kind, "BEACON_PROPOSER",
                   wrapped(version, "block"))
    for version in ["BELLATRIX", "CAPELLA", "DENEB", "ELECTRA", "FULU", "GLOAS", "HEZE"]:
        yield Case(f"BLOCK_V2 {version}", "BLOCK_V2", "beacon_block", header, ssz.Header, "BEACON_PROPOSER",
                   wrapped(version, "block_header"))


def aggregate_cases():
    phase0 = ssz.aggregate_and_proof(ssz.Attestation)
    electra = ssz.aggregate_and_proof(ssz.AttestationElectra)
    gloas = ssz.aggregate_and_proof(ssz.AttestationGloas)
    kinds = dict.fromkeys(["PHASE0", "ALTAIR", "BELLATRIX", "CAPELLA", "DENEB"], phase0) | {
        "ELECTRA": electra, "FULU": electra, "GLOAS": gloas, "HEZE": gloas}

    def case(kind: str, name: str, root, wrap=lambda thing: thing, current: str = NEW) -> Case:
        return Case(f"{kind} {name}", kind, "aggregate_and_proof",
                    lambda epoch: aggregate_and_proof(epoch, root is not phase0), root, "AGGREGATE_AND_PROOF", wrap,
                    current=current)

    for kind in ["AGGREGATE_AND_PROOF", "AGGREGATE_AND_PROOF_V2"]:
        yield case(kind, "bare, before Electra", phase0)
        yield case(kind, "bare, Electra", electra)
        yield case(kind, "bare, Gloas by its fork", gloas, current=VERSION["GLOAS"])
        for version, root in kinds.items():
            yield case(kind, version, root, wrapped(version))


def gloas_cases():
    """Both spellings of the type and of the member, wrapped and bare, where clients differ."""
    kinds = [
        (["EXECUTION_PAYLOAD_BID"], ["execution_payload_bid"], bid, ssz.Bid, "BEACON_BUILDER", "fork"),
        (["EXECUTION_PAYLOAD_ENVELOPE"], ["execution_payload_envelope"], envelope, ssz.Envelope, "BEACON_BUILDER",
         "fork"),
        (["PAYLOAD_ATTESTATION_MESSAGE", "PAYLOAD_ATTESTATION"],
         ["payload_attestation_message", "payload_attestation_data"], payload_attestation,
         ssz.PayloadAttestationData, "PTC_ATTESTER", "fork"),
        (["PROPOSER_PREFERENCES"], ["proposer_preferences"], preferences, ssz.ProposerPreferences,
         "PROPOSER_PREFERENCES", "fork"),
        (["BUILDER_REQUEST_AUTH", "REQUEST_AUTH"], ["builder_request_auth", "request_auth"], builder_auth,
         ssz.BuilderAuth, "BUILDER_REQUEST_AUTH", "builder"),
    ]
    for types, members, make, root, domain, rule in kinds:
        for kind in types:
            for member in members:
                case = Case(f"{kind} {member} bare", kind, member, make, root, domain, rule=rule,
                            current=VERSION["GLOAS"])
                yield case
                yield case._replace(name=f"{kind} {member} wrapped", wrap=wrapped("GLOAS"))


def plain_cases():
    yield Case("ATTESTATION", "ATTESTATION", "attestation",
               lambda epoch: attestation_data(epoch, slot=str(32 * (epoch + 3))), ssz.AttestationData,
               "BEACON_ATTESTER")
    yield Case("AGGREGATION_SLOT", "AGGREGATION_SLOT", "aggregation_slot", lambda epoch: {"slot": last_slot(epoch)},
               lambda thing: ssz.uint64(thing["slot"]), "SELECTION_PROOF")
    yield Case("RANDAO_REVEAL", "RANDAO_REVEAL", "randao_reveal", lambda epoch: {"epoch": str(epoch)},
               lambda thing: ssz.uint64(thing["epoch"]), "RANDAO")
    yield Case("SYNC_COMMITTEE_MESSAGE", "SYNC_COMMITTEE_MESSAGE", "sync_committee_message",
               lambda epoch: {"beacon_block_root": filler("head"), "slot": last_slot(epoch)},
               lambda thing: ssz.bytes32(thing["beacon_block_root"]), "SYNC_COMMITTEE")
    yield Case("SYNC_COMMITTEE_SELECTION_PROOF", "SYNC_COMMITTEE_SELECTION_PROOF", "sync_aggregator_selection_data",
               lambda epoch: {"slot": last_slot(epoch), "subcommittee_index": "3"}, ssz.SyncSelection,
               "SYNC_COMMITTEE_SELECTION_PROOF")
    yield Case("SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF", "SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF",
               "contribution_and_proof", contribution_and_proof, ssz.ContributionAndProof, "CONTRIBUTION_AND_PROOF")
    yield Case("DEPOSIT", "DEPOSIT", "deposit", lambda _: deposit_message(), ssz.DepositMessage, "DEPOSIT",
               rule="deposit")
    yield Case("VALIDATOR_REGISTRATION", "VALIDATOR_REGISTRATION", "validator_registration", lambda _: registration(),
               ssz.Registration, "APPLICATION_BUILDER", rule="builder")
    for member in ["bls_to_execution_change", "BLS_TO_EXECUTION_CHANGE"]:
        yield Case(f"BLS_TO_EXECUTION_CHANGE {member}", "BLS_TO_EXECUTION_CHANGE", member, lambda _: bls_change(),
                   ssz.BlsChange, "BLS_TO_EXECUTION_CHANGE", rule="genesis")


CASES = [*plain_cases(), *block_cases(), *aggregate_cases(), *gloas_cases()]
BY_NAME = {case.name: case for case in CASES}
