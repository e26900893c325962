"""tests/bench/enclave.py: that it measures, what its tables are made of, and that it does not pass refusals off as
answers. No time is asserted."""
import pathlib
import re
import socket
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tests" / "bench" / "enclave.py"
PAGE = ROOT / "docs" / "benchmarks.md"
sys.path.insert(0, str(SCRIPT.parent))

import enclave as script  # noqa: E402  (after the path is set)
import enclave_boot  # noqa: E402
import enclave_relay  # noqa: E402
import enclave_tables  # noqa: E402
import enclave_ways  # noqa: E402
from emulator import EmulatorError  # noqa: E402

SECTIONS = ["The image", "Boot, with", "Memory", "The relay, on this machine's CPU", "Attested TLS, on this machine's CPU",
            "An enclave with"]


def run(*arguments) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, SCRIPT, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)


@pytest.fixture(scope="module")
def quick() -> str:
    before = PAGE.read_bytes()
    done = run("--quick")
    assert done.returncode == 0, done.stderr
    assert PAGE.read_bytes() == before
    return done.stdout


def sections(text: str) -> dict[str, str]:
    parts = re.split(r"^### (.*)\n", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2]))


def tables(text: str) -> list[list[list[str]]]:
    found = re.findall(r"(?:^\|.*\|\n?)+", text, re.MULTILINE)
    return [[[cell.strip() for cell in line.strip("|").split(" | ")] for line in one.splitlines()] for one in found]


def number(cell: str) -> float:
    return float(re.search(r"[0-9.]+", cell.replace(",", ""))[0])


def test_every_section_has_tables_that_are_whole(quick):
    found = sections(quick)
    assert [next(known for known in SECTIONS if title.startswith(known)) for title in found] == SECTIONS
    for text in found.values():
        for head, _, *rows in tables(text):
            assert rows and all(len(row) == len(head) for row in rows)
            # A figure that is missing is one that does not apply: CPU time of a process that is not in the way.
            assert all(re.search("[0-9]", row[1]) for row in rows), rows
    assert "nan" not in quick and "None" not in quick


def test_an_image_is_more_than_its_parts_and_little_more(quick):
    image, kernel, program = (number(row[1]) for row in tables(sections(quick)["The image"])[0][2:])
    assert kernel + program < image < kernel + program + 100_000


def test_the_parts_of_a_boot_are_the_whole(quick):
    text = next(text for title, text in sections(quick).items() if title.startswith("Boot"))
    machine, kernel, init, server, heartbeat, healthy = (number(row[1]) for row in tables(text)[0][2:])
    assert machine + kernel + init == pytest.approx(heartbeat, abs=0.03)  # each is rounded
    assert heartbeat + server == pytest.approx(healthy, abs=0.03)


def test_memory_is_gone_down_to_where_it_fails(quick):
    text = sections(quick)["Memory"]
    assert "**128 MiB**" in text and re.search(r"With 24 MiB: `.+`\.", text)


def test_a_connection_through_the_proxy_takes_one_document(quick):
    assert "for which the enclave makes 1.0 documents." in quick


@pytest.mark.parametrize("processes, name", [(1, "The relay"), (2, "Attested TLS"), (2, "An enclave with")])
def test_cpu_time_is_that_of_the_processes_in_the_way_alone(quick, processes, name):
    text = next(text for title, text in sections(quick).items() if title.startswith(name))
    head, _, *rows = tables(text)[-1] if processes == 2 else tables(text)[0]
    assert [cell.startswith("CPU of the ") for cell in head[-processes:]] == [True] * processes
    assert rows[0][-1] == "" and number(rows[-1][-1]) > 0


def test_what_is_measured_quickly_is_not_written_down():
    done = run("--quick", "--write")
    assert done.returncode == 2 and "too little" in done.stderr


def test_what_a_busy_machine_measures_is_not_written_down(monkeypatch, capsys):
    monkeypatch.setattr(script.os, "getloadavg", lambda: (script.QUIET_LOAD + 0.1, 0.0, 0.0))
    monkeypatch.setattr(script, "measure_all", lambda *_: pytest.fail("it measures"))
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), "--write"])
    with pytest.raises(SystemExit) as ended:
        script.main()
    assert ended.value.code == 2 and "load average 1.1" in capsys.readouterr().err


def test_memory_that_is_enough_only_now_and_then_is_too_little(tmp_path, monkeypatch):
    tried = []

    def signs_with(_folder, _images, _nsm, memory_mib):
        tried.append(memory_mib)
        return "too little" if len(tried) == 5 else None

    monkeypatch.setattr(enclave_boot, "signs_with", signs_with)
    assert enclave_boot.memory_steps(tmp_path, None, None, (3, 2, 1), 3) == {3: None, 2: "too little"}
    assert tried == [3, 3, 3, 2, 2]


def test_writing_changes_its_own_section_alone(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_bytes(PAGE.read_bytes())
    monkeypatch.setattr(script, "PAGE", page)
    for text in ("what was written before", "what is written now"):
        script.write_page(text)
    before, after = PAGE.read_text(), page.read_text()
    assert after.count("what is written now") == 1 and "what was written before" not in after
    for begin, end in ((0, before.index(script.BEGIN)), (before.index(script.END) - len(before), None)):
        assert after[begin:end] == before[begin:end]


# --------------------------------------------------------------------------------- what must not be measured

@pytest.mark.parametrize("answer", [b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno",
                                    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 2", b"200"])
def test_a_refusal_is_no_measurement(answer):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(answer)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(SystemExit):
            enclave_ways.Client(ours).ask(b"GET / HTTP/1.1\r\n\r\n")


@pytest.mark.parametrize("whole, answer", [
    (True, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"), (True, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    (False, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nO"), (False, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"),
    (False, b"HTTP/1.1 200 OK\r\n\r\nOK"), (False, b"")])
def test_an_answer_is_whole_with_its_last_byte(whole, answer):
    assert enclave_ways.Client.is_whole(answer) is whole


def test_an_echo_that_is_another_one_is_no_measurement(tmp_path):
    listener = socket.create_server(("127.0.0.1", 0))
    with listener:
        echo = enclave_relay.Echo(listener.getsockname()[1])
        connection, _ = listener.accept()
        with connection, echo.socket, pytest.raises(SystemExit):
            connection.sendall(b"other")
            echo.ask(enclave_relay.ORDER.pack(enclave_relay.ECHO, 5) + b"bytes")


BUSY = """
import threading, time
used, ready, over = [], threading.Barrier(3), threading.Event()
def work():
    sum(range(2000000))
    used.append(time.thread_time_ns())
    ready.wait()
    over.wait()
for _ in range(2):
    threading.Thread(target=work).start()
ready.wait()
print(sum(used), flush=True)
input()
over.set()
"""


def test_cpu_time_is_counted_over_all_threads():
    with subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as busy:
        threads = int(busy.stdout.readline())
        main = int(pathlib.Path(f"/proc/{busy.pid}/schedstat").read_text().split()[0])
        counted = enclave_ways.cpu_ns(busy.pid)
        busy.communicate(b"\n")
    assert counted >= threads > 0 and counted > main


@pytest.mark.parametrize("console, reason", [
    ("x\n--- end of console\n[    1.1] Out of memory: a\n[    1.2] Kernel panic - not syncing: b\n[  1.3] c", "Kernel panic - not syncing: b"),
    ("[    0.8] Initramfs unpacking failed: short\n[    0.9] more", "Initramfs unpacking failed: short"),
    ("the health: the enclave ended\n--- end of console\n", "the health: the enclave ended")])
def test_the_reason_of_a_boot_that_failed_is_the_last_complaint(console, reason):
    assert enclave_boot.why(EmulatorError(console)) == reason


def test_p99_is_of_the_slow_end():
    way = enclave_ways.Way("", None, None, seconds=[float(n) for n in range(100, 0, -1)])
    assert (way.p50, way.p99) == (50.5, 100.0)
    assert enclave_tables.milliseconds(0.00123) == "1.23 ms"
