"""POST /api/v1/eth2/sign: every type of the remote signing API gives the signature of a root that is computed here,
and whatever is wrong with a request gives a code and a reason, and leaves no trace. Facts: signers.md sections 1, 2
and 4."""
import copy
import itertools
import json
import os
import pathlib
import re

import pytest
import ssz
import wire
from shared_signer import shared_signer
from signer import EPOCH, GENESIS_ROOTS, ROOT, verifies
from signing_cases import BY_NAME, CASES, MAINNET, NEW, OLD, VERSION, filler, fork_info, last_slot

VECTORS = pathlib.Path(os.environ.get("CHAMBER_VECTORS", ROOT.parent / "shared" / "vectors"))
EXAMPLES = VECTORS / "signing" / "web3signer-examples.json"
JSON, TEXT = "application/json; charset=utf-8", "text/plain; charset=utf-8"
FAR_KEY = "0x" + "ab" * 48


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One signer for all cases here: they take ever higher epochs, so that none is in another's way."""
    yield from shared_signer(tmp_path_factory, keys=[0, 1])


@pytest.fixture
def epoch(epochs=itertools.count(EPOCH, 10)):
    """An epoch that no other test signs in."""
    return next(epochs)


def signature_of(answer) -> str:
    assert answer.status == 200, answer
    assert list(answer.json) == ["signature"]
    return answer.json["signature"]


def refused(answer, status: int, *parts: str) -> str:
    """Holds an error to its exact shape, and its message to the parts that it must name."""
    assert answer.status == status, answer
    assert answer.headers["Content-Type"] == JSON
    assert answer.json == {"code": status, "message": answer.message}
    for part in parts:
        assert part in answer.message, (part, answer.message)
    return answer.message


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


def exit_body(epoch: int, previous: str, current: str, fork_epoch: int) -> dict:
    return {"type": "VOLUNTARY_EXIT", "voluntary_exit": {"epoch": str(epoch), "validator_index": "77"},
            "fork_info": fork_info(fork_epoch, VERSION[previous], VERSION[current])}


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


# -------------------------------------------------------------------------- how the answer is written

@pytest.mark.parametrize("accept, content_type", [
    (None, TEXT),  # Teku, Prysm
    ("text/plain", TEXT),  # Vero
    ("application/json", JSON),  # Lighthouse, Nimbus, Lodestar
    ("*/*", JSON),  # curl, reqwest
    ("application/*", JSON),
    ("Application/JSON", JSON),
    ("application/json; charset=utf-8", JSON),
    ("application/json;q=0.1, text/plain;q=0.9", JSON),  # named is enough, as in Web3Signer
    ("text/plain;q=0.5 , application/json", JSON),
    ("text/html, */*;q=0.8", JSON),
    ("text/html", TEXT),
    ("text/*", TEXT),
    ("application/octet-stream", TEXT),
    ("application/jsonp", TEXT),
    ("application/problem+json", TEXT),
    ("text/plain; profile=application/json", TEXT),  # a parameter names nothing
    (",;, ,", TEXT),
    ("", TEXT),
])
def test_accept_chooses_json_or_bare_text(shared, accept, content_type):
    body = BY_NAME["RANDAO_REVEAL"].body(EPOCH)
    headers = {} if accept is None else {"Accept": accept}
    answer = shared.post(f"/api/v1/eth2/sign/{shared.pubkeys[0]}", body, headers=headers)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == content_type
    pattern = rb'\{"signature":"0x[0-9a-f]{192}"\}' if content_type == JSON else rb"0x[0-9a-f]{192}"
    assert re.fullmatch(pattern, answer.body), answer  # nothing around it, above all no newline
    assert answer.headers["Content-Length"] == str(len(answer.body))


def test_several_accept_fields_count_as_one(shared):
    path = f"/api/v1/eth2/sign/{shared.pubkeys[0]}"
    body = json.dumps(BY_NAME["RANDAO_REVEAL"].body(EPOCH)).encode()
    with wire.Wire(shared.port) as connection:
        fields = ["Accept: text/plain", "Accept: application/json"]
        assert connection.send(wire.request("POST", path, body, fields)).response().field("Content-Type") == JSON


@pytest.mark.parametrize("accept", [None, "text/plain", "application/json"])
def test_errors_are_json_whatever_is_accepted(shared, accept):
    refused(shared.sign({}, accept=accept), 400, "type")


# ------------------------------------------------------------------- what differs and is understood

@pytest.mark.parametrize("spell", [
    lambda key: key, lambda key: key[2:], lambda key: key.upper(), lambda key: "0x" + key[2:].upper(),
    lambda key: key[2:].upper()], ids=["0x", "bare", "0X and upper case", "upper case", "bare upper case"])
def test_public_keys_in_the_path_have_any_case_and_perhaps_0x(shared, spell):
    assert shared.sign(BY_NAME["RANDAO_REVEAL"].body(EPOCH), spell(shared.pubkeys[1])).status == 200


@pytest.mark.parametrize("name", BY_NAME)
def test_numbers_as_integers_hex_bare_or_upper_and_unknown_members_change_nothing(shared, epoch, name):
    case = BY_NAME[name]
    signature = signature_of(shared.sign(case.body(epoch)))

    def rewrite(value, hexa):
        if isinstance(value, dict):
            return {key: rewrite(part, hexa) for key, part in value.items()} | {"unknown": [{"of": None}]}
        if isinstance(value, list):
            return [rewrite(part, hexa) for part in value]
        if isinstance(value, str) and value.startswith("0x"):
            return hexa(value)
        is_number = isinstance(value, str) and value.isdecimal() and int(value) < 2**63
        return int(value) if is_number else value

    for hexa in (lambda text: text[2:], lambda text: text[2:].upper(), lambda text: "0X" + text[2:].upper()):
        assert signature_of(shared.sign(rewrite(case.body(epoch), hexa))) == signature
    assert signature_of(shared.sign(case.body(epoch) | {"type": case.type.lower()})) == signature
    assert signature_of(shared.sign(case.body(epoch) | {"type": case.type.title()})) == signature


@pytest.mark.parametrize("content_type", [None, "application/json", "application/json; charset=utf-8", "text/plain",
                                          "application/x-www-form-urlencoded", "application/octet-stream"])
def test_the_body_is_json_whatever_its_content_type_says(shared, content_type):
    headers = {"Content-Type": content_type} if content_type else {}
    assert shared.post(f"/api/v1/eth2/sign/{shared.pubkeys[0]}", BY_NAME["RANDAO_REVEAL"].body(EPOCH),
                       headers=headers).status == 200


def test_highest_numbers_are_signed(shared, start):
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


def test_the_longest_body_is_signed_and_one_byte_more_is_413(start):
    signer = start(keys=[0], settings={"server.max_body_bytes": 65536})
    text = json.dumps(RANDAO.body(EPOCH))
    path = f"/api/v1/eth2/sign/{signer.pubkeys[0]}"
    whole = text + " " * (65536 - len(text))
    assert signer.post(path, whole).status == 200
    refused(signer.post(path, whole + " "), 413, "max_body_bytes")
    with wire.Wire(signer.port) as connection:  # the same where the length is not said beforehand
        chunks = ["Transfer-Encoding: chunked"]
        sent = wire.request("POST", path, wire.chunked(whole.encode(), 5000), chunks)
        assert connection.send(sent).response().status == 200
        sent = wire.request("POST", path, wire.chunked(whole.encode() + b" ", 5000), chunks)
        assert connection.send(sent).response().status == 413
        assert connection.is_closed()


def test_a_fork_info_where_none_is_needed_does_not_matter(shared):
    """Quirk 8 of section 4: registrations, deposits and builder requests belong to no fork."""
    for name in ["VALIDATOR_REGISTRATION", "DEPOSIT", "BUILDER_REQUEST_AUTH builder_request_auth wrapped"]:
        body = BY_NAME[name].body(EPOCH)
        signature = signature_of(shared.sign(body))
        for ignored in [fork_info(EPOCH), fork_info(EPOCH, network=GENESIS_ROOTS["hoodi"]), {"fork": 1}, None]:
            assert signature_of(shared.sign(body | {"fork_info": ignored})) == signature, name


# ------------------------------------------------------------------------------------- what is refused

VOTE, BLOCK = BY_NAME["ATTESTATION"], BY_NAME["BLOCK_V2 FULU"]
RANDAO, REGISTRATION = BY_NAME["RANDAO_REVEAL"], BY_NAME["VALIDATOR_REGISTRATION"]


def without(body: dict, *path) -> dict:
    return with_value(body, *path, delete=True)


def with_value(body: dict, *path, value=None, delete=False) -> dict:
    body = copy.deepcopy(body)
    inner = body
    for step in path[:-1]:
        inner = inner[step]
    if delete:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return body


def every_member(body: dict, path=()):
    for name, value in body.items():
        if name not in ("type", "version"):
            yield (*path, name)
        if isinstance(value, dict):
            yield from every_member(value, (*path, name))


STRICT = {name: BY_NAME[name].body(EPOCH) for name in [
    "ATTESTATION", "BLOCK", "BLOCK_V2 ALTAIR", "BLOCK_V2 FULU", "AGGREGATION_SLOT", "RANDAO_REVEAL",
    "AGGREGATE_AND_PROOF bare, Electra", "AGGREGATE_AND_PROOF_V2 FULU", "AGGREGATE_AND_PROOF_V2 GLOAS",
    "SYNC_COMMITTEE_MESSAGE", "SYNC_COMMITTEE_SELECTION_PROOF", "SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF", "DEPOSIT",
    "VALIDATOR_REGISTRATION", "BLS_TO_EXECUTION_CHANGE bls_to_execution_change",
    "EXECUTION_PAYLOAD_BID execution_payload_bid wrapped",
    "EXECUTION_PAYLOAD_ENVELOPE execution_payload_envelope wrapped",
    "PAYLOAD_ATTESTATION_MESSAGE payload_attestation_message wrapped",
    "PROPOSER_PREFERENCES proposer_preferences wrapped", "BUILDER_REQUEST_AUTH builder_request_auth wrapped",
]} | {"VOLUNTARY_EXIT": exit_body(EPOCH, "ELECTRA", "FULU", 411392)}


@pytest.mark.parametrize("name", STRICT)
def test_every_member_is_needed_and_named_when_it_is_missing_null_or_of_another_kind(shared, name):
    body = STRICT[name]
    for path in every_member(body):
        if path[-1] == "committee_bits" and "bare" in name:
            continue  # without it the object is one from before Electra
        if path[-1] == "data" and len(path) == 2 and "wrapped" in name or path[-2:] == ("aggregate_and_proof", "data"):
            continue  # without it the object is taken for a bare one, and its first member is missing
        for wrong in [without(body, *path), with_value(body, *path, value=None),
                      with_value(body, *path, value=[]), with_value(body, *path, value=1.5)]:
            if isinstance(wrong, dict) and is_list(body, path):
                continue
            refused(shared.sign(wrong), 400, path[-1])


def is_list(body, path) -> bool:
    for step in path:
        body = body[step]
    return isinstance(body, list)


@pytest.mark.parametrize("value", [-1, 2**64, 2**64 - 1 + 2**70, 1.0, 1e3, True, "", "-1", "+1", "1.0", "1e3", "0x10",
                                   " 1", "1 ", "18446744073709551616", "99999999999999999999999", "١", None, [], {}])
@pytest.mark.parametrize("path", [("attestation", "target", "epoch"), ("attestation", "slot"),
                                  ("fork_info", "fork", "epoch")])
def test_what_is_no_64_bit_number_is_refused(shared, path, value):
    message = refused(shared.sign(with_value(VOTE.body(EPOCH), *path, value=value)), 400)
    assert ".".join(path) in message or "number out of range" in message  # which JSON itself cannot hold


@pytest.mark.parametrize("value", ["", "0x", "0x12", filler("long", 33), filler("short", 31), filler("odd")[:-1],
                                   "0x" + "zz" * 32, "0x0x" + "00" * 31, " " + filler("space")[1:],
                                   filler("newline")[:-1] + "\n", 5, 0, True, None, [], {}])
@pytest.mark.parametrize("path", [("attestation", "beacon_block_root"), ("attestation", "source", "root"),
                                  ("fork_info", "genesis_validators_root"), ("signingRoot",)])
def test_what_is_no_root_is_refused(shared, path, value):
    if path == ("signingRoot",) and value is None:
        return  # as if it were not there
    refused(shared.sign(with_value(VOTE.body(EPOCH), *path, value=value)), 400, ".".join(path))


@pytest.mark.parametrize("value", ["0x", "0x000000", "0x0000000000", "6", "0xgg000000", 6, None])
@pytest.mark.parametrize("member", ["previous_version", "current_version"])
def test_what_is_no_fork_version_is_refused(shared, member, value):
    body = with_value(RANDAO.body(EPOCH), "fork_info", "fork", member, value=value)
    refused(shared.sign(body), 400, f"fork_info.fork.{member}")


@pytest.mark.parametrize("value", ["", "ATTEST", "ATTESTATIONS", "ATTESTATION ", "ATTESTATION\x00", "BLOCK_V3", "GENERIC",
                                   "PROOF_OF_VALIDATION", "ATTESTATİON", 3, None, [], {}])
def test_an_unknown_type_is_refused(shared, value):
    refused(shared.sign(VOTE.body(EPOCH) | {"type": value}), 400)
    body = VOTE.body(EPOCH)
    del body["type"]
    refused(shared.sign(body), 400, "type", "missing")


@pytest.mark.parametrize("rename", [("type", "Type"), ("attestation", "Attestation"), ("fork_info", "forkInfo"),
                                    ("fork_info", "Fork_Info")])
def test_member_names_have_one_case(shared, rename):
    old, new = rename
    body = VOTE.body(EPOCH)
    body[new] = body.pop(old)
    refused(shared.sign(body), 400, old, "missing")


def test_a_type_needs_its_own_object(shared):
    refused(shared.sign(VOTE.body(EPOCH) | {"type": "BLOCK_V2"}), 400, "beacon_block", "missing")
    refused(shared.sign(BLOCK.body(EPOCH) | {"type": "BLOCK"}), 400, "block", "missing")
    refused(shared.sign(RANDAO.body(EPOCH) | {"type": "AGGREGATION_SLOT"}), 400, "aggregation_slot", "missing")


@pytest.mark.parametrize("version", ["fulu", "Fulu", "", "PHASE1", "FULU ", 7, None])
def test_versions_are_upper_case_names_of_forks(shared, version):
    refused(shared.sign(with_value(BLOCK.body(EPOCH), "beacon_block", "version", value=version)), 400,
            "beacon_block.version")


def test_blocks_stand_in_the_shape_of_their_fork(shared):
    whole, only_header = BY_NAME["BLOCK_V2 ALTAIR"].body(EPOCH), BLOCK.body(EPOCH)
    refused(shared.sign(with_value(whole, "beacon_block", "version", value="BELLATRIX")), 400,
            "beacon_block.block_header", "missing")
    refused(shared.sign(with_value(only_header, "beacon_block", "version", value="ALTAIR")), 400,
            "beacon_block.block", "missing")
    refused(shared.sign(with_value(whole, "beacon_block", "version", value="PHASE0") | {"signingRoot": BY_NAME[
        "BLOCK_V2 ALTAIR"].signing_root(EPOCH)}), 400, "signingRoot")  # hashed as what it says it is


def test_gloas_types_have_no_earlier_version(shared):
    for case in CASES:
        if "wrapped" in case.name:
            refused(shared.sign(with_value(case.body(EPOCH), case.member, "version", value="FULU")), 400,
                    f"{case.member}.version")
    bid = BY_NAME["EXECUTION_PAYLOAD_BID execution_payload_bid wrapped"].body(EPOCH)
    bid["execution_payload_bid"]["version"] = "HEZE"  # has a field more, which is not known here
    refused(shared.sign(bid), 400, "execution_payload_bid.version")


def test_an_object_under_two_names_is_refused(shared):
    for name, other in [("PAYLOAD_ATTESTATION payload_attestation_data bare", "payload_attestation_message"),
                        ("BUILDER_REQUEST_AUTH request_auth bare", "builder_request_auth")]:
        case = BY_NAME[name]
        body = case.body(EPOCH)
        refused(shared.sign(body | {other: body[case.member]}), 400, "given under two names")


def test_two_spellings_of_the_root_that_differ_are_refused(shared):
    body, root = RANDAO.body(EPOCH), RANDAO.signing_root(EPOCH)
    assert shared.sign(body | {"signingRoot": root, "signing_root": root}).status == 200
    refused(shared.sign(body | {"signingRoot": root, "signing_root": filler("other")}), 400, "signing_root")
    refused(shared.sign(body | {"signingRoot": filler("other"), "signing_root": root}), 400, "signing_root")


@pytest.mark.parametrize("text, reason", [
    ("", "JSON"), (" ", "JSON"), ("{", "JSON"), ("}", "JSON"), ("null", "not an object"), ("[]", "not an object"),
    ('"ATTESTATION"', "not an object"), ("5", "not an object"), ("{}", "type"), ("not json", "JSON"),
    ('{"type":"RANDAO_REVEAL",}', "JSON"), ("{'type':'RANDAO_REVEAL'}", "JSON"), ('{"type":NaN}', "JSON"),
    ('{"type":"\\u0000"}', "JSON"), ('{"type":"\xff"}'.encode("latin-1"), "UTF-8"),
    (b"\xef\xbb\xbf{}", "JSON"), ("[" * 3000 + "]" * 3000, "JSON"),
])
def test_what_is_no_json_object_is_refused(shared, text, reason):
    refused(shared.post(f"/api/v1/eth2/sign/{shared.pubkeys[0]}", text), 400, reason)


@pytest.mark.parametrize("old, new", [
    ('"randao_reveal":', '"randao_reveal":{"epoch":"1"},"randao_reveal":'),
    ('"type":', '"type":"ATTESTATION","type":'),
    ('"epoch":', '"epoch":"5","epoch":'),
    ('"genesis_validators_root":', f'"genesis_validators_root":"{MAINNET}","genesis_validators_root":'),
])
def test_members_that_stand_twice_are_refused(shared, old, new):
    """Two readers of one message must not see two messages."""
    text = json.dumps(RANDAO.body(EPOCH)).replace('": ', '":').replace(old, new, 1)
    refused(shared.post(f"/api/v1/eth2/sign/{shared.pubkeys[0]}", text), 400, "the same name")


def test_something_behind_the_object_is_refused(shared):
    text = json.dumps(RANDAO.body(EPOCH))
    for more in ["{}", text, "x", "\x00"]:
        refused(shared.post(f"/api/v1/eth2/sign/{shared.pubkeys[0]}", text + more), 400, "JSON")
    assert shared.post(f"/api/v1/eth2/sign/{shared.pubkeys[0]}", f"\r\n\t {text} \n").status == 200


@pytest.mark.parametrize("name, path, value", [
    ("ATTESTATION", ("attestation",), "0x00"),
    ("AGGREGATE_AND_PROOF bare, before Electra", ("aggregate_and_proof", "aggregate", "aggregation_bits"), "0x"),
    ("AGGREGATE_AND_PROOF bare, before Electra", ("aggregate_and_proof", "aggregate", "aggregation_bits"), "0xff00"),
    ("AGGREGATE_AND_PROOF bare, before Electra", ("aggregate_and_proof", "aggregate", "aggregation_bits"),
     "0x" + "00" * 256 + "02"),  # 2049 bits, one over the limit
    ("AGGREGATE_AND_PROOF bare, Electra", ("aggregate_and_proof", "aggregate", "committee_bits"), "0xff"),
    ("AGGREGATE_AND_PROOF bare, Electra", ("aggregate_and_proof", "aggregate", "aggregation_bits"),
     "0x" + "00" * 16384 + "02"),
    ("SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF", ("contribution_and_proof", "contribution", "aggregation_bits"), "0x01"),
    ("BLOCK", ("block", "body", "proposer_slashings"), [{}] * 17),
    ("BLOCK", ("block", "body", "deposits", 0, "proof"), [filler("proof")] * 32),
    ("BLOCK", ("block", "body", "attester_slashings", 0, "attestation_1", "attesting_indices"), ["1"] * 2049),
    ("BUILDER_REQUEST_AUTH builder_request_auth wrapped", ("builder_request_auth", "data", "data"),
     filler("auth", 4097)),
    ("PAYLOAD_ATTESTATION_MESSAGE payload_attestation_message bare",
     ("payload_attestation_message", "payload_present"), "true"),
    ("PAYLOAD_ATTESTATION_MESSAGE payload_attestation_message bare",
     ("payload_attestation_message", "payload_present"), 1),
    ("EXECUTION_PAYLOAD_ENVELOPE execution_payload_envelope wrapped",
     ("execution_payload_envelope", "data", "payload", "base_fee_per_gas"), str(2**256)),
])
def test_lengths_and_limits_of_ssz_hold(shared, name, path, value):
    last = next(step for step in reversed(path) if isinstance(step, str))
    refused(shared.sign(with_value(BY_NAME[name].body(EPOCH), *path, value=value)), 400, last)


@pytest.mark.parametrize("bits", ["0x" + "00" * 256 + "01", "0x01"])
def test_the_longest_and_the_shortest_bitlist_are_signed(shared, bits):
    case = BY_NAME["AGGREGATE_AND_PROOF bare, before Electra"]
    body = with_value(case.body(EPOCH), "aggregate_and_proof", "aggregate", "aggregation_bits", value=bits)
    root = ssz.signing_root(case.root(body["aggregate_and_proof"]), case.domain, NEW, MAINNET)
    assert verifies(shared.pubkeys[0], root, signature_of(shared.sign(body)))


# ------------------------------------------------------------------------------------ keys and networks

def test_a_key_that_is_not_loaded_is_404(shared):
    assert refused(shared.sign(RANDAO.body(EPOCH), FAR_KEY), 404) == "the public key is not loaded"


@pytest.mark.parametrize("key", ["0x", "0x12", FAR_KEY[:-1], FAR_KEY[:-2], FAR_KEY + "ab", "0x" + "zz" * 48,
                                 "%30x" + "ab" * 48, "..", "0x" + "ab" * 47 + "a%20", "-" + FAR_KEY[1:]])
def test_what_is_no_public_key_is_400(shared, key):
    refused(shared.sign(RANDAO.body(EPOCH), key), 400, "public key")


@pytest.mark.parametrize("path", ["/api/v1/eth2/sign", "/api/v1/eth2/sign/", "/api/v1/eth2/sign/{key}/",
                                  "/api/v1/eth2/sign/{key}/more", "/api/v1/eth2/Sign/{key}", "//api/v1/eth2/sign/{key}",
                                  "/api/v1/eth1/sign/{key}", "/api/v1/eth2/sign//{key}", "/api/v1/eth2/ext/sign/{key}"])
def test_other_paths_are_404(shared, path):
    refused(shared.post(path.replace("{key}", shared.pubkeys[0]), RANDAO.body(EPOCH)), 404, "path")


def test_a_query_is_ignored(shared):
    assert shared.sign(RANDAO.body(EPOCH), shared.pubkeys[0] + "?root=1").status == 200


@pytest.mark.parametrize("name", ["ATTESTATION", "BLOCK_V2 FULU", "RANDAO_REVEAL", "AGGREGATION_SLOT",
                                  "SYNC_COMMITTEE_MESSAGE", "BLS_TO_EXECUTION_CHANGE bls_to_execution_change"])
def test_requests_of_another_network_are_403_and_leave_no_trace(shared, epoch, name):
    body = BY_NAME[name].body(epoch)
    for foreign in [GENESIS_ROOTS["hoodi"], "0x" + "00" * 32, MAINNET[:-1] + "0"]:
        wrong = body | {"fork_info": fork_info(epoch, network=foreign)}
        refused(shared.sign(wrong), 403, foreign, "not the network")
    assert shared.sign(body).status == 200


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


def test_the_first_thing_that_is_wrong_decides_the_code(shared, epoch):
    """Body, key, root, network, slashing: in the order of the signing path."""
    vote = VOTE.body(epoch)
    foreign = vote | {"fork_info": fork_info(epoch, network=GENESIS_ROOTS["hoodi"])}
    assert shared.sign(vote).status == 200
    refused(shared.sign(vote | {"type": "NONE"}, FAR_KEY), 400)
    refused(shared.sign(vote | {"signingRoot": filler("wrong")}, FAR_KEY), 404)
    refused(shared.sign(foreign, FAR_KEY), 404)
    refused(shared.sign(foreign | {"signingRoot": filler("wrong")}), 400)
    slashable = with_value(foreign, "attestation", "index", value="9")
    refused(shared.sign(slashable), 403)
    slashable["fork_info"] = vote["fork_info"]
    refused(shared.sign(slashable), 412)


# ------------------------------------------------------------------------------------------------- 412

def test_a_slashable_block_is_412_and_says_which_slot(shared, epoch):
    body = BLOCK.body(epoch)
    first = signature_of(shared.sign(body))
    other = with_value(body, "beacon_block", "block_header", "state_root", value=filler("another"))
    message = refused(shared.sign(other), 412, "slashing protection: ", last_slot(epoch))
    assert "another block was signed for this slot" in message
    lower = with_value(body, "beacon_block", "block_header", "slot", value="1")
    refused(shared.sign(lower), 412, "slashing protection: ", "watermark", "1")
    assert signature_of(shared.sign(body)) == first
    assert signature_of(shared.sign(body, shared.pubkeys[1])) != first  # another validator's slot is its own


def test_slashable_attestations_are_412_and_say_what_is_in_the_way(shared, epoch):
    def vote(source, target, root="head"):
        body = VOTE.body(epoch)
        body["attestation"] |= {"source": {"epoch": str(source), "root": filler("s")},
                                "target": {"epoch": str(target), "root": filler("t")},
                                "beacon_block_root": filler(root)}
        return shared.sign(body)

    start = epoch + 1  # above what any test before has signed
    assert vote(start + 2, start + 3).status == 200
    assert vote(start + 4, start + 7).status == 200
    known = f"source {start + 4}, target {start + 7}"
    refused(vote(start + 4, start + 7, "other"), 412, "another attestation was signed", known)
    refused(vote(start + 3, start + 8), 412, "surrounds", known, f"source {start + 3}, target {start + 8}")
    refused(vote(start + 5, start + 6), 412, "surrounded", known)
    refused(vote(start + 9, start + 8), 412, "the source epoch is after the target epoch")
    refused(vote(0, 1), 412, "slashing protection: ")
    assert vote(start + 4, start + 7).status == 200
    assert vote(start + 7, start + 8).status == 200


@pytest.mark.parametrize("name, member", [("BLOCK_V2 FULU", ("beacon_block", "block_header", "state_root")),
                                          ("ATTESTATION", ("attestation", "beacon_block_root"))])
def test_of_messages_that_race_and_exclude_each_other_one_is_signed(shared, epoch, name, member):
    """Every message twice, each over a connection of its own, all sent before any answer is read."""
    path = f"/api/v1/eth2/sign/{shared.pubkeys[0]}"
    bodies = [with_value(BY_NAME[name].body(epoch), *member, value=filler(str(i // 2))) for i in range(40)]
    connections = [wire.Wire(shared.port) for _ in bodies]
    for connection, body in zip(connections, bodies):
        connection.send(wire.request("POST", path, json.dumps(body).encode()))
    responses = [connection.response() for connection in connections]
    for connection in connections:
        connection.socket.close()
    assert {response.status for response in responses} == {200, 412}
    signed = [i for i, response in enumerate(responses) if response.status == 200]
    assert len(signed) == 2 and signed[0] // 2 == signed[1] // 2  # the very same message
    assert responses[signed[0]].body == responses[signed[1]].body


def test_the_bytes_of_a_412(shared, epoch):
    path = f"/api/v1/eth2/sign/{shared.pubkeys[0]}"
    assert shared.sign(BLOCK.body(epoch)).status == 200
    other = with_value(BLOCK.body(epoch), "beacon_block", "block_header", "body_root", value=filler("another"))
    with wire.Wire(shared.port) as connection:
        for fields in [[], ["Accept: text/plain"], ["Accept: application/json"]]:  # the same for all
            response = connection.send(wire.request("POST", path, json.dumps(other).encode(), fields)).response()
            assert (response.version, response.status, response.reason) == (
                "HTTP/1.1", 412, "Precondition Failed")
            assert response.field("Content-Type") == JSON
            assert response.field("Retry-After") is None  # it will not be otherwise later
            assert response.body == (b'{"code":412,"message":"slashing protection: another block was signed for this '
                                     b'slot (slot %s)"}' % last_slot(epoch).encode())
        assert connection.is_silent()


# ---------------------------------------------------------------------------------------- HTTP as such

@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_methods_are_405_and_say_which_is_allowed(shared, method):
    path = f"/api/v1/eth2/sign/{shared.pubkeys[0]}"
    with wire.Wire(shared.port) as connection:
        connection.send(wire.request(method, path, b"" if method in ("GET", "HEAD") else b"{}"))
        response = connection.response(with_body=method != "HEAD")
        assert response.status == 405
        assert response.field("Allow") == "POST"
        assert response.field("Content-Type") == JSON
        assert connection.is_silent()  # above all, HEAD has no body


def test_one_connection_carries_many_requests_and_errors_do_not_end_it(shared):
    connection = shared.connect()
    kinds = [(RANDAO.body(EPOCH), None, 200), ({}, None, 400), (RANDAO.body(EPOCH), FAR_KEY, 404),
             (RANDAO.body(EPOCH) | {"fork_info": fork_info(1, network="0x" + "01" * 32)}, None, 403)]
    local = None
    for _ in range(20):
        for body, key, status in kinds:
            answer = shared.sign(body, key, connection=connection)
            assert answer.status == status and answer.headers["Connection"] is None
            local = local or connection.sock.getsockname()
            assert connection.sock is not None and connection.sock.getsockname() == local
    connection.close()


@pytest.mark.parametrize("version, fields, stays", [
    ("HTTP/1.1", [], True), ("HTTP/1.1", ["Connection: keep-alive"], True), ("HTTP/1.1", ["Connection: close"], False),
    ("HTTP/1.1", ["Connection: Close"], False), ("HTTP/1.0", [], False), ("HTTP/1.0", ["Connection: close"], False),
    ("HTTP/1.0", ["Connection: keep-alive"], True),
])
def test_connections_stay_open_as_the_client_asks(shared, version, fields, stays):
    path, body = f"/api/v1/eth2/sign/{shared.pubkeys[0]}", json.dumps(RANDAO.body(EPOCH)).encode()
    with wire.Wire(shared.port) as connection:
        message = wire.request("POST", path, body, fields, version)
        first = connection.send(message).response()
        assert (first.version, first.status) == ("HTTP/1.1", 200)
        assert re.fullmatch(rb"0x[0-9a-f]{192}", first.body)
        if stays:
            assert connection.send(message).response().body == first.body
        else:
            assert first.field("Connection") == "close"
            assert connection.is_closed()


def test_requests_sent_ahead_are_answered_in_order(shared):
    path = f"/api/v1/eth2/sign/{shared.pubkeys[0]}"
    bodies = [RANDAO.body(EPOCH + i) for i in range(10)]
    with wire.Wire(shared.port) as connection:
        connection.send(b"".join(wire.request("POST", path, json.dumps(body).encode()) for body in bodies))
        for i in range(len(bodies)):
            response = connection.response()
            assert response.status == 200
            if i % 4 == 0:
                assert verifies(shared.pubkeys[0], RANDAO.signing_root(EPOCH + i), response.body.decode())


def test_every_response_has_its_own_request_id(shared):
    ids = {shared.sign(RANDAO.body(EPOCH)).headers["X-Request-Id"] for _ in range(5)}
    assert len(ids) == 5 and None not in ids
