"""Secrets stay where they belong: no secret key and no password in the environment, the command line, the logs, an
answer, a core file, or in memory outside of what is locked and kept out of core files."""
import ctypes
import os
import pathlib
import resource
import signal
import subprocess
import threading

import pytest

import process_memory
from keystores import interop_secret
from manage import (KEY_MANAGER, KEYSTORES, body_of, delete_keys, failures, keystore,
                    loaded, pubkey, raw_document, reload, run_chamber, status_when_done, statuses, write,
                    write_keystore)
from signer import BINARY, EPOCH, Signer, attestation, block, randao

PASSWORDS = {"of a file": "file-password-Ahz6ohth7ei", "of a bulk directory": "bulk-password-Xie3quai9ch",
             "of an import": "import-password-Eigh5phai", "that is wrong": "wrong-password-aeJ7chiphu"}
RAW, FILE, SCRYPT, BULK, IMPORTED, DELETED, REFUSED = range(7)
LOADED = (RAW, FILE, SCRYPT, BULK, IMPORTED)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can read another process's memory")
needs_plain_build = pytest.mark.skipif(
    any(mark in pathlib.Path(BINARY).read_bytes() for mark in (b"__asan_init", b"__tsan_init")),
    reason="sanitizers keep copies of memory and what was freed, and lock nothing")


def secret_patterns() -> dict[str, bytes]:
    """Each secret key as bytes in both orders, by halves, and as digits; a half is enough to find the rest."""
    patterns = {}
    for index in range(7):
        secret = interop_secret(index)
        for name, value in (("big-endian", secret), ("little-endian", secret[::-1])):
            patterns[f"key {index}, {name}, first half"] = value[:16]
            patterns[f"key {index}, {name}, second half"] = value[16:]
        patterns[f"key {index}, digits"] = secret.hex()[:32].encode()
        patterns[f"key {index}, last digits"] = secret.hex()[32:].encode()
    return patterns


def password_patterns() -> dict[str, bytes]:
    """In UTF-8, and in the code points that normalisation goes through."""
    return {f"password {name}, {encoding}": password.encode(encoding)
            for name, password in PASSWORDS.items() for encoding in ("utf-8", "utf-32-le")}


def texts() -> list[str]:
    """What must not be in any text."""
    return [*PASSWORDS.values(), *(interop_secret(index).hex() for index in range(7)),
            *(interop_secret(index)[::-1].hex() for index in range(7))]


def assert_no_secret(text: str | bytes) -> None:
    text = text.decode(errors="replace") if isinstance(text, bytes) else text
    assert [secret for secret in texts() if secret.lower() in text.lower()] == []


def prepare_files(folder: pathlib.Path) -> dict[str, object]:
    """Keys of every kind, and a keystore whose password is wrong; the settings for them."""
    for name in ("keys", "bulk"):
        (folder / name).mkdir(parents=True)
    write(folder / "keys" / "raw.yaml", raw_document(RAW))
    write_keystore(folder / "keys", FILE, PASSWORDS["of a file"])
    write_keystore(folder / "keys", SCRYPT, PASSWORDS["of a file"], kdf="scrypt", cost=1024)
    write_keystore(folder / "keys", REFUSED, PASSWORDS["of a file"])
    write(folder / "keys" / f"key{REFUSED}.password", PASSWORDS["that is wrong"])
    write(folder / "bulk" / "k.json", keystore(BULK, PASSWORDS["of a bulk directory"]))
    write(folder / "bulk.password", PASSWORDS["of a bulk directory"])
    return {"key_sources.filesystem.keystores_path": folder / "bulk", "logging.level": "debug",
            "key_sources.filesystem.keystores_password_file": folder / "bulk.password"} | KEY_MANAGER


def import_and_delete(signer, answers: list) -> None:
    password = PASSWORDS["of an import"]
    imported = body_of(IMPORTED, DELETED) | {"keystores": [keystore(IMPORTED, password), keystore(DELETED, password)],
                                             "passwords": [password] * 2}
    answers.append(signer.post(KEYSTORES, imported))
    assert statuses(answers[-1]) == ["imported"] * 2
    assert signer.sign(randao(EPOCH), pubkey(DELETED)).status == 200
    answers.append(delete_keys(signer, DELETED))
    refused = {"keystores": [keystore(REFUSED, password)], "passwords": [PASSWORDS["that is wrong"]]}
    answers.append(signer.post(KEYSTORES, refused))
    assert statuses(answers[-1]) == ["error"]


def make_mistakes(signer, answers: list) -> None:
    """Requests with secrets in places where they do not belong."""
    password, secret = PASSWORDS["that is wrong"], interop_secret(RAW).hex()
    wrong = [{"keystores": [password], "passwords": [password]}, {"keystores": password, "passwords": [password]},
             {"keystores": [secret], "passwords": []}, {"passwords": {secret: password}},
             {"keystores": ["{}"], "passwords": ["x"], "slashing_protection": secret},
             {"keystores": ["{}"], "passwords": ["x"], "slashing_protection": '{"metadata": "' + password + '"}'}]
    answers += [signer.post(KEYSTORES, body) for body in wrong]
    answers.append(signer.post(KEYSTORES, '{"keystores": ["' + secret + '"], "passwords": ["' + password + '"], oops'))
    answers.append(signer.delete(KEYSTORES, {"pubkeys": [secret, password]}))
    answers.append(signer.sign(randao(EPOCH) | {"privateKey": secret, "password": password}, pubkey(REFUSED)))


def use_keys(signer, answers: list) -> None:
    """From several connections at once, so that every worker has held every key."""
    def sign_often():
        connection = signer.connect()
        for number in range(20):
            for index in LOADED:
                for body in (randao(EPOCH + number), block(EPOCH * 32 + number), attestation(EPOCH, EPOCH + number)):
                    answers.append(signer.sign(body, pubkey(index), connection=connection))
        connection.close()

    threads = [threading.Thread(target=sign_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    """A signer that has loaded, imported, signed, refused, deleted and reloaded; its answers in `answers`."""
    folder = tmp_path_factory.mktemp("lived")
    signer = Signer(folder, settings=prepare_files(folder))
    signer.start()
    signer.answers = []
    try:
        assert status_when_done(signer)["status"] == "completed_with_errors"
        import_and_delete(signer, signer.answers)
        make_mistakes(signer, signer.answers)
        use_keys(signer, signer.answers)
        assert reload(signer)["status"] == "completed_with_errors"
        assert loaded(signer) == sorted(pubkey(index) for index in LOADED)
        yield signer
    finally:
        signer.kill()


def proc(signer, name: str) -> pathlib.Path:
    return pathlib.Path(f"/proc/{signer.process.pid}/{name}")


# ------------------------------------------------------------------------------------------- texts

def test_command_line_and_environment_hold_no_secret(lived):
    for name in ("cmdline", "environ", "comm"):
        assert_no_secret(proc(lived, name).read_bytes())


def test_log_and_stderr_hold_no_secret_at_the_level_that_says_most(lived):
    assert len(failures(lived)) >= 2 and lived.log_text().count('"level"') > 5
    assert_no_secret(lived.log_text())


def test_answers_hold_no_secret_not_even_those_that_tell_of_a_mistake(lived):
    assert {answer.status for answer in lived.answers} >= {200, 400, 404}
    for answer in [*lived.answers, lived.get("/reload"), lived.get("/healthcheck"), lived.get(KEYSTORES),
                   lived.get("/metrics", port=lived.metrics_port)]:
        assert_no_secret(answer.body)
        assert_no_secret(str(answer.headers))


def test_the_database_holds_no_secret(lived):
    found = [path for path in lived.folder.iterdir() if path.name.startswith(lived.database.name)]
    assert lived.database in found
    for path in found:
        content = path.read_bytes()
        assert [name for name, pattern in (secret_patterns() | password_patterns()).items() if pattern in content] == []


def test_the_subcommands_hold_no_secret_in_what_they_say_of_bad_files(tmp_path):
    for index, text in enumerate((raw_document(RAW), PASSWORDS["that is wrong"], f'{{"metadata": "{interop_secret(0).hex()}"}}')):
        write(tmp_path / f"{index}", text)
        for arguments in (("slashing", "import", "--from", tmp_path / f"{index}", "--anti-slashing-path", tmp_path / "db"),
                          ("server", "--check-config", "-c", tmp_path / f"{index}"),
                          ("server", "--check-config", "--network", tmp_path / f"{index}")):
            done = run_chamber(*arguments, cwd=tmp_path)
            assert done.returncode != 0 and done.stderr
            assert_no_secret(done.stdout + done.stderr)


# --------------------------------------------------------------------------------------- core files

def test_core_files_are_off(lived):
    assert resource.prlimit(lived.process.pid, resource.RLIMIT_CORE) == (0, 0)


@needs_root
def test_the_process_is_undumpable_so_that_its_files_in_proc_are_roots(tmp_path):
    """As another user, whose own they would be if the process were dumpable."""
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.stat().st_mode & 0o001 == 0:
            folder.chmod(folder.stat().st_mode | 0o011)
    signer = Signer(tmp_path / "signer", wrapper=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"])
    os.chown(signer.folder, 65534, 65534)
    signer.start()
    try:
        assert proc(signer, "status").read_text().split("Uid:")[1].split()[0] == "65534"
        assert proc(signer, "mem").stat().st_uid == 0
        assert "NoNewPrivs:\t1" in proc(signer, "status").read_text()
        reader = f"open('/proc/{signer.process.pid}/mem').read(1)"
        assert refused_as_nobody(reader) and refused_as_nobody(f"open('/proc/{signer.process.pid}/environ').read()")
        assert not refused_as_nobody("open('/proc/self/environ').read()")  # the way of asking is right
    finally:
        signer.kill()


def refused_as_nobody(code: str) -> bool:
    """True when Python code that another process of the signer's own user runs is told "permission denied"."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE, which the change of user took away
            exec(code)
        except PermissionError:
            os._exit(1)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1


@pytest.mark.skipif(pathlib.Path("/proc/sys/kernel/core_pattern").read_text()[0] in "|/",
                    reason="core files are not written into the working directory here")
def test_a_crash_leaves_no_core_file(start):
    """Even where the limit of who starts it would allow one."""
    signer = start(keys=[0], wrapper=["prlimit", "--core=unlimited:unlimited", "--"])
    assert signer.sign(randao(EPOCH)).status == 200
    signer.process.send_signal(signal.SIGABRT)
    signer.process.wait(60)
    assert [path.name for path in signer.folder.iterdir() if "core" in path.name] == []


# ------------------------------------------------------------------------------------------- memory

@needs_plain_build
def test_memory_is_locked(lived):
    [line] = [line for line in proc(lived, "status").read_text().splitlines() if line.startswith("VmLck:")]
    assert int(line.split()[1]) > 0


@needs_root
@needs_plain_build
def test_secret_keys_are_in_locked_memory_outside_of_core_files_and_nowhere_else(lived):
    found = process_memory.find(lived.process.pid, secret_patterns())
    astray = {name: mapping for name, places in found.items() for mapping in places
              if not process_memory.is_protected(mapping)}
    assert astray == {}
    for index in LOADED:  # they are found where they belong, so the search is right
        places = found[f"key {index}, big-endian, first half"]
        assert len(places) == 1 and "wf" in places[0].flags, "a loaded key is in one place, which a child does not get"


@needs_root
@needs_plain_build
def test_of_a_deleted_or_refused_key_nothing_is_left(lived):
    found = process_memory.find(lived.process.pid, secret_patterns())
    left = [name for name, places in found.items() if places and name.startswith((f"key {DELETED},", f"key {REFUSED},"))]
    assert left == []


@needs_root
@needs_plain_build
def test_of_passwords_nothing_is_left(lived):
    found = process_memory.find(lived.process.pid, password_patterns())
    assert {name: places for name, places in found.items() if places} == {}


@needs_root
@needs_plain_build
def test_of_a_key_whose_file_is_gone_nothing_is_left(start):
    signer = start(keys=[RAW, FILE])
    assert signer.sign(randao(EPOCH), pubkey(FILE)).status == 200
    (signer.keys_folder / f"{pubkey(FILE)[2:]}.yaml").unlink()
    assert reload(signer)["status"] == "completed"
    found = process_memory.find(signer.process.pid, secret_patterns())
    assert found[f"key {RAW}, big-endian, first half"]
    assert [name for name, places in found.items() if places and name.startswith(f"key {FILE},")] == []


# ------------------------------------------------------------------------------- where locking fails

@needs_plain_build
def test_where_memory_cannot_be_locked_it_does_not_start_and_the_remedy_is_named(tmp_path):
    signer = Signer(tmp_path / "signer", keys=[0])
    done = subprocess.run([*without_locking(), *signer.command()], text=True, capture_output=True, timeout=60,
                          check=False, cwd=signer.folder)
    assert done.returncode == 1
    [line] = [line for line in done.stderr.splitlines() if line.startswith("containment-chamber: ")]
    assert "RLIMIT_MEMLOCK" in line and "LimitMEMLOCK" in line


def test_unlocked_memory_has_to_be_allowed_and_is_warned_of(start):
    signer = start(keys=[0], wrapper=without_locking(), settings={"memory.allow_unlocked": True})
    assert signer.sign(randao(EPOCH)).status == 200
    assert any("allow_unlocked" in line["message"] and line["level"].lower() == "warn" for line in signer.log())


def without_locking() -> list[str]:
    """Root may lock whatever the limit says, so the capability goes too."""
    limit = ["prlimit", "--memlock=0:0", "--"]
    if os.geteuid() != 0:
        return limit
    return [*limit, "setpriv", "--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock", "--"]
