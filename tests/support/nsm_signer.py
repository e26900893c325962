"""Who signs for the emulated security module (tools/emulator/nsm-signer.h): documents come in unsigned, get a
certificate, a chain and a signature as AWS's module gives them, under a root of ours, and go back.

    with NsmSigner() as signer:
        Emulator(image, signer=signer) ...
        # verifiers are told of signer.chain.root
"""
import datetime
import pathlib
import socketserver
import tempfile
import threading

from cbor_reader import decode
from nitro_documents import Chain, encode, make_chain, sign_document

DOCUMENT_MAX = 16384
REGISTERS_OF_IMAGE = (0, 1, 2, 8)


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)


class Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        size = int.from_bytes(self.rfile.read(4), "big")
        if size > DOCUMENT_MAX:
            raise ValueError(f"a document of {size} bytes")
        signed = self.server.owner.signed(self.rfile.read(size))
        self.wfile.write(len(signed).to_bytes(4, "big") + signed)


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    owner: "NsmSigner"


class NsmSigner:
    """`chain` may be replaced at any time, as AWS's module renews its leaf. `debug` makes the documents of an
    enclave in debug mode. `change`, a function of a payload, may make of it what no module says."""

    def __init__(self, chain: Chain | None = None, debug: bool = False, change=None):
        self.chain = chain or make_chain(now())
        self.debug = debug
        self.change = change
        self.documents: list[bytes] = []
        self.folder = tempfile.TemporaryDirectory(prefix="nsm-")
        self.path = pathlib.Path(self.folder.name) / "signer.sock"
        self.server = Server(str(self.path), Handler)
        self.server.owner = self
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def signed(self, unsigned: bytes) -> bytes:
        payload = decode(decode(unsigned)[2])
        if self.debug:
            payload["pcrs"].update({index: bytes(48) for index in REGISTERS_OF_IMAGE})
        payload["certificate"] = self.chain.leaf
        payload["cabundle"] = self.chain.cabundle
        payload = self.change(payload) if self.change else payload
        document = sign_document(self.chain, encode(payload))
        self.documents.append(document)
        return document

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
        self.folder.cleanup()

    def __enter__(self) -> "NsmSigner":
        return self

    def __exit__(self, *_) -> None:
        self.close()
