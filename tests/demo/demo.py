#!/usr/bin/env python3
"""make demo: starts a signer with an encrypted keystore, has an attestation and a block signed over HTTP, verifies both
signatures, and shows that a double vote is refused. Everything is in a temporary folder and gone afterwards."""
import hashlib
import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from keystores import interop_secret, make_keystore  # noqa: E402
from signer import EPOCH, Signer, attestation, block, fork_info, pubkey_of, verifies  # noqa: E402

PASSWORD = "correct horse battery staple"


# The signing roots, computed here once more: what the signer signed must be what was asked for.

def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def merkle_root(leaves: list[bytes]) -> bytes:
    while len(leaves) & (len(leaves) - 1):
        leaves.append(bytes(32))
    while len(leaves) > 1:
        leaves = [sha256(leaves[i] + leaves[i + 1]) for i in range(0, len(leaves), 2)]
    return leaves[0]


def leaf(value: str) -> bytes:
    if value.startswith("0x"):
        return bytes.fromhex(value[2:]).ljust(32, b"\0")
    return int(value).to_bytes(8, "little").ljust(32, b"\0")


def signing_root(object_root: bytes, domain_type: str) -> str:
    info = fork_info()
    fork_data_root = sha256(leaf(info["fork"]["current_version"]) + leaf(info["genesis_validators_root"]))
    return sha256(object_root + bytes.fromhex(domain_type) + fork_data_root[:28]).hex()


def attestation_root(data: dict) -> str:
    checkpoints = [merkle_root([leaf(data[end]["epoch"]), leaf(data[end]["root"])]) for end in ("source", "target")]
    leaves = [leaf(data[name]) for name in ("slot", "index", "beacon_block_root")]
    return signing_root(merkle_root(leaves + checkpoints), "01000000")


def block_root(header: dict) -> str:
    names = ("slot", "proposer_index", "parent_root", "state_root", "body_root")
    return signing_root(merkle_root([leaf(header[name]) for name in names]), "00000000")


# The demonstration.

def say(text: str = "") -> None:
    print(text, flush=True)


def make_keys(signer: Signer) -> str:
    secret = interop_secret(0)
    pubkey = pubkey_of(secret)
    say("Making an EIP-2335 keystore (scrypt, n=262144) and its descriptor …")
    (signer.keys_folder / "validator.json").write_text(make_keystore(secret, PASSWORD, pubkey, "scrypt", 262144))
    (signer.keys_folder / "validator.password").write_text(PASSWORD + "\n")
    (signer.keys_folder / "validator.yaml").write_text(
        'type: "file-keystore"\nkeyType: "BLS"\n'
        'keystoreFile: "validator.json"\nkeystorePasswordFile: "validator.password"\n')
    for path in signer.keys_folder.iterdir():
        path.chmod(0o600)
    signer.pubkeys.append(pubkey)
    return pubkey


def sign_and_verify(signer: Signer, what: str, body: dict, root: str) -> None:
    answer = signer.sign(body)
    if answer.status != 200:
        sys.exit(f"the signer answered {answer}")
    signature = answer.json["signature"]
    say(f"{what}: 200, signature {signature[:18]}…")
    if not verifies(signer.pubkeys[0], root, signature):
        sys.exit("the signature does not verify")
    say(f"  verifies under the public key, over the signing root 0x{root[:16]}…")


def show_refusal(signer: Signer, what: str, body: dict) -> None:
    answer = signer.sign(body)
    if answer.status != 412:
        sys.exit(f"a slashable message was answered with {answer}")
    say(f"{what}: 412\n  {answer.message}")


def show_commands() -> None:
    say("\nTo run it yourself:\n"
        "  build/containment-chamber server --print-example-config > config.yaml\n"
        "  build/containment-chamber server -c config.yaml --check-config\n"
        "  build/containment-chamber server -c config.yaml\n\n"
        "To point a validator client at it (the public keys are at /api/v1/eth2/publicKeys):\n"
        "  Lighthouse  in validator_definitions.yml: type: web3signer, url: http://127.0.0.1:9000\n"
        "  Teku        --validators-external-signer-url=http://127.0.0.1:9000 \\\n"
        "              --validators-external-signer-public-keys=external-signer\n"
        "  Prysm       --validators-external-signer-url=http://127.0.0.1:9000 \\\n"
        "              --validators-external-signer-public-keys=http://127.0.0.1:9000/api/v1/eth2/publicKeys\n"
        "  Nimbus      --web3-signer-url=http://127.0.0.1:9000\n"
        "  Lodestar    --externalSigner.url http://127.0.0.1:9000 --externalSigner.fetch\n"
        "  Vero        --remote-signer-url http://127.0.0.1:9000")


def demonstrate(folder: pathlib.Path) -> None:
    signer = Signer(folder=folder)
    pubkey = make_keys(signer)
    say("Starting the signer …")
    try:
        signer.start()
        say(f"It listens on 127.0.0.1:{signer.port} and holds\n  {pubkey}\n")
        vote, proposal = attestation(EPOCH, EPOCH + 1), block((EPOCH + 1) * 32)
        sign_and_verify(signer, "An attestation", vote, attestation_root(vote["attestation"]))
        sign_and_verify(signer, "A block", proposal, block_root(proposal["beacon_block"]["block_header"]))
        show_refusal(signer, "Another vote for the same target", attestation(EPOCH, EPOCH + 1, block_root=99))
        show_refusal(signer, "Another block for the same slot", block((EPOCH + 1) * 32, state_root=99))
        say(f"\nIt stops with exit code {signer.stop()}.")
    finally:
        signer.kill()
    show_commands()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="chamber-demo-") as name:
        demonstrate(pathlib.Path(name))
