"""Key management from a client's side: keystores on their way in and out, interchange data, and the BLS tool
for many lines at once."""
import json
import os
import subprocess

from keystores import interop_secret, make_keystore
from signer import BINARY, BLS_TOOL, GENESIS_ROOTS, pubkey_of

PASSWORD = "correct horse battery staple"
KEYSTORES = "/eth/v1/keystores"
KEY_MANAGER = {"http.key_manager_api.enabled": True}

pubkeys = {}


def pubkey(index: int) -> str:
    """Of an interop key."""
    if index not in pubkeys:
        pubkeys[index] = pubkey_of(interop_secret(index))
    return pubkeys[index]


def bls_many(lines: list[str]) -> list[str]:
    done = subprocess.run([BLS_TOOL], input="".join(f"{line}\n" for line in lines), text=True,
                          capture_output=True, check=True)
    return done.stdout.splitlines()


def keystore(index: int, password: str = PASSWORD, **options) -> str:
    return make_keystore(interop_secret(index), password, pubkey(index), **options)


def body_of(*indices: int, **more) -> dict:
    return {"keystores": [keystore(index) for index in indices],
            "passwords": [PASSWORD] * len(indices)} | more


def statuses(answer) -> list[str]:
    assert answer.status == 200, answer
    return [item["status"] for item in answer.json["data"]]


def import_keys(signer, *indices: int, **more) -> list[str]:
    return statuses(signer.post(KEYSTORES, body_of(*indices, **more)))


def delete_keys(signer, *indices: int):
    return signer.delete(KEYSTORES, {"pubkeys": [pubkey(index) for index in indices]})


def listed(signer) -> list[str]:
    return [key["validating_pubkey"] for key in signer.get(KEYSTORES).json["data"]]


# ------------------------------------------------------------------------------------ interchange

def history(key: str, blocks=(), attestations=()) -> dict:
    """blocks: (slot, root), attestations: (source, target, root); a root is a small number, or None."""
    def record(members: dict, root) -> dict:
        return members | ({} if root is None else {"signing_root": f"0x{root:064x}"})

    return {"pubkey": key,
            "signed_blocks": [record({"slot": str(slot)}, root) for slot, root in blocks],
            "signed_attestations": [record({"source_epoch": str(source), "target_epoch": str(target)}, root)
                                    for source, target, root in attestations]}


def interchange(*histories: dict, root: str = GENESIS_ROOTS["mainnet"], version: str = "5") -> str:
    return json.dumps({"metadata": {"interchange_format_version": version, "genesis_validators_root": root},
                       "data": list(histories)})


def exported(text: str) -> dict[str, tuple[dict, dict]]:
    """Public key to ({slot: root}, {(source, target): root}) of a mainnet export, which it holds to its form."""
    document = json.loads(text)
    assert document["metadata"] == {"interchange_format_version": "5",
                                    "genesis_validators_root": GENESIS_ROOTS["mainnet"]}
    found = {}
    for entry in document["data"]:
        assert entry["pubkey"] not in found, "a validator is there twice"
        blocks = {int(block["slot"]): block.get("signing_root") for block in entry["signed_blocks"]}
        attestations = {(int(vote["source_epoch"]), int(vote["target_epoch"])): vote.get("signing_root")
                        for vote in entry["signed_attestations"]}
        found[entry["pubkey"]] = (blocks, attestations)
    return found


# ----------------------------------------------------------------------------------- command line

def run_chamber(*arguments, **options) -> subprocess.CompletedProcess:
    """Runs the program to its end."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CONTAINMENT_")}
    return subprocess.run([BINARY, *map(str, arguments)], text=True, capture_output=True, timeout=60,
                          env=environment, **options)


def one_line(done: subprocess.CompletedProcess) -> str:
    """The single line with which a command failed."""
    assert done.stderr.endswith("\n") and done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("containment-chamber: "), done.stderr
    return done.stderr


# -------------------------------------------------------------------------------------- key files

def write(path, text) -> None:
    path.write_text(text)
    path.chmod(0o600)


def raw_document(index: int) -> str:
    return f'type: "file-raw"\nkeyType: "BLS"\nprivateKey: "{interop_secret(index).hex()}"\n'


def keystore_document(name: str) -> str:
    return f'type: "file-keystore"\nkeyType: "BLS"\nkeystoreFile: "{name}.json"\nkeystorePasswordFile: "{name}.password"\n'


def write_keystore(folder, index: int, password: str = PASSWORD, name: str | None = None, **options) -> None:
    """A keystore, its password file and its descriptor, as Web3Signer has them."""
    name = name or f"key{index}"
    write(folder / f"{name}.json", keystore(index, password, **options))
    write(folder / f"{name}.password", password + "\n")
    write(folder / f"{name}.yaml", keystore_document(name))


def loaded(signer) -> list[str]:
    return signer.get("/api/v1/eth2/publicKeys").json


def status_when_done(signer) -> dict:
    def status():
        answer = signer.get("/reload")
        assert answer.status == 200
        return None if answer.json["status"] == "running" else answer.json
    return signer.wait_for(status)


def reload(signer) -> dict:
    """Loads the keys again; how it went."""
    signer.wait_for(lambda: signer.post("/reload").status == 202)
    return status_when_done(signer)


def failures(signer) -> list[dict]:
    """The lines of the log that tell of bad key files."""
    return [line for line in signer.log() if line["message"] == "a key could not be loaded"]
