"""What the parent's relay costs, without an enclave: the same peer is asked over a plain loopback connection and through
a parent, on this machine's real CPU. The peer stands where vhost-device-vsock's socket is."""
import contextlib
import multiprocessing
import os
import pathlib
import socket
import struct
import time

from enclave_ways import Way, cpu_ns, measure
from product import Process
from signer import PATIENCE_S

ECHO, TAKE, GIVE, END = b"E", b"T", b"G", b"."
ORDER = struct.Struct(">cQ")  # what the peer is to do, and with how many bytes
PIECE = 65536
MESSAGE = 600  # bytes, as a request to sign has
GUEST_PORT = 1


# -------------------------------------------------------------------------------------------------- peer

def receive(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def discard(connection: socket.socket, size: int) -> None:
    buffer = bytearray(PIECE)
    while size > 0:
        got = connection.recv_into(buffer, min(PIECE, size))
        if got == 0:
            raise EOFError
        size -= got


def send(connection: socket.socket, size: int) -> None:
    piece = bytes(PIECE)
    while size > 0:
        part = min(PIECE, size)
        connection.sendall(piece if part == PIECE else piece[:part])
        size -= part


def obey(connection: socket.socket) -> None:
    """Until it is told to end: that the client closed is not carried to a UNIX socket at once."""
    order = None
    while order != END:
        order, size = ORDER.unpack(receive(connection, ORDER.size))
        if order == ECHO:
            connection.sendall(receive(connection, size))
        elif order == TAKE:
            discard(connection, size)
            connection.sendall(b"!")
        elif order == GIVE:
            send(connection, size)


def serve(listener: socket.socket) -> None:
    """One connection after the other; on a UNIX socket each begins as vhost-device-vsock's do."""
    while True:
        connection, _ = listener.accept()
        with connection:
            if listener.family == socket.AF_UNIX:
                assert connection.recv(32) == b"CONNECT %d\n" % GUEST_PORT
                connection.sendall(b"OK 1073741824\n")
            else:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            obey(connection)


@contextlib.contextmanager
def peer(listener: socket.socket):
    listener.listen()
    child = multiprocessing.get_context("fork").Process(target=serve, args=(listener,), daemon=True)
    child.start()
    try:
        yield child.pid
    finally:
        child.kill()
        child.join()
        listener.close()


def end(connection: socket.socket) -> None:
    with connection:
        connection.sendall(ORDER.pack(END, 0))
        connection.recv(1)


# ---------------------------------------------------------------------------------------------- measuring

class Echo:
    """A message there and back."""

    def __init__(self, port: int):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, message: bytes) -> float:
        start = time.perf_counter()
        self.socket.sendall(message)
        answer = receive(self.socket, len(message) - ORDER.size)
        taken = time.perf_counter() - start
        if answer != message[ORDER.size:]:
            raise SystemExit("enclave.py: the echo is another one")
        return taken


def carry(port: int, order: bytes, size: int, processes: dict[str, int]) -> dict[str, float]:
    """Seconds, and CPU seconds of each process, for `size` bytes in one direction."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
    before, start = {name: cpu_ns(pid) for name, pid in processes.items()}, time.perf_counter()
    connection.sendall(ORDER.pack(order, size))
    if order == TAKE:
        send(connection, size)
        receive(connection, 1)
    else:
        discard(connection, size)
    seconds = time.perf_counter() - start
    used = {name: (cpu_ns(pid) - before[name]) / 1e9 for name, pid in processes.items()}
    end(connection)
    return {"seconds": seconds} | used


def median_of(runs: list[dict[str, float]]) -> dict[str, float]:
    """The run with the median CPU time in all."""
    return sorted(runs, key=lambda run: sum(run.values()) - run["seconds"])[len(runs) // 2]


def bulk(direct: tuple[int, dict], relayed: tuple[int, dict], size: int, times: int) -> dict:
    found = {}
    for name, order in {"into the enclave": TAKE, "out of it": GIVE}.items():
        runs = [(carry(*_call(direct, order, size)), carry(*_call(relayed, order, size))) for _ in range(times)]
        found[name] = {"direct": median_of([run[0] for run in runs]), "relayed": median_of([run[1] for run in runs])}
    return found


def _call(where: tuple[int, dict], order: bytes, size: int) -> tuple:
    return where[0], order, size, where[1]


def start_parent(folder: pathlib.Path) -> tuple[Process, int]:
    configuration = folder / "enclave.yaml"
    configuration.write_text("network: hoodi\n")
    parent = Process(folder, "parent", "parent", "--enclave-transport=uds", f"--enclave-uds-path={folder / 'vm'}",
                     f"--inbound=127.0.0.1:0 -> {GUEST_PORT}", f"--configuration-file={configuration}",
                     "--metrics-enabled=false", "--logging-format=json")
    return parent, int(parent.wait_for(r'"relay":"[^"]*","port":(\d+)')[1])


def measure_relay(folder: pathlib.Path, quick: bool) -> dict:
    """{"echo": ways by name, "bulk": by direction, "bytes": of each stream}"""
    slices, each, size, times = (2, 50, 4 << 20, 1) if quick else (40, 250, 256 << 20, 5)
    plain, guest = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)
    guest.bind(str(folder / "vm"))
    with peer(plain) as plain_pid, peer(guest) as guest_pid:
        parent, port = start_parent(folder)
        try:
            message = ORDER.pack(ECHO, MESSAGE) + os.urandom(MESSAGE)
            direct, relayed = Echo(plain.getsockname()[1]), Echo(port)
            ways = [Way("direct", direct.ask, lambda: message), Way("relayed", relayed.ask, lambda: message, {"parent": parent.process.pid})]
            measure(ways, slices, each)
            for one in (direct, relayed):
                end(one.socket)
            ends = {"client": os.getpid()}
            carried = bulk((plain.getsockname()[1], ends | {"peer": plain_pid}),
                           (port, ends | {"peer": guest_pid, "parent": parent.process.pid}), size, times)
        finally:
            parent.kill()
    return {"echo": {way.name: way for way in ways}, "bulk": carried, "bytes": size}
