"""Key Manager API: whether it is there, the list of keys, and its limits."""
import threading

import pytest

from manage import (KEY_MANAGER, KEYSTORES, PASSWORD, body_of, delete_keys, import_keys, keystore, listed,
                    pubkey, statuses)
from signer import EPOCH, Signer, randao


def test_it_is_off_by_default(start):
    signer = start(keys=[0])
    for method, body in (("GET", None), ("POST", body_of(1)), ("DELETE", {"pubkeys": [pubkey(0)]})):
        assert signer.request(method, KEYSTORES, body).status == 404
    assert signer.get("/api/v1/eth2/publicKeys").json == [pubkey(0)]


def test_it_is_off_when_it_is_set_off(start):
    signer = start(settings={"http.key_manager_api.enabled": False})
    assert signer.get(KEYSTORES).status == 404


def test_nothing_but_the_api_hangs_on_the_setting(start):
    assert start(keys=[0]).sign(randao(EPOCH)).status == 200


def test_the_list_is_empty_without_keys(start):
    assert start(settings=KEY_MANAGER).get(KEYSTORES).json == {"data": []}


def test_the_list_is_sorted_and_says_what_is_read_only(start):
    signer = start(keys=[4, 0, 2], settings=KEY_MANAGER)
    assert import_keys(signer, 3, 1) == ["imported"] * 2
    data = signer.get(KEYSTORES).json["data"]
    assert [key["validating_pubkey"] for key in data] == sorted(pubkey(index) for index in range(5))
    readonly = {key["validating_pubkey"]: key["readonly"] for key in data}
    assert readonly == {pubkey(index): index in (0, 2, 4) for index in range(5)}
    assert signer.get("/api/v1/eth2/publicKeys").json == sorted(pubkey(index) for index in range(5))


def test_a_derivation_path_is_told_where_there_is_one(start):
    signer = start(keys=[0], settings=KEY_MANAGER)
    pathless = keystore(2, path="")
    body = {"keystores": [keystore(1, path="m/12381/3600/7/0/0"), pathless], "passwords": [PASSWORD] * 2}
    assert statuses(signer.post(KEYSTORES, body)) == ["imported"] * 2
    paths = {key["validating_pubkey"]: key.get("derivation_path") for key in signer.get(KEYSTORES).json["data"]}
    assert paths == {pubkey(0): None, pubkey(1): "m/12381/3600/7/0/0", pubkey(2): None}


def test_no_credentials_are_asked_for_and_given_ones_do_no_harm(signer):
    assert signer.get(KEYSTORES).status == 200
    assert signer.get(KEYSTORES, headers={"Authorization": "Bearer api-token-0x01"}).status == 200


def test_other_methods_are_refused_with_those_that_are_known(signer):
    answer = signer.request("PUT", KEYSTORES, "{}")
    assert answer.status == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "POST", "DELETE"}


@pytest.mark.parametrize("body", ["", "{", "[]", "null", "7", '{"pubkeys"', "{} {}", '{"a":1,"a":2}', "\0"])
def test_what_is_no_request_is_400(signer, body):
    for method in ("POST", "DELETE"):
        answer = signer.request(method, KEYSTORES, body)
        assert answer.status == 400 and answer.message, method
    assert listed(signer) == sorted(signer.pubkeys)


@pytest.mark.parametrize("body, named", [
    ({}, "pubkeys"), ({"pubkeys": None}, "pubkeys"), ({"pubkeys": {}}, "pubkeys"),
    ({"pubkeys": "0x"}, "pubkeys"), ({"pubkeys": [1]}, "pubkeys[0]"), ({"pubkeys": ["0x", None]}, "pubkeys[1]"),
])
def test_a_deletion_that_is_wrong_names_the_member(signer, body, named):
    answer = signer.delete(KEYSTORES, body)
    assert answer.status == 400 and answer.message.startswith(f"{named}:"), answer


@pytest.fixture(scope="class")
def narrow(tmp_path_factory):
    settings = KEY_MANAGER | {"http.key_manager_api.max_items_per_request": 3,
                              "http.key_manager_api.max_concurrent_writes": 1,
                              "server.max_body_bytes": 65536}
    signer = Signer(tmp_path_factory.mktemp("narrow"), keys=[9], settings=settings)
    signer.start()
    yield signer
    signer.kill()


class TestLimits:
    def test_as_many_items_as_allowed_and_not_one_more(self, narrow):
        over = narrow.post(KEYSTORES, body_of(0, 1, 2, 3))
        assert over.status == 400 and "max_items_per_request" in over.message
        assert listed(narrow) == [pubkey(9)]
        assert import_keys(narrow, 0, 1, 2) == ["imported"] * 3
        over = delete_keys(narrow, 0, 1, 2, 3)
        assert over.status == 400 and "max_items_per_request" in over.message
        assert len(listed(narrow)) == 4
        assert statuses(delete_keys(narrow, 0, 1, 2)) == ["deleted"] * 3

    def test_passwords_are_counted_too(self, narrow):
        answer = narrow.post(KEYSTORES, {"keystores": [], "passwords": [PASSWORD] * 4})
        assert answer.status == 400 and answer.message.startswith("passwords:")

    def test_a_body_over_its_limit_is_refused(self, narrow):
        body = body_of(5, slashing_protection="x" * 66000)
        assert narrow.post(KEYSTORES, body).status == 413
        assert pubkey(5) not in listed(narrow)

    def test_imports_over_the_limit_are_turned_away_while_all_else_goes_on(self, narrow):
        slow = {"keystores": [keystore(6, cost=1_500_000)] * 3, "passwords": [PASSWORD] * 3}
        answers = []

        def import_slowly():
            """Until no request of the other side is in the way."""
            while not answers or answers[-1].status == 503:
                answers.append(narrow.post(KEYSTORES, slow))

        importer = threading.Thread(target=import_slowly)
        importer.start()
        turned_away = None
        while turned_away is None and importer.is_alive():
            answer = narrow.post(KEYSTORES, {"keystores": [], "passwords": []})
            turned_away = answer if answer.status == 503 else None
        during = [narrow.get(KEYSTORES).status, narrow.sign(randao(EPOCH)).status, delete_keys(narrow, 8).status]
        importer.join()
        assert turned_away is not None and int(turned_away.headers["Retry-After"]) >= 1
        assert during == [200, 200, 200]
        assert statuses(answers[-1])[0] == "imported"
        assert narrow.post(KEYSTORES, {"keystores": [], "passwords": []}).status == 200
        assert statuses(delete_keys(narrow, 6)) == ["deleted"]


def test_keystores_that_the_time_does_not_suffice_for_are_errors_and_not_imported(start):
    settings = KEY_MANAGER | {"http.key_manager_api.request_timeout_seconds": 1}
    signer = start(settings=settings)
    body = {"keystores": [keystore(1, cost=1_000_000)] * 99 + [keystore(2)], "passwords": [PASSWORD] * 100}
    answer = signer.post(KEYSTORES, body)
    found = statuses(answer)
    assert found[-1] == "error"
    assert "request_timeout_seconds" in answer.json["data"][-1]["message"]
    assert listed(signer) == ([pubkey(1)] if "imported" in found else [])
