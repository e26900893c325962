"""A server of attested TLS in Python that may lie in every place: an enclave whose keys we have, a stranger, a relay
between a client and an enclave. What it is to do wrong is a subclass or an argument; what it heard is kept.

    with LyingServer(chain) as server: ...           # honest
    with LyingServer(chain, answer=lambda ...: b"garbage") as server: ...
"""
import datetime
import json
import select
import socket
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL, crypto

import nitro_documents as nitro
from signer import PATIENCE_S

EXPORTER_LABEL = b"EXPORTER-containment-chamber/atls/v1"
CONFIGURATION = b"network: mainnet\n"
PCR0 = nitro.pcr_of(b"image")
PCRS = {0: PCR0, 8: nitro.pcr_of(b"signer"), 16: nitro.pcr_of(nitro.sha384(CONFIGURATION))}
MINUTE = datetime.timedelta(minutes=1)


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def http(status: str, body: bytes, *fields: str) -> bytes:
    head = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def document_body(document: bytes) -> bytes:
    return json.dumps({"document": "0x" + document.hex()}).encode()


def twice(certificate: bytes, key) -> bytes:
    """The certificate with its evidence in two extensions, signed anew: what no builder wants to make."""
    parsed = x509.load_der_x509_certificate(certificate)
    value = next(e.value.value for e in parsed.extensions if e.oid == nitro.ID_PE_CMW)
    native = crypto.X509.from_cryptography(parsed)
    other = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.5.5.7.1.36"), value)
    builder = (x509.CertificateBuilder().subject_name(parsed.subject).issuer_name(parsed.issuer)
               .public_key(parsed.public_key()).serial_number(native.get_serial_number())
               .not_valid_before(parsed.not_valid_before).not_valid_after(parsed.not_valid_after)
               .add_extension(x509.UnrecognizedExtension(nitro.ID_PE_CMW, value), False).add_extension(other, False))
    made = builder.sign(key, hashes.SHA384())
    body = made.tbs_certificate_bytes.replace(bytes.fromhex("06082b06010505070124"), bytes.fromhex("06082b06010505070123"))
    assert body != made.tbs_certificate_bytes
    signature = key.sign(body, ec.ECDSA(hashes.SHA384()))
    algorithm = bytes.fromhex("300a06082a8648ce3d040303")
    bits = b"\x03" + length(len(signature) + 1) + b"\0" + signature
    whole = body + algorithm + bits
    return b"\x30" + length(len(whole)) + whole


def length(size: int) -> bytes:
    if size < 128:
        return bytes([size])
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(digits)]) + digits


class LyingServer:
    """Arguments, all honest when not given: `pcrs`, `tls` (the version), `key`, `document(spki)` in the certificate,
    `certificate(key)`, `question(nonce, spki, exporter)`: the document of tier 2; `answer(document)`: the bytes, or
    pieces of bytes, that are sent for it; `cut`: where the connection is cut: accept, hello, handshake, question."""

    def __init__(self, chain, **lies):
        self.chain = chain
        self.lies = lies
        self.key = lies.get("key") or ec.generate_private_key(ec.SECP256R1())
        self.heard = []  # bytes of applications, a bytearray each connection
        self.shaken = 0  # connections whose handshake was done
        self.sockets = []
        self.closing = False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._serve)
        self.threads = []
        self.renew()
        self.thread.start()

    # ---------------------------------------------------------------------------------------- evidence

    def document(self, spki: bytes, user_data: bytes, nonce=None, **changes) -> bytes:
        made = changes.pop("made", now())
        chain = changes.pop("chain", self.chain)
        pcrs = changes.pop("pcrs", self.lies.get("pcrs", PCRS))
        fields = {"public_key": spki, "user_data": user_data, "nonce": nonce} | changes
        return nitro.make_document(chain, made, pcrs, **fields)

    def own_document(self, **changes) -> bytes:
        """That of the certificate."""
        spki = nitro.spki_of(self.key)
        return self.document(spki, nitro.user_data(spki, CONFIGURATION), **changes)

    def own_certificate(self, **changes) -> bytes:
        document = changes.pop("document", None) or self.own_document()
        begin = now().replace(tzinfo=None) - MINUTE
        changes = {"not_before": begin, "not_after": begin + 30 * MINUTE} | changes
        return nitro.make_evidence_certificate(self.key, nitro.cmw(document, 4), begin, **changes)

    def renew(self):
        """Another certificate, of the same key."""
        make = self.lies.get("certificate", LyingServer.own_certificate)
        self.certificate = make(self)
        context = SSL.Context(SSL.TLS_METHOD)
        version = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}[self.lies.get("tls", "1.3")]
        context.set_min_proto_version(version)
        context.set_max_proto_version(version)
        context.use_certificate(crypto.load_certificate(crypto.FILETYPE_ASN1, self.certificate))
        key = self.lies.get("tls_key") or self.key
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                serialization.NoEncryption())
        context.use_privatekey(crypto.load_privatekey(crypto.FILETYPE_PEM, pem))
        self.context = context

    def fresh_document(self, nonce: bytes, exporter: bytes) -> bytes:
        """Tier 2."""
        spki = nitro.spki_of(self.key)
        lie = self.lies.get("question")
        if lie:
            return lie(self, nonce, spki, exporter)
        return self.document(spki, nitro.user_data(spki, CONFIGURATION) + exporter, nonce)

    # -------------------------------------------------------------------------------------- connections

    def _serve(self):
        while not self.closing:
            if select.select([self.listener], [], [], 0.05)[0]:
                connection, _ = self.listener.accept()
                self.sockets.append(connection)
                thread = threading.Thread(target=self._guarded, args=(connection,))
                self.threads.append(thread)
                thread.start()

    def _guarded(self, plain: socket.socket):
        try:
            self.connection(plain)
        except (SSL.Error, OSError):
            pass  # the client went away, as it should when it is lied to
        finally:
            plain.close()

    def connection(self, plain: socket.socket):
        cut = self.lies.get("cut")
        if cut == "accept":
            return
        if cut == "hello":
            plain.recv(16)
            return
        if cut == "garbage":
            plain.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 100)
            return
        if cut == "silence":
            plain.settimeout(PATIENCE_S)
            while plain.recv(4096):
                pass
            return
        tls = SSL.Connection(self.context, plain)
        tls.set_accept_state()
        plain.settimeout(None)
        tls.do_handshake()
        self.shaken += 1
        heard = bytearray()
        self.heard.append(heard)
        if cut == "handshake":
            return
        self.talk(tls, heard)

    def talk(self, tls, heard: bytearray):
        head, body = self.hear_request(tls, heard)
        if self.lies.get("cut") == "question":
            return
        nonce = bytes.fromhex(json.loads(body)["nonce"].removeprefix("0x"))
        exporter = tls.export_keying_material(EXPORTER_LABEL, 32, nonce)
        document = self.fresh_document(nonce, exporter)
        answer = self.lies.get("answer", lambda given: http("200 OK", document_body(given)))(document)
        for piece in [answer] if isinstance(answer, bytes) else answer:
            if self.closing:
                return
            tls.sendall(piece)
        if self.lies.get("cut") == "answer":
            return
        self.after(tls, heard)

    def after(self, tls, heard: bytearray):
        """What an honest signer does next: it answers requests."""
        while True:
            head, body = self.hear_request(tls, heard)
            tls.sendall(http("200 OK", json.dumps({"asked": head.split(b"\r\n")[0].decode(),
                                                   "body": body.decode()}).encode()))

    @staticmethod
    def hear_request(tls, heard: bytearray) -> tuple[bytes, bytes]:
        start = len(heard)
        while b"\r\n\r\n" not in heard[start:]:
            heard += tls.recv(65536)
        head, _, body = bytes(heard[start:]).partition(b"\r\n\r\n")
        size = 0
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            size = int(value) if name.lower() == b"content-length" else size
        while len(body) < size:
            more = tls.recv(65536)
            heard += more
            body += more
        return head, body

    @property
    def questions(self) -> list[bytes]:
        return [bytes(heard) for heard in self.heard if heard]

    def heard_only_questions(self) -> bool:
        """Nobody's bytes but those of the client's own question came here."""
        return all(heard.startswith(b"POST /attestation HTTP/1.1\r\n") and heard.count(b"HTTP/1.1") == 1
                   and heard.endswith(b"\"}") for heard in self.questions)

    def cut_connections(self):
        for connection in self.sockets:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.closing = True
        self.cut_connections()
        self.thread.join()
        for thread in self.threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
        self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Relay(LyingServer):
    """Has a key and a certificate, stolen or its own, and asks the true enclave at `port` whatever it is asked."""

    def __init__(self, chain, port: int, **lies):
        self.enclave_port = port
        super().__init__(chain, **lies)

    def talk(self, tls, heard: bytearray):
        self.hear_request(tls, heard)
        plain = socket.create_connection(("127.0.0.1", self.enclave_port))
        self.sockets.append(plain)
        enclave = SSL.Connection(SSL.Context(SSL.TLS_METHOD), plain)
        enclave.set_connect_state()
        enclave.do_handshake()
        enclave.sendall(bytes(heard))
        tls.sendall(self.hear_answer(enclave))
        self.after(tls, heard)

    @staticmethod
    def hear_answer(tls) -> bytes:
        heard = bytearray()
        LyingServer.hear_request(tls, heard)  # an answer ends as a request does
        return bytes(heard)


def certificate_of(port: int) -> bytes:
    """What a server shows, DER."""
    plain = socket.create_connection(("127.0.0.1", port))
    tls = SSL.Connection(SSL.Context(SSL.TLS_METHOD), plain)
    tls.set_connect_state()
    tls.do_handshake()
    shown = crypto.dump_certificate(crypto.FILETYPE_ASN1, tls.get_peer_certificate())
    plain.close()
    return shown
