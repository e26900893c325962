"""The signer in an emulated enclave, from the client's request to the answer, and what a parent that is hostile gets.

The development image is the release image with a slashing protection in memory and keys in its configuration
(src/app/development.h); all else is the same. The release image is booted as far as it goes without a store."""
import concurrent.futures
import contextlib
import datetime
import http.client
import json
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
import types

import build_image
import lodestar
import pytest
from commands import call
from fake_vsock import frame
from keystores import interop_secret
from nitro_documents import make_chain, with_new_leaf
from node_client import ClientError, NodeClient
from nsm_signer import NsmSigner, now
from parent import eventually
from product import DOORS, Product
from signer import BINARY, EPOCH, PATIENCE_S, attestation, pubkey_of, verifies
from signing_cases import plain_cases

KEYS = [interop_secret(index) for index in range(8)]
CONFIGURATION = b"""tee:
  platform: nitro
tls:
  mode: atls
anti_slashing:
  backend: sqlite
  path: /run/slashing.sqlite
development:
  keys: [%s]
""" % ", ".join(secret.hex() for secret in KEYS).encode()
RELEASE_CONFIGURATION = b"tee:\n  platform: nitro\ntls:\n  mode: atls\n"
CONFIGURATION_FRAME = 2
ATTESTATION = next(case for case in plain_cases() if case.name == "ATTESTATION")


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> pathlib.Path:
    return tmp_path_factory.mktemp("images")


@pytest.fixture(scope="module")
def development_image(images) -> pathlib.Path:
    """Signed, so that register 8 has something to say."""
    key, certificate = images / "signer.key", images / "signer.crt"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1", "-nodes",
                    "-days", "365", "-subj", "/CN=tests", "-keyout", key, "-out", certificate], check=True,
                   stderr=subprocess.DEVNULL)
    build_image.build(images / "development.eif", images / "development.json", development=True, emulated=True,
                      signing=(key, certificate), tool=pathlib.Path(BINARY))
    return images / "development.eif"


@pytest.fixture(scope="module")
def release_image(images) -> pathlib.Path:
    build_image.build(images / "release.eif", images / "release.json", emulated=True, tool=pathlib.Path(BINARY))
    return images / "release.eif"


@pytest.fixture(scope="module")
def pubkeys() -> list[str]:
    return [pubkey_of(secret) for secret in KEYS]


@pytest.fixture(scope="module")
def product(development_image, signer, tmp_path_factory):
    """A signing enclave, shared by the tests that leave it as they found it."""
    with Product(tmp_path_factory.mktemp("product"), development_image, CONFIGURATION, signer) as running:
        running.wait_until_it_serves()
        yield running


@pytest.fixture(scope="module")
def policy(product):
    return product.policy()


@pytest.fixture(scope="module")
def door(product, policy):
    with product.proxy(policy) as running:
        yield running


@pytest.fixture
def epoch(counter=iter(range(EPOCH, EPOCH + 100000, 10))) -> int:
    """One that no other test has signed for."""
    return next(counter)


def sign(door, pubkey: str, body, **options):
    return door.post(f"/api/v1/eth2/sign/{pubkey}", body, **options)


# ------------------------------------------------------------------------------------------- measurements

def test_the_registers_are_those_that_were_computed_without_booting(product, policy):
    report = json.loads(product.verify(policy, "--json").out)
    assert report["verified"] is True
    found = {number: value.removeprefix("0x") for number, value in report["document"]["pcrs"].items()}
    expected = product.expected()
    assert expected.keys() == {"0", "1", "2", "3", "4", "8", "16"}
    assert {number: found[number] for number in expected} == expected
    assert "0" * 96 not in expected.values()


@pytest.mark.parametrize("number", ["0", "1", "2", "3", "4", "8", "16"])
def test_each_register_that_differs_is_refused(product, number):
    wrong = product.verify(product.policy({number: "ab" * 48}))
    assert wrong.code == 1
    assert re.search(rf"registers: PCR{number} is", wrong.err), wrong.err


def test_aws_root_does_not_vouch_for_an_emulated_enclave(product, policy):
    called = call("atls", "verify", product.address, "--policy", policy)
    assert called.code == 1 and "chain" in called.err, called


def test_evidence_that_is_too_old_is_refused(product):
    late = product.verify(product.policy(max_age_seconds=1), "--at",
                          (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=600))
                          .strftime("%Y-%m-%dT%H:%M:%SZ"))
    assert late.code == 1 and "freshness" in late.err, late


# ------------------------------------------------------------------------------------------------ signing

def test_a_signature_comes_from_the_enclave_and_is_right(door, pubkeys, epoch):
    answer = sign(door, pubkeys[0], ATTESTATION.body(epoch))
    assert answer.status == 200, answer
    assert verifies(pubkeys[0], ATTESTATION.signing_root(epoch), answer.json["signature"])


def test_a_double_vote_is_412_and_the_same_vote_is_signed_again(door, pubkeys, epoch):
    first = sign(door, pubkeys[1], attestation(epoch, epoch + 1))
    assert first.status == 200
    assert sign(door, pubkeys[1], attestation(epoch, epoch + 1, block_root=2)).status == 412
    assert sign(door, pubkeys[1], attestation(epoch, epoch + 1)).json == first.json


def test_the_keys_are_those_of_the_configuration(door, pubkeys):
    assert sorted(door.get("/api/v1/eth2/publicKeys").json) == sorted(pubkeys)


def test_a_real_validator_client_signs_through_the_proxy(door, pubkeys, tmp_path):
    """Lodestar's, which knows nothing of enclaves."""
    with contextlib.closing(NodeClient("validator", tmp_path / "client")) as client:
        served = types.SimpleNamespace(port=door.port, pubkeys=pubkeys[5:])
        pair = lodestar.Pair(served, client, "mainnet", EPOCH, tmp_path)
        assert client.getKeys(url=pair.url) == sorted(pubkeys)
        assert pair.post("ATTESTATION", pubkeys[5])["right"]
        assert pair.sign(pair.store(pubkeys[6]), "BLOCK_V2", pubkeys[6])["right"]
        with pytest.raises(ClientError):
            pair.post("ATTESTATION", pubkeys[5], seed=2)


def test_the_port_in_the_clear_answers_health_and_nothing_else(product, pubkeys, epoch):
    clear = product.door("health")
    assert clear.get("/upcheck").status == 200
    assert sign(clear, pubkeys[0], attestation(epoch, epoch + 1)).status == 403
    assert clear.get("/api/v1/eth2/publicKeys").status == 403


def test_the_metrics_have_a_port_of_their_own(product):
    page = product.door("metrics").get("/metrics")
    assert page.status == 200 and b"containment_" in page.body


def test_every_line_of_a_development_image_says_that_it_is_one(product):
    lines = [json.loads(line) for line in product.enclave_log.splitlines()]
    assert lines and all("DEVELOPMENT" in json.dumps(line) for line in lines)
    assert not any(secret.hex() in product.enclave_log for secret in KEYS)


# -------------------------------------------------------------------------------------- hostile bytes

GARBAGE = [b"\0" * 4096, b"\xff" * 4096, b"GET / HTTP/1.1\r\n" * 4096, b"POST /api/v1/eth2/sign/0x00 HTTP/1.1\r\nContent-"
           b"Length: 99999999999\r\n\r\n", bytes(range(256)) * 64, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 64]


@pytest.mark.parametrize("port", DOORS.values())
def test_garbage_at_every_port_gets_nothing_and_breaks_nothing(product, door, pubkeys, epoch, port):
    for garbage in GARBAGE:
        connection = product.enclave.connect(port)
        with connection, contextlib.suppress(OSError):
            connection.sendall(garbage)
            connection.settimeout(2)
            heard = connection.recv(65536)
            assert b"200 OK" not in heard
    assert sign(door, pubkeys[2], attestation(epoch, epoch + 1)).status == 200


@pytest.mark.parametrize("port", DOORS.values())
def test_a_flood_of_connections_holds_nobody_up_for_good(product, door, pubkeys, epoch, port):
    held = []
    for _ in range(200):
        connection = product.enclave.try_connect(port)
        if connection is not None:
            held.append(connection)
    try:
        assert len(held) > 100
        assert sign(door, pubkeys[3], attestation(epoch, epoch + 1)).status == 200
    finally:
        for connection in held:
            connection.close()


def test_connections_that_are_cut_in_the_middle_leave_the_others_alone(product, door, pubkeys, epoch):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    body = json.dumps(attestation(epoch, epoch + 1)).encode()
    request = (f"POST /api/v1/eth2/sign/{pubkeys[4]} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
               f"Content-Length: {len(body)}\r\n\r\n").encode() + body
    for size in (1, 20, len(request) - 1, len(request)):
        with socket.create_connection(("127.0.0.1", product.port("api")), timeout=PATIENCE_S) as raw:
            with context.wrap_socket(raw) as connection:
                connection.sendall(request[:size])
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    # Whatever became of the whole request that was cut off: the same vote may be had, another one not.
    assert sign(door, pubkeys[4], attestation(epoch, epoch + 1)).status == 200
    assert sign(door, pubkeys[4], attestation(epoch, epoch + 1, block_root=2)).status == 412


# ------------------------------------------------------------------------------------- hostile parents

@contextlib.contextmanager
def bootstrap_port(product):
    """The place of the parent's bootstrap server, while the parent is away: a listening socket."""
    product.parent.kill()
    path = product.enclave.folder / "vm_9001"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(PATIENCE_S)
        yield listener
    for port in (9000, 9001):
        (product.enclave.folder / f"vm_{port}").unlink(missing_ok=True)


def heard_from(connection) -> bytes:
    with contextlib.suppress(OSError):
        return connection.recv(65536)
    return b""


def signs_directly(product, pubkey: str, epoch: int) -> int:
    """A signature without the parent's relays: the status."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with product.enclave.connect(DOORS["api"]) as raw:
        # A socket pair as Python's TLS has it: a UNIX socket will do.
        with context.wrap_socket(raw) as connection:
            body = json.dumps(attestation(epoch, epoch + 1)).encode()
            connection.sendall(f"POST /api/v1/eth2/sign/{pubkey} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                               f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
            return int(connection.recv(65536).split(b" ")[1])


def test_a_parent_that_answers_with_rubbish_or_another_configuration_changes_nothing(development_image, signer, tmp_path,
                                                                                     pubkeys, epoch):
    other = CONFIGURATION + b"# another\n"
    answers = [
        b"", b"\0" * 65536, b"CCBP" + b"\xff" * 65536, frame(CONFIGURATION_FRAME, other),
        frame(CONFIGURATION_FRAME, CONFIGURATION)[:-1], frame(CONFIGURATION_FRAME, CONFIGURATION) * 2,
        frame(CONFIGURATION_FRAME, b"x" * 262144) + b"y" * 65536, frame(3, b"{}") * 100,
    ]
    with Product(tmp_path, development_image, CONFIGURATION, signer) as product:
        product.wait_until_it_serves()
        with bootstrap_port(product) as listener:
            for answer in answers:
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(PATIENCE_S)
                    hello = heard_from(connection)
                    assert hello[:6] == b"CCBP\x01\x01", hello
                    assert b"signature" not in hello
                    with contextlib.suppress(OSError):
                        connection.sendall(answer)
        assert signs_directly(product, pubkeys[0], epoch) == 200
        # The true parent comes back, and is told the same enclave's state.
        product.start_parent()
        eventually(lambda: product.parent.log.count("the enclave is connected") == 2, "the enclave's return")
        assert product.verify(product.policy()).code == 0
        # Told to end, it ends.
        product.parent.process.send_signal(signal.SIGUSR1)
        product.enclave.wait_for_end()
        assert "server: exited with status 0" in product.enclave.console
        assert "the enclave ends" in product.enclave.console
        assert '"stopped"' in product.enclave_log


def test_an_enclave_that_has_lost_its_parent_ends(development_image, signer, tmp_path):
    configuration = CONFIGURATION.replace(b"  platform: nitro\n", b"  platform: nitro\n  parent_timeout_seconds: 30\n")
    with Product(tmp_path, development_image, configuration, signer) as product:
        product.wait_until_it_serves()
        product.parent.kill()
        product.enclave.wait_for_end()
        assert "chamber-enclave: server: the parent is lost" in product.enclave.console
        assert "server: exited with status 1" in product.enclave.console


def test_a_configuration_that_was_tampered_with_shows(development_image, signer, tmp_path):
    with Product(tmp_path, development_image, CONFIGURATION, signer) as product:
        policy = product.policy()
        product.parent.kill()
        for port in (9000, 9001):
            (product.enclave.folder / f"vm_{port}").unlink(missing_ok=True)
        product.configuration.write_bytes(CONFIGURATION + b"signing:\n  workers: 1\n")
        product.start_parent()
        product.wait_until_it_serves()
        refused = product.verify(policy)
        assert refused.code == 1 and re.search("registers: PCR16 is", refused.err), refused
        with product.proxy(policy) as door, contextlib.suppress(OSError, http.client.HTTPException):
            assert door.get("/upcheck").status >= 500


def test_the_certificate_is_renewed_under_load_and_no_request_fails(development_image, tmp_path, pubkeys):
    """An identity is renewed 15 minutes before its document's leaf ends: here, half a minute after the start."""
    chain = make_chain(now())
    with NsmSigner(chain=with_new_leaf(chain, now(), datetime.timedelta(minutes=15, seconds=30))) as nsm:
        with Product(tmp_path, development_image, CONFIGURATION, nsm) as product:
            product.wait_until_it_serves()
            policy = product.policy()
            before = certificate_of(product)
            nsm.chain = with_new_leaf(chain, now())
            statuses, over = [], threading.Event()

            def client(index: int, door):
                for target in range(EPOCH + 1, EPOCH + 100000):
                    if over.is_set():
                        return
                    connection = None if target % 2 else http.client.HTTPConnection("127.0.0.1", door.port, timeout=60)
                    statuses.append(sign(door, pubkeys[index], attestation(EPOCH, target), connection=connection).status)
                    if connection:
                        connection.close()

            with product.proxy(policy) as door, concurrent.futures.ThreadPoolExecutor(3) as clients:
                running = [clients.submit(client, index, door) for index in range(3)]
                try:
                    deadline = time.monotonic() + 180
                    while certificate_of(product) == before:
                        assert time.monotonic() < deadline, "the certificate was not renewed"
                        time.sleep(1)
                    seen = len(statuses)
                    while len(statuses) < seen + 10 and not any(one.done() for one in running):
                        time.sleep(0.1)
                finally:
                    over.set()
                for one in running:
                    one.result()
            assert set(statuses) == {200} and len(statuses) > 20
            assert product.verify(policy).code == 0


def certificate_of(product) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", product.port("api")), timeout=PATIENCE_S) as raw:
        with context.wrap_socket(raw) as connection:
            return connection.getpeercert(binary_form=True)


# ------------------------------------------------------------------------------------ the release image

REFUSED = {
    "without a store that lasts": (RELEASE_CONFIGURATION, "signer_state"),
    "with a plain port": (b"network: hoodi\n", "tee.platform"),
    "with keys in the configuration": (RELEASE_CONFIGURATION + b"development:\n  keys: []\n", "development"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_the_release_image_measures_its_configuration_refuses_and_ends(release_image, signer, tmp_path, case):
    configuration, reason = REFUSED[case]
    with Product(tmp_path, release_image, configuration, signer) as product:
        product.enclave.wait_for_end()
        assert reason in product.enclave_log, product.enclave_log
        assert reason in product.enclave.console
        assert "server: exited with status 1" in product.enclave.console
        assert "DEVELOPMENT" not in product.enclave_log
