"""Key Manager API, DELETE: the key is stopped for good, then its slashing data is exported, so that nothing is ever
released that is not in the export."""
import itertools
import threading

import pytest

from manage import (KEY_MANAGER, KEYSTORES, PASSWORD, bls_many, delete_keys, exported, history, import_keys,
                    interchange, keystore, listed, pubkey, statuses)
from signer import EPOCH, GENESIS_ROOTS, attestation, block, randao

SLOT = EPOCH * 32


@pytest.fixture
def empty(start):
    return start(settings=KEY_MANAGER)


def records(answer) -> dict:
    return exported(answer.json["slashing_protection"])


# --------------------------------------------------------------------------------- the four answers

def test_an_imported_key_is_deleted_and_no_more_there(empty):
    assert import_keys(empty, 1, 2) == ["imported"] * 2
    assert statuses(delete_keys(empty, 1)) == ["deleted"]
    assert listed(empty) == [pubkey(2)]
    assert empty.get("/api/v1/eth2/publicKeys").json == [pubkey(2)]
    assert empty.sign(randao(EPOCH), pubkey(1)).status == 404
    assert empty.sign(randao(EPOCH), pubkey(2)).status == 200


def test_each_key_has_its_own_answer_in_order(start):
    signer = start(keys=[0], settings=KEY_MANAGER)
    assert import_keys(signer, 1, 2) == ["imported"] * 2
    assert signer.sign(block(SLOT), pubkey(2)).status == 200
    assert statuses(delete_keys(signer, 2)) == ["deleted"]
    answer = delete_keys(signer, 3, 1, 0, 2)
    assert statuses(answer) == ["not_found", "deleted", "error", "not_active"]
    assert set(records(answer)) == {pubkey(1), pubkey(2)}  # those deleted or not active, no other


def test_nothing_to_delete_is_no_mistake(empty):
    answer = empty.delete(KEYSTORES, {"pubkeys": []})
    assert answer.json["data"] == [] and records(answer) == {}


def test_a_key_that_nobody_knows_is_not_found_and_does_not_become_known(empty):
    for _ in range(2):
        answer = delete_keys(empty, 1)
        assert statuses(answer) == ["not_found"] and records(answer) == {}


def test_what_was_deleted_is_not_active_and_exported_again(empty):
    assert import_keys(empty, 1) == ["imported"]
    assert empty.sign(block(SLOT), pubkey(1)).status == 200
    first, second = delete_keys(empty, 1), delete_keys(empty, 1)
    assert statuses(first) == ["deleted"] and statuses(second) == ["not_active"]
    assert records(first) == records(second) != {}
    empty.restart()
    third = delete_keys(empty, 1)
    assert statuses(third) == ["not_active"] and records(third) == records(first)


def test_a_key_that_signed_nothing_is_deleted_with_an_export_without_records(empty):
    assert import_keys(empty, 1) == ["imported"]
    answer = delete_keys(empty, 1)
    assert statuses(answer) == ["deleted"]
    assert records(answer) in ({}, {pubkey(1): ({}, {})})


def test_a_key_named_twice_is_deleted_once_and_exported_once(empty):
    assert import_keys(empty, 1) == ["imported"]
    assert empty.sign(block(SLOT), pubkey(1)).status == 200
    answer = delete_keys(empty, 1, 1)
    assert statuses(answer) == ["deleted", "not_active"]
    assert list(records(answer)[pubkey(1)][0]) == [SLOT]


@pytest.mark.parametrize("text", ["", "0x", "0x" + "aa" * 47, "0x" + "aa" * 49, "0x" + "zz" * 48, "aa" * 49])
def test_what_is_no_public_key_is_its_own_error(empty, text):
    assert import_keys(empty, 1) == ["imported"]
    answer = empty.delete(KEYSTORES, {"pubkeys": [text, pubkey(1)]})
    assert statuses(answer) == ["error", "deleted"]
    assert answer.json["data"][0]["message"]


def test_upper_case_is_the_same_key(empty):
    assert import_keys(empty, 1) == ["imported"]
    answer = empty.delete(KEYSTORES, {"pubkeys": ["0x" + pubkey(1)[2:].upper()]})
    assert statuses(answer) == ["deleted"] and listed(empty) == []


# ----------------------------------------------------------------------------------- files' keys

def test_a_key_from_a_file_is_refused_and_goes_on_signing(start):
    signer = start(keys=[0], settings=KEY_MANAGER)
    assert signer.sign(block(SLOT), pubkey(0)).status == 200
    answer = delete_keys(signer, 0)
    assert statuses(answer) == ["error"]
    assert "read-only" in answer.json["data"][0]["message"]
    assert records(answer) == {}
    assert signer.sign(block(SLOT + 1), pubkey(0)).status == 200


def test_a_key_whose_file_is_gone_is_not_active(start):
    signer = start(keys=[0], settings=KEY_MANAGER)
    assert signer.sign(block(SLOT), pubkey(0)).status == 200
    (signer.keys_folder / f"{pubkey(0)[2:]}.yaml").unlink()
    assert signer.post("/reload").status == 202
    signer.wait_for(lambda: listed(signer) == [])
    answer = delete_keys(signer, 0)
    assert statuses(answer) == ["not_active"] and list(records(answer)[pubkey(0)][0]) == [SLOT]


def test_a_deleted_key_that_comes_back_as_a_file_does_not_sign(empty):
    """The client was told that the key is stopped; it may run elsewhere by now."""
    assert import_keys(empty, 1) == ["imported"]
    assert statuses(delete_keys(empty, 1)) == ["deleted"]
    empty.add_raw_key(1)
    empty.restart()
    empty.wait_for(lambda: listed(empty) == [pubkey(1)])
    for body in (block(SLOT), attestation(EPOCH, EPOCH + 1)):
        assert empty.sign(body, pubkey(1)).status == 412


# --------------------------------------------------------------------------------------- moving on

def test_the_export_carries_the_whole_history_elsewhere(start):
    old, new = start(settings=KEY_MANAGER), start(settings=KEY_MANAGER)
    before = interchange(history(pubkey(1), [(SLOT, 5)], [(EPOCH - 3, EPOCH - 2, 6)]))
    assert import_keys(old, 1, slashing_protection=before) == ["imported"]
    assert old.sign(block(SLOT + 1), pubkey(1)).status == 200
    assert old.sign(attestation(EPOCH - 1, EPOCH), pubkey(1)).status == 200
    answer = delete_keys(old, 1)
    blocks, attestations = records(answer)[pubkey(1)]
    assert set(blocks) == {SLOT, SLOT + 1} and set(attestations) == {(EPOCH - 3, EPOCH - 2), (EPOCH - 1, EPOCH)}

    assert import_keys(new, 1, slashing_protection=answer.json["slashing_protection"]) == ["imported"]
    for slashable in (block(SLOT), block(SLOT + 1, state_root=9), attestation(EPOCH - 1, EPOCH, block_root=9),
                      attestation(EPOCH - 2, EPOCH + 1), attestation(EPOCH - 3, EPOCH - 2)):
        assert new.sign(slashable, pubkey(1)).status == 412
    assert new.sign(block(SLOT + 1), pubkey(1)).status == 200  # the same again
    assert new.sign(attestation(EPOCH - 1, EPOCH), pubkey(1)).status == 200
    assert new.sign(block(SLOT + 2), pubkey(1)).status == 200


def test_the_export_names_the_network(start):
    signer = start(settings=KEY_MANAGER | {"network": "hoodi"})
    assert import_keys(signer, 1) == ["imported"]
    assert GENESIS_ROOTS["hoodi"] in delete_keys(signer, 1).json["slashing_protection"]


def test_a_store_that_fails_makes_the_deletion_an_error_and_the_key_is_stopped_all_the_same(empty):
    assert import_keys(empty, 1) == ["imported"]
    assert empty.sign(block(SLOT), pubkey(1)).status == 200
    empty.database.unlink()
    answer = delete_keys(empty, 1)
    assert statuses(answer) == ["error"] and answer.json["data"][0]["message"]
    assert records(answer) == {}
    assert empty.sign(randao(EPOCH), pubkey(1)).status == 404


# ------------------------------------------------------------------------------------------ races

class Client(threading.Thread):
    """Signs one new block or attestation after the other until the key is gone, and keeps what it was given."""

    def __init__(self, signer, key: str, numbers):
        super().__init__()
        self.signer, self.key, self.numbers = signer, key, numbers
        self.released, self.others = [], []

    def sign(self, connection, number: int) -> int:
        is_block = number % 2 == 0
        body = block(SLOT + number) if is_block else attestation(EPOCH, EPOCH + number)
        answer = self.signer.sign(body, self.key, connection=connection)
        if answer.status == 200:
            self.released.append((is_block, number, answer.json["signature"]))
        elif answer.status != 404:
            self.others.append(answer)
        return answer.status

    def run(self):
        connection = self.signer.connect()
        while self.sign(connection, next(self.numbers)) != 404:
            pass
        connection.close()


def check_released(key: str, clients: list[Client], export: dict) -> None:
    """Every signature that left is in the export, with the root that it signs."""
    blocks, attestations = export[key]
    lines = []
    for client in clients:
        for is_block, number, signature in client.released:
            root = blocks.get(SLOT + number) if is_block else attestations.get((EPOCH, EPOCH + number))
            assert root is not None, f"a signature of number {number} was released and is not in the export"
            lines.append(f"verify {key} {root} {signature}")
    assert set(bls_many(lines)) == {"true"}


def race(signer, numbers) -> None:
    assert import_keys(signer, 1) == ["imported"]
    clients = [Client(signer, pubkey(1), numbers) for _ in range(6)]
    for client in clients:
        client.start()
    signer.wait_for(lambda: sum(len(client.released) for client in clients) >= 20)
    answer = delete_keys(signer, 1)
    for client in clients:
        client.join()
    assert statuses(answer) == ["deleted"]
    check_released(pubkey(1), clients, records(answer))
    # A request that was under way when the key was stopped is refused, in the words for that; nothing else is.
    assert all(other.status == 412 for client in clients for other in client.others)


def test_no_signature_is_released_that_is_not_in_the_export(empty):
    numbers = itertools.count(1)
    for _ in range(10):
        race(empty, numbers)


def test_of_racing_deletions_one_deletes_and_all_export_the_same(empty):
    assert import_keys(empty, 1) == ["imported"]
    assert empty.sign(block(SLOT), pubkey(1)).status == 200
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(delete_keys(empty, 1))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [statuses(answer)[0] for answer in answers]
    assert sorted(found) == ["deleted"] + ["not_active"] * 7
    assert all(list(records(answer)[pubkey(1)][0]) == [SLOT] for answer in answers)


def race_changes(signer, import_body: dict) -> None:
    """Imports and deletes one key from four sides at once."""
    def change_often(method: str, body: dict, allowed: set[str]):
        connection = signer.connect()
        for _ in range(20):
            assert set(statuses(signer.request(method, KEYSTORES, body, connection=connection))) <= allowed
        connection.close()

    imports = ("POST", import_body, {"imported", "duplicate"})
    deletions = ("DELETE", {"pubkeys": [pubkey(1)]}, {"deleted", "not_active", "not_found"})
    threads = [threading.Thread(target=change_often, args=work) for work in (imports, deletions) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_key_that_is_there_after_imports_and_deletions_that_raced_signs(empty):
    """Were it loaded and the store refused it all the same, a further import would be a duplicate and not help."""
    import_body = {"keystores": [keystore(1, cost=1)], "passwords": [PASSWORD]}
    for _ in range(25):
        race_changes(empty, import_body)
        loaded = listed(empty) == [pubkey(1)]
        assert empty.sign(block(SLOT), pubkey(1)).status == (200 if loaded else 404)
        assert import_keys(empty, 1) == ["duplicate" if loaded else "imported"]
        assert empty.sign(block(SLOT), pubkey(1)).status == 200
