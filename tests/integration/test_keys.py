"""Keys of the filesystem, end to end: Web3Signer's descriptors and bulk directories, good and bad, few and many."""
import json
import os
import pathlib
import random
import re
import unicodedata

import pytest

from keystores import interop_secret, make_keystore
from manage import (KEY_MANAGER, KEYSTORES, PASSWORD, bls_many, failures, keystore, keystore_document, loaded,
                    pubkey, raw_document, run_chamber, status_when_done, statuses, write, write_keystore)
from signer import BINARY, EPOCH, Signer, randao


def keys(*indices: int) -> list[str]:
    return sorted(pubkey(index) for index in indices)


@pytest.fixture
def prepared(tmp_path):
    """A signer that is not started: its key files are still to be written."""
    signer = Signer(tmp_path / "signer")
    yield signer
    signer.kill()


def load(signer) -> dict:
    """Starts it; how the load went. Every key that is loaded signs."""
    signer.start()
    status = status_when_done(signer)
    for key in loaded(signer)[:20]:
        assert signer.sign(randao(EPOCH), key).status == 200
    return status


def only_failure(signer) -> dict:
    """The one line of the log about the one bad file; GET /reload says the same."""
    [line] = failures(signer)
    assert line["level"].lower() == "warn"
    said = signer.get("/reload").json["lastError"]
    assert line["file"] in said and line["reason"] in said and "\n" not in said
    assert line.get("key", "") in said
    assert f"document {line['document']}" in said if "document" in line else "document" not in said
    return line


# --------------------------------------------------------------------------------- good descriptors

def test_raw_keys_and_keystores_of_both_kinds_side_by_side(prepared):
    folder = prepared.keys_folder
    write(folder / "a.yaml", raw_document(0))
    write_keystore(folder, 1, kdf="scrypt", cost=1024)
    write_keystore(folder, 2, kdf="pbkdf2", cost=1024)
    assert load(prepared)["status"] == "completed"
    assert loaded(prepared) == keys(0, 1, 2) and failures(prepared) == []


@pytest.mark.parametrize("text", [
    "privateKey: {secret}\ntype: file-raw\n", "type: 'file-raw'\nkeyType: 'BLS'\nprivateKey: '0x{secret}'\n",
    '# a comment\n\n---\ntype: "file-raw"   # another\nkeyType: "BLS"\nprivateKey: "{secret}"\n...\n',
    'type: "file-raw"\r\nkeyType: "BLS"\r\nprivateKey: "{secret}"\r\n', "{{type: file-raw, privateKey: {secret}}}",
    '{{"type": "file-raw", "keyType": "BLS", "privateKey": "{SECRET}"}}', "\ufefftype: file-raw\nprivateKey: {secret}",
    "type: file-raw\nmore: [1, {{a: b}}]\nprivateKey: {secret}\ncreatedAt: 2024-01-01\n",
])
def test_descriptors_as_people_and_tools_write_them(prepared, text):
    secret = interop_secret(0).hex()
    write(prepared.keys_folder / "a.yaml", text.format(secret=secret, SECRET=secret.upper()))
    assert load(prepared)["status"] == "completed" and loaded(prepared) == keys(0)


def test_several_documents_of_both_types_in_one_file(prepared):
    write_keystore(prepared.keys_folder, 1)
    (prepared.keys_folder / "key1.yaml").unlink()
    write(prepared.keys_folder / "all.yml", "---\n".join([raw_document(0), keystore_document("key1"), raw_document(2)]))
    assert load(prepared)["status"] == "completed" and loaded(prepared) == keys(0, 1, 2)


def test_files_are_named_from_the_descriptors_place_or_from_the_root(prepared):
    elsewhere = prepared.folder / "elsewhere"
    elsewhere.mkdir()
    for index in (1, 2):
        write(elsewhere / f"{index}.json", keystore(index))
    write(elsewhere / "password", PASSWORD)
    for index, folder in ((1, elsewhere), (2, pathlib.Path("../elsewhere"))):
        write(prepared.keys_folder / f"{index}.yaml", "type: file-keystore\n"
              f"keystoreFile: {folder}/{index}.json\nkeystorePasswordFile: {folder}/password\n")
    assert load(prepared)["status"] == "completed" and loaded(prepared) == keys(1, 2)


def test_several_directories_and_no_folders_in_them(prepared):
    folders = [prepared.folder / name for name in ("raw", "more")]
    for index, folder in enumerate(folders):
        (folder / "deeper").mkdir(parents=True)
        write(folder / "a.yaml", raw_document(index))
        write(folder / "deeper" / "b.yaml", raw_document(index + 5))
        write(folder / ".hidden.yaml", raw_document(index + 7))
        write(folder / "notes.txt", raw_document(index + 9))
    prepared.settings["key_sources.filesystem.paths"] = ",".join(map(str, folders))
    assert load(prepared)["status"] == "completed" and loaded(prepared) == keys(0, 1)


def test_links_are_followed(prepared):
    """As Kubernetes mounts secrets."""
    real = prepared.folder / "..data"
    real.mkdir()
    write(real / "a.yaml", raw_document(0))
    (prepared.keys_folder / "a.yaml").symlink_to(real / "a.yaml")
    assert load(prepared)["status"] == "completed" and loaded(prepared) == keys(0)


def test_the_same_key_in_two_files_is_loaded_once_and_the_second_is_told_of(prepared):
    for name in ("a", "b"):
        write(prepared.keys_folder / f"{name}.yaml", raw_document(0))
    assert load(prepared)["status"] == "completed_with_errors" and loaded(prepared) == keys(0)
    line = only_failure(prepared)
    assert line["file"].endswith("/b.yaml") and line["key"] == pubkey(0) and "/a.yaml" in line["reason"]


# ---------------------------------------------------------------------------------------- passwords

STRANGE = "𝔱𝔢𝔰𝔱𝔭𝔞𝔰𝔰𝔴𝔬𝔯𝔡🔑"  # of EIP-2335's test vectors
NORMAL = unicodedata.normalize("NFKD", STRANGE)


@pytest.mark.parametrize("used, written", [
    (NORMAL, STRANGE), (NORMAL, NORMAL), ("A\u030angstro\u0308m", "Ångström"), ("fi", "ﬁ"), ("한", "한"),
    ("plain", "pl\x00ai\x1fn\x7f\x85"), ("two  spaces ", "two  spaces "), (" led", " led"), ("x", "x\r\n"), ("x", "x\n\n"),
    ("x" * 1024, "x" * 1024),
], ids=range(11))
def test_passwords_are_normalised_as_eip_2335_says(prepared, used, written):
    """`used` is what the keystore was made with, byte by byte; `written` what the file holds."""
    used = unicodedata.normalize("NFD", used)
    write(prepared.keys_folder / "a.json", make_keystore(interop_secret(1), used, pubkey(1)))
    (prepared.keys_folder / "a.password").write_bytes(written.encode())
    (prepared.keys_folder / "a.password").chmod(0o600)
    write(prepared.keys_folder / "a.yaml", keystore_document("a"))
    assert load(prepared)["status"] == "completed", failures(prepared)
    assert loaded(prepared) == keys(1)


def test_the_key_manager_normalises_the_same_way(start):
    signer = start(settings=KEY_MANAGER)
    body = {"keystores": [make_keystore(interop_secret(1), NORMAL)], "passwords": [STRANGE]}
    assert statuses(signer.post(KEYSTORES, body)) == ["imported"]


@pytest.mark.parametrize("written, named", [
    (b"wrong", "password"), (b"", "empty"), (b"\n", "empty"), (PASSWORD.upper().encode(), "password"),
    (b"\xff\xfe", "UTF-8"), (b"x" * 1025, "1024"), (b"x" * 100_000, "large"), (f"{PASSWORD}\nmore".encode(), "line"),
    (PASSWORD.encode() + b" ", "password"),
], ids=range(9))
def test_a_wrong_password_is_one_line_with_file_key_and_reason_and_without_the_password(prepared, written, named):
    write_keystore(prepared.keys_folder, 1)
    write(prepared.keys_folder / "good.yaml", raw_document(0))
    (prepared.keys_folder / "key1.password").write_bytes(written)
    assert load(prepared)["status"] == "completed_with_errors" and loaded(prepared) == keys(0)
    line = only_failure(prepared)
    assert line["file"] == str(prepared.keys_folder / "key1.yaml") and line["document"] == 1
    assert "key1.password" in line["reason"] and named in line["reason"]
    if "wrong" in line["reason"]:
        assert line["key"] == pubkey(1)
    assert PASSWORD not in prepared.log_text()


# ---------------------------------------------------------------------------------------- bad files

@pytest.mark.parametrize("text, named", [
    ("", ""), ("\n# nothing\n", ""), ("type: file-raw\n", "privateKey"), ("privateKey: {secret}\n", "type"),
    ("type: file-raw\nprivateKey: {secret}0\n", "privateKey"), ("type: file-raw\nprivateKey: {short}\n", "privateKey"),
    ("type: file-raw\nprivateKey: {zero}\n", ""), ("type: file-raw\nprivateKey: {order}\n", ""),
    ("type: file-raw\nkeyType: SECP256K1\nprivateKey: {secret}\n", "keyType"),
    ("type: aws-secret\nprivateKey: {secret}\n", "type"), ("type: hashicorp\n", "type"),
    ("type: file-keystore\nkeystoreFile: a.json\n", "keystorePasswordFile"),
    ("type: file-keystore\nkeystoreFile: none.json\nkeystorePasswordFile: none\n", "none.json"),
    ("type: file-raw\ntype: file-raw\nprivateKey: {secret}\n", "type"), ("- {secret}\n", ""), ("{secret}", ""),
    ("type: file-raw\nprivateKey: [{secret}]\n", "privateKey"), ("\ttype: file-raw\n", "line 1"),
    ("type: file-raw\n  privateKey: {secret}\n", "line 2"), ("a: &a [*a]\n", ""), ("\x00", ""), ("type: file-raw\nprivateKey: >\n  {secret}\n", "privateKey"),
], ids=range(22))
def test_a_bad_descriptor_is_one_line_with_its_name_and_a_reason_and_stops_no_other(prepared, text, named):
    order = f"{0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001:064x}"
    secret = interop_secret(7).hex()
    for name, value in (("secret", secret), ("short", secret[:-2]), ("zero", "00" * 32), ("order", order)):
        text = text.replace("{" + name + "}", value)
    write(prepared.keys_folder / "bad.yaml", text)
    write(prepared.keys_folder / "good.yaml", raw_document(0))
    assert load(prepared)["status"] == "completed_with_errors" and loaded(prepared) == keys(0)
    line = only_failure(prepared)
    assert line["file"] == str(prepared.keys_folder / "bad.yaml") and named in line["reason"]
    assert len(line["reason"]) > 5
    assert secret[:16] not in prepared.log_text()


def test_a_bad_document_is_named_by_its_number_and_stops_no_other_of_its_file(prepared):
    documents = [raw_document(0), "type: file-raw\nprivateKey: zz\n", raw_document(2), raw_document(0)]
    write(prepared.keys_folder / "many.yaml", "---\n".join(documents))
    assert load(prepared)["status"] == "completed_with_errors" and loaded(prepared) == keys(0, 2)
    assert [line["document"] for line in failures(prepared)] == [2, 4]


def changed(**members) -> str:
    return json.dumps(json.loads(keystore(1)) | members)


@pytest.mark.parametrize("text, named", [
    ("", ""), ("{}", ""), ("[1]", ""), (changed(version=3), "version"), (changed(pubkey=pubkey(2)[2:]), "public key"),
    (changed(crypto={}), "crypto"), (keystore(1)[:-20], ""), (changed(pubkey="00"), "pubkey"), ("x" * 70_000, "large"),
    (keystore(1, kdf="scrypt", cost=1024).replace('"n": 1024', '"n": 1073741824'), "crypto"),
    (keystore(1, kdf="scrypt", cost=1024).replace('"n": 1024', '"n": 1000'), "crypto"),
], ids=range(11))
def test_a_bad_keystore_is_one_line_with_its_name_and_a_reason(prepared, text, named):
    write_keystore(prepared.keys_folder, 1)
    write(prepared.keys_folder / "key1.json", text)
    write(prepared.keys_folder / "good.yaml", raw_document(0))
    assert load(prepared)["status"] == "completed_with_errors" and loaded(prepared) == keys(0)
    line = only_failure(prepared)
    assert line["file"].endswith("/key1.yaml")
    assert "key1.json" in line["reason"] and named in line["reason"]


def test_what_is_no_file_is_one_line_and_nothing_waits_for_it(prepared):
    folder = prepared.keys_folder
    os.mkfifo(folder / "fifo.yaml")
    (folder / "gone.yaml").symlink_to("nowhere")
    (folder / "loop.yaml").symlink_to("loop.yaml")
    (folder / "folder.yaml").mkdir()
    (folder / "link.yaml").symlink_to("folder.yaml")
    write(folder / "large.yaml", "#" * (1024 * 1024 + 1))
    write(folder / "good.yaml", raw_document(0))
    assert load(prepared)["status"] == "completed_with_errors" and loaded(prepared) == keys(0)
    named = {pathlib.Path(line["file"]).name for line in failures(prepared)}
    assert named == {"fifo.yaml", "gone.yaml", "loop.yaml", "link.yaml", "large.yaml"}
    assert len(failures(prepared)) == 5


def test_a_name_with_control_characters_is_one_line_all_the_same(prepared):
    write(prepared.keys_folder / "bad\nlevel=ERROR\x1b[31m.yaml", "")
    assert load(prepared)["status"] == "completed_with_errors"
    said = prepared.get("/reload").json["lastError"]
    assert "\n" not in said and "\x1b" not in said
    assert "\x1b" not in prepared.log_text()


def test_a_file_is_told_of_on_stderr_too_in_the_text_format(prepared):
    prepared.settings["logging.format"] = "text"
    prepared.wait = False
    write(prepared.keys_folder / "bad.yaml", "type: file-raw\n")
    prepared.start()
    found = prepared.wait_for(lambda: re.findall(".*bad.yaml.*", prepared.log_text()))
    assert len(found) == 1 and "privateKey" in found[0]


# ------------------------------------------------------------------------------------------- strict

def strict(signer, *arguments):
    signer.settings["key_sources.filesystem.strict"] = True
    return run_chamber(*signer.command()[1:], *arguments, cwd=signer.folder)


def test_strict_refuses_to_start_with_a_bad_file_and_names_it(prepared):
    write(prepared.keys_folder / "good.yaml", raw_document(0))
    write(prepared.keys_folder / "bad.yaml", "type: file-raw\n")
    done = strict(prepared)
    assert done.returncode == 1
    [line] = [line for line in done.stderr.splitlines() if line.startswith("containment-chamber: ")]
    assert "bad.yaml" in line and "privateKey" in line


def test_strict_starts_with_good_files(prepared):
    write(prepared.keys_folder / "good.yaml", raw_document(0))
    prepared.settings["key_sources.filesystem.strict"] = True
    assert load(prepared)["status"] == "completed"


def test_a_directory_that_is_not_there_is_told_of_and_strict_refuses(prepared):
    prepared.settings["key_sources.filesystem.paths"] = "/nonexistent/keys"
    prepared.wait = False
    prepared.start()
    prepared._read_ports(0)
    assert status_when_done(prepared)["status"] == "failed"
    assert "/nonexistent/keys" in prepared.get("/reload").json["lastError"]
    assert prepared.get("/healthcheck").status == 503  # not ready: no load went through
    prepared.kill()
    done = strict(prepared)
    assert done.returncode == 1 and "/nonexistent/keys" in done.stderr


# --------------------------------------------------------------------------------- bulk directories

@pytest.fixture
def bulk(prepared):
    """With a directory of keystores beside that of descriptors."""
    for name in ("bulk", "passwords"):
        (prepared.folder / name).mkdir()
    prepared.settings["key_sources.filesystem.keystores_path"] = str(prepared.folder / "bulk")
    return prepared


def test_a_bulk_directory_with_one_password_beside_descriptors(bulk):
    bulk.settings["key_sources.filesystem.keystores_password_file"] = str(bulk.folder / "password")
    write(bulk.folder / "password", PASSWORD + "\n")
    write(bulk.keys_folder / "raw.yaml", raw_document(0))
    for index in range(1, 6):
        write(bulk.folder / "bulk" / f"keystore-m_12381_3600_{index}_0_0-1.json", keystore(index))
    write(bulk.folder / "bulk" / "deposit_data.txt", "no keystore")
    assert load(bulk)["status"] == "completed" and loaded(bulk) == keys(*range(6))


def test_a_bulk_directory_with_a_password_for_each(bulk):
    bulk.settings["key_sources.filesystem.keystores_passwords_path"] = str(bulk.folder / "passwords")
    for index in range(4):
        write(bulk.folder / "bulk" / f"k{index}.json", keystore(index, f"password {index}"))
    for index in range(3):
        write(bulk.folder / "passwords" / f"k{index}.txt", f"password {max(index, 1)}")
    assert load(bulk)["status"] == "completed_with_errors" and loaded(bulk) == keys(1, 2)
    wrong, missing = sorted(failures(bulk), key=lambda line: line["file"])
    assert wrong["file"].endswith("/bulk/k0.json") and wrong["key"] == pubkey(0) and "k0.txt" in wrong["reason"]
    assert missing["file"].endswith("/bulk/k3.json") and "k3.txt" in missing["reason"]
    assert "document" not in wrong


def test_a_file_that_is_no_keystore_in_a_bulk_directory_is_told_of(bulk):
    bulk.settings["key_sources.filesystem.keystores_password_file"] = str(bulk.folder / "password")
    write(bulk.folder / "password", PASSWORD)
    write(bulk.folder / "bulk" / "deposit_data-1.json", "[{}]")
    write(bulk.folder / "bulk" / "k.JSON", keystore(1))
    assert load(bulk)["status"] == "completed_with_errors" and loaded(bulk) == keys(1)
    assert only_failure(bulk)["file"].endswith("deposit_data-1.json")


@pytest.mark.parametrize("content", [None, ""])
def test_one_password_file_that_is_bad_is_one_failure_and_not_one_a_key(bulk, content):
    bulk.settings["key_sources.filesystem.keystores_password_file"] = str(bulk.folder / "password")
    if content is not None:
        write(bulk.folder / "password", content)
    for index in range(3):
        write(bulk.folder / "bulk" / f"{index}.json", keystore(index))
    bulk.wait = False
    bulk.start()
    bulk._read_ports(0)
    status = status_when_done(bulk)
    assert status["status"] == "failed" and str(bulk.folder / "password") in status["lastError"]
    assert failures(bulk) == []


# -------------------------------------------------------------------------------------- permissions

def exposed(signer) -> list[dict]:
    return [line for line in signer.log() if line.get("holds")]


def test_secrets_that_others_may_read_are_warned_of_once_a_directory_and_loaded(prepared):
    for index in range(3):
        write_keystore(prepared.keys_folder, index)
        (prepared.keys_folder / f"key{index}.password").chmod(0o644)
        write(prepared.keys_folder / f"raw{index}.yaml", raw_document(index + 5))
        (prepared.keys_folder / f"raw{index}.yaml").chmod(0o640)
    assert load(prepared)["status"] == "completed" and len(loaded(prepared)) == 6
    assert sorted(line["holds"] for line in exposed(prepared)) == ["password", "private key"]
    assert all(line["level"].lower() == "warn" and "chmod 600" in line["message"] for line in exposed(prepared))


def test_secrets_that_only_the_owner_may_read_are_not_warned_of(prepared):
    write_keystore(prepared.keys_folder, 1)
    (prepared.keys_folder / "key1.json").chmod(0o644)  # encrypted: no secret
    write(prepared.keys_folder / "raw.yaml", raw_document(2))
    assert load(prepared)["status"] == "completed"
    assert exposed(prepared) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to another user")
def test_a_file_that_may_not_be_read_is_told_of_with_the_systems_reason(prepared):
    """As another user: root may read everything."""
    write(prepared.keys_folder / "good.yaml", raw_document(0))
    write(prepared.keys_folder / "bad.yaml", raw_document(1))
    for path in (prepared.folder, prepared.keys_folder, prepared.keys_folder / "good.yaml"):
        os.chown(path, 65534, 65534)
    prepared.wrapper = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
    for folder in prepared.folder.parents:
        if folder.stat().st_mode & 0o001 == 0:
            folder.chmod(folder.stat().st_mode | 0o011)
    assert load(prepared)["status"] == "completed_with_errors" and loaded(prepared) == keys(0)
    line = only_failure(prepared)
    assert line["file"].endswith("/bad.yaml") and "Permission denied" in line["reason"]


# --------------------------------------------------------------------------------------------- many

def is_sanitized() -> bool:
    return b"__asan_init" in pathlib.Path(BINARY).read_bytes() or b"__tsan_init" in pathlib.Path(BINARY).read_bytes()


def resident_mebibytes(signer) -> float:
    text = pathlib.Path(f"/proc/{signer.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]) / 1024


def test_ten_thousand_keys_in_files_of_one_and_of_many_take_less_than_100_mb(prepared):
    folder = prepared.keys_folder
    for number in range(8):
        documents = (raw_document(index) for index in range(number * 1000, number * 1000 + 1000))
        write(folder / f"many{number}.yaml", "---\n".join(documents))
    for index in range(8000, 10_000):
        (folder / f"{index}.yaml").write_text(raw_document(index))
    write(folder / "bad.yaml", "type: file-raw\n")
    prepared.start()
    assert status_when_done(prepared)["status"] == "completed_with_errors"
    found = loaded(prepared)
    assert len(set(found)) == len(found) == 10_000
    chosen = random.sample(range(10_000), 50)
    lines = bls_many([f"sign {interop_secret(index).hex()} {'00' * 32}" for index in chosen])
    assert {"0x" + line.split()[0].removeprefix("0x") for line in lines} <= set(found)
    assert prepared.sign(randao(EPOCH), found[0]).status == prepared.sign(randao(EPOCH), found[-1]).status == 200
    assert len(failures(prepared)) == 1
    if not is_sanitized():
        assert resident_mebibytes(prepared) < 100


def thread_names(signer) -> list[str]:
    names = []
    for task in pathlib.Path(f"/proc/{signer.process.pid}/task").iterdir():
        try:
            names.append((task / "comm").read_text().strip())
        except OSError:
            pass  # it has ended meanwhile
    return names


def test_a_long_load_runs_on_several_cpus_and_shows_its_progress_while_keys_that_are_ready_sign(prepared):
    write_keystore(prepared.keys_folder, 1, cost=400_000)
    write(prepared.keys_folder / "key1.yaml", "---\n".join([keystore_document("key1")] * 2000))
    write(prepared.keys_folder / "raw.yaml", raw_document(0))
    prepared.wait = False
    prepared.start()
    prepared._read_ports(0)
    prepared.wait_for(lambda: loaded(prepared) == keys(0, 1))
    assert prepared.get("/reload").json["status"] == "running"
    assert prepared.sign(randao(EPOCH), pubkey(0)).status == 200
    assert thread_names(prepared).count("key-loader") == min(len(os.sched_getaffinity(0)), 128)
    [first, *_] = prepared.wait_for(lambda: [line for line in prepared.log() if line["message"] == "loading keys"])
    assert 0 < first["done"] < first["total"] == 2001
    assert prepared.stop() == 0


def test_the_setting_bounds_how_many_keystores_are_opened_at_once(prepared):
    write_keystore(prepared.keys_folder, 1, cost=400_000)
    write(prepared.keys_folder / "key1.yaml", "---\n".join([keystore_document("key1")] * 2000))
    prepared.settings["key_sources.filesystem.keystore_load_concurrency"] = 1
    prepared.wait = False
    prepared.start()
    prepared._read_ports(0)
    prepared.wait_for(lambda: loaded(prepared) == keys(1))
    assert thread_names(prepared).count("key-loader") == 1
