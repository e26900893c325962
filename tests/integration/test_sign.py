"""POST /api/v1/eth2/sign: every type of the remote signing API gives the signature of a root that is computed here.
Facts: signers.md sections 1, 2 and 4."""
import copy
import json
import os
import pathlib
import re

import pytest
import ssz
from sign_checks import epoch, exit_body, refused, shared, signature_of  # two of them are fixtures
from signer import EPOCH, GENESIS_ROOTS, ROOT, verifies
from signing_cases import BY_NAME, CASES, MAINNET, NEW, OLD, VERSION, filler, fork_info

VECTORS = pathlib.Path(os.environ.get("CHAMBER_VECTORS", ROOT.parent / "shared" / "vectors"))
EXAMPLES = VECTORS / "signing" / "web3signer-examples.json"
BLOCK, REGISTRATION = BY_NAME["BLOCK_V2 FULU"], BY_NAME["VALIDATOR_REGISTRATION"]

# ------------------------------------------------------------------------------------ what is signed

@pytest.mark.parametrize("name", BY_NAME)
def test_every_type_signs_the_root_of_its_object(shared, epoch, name):
    case = BY_NAME[name]
    body, root = case.body(epoch), case.signing_root(epoch)
    signature = signature_of(shared.sign(body))
    assert verifies(shared.pubkeys[0], root, signature)
    # The same under the root's name, in either spelling; it is the same message, so it may be signed again.
    assert signature_of(shared.sign(body | {"signingRoot": root})) == signature
    assert signature_of(shared.sign(body | {"signing_root": root.removeprefix("0x").upper()})) == signature


@pytest.mark.parametrize("name", [case.name for case in CASES if case.rule == "fork" and "by its" not in case.name])
def test_before_the_fork_epoch_the_previous_version_counts(shared, epoch, name):
    case = BY_NAME[name]
    root = case.signing_root(epoch, fork_epoch=epoch + 1)
    assert root != case.signing_root(epoch)
    assert verifies(shared.pubkeys[0], root, signature_of(shared.sign(case.body(epoch, fork_epoch=epoch + 1))))


@pytest.mark.parametrize("name", BY_NAME)
def test_a_root_that_is_not_the_objects_is_refused_and_leaves_no_trace(shared, epoch, name):
    case = BY_NAME[name]
    wrong = filler("another root")
    refused(shared.sign(case.body(epoch) | {"signingRoot": wrong}), 400, wrong, case.signing_root(epoch))
    assert shared.sign(case.body(epoch)).status == 200


@pytest.mark.parametrize("name", BY_NAME)
def test_every_byte_of_the_object_is_part_of_the_root(shared, epoch, name):
    """A field that is not hashed could be anything: each one is changed in turn, and the root is not the same then."""
    case = BY_NAME[name]
    root = case.signing_root(epoch)
    value = case.wrap(case.make(epoch))
    for place in leaves(case.make(epoch)):
        body = case.body(epoch) | {"signingRoot": root}
        body[case.member] = copy.deepcopy(value)
        thing = next(part for part in [body[case.member].get(key) for key in ("data", "block", "block_header")]
                     if isinstance(part, dict)) if value.keys() & {"version"} else body[case.member]
        if not change(thing, place):
            continue
        answer = shared.sign(body)
        ignored = case.type == "SYNC_COMMITTEE_MESSAGE" and place == ("slot",)  # only chooses the domain
        assert answer.status == (200 if ignored else 400), (place, answer)


def leaves(value, place=()):
    """The places of all texts and booleans in a value; of an array, those in its last element."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from leaves(part, (*place, name))
    elif isinstance(value, list):
        if value:
            yield from leaves(value[-1], (*place, -1))
    else:
        yield place


def change(value, place) -> bool:
    """Changes the leaf a little, so that it keeps its form; false where there is nothing in it."""
    for step in place[:-1]:
        value = value[step]
    leaf = value[place[-1]]
    if isinstance(leaf, bool):
        value[place[-1]] = not leaf
    elif leaf == "0x":
        return False
    elif leaf.startswith("0x"):
        value[place[-1]] = f"0x{int(leaf[2:4], 16) ^ 1:02x}{leaf[4:]}"
    else:
        value[place[-1]] = str(int(leaf) ^ 1)
    return True


def with_object(case, epoch: int, thing: dict) -> tuple[dict, str]:
    """A case's request for another object, and its root."""
    case = case._replace(make=lambda _: thing)
    return case.body(epoch), case.signing_root(epoch)


def check_signed(signer, request: tuple[dict, str]) -> None:
    body, root = request
    assert verifies(signer.pubkeys[0], root, signature_of(signer.sign(body | {"signingRoot": root})))


# Where trees grow: at powers of two, and progressive ones at 1, 1 + 4, 1 + 4 + 16, …
EDGES = [0, 1, 2, 3, 4, 5, 6, 20, 21, 22, 84, 85, 86]


@pytest.mark.parametrize("count", EDGES)
def test_lists_of_every_length_have_their_root(shared, epoch, count):
    block = BY_NAME["BLOCK"].make(epoch)
    block["body"]["attestations"] = [block["body"]["attestations"][0]] * count
    block["body"]["attester_slashings"][0]["attestation_1"]["attesting_indices"] = [str(i) for i in range(count)]
    check_signed(shared, with_object(BY_NAME["BLOCK"], epoch, block))
    bid = BY_NAME["EXECUTION_PAYLOAD_BID execution_payload_bid bare"]
    thing = bid.make(epoch) | {"blob_kzg_commitments": [filler(f"kzg {i}", 48) for i in range(count)]}
    check_signed(shared, with_object(bid, epoch, thing))
    envelope = BY_NAME["EXECUTION_PAYLOAD_ENVELOPE execution_payload_envelope bare"]
    thing = envelope.make(epoch)
    thing["payload"]["transactions"] = [filler("transaction", i) for i in range(count)]
    thing["payload"]["block_access_list"] = filler("accesses", 32 * count)
    thing["payload"]["extra_data"] = filler("extra", min(count, 32))
    check_signed(shared, with_object(envelope, epoch, thing))


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 255, 256, 257, 511, 512, 1279, 1280, 1281, 2047, 2048])
@pytest.mark.parametrize("name", ["bare, before Electra", "FULU", "GLOAS"])
def test_bitlists_of_every_length_have_their_root(shared, length, name):
    case = BY_NAME[f"AGGREGATE_AND_PROOF {name}"]
    ones = (1 << length + 1) - 1  # all set, and the one that ends the list
    for bits in [ones, 1 << length, ones // 3 | 1 << length]:
        thing = case.make(EPOCH)
        thing["aggregate"]["aggregation_bits"] = "0x" + bits.to_bytes(length // 8 + 1, "little").hex()
        check_signed(shared, with_object(case, EPOCH, thing))


def test_the_largest_block_of_the_first_fork_is_signed(shared, epoch):
    block = BY_NAME["BLOCK"].make(epoch)
    body = block["body"]
    vote = body["attestations"][0] | {"aggregation_bits": filler("bits", 256) + "01"}
    slashing = body["attester_slashings"][0]
    for half in slashing.values():
        half["attesting_indices"] = [str(2**64 - 1 - i) for i in range(2048)]
    body |= {"attestations": [vote] * 128, "attester_slashings": [slashing] * 2,
             "proposer_slashings": body["proposer_slashings"] * 16, "deposits": body["deposits"] * 16,
             "voluntary_exits": body["voluntary_exits"] * 16}
    check_signed(shared, with_object(BY_NAME["BLOCK"], epoch, block))


def test_a_payload_of_megabytes_is_signed(shared, epoch):
    case = BY_NAME["EXECUTION_PAYLOAD_ENVELOPE execution_payload_envelope wrapped"]
    thing = case.make(epoch)
    thing["payload"]["transactions"] = [filler(f"transaction {i}", 1500) for i in range(1500)]
    check_signed(shared, with_object(case, epoch, thing))


def test_keys_sign_for_themselves_only(shared, epoch):
    case = BY_NAME["RANDAO_REVEAL"]
    signatures = [signature_of(shared.sign(case.body(epoch), pubkey)) for pubkey in shared.pubkeys]
    for index, pubkey in enumerate(shared.pubkeys):
        assert verifies(pubkey, case.signing_root(epoch), signatures[index])
        assert not verifies(pubkey, case.signing_root(epoch), signatures[1 - index])


# --------------------------------------------------------------------------- published signing roots

def snake(value):
    """Two of the published examples have member names as no released API had."""
    if isinstance(value, dict):
        return {name if name == "signingRoot" else re.sub("(?<=[a-z0-9])[A-Z]", lambda m: "_" + m[0].lower(), name):
                snake(part) for name, part in value.items()}
    return [snake(part) for part in value] if isinstance(value, list) else value


MINIMAL_PRESET = ["BLOCK_V2 (ALTAIR)", "SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF"]
WRONG_AT_THE_SOURCE = {  # the folder's README.md says so, and what is right
    name: "0x1180bcb41bda522b3420274c6e4931c37ecf4eef99a57e4d04fc81e82b2ced40"
    for name in ["AGGREGATE_AND_PROOF_V2 (ELECTRA)", "AGGREGATE_AND_PROOF_V2 (FULU)"]}


@pytest.mark.parametrize("preset", ["mainnet", "minimal"])
def test_published_examples(start, tmp_path, preset):
    if not EXAMPLES.is_file():
        pytest.skip(f"{EXAMPLES} is not there")
    examples = {name: snake(body) for name, body in json.loads(EXAMPLES.read_text()).items()
                if (name in MINIMAL_PRESET) == (preset == "minimal")}
    assert len(examples) == (2 if preset == "minimal" else 23)
    # All examples are of this network; nothing is scheduled on it, so that they choose their forks themselves.
    network = tmp_path / "config.yaml"
    network.write_text(f"PRESET_BASE: {preset}\nCONFIG_NAME: examples\nSECONDS_PER_SLOT: 12\n"
                       "GENESIS_TIME: 1578009600\nGENESIS_FORK_VERSION: 0x00000001\nGENESIS_VALIDATORS_ROOT: "
                       "0x04700007fabc8282644aed6d1c7c9e21d38a03a0c4ba193f3afe428824b3a673\n")
    signer = start(keys=range(len(examples)), settings={"network": network})
    for pubkey, (name, body) in zip(signer.pubkeys, examples.items()):
        if name in WRONG_AT_THE_SOURCE:
            refused(signer.sign(body, pubkey), 400, body["signingRoot"], WRONG_AT_THE_SOURCE[name])
            body["signingRoot"] = WRONG_AT_THE_SOURCE[name]
        assert verifies(pubkey, body["signingRoot"], signature_of(signer.sign(body, pubkey))), name


# -------------------------------------------------------------------------------------- voluntary exits

EXIT_EPOCHS = {"PHASE0": 100, "ALTAIR": 80000, "BELLATRIX": 150000, "CAPELLA": 200000, "DENEB": 300000,
               "FULU": EPOCH}


def exit_root(body: dict, version: str) -> str:
    return ssz.signing_root(ssz.VoluntaryExit(body["voluntary_exit"]), "VOLUNTARY_EXIT", VERSION[version], MAINNET)


@pytest.mark.parametrize("at, previous, current, fork_epoch, unnamed, others", [
    # From Deneb on an exit is under Capella's version for ever (EIP-7044), whatever fork the client sends.
    ("FULU", "ELECTRA", "FULU", 411392, "CAPELLA", ["FULU"]),         # Prysm: the current fork
    ("FULU", "CAPELLA", "CAPELLA", EPOCH, "CAPELLA", []),             # Lighthouse: Capella twice
    ("FULU", "BELLATRIX", "CAPELLA", 194048, "CAPELLA", []),          # Lodestar: Capella's own fork
    ("FULU", "ELECTRA", "FULU", EPOCH + 1, "CAPELLA", ["ELECTRA"]),   # before the fork's epoch
    ("DENEB", "CAPELLA", "DENEB", 269568, "CAPELLA", ["DENEB"]),
    # An old exit on a chain that is beyond Deneb.
    ("PHASE0", "ELECTRA", "FULU", 411392, "CAPELLA", ["ELECTRA"]),
    # Before Deneb the version is that of the exit's epoch; Capella's too where the chain has it.
    ("CAPELLA", "BELLATRIX", "CAPELLA", 194048, "CAPELLA", []),
    ("BELLATRIX", "BELLATRIX", "CAPELLA", 194048, "BELLATRIX", ["CAPELLA"]),
    ("ALTAIR", "PHASE0", "ALTAIR", 74240, "ALTAIR", []),
    ("PHASE0", "PHASE0", "PHASE0", 0, "PHASE0", []),
])
def test_voluntary_exits_are_tolerant_of_what_clients_send(shared, at, previous, current, fork_epoch, unnamed, others):
    body = exit_body(EXIT_EPOCHS[at], previous, current, fork_epoch)
    assert verifies(shared.pubkeys[0], exit_root(body, unnamed), signature_of(shared.sign(body)))
    for version in [unnamed, *others]:
        root = exit_root(body, version)
        assert verifies(shared.pubkeys[0], root, signature_of(shared.sign(body | {"signingRoot": root})))
    for version in VERSION.keys() - {unnamed, *others}:
        root = exit_root(body, version)
        refused(shared.sign(body | {"signingRoot": root}), 400, root, exit_root(body, unnamed))


# ---------------------------------------------------------------------------------- numbers and networks

def test_highest_numbers_are_signed(start):
    """Slots and epochs are full 64-bit numbers. On a signer of its own: nothing is above them afterwards."""
    signer = start(keys=[0])
    top = 2**64 - 1
    randao = BY_NAME["RANDAO_REVEAL"]
    assert verifies(signer.pubkeys[0], randao.signing_root(top), signature_of(signer.sign(randao.body(top))))
    block = BY_NAME["BLOCK_V2 FULU"].body(EPOCH)
    block["beacon_block"]["block_header"]["slot"] = str(top)
    root = ssz.signing_root(ssz.Header(block["beacon_block"]["block_header"]), "BEACON_PROPOSER", NEW, MAINNET)
    assert verifies(signer.pubkeys[0], root, signature_of(signer.sign(block)))
    vote = BY_NAME["ATTESTATION"].body(EPOCH)
    vote["attestation"]["target"]["epoch"] = str(top)
    root = ssz.signing_root(ssz.AttestationData(vote["attestation"]), "BEACON_ATTESTER", NEW, MAINNET)
    assert verifies(signer.pubkeys[0], root, signature_of(signer.sign(vote)))
    vote["attestation"]["index"] = "1"
    refused(signer.sign(vote), 412, str(top))


def test_a_signer_of_another_network_counts_its_own_epochs(start):
    """Gnosis has 16 slots an epoch, genesis forks of its own, and refuses mainnet."""
    gnosis = "0xf5dcb5564e829aab27264b9becd5dfaa017085611224cb3036f573368dbb9d47"
    signer = start(keys=[0], settings={"network": "gnosis"})
    body = BLOCK.body(EPOCH)
    refused(signer.sign(body), 403, MAINNET)
    for slot, version in [(16 * EPOCH - 1, OLD), (16 * EPOCH, NEW)]:
        body["fork_info"] = fork_info(EPOCH, network=gnosis)
        body["beacon_block"]["block_header"]["slot"] = str(slot)
        root = ssz.signing_root(ssz.Header(body["beacon_block"]["block_header"]), "BEACON_PROPOSER", version, gnosis)
        assert verifies(signer.pubkeys[0], root, signature_of(signer.sign(body)))
    root = ssz.signing_root(ssz.Registration(REGISTRATION.make(0)), "APPLICATION_BUILDER", "0x00000064")
    assert verifies(signer.pubkeys[0], root, signature_of(signer.sign(REGISTRATION.body(0))))


def test_a_fork_info_where_none_is_needed_does_not_matter(shared):
    """Quirk 8 of section 4: registrations, deposits and builder requests belong to no fork."""
    for name in ["VALIDATOR_REGISTRATION", "DEPOSIT", "BUILDER_REQUEST_AUTH builder_request_auth wrapped"]:
        body = BY_NAME[name].body(EPOCH)
        signature = signature_of(shared.sign(body))
        for ignored in [fork_info(EPOCH), fork_info(EPOCH, network=GENESIS_ROOTS["hoodi"]), {"fork": 1}, None]:
            assert signature_of(shared.sign(body | {"fork_info": ignored})) == signature, name
