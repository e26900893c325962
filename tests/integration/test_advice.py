"""What the program tells an operator whose set-up is allowed but hardly meant, and where its messages send him."""
import os
import shutil
import subprocess

import pytest
from keystores import interop_secret, make_keystore
from signer import BINARY, EPOCH, GENESIS_ROOTS, Signer, attestation, pubkey_of

EMPTY_DATABASE = "the slashing protection database is empty"
NO_KEYS = "there will be no keys"
OPEN_API = "whoever reaches the signing API may use it"
SANITIZED = any(name in open(BINARY, "rb").read() for name in (b"__asan_init", b"__tsan_init"))


def warnings(signer) -> list[dict]:
    return [line for line in signer.log() if line["level"] == "warn"]


def warns(signer, event: str) -> bool:
    return any(line["message"].startswith(event) for line in warnings(signer))


def slashing(folder, *arguments) -> subprocess.CompletedProcess:
    return subprocess.run([BINARY, "slashing", *arguments], cwd=folder, text=True, capture_output=True)


def test_an_ordinary_start_warns_of_nothing(start):
    signer = start(keys=[0])
    assert signer.sign(attestation(EPOCH, EPOCH + 1)).status == 200
    assert signer.stop() == 0
    signer.log_path.unlink()
    signer.start()
    assert warnings(signer) == []


def test_an_empty_database_is_told_of_with_its_whole_path(start):
    signer = start(keys=[0], settings={"anti_slashing.path": "slashing.sqlite"})
    (line,) = [line for line in warnings(signer) if line["message"].startswith(EMPTY_DATABASE)]
    assert line["path"] == str(signer.database.resolve())
    assert signer.sign(attestation(EPOCH, EPOCH + 1)).status == 200
    signer.stop()
    signer.log_path.unlink()
    signer.start()
    assert not warns(signer, EMPTY_DATABASE)


def test_a_database_that_is_not_found_elsewhere_is_told_of(start):
    """The same relative path in another working directory."""
    signer = start(keys=[0], settings={"anti_slashing.path": "slashing.sqlite"})
    signer.stop()
    other = start(keys=[0], settings={"anti_slashing.path": "slashing.sqlite"})
    assert warns(other, EMPTY_DATABASE)


def test_one_that_only_a_trial_import_made_is_told_of_too(start, tmp_path):
    """It is there, and nothing is in it."""
    database, file = tmp_path / "slashing.sqlite", tmp_path / "nothing.json"
    file.write_text('{"metadata": {"interchange_format_version": "5", "genesis_validators_root": "%s"}, "data": []}'
                    % GENESIS_ROOTS["mainnet"])
    done = slashing(tmp_path, "import", "--dry-run", f"--from={file}", f"--anti-slashing-path={database}")
    assert done.returncode == 0 and database.exists()
    assert warns(start(keys=[0], settings={"anti_slashing.path": str(database)}), EMPTY_DATABASE)


def test_the_backend_that_keeps_nothing_is_not_called_an_empty_database(start):
    signer = start(keys=[0], settings={"anti_slashing.backend": "noop"})
    assert warns(signer, "THERE IS NO SLASHING PROTECTION")
    assert not warns(signer, EMPTY_DATABASE)


@pytest.mark.parametrize("address, expected", [("0.0.0.0", True), ("::", True), ("127.0.0.1", False)])
def test_an_open_address_is_told_of(start, address, expected):
    signer = start(keys=[0], settings={"server.listen_address": address})
    assert warns(signer, OPEN_API) is expected


@pytest.mark.parametrize("settings, expected", [
    ({"key_sources.filesystem.paths": ""}, True),
    ({"key_sources.filesystem.paths": "", "http.key_manager_api.enabled": True}, False),
])
def test_a_signer_that_cannot_get_keys_says_so(start, settings, expected):
    signer = start(settings=settings)
    assert warns(signer, NO_KEYS) is expected


@pytest.mark.skipif(SANITIZED, reason="sanitizers turn mlock() into nothing")
@pytest.mark.parametrize("allowed", [False, True])
def test_a_system_that_locks_no_memory_is_refused_at_the_start(tmp_path, allowed):
    wrapper = ["prlimit", "--memlock=0:0"]
    if os.geteuid() == 0:
        wrapper += ["setpriv", "--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock"]
    signer = Signer(tmp_path, keys=[0], wrapper=wrapper, wait=False,
                    settings={"memory.allow_unlocked": allowed})
    signer.start()
    try:
        if allowed:
            signer.wait_for(lambda: '"keys of the filesystem loaded","loaded":1' in signer.log_text())
        else:
            assert signer.process.wait(60) == 1
            assert "raise RLIMIT_MEMLOCK" in signer.log_text()
    finally:
        signer.kill()


def test_a_missing_wal_names_the_command_that_exists(start, tmp_path):
    signer = start(keys=[0])
    assert signer.sign(attestation(EPOCH, EPOCH + 1)).status == 200
    shutil.copy(signer.database, tmp_path / "copy.sqlite")
    path = ["--anti-slashing-path", "copy.sqlite"]
    refused = slashing(tmp_path, "check", *path)
    assert refused.returncode == 1 and 'see "slashing accept-loss"' in refused.stderr
    assert slashing(tmp_path, "accept-loss", *path).returncode == 0
    checked = slashing(tmp_path, "check", *path)
    assert checked.returncode == 0
    assert checked.stderr == "copy.sqlite: whole, and free of slashable pairs\n"


def test_a_wrong_password_in_an_import_is_blamed_on_nothing_else(signer):
    keystore = make_keystore(interop_secret(5), "right")
    answer = signer.post("/eth/v1/keystores", {"keystores": [keystore], "passwords": ["wrong"]})
    assert answer.json == {"data": [{"status": "error", "message": "wrong password"}]}


def test_a_deleted_key_that_comes_back_as_a_file_says_why_it_does_not_sign(signer):
    secret = interop_secret(5)
    pubkey = pubkey_of(secret)
    body = {"keystores": [make_keystore(secret, "p")], "passwords": ["p"]}
    signer.post("/eth/v1/keystores", body)
    signer.delete("/eth/v1/keystores", {"pubkeys": [pubkey]})
    signer.add_raw_key(5)
    assert signer.post("/reload").status == 202
    signer.wait_for(lambda: pubkey in signer.get("/api/v1/eth2/publicKeys").json)
    answer = signer.sign(attestation(EPOCH, EPOCH + 1), pubkey)
    assert answer.status == 412
    assert "the Key Manager API deleted the key" in answer.message
