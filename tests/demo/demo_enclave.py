#!/usr/bin/env python3
"""make demo-enclave: boots the development image in an emulated Nitro Enclave with a parent beside it, prints what was
measured, verifies the enclave from outside, and signs through it. Everything is in a temporary folder and gone afterwards.

usage: demo_enclave.py <development image>
"""
import json
import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from demo import attestation_root, say  # noqa: E402
from keystores import interop_secret  # noqa: E402
from nsm_signer import NsmSigner  # noqa: E402
from product import Product  # noqa: E402
from signer import EPOCH, attestation, pubkey_of, verifies  # noqa: E402

MEANING = {"0": "the whole image", "1": "kernel and command line", "2": "further ramdisks", "3": "the parent's role",
           "4": "the parent instance", "8": "who signed the image", "16": "the configuration"}


def configuration_of(secret: bytes) -> bytes:
    return ("tee:\n  platform: nitro\ntls:\n  mode: atls\nanti_slashing:\n  backend: sqlite\n"
            f"  path: /run/slashing.sqlite\ndevelopment:\n  keys: [{secret.hex()}]\n").encode()


def show_measurements(product: Product) -> None:
    say("\nComputed from the image, the configuration and the instance's names, without booting:")
    for number, value in product.expected().items():
        say(f"  PCR{number:<3} {value[:32]}…  {MEANING.get(number, '')}")


def verify(product: Product, policy: pathlib.Path) -> None:
    say(f"\n$ containment-chamber atls verify {product.address} --policy policy.json --root tests-root.der")
    called = product.verify(policy)
    say(called.out + called.err)
    if called.code != 0:
        sys.exit("the enclave was refused")
    wrong = product.verify(product.policy({"16": "00" * 47 + "01"}))
    say("With a policy that demands another configuration:")
    say(wrong.out.splitlines()[0])
    if wrong.code != 1:
        sys.exit("another configuration was not refused")


def sign(product: Product, policy: pathlib.Path, pubkey: str) -> None:
    with product.proxy(policy) as door:
        say(f"\nThrough `atls proxy` at 127.0.0.1:{door.port}, as a validator client would:")
        path, body = f"/api/v1/eth2/sign/{pubkey}", attestation(EPOCH, EPOCH + 1)
        answer = door.post(path, body)
        if answer.status != 200 or not verifies(pubkey, attestation_root(body["attestation"]), answer.json["signature"]):
            sys.exit(f"no right signature: {answer}")
        say(f"  200: {json.dumps(answer.json)[:80]}…, which verifies")
        double = door.post(path, attestation(EPOCH, EPOCH + 1, block_root=2))
        if double.status != 412:
            sys.exit(f"a double vote was answered {double}")
        say(f"  412 for another vote in the same epoch: {double.text.strip()}")


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    secret = interop_secret(0)
    with tempfile.TemporaryDirectory(prefix="demo-") as folder, NsmSigner() as nsm:
        say("Booting the development image in an emulated enclave …")
        with Product(pathlib.Path(folder), pathlib.Path(sys.argv[1]), configuration_of(secret), nsm) as product:
            product.wait_until_it_serves()
            lines = product.enclave.console.splitlines()
            say("\n".join(line for line in lines if line.startswith("chamber-enclave: ")))
            show_measurements(product)
            policy = product.policy()
            verify(product, policy)
            sign(product, policy, pubkey_of(secret))
    say("\nThat was an emulated enclave, under a root of the tests' own: docs/enclave.md says how to do this on EC2.")


if __name__ == "__main__":
    main()
