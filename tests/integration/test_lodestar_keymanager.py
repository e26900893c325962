"""The Key Manager API through Lodestar's own client, in an old release (1.5.1, with its validator client) and a recent
one (1.48.0); and slashing protection data that goes from this signer to Lodestar's validator client and back.
"""
import itertools
import json

import lodestar
import pytest
from keystores import interop_secret, make_keystore
from node_client import ClientError, NodeClient
from signer import pubkey_of

ITEMS_MAX = 8
SETTINGS = {"http.key_manager_api.enabled": True, "http.key_manager_api.max_items_per_request": ITEMS_MAX}
PASSWORD = "correct horse"
UNUSED = itertools.count(100)  # indices of interop keys, each for one test


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    with lodestar.devnet(tmp_path_factory.mktemp("here"), [0], SETTINGS) as pair:
        yield pair


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """Another signer, with a database of its own."""
    with lodestar.devnet(tmp_path_factory.mktemp("elsewhere"), [0], SETTINGS) as pair:
        yield pair


@pytest.fixture(scope="module")
def recent(tmp_path_factory):
    client = NodeClient("keymanager", tmp_path_factory.mktemp("keymanager"))
    yield client
    client.close()


@pytest.fixture(params=["1.5.1", "1.48.0"])
def keys(request, pair, recent):
    return {"1.5.1": pair.client, "1.48.0": recent}[request.param]


@pytest.fixture
def key():
    """A key that no signer has: (its public key, its keystore)."""
    secret = interop_secret(next(UNUSED))
    pubkey = pubkey_of(secret)
    return pubkey, make_keystore(secret, PASSWORD, pubkey)


def import_key(keys, pair, key, interchange=None) -> str:
    given = {} if interchange is None else {"slashingProtection": interchange}
    return keys.importKeystores(url=pair.url, keystores=[key[1]], passwords=[PASSWORD], **given)[0]["status"]


def delete_key(keys, pair, key) -> tuple[str, dict]:
    """Its status, and the interchange data."""
    answer = keys.deleteKeys(url=pair.url, pubkeys=[key[0]])
    return answer["statuses"][0]["status"], json.loads(answer["slashingProtection"])


def listed(keys, pair) -> dict:
    return {item["validatingPubkey"]: item for item in keys.listKeys(url=pair.url)}


def code_of(call, *arguments, **given) -> int:
    with pytest.raises(ClientError) as raised:
        call(*arguments, **given)
    return raised.value.answer["code"]


def data_of(interchange: dict, pubkey: str) -> dict:
    found = [item for item in interchange["data"] if item["pubkey"] == pubkey]
    assert len(found) == 1, interchange
    return found[0]


# ------------------------------------------------------------------------------------------- one signer

def test_keys_from_files_are_listed_as_read_only(keys, pair):
    assert listed(keys, pair)[pair.signer.pubkeys[0]]["readonly"] is True


def test_an_imported_key_is_listed_signs_and_signs_no_more_once_deleted(keys, pair, key):
    assert code_of(pair.post, "RANDAO_REVEAL", key[0]) == 404
    assert import_key(keys, pair, key) == "imported"
    item = listed(keys, pair)[key[0]]
    assert not item["readonly"]
    assert item["derivationPath"] == "m/12381/3600/0/0/0"
    assert pair.sign(pair.store(key[0]), "RANDAO_REVEAL", key[0])["right"]
    assert delete_key(keys, pair, key)[0] == "deleted"
    assert key[0] not in listed(keys, pair)
    assert code_of(pair.post, "RANDAO_REVEAL", key[0]) == 404


def test_each_keystore_has_its_own_status_in_order(keys, pair, key):
    other = make_keystore(interop_secret(next(UNUSED)), PASSWORD)
    answer = keys.importKeystores(url=pair.url, keystores=[other, key[1], "{}", key[1]],
                                  passwords=["wrong", PASSWORD, PASSWORD, PASSWORD])
    assert [item["status"] for item in answer] == ["error", "imported", "error", "duplicate"]
    assert answer[0]["message"] and answer[2]["message"]
    assert import_key(keys, pair, key) == "duplicate"


def test_each_deletion_has_its_own_status_in_order(keys, pair, key):
    import_key(keys, pair, key)
    stranger = pubkey_of(interop_secret(next(UNUSED)))
    answer = keys.deleteKeys(url=pair.url, pubkeys=[stranger, key[0], pair.signer.pubkeys[0]])
    assert [item["status"] for item in answer["statuses"]] == ["not_found", "deleted", "error"]
    assert pair.signer.pubkeys[0] in listed(keys, pair)


def test_a_second_deletion_gives_the_same_slashing_data(keys, pair, key):
    import_key(keys, pair, key)
    assert pair.post("ATTESTATION", key[0])["right"]
    status, first = delete_key(keys, pair, key)
    assert status == "deleted"
    status, second = delete_key(keys, pair, key)
    assert status == "not_active"
    assert data_of(first, key[0]) == data_of(second, key[0])


@pytest.mark.parametrize("given", [
    pytest.param({"passwords": []}, id="no password"),
    pytest.param({"passwords": [PASSWORD, PASSWORD]}, id="more passwords than keystores"),
    pytest.param({"slashingProtection": "{"}, id="slashing data that is no JSON"),
    pytest.param({"slashingProtection": '{"metadata":{},"data":[]}'}, id="slashing data without metadata"),
    pytest.param({"slashingProtection": json.dumps({
        "metadata": {"interchange_format_version": "5", "genesis_validators_root": "0x" + "22" * 32},
        "data": []})}, id="slashing data of another network"),
])
def test_an_import_that_is_not_sound_raises_and_imports_nothing(keys, pair, key, given):
    with pytest.raises(ClientError) as raised:
        keys.importKeystores(**{"url": pair.url, "keystores": [key[1]], "passwords": [PASSWORD]} | given)
    assert raised.value.status == 400
    assert key[0] not in listed(keys, pair)


def test_too_many_at_once_raises(keys, pair, key):
    with pytest.raises(ClientError) as raised:
        keys.deleteKeys(url=pair.url, pubkeys=[key[0]] * (ITEMS_MAX + 1))
    assert raised.value.status == 400
    assert "http.key_manager_api.max_items_per_request" in raised.value.message


def test_without_the_setting_there_is_no_such_api(keys, start):
    signer = start(keys=[0])
    with pytest.raises(ClientError) as raised:
        keys.listKeys(url=f"http://127.0.0.1:{signer.port}")
    assert raised.value.status == 404


# --------------------------------------------------------------------------- slashing data on the move

def check_contradictions(pair, pubkey):
    """To a vote from epoch 93 to 95, and a block in 95. First of all: what is signed would be recorded."""
    assert code_of(pair.post, "ATTESTATION", pubkey, 95, source=93, seed=2) == 412
    assert code_of(pair.post, "ATTESTATION", pubkey, 96, source=92, seed=2) == 412
    assert code_of(pair.post, "BLOCK_V2", pubkey, 95, seed=2) == 412


def check_progress(pair, pubkey):
    assert pair.post("ATTESTATION", pubkey, 96, source=95, seed=2)["right"]
    assert pair.post("BLOCK_V2", pubkey, 96, seed=2)["right"]


def test_a_key_moves_to_another_signer_with_what_it_signed(keys, pair, elsewhere, key):
    import_key(keys, pair, key)
    vote = pair.post("ATTESTATION", key[0], 95, source=93)
    block = pair.post("BLOCK_V2", key[0], 95)
    status, interchange = delete_key(keys, pair, key)
    assert status == "deleted"
    assert data_of(interchange, key[0])["signed_attestations"][0]["signing_root"] == vote["root"]

    assert import_key(keys, elsewhere, key, json.dumps(interchange)) == "imported"
    check_contradictions(elsewhere, key[0])
    assert elsewhere.post("ATTESTATION", key[0], 95, source=93) == vote
    assert elsewhere.post("BLOCK_V2", key[0], 95) == block
    check_progress(elsewhere, key[0])
    assert code_of(pair.post, "ATTESTATION", key[0], 97, source=96, seed=3) == 404


def test_a_key_that_comes_back_still_knows_what_it_signed_here(keys, pair, key):
    import_key(keys, pair, key)
    assert pair.post("ATTESTATION", key[0], 95, source=94)["right"]
    delete_key(keys, pair, key)
    assert import_key(keys, pair, key) == "imported"
    assert code_of(pair.post, "ATTESTATION", key[0], 95, source=94, seed=2) == 412
    assert pair.post("ATTESTATION", key[0], 96, source=95, seed=2)["right"]


def test_a_key_moves_from_lodestar_with_what_it_signed(keys, pair, elsewhere, key):
    import_key(keys, pair, key)
    store = pair.store(key[0])
    assert pair.sign(store, "ATTESTATION", key[0], 95, source=93)["right"]
    assert pair.sign(store, "BLOCK_V2", key[0], 95)["right"]
    interchange = pair.client.exportInterchange(store=store, pubkeys=[key[0]])

    assert import_key(keys, elsewhere, key, json.dumps(interchange)) == "imported"
    check_contradictions(elsewhere, key[0])
    check_progress(elsewhere, key[0])


@pytest.mark.parametrize("message, given, error", [
    pytest.param("ATTESTATION", {"epoch": 95, "source": 93}, "ATTESTATION_DOUBLE_VOTE", id="double vote"),
    pytest.param("ATTESTATION", {"epoch": 96, "source": 92}, "ATTESTATION_NEW_SURROUNDS_PREV", id="surrounds"),
    pytest.param("BLOCK_V2", {"epoch": 95}, "BLOCK_DOUBLE_BLOCK_PROPOSAL", id="double block"),
])
def test_lodestar_understands_what_a_deleted_key_signed(keys, pair, elsewhere, key, message, given, error):
    """Its own slashing protection refuses, though the signer that it asks would not know."""
    import_key(keys, pair, key)
    assert pair.post("ATTESTATION", key[0], 95, source=93)["right"]
    assert pair.post("BLOCK_V2", key[0], 95)["right"]
    _, interchange = delete_key(keys, pair, key)

    import_key(keys, elsewhere, key)
    store = elsewhere.store(key[0])
    elsewhere.client.importInterchange(store=store, interchange=interchange)
    with pytest.raises(ClientError) as raised:
        elsewhere.sign(store, message, key[0], seed=2, **given)
    assert raised.value.message == f"ERR_INVALID_{error}"
