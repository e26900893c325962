"""From start to end: what the process tells its supervisor, how it stops, and what keeps it from starting."""
import http.client
import json
import os
import pathlib
import re
import select
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time

import pytest

from commands import DONE, FAILED, USAGE, call, clean_environment
from keystores import interop_secret, make_keystore
from notify import Supervisor, abstract_name
from signer import BINARY, EPOCH, PATIENCE_S, ROOT, Signer, attestation, pubkey_of, randao
from slow_keys import make_slow_keystore, write_slow_keystores

SANITIZED = any(name in open(BINARY, "rb").read() for name in (b"__asan_init", b"__tsan_init"))  # there mlock() is nothing
STOPPING = "stopping: requests under way are answered"
UNANSWERED = "stopping although some requests are still unanswered"
REQUESTS = "containment_http_requests_total"


def events(signer) -> list[str]:
    return [line["message"] for line in signer.log()]


def wait_for_event(signer, text: str) -> None:
    signer.wait_for(lambda: any(text in event for event in events(signer)))


def send(signer, *numbers) -> None:
    for number in numbers:
        signer.process.send_signal(number)


def end_of(signer) -> int:
    return signer.process.wait(PATIENCE_S)


def failed_start(start, **options) -> str:
    """The line with which a start fails; exit code 1 and nothing left running."""
    signer = start(wait=False, **options)
    assert end_of(signer) == FAILED, signer.log_text()
    plain = [line for line in signer.log_text().splitlines() if not line.startswith("{")]
    assert len(plain) == 1 and plain[0].startswith("containment-chamber: "), signer.log_text()
    return plain[0]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def import_slowly(signer, count: int = 1) -> http.client.HTTPConnection:
    """Sends a request that takes seconds, and returns when it is being worked on."""
    connection = signer.connect()
    before = signer.metrics()[REQUESTS]
    body = json.dumps({"keystores": [make_slow_keystore() for _ in range(count)], "passwords": ["wrong"] * count})
    connection.request("POST", "/eth/v1/keystores", body, {"Content-Type": "application/json"})
    scrapes = iter(range(1, 10**6))
    signer.wait_for(lambda: signer.metrics()[REQUESTS] > before + next(scrapes))
    return connection


# -------------------------------------------------------------- the drain's limit takes 25 seconds

@pytest.fixture(scope="module")
def stuck(tmp_path_factory):
    """A signer that was told to stop while a client does not take its answers: it ends while other tests run."""
    signer = Signer(tmp_path_factory.mktemp("stuck"), keys=[0]).start()
    sock = stall(signer)
    send(signer, signal.SIGTERM)
    yield signer
    sock.close()
    signer.kill()


def stall(signer) -> socket.socket:
    """A connection whose answers fill all buffers. The server gives up on such a client after 30 seconds, so this must
    not be long ago when the drain begins."""
    while True:
        begun = time.monotonic()
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", signer.metrics_port))
        sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 500)
        while signer.metrics()[REQUESTS] + 1 != signer.metrics()[REQUESTS]:
            pass  # answers are still being written
        if time.monotonic() - begun < 3:
            return sock
        sock.close()


def test_the_first_of_all_begins_the_drain_that_the_last_looks_at(stuck):
    wait_for_event(stuck, STOPPING)
    assert stuck.process.poll() is None  # it waits for the client


# --------------------------------------------------------------------------------- start and ready

def test_both_ports_answer_once_it_is_ready(start, tmp_path):
    supervisor = Supervisor(str(tmp_path / "notify"))
    signer = start(keys=[0], environment=supervisor.environment)
    assert supervisor.next() == "READY=1"
    assert signer.get("/upcheck").text == "OK"
    assert signer.get("/metrics", port=signer.metrics_port).status == 200
    assert signer.port != signer.metrics_port
    supervisor.close()


def test_the_supervisor_is_told_of_ready_and_stopping_once_each(start):
    supervisor = Supervisor(abstract_name())
    signer = start(keys=[0], environment=supervisor.environment)
    send(signer, signal.SIGHUP)
    wait_for_event(signer, "SIGHUP: keys are")
    assert signer.stop() == DONE
    assert supervisor.rest() == ["READY=1", "STOPPING=1"]


def test_a_watchdog_is_fed_when_the_supervisor_wants_it(start, tmp_path):
    supervisor = Supervisor(str(tmp_path / "notify"))
    signer = start(keys=[0], environment=supervisor.environment | {"WATCHDOG_USEC": "5000000"})
    assert supervisor.next() == "READY=1"
    assert [supervisor.next(), supervisor.next()] == ["WATCHDOG=1", "WATCHDOG=1"]
    assert signer.stop() == DONE
    assert supervisor.until("STOPPING=1")[-1] == "STOPPING=1" and supervisor.rest() == []
    supervisor.close()


@pytest.mark.parametrize("environment", [{"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"},
                                         {"WATCHDOG_USEC": "-1"}, {"WATCHDOG_USEC": "0"}])
def test_a_watchdog_of_others_or_of_nonsense_is_not_fed(start, tmp_path, environment):
    supervisor = Supervisor(str(tmp_path / "notify"))
    signer = start(keys=[0], environment=supervisor.environment | environment)
    send(signer, signal.SIGHUP)  # after which it would be fed at once
    wait_for_event(signer, "SIGHUP: keys are")
    assert signer.stop() == DONE
    assert supervisor.rest() == ["READY=1", "STOPPING=1"]
    supervisor.close()


@pytest.mark.parametrize("name", ["relative", "/nonexistent/socket", "/" + "x" * 200, ""])
def test_a_supervisor_that_is_not_there_is_no_obstacle(start, name):
    signer = start(keys=[0], environment={"NOTIFY_SOCKET": name})
    assert signer.sign(randao(1)).status == 200
    assert signer.stop() == DONE


def test_without_keys_it_starts_and_says_that_it_has_none(start):
    signer = start()
    assert signer.get("/api/v1/eth2/publicKeys").json == []
    assert signer.sign(randao(1), pubkey_of(interop_secret(0))).status == 404
    assert signer.stop() == DONE


def test_an_ipv6_address_is_listened_on(start):
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    signer = start(keys=[0], wait=False, settings={"server.listen_address": "::1"})
    wait_for_event(signer, "containment-chamber starts")
    [port] = [line["listen_port"] for line in signer.log() if "listen_port" in line]
    connection = http.client.HTTPConnection("::1", port, timeout=PATIENCE_S)
    connection.request("GET", "/upcheck")
    assert connection.getresponse().read() == b"OK"


def test_the_process_gives_up_what_would_leak_keys(signer):
    status = pathlib.Path(f"/proc/{signer.process.pid}/status").read_text(encoding="ascii")
    limits = pathlib.Path(f"/proc/{signer.process.pid}/limits").read_text(encoding="ascii")
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    assert SANITIZED or int(re.search(r"^VmLck:\s+(\d+) kB$", status, re.MULTILINE)[1]) > 0
    assert re.search(r"^Max core file size\s+0\s+0\s", limits, re.MULTILINE)


# ------------------------------------------------------------------------------------------- stop

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_in_order(signer, number):
    assert signer.sign(randao(1)).status == 200
    idle = signer.connect()
    assert signer.get("/upcheck", connection=idle).status == 200
    assert signer.stop(number) == DONE
    assert events(signer)[-2:] == [STOPPING, "stopped"]
    assert idle.sock.recv(1) == b""  # closed, not reset
    with pytest.raises(ConnectionRefusedError):
        signer.get("/upcheck")


def test_a_request_under_way_is_answered_and_nothing_new_is_taken(signer):
    connection = import_slowly(signer, 2)
    send(signer, signal.SIGTERM)
    wait_for_event(signer, STOPPING)
    for port in (signer.port, signer.metrics_port):
        signer.wait_for(lambda port=port: refuses_connections(port))
    assert select.select([connection.sock], [], [], 0)[0] == []  # the request is still under way
    send(signer, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # say nothing new
    answer = connection.getresponse()
    assert answer.status == 200 and answer.headers["Connection"] == "close"
    assert json.loads(answer.read())["data"][0]["status"] == "error"
    assert end_of(signer) == DONE
    assert events(signer)[-1] == "stopped" and UNANSWERED not in events(signer)


def refuses_connections(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_request_that_is_half_here_is_waited_for(signer):
    """For two seconds, which on a machine that stands still may be over before the second half is sent: then again."""
    while True:
        answer, waited_s = send_half_and_stop(signer)
        assert answer.startswith(b"HTTP/1.1 200 ") or waited_s > 1
        signer.start()
        if answer:
            break
    assert signer.sign(attestation(EPOCH, EPOCH + 1, block_root=5)).status == 412


def send_half_and_stop(signer) -> tuple[bytes, float]:
    """The answer to a request whose second half is sent when the drain has begun, and how long that took."""
    body = json.dumps(attestation(EPOCH, EPOCH + 1)).encode()
    head = f"POST /api/v1/eth2/sign/{signer.pubkeys[0]} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", signer.port), timeout=PATIENCE_S) as sock:
        sock.sendall(head.encode() + body[:50])
        assert signer.get("/upcheck").status == 200  # so that the first half has been read
        stops = events(signer).count(STOPPING)
        begun = time.monotonic()
        send(signer, signal.SIGTERM)
        signer.wait_for(lambda: events(signer).count(STOPPING) > stops)
        signer.wait_for(lambda: refuses_connections(signer.port))  # the drain has reached the connections
        try:
            sock.sendall(body[50:])
            answer = sock.recv(1000)
        except OSError:
            answer = b""
        waited_s = time.monotonic() - begun
    assert end_of(signer) == DONE
    return answer, waited_s


def test_a_client_that_never_sends_the_rest_does_not_hold_up_the_end(signer):
    with socket.create_connection(("127.0.0.1", signer.port), timeout=PATIENCE_S) as sock:
        sock.sendall(b"POST /reload HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1")
        assert signer.get("/upcheck").status == 200
        assert signer.stop() == DONE
    assert UNANSWERED not in events(signer)


def test_signatures_given_while_it_stops_are_whole_and_remembered(signer):
    """Clients sign without pause while it is told to stop. Each gets whole answers or a closed connection."""
    given, odd = [], []
    clients = [threading.Thread(target=sign_until_closed, args=(signer, range(number, 10**6, 4), given, odd))
               for number in range(4)]
    for client in clients:
        client.start()
    signer.wait_for(lambda: len(given) > 20)
    assert signer.stop() == DONE
    for client in clients:
        client.join(PATIENCE_S)
    assert odd == []
    signer.start()
    for step in given[-8:]:
        assert signer.sign(attestation(EPOCH, EPOCH + step + 1, block_root=5)).status == 412


def sign_until_closed(signer, steps, given, odd):
    connection = signer.connect()
    for step in steps:
        # Not by http.client's own request(): it would open the connection again.
        try:
            answer = signer.sign(attestation(EPOCH, EPOCH + step + 1), signer.pubkeys[step % 2], connection=connection)
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, http.client.IncompleteRead):
                odd.append(error)
            return
        if answer.status == 200:
            given.append(step) if step % 2 == 0 else None
        elif answer.status not in (412, 503):  # a later target of another client came first
            odd.append(answer)


def test_it_ends_while_keys_are_being_loaded(start, tmp_path):
    settings = write_slow_keystores(tmp_path, 40)
    signer = start(keys=[0], settings=settings, wait=False)
    wait_for_event(signer, "containment-chamber starts")
    assert signer.stop() == DONE
    assert not any("keys of the filesystem loaded" in event for event in events(signer))


def test_it_ends_while_strict_loading_holds_up_the_start(start, tmp_path):
    supervisor = Supervisor(abstract_name())
    settings = write_slow_keystores(tmp_path, 40) | {"key_sources.filesystem.strict": True}
    signer = start(settings=settings, wait=False, environment=supervisor.environment)
    wait_for_event(signer, "containment-chamber starts")
    assert signer.stop() == DONE
    assert "READY=1" not in supervisor.rest()


# ---------------------------------------------------------------------------------- other signals

def test_sighup_adds_and_removes_keys(signer):
    (signer.keys_folder / f"{signer.pubkeys[0][2:]}.yaml").unlink()
    added = signer.add_raw_key(7)
    send(signer, signal.SIGHUP)
    signer.wait_for(lambda: signer.get("/api/v1/eth2/publicKeys").json == sorted([signer.pubkeys[1], added])
                    or set(signer.get("/api/v1/eth2/publicKeys").json) == {signer.pubkeys[1], added})
    assert signer.sign(randao(1), added).status == 200
    assert signer.sign(randao(1), signer.pubkeys[0]).status == 404
    assert "SIGHUP: keys are loaded again" in events(signer)


def test_sighup_while_keys_are_loaded_is_for_afterwards(start, tmp_path):
    signer = start(keys=[0], settings=write_slow_keystores(tmp_path, 40), wait=False)
    wait_for_event(signer, "containment-chamber starts")
    send(signer, signal.SIGHUP)
    wait_for_event(signer, "SIGHUP: keys are loaded again after the load that is running")
    assert signer.stop() == DONE


def test_sighup_while_keys_are_loaded_is_not_lost(start, tmp_path):
    """Whoever adds a file and sends the signal cannot know whether the load that runs will see it."""
    signer = start(keys=[0], settings=write_slow_keystores(tmp_path, 2), wait=False)
    signer._read_ports(0)
    signer.wait_for(lambda: signer.get("/healthcheck").json["checks"][2]["checks"][0]["data"]["keys-loaded"] > 0)
    added = signer.add_raw_key(7)
    send(signer, signal.SIGHUP)
    signer.wait_for(lambda: added in signer.get("/api/v1/eth2/publicKeys").json)


@pytest.mark.parametrize("number", [signal.SIGPIPE])
def test_a_broken_pipe_does_not_end_it(signer, number):
    send(signer, number)
    import_slowly(signer).close()  # the answer will find nobody
    assert signer.sign(randao(1)).status == 200
    assert signer.stop() == DONE


# ------------------------------------------------------------------------ what keeps it from starting

@pytest.mark.parametrize("name", ["server.listen_port", "metrics.listen_port"])
def test_a_port_in_use_is_named(start, name):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        line = failed_start(start, keys=[0], settings={name: port})
    assert f"tcp:127.0.0.1:{port} (Address already in use)" in line


def test_an_address_of_another_machine_is_named(start):
    line = failed_start(start, settings={"server.listen_address": "192.0.2.1"})
    assert "tcp:192.0.2.1:0 (Cannot assign requested address)" in line


def test_a_second_process_on_the_same_database_is_refused_and_told_who_has_it(signer, start):
    line = failed_start(start, keys=[0], settings={"anti_slashing.path": str(signer.database)})
    assert str(signer.database) in line and f"held by process {signer.process.pid}" in line
    assert signer.sign(attestation(EPOCH, EPOCH + 1)).status == 200


def test_after_a_kill_it_starts_again_with_what_it_knew(signer):
    assert signer.sign(attestation(EPOCH, EPOCH + 1)).status == 200
    for _ in range(3):
        signer.restart()
        assert signer.sign(attestation(EPOCH, EPOCH + 1, block_root=5)).status == 412
    assert signer.stop() == DONE


@pytest.mark.parametrize("path,reason", [
    ("missing/slashing.sqlite", "No such file or directory"), ("file/slashing.sqlite", "Not a directory"),
    ("folder", "not a regular file"), ("link", "is a symbolic link"), ("empty", "the file is empty"),
    ("text", "")])
def test_a_database_that_cannot_be_is_named(start, tmp_path, path, reason):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("no database at all\n" * 100)
    line = failed_start(start, keys=[0], settings={"anti_slashing.path": str(tmp_path / path)})
    assert str(tmp_path / path) in line and reason in line


def test_a_folder_that_may_not_be_written_is_named():
    """As another user where the tests run as root, whom permissions do not stop."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="chamber-"))
    wrapper = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    if wrapper and shutil.which("setpriv") is None:
        pytest.skip("root is not stopped by permissions, and there is no setpriv to become another user")
    try:
        (folder / "closed").mkdir()
        folder.chmod(0o755)
        (folder / "closed").chmod(0o555)
        database = folder / "closed" / "slashing.sqlite"
        line = failed_start(lambda **options: Signer(folder, **options).start(), wrapper=wrapper,
                            settings={"anti_slashing.path": str(database)})
        assert str(database) in line and "Permission denied" in line
    finally:
        (folder / "closed").chmod(0o755)
        shutil.rmtree(folder)


def test_with_strict_a_bad_key_file_keeps_it_from_getting_ready(start, tmp_path):
    supervisor = Supervisor(abstract_name())
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "bad.yaml").write_text("type: nonsense\n")
    line = failed_start(start, keys=[0], environment=supervisor.environment, settings={
        "key_sources.filesystem.strict": True, "key_sources.filesystem.paths": str(tmp_path / "keys")})
    assert "bad.yaml" in line and "key_sources.filesystem.strict" in line
    assert "READY=1" not in supervisor.rest()


def test_with_strict_it_is_ready_only_with_its_keys(start, tmp_path):
    keystore = make_keystore(interop_secret(3), "password", pubkey_of(interop_secret(3)), cost=300_000)
    settings = write_slow_keystores(tmp_path, 0) | {"key_sources.filesystem.strict": True}
    (tmp_path / "slow" / "key.json").write_text(keystore)
    supervisor = Supervisor(abstract_name())
    signer = start(settings=settings, environment=supervisor.environment, wait=False)
    assert supervisor.next() == "READY=1"
    assert any("keys of the filesystem loaded" in event for event in events(signer))


# --------------------------------------------------------------------------- files and descriptors

@pytest.mark.parametrize("umask", ["000", "022", "077"])
def test_the_database_is_for_its_owner_alone_whatever_the_umask(start, umask):
    signer = start(keys=[0], wrapper=["/bin/sh", "-c", f'umask {umask}; exec "$@"', "sh"])
    assert signer.sign(attestation(EPOCH, EPOCH + 1)).status == 200
    files = list(signer.folder.glob("slashing.sqlite*"))
    assert len(files) >= 2  # the database and its log of changes
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_a_database_that_was_left_open_to_others_is_closed(signer):
    assert signer.sign(attestation(EPOCH, EPOCH + 1)).status == 200
    assert signer.stop() == DONE
    signer.database.chmod(0o644)
    signer.start()
    assert stat.S_IMODE(signer.database.stat().st_mode) == 0o600


@pytest.mark.parametrize("backend", ["sqlite", "noop"])
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_it_runs_with_standard_streams_closed(start, closed, backend):
    """What is opened next would get their numbers: log lines in the database, or in a client's answer."""
    port = free_port()
    signer = start(keys=[0, 1], wait=False, settings={
        "server.listen_port": port, "logging.level": "debug", "anti_slashing.backend": backend},
                   wrapper=["/bin/sh", "-c", f'exec "$@" {closed}', "sh"])
    signer.port = port
    signer.wait_for(lambda: answers_upcheck(signer) and signer.get("/healthcheck").status == 200)
    for number in range(3):
        assert os.readlink(f"/proc/{signer.process.pid}/fd/{number}") in ("/dev/null", str(signer.log_path)), number
    for step in range(3):
        assert signer.sign(attestation(EPOCH + step, EPOCH + step + 1)).status == 200
    assert signer.stop() == DONE
    signer.start()
    signer.wait_for(lambda: answers_upcheck(signer) and signer.get("/healthcheck").status == 200)
    assert signer.sign(attestation(EPOCH, EPOCH + 1, block_root=5)).status == (412 if backend == "sqlite" else 200)


def answers_upcheck(signer) -> bool:
    assert signer.process.poll() is None, signer.log_text()
    try:
        return signer.get("/upcheck").status == 200
    except OSError:
        return False


def test_a_log_that_nobody_reads_holds_up_nothing():
    """Like a journal that hangs: the pipe of the log is full, signatures go on, and what was lost is counted."""
    reader, writer = os.pipe()
    with tempfile.TemporaryDirectory(prefix="chamber-") as folder:
        signer = Signer(pathlib.Path(folder), keys=[0], settings={
            "logging.level": "debug", "server.listen_port": free_port(), "metrics.listen_port": free_port()})
        signer.port, signer.metrics_port = signer.settings["server.listen_port"], signer.settings["metrics.listen_port"]
        signer.log_path.write_text("")
        signer.process = start_with_log(signer, writer)
        try:
            signer.wait_for(lambda: answers_upcheck(signer) and signer.get("/healthcheck").status == 200)
            signer.wait_for(lambda: sign_ahead(signer, 200) and
                            signer.metrics()["containment_log_lines_dropped_total"] > 0)
            assert signer.sign(randao(1)).status == 200
        finally:
            signer.kill()
            os.close(reader)
            os.close(writer)


def sign_ahead(signer, count: int) -> bool:
    """Sends so many requests before it reads the answers."""
    body = json.dumps(randao(1))
    request = f"POST /api/v1/eth2/sign/{signer.pubkeys[0]} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    answers = b""
    with socket.create_connection(("127.0.0.1", signer.port), timeout=PATIENCE_S) as sock:
        sock.sendall(request.encode() * count)
        while answers.count(b"HTTP/1.1 200 ") < count:
            received = sock.recv(65536)
            assert received, answers[-1000:]
            answers += received
    return True


def start_with_log(signer, descriptor: int) -> subprocess.Popen:
    return subprocess.Popen(signer.command(), stdout=descriptor, stderr=descriptor, cwd=signer.folder,
                            env=clean_environment())


# ------------------------------------------------------------------------------- the systemd unit

UNIT = ROOT / "packaging" / "systemd" / "containment-chamber.service"
HARDENING = {
    "NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes", "PrivateDevices": "yes",
    "MemoryDenyWriteExecute": "yes", "RestrictNamespaces": "yes", "CapabilityBoundingSet": "", "LimitCORE": "0",
    "MemorySwapMax": "0", "UMask": "0077", "StateDirectoryMode": "0700", "SystemCallArchitectures": "native"}


def unit() -> dict[str, str]:
    """The assignments of the unit; those that stand several times are joined."""
    found = {}
    for line in UNIT.read_text().splitlines():
        name, assigned, value = line.partition("=")
        if assigned and not line.startswith("#"):
            found[name] = f"{found[name]} {value}" if name in found else value
    return found


def test_the_unit_calls_the_program_as_it_wants_to_be_called():
    program, *arguments = shlex.split(unit()["ExecStart"])
    assert pathlib.Path(program).name == "containment-chamber"
    there = [str(ROOT / "config.example.yaml") if argument.endswith("/config.yaml") else argument for argument in arguments]
    assert there != arguments and call(*there, "--check-config").code == DONE


def test_the_unit_agrees_with_what_the_process_does():
    given = unit()
    assert (given["Type"], given["NotifyAccess"]) == ("notify", "main")
    assert given["ExecReload"].endswith("kill -HUP $MAINPID")
    assert int(given["RestartPreventExitStatus"]) == USAGE
    assert int(given["TimeoutStopSec"]) > 25 + 2  # the drain's limit
    assert int(given["WatchdogSec"]) >= 10
    assert given["LimitMEMLOCK"] == "64M"


def test_the_unit_closes_what_the_process_does_not_need():
    given = unit()
    assert {name: given.get(name) for name in HARDENING} == HARDENING
    assert given["SystemCallFilter"].startswith("@system-service ~@privileged")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_systemd_finds_the_unit_right_and_closed(tmp_path):
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/usr/local/bin/containment-chamber", str(pathlib.Path(BINARY).resolve())))
    for command in (["verify"], ["security", "--offline=yes", "--threshold=15"]):
        done = subprocess.run(["systemd-analyze", "--no-pager", *command, str(copy)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert UNIT.name not in done.stderr, done.stderr  # warnings, such as of an unknown name


# ------------------------------------------------------------- the drain that the first test began

def test_a_client_that_takes_no_answers_holds_up_the_end_only_for_a_while(stuck):
    assert end_of(stuck) == FAILED
    assert events(stuck)[-1] == UNANSWERED
    stuck.start()
    assert stuck.sign(randao(1)).status == 200
