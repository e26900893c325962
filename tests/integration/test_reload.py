"""POST and GET /reload, and SIGHUP: keys come and go with their files, while the signer signs."""
import datetime
import signal
import threading

import pytest

from manage import (KEY_MANAGER, import_keys, keystore, keystore_document, loaded, pubkey, raw_document, reload,
                    status_when_done, write, write_keystore)
from signer import EPOCH, block, randao

COMPLETED, WITH_ERRORS, FAILED = "completed", "completed_with_errors", "failed"


def keys(*indices: int) -> list[str]:
    return sorted(pubkey(index) for index in indices)


def raw_path(signer, index: int):
    return signer.keys_folder / f"{pubkey(index)[2:]}.yaml"


def signs(signer, index: int) -> bool:
    status = signer.sign(randao(EPOCH), pubkey(index)).status
    assert status in (200, 404)
    return status == 200


# ------------------------------------------------------------------------------------- its answers

def test_after_the_start_it_tells_how_the_first_load_went(start):
    status = status_when_done(start(keys=[0]))
    assert status["status"] == COMPLETED and "lastError" not in status
    when = datetime.datetime.fromisoformat(status["lastOperationTime"].replace("Z", "+00:00"))
    assert abs((datetime.datetime.now(datetime.timezone.utc) - when).total_seconds()) < 600


def test_a_reload_is_accepted_and_then_told_of(start):
    signer = start(keys=[0])
    status_when_done(signer)
    answer = signer.post("/reload")
    assert answer.status == 202
    assert answer.json["code"] == 202 and answer.json["status"] == "accepted"
    assert status_when_done(signer)["status"] == COMPLETED


def test_a_body_does_not_matter_and_other_methods_are_refused(start):
    signer = start(keys=[0])
    status_when_done(signer)
    assert signer.post("/reload", "anything").status == 202
    answer = signer.delete("/reload")
    assert answer.status == 405 and set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "POST"}


# -------------------------------------------------------------------------------- coming and going

def test_keys_come_and_go_with_their_files(start):
    signer = start(keys=[0, 1])
    signer.add_raw_key(2)
    write_keystore(signer.keys_folder, 3)
    assert reload(signer)["status"] == COMPLETED
    assert loaded(signer) == keys(0, 1, 2, 3) and all(signs(signer, index) for index in range(4))
    raw_path(signer, 1).unlink()
    (signer.keys_folder / "key3.yaml").unlink()  # its keystore stays, and is nobody's now
    assert reload(signer)["status"] == COMPLETED
    assert loaded(signer) == keys(0, 2)
    assert [signs(signer, index) for index in range(4)] == [True, False, True, False]


def test_a_file_that_holds_another_key_now_gives_that_and_takes_the_old_one(start):
    signer = start(keys=[0])
    write(raw_path(signer, 0), raw_document(1))
    assert reload(signer)["status"] == COMPLETED
    assert loaded(signer) == keys(1)


def test_documents_of_one_file_come_and_go(start):
    signer = start(keys=[])
    path = signer.keys_folder / "many.yaml"
    for indices in ((0, 1, 2), (0, 2), (2, 3, 0), (4,)):
        write(path, "---\n".join(raw_document(index) for index in indices))
        assert reload(signer)["status"] == COMPLETED
        assert loaded(signer) == keys(*indices)


def test_a_key_that_moves_to_another_file_stays(start):
    signer = start(keys=[0])
    raw_path(signer, 0).rename(signer.keys_folder / "elsewhere.yaml")
    assert reload(signer)["status"] == COMPLETED
    assert loaded(signer) == keys(0)


def test_a_removed_key_comes_back_and_remembers(start):
    signer = start(keys=[0])
    assert signer.sign(block(EPOCH * 32)).status == 200
    raw_path(signer, 0).unlink()
    reload(signer)
    assert signer.sign(block(EPOCH * 32)).status == 404
    signer.add_raw_key(0)
    reload(signer)
    assert signer.sign(block(EPOCH * 32, state_root=9)).status == 412
    assert signer.sign(block(EPOCH * 32)).status == 200


def test_the_last_file_may_go(start):
    signer = start(keys=[0])
    raw_path(signer, 0).unlink()
    assert reload(signer)["status"] == COMPLETED
    assert loaded(signer) == []


def test_keys_of_the_key_manager_are_not_touched(start):
    signer = start(keys=[0], settings=KEY_MANAGER)
    assert import_keys(signer, 1) == ["imported"]
    raw_path(signer, 0).unlink()
    assert reload(signer)["status"] == COMPLETED
    assert loaded(signer) == keys(1)


def test_a_file_with_a_key_that_was_imported_is_reported_and_the_import_stays(start):
    signer = start(settings=KEY_MANAGER)
    assert import_keys(signer, 1) == ["imported"]
    signer.add_raw_key(1)
    status = reload(signer)
    assert status["status"] == WITH_ERRORS
    assert raw_path(signer, 1).name in status["lastError"] and pubkey(1) in status["lastError"]
    assert loaded(signer) == keys(1)
    [key] = signer.get("/eth/v1/keystores").json["data"]
    assert key["readonly"] is False


# ----------------------------------------------------------------------------------- bad files

@pytest.mark.parametrize("text", ["", "type: file-raw", raw_document(1)[:-10], "{", "type: file-raw\nprivateKey: zz\n"])
def test_a_bad_file_is_reported_and_keeps_no_other_out(start, text):
    signer = start(keys=[0])
    signer.add_raw_key(2)
    write(signer.keys_folder / "bad.yaml", text)
    status = reload(signer)
    assert status["status"] == WITH_ERRORS
    assert str(signer.keys_folder / "bad.yaml") in status["lastError"] and "\n" not in status["lastError"]
    assert loaded(signer) == keys(0, 2) and signs(signer, 0) and signs(signer, 2)
    (signer.keys_folder / "bad.yaml").unlink()
    status = reload(signer)
    assert status["status"] == COMPLETED and "lastError" not in status


@pytest.mark.parametrize("text", ["", "type: file-raw", "{", "type: file-raw\nprivateKey: 00\n"])
def test_a_file_that_became_bad_keeps_its_key(start, text):
    """Half written by an editor or a copy: a reload never stops a validator by accident."""
    signer = start(keys=[0])
    write(raw_path(signer, 0), text)
    status = reload(signer)
    assert status["status"] == WITH_ERRORS and "stay" in status["lastError"]
    assert signs(signer, 0)
    write(raw_path(signer, 0), raw_document(0))
    assert reload(signer)["status"] == COMPLETED
    raw_path(signer, 0).unlink()
    assert reload(signer)["status"] == COMPLETED and not signs(signer, 0)


def test_a_changed_password_is_followed_when_both_files_have_it(start):
    signer = start(keys=[])
    write_keystore(signer.keys_folder, 1, "old password")
    assert reload(signer)["status"] == COMPLETED and signs(signer, 1)
    write(signer.keys_folder / "key1.password", "new password")  # the first half of the change
    status = reload(signer)
    assert status["status"] == WITH_ERRORS and "password" in status["lastError"]
    assert "new password" not in status["lastError"] and signs(signer, 1)
    write(signer.keys_folder / "key1.json", keystore(1, "new password"))
    assert reload(signer)["status"] == COMPLETED and signs(signer, 1)


def test_a_wrong_password_that_is_corrected_loads_the_key(start):
    signer = start(keys=[0])
    write_keystore(signer.keys_folder, 1)
    write(signer.keys_folder / "key1.password", "wrong")
    assert reload(signer)["status"] == WITH_ERRORS and loaded(signer) == keys(0)
    write(signer.keys_folder / "key1.password", "correct horse battery staple")
    assert reload(signer)["status"] == COMPLETED and loaded(signer) == keys(0, 1)


def test_a_keystore_that_is_gone_takes_its_key_along(start):
    signer = start(keys=[0])
    write_keystore(signer.keys_folder, 1)
    assert reload(signer)["status"] == COMPLETED
    (signer.keys_folder / "key1.json").unlink()
    status = reload(signer)
    assert status["status"] == WITH_ERRORS and "key1" in status["lastError"]
    assert loaded(signer) == keys(0)


def test_a_password_file_that_is_gone_takes_nothing_along(start):
    signer = start(keys=[])
    write_keystore(signer.keys_folder, 1)
    assert reload(signer)["status"] == COMPLETED
    (signer.keys_folder / "key1.password").unlink()
    assert reload(signer)["status"] == WITH_ERRORS
    assert loaded(signer) == keys(1)


def test_bulk_keystores_come_and_go(start, tmp_path):
    bulk = tmp_path / "bulk"
    bulk.mkdir()
    write(tmp_path / "password", "for all")
    signer = start(keys=[0], settings={"key_sources.filesystem.keystores_path": str(bulk),
                                       "key_sources.filesystem.keystores_password_file": str(tmp_path / "password")})
    for index in (1, 2):
        write(bulk / f"{index}.json", keystore(index, "for all"))
    assert reload(signer)["status"] == COMPLETED and loaded(signer) == keys(0, 1, 2)
    (bulk / "1.json").unlink()
    write(bulk / "2.json", keystore(3, "for all"))
    assert reload(signer)["status"] == COMPLETED and loaded(signer) == keys(0, 3)


def test_a_directory_that_is_gone_fails_the_load_and_changes_nothing(start):
    """A file system that is not mounted must not take all validators away."""
    signer = start(keys=[0, 1])
    moved = signer.folder / "moved"
    signer.keys_folder.rename(moved)
    status = reload(signer)
    assert status["status"] == FAILED and str(signer.keys_folder) in status["lastError"]
    assert loaded(signer) == keys(0, 1) and signs(signer, 0)
    moved.rename(signer.keys_folder)
    raw_path(signer, 1).unlink()
    status = reload(signer)
    assert status["status"] == COMPLETED and "lastError" not in status
    assert loaded(signer) == keys(0)


# ----------------------------------------------------------------------------------------- SIGHUP

def test_sighup_loads_again(start):
    signer = start(keys=[0])
    status_when_done(signer)
    signer.add_raw_key(1)
    raw_path(signer, 0).unlink()
    signer.process.send_signal(signal.SIGHUP)
    signer.wait_for(lambda: loaded(signer) == keys(1))
    assert status_when_done(signer)["status"] == COMPLETED


def test_a_sighup_during_a_load_is_not_lost(start):
    """Who sends a signal gets no answer that would tell him to try again."""
    signer = start(keys=[0])
    status_when_done(signer)
    write_keystore(signer.keys_folder, 1, cost=2_000_000)
    signer.add_raw_key(2)
    assert signer.post("/reload").status == 202
    signer.wait_for(lambda: pubkey(2) in loaded(signer))  # the directory was read
    signer.add_raw_key(3)
    signer.process.send_signal(signal.SIGHUP)
    signer.wait_for(lambda: loaded(signer) == keys(0, 1, 2, 3))
    assert status_when_done(signer)["status"] == COMPLETED


def test_many_sighups_do_no_harm(start):
    signer = start(keys=[0])
    for _ in range(50):
        signer.process.send_signal(signal.SIGHUP)
        assert signs(signer, 0)
    status_when_done(signer)
    signer.add_raw_key(1)
    assert reload(signer)["status"] == COMPLETED
    assert loaded(signer) == keys(0, 1) and signer.stop() == 0


# --------------------------------------------------------------------------------------- at once

def test_a_second_reload_is_refused_while_one_runs_and_signing_goes_on(start):
    signer = start(keys=[0])
    status_when_done(signer)
    for index in (1, 2):
        write_keystore(signer.keys_folder, index, cost=700_000)
    assert signer.post("/reload").status == 202
    second, status = signer.post("/reload"), signer.get("/reload").json["status"]
    assert second.status == 409 and second.json["status"] == "error" and second.json["code"] == 409
    assert status == "running"
    signed_while_running = 0
    while signer.get("/reload").json["status"] == "running":
        assert signs(signer, 0)
        signed_while_running += 1
    assert signed_while_running > 0
    assert status_when_done(signer)["status"] == COMPLETED
    assert loaded(signer) == keys(0, 1, 2)
    assert reload(signer)["status"] == COMPLETED


def test_a_stop_during_a_load_is_in_order(start):
    signer = start(keys=[0])
    status_when_done(signer)
    write_keystore(signer.keys_folder, 1, cost=300_000)
    write(signer.keys_folder / "often.yaml", "---\n".join([keystore_document("key1")] * 50))
    assert signer.post("/reload").status == 202
    assert signer.stop() == 0


def test_racing_reloads_are_each_accepted_or_told_that_one_runs(start):
    signer = start(keys=[0])
    status_when_done(signer)
    answers = []

    def reload_often():
        connection = signer.connect()
        for _ in range(25):
            answers.append(signer.post("/reload", connection=connection).status)
        connection.close()

    threads = [threading.Thread(target=reload_often) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(answers) <= {202, 409} and 202 in answers
    assert status_when_done(signer)["status"] == COMPLETED
    assert loaded(signer) == keys(0)


def test_no_request_fails_while_other_keys_come_and_go(start):
    signer = start(keys=[0, 1])
    stop = threading.Event()
    found = {0: set(), 1: set()}

    def sign(index: int):
        connection = signer.connect()
        while not stop.is_set():
            found[index].add(signer.sign(randao(EPOCH), pubkey(index), connection=connection).status)
        connection.close()

    threads = [threading.Thread(target=sign, args=(index,)) for index in (0, 1, 1)]
    for thread in threads:
        thread.start()
    for _ in range(15):
        raw_path(signer, 1).unlink()
        assert reload(signer)["status"] == COMPLETED
        signer.add_raw_key(1)
        assert reload(signer)["status"] == COMPLETED
    stop.set()
    for thread in threads:
        thread.join()
    assert found[0] == {200} and found[1] <= {200, 404} and 200 in found[1]
