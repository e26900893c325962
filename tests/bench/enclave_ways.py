"""Ways to one answer, measured in turns: one request at a time, a slice of requests on each way after the other, so
that a machine that changes its pace changes it for all."""
import dataclasses
import functools
import pathlib
import re
import socket
import ssl
import statistics
import time
import typing

from signer import PATIENCE_S

WARM_UP = 5  # requests before those that count: caches, and buffers that grow


def cpu_ns(pid: int) -> int:
    """CPU time so far of all threads that a process has now, user and system."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total


@dataclasses.dataclass
class Way:
    name: str
    ask: typing.Callable[[bytes], float]  # sends a request, waits for the answer, gives seconds
    request: typing.Callable[[], bytes]
    processes: dict[str, int] = dataclasses.field(default_factory=dict)  # whose CPU time counts
    seconds: list[float] = dataclasses.field(default_factory=list)
    cpu: dict[str, int] = dataclasses.field(default_factory=dict)

    def run(self, count: int) -> None:
        before = {name: cpu_ns(pid) for name, pid in self.processes.items()}
        self.seconds += [self.ask(self.request()) for _ in range(count)]
        for name, pid in self.processes.items():
            self.cpu[name] = self.cpu.get(name, 0) + cpu_ns(pid) - before[name]

    @property
    def p50(self) -> float:
        return statistics.median(self.seconds)

    @property
    def p99(self) -> float:
        return sorted(self.seconds)[len(self.seconds) * 99 // 100]

    def cpu_each(self, process: str) -> float:
        """Seconds of one process for one request."""
        return self.cpu[process] / 1e9 / len(self.seconds)


def measure(ways: list[Way], slices: int, each: int) -> None:
    for way in ways:
        for _ in range(WARM_UP):
            way.ask(way.request())
    for _ in range(slices):
        for way in ways:
            way.run(each)


# -------------------------------------------------------------------------------------------------- HTTP

def http_request(method: str, path: str, body: bytes = b"") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


class Client:
    """One connection that is kept; as little work around each request as there can be."""

    def __init__(self, connection: socket.socket):
        self.connection = connection
        connection.settimeout(PATIENCE_S)

    def exchange(self, request: bytes) -> bytes:
        self.connection.sendall(request)
        answer = self.connection.recv(65536)
        while not self.is_whole(answer):
            piece = self.connection.recv(65536)
            if not piece:
                break
            answer += piece
        return answer

    def ask(self, request: bytes) -> float:
        start = time.perf_counter()
        answer = self.exchange(request)
        taken = time.perf_counter() - start
        if not answer.startswith(b"HTTP/1.1 200 "):  # what a refusal costs is not what is measured
            raise SystemExit(f"enclave.py: answered {answer[:500]!r}")
        return taken

    @staticmethod
    def is_whole(answer: bytes) -> bool:
        head, found, body = answer.partition(b"\r\n\r\n")
        length = re.search(rb"\r\nContent-Length: (\d+)", head, re.IGNORECASE)
        return bool(found) and length is not None and len(body) >= int(length[1])

    def close(self) -> None:
        self.connection.close()


def tcp(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


@functools.cache
def trusting() -> ssl.SSLContext:
    """Verifies nothing: the cost of that is the proxy's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def tls(connection: socket.socket) -> ssl.SSLSocket:
    return trusting().wrap_socket(connection)


def once(connect: typing.Callable[[], socket.socket]) -> typing.Callable[[bytes], float]:
    """A way that takes a new connection for each request; its time counts."""
    def ask(request: bytes) -> float:
        start = time.perf_counter()
        client = Client(connect())
        client.ask(request)
        taken = time.perf_counter() - start
        client.close()
        return taken
    return ask
