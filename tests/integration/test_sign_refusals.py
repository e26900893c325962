"""POST /api/v1/eth2/sign: whatever is wrong with a request gives a code and a reason, and leaves no trace. Facts:
signers.md sections 1 to 3, docs/adr/0004."""
import json

import pytest
import raw_http
import ssz
from sign_checks import (FAR_KEY, JSON, epoch, exit_body, refused, shared, signature_of,  # two of them are fixtures
                         with_value, without)
from signer import EPOCH, GENESIS_ROOTS, verifies
from signing_cases import BY_NAME, CASES, MAINNET, NEW, filler, fork_info, last_slot

VOTE, BLOCK, RANDAO = BY_NAME["ATTESTATION"], BY_NAME["BLOCK_V2 FULU"], BY_NAME["RANDAO_REVEAL"]

# ------------------------------------------------------------------------------------- what is refused

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
    connections = [raw_http.Wire(shared.port) for _ in bodies]
    for connection, body in zip(connections, bodies):
        connection.send(raw_http.request("POST", path, json.dumps(body).encode()))
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
    with raw_http.Wire(shared.port) as connection:
        for fields in [[], ["Accept: text/plain"], ["Accept: application/json"]]:  # the same for all
            response = connection.send(raw_http.request("POST", path, json.dumps(other).encode(), fields)).response()
            assert (response.version, response.status, response.reason) == (
                "HTTP/1.1", 412, "Precondition Failed")
            assert response.field("Content-Type") == JSON
            assert response.field("Retry-After") is None  # it will not be otherwise later
            assert response.body == (b'{"code":412,"message":"slashing protection: another block was signed for this '
                                     b'slot (slot %s)"}' % last_slot(epoch).encode())
        assert connection.is_silent()


# ----------------------------------------------------------------------------------------------- overload

def find_room(signer, body: dict):
    """The answer to a request that was not turned away."""
    answer = signer.sign(body)
    return None if answer.status == 503 else answer


def test_an_overloaded_signer_refuses_at_once_signs_no_two_and_still_says_that_it_is_up(start):
    """One request may wait; a hundred come, for blocks of one slot that exclude each other. Chance says which of them
    are turned away, and not one of those leaves a trace."""
    signer = start(keys=[0], settings={"signing.queue_limit": 1, "signing.workers": 1})
    path = f"/api/v1/eth2/sign/{signer.pubkeys[0]}"
    connections = [raw_http.Wire(signer.port) for _ in range(50)]
    rounds = iter(range(1000))

    def some_are_turned_away() -> bool:
        at = next(rounds)
        bodies = [with_value(BLOCK.body(EPOCH + at), "beacon_block", "block_header", "state_root", value=filler(str(i)))
                  for i in range(50)]
        for connection, body in zip(connections, bodies):
            connection.send(raw_http.request("POST", path, json.dumps(body).encode()) + raw_http.request("GET", "/upcheck"))
        signed = []
        statuses = set()
        for i, connection in enumerate(connections):
            response = connection.response()
            statuses.add(response.status)
            signed += [i] if response.status == 200 else []
            if response.status == 503:
                assert int(response.field("Retry-After")) >= 1 and response.field("Connection") is None
                assert json.loads(response.body) == {"code": 503, "message": json.loads(response.body)["message"]}
            assert connection.response().body == b"OK"
        assert statuses <= {200, 412, 503} and len(signed) <= 1
        if 503 not in statuses or not signed:
            return False
        for i in {0, 1, 2, *signed}:  # later, when there is room, the one that was signed is so again, and no other
            answer = signer.wait_for(lambda body=bodies[i]: find_room(signer, body))
            assert answer.status == (200 if i in signed else 412)
        return True

    signer.wait_for(some_are_turned_away)
    for connection in connections:
        connection.socket.close()
