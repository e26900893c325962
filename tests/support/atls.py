"""The processes of attested TLS under test: the signer as an enclave has it, and the proxy before it."""
import http.client
import json
import pathlib
import re
import signal
import socket
import subprocess

import log_thread
from commands import clean_environment
from parent import eventually
from signer import BINARY, PATIENCE_S, SANITIZER

import nitro_documents as nitro

ATTESTED_SERVER = pathlib.Path(BINARY).parent / "tests" / "support" / "attested_server"
IMAGE = nitro.pcr_of(b"attested_server")  # its register 0


class Process:
    """Its output goes to files; ends with the test."""

    def __init__(self, folder: pathlib.Path, name: str, command, environment=None):
        folder.mkdir(parents=True, exist_ok=True)
        self.out, self.log = folder / f"{name}.out", folder / f"{name}.log"
        with open(self.out, "wb") as out, open(self.log, "wb") as log:
            self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=out, stderr=log,
                                            env=clean_environment(environment))

    def log_text(self) -> str:
        if self.process.poll() is None:
            log_thread.settle(self.process.pid)
        return self.log.read_text(errors="replace")

    def events(self, event: str) -> list[dict]:
        lines = self.log_text().split("\n")[:-1]
        return [line for line in (json.loads(line) for line in lines if line.startswith("{")) if event in line.values()]

    def wait_for_start(self, started):
        eventually(lambda: started() or self.process.poll() is not None, "the start")
        assert self.process.poll() is None, self.log_text()

    def send(self, number: int):
        self.process.send_signal(number)

    def stop(self) -> int:
        self.send(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        assert not SANITIZER.search(self.log_text()), self.log_text()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class AttestedServer(Process):
    """tests/support/attested_server.c; `configuration` is its file's text, the bytes that are measured."""

    def __init__(self, folder: pathlib.Path, nsm, renew_seconds: int | None = None):
        folder.mkdir(parents=True)
        (folder / "keys").mkdir()
        self.configuration = folder / "enclave.yaml"
        self.configuration.write_text(
            "server:\n  listen_address: 127.0.0.1\nmetrics:\n  listen_address: 127.0.0.1\n"
            f"key_sources:\n  filesystem:\n    paths: [{folder / 'keys'}]\n"
            f"anti_slashing:\n  path: {folder / 'slashing.sqlite'}\nlogging:\n  format: json\n")
        command = [ATTESTED_SERVER, "--signer", nsm.path, "--configuration", self.configuration]
        command += [] if renew_seconds is None else ["--renew-seconds", renew_seconds]
        super().__init__(folder, "server", command)
        self.wait_for_start(self._listens)
        self.port = int(self._listens()[1])

    def _listens(self):
        return re.search(r"listening on (\d+)\n", self.out.read_text())


class Proxy(Process):
    def __init__(self, folder: pathlib.Path, port: int, *arguments, environment=None, listen="127.0.0.1:0",
                 host="127.0.0.1"):
        command = [BINARY, "atls", "proxy", "--listen", listen, "--connect", f"{host}:{port}",
                   "--log-format", "json", *arguments]
        super().__init__(folder, "proxy", command, environment)
        self.wait_for_start(lambda: self.events("the proxy starts"))
        self.port = self.events("the proxy starts")[0]["port"]

    def dial(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)

    def client(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)

    def ask(self, path="/upcheck", client=None, body=None) -> tuple[int, str]:
        connection = client or self.client()
        connection.request("GET" if body is None else "POST", path, body)
        answer = connection.getresponse()
        text = answer.read().decode()
        if client is None:
            connection.close()
        return answer.status, text

    def refusal(self) -> str:
        """The reason with which a client is sent away. Asserts that it is told in order, and closed."""
        with self.dial() as client:
            client.sendall(b"GET /secret-question HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b""
            while True:
                piece = client.recv(65536)
                if not piece:
                    break
                answer += piece
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n"), answer
        assert b"Connection: close" in head and f"Content-Length: {len(body)}".encode() in head
        said = json.loads(body)
        assert said["code"] == 503
        return said["message"]
