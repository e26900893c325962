"""POST /eth/v1/keystores with slashing data whose entries of one key stand apart."""
import json

from keystores import interop_secret, make_keystore
from signer import EPOCH, GENESIS_ROOTS, attestation, block, pubkey_of

KEY_MANAGER = {"http.key_manager_api.enabled": True}
MANY = 15000  # merged one by one, they would keep every signature waiting for minutes


def vote(source, target):
    return {"signed_blocks": [], "signed_attestations": [{"source_epoch": str(source), "target_epoch": str(target)}]}


def import_with(signer, secrets, entries):
    """The statuses of the items. `entries`: (public key, records)."""
    data = [{"pubkey": pubkey} | records for pubkey, records in entries]
    metadata = {"interchange_format_version": "5", "genesis_validators_root": GENESIS_ROOTS["mainnet"]}
    answer = signer.post("/eth/v1/keystores", {
        "keystores": [make_keystore(secret, "secret") for secret in secrets],
        "passwords": ["secret"] * len(secrets),
        "slashing_protection": json.dumps({"metadata": metadata, "data": data})})
    assert answer.status == 200
    return [item["status"] for item in answer.json["data"]]


def test_all_entries_of_each_key_count(start):
    signer = start(settings=KEY_MANAGER)
    secrets = [interop_secret(index) for index in (3, 4, 5, 6)]
    a, b, c, d = [pubkey_of(secret) for secret in secrets]
    slot = {"signed_blocks": [{"slot": str(EPOCH * 32)}], "signed_attestations": []}
    entries = [(c, vote(EPOCH, EPOCH + 9)), (a, vote(EPOCH, EPOCH + 1)), (b, vote(EPOCH, EPOCH + 5)), (a, slot),
               (c, vote(EPOCH + 1, EPOCH + 2)), (a.upper().replace("0X", "0x"), vote(EPOCH, EPOCH + 3))]
    assert import_with(signer, secrets, entries) == ["imported", "imported", "error", "imported"]  # c's surround
    assert signer.sign(attestation(EPOCH, EPOCH + 1), pubkey=a).status == 412
    assert signer.sign(attestation(EPOCH, EPOCH + 3), pubkey=a).status == 412
    assert signer.sign(block(EPOCH * 32), pubkey=a).status == 412
    assert signer.sign(attestation(EPOCH, EPOCH + 4), pubkey=a).status == 200
    assert signer.sign(attestation(EPOCH, EPOCH + 5), pubkey=b).status == 412
    assert signer.sign(attestation(EPOCH, EPOCH + 6), pubkey=b).status == 200
    assert signer.sign(attestation(EPOCH, EPOCH + 1), pubkey=c).status == 404
    assert signer.sign(attestation(EPOCH, EPOCH + 1), pubkey=d).status == 200


def test_many_entries_of_one_key_do_not_keep_the_signer(start):
    signer = start(settings=KEY_MANAGER)
    secret = interop_secret(3)
    pubkey = pubkey_of(secret)
    entries = [(pubkey, vote(EPOCH, EPOCH + 1 + i)) for i in range(MANY)]
    assert import_with(signer, [secret], entries) == ["imported"]
    assert signer.sign(attestation(EPOCH, EPOCH + MANY), pubkey=pubkey).status == 412
    assert signer.sign(attestation(EPOCH, EPOCH + 1 + MANY), pubkey=pubkey).status == 200
