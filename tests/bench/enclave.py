#!/usr/bin/env python3
"""make bench-enclave: measures the enclave's image, its boot and memory in the emulator, and what the parent's relay and
attested TLS cost, and prints the tables of docs/benchmarks.md. With --write they go into that page. --quick measures less.

What is compared is measured in the same run, in turns; no test asserts a time.
"""
import argparse
import contextlib
import itertools
import json
import os
import pathlib
import statistics
import sys
import tempfile
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

ROOT = pathlib.Path(__file__).resolve().parents[2]
for place in ("tests/support", "tools"):
    sys.path.insert(0, str(ROOT / place))

import enclave_boot  # noqa: E402  (after the path is set)
from atls import Proxy  # noqa: E402
from attested_server import IMAGE, AttestedServer  # noqa: E402
from enclave_boot import Images, make_images  # noqa: E402
from enclave_relay import measure_relay  # noqa: E402
from enclave_tables import page  # noqa: E402
from enclave_ways import WARM_UP, Client, Way, http_request, measure, once, tcp, tls  # noqa: E402
from keystores import interop_secret  # noqa: E402
from nitro_documents import pcr_of  # noqa: E402
from nsm_signer import NsmSigner  # noqa: E402
from product import DOORS, Product  # noqa: E402
from signer import EPOCH, Signer, attestation, pubkey_of  # noqa: E402

PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- measured in the enclave: begin -->", "<!-- measured in the enclave: end -->"
UPCHECK = http_request("GET", "/upcheck")
MANY_KEYS = 500
QUICK_MIB = (128, 24)  # enough, and far too little
VERIFICATIONS = 200
QUIET_LOAD = 1.0


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def votes(pubkey: str):
    """Requests to sign, each for an epoch later than the last."""
    targets = itertools.count(EPOCH + 10)

    def request() -> bytes:
        body = json.dumps(attestation(EPOCH, next(targets))).encode()
        return http_request("POST", f"/api/v1/eth2/sign/{pubkey}", body)
    return request


def upcheck() -> bytes:
    return UPCHECK


# --------------------------------------------------------------------------------- the emulated enclave

def enclave_upchecks(product: Product, signer: Signer) -> list[Way]:
    parent = {"parent": product.parent.process.pid}
    return [Way("a signer on this host, loopback", Client(tcp(signer.port)).ask, upcheck),
            Way("the enclave at vhost-device-vsock's socket", Client(product.enclave.connect(DOORS["health"])).ask, upcheck),
            Way("the enclave through the parent", Client(tcp(product.port("health"))).ask, upcheck, parent)]


def enclave_signing(product: Product, signer: Signer, proxy) -> list[Way]:
    request = votes(pubkey_of(interop_secret(0)))
    parent = {"parent": product.parent.process.pid}
    return [Way("a signer on this host, HTTP", Client(tcp(signer.port)).ask, votes(signer.pubkeys[0])),
            Way("the enclave, TLS, at vhost-device-vsock's socket", Client(tls(product.enclave.connect(DOORS["api"]))).ask, request),
            Way("the enclave, TLS through the parent", Client(tls(tcp(product.port("api")))).ask, request, parent),
            Way("the enclave, `atls proxy` and the parent", Client(tcp(proxy.port)).ask, request,
                parent | {"proxy": proxy.process.process.pid})]


def measure_enclave(folder: pathlib.Path, images: Images, nsm: NsmSigner, quick: bool) -> dict:
    slices, each = (2, 5) if quick else (40, 25)
    with contextlib.ExitStack() as opened:
        signer = Signer(folder / "signer", keys=[0]).start()
        opened.callback(signer.kill)
        product, _ = enclave_boot.boot(folder / "enclave", images, nsm)
        opened.callback(product.close)
        proxy = opened.enter_context(product.proxy(product.policy()))
        upchecks, signing = enclave_upchecks(product, signer), enclave_signing(product, signer, proxy)
        measure(upchecks, slices, each)
        measure(signing, slices, each)
        emulated = "KVM" if product.enclave.kvm else "an emulated CPU (TCG)"
    return {"upchecks": upchecks, "signing": signing, "cpu": emulated}


# ----------------------------------------------------------------- attested TLS with no emulator between

def attested_ways(server: AttestedServer, proxy: Proxy) -> tuple[list[Way], list[Way]]:
    """Requests on connections that are kept, and requests that each take a new one."""
    request = votes(server.pubkeys[0])
    ends = {"server": server.process.pid}
    both = ends | {"proxy": proxy.process.pid}
    kept = [Way("TLS", Client(tls(tcp(server.tls_port))).ask, request, ends),
            Way("`atls proxy`", Client(tcp(proxy.port)).ask, request, both)]
    new = [Way("TLS", once(lambda: tls(tcp(server.tls_port))), upcheck, ends),
           Way("`atls proxy`", once(lambda: tcp(proxy.port)), upcheck, both)]
    return kept, new


def bare_verification(times: int) -> float:
    """CPU seconds of one ECDSA verification with P-384, of which the evidence has several; the median."""
    key, message, algorithm = ec.generate_private_key(ec.SECP384R1()), bytes(1000), ec.ECDSA(hashes.SHA384())
    signature, public = key.sign(message, algorithm), key.public_key()
    found = []
    for _ in range(times):
        start = time.thread_time()
        public.verify(signature, message, algorithm)
        found.append(time.thread_time() - start)
    return statistics.median(found)


def measure_attested(folder: pathlib.Path, nsm: NsmSigner, quick: bool) -> dict:
    slices, each = (2, 5) if quick else (40, 50)
    (folder / "attested").mkdir()
    root, policy = folder / "root.der", folder / "policy.json"
    root.write_bytes(nsm.chain.root)
    policy.write_text(json.dumps({"pcrs": {"0": [pcr_of(IMAGE).hex()]}}))
    server = AttestedServer(folder / "attested", nsm, keys=[0])
    try:
        server.start()
        with Proxy(folder / "proxy", server.tls_port, "--policy", policy, "--root", root) as proxy:
            kept, new = attested_ways(server, proxy)
            measure(kept, slices, each)
            documents = len(nsm.documents)
            measure(new, slices, max(1, each // 5))
            documents = (len(nsm.documents) - documents) / (len(new[1].seconds) + WARM_UP)
    finally:
        server.kill()
    return {"kept": kept, "new": new, "documents": documents, "verification": bare_verification(20 if quick else VERIFICATIONS)}


# ------------------------------------------------------------------------------------------------ all of it

def measure_all(folder: pathlib.Path, quick: bool) -> dict:
    say("building the images")
    images = make_images(folder)
    found = {"sizes": images.sizes(), "load": os.getloadavg()[0], "cpus": os.cpu_count()}
    (folder / "relay").mkdir()
    say("the relay, without an enclave")
    found["relay"] = measure_relay(folder / "relay", quick)
    with NsmSigner() as nsm:
        say("attested TLS, without an enclave")
        found["attested"] = measure_attested(folder, nsm, quick)
        say("booting")
        found["boots"] = enclave_boot.boot_times(folder, images, nsm, 1 if quick else 9)
        say("the enclave's requests")
        found["enclave"] = measure_enclave(folder, images, nsm, quick)
        say("memory")
        found["resident"] = [enclave_boot.resident(folder, images, nsm, keys) for keys in ([3] if quick else [1, MANY_KEYS])]
        steps, times = (QUICK_MIB, 1) if quick else (enclave_boot.MEMORY_MIB, 3)
        found["memory"] = enclave_boot.memory_steps(folder, images, nsm, steps, times)
    return found


def write_page(text: str) -> None:
    whole = PAGE.read_text(encoding="utf-8")
    before, after = whole.split(BEGIN)[0], whole.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the figures into docs/benchmarks.md")
    parser.add_argument("--quick", action="store_true", help="fewer of everything: does it work at all?")
    options = parser.parse_args()
    if options.write and options.quick:
        parser.error("--quick measures too little to be written down")
    if options.write and os.getloadavg()[0] > QUIET_LOAD:
        parser.error(f"others are at work here (load average {os.getloadavg()[0]:.1f}): what is measured now is not written down")
    # A short path: the names of UNIX sockets are bounded.
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        text = page(measure_all(pathlib.Path(name), options.quick))
    print(text)
    if options.write:
        write_page(text)


if __name__ == "__main__":
    main()
