"""Bytes on a socket, as no well-behaved client would send them, and what comes back."""
import json
import pathlib
import select
import socket
import struct
import time

from signer import BINARY, PATIENCE_S, Answer

JSON = "application/json; charset=utf-8"


def is_sanitized() -> bool:
    """Whether the program under test carries a sanitizer, whose own memory is no measure of ours."""
    program = pathlib.Path(BINARY).read_bytes()
    return b"__asan_init" in program or b"__tsan_init" in program


class Wire:
    """One TCP connection. Closed at the end of a `with`."""

    def __init__(self, port: int, receive_buffer: int | None = None):
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(("127.0.0.1", port))
        self.received = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data: bytes | str) -> "Wire":
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())
        return self

    def send_what_goes(self, data: bytes) -> bool:
        """Like send(), but a server that has had enough is no error: False."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def end_sending(self) -> "Wire":
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def reset(self):
        """Closes with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _receive_more(self):
        more = self.socket.recv(65536)
        if not more:
            raise EOFError(f"closed after {self.received[:300]!r}")
        self.received += more

    def _take(self, size: int) -> bytes:
        while len(self.received) < size:
            self._receive_more()
        taken, self.received = self.received[:size], self.received[size:]
        return taken

    def answer(self) -> Answer:
        """The next response; EOFError when the server closes before it is whole."""
        while b"\r\n\r\n" not in self.received:
            self._receive_more()
        head = self._take(self.received.index(b"\r\n\r\n") + 4).decode("latin-1")
        first, *fields = head[:-4].split("\r\n")
        version, status, _ = first.split(" ", 2)
        assert version == "HTTP/1.1", first
        headers = dict(field.split(": ", 1) for field in fields)
        body = self._take(int(headers.get("Content-Length", 0)))
        return Answer(int(status), headers, body)

    def refusal(self) -> Answer:
        """The next response, which must be an error with a reason in JSON."""
        answer = self.answer()
        assert answer.status >= 400, answer
        assert answer.headers["Content-Type"] == JSON
        assert set(answer.json) == {"code", "message"}
        assert answer.json["code"] == answer.status
        assert answer.message and "\n" not in answer.message
        return answer

    def is_closed(self) -> bool:
        """Waits for the server to close; False when it says anything more."""
        try:
            return self.received == b"" and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def is_silent(self, seconds: float) -> bool:
        """True when nothing comes for so long."""
        return self.received == b"" and not select.select([self.socket], [], [], seconds)[0]


def request_text(method: str, target: str, body: str | bytes | dict = b"", *fields: str) -> bytes:
    """A well-formed request with a Content-Length."""
    body = json.dumps(body) if isinstance(body, dict) else body
    body = body.encode() if isinstance(body, str) else body
    lines = [f"{method} {target} HTTP/1.1", "Host: signer", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Vitals:
    """That a signer is as well as it was: descriptors and memory, read from outside the process."""

    def __init__(self, signer):
        self.signer = signer
        self.files = self.open_files()
        self.resident = self.resident_bytes()

    def open_files(self) -> int:
        folder = pathlib.Path(f"/proc/{self.signer.process.pid}/fd")
        try:
            return len(list(folder.iterdir()))
        except PermissionError:  # only root may look into a process that is not dumpable
            return int(self.signer.metrics()["process_open_fds"])

    def resident_bytes(self) -> int:
        status = pathlib.Path(f"/proc/{self.signer.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024

    def wait_for_files(self):
        """Descriptors come back to what they were."""
        self.signer.wait_for(lambda: self.open_files() <= self.files)

    def assert_memory_within(self, growth: int):
        if not is_sanitized():
            assert self.resident_bytes() - self.resident <= growth


def eventually(condition, patience_s: float = PATIENCE_S) -> bool:
    """True as soon as `condition` is, False when it is not in time."""
    end = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
