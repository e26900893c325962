"""The parent beside a stand-in for its enclave: what goes through it, what it serves, and what it withstands."""
import contextlib
import json
import os
import pathlib
import random
import re
import resource
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import threading

import pytest

from commands import call, refused
from fake_vsock import (CONFIGURATION, CREDENTIALS, DROPPED, HELLO, KEEPALIVE, LOG, SHUTDOWN, frame, read_frame,
                        read_until)
from notify import Supervisor, abstract_name
from parent import CONFIGURATION_TEXT, Parent, eventually
from signer import BINARY, PATIENCE_S, ROOT


@pytest.fixture
def parent(tmp_path):
    """parent(setting__name=value, …) gives a running one."""
    running = []

    def start(**settings) -> Parent:
        started = Parent(tmp_path, **settings)
        running.append(started)
        return started.start()

    yield start
    for one in running:
        one.kill()


def read_all(connection: socket.socket) -> bytes:
    data = b""
    while piece := connection.recv(65536):
        data += piece
    return data


def exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (piece := connection.recv(size - len(data))):
        data += piece
    return data


def is_reset(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b"?"  # an orderly end is no reset
    except ConnectionResetError:
        return True


def resets(one: Parent, index: int = 0) -> bool:
    """Whether a new connection is reset; the parent may be quicker than our own connect()."""
    try:
        with one.dial(index) as client:
            return is_reset(client)
    except ConnectionResetError:
        return True


def echo_server(stop_after: int | None = None) -> tuple[int, socket.socket]:
    server = socket.create_server(("127.0.0.1", 0), backlog=4096)

    def serve(connection):
        with connection, contextlib.suppress(OSError):
            while piece := connection.recv(65536):
                connection.sendall(piece)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return server.getsockname()[1], server


# ---------------------------------------------------------------------------------------------------- relays

def test_bytes_go_into_the_enclave_and_come_back(parent):
    one = parent()
    guest = one.vsock.listen(9443)
    with one.dial() as client, guest.get(timeout=PATIENCE_S) as inside:
        client.sendall(b"hello")
        assert inside.receive(5) == b"hello"
        inside.send(b"and back")
        assert exactly(client, 8) == b"and back"
        assert one.relay_metric("connections_open") == 1
    eventually(lambda: one.relay_metric("connections_open") == 0)
    assert one.relay_metric("sent_bytes_total") == 5 and one.relay_metric("received_bytes_total") == 8


def test_a_megabyte_each_way_at_once_arrives_whole(parent):
    one = parent()
    guest = one.vsock.listen(9443)
    there, back = random.randbytes(1 << 20), random.randbytes(1 << 20)
    with one.dial() as client, guest.get(timeout=PATIENCE_S) as inside:
        sender = threading.Thread(target=client.sendall, args=(there,))
        answerer = threading.Thread(target=inside.send, args=(back,))
        sender.start()
        answerer.start()
        got = {}
        reader = threading.Thread(target=lambda: got.setdefault("inside", inside.receive(len(there))))
        reader.start()
        got["client"] = exactly(client, len(back))
        for thread in (sender, answerer, reader):
            thread.join()
        assert got["inside"] == there and got["client"] == back


def test_each_inbound_port_leads_to_its_own(parent):
    one = parent(inbound="127.0.0.1:0 -> 9443,127.0.0.1:0 -> 3000,[::1]:0 -> 77")
    guests = {port: one.vsock.listen(port) for port in (9443, 3000, 77)}
    for index, port in enumerate((9443, 3000)):
        with one.dial(index) as client, guests[port].get(timeout=PATIENCE_S) as inside:
            inside.send(str(port).encode())
            assert exactly(client, len(str(port))) == str(port).encode()
    with socket.create_connection(("::1", one.port(2)), PATIENCE_S), guests[77].get(timeout=PATIENCE_S):
        pass


def test_the_enclave_reaches_what_is_on_the_list_and_nothing_else(parent):
    port, server = echo_server()
    with server:
        one = parent(outbound=f"8443 -> localhost:{port},8444 -> 127.0.0.1:{port}")
        for listed in (8443, 8444):
            with one.vsock.connect(listed) as inside:
                inside.send(b"x" * 100000)
                assert inside.receive(100000) == b"x" * 100000
        for other in (8445, 443, port, 0):
            with pytest.raises((FileNotFoundError, ConnectionRefusedError)):
                one.vsock.connect(other)


def test_a_name_that_does_not_exist_ends_the_enclaves_connection_and_is_counted(parent):
    one = parent(outbound="8443 -> no-such-host.invalid:443")
    with one.vsock.connect(8443) as inside:
        assert inside.ended()
    eventually(lambda: one.relay_metric("failed_total") == 1)
    eventually(lambda: one.events("a relay's target cannot be resolved"))


def test_a_client_that_has_said_all_still_gets_its_answer(parent):
    """Half-close cannot be said to this enclave; taken for the end of both ways, it would lose the answer."""
    one = parent()
    guest = one.vsock.listen(9443)
    with one.dial() as client, guest.get(timeout=PATIENCE_S) as inside:
        client.sendall(b"request")
        client.shutdown(socket.SHUT_WR)
        assert inside.receive(7) == b"request"
        inside.send(b"response")
        inside.close()
        assert read_all(client) == b"response"


def test_a_client_that_is_gone_leaves_nothing_behind(parent):
    one = parent(relays__linger_seconds=1)
    guest = one.vsock.listen(9443)
    client = one.dial()
    with guest.get(timeout=PATIENCE_S) as inside:
        client.close()
        assert inside.ended()
    eventually(lambda: one.relay_metric("connections_open") == 0)


def test_an_enclave_that_does_not_listen_costs_a_client_its_connection_and_nobody_else(parent):
    one = parent(inbound="127.0.0.1:0 -> 9443,127.0.0.1:0 -> 3000", relays__connect_timeout_seconds=1)
    guest = one.vsock.listen(9443)
    with one.dial(1) as lost, one.dial(0) as client, guest.get(timeout=PATIENCE_S) as inside:
        inside.send(b"ok")
        assert exactly(client, 2) == b"ok"
        assert is_reset(lost)
    eventually(lambda: one.relay_metric("failed_total") == 1)


def test_an_enclave_that_is_not_there_resets_clients_at_once(parent):
    one = parent()
    one.vsock.close()
    pathlib.Path(one.vsock.path).unlink()
    assert resets(one)


@pytest.mark.parametrize("answer", [b"NO\n", b"OK\n", b"OK x\n", b"\0" * 64, b""])
def test_a_device_that_speaks_otherwise_is_not_believed(parent, tmp_path, answer):
    one = parent()
    one.vsock.close()
    pathlib.Path(one.vsock.path).unlink()
    with socket.socket(socket.AF_UNIX) as device:
        device.bind(str(one.vsock.path))
        device.listen()
        device.settimeout(PATIENCE_S)
        with one.dial() as client:
            connection, _ = device.accept()
            with connection:
                assert connection.recv(100) == b"CONNECT 9443\n"
                connection.sendall(answer)
                if not answer:
                    connection.close()
                assert is_reset(client)


def test_a_thousand_connections_at_once(parent):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    one = parent(relays__max_connections_each=1000)
    guest = one.vsock.listen(9443)
    before = one.metric("process_open_fds")
    pairs = []
    for number in range(1000):
        client = one.dial()
        pairs.append((client, guest.get(timeout=PATIENCE_S)))
        client.sendall(struct.pack(">I", number))
    assert resets(one)
    for number, (client, inside) in reversed(list(enumerate(pairs))):
        assert inside.receive(4) == struct.pack(">I", number)
        inside.send(struct.pack(">I", number + 7))
    for number, (client, inside) in enumerate(pairs):
        assert exactly(client, 4) == struct.pack(">I", number + 7)
    assert one.relay_metric("connections_open") == 1000 and one.relay_metric("refused_total") == 1
    for client, inside in pairs:
        inside.close()
        client.close()
    eventually(lambda: one.relay_metric("connections_open") == 0)
    eventually(lambda: one.metric("process_open_fds") <= before)


def test_connections_cut_at_any_moment_leave_nothing_behind(parent):
    """Either side goes, in order or by a reset, before, during and after bytes; one connection looks on unharmed."""
    one = parent(relays__linger_seconds=1)
    guest = one.vsock.listen(9443)
    dice = random.Random(7)
    with one.dial() as witness, guest.get(timeout=PATIENCE_S) as witness_inside:
        before = one.metric("process_open_fds")
        for _ in range(200):
            client = one.dial()
            inside = guest.get(timeout=PATIENCE_S) if dice.random() < 0.8 else None
            if dice.random() < 0.7:
                client.sendall(b"x" * dice.choice((1, 1000, 200000)))
            if inside and dice.random() < 0.5:
                with contextlib.suppress(OSError):  # it may be one whose client is gone
                    inside.send(b"y" * 1000)
            if dice.random() < 0.4:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            for end in dice.sample([client, inside or client], 2):
                end.close()
            witness.sendall(b"w")
            assert witness_inside.receive(1) == b"w"
        while not guest.empty():
            guest.get().close()
        eventually(lambda: not guest.empty() and guest.get().close() or one.relay_metric("connections_open") == 1)
        eventually(lambda: one.metric("process_open_fds") <= before)


def test_whoever_never_reads_holds_up_nobody_and_no_memory(parent):
    one = parent()
    guest = one.vsock.listen(9443)
    with contextlib.ExitStack() as stack:
        before = one.metric("process_resident_memory_bytes")
        for _ in range(20):
            client = stack.enter_context(one.dial())
            stack.enter_context(guest.get(timeout=PATIENCE_S))
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                for _ in range(1000):
                    client.send(b"z" * 65536)
        with one.dial() as client, guest.get(timeout=PATIENCE_S) as inside:
            inside.send(b"ok")
            assert exactly(client, 2) == b"ok"
        grown = one.metric("process_resident_memory_bytes") - before
        assert grown < 32 << 20 or "asan" in os.environ.get("CHAMBER_BINARY", ""), grown


# ------------------------------------------------------------------------------------------------- heartbeat

def test_the_heartbeat_is_answered_with_the_same_byte(parent):
    one = parent()
    for _ in range(3):
        with one.vsock.connect(9000) as inside:
            inside.send(b"\xb7")
            assert inside.receive(1) == b"\xb7" and inside.ended()
    assert one.metric("containment_parent_heartbeats_total") == 3


@pytest.mark.parametrize("bytes_", [b"\xb6", b"\0", b"\xb7\xb7", b"GET / HTTP/1.1\r\n\r\n", b"x" * 100000])
def test_any_other_heartbeat_ends_without_an_answer(parent, bytes_):
    one = parent()
    with one.vsock.connect(9000) as inside:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            inside.send(bytes_)
        assert inside.ended()
    assert one.metric("containment_parent_heartbeats_total") == 0


def test_the_heartbeat_can_be_switched_off(parent):
    one = parent(enclave__heartbeat=False)
    with pytest.raises((FileNotFoundError, ConnectionRefusedError)):
        one.vsock.connect(9000)


# ------------------------------------------------------------------------------------------------- bootstrap

def test_the_configuration_is_served_as_the_file_is_now(parent):
    one = parent()
    with one.greet() as stream:
        assert read_frame(stream) == (CONFIGURATION, CONFIGURATION_TEXT)
    changed = random.randbytes(256 * 1024)
    one.configuration.write_bytes(changed)
    with one.greet() as stream:
        assert read_frame(stream) == (CONFIGURATION, changed)


def test_a_configuration_that_is_gone_or_too_long_ends_the_stream(parent):
    one = parent()
    for text in (b"x" * (256 * 1024 + 1), b""):
        one.configuration.write_bytes(text)
        with one.greet() as stream:
            assert read_frame(stream) is None
    one.configuration.unlink()
    with one.greet() as stream:
        assert read_frame(stream) is None
    eventually(lambda: len(one.events("the enclave gets no configuration")) == 3)


def test_without_a_source_there_are_no_credentials(parent):
    one = parent()
    with one.greet() as stream:
        assert read_frame(stream)[0] == CONFIGURATION
        assert read_frame(stream)[0] == KEEPALIVE  # which comes ten seconds later


def test_credentials_come_after_the_configuration_and_again_on_sighup(parent, tmp_path):
    path = tmp_path / "credentials.json"
    path.write_bytes(b'{"AccessKeyId": "first"}')
    one = parent(credentials__source="file", credentials__file=path)
    with one.greet() as stream:
        assert read_frame(stream)[0] == CONFIGURATION
        assert read_until(stream, CREDENTIALS) == b'{"AccessKeyId": "first"}'
        path.write_bytes(b"SECRET-not-json")
        one.process.send_signal(signal.SIGHUP)
        eventually(lambda: one.events("SIGHUP: the credentials cannot be read; the enclave keeps those it has"))
        path.write_bytes(b'{"AccessKeyId": "second"}')
        one.process.send_signal(signal.SIGHUP)
        assert read_until(stream, CREDENTIALS) == b'{"AccessKeyId": "second"}'
    assert "SECRET" not in one.log_text() and "second" not in one.log_text()


def test_a_shutdown_is_asked_for_by_a_signal(parent):
    one = parent()
    with one.greet() as stream:
        read_until(stream, CONFIGURATION)
        one.process.send_signal(signal.SIGUSR1)
        assert read_until(stream, SHUTDOWN) == b"the operator asked for it"
    eventually(lambda: one.events("SIGUSR1: the enclave is asked to stop"))
    assert not one.events("SIGUSR1: no enclave is connected that could be asked to stop")


def test_a_shutdown_that_nobody_hears_is_not_said_to_be_asked_for(parent):
    one = parent()
    with one.vsock.connect(9001) as silent:  # has not said HELLO
        one.process.send_signal(signal.SIGUSR1)
        eventually(lambda: one.events("SIGUSR1: no enclave is connected that could be asked to stop"))
        assert not one.events("SIGUSR1: the enclave is asked to stop")
        assert one.stop() == 0
        assert read_frame(silent) is None


def test_a_shutdown_is_the_last_that_is_said(parent, tmp_path):
    path = tmp_path / "credentials.json"
    path.write_bytes(b"{}")
    one = parent(credentials__source="file", credentials__file=path)
    with one.greet() as told, one.greet() as other:
        for stream in (told, other):
            assert [read_frame(stream)[0] for _ in range(2)] == [CONFIGURATION, CREDENTIALS]
        for times in (1, 2):  # one asks again, as nothing seems to happen
            one.process.send_signal(signal.SIGUSR1)
            eventually(lambda count=times: len(one.events("SIGUSR1: the enclave is asked to stop")) == count)
        assert read_until(told, SHUTDOWN) and read_until(other, SHUTDOWN)
        with one.greet() as later:  # is told what is not told to those two
            assert [read_frame(later)[0] for _ in range(2)] == [CONFIGURATION, CREDENTIALS]
            one.process.send_signal(signal.SIGHUP)
            read_until(later, CREDENTIALS)
            read_until(later, KEEPALIVE)  # ten seconds later
            assert one.stop() == 0
            assert read_frame(told) is None and read_frame(other) is None


LEFT = "the enclave left at once: does it know another configuration?"


def test_an_enclave_that_leaves_at_once_is_said_to_know_another_configuration(parent):
    one = parent()

    def leaves():
        with one.greet() as stream:
            read_until(stream, CONFIGURATION)
        eventually(lambda: one.metric("containment_parent_enclave_connected") == 0)
        return one.events(LEFT)

    left = eventually(leaves)  # again, if we or the parent did not run for a second
    assert left[0]["configuration_file"] == str(one.configuration) and left[0]["level"] == "warn"


def test_other_ends_say_nothing_of_configurations(parent):
    one = parent()
    with one.greet() as broken:
        read_until(broken, CONFIGURATION)
        broken.send(b"garbage")
        assert broken.ended()
    with one.greet() as stopped:
        read_until(stopped, CONFIGURATION)
        one.process.send_signal(signal.SIGUSR1)
        read_until(stopped, SHUTDOWN)
    one.configuration.write_bytes(b"")
    with one.greet() as refused_:
        assert refused_.ended()
    one.configuration.write_bytes(CONFIGURATION_TEXT)
    with one.greet() as stays, one.greet() as another:
        read_until(another, CONFIGURATION)
        for _ in range(2):  # ten seconds lie between them
            read_until(another, KEEPALIVE)
        another.close()
        eventually(lambda: one.metric("containment_parent_enclave_connected") == 1)
        assert one.stop() == 0
    assert len(one.events("the enclave is not connected any more")) == 4 and not one.events(LEFT)


def test_what_the_enclave_says_of_itself_is_seen(parent):
    one = parent()
    with one.greet() as stream:
        read_until(stream, CONFIGURATION)
        assert one.metric("containment_parent_enclave_state", state="starting") == 1
        stream.send(frame(KEEPALIVE, b"\1") + frame(DROPPED, struct.pack(">Q", 5)) + frame(DROPPED, struct.pack(">Q", 7)))
        eventually(lambda: one.metric("containment_parent_enclave_log_lost_total") == 7)
        assert one.metric("containment_parent_enclave_state", state="serving") == 1
        assert one.metric("containment_parent_enclave_connected") == 1
    eventually(lambda: one.metric("containment_parent_enclave_connected") == 0)
    assert one.metric("containment_parent_enclave_state") == 0


def test_lost_lines_are_counted_once_for_each_boot(parent):
    """An enclave tells the sum since its start anew on each of its streams."""
    one = parent()

    def lost_after(*told: tuple[int, int]) -> float:
        with contextlib.ExitStack() as stack:
            for boot, lines in told:
                stream = stack.enter_context(one.vsock.connect(9001))
                before = len(one.out_lines())
                stream.send(frame(HELLO, bytes([boot]) * 32) + frame(DROPPED, struct.pack(">Q", lines)))
                stream.send(frame(LOG, b'{"end":true}'))
                eventually(lambda count=before: len(one.out_lines()) > count)
            return one.metric("containment_parent_enclave_log_lost_total")

    assert lost_after((1, 7)) == 7
    assert lost_after((1, 7)) == 7
    assert lost_after((1, 9)) == 9
    assert lost_after((2, 9)) == 18  # another boot
    assert lost_after((2, 10), (2, 10), (2, 11)) == 20  # several streams of one
    assert lost_after((1, 9)) == 20
    assert lost_after((2, 3)) == 20  # it cannot go down
    assert lost_after((3, 1), (4, 1), (5, 1), (2, 11)) == 23


GREETING = frame(HELLO, bytes(32))
BROKEN = {
    "garbage": b"GET / HTTP/1.1\r\n\r\n",
    "zeros": bytes(100000),
    "another version": b"CCBP\x02",
    "an unknown type": GREETING + b"CCBP\x01\x08",
    "no HELLO first": frame(LOG, b"x"),
    "a short HELLO": frame(HELLO, bytes(31)),
    "a second HELLO": GREETING + GREETING,
    "the parent's frame": GREETING + frame(CONFIGURATION, b"x"),
    "a long line": GREETING + frame(LOG, b"x" * 16385),
    "two lines": GREETING + frame(LOG, b"x\ny"),
    "an empty line": GREETING + frame(LOG),
    "four gibibytes": GREETING + b"CCBP\x01\x04\0\0\xff\xff\xff\xff",
    "an unknown state": GREETING + frame(KEEPALIVE, b"\x09"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_the_protocol_ends_its_connection_and_no_other(parent, name):
    one = parent()
    with one.greet() as good:
        assert read_frame(good)[0] == CONFIGURATION
        with one.vsock.connect(9001) as stream:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                stream.send(BROKEN[name])
            with contextlib.suppress(ConnectionResetError):
                while read_frame(stream) is not None:
                    pass
        assert one.metric("containment_parent_bootstrap_broken_total") == 1
        good.send(frame(LOG, b'{"still":"here"}'))
        eventually(lambda: b'{"still":"here"}' in one.out_lines())


def test_frames_in_any_pieces_and_cut_anywhere_do_no_harm(parent):
    one = parent()
    whole = GREETING + frame(LOG, b'{"n":1}') + frame(KEEPALIVE, b"\1")
    for cut in range(0, len(whole), 5):
        with one.vsock.connect(9001) as stream:
            stream.send(whole[:cut])
    with one.vsock.connect(9001) as stream:
        for byte in whole:
            stream.send(bytes([byte]))
        assert read_frame(stream)[0] == CONFIGURATION
        eventually(lambda: one.out_lines().count(b'{"n":1}') >= 1)
    assert one.metric("containment_parent_bootstrap_broken_total") == 0


def test_of_more_streams_than_one_enclave_needs_the_oldest_makes_room(parent):
    """It is left over from an enclave, or a connection, that is gone."""
    one = parent()
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(one.greet()) for _ in range(4)]
        for stream in streams:
            assert read_frame(stream)[0] == CONFIGURATION
        extra = stack.enter_context(one.greet())
        assert read_frame(extra)[0] == CONFIGURATION and streams[0].ended()
        assert one.metric("containment_parent_enclave_connected") == 4


# --------------------------------------------------------------------------------------------------- log sink

def logged(one: Parent, *lines: bytes) -> list[bytes]:
    with one.greet() as stream:
        read_until(stream, CONFIGURATION)
        stream.send(b"".join(frame(LOG, line) for line in lines) + frame(LOG, b'{"end":true}'))
        return eventually(lambda: one.out_lines()[-1:] == [b'{"end":true}'] and one.out_lines()[:-1])


def test_json_lines_come_out_as_they_are_and_others_wrapped(parent):
    lines = [b'{"level":"info","event":"signed","n":1}', "{\"ä\":\"é\"}".encode(), b"plain text", b'["list"]', b"{broken",
             b"\xff\xfe", b"a\0b", b"\x1b[31mred\x1b[0m\r\x07", '{"x":"\u009b31m\x7f"}'.encode(), b'{"x":\t1}']
    got = logged(parent(), *lines)
    assert got[0] == lines[0] and got[1] == lines[1]
    assert [json.loads(line) for line in got[2:5]] == [{"source": "enclave", "line": line.decode()} for line in lines[2:5]]
    assert all(isinstance(json.loads(line), dict) for line in got)
    for line in got:
        assert not re.search(rb"[\x00-\x1f\x7f]|\xc2[\x80-\x9f]", line), line
    assert json.loads(got[9]) == {"x": 1}


def test_lines_go_to_a_file_of_our_own(parent, tmp_path):
    path = tmp_path / "enclave.log"
    one = parent(enclave_log__file=path)
    with one.greet() as stream:
        stream.send(frame(LOG, b'{"a":1}'))
        eventually(lambda: path.exists() and path.read_bytes() == b'{"a":1}\n')
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_flood_of_lines_is_bounded_and_counted(parent):
    one = parent(enclave_log__max_kib_per_second=1)
    with one.greet() as stream, one.dial():
        read_until(stream, CONFIGURATION)
        sent = 20000
        stream.send(frame(LOG, b'{"x":"' + b"y" * 50 + b'"}') * sent)
        stream.send(frame(DROPPED, struct.pack(">Q", 1)))
        eventually(lambda: one.metric("containment_parent_enclave_log_lost_total") == 1)

    def settled():
        written = one.metric("containment_parent_enclave_log_lines_total")
        return written + one.metric("containment_parent_enclave_log_dropped_total") == sent

    eventually(settled)  # a thread writes, and counts what it wrote
    lines = one.metric("containment_parent_enclave_log_lines_total")
    assert 50 < lines < 2000
    eventually(lambda: len(one.out_lines()) == lines)


def test_a_reader_of_the_log_that_is_stuck_holds_up_nothing(parent, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    one = parent(enclave_log__file=fifo, enclave_log__max_kib_per_second=65536)
    guest = one.vsock.listen(9443)
    try:
        with one.greet() as stream:
            read_until(stream, CONFIGURATION)
            stream.send(frame(LOG, b'{"x":"' + b"y" * 16000 + b'"}') * 300)
            with one.dial() as client, guest.get(timeout=PATIENCE_S) as inside:
                inside.send(b"ok")
                assert exactly(client, 2) == b"ok"
            eventually(lambda: one.metric("containment_parent_enclave_log_dropped_total") > 100)
    finally:
        os.close(reader)


# ------------------------------------------------------------------------------------------- garbage everywhere

def test_garbage_and_floods_on_every_port_leave_it_well(parent):
    port, server = echo_server()
    one = parent(inbound="127.0.0.1:0 -> 9443,127.0.0.1:0 -> 3000", outbound=f"8443 -> 127.0.0.1:{port}",
                 relays__connect_timeout_seconds=1, relays__linger_seconds=1)
    one.vsock.listen(9443)
    dice = random.Random(3)
    before = one.metric("process_open_fds")
    openers = [lambda: one.dial(0), lambda: one.dial(1),
               lambda: socket.create_connection(("127.0.0.1", one.metrics_port), PATIENCE_S)]
    openers += [lambda vsock=vsock: one.vsock.connect(vsock).connection for vsock in (9000, 9001, 8443)]
    for round_ in range(60):
        with contextlib.ExitStack() as stack:
            for open_one in openers:
                connection = stack.enter_context(open_one())
                with contextlib.suppress(OSError):
                    connection.sendall(dice.randbytes(dice.choice((0, 1, 12, 5000))))
    while not one.vsock.ports[9443].empty():
        one.vsock.ports[9443].get().close()
    assert one.process.poll() is None
    eventually(lambda: one.relay_metric("connections_open") == 0)
    eventually(lambda: one.metric("process_open_fds") <= before)
    with one.greet() as stream:
        assert read_frame(stream)[0] == CONFIGURATION
    server.close()


# ------------------------------------------------------------------------------------------------- its life

def test_it_tells_systemd_and_ends_when_told_to(parent):
    supervisor = Supervisor(abstract_name())
    one = parent(environment=supervisor.environment)
    assert supervisor.next() == "READY=1"
    assert one.stop() == 0
    assert "STOPPING=1" in supervisor.rest()
    assert one.events("stopped") and not list(one.folder.glob("vm_*"))
    supervisor.close()


def test_open_connections_may_end_before_it_does(parent):
    one = parent()
    guest = one.vsock.listen(9443)
    with one.dial() as client, guest.get(timeout=PATIENCE_S) as inside:
        client.sendall(b"sign this")
        port = one.port()
        one.process.send_signal(signal.SIGTERM)
        eventually(lambda: one.events("stopping: open connections may end by themselves"))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        inside.send(b"signed")
        assert exactly(client, 6) == b"signed"
        inside.close()
    assert one.process.wait(PATIENCE_S) == 0


def test_after_a_kill_it_starts_again_at_the_same_sockets(parent):
    one = parent()
    one.process.kill()
    one.process.wait()
    (one.folder / "log").write_text("")
    one.start()
    with one.greet() as stream:
        assert read_frame(stream)[0] == CONFIGURATION


def test_the_metrics_have_one_page(parent):
    one = parent()
    assert one.page("/metrics")[0] == 200 and one.page("/other")[0] == 404


def test_the_page_of_documentation_has_every_metric_and_no_other(parent):
    one = parent(outbound="8443 -> 127.0.0.1:1")
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", one.page()[1], re.MULTILINE))
    text = (ROOT / "docs" / "parent.md").read_text()
    assert dict(re.findall(r"^\| `(\w+)` \| (counter|gauge) \|", text, re.MULTILINE)) == types


# ------------------------------------------------------------------------------------------- wrong settings

@pytest.fixture
def base(tmp_path):
    (tmp_path / "enclave.yaml").write_text("network: hoodi\n")
    return f"configuration_file: {tmp_path}/enclave.yaml\n"


WRONG = {
    "": ["configuration_file", "must name the enclave's settings file"],
    "BASE inbond: x": ["line 2", "inbond", "did you mean inbound?"],
    "BASE enclave: {cdi: 16}": ["enclave.cdi", "did you mean enclave.cid?"],
    "BASE enclave: {cid: 3}": ["enclave.cid", "4 to 4294967294"],
    "BASE enclave: {transport: tcp}": ["enclave.transport", "vsock or uds"],
    "BASE enclave: {transport: uds}": ["enclave.uds_path", "transport uds needs the path"],
    "BASE enclave: {uds_path: /x}": ["enclave.uds_path", "needs enclave.transport uds"],
    "BASE inbound: 9443": ["inbound", "item 1", 'not of the form "FROM -> TO"'],
    "BASE inbound: ['127.0.0.1:9443 -> 9443', 'localhost:1 -> 2']": ["item 2", "not a name"],
    "BASE inbound: '127.0.0.1 -> 9443'": ["item 1", "needs a port"],
    "BASE inbound: '127.0.0.1:1 -> 0'": ["item 1", "vsock port"],
    "BASE inbound: '127.0.0.1:1 -> 4294967295'": ["item 1", "vsock port"],
    "BASE inbound: '127.0.0.1:1 -> 9443x'": ["item 1", "vsock port"],
    "BASE inbound: ['127.0.0.1:1 -> 2', '127.0.0.1:1 -> 3']": ["item 2", "another one"],
    "BASE inbound: [{listen: '127.0.0.1:1'}]": ["inbound", "list of plain values"],
    "BASE outbound: '9001 -> a.b:443'": ["item 1", "the parent's own"],
    "BASE outbound: '8443 -> a.b'": ["item 1", "needs a port"],
    "BASE outbound: '8443 -> a.b:0'": ["item 1", "port 0"],
    "BASE outbound: '8443 -> a b:443'": ["item 1", "not a host name"],
    "BASE outbound: ['8443 -> a.b:1', '8443 -> c.d:1']": ["item 2", "another one"],
    "BASE credentials: {source: imds}": ["credentials.source", "none or file"],
    "BASE credentials: {source: file}": ["credentials.file", "needs the name of one"],
    "BASE credentials: {file: /x}": ["credentials.file", "credentials.source file"],
    "BASE metrics: {listen_address: localhost}": ["metrics.listen_address", "not an IP address"],
    "BASE relays: {idle_timeout_seconds: 0}": ["relays.idle_timeout_seconds", "1 to 86400"],
    "BASE metrics: [": ["metrics", "nested settings are needed here"],
    "BASE metrics: {": ["not valid YAML"],
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_settings_file_is_one_line_that_names_the_place(base, tmp_path, text):
    path = tmp_path / "parent.yaml"
    path.write_text(text.replace("BASE ", base) if text else "{}")
    complaint = refused("parent", "-c", path, "--check-config")
    for part in WRONG[text]:
        assert part in complaint


def test_too_many_relays_are_refused(base, tmp_path):
    path = tmp_path / "parent.yaml"
    lines = "".join(f"  - {port} -> a.b:443\n" for port in range(1, 34))
    path.write_text(base + "outbound:\n" + lines)
    assert "item 33" in refused("parent", "-c", path, "--check-config")


def test_the_example_file_loads_and_gives_the_defaults(base, tmp_path):
    path = tmp_path / "parent.yaml"
    path.write_text(base + call("parent", "--print-example-config").out)
    shown = call("parent", "-c", path, "--check-config")
    plain = call("parent", f"--configuration-file={tmp_path}/enclave.yaml", "--check-config")
    assert shown.code == plain.code == 0
    strip = lambda text: re.sub(r" \([^()]*\)$", "", text, flags=re.MULTILINE)  # noqa: E731
    assert strip(shown.out) == strip(plain.out) and "127.0.0.1:9443 -> 9443" in shown.out


def test_the_environment_of_a_signer_means_nothing_here(base, tmp_path):
    path = tmp_path / "parent.yaml"
    path.write_text(base)
    assert call("parent", "-c", path, "--check-config", environment={"CONTAINMENT_NETWORK": "x"}).code == 0


@pytest.mark.parametrize("setting, part", [
    ("--configuration-file=/nowhere/x.yaml", "/nowhere/x.yaml"),
    ("--enclave-log-file=/nowhere/log", "/nowhere/log"),
    ("--enclave-uds-path=/nowhere/vm", "/nowhere/vm:9001"),
])
def test_what_cannot_be_opened_is_named_at_the_start(base, tmp_path, setting, part):
    path = tmp_path / "parent.yaml"
    path.write_text(base + "inbound: '127.0.0.1:0 -> 1'\nmetrics: {enabled: false}\n")
    arguments = ["--enclave-transport=uds", "--enclave-uds-path=" + str(tmp_path / "vm"), setting]
    arguments = [a for a in arguments if a.partition("=")[0] != setting.partition("=")[0]] + [setting]
    done = call("parent", "-c", path, *arguments)
    assert done.code in (1, 2) and part in done.err.splitlines()[-1], done


def test_an_address_in_use_is_named_with_its_relay(base, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = call("parent", f"--configuration-file={tmp_path}/enclave.yaml", "--enclave-transport=uds",
                    f"--enclave-uds-path={tmp_path}/vm", f"--inbound=127.0.0.1:{port} -> 9443",
                    "--metrics-enabled=false")
    assert done.code == 1 and f"127.0.0.1:{port} -> 9443" in done.err and "in use" in done.err


# ------------------------------------------------------------------------------------------- the systemd unit

UNIT = ROOT / "packaging" / "systemd" / "containment-chamber-parent.service"


def unit() -> dict[str, str]:
    """The assignments of the unit; those that stand several times are joined."""
    found = {}
    for line in UNIT.read_text().splitlines():
        name, assigned, value = line.partition("=")
        if assigned and not line.startswith("#"):
            found[name] = f"{found[name]} {value}" if name in found else value
    return found


def test_the_unit_calls_the_program_as_it_wants_to_be_called(base, tmp_path):
    path = tmp_path / "parent.yaml"
    path.write_text(base)
    program, *arguments = shlex.split(unit()["ExecStart"])
    assert pathlib.Path(program).name == "containment-chamber"
    there = [str(path) if argument.endswith("/parent.yaml") else argument for argument in arguments]
    assert there != arguments and call(*there, "--check-config").code == 0


def test_the_unit_agrees_with_what_the_process_does_and_closes_the_rest():
    given = unit()
    assert (given["Type"], given["NotifyAccess"]) == ("notify", "main")
    assert given["ExecReload"].endswith("kill -HUP $MAINPID")
    assert given["RestartPreventExitStatus"] == "2" and int(given["TimeoutStopSec"]) > 10
    assert "AF_VSOCK" in given["RestrictAddressFamilies"].split()
    for name, value in {"NoNewPrivileges": "yes", "ProtectSystem": "strict", "PrivateDevices": "yes",
                        "CapabilityBoundingSet": "", "LimitCORE": "0", "MemoryDenyWriteExecute": "yes"}.items():
        assert given[name] == value
    assert given["SystemCallFilter"].startswith("@system-service ~@privileged")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_systemd_finds_the_unit_right_and_closed(tmp_path):
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/usr/local/bin/containment-chamber", str(pathlib.Path(BINARY).resolve())))
    for command in (["verify"], ["security", "--offline=yes", "--threshold=18"]):
        done = subprocess.run(["systemd-analyze", "--no-pager", *command, str(copy)], capture_output=True, text=True,
                              check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert UNIT.name not in done.stderr, done.stderr  # warnings, such as of an unknown name
