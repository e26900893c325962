"""HTTP byte by byte: what exactly is sent, and what exactly comes back."""
import socket
import typing

from signer import PATIENCE_S


class Response(typing.NamedTuple):
    version: str
    status: int
    reason: str
    fields: list[tuple[str, str]]  # in order, as written
    body: bytes

    def field(self, name: str) -> str | None:
        """The value of a header field that may stand once."""
        values = [value for given, value in self.fields if given.lower() == name.lower()]
        assert len(values) <= 1, f"{name} stands {len(values)} times"
        return values[0] if values else None

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.fields]


class Wire:
    """One connection. Every wait has an end."""

    def __init__(self, port: int):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.ahead = b""

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data: bytes) -> "Wire":
        self.socket.sendall(data)
        return self

    def _more(self) -> None:
        got = self.socket.recv(65536)
        assert got, f"the connection ended early, after {self.ahead!r}"
        self.ahead += got

    def head(self) -> tuple[list[str], list[tuple[str, str]]]:
        """The parts of a status line, and the fields up to the empty line."""
        while b"\r\n\r\n" not in self.ahead:
            self._more()
        text, _, self.ahead = self.ahead.partition(b"\r\n\r\n")
        line, *fields = text.decode("ascii").split("\r\n")
        assert "\n" not in text.decode().replace("\r\n", "")
        split = [field.partition(": ") for field in fields]
        return line.split(" ", 2), [(name, value) for name, _, value in split]

    def response(self, with_body: bool = True) -> Response:
        (version, status, reason), fields = self.head()
        response = Response(version, int(status), reason, fields, b"")
        assert response.field("Transfer-Encoding") is None  # every client understands a length
        size = int(response.field("Content-Length")) if with_body else 0
        while len(self.ahead) < size:
            self._more()
        body, self.ahead = self.ahead[:size], self.ahead[size:]
        return response._replace(body=body)

    def is_closed(self) -> bool:
        """Waits for the peer to close; false when it sends something instead."""
        assert not self.ahead, self.ahead
        return self.socket.recv(1) == b""

    def is_silent(self) -> bool:
        """Nothing was sent beyond what was read, and the connection is open, at this moment."""
        self.socket.setblocking(False)
        try:
            self.ahead += self.socket.recv(1)
            return False
        except BlockingIOError:
            return not self.ahead
        finally:
            self.socket.settimeout(PATIENCE_S)


def request(method: str, path: str, body: bytes = b"", fields: typing.Iterable[str] = (),
            version: str = "HTTP/1.1") -> bytes:
    """With Host, and with Content-Length unless the fields say how long the body is."""
    lines = [f"{method} {path} {version}", "Host: 127.0.0.1", *fields]
    names = [line.partition(":")[0].lower() for line in lines]
    if method != "GET" and "content-length" not in names and "transfer-encoding" not in names:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunked(body: bytes, size: int) -> bytes:
    pieces = [body[i:i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
