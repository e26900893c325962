"""`containment-chamber atls verify HOST:PORT` and `atls proxy`: true enclaves are let through, all others hear nothing
but the question that they cannot answer."""
import contextlib
import dataclasses
import datetime
import http.client
import json
import os
import signal
import socket
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from OpenSSL import SSL

import nitro_documents as nitro
from atls import IMAGE, AttestedServer, Proxy
from commands import DONE, FAILED, USAGE, call, refused
from lying_server import (CONFIGURATION, PCR0, PCRS, LyingServer, Relay, certificate_of, document_body, http as answer,
                          now, twice)
from notify import Supervisor, abstract_name
from nsm_signer import NsmSigner
from parent import eventually

SSL_ENDED = (SSL.Error, OSError)  # a peer that is gone, in order or not
SECOND = datetime.timedelta(seconds=1)
CHECKS = ["expectations", "certificate", "evidence", "document", "chain", "signature", "freshness", "registers", "nonce",
          "public_key", "user_data", "configuration", "lifetime"]


@pytest.fixture(scope="module")
def chain():
    return nitro.make_chain(now().replace(tzinfo=None))


@pytest.fixture(scope="module")
def other_chain():
    return nitro.make_chain(now().replace(tzinfo=None))


@pytest.fixture
def stack():
    with contextlib.ExitStack() as opened:
        yield opened


class Trust:
    """Files that say whom to trust."""

    def __init__(self, folder, chain):
        self.policy, self.root, self.configuration = folder / "policy", folder / "root", folder / "configuration"
        self.root.write_bytes(chain.root)
        self.configuration.write_bytes(CONFIGURATION)
        self.allow(PCR0)

    def allow(self, image: bytes, **more):
        fresh = self.policy.with_suffix(".new")
        fresh.write_text(json.dumps({"pcrs": {"0": [image.hex()]}} | more))
        fresh.rename(self.policy)

    @property
    def arguments(self) -> list:
        return ["--policy", self.policy, "--root", self.root]


@pytest.fixture
def trust(tmp_path, chain):
    return Trust(tmp_path, chain)


@dataclasses.dataclass
class Verdict:
    code: int
    report: dict | None
    complaint: str


def verify(port: int, trust: Trust, *arguments) -> Verdict:
    called = call("atls", "verify", f"127.0.0.1:{port}", "--json", *trust.arguments, *arguments)
    report = json.loads(called.out) if called.out else None
    if report:
        assert report["verified"] is (called.code == DONE)
        reason = report["reason"]
        assert called.err == ("" if reason is None else f"containment-chamber: {reason}\n")
    return Verdict(called.code, report, called.err.removeprefix("containment-chamber: ").strip())


def outcomes(checks: list[dict]) -> dict:
    assert [check["name"] for check in checks] == CHECKS
    return {check["name"]: check["outcome"] for check in checks}


# ------------------------------------------------------------------------------------------------- the truth

@pytest.fixture
def nsm(stack, chain):
    return stack.enter_context(NsmSigner(chain))


@pytest.fixture
def enclave(stack, nsm, tmp_path):
    return stack.enter_context(AttestedServer(tmp_path / "enclave", nsm))


def test_a_true_enclave_is_verified(enclave, trust):
    trust.allow(IMAGE)
    verdict = verify(enclave.port, trust)
    assert verdict.code == DONE, verdict
    first, second = outcomes(verdict.report["checks"]), outcomes(verdict.report["attestation"]["checks"])
    assert set(first.values()) == {"held", "not asked"} and first["nonce"] == "not asked"
    bound = ("nonce", "public_key", "user_data", "configuration", "signature", "registers", "freshness", "chain")
    assert all(second[name] == "held" for name in bound)
    assert verdict.report["attestation"]["document"]["nonce"] is not None
    assert verdict.report["development_root"] is True
    assert verdict.report["configuration"] == nitro.sha384(enclave.configuration.read_bytes()).hex()
    again = verify(enclave.port, trust, "--configuration", enclave.configuration)
    assert again.code == DONE
    assert again.report["attestation"]["document"]["nonce"] != verdict.report["attestation"]["document"]["nonce"]
    text = call("atls", "verify", f"127.0.0.1:{enclave.port}", *trust.arguments)
    assert text.code == DONE and text.out.startswith("accepted: ")
    assert "checks of the fresh document on this connection\n" in text.out


def test_the_proxy_carries_a_validator_client_s_requests(enclave, trust, stack, tmp_path, nsm):
    trust.allow(IMAGE)
    proxy = stack.enter_context(Proxy(tmp_path, enclave.port, *trust.arguments))
    client = proxy.client()
    before = len(nsm.documents)
    for _ in range(3):
        assert proxy.ask("/upcheck", client)[0] == 200
    assert len(nsm.documents) - before == 1  # a kept connection was attested once
    assert proxy.ask("/api/v1/eth2/publicKeys", client) == (200, "[]")
    assert proxy.ask("/attestation", client, body=b'{"nonce": "00"}')[0] == 400  # the signer's own answer
    assert proxy.ask()[0] == 200
    assert len(nsm.documents) - before == 2
    assert proxy.stop() == DONE


def test_another_image_than_the_policy_s_is_refused(enclave, trust, stack, tmp_path):
    verdict = verify(enclave.port, trust)
    assert verdict.code == FAILED and verdict.report["reason"].startswith("certificate: registers: PCR0")
    assert verdict.report["attestation"] is None
    proxy = stack.enter_context(Proxy(tmp_path, enclave.port, *trust.arguments))
    assert proxy.refusal().startswith("enclave refused: certificate: registers: PCR0")


def test_another_configuration_than_the_file_s_is_refused(chain, trust, stack):
    server = stack.enter_context(LyingServer(chain))
    assert verify(server.port, trust, "--configuration", trust.configuration).code == DONE
    trust.configuration.write_bytes(CONFIGURATION + b"#")
    verdict = verify(server.port, trust, "--configuration", trust.configuration)
    assert verdict.code == FAILED and verdict.report["reason"].startswith("certificate: configuration: ")


# -------------------------------------------------------------------------------------------------- the lies

def drip(document: bytes):
    for byte in answer("200 OK", document_body(document)):
        yield bytes([byte])
        time.sleep(0.05)


def endless(begin: bytes, piece: bytes):
    def say(document: bytes):
        yield begin
        while True:
            yield piece
    return say


def replayed(server, **changes) -> bytes:
    """A new certificate around the document of another key."""
    spki = nitro.spki_of(ec.generate_private_key(ec.SECP256R1()))
    document = server.document(spki, nitro.user_data(spki, CONFIGURATION))
    return server.own_certificate(document=document)


def fresh(change):
    """A document of tier 2 that is right but for what `change` makes of its parts."""
    def make(server, nonce, spki, exporter):
        parts = {"spki": spki, "user_data": nitro.user_data(spki, CONFIGURATION) + exporter, "nonce": nonce}
        return server.document(**(parts | change(parts)))
    return make


def expired_leaf() -> nitro.Chain:
    """Under no root that anybody trusts but who asks for it here."""
    moment = now().replace(tzinfo=None)
    plans = nitro.chain_plans(moment)
    plans["leaf"] = dataclasses.replace(plans["leaf"], not_after=moment - SECOND)
    return nitro.make_chain(moment, plans)


def past(minutes: int) -> datetime.datetime:
    return now().replace(tzinfo=None) - datetime.timedelta(minutes=minutes)


RSA = rsa.generate_private_key(65537, 2048)
LIES = {  # what is wrong, and how the reason begins
    # TLS
    "cut when accepted": ({"cut": "accept"}, "TLS: the connection was lost"),
    "cut in the handshake": ({"cut": "hello"}, "TLS: the connection was lost"),
    "no TLS": ({"cut": "garbage"}, "TLS: wrong version number"),
    "silence": ({"cut": "silence"}, "TLS: no handshake in time"),
    "TLS 1.2": ({"tls": "1.2"}, "TLS: "),
    "a key of RSA": ({"key": RSA}, "TLS: "),
    "a certificate without end": ({"certificate": lambda s: s.own_certificate(document=bytes(40 * 1024))},
                                  "TLS: excessive message size"),
    # tier 1
    "no evidence": ({"certificate": lambda s: nitro.make_evidence_certificate(s.key, None, past(1))},
                    "certificate: evidence: the certificate carries no evidence"),
    "evidence twice": ({"certificate": lambda s: twice(s.own_certificate(), s.key)},
                       "certificate: evidence: the extension with the evidence is there twice"),
    "evidence that is garbage": ({"certificate": lambda s: s.own_certificate(document=bytes(100))},
                                 "certificate: document: "),
    "an old document in a new certificate": ({"certificate": replayed}, "certificate: public_key: "),
    "a document that is too old": ({"certificate": lambda s: s.own_certificate(document=s.own_document(made=past(61)))},
                                   "certificate: freshness: "),
    "an expired certificate": ({"certificate": lambda s: s.own_certificate(not_before=past(50), not_after=past(1))},
                               "certificate: certificate: "),
    "debug mode": ({"pcrs": {}}, "certificate: registers: "),
    "another image": ({"pcrs": PCRS | {0: nitro.pcr_of(b"x")}}, "certificate: registers: "),
    "another root": ({"foreign": True}, "certificate: chain: "),
    "an expired leaf": ({"expired": True}, "certificate: chain: "),
    # tier 2: the document
    "another nonce": ({"question": fresh(lambda p: {"nonce": bytes(32)})}, "attestation: nonce: "),
    "no nonce": ({"question": fresh(lambda p: {"nonce": None})}, "attestation: nonce: "),
    "a nonce and more": ({"question": fresh(lambda p: {"nonce": p["nonce"] + b"\0"})}, "attestation: nonce: "),
    "the certificate's document again": ({"question": lambda s, *_: s.own_document()}, "attestation: nonce: "),
    "another exporter": ({"question": fresh(lambda p: {"user_data": p["user_data"][:-32] + bytes(32)})},
                         "attestation: user_data: "),
    "no exporter": ({"question": fresh(lambda p: {"user_data": p["user_data"][:-32]})}, "attestation: user_data: "),
    "another key": ({"question": fresh(lambda p: {"spki": nitro.spki_of(ec.generate_private_key(ec.SECP256R1()))})},
                    "attestation: public_key: "),
    "another configuration": ({"question": fresh(lambda p: {
        "user_data": nitro.user_data(p["spki"], b"other") + p["user_data"][-32:]})}, "attestation: user_data: "),
    "another register 16": ({"question": fresh(lambda p: {"pcrs": PCRS | {16: nitro.pcr_of(b"x")}})},
                            "attestation: configuration: "),
    "debug mode in tier 2": ({"question": fresh(lambda p: {"pcrs": {}})}, "attestation: registers: "),
    "another root in tier 2": ({"question": fresh(lambda p: {"chain": expired_leaf()})}, "attestation: chain: "),
    "an old document in tier 2": ({"question": fresh(lambda p: {"made": past(61)})}, "attestation: freshness: "),
    "garbage in tier 2": ({"question": lambda *_: bytes(500)}, "attestation: document: "),
    "over 16 KiB in tier 2": ({"question": lambda *_: bytes(16385)}, "attestation: "),
    # tier 2: the answer
    "cut after the handshake": ({"cut": "handshake"}, "attestation: the connection was lost"),
    "cut after the question": ({"cut": "question"}, "attestation: the connection was lost"),
    "cut in the answer": ({"cut": "answer", "answer": lambda d: answer("200 OK", document_body(d))[:-1]},
                          "attestation: the connection was lost"),
    "no /attestation": ({"answer": lambda d: answer("404 Not Found", b"{}")},
                        "attestation: status 404: the server has no /attestation"),
    "an error": ({"answer": lambda d: answer("500 Internal Server Error", document_body(d))}, "attestation: status 500: "),
    "too busy": ({"answer": lambda d: answer("503 Service Unavailable", b"{}")}, "attestation: status 503: "),
    "a redirect": ({"answer": lambda d: answer("302 Found", document_body(d), "Location: https://127.0.0.1/")},
                   "attestation: status 302: the server sends us elsewhere"),
    "another success": ({"answer": lambda d: answer("201 Created", document_body(d))}, "attestation: status 201: "),
    "an interim answer": ({"answer": lambda d: b"HTTP/1.1 100 Continue\r\n\r\n" + answer("200 OK", document_body(d))},
                          "attestation: status 100: "),
    "not HTTP": ({"answer": lambda d: b"\x16\x03\x01" * 100}, "attestation: the answer is not HTTP/1.1"),
    "HTTP/1.0": ({"answer": lambda d: answer("200 OK", document_body(d)).replace(b"HTTP/1.1", b"HTTP/1.0")},
                 "attestation: the answer is not HTTP/1.1"),
    "not JSON by type": ({"answer": lambda d: answer("200 OK", document_body(d)).replace(b"/json", b"/text")},
                         "attestation: the answer is not JSON"),
    "not JSON": ({"answer": lambda d: answer("200 OK", document_body(d)[:-1])}, "attestation: "),
    "no document": ({"answer": lambda d: answer("200 OK", b"{}")}, "attestation: the answer is not one document"),
    "a document and more": ({"answer": lambda d: answer("200 OK", document_body(d)[:-1] + b', "x": 1}')},
                            "attestation: the answer is not one document"),
    "the document twice": ({"answer": lambda d: answer("200 OK", document_body(d)[:-1] + b', "document": "0x"}')},
                           "attestation: "),
    "a document without 0x": ({"answer": lambda d: answer("200 OK", document_body(d).replace(b"0x", b""))},
                              "attestation: the document is not hexadecimal with 0x"),
    "an end of the connection": ({"answer": lambda d: answer("200 OK", document_body(d), "Connection: close")},
                                 "attestation: the server does not keep the connection that it attests"),
    "no length": ({"answer": lambda d: b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + document_body(d)},
                  "attestation: the answer does not say how long it is"),
    "two lengths": ({"answer": lambda d: answer("200 OK", document_body(d), "Content-Length: 5")}, "attestation: "),
    "length and chunks": ({"answer": lambda d: answer("200 OK", document_body(d), "Transfer-Encoding: chunked")},
                          "attestation: "),
    "more than was asked": ({"answer": lambda d: answer("200 OK", document_body(d)) + b"HTTP/1.1 200 OK\r\n"},
                            "attestation: the server says more than it was asked"),
    "a length beyond bounds": ({"answer": lambda d: b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"},
                               "attestation: the answer is too long"),
    "fields without end": ({"answer": endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 100)},
                           "attestation: the answer is too long"),
    "a reason without end": ({"answer": endless(b"HTTP/1.1 200 ", b"OK" * 100)}, "attestation: the answer is too long"),
    "chunks without end": ({"answer": endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                                              b"400\r\n" + b" " * 1024 + b"\r\n")},
                           "attestation: the answer is too long"),
    "extensions of chunks without end": ({"answer": endless(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x" * 1000)}, "attestation: the answer is too long"),
    "a refusal without end": ({"answer": endless(b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n",
                                                 b"400\r\n" + b" " * 1024 + b"\r\n")}, "attestation: status 404: "),
    "drop after drop": ({"answer": drip}, "attestation: no document in time"),
}


@pytest.fixture
def liar(stack, chain, other_chain, trust):
    def make(lies: dict) -> LyingServer:
        lies = dict(lies)
        its_chain = other_chain if lies.pop("foreign", False) else chain
        if lies.pop("expired", False):
            its_chain = expired_leaf()
            trust.root.write_bytes(its_chain.root)
        return stack.enter_context(LyingServer(its_chain, **lies))
    return make


@pytest.mark.parametrize("lies,reason", LIES.values(), ids=LIES.keys())
def test_lies_are_found_out(liar, lies, reason, trust, stack, tmp_path):
    server = liar(lies)
    timeout = "1" if "in time" in reason else "60"
    verdict = verify(server.port, trust, "--timeout", timeout)
    assert verdict.code == FAILED and verdict.report["reason"].startswith(reason), verdict
    tier_2 = reason.startswith("attestation: ")
    assert tier_2 is (set(outcomes(verdict.report["checks"]).values()) == {"held", "not asked"})
    assert (verdict.report["attestation"] is not None) is (tier_2 and reason.split(": ")[1] in CHECKS)
    assert bool(server.questions) is (tier_2 and lies.get("cut") != "handshake")

    proxy = stack.enter_context(Proxy(tmp_path, server.port, "--timeout", timeout, *trust.arguments))
    assert proxy.refusal().startswith("enclave refused: " + reason)
    logged = eventually(lambda: proxy.events("a client is refused: the server could not be verified"), "the log")
    assert logged[0]["reason"].startswith(reason)
    assert proxy.stop() == DONE
    server.close()
    assert server.heard_only_questions(), server.heard


def test_an_honest_server_of_that_kind_is_believed(liar, trust):
    """Else the lies would prove nothing."""
    assert verify(liar({}).port, trust).code == DONE
    chunked = liar({"answer": lambda d: b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n"
                    b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(document_body(d)), document_body(d))})
    assert verify(chunked.port, trust).code == DONE


def test_a_relay_with_a_key_of_its_own_is_refused(enclave, chain, trust, stack, tmp_path):
    """Its certificate carries the true enclave's document, and its questions go there."""
    trust.allow(IMAGE)
    shown = certificate_of(enclave.port)
    at = shown.index(nitro.MEDIA_TYPE.encode()) + len(nitro.MEDIA_TYPE)
    size = int.from_bytes(shown[at + 1:at + 3], "big")
    document = shown[at + 3:at + 3 + size]
    relay = stack.enter_context(Relay(chain, enclave.port,
                                      certificate=lambda s: s.own_certificate(document=document)))
    verdict = verify(relay.port, trust)
    assert verdict.code == FAILED and verdict.report["reason"].startswith("certificate: public_key: ")
    assert relay.questions == []
    proxy = stack.enter_context(Proxy(tmp_path, relay.port, *trust.arguments))
    assert proxy.refusal().startswith("enclave refused: certificate: public_key: ")


def test_a_relay_with_the_enclave_s_own_key_is_refused(chain, trust, stack, tmp_path):
    """A certificate's key was stolen: tier 1 cannot tell, tier 2 does."""
    enclave = stack.enter_context(LyingServer(chain))
    relay = stack.enter_context(Relay(chain, enclave.port, key=enclave.key,
                                      certificate=lambda s: enclave.certificate))
    assert verify(enclave.port, trust).code == DONE
    verdict = verify(relay.port, trust)
    assert verdict.code == FAILED and verdict.report["reason"].startswith("attestation: user_data: ")
    assert set(outcomes(verdict.report["checks"]).values()) == {"held", "not asked"}
    assert outcomes(verdict.report["attestation"]["checks"])["nonce"] == "held"  # it did ask the true one
    proxy = stack.enter_context(Proxy(tmp_path, relay.port, *trust.arguments))
    assert proxy.refusal().startswith("enclave refused: attestation: user_data: ")
    assert relay.heard_only_questions()


def test_another_time_may_be_asked_for(chain, trust, stack):
    server = stack.enter_context(LyingServer(chain))
    for hours, reason in ((0, None), (-1, "certificate: certificate: "), (2, "certificate: certificate: ")):
        at = past(0) + datetime.timedelta(hours=hours)
        verdict = verify(server.port, trust, "--at", at.strftime("%Y-%m-%dT%H:%M:%SZ"))
        assert verdict.code == (FAILED if reason else DONE), verdict
        assert verdict.report["at"] == at.strftime("%Y-%m-%dT%H:%M:%SZ")
        assert reason is None or verdict.report["reason"].startswith(reason)


def test_a_server_may_have_a_name(chain, trust, stack, tmp_path):
    server = stack.enter_context(LyingServer(chain))
    called = call("atls", "verify", f"localhost:{server.port}", *trust.arguments)
    assert called.code == DONE, called
    proxy = stack.enter_context(Proxy(tmp_path, server.port, *trust.arguments, host="localhost"))
    assert [proxy.ask()[0] for _ in range(3)] == [200] * 3


# --------------------------------------------------------------------------------------------- nobody is there

def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_where_nobody_answers_nothing_was_checked(trust, stack, tmp_path):
    port = closed_port()
    verdict = verify(port, trust)
    assert verdict.code == USAGE and verdict.report is None
    assert f"127.0.0.1:{port} (Connection refused)" in verdict.complaint
    proxy = stack.enter_context(Proxy(tmp_path, port, *trust.arguments))
    assert proxy.refusal().startswith("enclave not reached: ")


def test_a_name_that_is_nobody_s_is_a_wrong_call(trust):
    complaint = refused("atls", "verify", "nobody.invalid:9443", *trust.arguments)
    assert "nobody.invalid" in complaint


WRONG_CALLS = {
    "no subject": [],
    "two servers": ["127.0.0.1:1", "127.0.0.1:2"],
    "a server and a file": ["127.0.0.1:1", "--document", "x"],
    "no port": ["127.0.0.1"],
    "port 0": ["127.0.0.1:0"],
    "port 65536": ["127.0.0.1:65536"],
    "a nonce": ["127.0.0.1:1", "--nonce", "00" * 32],
    "no time": ["127.0.0.1:1", "--timeout", "0"],
    "over an hour": ["127.0.0.1:1", "--timeout", "3601"],
    "a timeout of a file": ["--document", "x", "--timeout", "5"],
}


@pytest.mark.parametrize("arguments", WRONG_CALLS.values(), ids=WRONG_CALLS.keys())
def test_wrong_calls_of_verify(arguments, trust):
    assert refused("atls", "verify", *arguments, *trust.arguments)


def test_verify_needs_a_policy(trust):
    assert "--policy" in refused("atls", "verify", "127.0.0.1:1")


WRONG_PROXIES = {
    "no address": ["--connect", "127.0.0.1:1"],
    "no server": ["--listen", "127.0.0.1:0"],
    "a name to listen on": ["--listen", "localhost:0", "--connect", "127.0.0.1:1"],
    "everybody": ["--listen", "0.0.0.0:0", "--connect", "127.0.0.1:1"],
    "everybody of IPv6": ["--listen", "[::]:0", "--connect", "127.0.0.1:1"],
    "loopback in other clothes": ["--listen", "[::ffff:10.0.0.1]:0", "--connect", "127.0.0.1:1"],
    "no connections": ["--listen", "127.0.0.1:0", "--connect", "127.0.0.1:1", "--max-connections", "0"],
    "a server without a port": ["--listen", "127.0.0.1:0", "--connect", "127.0.0.1:0"],
    "a format": ["--listen", "127.0.0.1:0", "--connect", "127.0.0.1:1", "--log-format", "xml"],
}


@pytest.mark.parametrize("arguments", WRONG_PROXIES.values(), ids=WRONG_PROXIES.keys())
def test_wrong_calls_of_the_proxy(arguments, trust):
    assert refused("atls", "proxy", *arguments, *trust.arguments)


def test_the_proxy_needs_a_policy():
    assert "--policy" in refused("atls", "proxy", "--listen", "127.0.0.1:0", "--connect", "127.0.0.1:1")


def test_others_than_this_machine_are_let_in_by_name_only(chain, trust, stack, tmp_path):
    server = stack.enter_context(LyingServer(chain))
    proxy = stack.enter_context(Proxy(tmp_path, server.port, "--allow-remote-clients", *trust.arguments,
                                      listen="0.0.0.0:0"))
    assert proxy.ask()[0] == 200


# -------------------------------------------------------------------------------------------- bytes both ways

class Speaker(LyingServer):
    """After the question it does what `speech` says."""

    def __init__(self, chain, speech, **lies):
        self.speech = speech
        super().__init__(chain, **lies)

    def after(self, tls, heard):
        self.speech(self, tls, heard)


def receive_all(client: socket.socket) -> bytes:
    said = b""
    while piece := client.recv(65536):
        said += piece
    return said


def test_bytes_arrive_as_they_are_however_slow_both_are(chain, trust, stack, tmp_path):
    size = 4 * 1024 * 1024
    sent = os.urandom(size)
    came = bytearray()

    def echo(server, tls, heard):
        while len(came) < size:
            came.extend(tls.recv(65536))
        tls.sendall(bytes(came)[::-1])
        tls.shutdown()

    server = stack.enter_context(Speaker(chain, echo))
    proxy = stack.enter_context(Proxy(tmp_path, server.port, *trust.arguments))
    with proxy.dial() as client:
        client.sendall(sent)
        assert receive_all(client) == sent[::-1]
    assert bytes(came) == sent


def test_the_end_of_one_direction_is_not_that_of_the_other(chain, trust, stack, tmp_path):
    def answer_at_the_end(server, tls, heard):
        with contextlib.suppress(SSL_ENDED):
            while True:
                heard += tls.recv(65536)
        tls.sendall(b"all of it: " + bytes(heard[-5:]))
        tls.shutdown()

    server = stack.enter_context(Speaker(chain, answer_at_the_end))
    proxy = stack.enter_context(Proxy(tmp_path, server.port, *trust.arguments))
    with proxy.dial() as client:
        client.sendall(b"hello")
        client.shutdown(socket.SHUT_WR)
        assert receive_all(client) == b"all of it: hello"


def test_a_connection_that_is_cut_is_no_end(chain, trust, stack, tmp_path):
    """Else whoever is between could cut an answer short, and nobody would see it."""
    def stop(server, tls, heard):
        server.hear_request(tls, heard)
        tls.sendall(b"HTTP/1.1 200 OK\r\n\r\nhalf of")  # and the socket is closed, without TLS's goodbye

    server = stack.enter_context(Speaker(chain, stop))
    proxy = stack.enter_context(Proxy(tmp_path, server.port, *trust.arguments))
    with proxy.dial() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            receive_all(client)


def test_a_client_that_leaves_takes_its_connection_along(chain, trust, stack, tmp_path):
    gone = []

    def listen(server, tls, heard):
        try:
            while True:
                heard += tls.recv(65536)
        finally:
            gone.append(True)

    server = stack.enter_context(Speaker(chain, listen))
    proxy = stack.enter_context(Proxy(tmp_path, server.port, *trust.arguments))
    with proxy.dial() as client:
        client.sendall(b"hello")
        eventually(lambda: any(b"hello" in heard for heard in server.questions), "the client's bytes")
    eventually(lambda: gone, "the end of the connection")


def test_more_connections_than_allowed_are_closed(chain, trust, stack, tmp_path):
    server = stack.enter_context(LyingServer(chain))
    proxy = stack.enter_context(Proxy(tmp_path, server.port, "--max-connections", "2", *trust.arguments))
    clients = [proxy.client() for _ in range(2)]
    assert [proxy.ask("/", client)[0] for client in clients] == [200, 200]
    with proxy.dial() as third:
        with contextlib.suppress(ConnectionResetError):
            assert third.recv(1) == b""
    eventually(lambda: proxy.events("a client is not let in"), "the log")
    assert [proxy.ask("/", client)[0] for client in clients] == [200, 200]
    clients[0].close()
    def is_let_in():
        with contextlib.suppress(ConnectionError, http.client.HTTPException):
            return proxy.ask("/")[0] == 200

    eventually(is_let_in, "room for another")


def test_a_silent_connection_is_closed(chain, trust, stack, tmp_path):
    server = stack.enter_context(LyingServer(chain))
    proxy = stack.enter_context(Proxy(tmp_path, server.port, "--idle-timeout", "1", *trust.arguments))
    with proxy.dial() as client:
        assert client.recv(1) == b""
    assert server.shaken == 1


# -------------------------------------------------------------------------------------- evidence does not last

def heard_until_the_end(proxy: Proxy, server: LyingServer) -> bytes:
    """What a client hears on a connection that is begun with evidence for a few more seconds, which ends it. Again
    where the machine is slower than that."""
    def hear():
        server.renew()
        with proxy.dial() as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            said = receive_all(client)
        return None if said.startswith(b"HTTP/1.1 503 ") else said
    return eventually(hear, "a connection that began")


def made_ago(seconds: int):
    return lambda s: s.own_certificate(document=s.own_document(made=past(0) - seconds * SECOND))


def test_old_evidence_is_not_used_any_more(chain, trust, stack, tmp_path):
    """The document is seconds from its end: the connection ends with it, in order, and the next one is verified."""
    trust.allow(PCR0, max_age_seconds=60)
    server = stack.enter_context(LyingServer(chain, certificate=made_ago(57)))
    proxy = stack.enter_context(Proxy(tmp_path, server.port, *trust.arguments))
    said = heard_until_the_end(proxy, server)
    assert said.startswith(b"HTTP/1.1 200 OK\r\n") and said.endswith(b"}")
    assert "freshness" in proxy.refusal()  # the server has not renewed
    server.lies.pop("certificate")
    server.renew()
    assert proxy.ask()[0] == 200


def test_evidence_that_ends_with_the_certificate(chain, trust, stack, tmp_path):
    server = stack.enter_context(LyingServer(chain, certificate=lambda s: s.own_certificate(not_after=past(0) + 4 * SECOND)))
    proxy = stack.enter_context(Proxy(tmp_path, server.port, *trust.arguments))
    assert heard_until_the_end(proxy, server).endswith(b"}")
    assert proxy.refusal().startswith("enclave refused: certificate: certificate: ")


def test_a_connection_that_is_never_quiet_is_cut_after_a_while(chain, trust, stack, tmp_path):
    """A request whose answer does not come may wait for ten seconds behind the end of its evidence, no longer."""
    def wait(server, tls, heard):
        server.hear_request(tls, heard)
        with contextlib.suppress(SSL_ENDED):
            tls.recv(1)

    trust.allow(PCR0, max_age_seconds=60)
    server = stack.enter_context(Speaker(chain, wait, certificate=made_ago(57)))
    proxy = stack.enter_context(Proxy(tmp_path, server.port, *trust.arguments))
    with pytest.raises(ConnectionResetError):
        heard_until_the_end(proxy, server)


def test_a_server_that_renews_loses_no_client(nsm, trust, stack, tmp_path):
    trust.allow(IMAGE)
    enclave = stack.enter_context(AttestedServer(tmp_path / "enclave", nsm, renew_seconds=1))
    proxy = stack.enter_context(Proxy(tmp_path, enclave.port, *trust.arguments))
    client = proxy.client()
    first = certificate_of(enclave.port)
    assert proxy.ask("/upcheck", client)[0] == 200
    eventually(lambda: certificate_of(enclave.port) != first, "another certificate")
    assert proxy.ask("/upcheck", client)[0] == 200  # its connection goes on with what it began with
    assert proxy.ask("/upcheck")[0] == 200


# ------------------------------------------------------------------------------------------------------ signals

def test_a_policy_that_is_read_again_holds_for_all_connections(chain, trust, stack, tmp_path):
    server = stack.enter_context(LyingServer(chain))
    proxy = stack.enter_context(Proxy(tmp_path, server.port, *trust.arguments))
    client = proxy.client()
    assert proxy.ask("/", client)[0] == 200

    def hang_up(times: int):
        proxy.send(signal.SIGHUP)
        eventually(lambda: len(proxy.events("SIGHUP: the policy was read again")) == times, "the new policy")
        return proxy.events("SIGHUP: the policy was read again")[-1]["connections_cut"]

    assert hang_up(1) == 0
    assert proxy.ask("/", client)[0] == 200
    trust.allow(nitro.pcr_of(b"another"))
    assert hang_up(2) == 1
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        proxy.ask("/", client)
    assert proxy.refusal().startswith("enclave refused: certificate: registers: ")
    trust.allow(PCR0)
    assert hang_up(3) == 0
    assert proxy.ask()[0] == 200


def test_a_policy_that_cannot_be_read_changes_nothing(chain, trust, stack, tmp_path):
    server = stack.enter_context(LyingServer(chain))
    proxy = stack.enter_context(Proxy(tmp_path, server.port, *trust.arguments))
    client = proxy.client()
    assert proxy.ask("/", client)[0] == 200
    trust.policy.write_text("pcrs: {}")
    proxy.send(signal.SIGHUP)
    complaint = "SIGHUP: the policy cannot be read; the one before holds on"
    eventually(lambda: proxy.events(complaint), "the complaint")
    assert str(trust.policy) in proxy.events(complaint)[0]["reason"]
    assert proxy.ask("/", client)[0] == 200
    assert proxy.ask()[0] == 200


def test_stopping_lets_a_request_end(chain, trust, stack, tmp_path):
    answers = []

    def answer_late(server, tls, heard):
        server.hear_request(tls, heard)
        eventually(lambda: answers, "leave to answer")
        tls.sendall(answer("200 OK", b"{}"))
        with contextlib.suppress(SSL_ENDED):
            tls.recv(1)

    server = stack.enter_context(Speaker(chain, answer_late))
    proxy = stack.enter_context(Proxy(tmp_path, server.port, *trust.arguments))
    with proxy.dial() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: any(b"GET / " in heard for heard in server.questions), "the request")
        proxy.send(signal.SIGTERM)
        eventually(lambda: proxy.events("stopping: connections end when they are quiet"), "the stop")
        answers.append(True)
        assert receive_all(client).endswith(b"{}")
    assert proxy.process.wait(60) == DONE
    assert proxy.events("stopped")


def test_the_supervisor_hears_when_clients_may_come(chain, trust, stack, tmp_path):
    server = stack.enter_context(LyingServer(chain))
    with contextlib.closing(Supervisor(abstract_name())) as supervisor:
        proxy = stack.enter_context(Proxy(tmp_path, server.port, *trust.arguments,
                                          environment=supervisor.environment | {"WATCHDOG_USEC": "1000000"}))
        assert supervisor.until("READY=1") == ["READY=1"]
        assert "WATCHDOG=1" in supervisor.until("WATCHDOG=1")
        assert proxy.stop() == DONE
        assert "STOPPING=1" in supervisor.rest()


def test_help_says_what_the_proxy_is_for():
    called = call("atls", "proxy", "--help")
    assert called.code == DONE and "--allow-remote-clients" in called.out
    assert "proxy" in call("atls", "--help").out
