"""Key Manager API, POST: slashing data first, then the key; each key's own answer, in the order of the request."""
import json
import re

import pytest

from keystores import interop_secret, make_keystore
from manage import (KEY_MANAGER, KEYSTORES, PASSWORD, body_of, delete_keys, exported, history, import_keys,
                    interchange, keystore, listed, pubkey, statuses)
from signer import EPOCH, GENESIS_ROOTS, Signer, attestation, block, randao, verifies

SLOT = EPOCH * 32


def post(signer, *items: tuple[str, str], **more):
    """items: (keystore, password)."""
    body = {"keystores": [text for text, _ in items], "passwords": [password for _, password in items]} | more
    return signer.post(KEYSTORES, body)


@pytest.fixture
def empty(start):
    return start(settings=KEY_MANAGER)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """For cases that import nothing."""
    signer = Signer(tmp_path_factory.mktemp("shared"), keys=[0], settings=KEY_MANAGER)
    signer.start()
    yield signer
    assert listed(signer) == [pubkey(0)]
    signer.kill()


# ------------------------------------------------------------------------------------ what works

def test_an_imported_key_signs_at_once_and_rightly(empty):
    assert import_keys(empty, 1) == ["imported"]
    body = randao(EPOCH)
    answer = empty.sign(body, pubkey(1))
    assert answer.status == 200
    zero = "0x" + "00" * 32
    wrong = empty.sign(body | {"signingRoot": zero}, pubkey(1))  # names both roots
    [root] = set(re.findall("0x[0-9a-f]{64}", wrong.message)) - {zero}
    assert verifies(pubkey(1), root, answer.json["signature"])


def test_nothing_to_import_is_no_mistake(empty):
    assert post(empty).json == {"data": []}
    assert post(empty, slashing_protection=interchange()).json == {"data": []}


def test_no_slashing_data_may_be_said_as_null(empty):
    assert import_keys(empty, 1, slashing_protection=None) == ["imported"]


def test_each_keystore_has_its_own_password_and_its_own_answer_in_order(empty):
    answer = post(empty, (keystore(1, "alpha"), "alpha"), (keystore(2, "beta"), "alpha"),
                  (keystore(3, "gamma"), "gamma"), ("not a keystore", "x"), (keystore(1, "again"), "again"),
                  (keystore(4, ""), ""))
    assert statuses(answer) == ["imported", "error", "imported", "error", "duplicate", "imported"]
    messages = [item["message"] for item in answer.json["data"]]
    assert [bool(message) for message in messages] == [False, True, False, True, False, False]
    assert "password" in messages[1]
    assert listed(empty) == sorted(pubkey(index) for index in (1, 3, 4))


@pytest.mark.parametrize("kdf, cost", [("scrypt", 1024), ("pbkdf2", 1024)])
def test_both_key_derivations(empty, kdf, cost):
    assert statuses(post(empty, (keystore(1, kdf=kdf, cost=cost), PASSWORD))) == ["imported"]


def test_a_keystore_that_names_no_public_key_is_taken_for_what_is_in_it(empty):
    assert statuses(post(empty, (make_keystore(interop_secret(1), PASSWORD), PASSWORD))) == ["imported"]
    assert listed(empty) == [pubkey(1)]


def test_a_key_from_a_file_is_a_duplicate_and_stays_what_it_is(start):
    signer = start(keys=[0], settings=KEY_MANAGER)
    assert import_keys(signer, 0, 1, 1) == ["duplicate", "imported", "duplicate"]
    readonly = {key["validating_pubkey"]: key["readonly"] for key in signer.get(KEYSTORES).json["data"]}
    assert readonly == {pubkey(0): True, pubkey(1): False}


def test_a_deleted_key_whose_file_came_back_is_enabled_by_an_import_and_knows_its_data(start):
    signer = start(settings=KEY_MANAGER)
    assert import_keys(signer, 1) == ["imported"]
    assert statuses(delete_keys(signer, 1)) == ["deleted"]
    signer.add_raw_key(1)
    assert signer.post("/reload").status in (200, 202)
    signer.wait_for(lambda: listed(signer) == [pubkey(1)])
    assert signer.sign(block(SLOT), pubkey(1)).status == 412
    elsewhere = interchange(history(pubkey(1), [(SLOT, 5)]))
    assert import_keys(signer, 1, slashing_protection=elsewhere) == ["duplicate"]
    assert signer.sign(block(SLOT), pubkey(1)).status == 412
    assert signer.sign(block(SLOT + 1), pubkey(1)).status == 200


def test_imported_keys_are_gone_after_a_restart_and_their_records_are_not(empty):
    assert import_keys(empty, 1) == ["imported"]
    assert empty.sign(block(SLOT), pubkey(1)).status == 200
    empty.restart()
    assert listed(empty) == []
    assert empty.sign(block(SLOT), pubkey(1)).status == 404
    assert import_keys(empty, 1) == ["imported"]
    assert empty.sign(block(SLOT, state_root=9), pubkey(1)).status == 412
    assert empty.sign(block(SLOT), pubkey(1)).status == 200


# --------------------------------------------------------------------------------- slashing data

def test_slashing_data_binds_from_the_first_signature_on(empty):
    data = interchange(history(pubkey(1), [(SLOT, 7)], [(EPOCH - 1, EPOCH, 7)]))
    assert import_keys(empty, 1, slashing_protection=data) == ["imported"]
    assert empty.sign(block(SLOT), pubkey(1)).status == 412
    assert empty.sign(block(SLOT - 1), pubkey(1)).status == 412
    assert empty.sign(attestation(EPOCH - 1, EPOCH), pubkey(1)).status == 412
    assert empty.sign(attestation(EPOCH - 2, EPOCH + 1), pubkey(1)).status == 412
    assert empty.sign(block(SLOT + 1), pubkey(1)).status == 200
    assert empty.sign(attestation(EPOCH, EPOCH + 1), pubkey(1)).status == 200


def test_minimal_slashing_data_without_roots_binds(empty):
    data = interchange(history(pubkey(1), [(SLOT, None)], [(EPOCH - 1, EPOCH, None)]))
    assert import_keys(empty, 1, slashing_protection=data) == ["imported"]
    assert empty.sign(block(SLOT), pubkey(1)).status == 412
    assert empty.sign(attestation(EPOCH - 1, EPOCH), pubkey(1)).status == 412
    assert empty.sign(block(SLOT + 1), pubkey(1)).status == 200


def test_entries_of_one_key_that_stand_apart_all_bind(empty):
    data = interchange(history(pubkey(1), [(SLOT, 1)]), history(pubkey(2), [(SLOT, 1)]),
                       history(pubkey(1), [(SLOT + 5, 1)]))
    assert import_keys(empty, 1, 2, slashing_protection=data) == ["imported"] * 2
    for slot in (SLOT, SLOT + 5):
        assert empty.sign(block(slot), pubkey(1)).status == 412


def test_slashing_data_of_others_is_left_out(empty):
    data = interchange(history(pubkey(1), [(SLOT, 1)]), history(pubkey(2), [(SLOT, 1)]))
    assert import_keys(empty, 1, slashing_protection=data) == ["imported"]
    assert statuses(delete_keys(empty, 2)) == ["not_found"]


def test_slashing_data_of_a_key_that_is_here_already_binds_too(empty):
    assert import_keys(empty, 1) == ["imported"]
    data = interchange(history(pubkey(1), [(SLOT, 7)]))
    assert import_keys(empty, 1, slashing_protection=data) == ["duplicate"]
    assert empty.sign(block(SLOT), pubkey(1)).status == 412


def test_the_same_slashing_data_again_is_no_contradiction(empty):
    data = interchange(history(pubkey(1), [(SLOT, 7)], [(EPOCH - 1, EPOCH, 7)]))
    assert import_keys(empty, 1, slashing_protection=data) == ["imported"]
    assert statuses(delete_keys(empty, 1)) == ["deleted"]
    assert import_keys(empty, 1, slashing_protection=data) == ["imported"]


CONTRADICTIONS = [
    ([(SLOT, 1), (SLOT, 2)], []),
    ([], [(EPOCH - 1, EPOCH, 1), (EPOCH - 1, EPOCH, 2)]),
    ([], [(EPOCH - 1, EPOCH, 1), (EPOCH - 2, EPOCH + 1, 2)]),
    ([], [(EPOCH + 1, EPOCH, 1)]),
]


@pytest.mark.parametrize("blocks, attestations", CONTRADICTIONS)
def test_a_key_whose_slashing_data_contradicts_itself_is_not_imported_and_no_other_is_kept_out(
        empty, blocks, attestations):
    data = interchange(history(pubkey(1), [(SLOT, 1)]), history(pubkey(2), blocks, attestations),
                       history(pubkey(3), [(SLOT, 3)]))
    answer = empty.post(KEYSTORES, body_of(1, 2, 3, slashing_protection=data))
    assert statuses(answer) == ["imported", "error", "imported"]
    assert pubkey(2) in answer.json["data"][1]["message"]
    assert listed(empty) == sorted([pubkey(1), pubkey(3)])
    assert empty.sign(block(SLOT + 9), pubkey(2)).status == 404
    assert empty.sign(block(SLOT), pubkey(3)).status == 412


def test_slashing_data_that_contradicts_what_was_signed_here_refuses_the_key(empty):
    assert import_keys(empty, 1) == ["imported"]
    assert empty.sign(block(SLOT), pubkey(1)).status == 200
    assert statuses(delete_keys(empty, 1)) == ["deleted"]
    data = interchange(history(pubkey(1), [(SLOT, 0xBAD)]))
    answer = empty.post(KEYSTORES, body_of(1, slashing_protection=data))
    assert statuses(answer) == ["error"]
    assert pubkey(1) in answer.json["data"][0]["message"] and str(SLOT) in answer.json["data"][0]["message"]
    assert listed(empty) == []


def test_contradicting_data_for_a_loaded_key_is_an_error_and_not_a_duplicate(empty):
    assert import_keys(empty, 1) == ["imported"]
    assert empty.sign(block(SLOT), pubkey(1)).status == 200
    data = interchange(history(pubkey(1), [(SLOT, 0xBAD)]))
    assert import_keys(empty, 1, slashing_protection=data) == ["error"]
    assert empty.sign(block(SLOT), pubkey(1)).status == 200  # the key that is here goes on


GOOD = history("0x" + "aa" * 48, [(SLOT, 1)])


@pytest.mark.parametrize("data, named", [
    (interchange(GOOD, root=GENESIS_ROOTS["hoodi"]), "another network"),
    (interchange(GOOD, version="4"), "version"),
    (interchange(GOOD)[:-2], "slashing_protection"),
    ("", "slashing_protection"),
    ("[]", "slashing_protection"),
    ('{"data": []}', "metadata"),
    (json.dumps({"metadata": json.loads(interchange())["metadata"]}), "data"),
    (interchange(GOOD | {"pubkey": "0xaa"}), "data[0].pubkey"),
    (interchange(GOOD, GOOD | {"signed_blocks": [{"slot": "-1"}]}), "data[1].signed_blocks[0].slot"),
    (interchange(GOOD | {"signed_attestations": [{"source_epoch": "1"}]}), "data[0].signed_attestations[0]"),
    (interchange(GOOD) + "x", "slashing_protection"),
    (json.loads(interchange(GOOD)), "slashing_protection"),  # an object where a text belongs
    (7, "slashing_protection"),
])
def test_slashing_data_that_cannot_be_read_refuses_the_whole_request(shared, data, named):
    answer = shared.post(KEYSTORES, body_of(1, slashing_protection=data))
    assert answer.status == 400
    assert answer.message.startswith("slashing_protection") and named in answer.message
    assert pubkey(1) not in listed(shared)


# ------------------------------------------------------------------------------------ bad requests

@pytest.mark.parametrize("keystores, passwords, named", [
    (1, 0, "1 keystores, 0 passwords"), (0, 1, "0 keystores, 1 passwords"), (2, 1, "2 keystores, 1 passwords"),
])
def test_each_keystore_needs_a_password(shared, keystores, passwords, named):
    answer = shared.post(KEYSTORES, {"keystores": [keystore(1)] * keystores,
                                     "passwords": [PASSWORD] * passwords})
    assert answer.status == 400 and named in answer.message


@pytest.mark.parametrize("body, named", [
    ({}, "keystores"), ({"keystores": []}, "passwords"), ({"passwords": []}, "keystores"),
    ({"keystores": "x", "passwords": []}, "keystores"), ({"keystores": [], "passwords": {}}, "passwords"),
    ({"keystores": [{}], "passwords": [PASSWORD]}, "keystores[0]"),
    ({"keystores": ["{}"], "passwords": [5]}, "passwords[0]"),
    ({"keystores": ["{}", "{}"], "passwords": [PASSWORD, None]}, "passwords[1]"),
])
def test_a_request_that_is_wrong_names_the_member(shared, body, named):
    answer = shared.post(KEYSTORES, body)
    assert answer.status == 400 and answer.message.startswith(f"{named}:"), answer


def changed(*path: str, value) -> str:
    """A keystore with one member changed, or without it."""
    document = json.loads(keystore(1))
    inner = document
    for name in path[:-1]:
        inner = inner[name]
    if value is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return json.dumps(document)


@pytest.mark.parametrize("path, value", [
    (("version",), 3), (("version",), None), (("crypto",), None), (("crypto", "kdf"), None),
    (("crypto", "kdf", "function"), "argon2"), (("crypto", "kdf", "params", "c"), 0),
    (("crypto", "kdf", "params", "c"), 10**12), (("crypto", "kdf", "params", "dklen"), 16),
    (("crypto", "kdf", "params", "prf"), "hmac-md5"), (("crypto", "kdf", "params", "salt"), "zz"),
    (("crypto", "cipher", "function"), "aes-128-cbc"), (("crypto", "cipher", "message"), "00"),
    (("crypto", "cipher", "params", "iv"), "00"), (("crypto", "checksum", "function"), "md5"),
    (("crypto", "checksum", "message"), "00" * 32), (("crypto", "cipher", "message"), "00" * 32),
    (("pubkey",), "aa" * 48), (("pubkey",), "aa"),
])
def test_a_bad_keystore_is_its_own_error_with_a_reason(shared, path, value):
    answer = post(shared, (changed(*path, value=value), PASSWORD))
    assert statuses(answer) == ["error"]
    assert len(answer.json["data"][0]["message"]) > 5


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"version":4,"version":4}', "x" * 70000])
def test_what_is_no_keystore_is_its_own_error(shared, text):
    assert statuses(post(shared, (text, PASSWORD), (keystore(0), PASSWORD))) == ["error", "duplicate"]


@pytest.mark.parametrize("secret", [bytes(32), b"\xff" * 32])
def test_a_secret_that_is_no_key_is_an_error(shared, secret):
    assert statuses(post(shared, (make_keystore(secret, PASSWORD), PASSWORD))) == ["error"]


@pytest.mark.parametrize("password", ["", PASSWORD + "x", PASSWORD[:-1], PASSWORD.upper(), "x" * 5000])
def test_a_wrong_password_is_an_error_that_does_not_repeat_it(shared, password):
    answer = post(shared, (keystore(1), password))
    assert statuses(answer) == ["error"]
    assert "password" in answer.json["data"][0]["message"]
    assert not password or password not in answer.text


# ------------------------------------------------------------------------------ deleted and back

def test_a_deleted_key_signs_again_after_an_import_and_remembers(empty):
    assert import_keys(empty, 1) == ["imported"]
    assert empty.sign(block(SLOT), pubkey(1)).status == 200
    deleted = delete_keys(empty, 1)
    assert empty.sign(block(SLOT + 1), pubkey(1)).status == 404
    data = deleted.json["slashing_protection"]
    assert import_keys(empty, 1, slashing_protection=data) == ["imported"]
    assert empty.sign(block(SLOT, state_root=9), pubkey(1)).status == 412
    assert empty.sign(block(SLOT), pubkey(1)).status == 200
    assert empty.sign(block(SLOT + 1), pubkey(1)).status == 200


def test_a_failed_import_does_not_wake_a_deleted_key(empty):
    assert import_keys(empty, 1) == ["imported"]
    assert empty.sign(block(SLOT), pubkey(1)).status == 200
    assert statuses(delete_keys(empty, 1)) == ["deleted"]
    data = interchange(history(pubkey(1), [(SLOT, 0xBAD)]))
    assert import_keys(empty, 1, slashing_protection=data) == ["error"]
    empty.add_raw_key(1)
    assert empty.post("/reload").status == 202
    empty.wait_for(lambda: listed(empty) == [pubkey(1)])
    assert empty.sign(block(SLOT + 1), pubkey(1)).status == 412


def test_what_a_store_that_fails_cannot_take_is_not_imported(empty):
    assert import_keys(empty, 1) == ["imported"]
    empty.database.unlink()
    data = interchange(history(pubkey(2), [(SLOT, 1)]))
    answer = empty.post(KEYSTORES, body_of(2, slashing_protection=data))
    assert statuses(answer) == ["error"] and answer.json["data"][0]["message"]
    assert listed(empty) == [pubkey(1)]


def test_records_of_an_import_are_exported_as_they_came(empty):
    data = interchange(history(pubkey(1), [(SLOT, 7), (SLOT + 3, None)], [(EPOCH - 1, EPOCH, 7)]))
    assert import_keys(empty, 1, slashing_protection=data) == ["imported"]
    assert exported(delete_keys(empty, 1).json["slashing_protection"]) == exported(data)
