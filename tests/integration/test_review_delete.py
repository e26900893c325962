"""DELETE /eth/v1/keystores hands out slashing data: whose data left does not sign here any more."""
import json

from keystores import interop_secret, make_keystore
from signer import EPOCH, attestation

KEY_MANAGER = {"http.key_manager_api.enabled": True}


def reload(signer):
    assert signer.post("/reload").status == 202
    signer.wait_for(lambda: signer.get("/reload").json["status"] not in ("running", "idle"))


def key_file(signer, pubkey):
    return signer.keys_folder / f"{pubkey[2:]}.yaml"


def delete(signer, pubkey):
    """The item's status, and the records that were handed out."""
    answer = signer.delete("/eth/v1/keystores", {"pubkeys": [pubkey]})
    assert answer.status == 200
    return answer.json["data"][0]["status"], json.loads(answer.json["slashing_protection"])["data"]


def test_a_key_whose_data_was_handed_out_while_it_was_not_loaded_does_not_sign_when_it_comes_back(start):
    signer = start(keys=[0, 1], settings=KEY_MANAGER)
    pubkey, other = signer.pubkeys
    assert signer.sign(attestation(EPOCH, EPOCH + 1)).status == 200
    aside = signer.folder / "aside"
    key_file(signer, pubkey).rename(aside)
    reload(signer)
    status, records = delete(signer, pubkey)
    assert status == "not_active" and records[0]["signed_attestations"][0]["target_epoch"] == str(EPOCH + 1)
    aside.rename(key_file(signer, pubkey))
    reload(signer)
    refused = signer.sign(attestation(EPOCH + 1, EPOCH + 2))
    assert refused.status == 412 and "Key Manager" in refused.message
    assert signer.sign(attestation(EPOCH + 1, EPOCH + 2), pubkey=other).status == 200


def test_a_key_that_is_handed_out_twice_signs_again_after_an_import(start):
    signer = start(settings=KEY_MANAGER)
    secret = interop_secret(2)
    body = {"keystores": [make_keystore(secret, "secret")], "passwords": ["secret"]}
    assert signer.post("/eth/v1/keystores", body).json["data"][0]["status"] == "imported"
    pubkey = signer.get("/eth/v1/keystores").json["data"][0]["validating_pubkey"]
    assert signer.sign(attestation(EPOCH, EPOCH + 1), pubkey=pubkey).status == 200
    assert delete(signer, pubkey)[0] == "deleted"
    assert delete(signer, pubkey)[0] == "not_active"
    assert signer.post("/eth/v1/keystores", body).json["data"][0]["status"] == "imported"
    assert signer.sign(attestation(EPOCH, EPOCH + 1, block_root=7), pubkey=pubkey).status == 412
    assert signer.sign(attestation(EPOCH + 1, EPOCH + 2), pubkey=pubkey).status == 200


def test_a_key_that_nobody_knows_may_be_asked_for_and_signs_when_it_comes(start):
    signer = start(keys=[0], settings=KEY_MANAGER)
    pubkey = signer.pubkeys[0]
    path = key_file(signer, pubkey)
    text = path.read_text()
    path.unlink()
    reload(signer)
    assert delete(signer, pubkey) == ("not_found", [])
    path.write_text(text)
    reload(signer)
    assert signer.sign(attestation(EPOCH, EPOCH + 1)).status == 200
