"""The signer behind attested TLS: its certificates and documents, checked by other means than the signer's own. The
server is tests/support/attested_server.c, its documents are signed by tests/support/nsm_signer.py."""
import datetime
import hashlib
import http.client
import json
import os
import secrets
import ssl
import subprocess
import threading

import pytest
from cbor_reader import decode
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from document_check import checked
from nitro_documents import HOUR, ID_PE_CMW, MEDIA_TYPE, chain_plans, make_chain, pcr_of, user_data
from nsm_signer import NsmSigner, now
from OpenSSL import SSL
from raw_http import Wire, request
from signer import BINARY, EPOCH, PATIENCE_S, randao, verifies

from attested_server import IMAGE, PROGRAM, AttestedConnection, AttestedServer

pytestmark = pytest.mark.skipif(not os.path.exists(PROGRAM), reason=f"{PROGRAM} is not built")
PATH = "/attestation"
WAITING_MAX = 64


@pytest.fixture
def serve(tmp_path):
    """serve(chain=…, keys=[…], **more) gives a running AttestedServer."""
    opened = []

    def start(chain=None, **options) -> AttestedServer:
        module = NsmSigner(chain)
        server = AttestedServer(tmp_path / f"server{len(opened)}", module, **options)
        opened.append((server, module))
        return server.start()

    yield start
    for server, module in opened:
        server.kill()
        module.close()


def sha384(data: bytes) -> bytes:
    return hashlib.sha384(data).digest()


def evidence_of(connection) -> bytes:
    """The document in the certificate that the connection was shown."""
    extensions = [extension for extension in connection.certificate.extensions if extension.oid == ID_PE_CMW]
    assert len(extensions) == 1 and not extensions[0].critical
    value = extensions[0].value.value
    assert value[0] == 4 and value[1] == 0x82 and int.from_bytes(value[2:4], "big") == len(value) - 4
    media_type, document, indicator = decode(value[4:])
    assert (media_type, indicator) == (MEDIA_TYPE, 4)
    return document


def sign(connection, server) -> bool:
    """Whether the API signs on this connection."""
    body = randao(EPOCH)
    answer = connection.post(f"/api/v1/eth2/sign/{server.pubkeys[0]}", body)
    return answer.status == 200


def ask(connection, size: int = 32) -> tuple[bytes, dict]:
    """A nonce, and the answer to it."""
    nonce = secrets.token_bytes(size)
    answer = connection.post(PATH, {"nonce": nonce.hex()})
    assert answer.status == 200, answer
    return nonce, answer


def payload_of(answer, server) -> dict:
    document = bytes.fromhex(answer.json["document"].removeprefix("0x"))
    return checked(document, server.module.chain.root, now())


# ------------------------------------------------------------------------------------------- the certificate

def test_the_certificate_is_bound_to_its_key_its_configuration_and_the_image(serve):
    server = serve()
    with AttestedConnection(server.tls_port) as connection:
        payload = checked(evidence_of(connection), server.module.chain.root, now())
        assert payload["public_key"] == connection.spki
        assert payload["user_data"] == user_data(connection.spki, server.configuration)
        assert payload["pcrs"][0] == pcr_of(IMAGE)
        assert payload["pcrs"][16] == pcr_of(sha384(server.configuration))
        assert payload["nonce"] is None


def test_the_certificate_is_self_signed_by_a_p384_key_and_short_lived(serve):
    server = serve()
    with AttestedConnection(server.tls_port) as connection:
        certificate = connection.certificate
        key = certificate.public_key()
        assert key.curve.name == "secp384r1"
        key.verify(certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(hashes.SHA384()))
        assert certificate.issuer == certificate.subject
        assert [attribute.oid for attribute in certificate.subject] == [NameOID.COMMON_NAME]
        assert certificate.serial_number.bit_length() >= 128
        assert certificate.not_valid_before < now() < certificate.not_valid_after
        assert certificate.not_valid_after - certificate.not_valid_before <= HOUR + datetime.timedelta(minutes=5)


def test_the_certificate_ends_with_the_documents_leaf(serve):
    plans = chain_plans(now())
    plans["leaf"].not_after = now() + datetime.timedelta(minutes=20)
    chain = make_chain(now(), plans)
    server = serve(chain)
    with AttestedConnection(server.tls_port) as connection:
        assert connection.certificate.not_valid_after == chain.certificates[-1].not_valid_after
    samples = server.metrics()
    expiry = chain.certificates[-1].not_valid_after.replace(tzinfo=datetime.timezone.utc).timestamp()
    assert samples["containment_tls_certificate_expiry_seconds"] == expiry


def test_the_programs_own_verifier_accepts_it(serve, tmp_path):
    server = serve()
    with AttestedConnection(server.tls_port) as connection:
        (tmp_path / "certificate.der").write_bytes(connection.der)
    (tmp_path / "root.der").write_bytes(server.module.chain.root)
    (tmp_path / "policy.json").write_text(json.dumps({"pcrs": {"0": [pcr_of(IMAGE).hex()]}}))
    command = [BINARY, "atls", "verify", "--certificate", "certificate.der", "--policy", "policy.json", "--root",
               "root.der", "--configuration", server.folder / "config.yaml", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["verified"] is True


@pytest.mark.parametrize("name, change", [
    ("public_key", {"public_key": b"\x30\x00"}), ("user_data", {"user_data": b""}),
    ("configuration", {"pcrs": {index: bytes(48) for index in range(17)}}), ("freshness", {"timestamp": 1})])
def test_a_server_whose_first_document_does_not_fit_does_not_start(serve, tmp_path, name, change):
    with NsmSigner(change=lambda payload: payload | change) as module:
        server = AttestedServer(tmp_path / "server", module, wait=False).start()
        assert server.process.wait(PATIENCE_S) == 1
        assert f"attested_server: {name}" in server.log_text()


def test_it_stops_in_order_and_answers_what_waits(serve):
    server = serve(renew_seconds=1)
    asked, held = threading.Event(), threading.Event()

    def hold(payload):
        asked.set()
        assert held.wait(PATIENCE_S)
        return payload

    with AttestedConnection(server.tls_port) as connection:
        server.module.change = hold
        connection.ask_only("POST", PATH, {"nonce": NONCE})
        assert asked.wait(PATIENCE_S)
        server.process.terminate()
        held.set()
        assert connection.answer("POST", PATH).status == 200
    assert server.process.wait(PATIENCE_S) == 0


# ---------------------------------------------------------------------------------------------------- TLS

def test_tls_1_2_is_refused(serve):
    server = serve()
    with pytest.raises(SSL.Error, match="protocol version"):
        AttestedConnection(server.tls_port, newest=SSL.TLS1_2_VERSION)
    with AttestedConnection(server.tls_port) as connection:
        assert connection.socket.get_protocol_version_name() == "TLSv1.3"


def test_sessions_are_not_resumed(serve):
    server = serve()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    session = None
    for _ in range(2):
        plain = Wire(server.tls_port).socket
        with context.wrap_socket(plain, session=session) as connection:
            connection.sendall(request("GET", "/upcheck"))
            assert b" 200 OK" in connection.recv(4096)  # tickets would have come before
            session = connection.session
            assert not session.has_ticket and not connection.session_reused
            assert connection.getpeercert(binary_form=True)


def test_the_api_is_served_there_and_health_alone_in_the_clear(serve):
    server = serve(keys=[0])
    with AttestedConnection(server.tls_port) as connection:
        answer = connection.post(f"/api/v1/eth2/sign/{server.pubkeys[0]}", randao(EPOCH))
        assert answer.status == 200
    assert server.get("/upcheck").status == 200
    for method, path, body in [("POST", PATH, {"nonce": "00" * 32}), ("GET", "/api/v1/eth2/publicKeys", None),
                               ("POST", f"/api/v1/eth2/sign/{server.pubkeys[0]}", randao(EPOCH))]:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
        connection.request(method, path, body and json.dumps(body))
        assert connection.getresponse().status == 403


# ---------------------------------------------------------------------------------------- POST /attestation

@pytest.mark.parametrize("size", [16, 32, 64])
def test_a_document_is_bound_to_nonce_certificate_and_connection(serve, size):
    server = serve()
    with AttestedConnection(server.tls_port) as connection:
        nonce, answer = ask(connection, size)
        payload = payload_of(answer, server)
        assert payload["nonce"] == nonce
        assert payload["public_key"] == connection.spki
        assert payload["user_data"] == user_data(connection.spki, server.configuration) + connection.exported(nonce)
        assert len(payload["user_data"]) == 155
        assert payload["pcrs"][16] == pcr_of(sha384(server.configuration))


def test_no_two_connections_and_no_two_nonces_have_the_same_document(serve):
    server = serve()
    nonces = [bytes([number]) * 32 for number in (1, 2)]
    seen = set()
    for _ in range(2):
        with AttestedConnection(server.tls_port) as connection:
            for nonce in nonces:
                payload = payload_of(connection.post(PATH, {"nonce": "0x" + nonce.hex()}), server)
                assert payload["user_data"][123:] == connection.exported(nonce)
                seen.add(payload["user_data"][123:])
    assert len(seen) == 4


def test_a_fresh_document_is_made_for_the_same_nonce(serve):
    server = serve()
    with AttestedConnection(server.tls_port) as connection:
        body = {"nonce": "ab" * 16}
        documents = {connection.post(PATH, body).json["document"] for _ in range(3)}
    assert len(documents) == 3


NONCE = "00" * 32
BAD_BODIES = [
    (b"", 400), (b"{", 400), (b"[]", 400), (b"null", 400), (b'"%s"' % NONCE.encode(), 400), (b"{}", 400),
    (b'{"nonce":null}', 400), (b'{"nonce":7}', 400), (b'{"nonce":["%s"]}' % NONCE.encode(), 400),
    (b'{"nonce":{}}', 400), (b'{"nonce":""}', 400), (b'{"nonce":"0x"}', 400), (b'{"nonce":"%s"}' % (b"0" * 31), 400),
    (b'{"nonce":"%s"}' % (b"00" * 15), 400), (b'{"nonce":"%s"}' % (b"00" * 65), 400),
    (b'{"nonce":"%s"}' % (b"0g" * 16), 400), (b'{"nonce":"%s "}' % (b"00" * 16), 400),
    (b'{"nonce":"%s","nonce":"%s"}' % (b"00" * 16, b"11" * 16), 400),
    (b'{"nonce":"%s","user_data":"00"}' % (b"00" * 16), 400), (b'{"nonce":"%s"}{}' % (b"00" * 16), 400),
    (b'{"nonce":"\xff%s"}' % (b"00" * 16), 400), (b"[" * 1024, 400), (b'{"nonce":"%s"}' % (b"00" * 1024), 413),
    (b'{"nonce":"%s"}' % (b"00" * 16) + b" " * 1024, 413),
]


def test_bad_bodies_are_refused_and_leave_the_connection_as_it_was(serve):
    server = serve()
    made = len(server.module.documents)
    with AttestedConnection(server.tls_port) as connection:
        for body, status in BAD_BODIES:
            answer = connection.ask("POST", PATH, body)
            assert answer.status == status, (body, answer)
        assert len(server.module.documents) == made  # the module was not bothered
        ask(connection)
        answer = connection.ask("GET", PATH)
        assert answer.status == 405 and answer.headers["Allow"] == "POST"


def test_a_module_that_gives_nothing_is_503(serve):
    server = serve(keys=[0])
    server.module.server.shutdown()
    server.module.server.socket.close()
    with AttestedConnection(server.tls_port) as connection:
        answer = connection.post(PATH, {"nonce": NONCE})
        assert answer.status == 503 and answer.headers["Retry-After"] == "1"
        assert sign(connection, server)


def test_a_flood_of_attestations_is_bounded_and_holds_up_no_signature(serve):
    server = serve(keys=[0])
    held, asked = threading.Event(), threading.Event()

    def hold(payload):
        asked.set()
        assert held.wait(PATIENCE_S)
        return payload

    server.module.change = hold
    connections = [AttestedConnection(server.tls_port) for _ in range(WAITING_MAX + 6)]
    try:
        connections[0].ask_only("POST", PATH, {"nonce": NONCE})
        assert asked.wait(PATIENCE_S)  # it waits no more
        for connection in connections[1:]:
            connection.ask_only("POST", PATH, {"nonce": NONCE})
        answers = collect(connections, held, lambda: signs_meanwhile(server))
    finally:
        held.set()
        for connection in connections:
            connection.plain.close()
    statuses = [answer.status for answer in answers]
    assert statuses.count(200) == WAITING_MAX + 1 and statuses.count(503) == 5
    assert all(answer.headers["Retry-After"] == "1" for answer in answers if answer.status == 503)


def signs_meanwhile(server):
    with AttestedConnection(server.tls_port) as connection:
        for _ in range(20):
            assert sign(connection, server)


def collect(connections, held, meanwhile):
    """All answers; those that need the module come after `meanwhile`."""
    meanwhile()
    held.set()
    return [connection.answer("POST", PATH) for connection in connections]


# ----------------------------------------------------------------------------------------------- renewal

def other_than(server, der: bytes) -> AttestedConnection:
    """A new connection, as soon as it is shown another certificate."""
    def connect():
        connection = AttestedConnection(server.tls_port)
        if connection.der != der:
            return connection
        connection.plain.close()
        return None
    return server.wait_for(connect)


def test_a_renewal_has_a_new_key_and_leaves_open_connections_alone(serve):
    server = serve(keys=[0], renew_seconds=1)
    with AttestedConnection(server.tls_port) as old:
        shown = old.der
        with other_than(server, shown) as new:
            assert new.spki != old.spki and new.certificate.serial_number != old.certificate.serial_number
            for connection in (old, new, old):
                nonce, answer = ask(connection)
                payload = payload_of(answer, server)
                assert payload["public_key"] == connection.spki  # the one that it was shown
                assert payload["user_data"] == (
                    user_data(connection.spki, server.configuration) + connection.exported(nonce))
                assert sign(connection, server)
            assert old.der == shown


def test_renewals_lose_no_request(serve):
    server = serve(keys=[0], renew_seconds=1)
    seen = set()

    def sign_on_new_connection():
        with AttestedConnection(server.tls_port) as connection:
            assert sign(connection, server)
            seen.add(connection.spki)
        return len(seen) >= 3

    with AttestedConnection(server.tls_port) as kept:
        while not sign_on_new_connection():
            assert sign(kept, server)


def test_a_renewal_that_does_not_fit_is_told_and_the_old_certificate_stays(serve):
    server = serve(renew_seconds=1)
    server.module.change = lambda payload: payload | {"user_data": bytes(123)}

    def told():
        return [line for line in server.log() if "could not be renewed" in line["message"]]

    line = server.wait_for(told)[0]
    assert line["reason"].startswith("user_data") and line["failures"] == 1
    for _ in range(3):
        with AttestedConnection(server.tls_port) as connection:
            payload = checked(evidence_of(connection), server.module.chain.root, now())
            assert payload["user_data"] == user_data(connection.spki, server.configuration)
