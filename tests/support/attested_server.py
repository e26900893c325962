"""tests/support/attested_server.c as a process, and attested TLS from the client's end by way of pyOpenSSL.

    with NsmSigner() as module:
        server = AttestedServer(folder, module, keys=[0]).start()
        with AttestedConnection(server.tls_port) as connection:
            connection.post("/attestation", {"nonce": "00" * 16})
"""
import json
import os
import re
import socket
import struct

import openapi
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from OpenSSL import SSL, crypto
from raw_http import Wire, request
from signer import PATIENCE_S, ROOT, Answer, Signer

PROGRAM = os.environ.get("CHAMBER_ATTESTED_SERVER", str(ROOT / "build" / "tests" / "support" / "attested_server"))
IMAGE = b"attested_server"  # what is in register 0, as nitro_documents.pcr_of() has it
EXPORTER_LABEL = b"EXPORTER-containment-chamber/atls/v1"
PORTS = re.compile(r'"tls_port":(\d+),"health_port":(\d+),"metrics_port":(\d+)')


def nested(settings: dict) -> dict:
    """Dotted names as the levels of a file."""
    tree: dict = {}
    for name, value in settings.items():
        *sections, last = name.split(".")
        place = tree
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = value if isinstance(value, (bool, int, list)) else str(value)
    return tree


class AttestedServer(Signer):
    """`port` is that of health probes, `tls_port` the API's."""

    def __init__(self, folder, module, renew_seconds: int = 0, **options):
        super().__init__(folder, **options)
        self.module, self.renew_seconds, self.tls_port = module, renew_seconds, None
        self.settings["key_sources.filesystem.paths"] = [str(self.keys_folder)]
        self.configuration = yaml.safe_dump(nested(self.settings)).encode()
        (folder / "config.yaml").write_bytes(self.configuration)

    def command(self) -> list[str]:
        return [PROGRAM, "--signer", str(self.module.path), "--configuration", str(self.folder / "config.yaml"),
                "--renew-seconds", str(self.renew_seconds), *self.arguments]

    def _read_ports(self, before: int):
        def find():
            assert self.process.poll() is None, f"the server ended:\n{self.log_text()}"
            return PORTS.search(self.log_path.read_bytes()[before:].decode(errors="replace"))

        self.tls_port, self.port, self.metrics_port = (int(port) for port in self.wait_for(find).groups())


class AttestedConnection(Wire):
    """Verifies nothing: that is for the tests to do."""

    def __init__(self, port: int, newest: int | None = None):
        super().__init__(port)
        self.plain = self.socket
        self.plain.settimeout(None)  # pyOpenSSL knows blocking sockets and those that are not
        patience = struct.pack("ll", PATIENCE_S, 0)
        self.plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, patience)
        context = SSL.Context(SSL.TLS_METHOD)
        if newest is not None:
            context.set_max_proto_version(newest)
        self.socket = SSL.Connection(context, self.plain)
        self.socket.set_connect_state()
        try:
            self.socket.do_handshake()
        except SSL.Error:
            self.plain.close()
            raise

    def __exit__(self, *_):
        self.plain.close()

    @property
    def der(self) -> bytes:
        """The certificate that the server showed."""
        return crypto.dump_certificate(crypto.FILETYPE_ASN1, self.socket.get_peer_certificate())

    @property
    def certificate(self) -> x509.Certificate:
        return x509.load_der_x509_certificate(self.der)

    @property
    def spki(self) -> bytes:
        return self.certificate.public_key().public_bytes(serialization.Encoding.DER,
                                                          serialization.PublicFormat.SubjectPublicKeyInfo)

    def exported(self, nonce: bytes) -> bytes:
        return self.socket.export_keying_material(EXPORTER_LABEL, 32, nonce)

    def ask(self, method: str, path: str, body=b"") -> Answer:
        self.ask_only(method, path, body)
        return self.answer(method, path)

    def ask_only(self, method: str, path: str, body=b"") -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send(request(method, path, data))

    def answer(self, method: str, path: str) -> Answer:
        response = self.response()
        answer = Answer(response.status, dict(response.fields), response.body)
        openapi.check(method, path, answer)
        return answer

    def post(self, path: str, body) -> Answer:
        return self.ask("POST", path, body)
