"""The guest's side of vhost-device-vsock in its uds mode, strictly as that program behaves: the host reaches guest
port P through one socket by saying CONNECT P; the guest reaches host port P at the socket named <path>_P. A refused
connection is not answered at all, and half-close is not carried: the guest's is ignored, the host's ends both ways."""
import pathlib
import queue
import re
import socket
import struct
import threading

from signer import PATIENCE_S

REQUEST = re.compile(rb"CONNECT (0|[1-9][0-9]{0,9})\n")
REQUEST_MAX = 32


class GuestStream:
    """A vsock stream as the guest sees it."""

    def __init__(self, connection: socket.socket):
        self.connection = connection
        self.host_ended = False
        connection.settimeout(PATIENCE_S)

    def send(self, data: bytes):
        if self.host_ended:
            raise BrokenPipeError("the host has shut both directions down")
        self.connection.sendall(data)

    def receive(self, size: int) -> bytes:
        """Exactly so many bytes, or fewer at the end."""
        data = b""
        while len(data) < size:
            piece = self.connection.recv(min(size - len(data), 65536))
            if not piece:
                self.host_ended = True
                break
            data += piece
        return data

    def ended(self) -> bool:
        """Whether the host closed and nothing was left."""
        try:
            return self.receive(1) == b""
        except ConnectionResetError:
            return True

    def shut_down_writing(self):
        """What the device does with a guest's SHUTDOWN_SEND: nothing."""

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class FakeVsock:
    def __init__(self, path: pathlib.Path):
        self.path = path
        self.ports: dict[int, queue.Queue] = {}
        self.unanswered: list[socket.socket] = []
        self.violations: list[bytes] = []
        self.assigned = 1 << 30
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(path))
        self.server.listen(4096)
        threading.Thread(target=self._accept, daemon=True).start()

    def listen(self, port: int) -> queue.Queue:
        """The guest listens there: its streams come out of the queue."""
        self.ports[port] = queue.Queue()
        return self.ports[port]

    def connect(self, port: int) -> GuestStream:
        """The guest connects to the host's port. ConnectionRefusedError, FileNotFoundError: nobody listens."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE_S)
        connection.connect(f"{self.path}_{port}")
        return GuestStream(connection)

    def close(self):
        self.server.close()
        for connection in self.unanswered:
            connection.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            self._greet(connection)

    def _greet(self, connection: socket.socket):
        """The request comes in one piece, as everything so short does on a UNIX socket."""
        connection.settimeout(PATIENCE_S)
        request = connection.recv(REQUEST_MAX)
        found = REQUEST.fullmatch(request)
        if not found:
            if request:
                self.violations.append(request)
            connection.close()
        elif int(found[1]) not in self.ports:
            self.unanswered.append(connection)  # the device sends no RST: the host waits
        else:
            self.assigned += 1
            connection.sendall(b"OK %d\n" % self.assigned)
            self.ports[int(found[1])].put(GuestStream(connection))


# ------------------------------------------------------------------- the bootstrap protocol, written independently

HELLO, CONFIGURATION, CREDENTIALS, LOG, DROPPED, KEEPALIVE, SHUTDOWN = range(1, 8)


def frame(kind: int, payload: bytes = b"") -> bytes:
    return b"CCBP" + bytes([1, kind, 0, 0]) + struct.pack(">I", len(payload)) + payload


def read_frame(stream: GuestStream) -> tuple[int, bytes] | None:
    """None at the end of the stream."""
    header = stream.receive(12)
    if header == b"":
        return None
    assert len(header) == 12 and header[:5] == b"CCBP\x01" and header[6:8] == b"\0\0", header
    size = struct.unpack(">I", header[8:])[0]
    payload = stream.receive(size)
    assert len(payload) == size
    return header[5], payload


def read_until(stream: GuestStream, kind: int) -> bytes:
    """The payload of the next frame of that kind; keep-alives may come between."""
    while True:
        found = read_frame(stream)
        assert found is not None, "the stream ended"
        if found[0] == kind:
            return found[1]
        assert found == (KEEPALIVE, b"\x01"), found
