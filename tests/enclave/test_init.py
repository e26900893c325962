"""PID 1 of the enclave on the real kernel: the steps on the console, what the server has and has not, and that
whatever goes wrong ends the enclave. The image's server is tests/enclave/guest/server.c."""
import os
import pathlib
import re
import socket
import subprocess
import threading
import time

import eif
import pytest
from conftest import ROOT, Image
from emulator import HEARTBEAT, HEARTBEAT_PORT, Emulator
from nsm_signer import NsmSigner
from test_nsm_device import with_libraries

GUEST = pathlib.Path(os.environ.get("CHAMBER_ENCLAVE_GUEST",
                                    ROOT / "build" / "tests" / "enclave" / "guest" / "chamber-enclave-guest"))
COMMAND_LINE = "console=ttyS0 reboot=k panic=30 random.trust_cpu=on"
PARENT = " chamber.parent_cid=2"
STEPS = ["mounts", "console", "kernel", "signals", "security module", "entropy", "loopback", "clock", "command line",
         "heartbeat", "server"]
LAST = "the enclave ends"
# Where the CPU is emulated as well (kvm=False), there is no /dev/ptp0, and the security module's time is the only one.
DAY_MS = 24 * 3600 * 1000


@pytest.fixture(scope="session")
def make_image(kernel):
    def make(deed: str, command_line: str = COMMAND_LINE + PARENT) -> Image:
        files = [*with_libraries(GUEST), eif.Entry("deed", deed.encode() + b"\n", 0o100444)]
        sections = [
            (eif.KERNEL, (kernel / "bzImage").read_bytes()),
            (eif.COMMAND_LINE, command_line.encode()),
            (eif.METADATA, b"{}"),
            (eif.RAMDISK, eif.cpio(files)),
        ]
        return Image(sections, eif.write(sections))
    return make


def lines_of(console: str, sender: str) -> list[str]:
    """What one of them said, without the kernel's lines."""
    found = re.findall(rf"^(?:.*\])?{sender}: (.*?)\r?$", console, re.MULTILINE)
    return [line.strip() for line in found]


def run(image: Image, signer, **settings) -> str:
    """The console of an enclave that ran to its end."""
    with Emulator(image.bytes, signer=signer, **settings) as enclave:
        enclave.wait_for_end()
        return enclave.console


class Report:
    """What the guest's server saw, by name."""

    def __init__(self, console: str):
        self.console = console
        self.steps = lines_of(console, "chamber-enclave")
        self.lines = lines_of(console, "guest")

    def all(self, name: str) -> list[str]:
        return [line.removeprefix(name + " ") for line in self.lines if line.startswith(name + " ")]

    def one(self, name: str) -> str:
        found = self.all(name)
        assert len(found) == 1, f"{name}: {found}\n{self.console}"
        return found[0]


@pytest.fixture(scope="module")
def report(make_image, signer) -> Report:
    return Report(run(make_image("report"), signer))


# ------------------------------------------------------------------------------------------------ the boot

def test_each_step_is_said_in_its_order_and_the_end_is_said_last(report):
    assert [line.split(":")[0] for line in report.steps] == [*STEPS, "server", "watch", LAST]
    assert report.steps[-3:] == ["server: exited with status 0", "watch: done", LAST]
    assert report.lines[-1] == "end"


def test_the_steps_say_what_they_found(report):
    assert {"clock: kept by the security module", "clock: kept by /dev/ptp0"} & set(report.steps)
    assert "command line: the parent's CID is 2" in report.steps
    assert "heartbeat: answered" in report.steps
    assert report.one("parent") == "2"


def test_random_numbers_are_there_and_no_environment(report):
    assert (report.one("random"), report.one("environment")) == ("1", "0")


def test_the_server_is_nobody_in_particular_and_can_become_nobody_else(report):
    status = dict(line.split(":", 1) for line in report.all("status") if ":" in line)
    status = {name: value.split() for name, value in status.items()}
    assert status["Uid"] == status["Gid"] == ["1000"] * 4
    assert status["Groups"] == []
    assert {status[f"Cap{name}"][0] for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
    assert status["NoNewPrivs"] == ["1"]
    assert (status["Seccomp"], status["Seccomp_filters"]) == (["2"], ["1"])
    assert status["PPid"] == ["1"]


def test_these_file_systems_are_mounted_and_no_other(report):
    mounts = [line.split()[1:4] for line in report.all("mount")]
    kinds = {place: kind for place, kind, _ in mounts}
    options = {place: set(words.split(",")) for place, _, words in mounts}
    assert kinds.keys() == {"/", "/dev", "/proc", "/tmp", "/run"}
    assert [kinds[place] for place in ("/dev", "/proc", "/tmp", "/run")] == ["devtmpfs", "proc", "tmpfs", "tmpfs"]
    assert {"ro", "nosuid", "nodev", "noexec"} <= options["/"]
    assert {"nosuid", "noexec"} <= options["/dev"]
    assert all({"nosuid", "nodev", "noexec"} <= options[place] for place in ("/proc", "/tmp", "/run"))
    assert options["/proc"] & {"hidepid=2", "hidepid=invisible"}


def test_the_server_sees_itself_and_no_other_process(report):
    processes = [name for name in report.all("proc") if name.isdigit()]
    pid = next(line.split()[1] for line in report.all("status") if line.startswith("Pid:"))
    assert processes == [pid]
    assert pid != "1"


def test_devices_are_few_and_those_of_the_machine_are_closed(report):
    devices = set(report.all("dev"))
    assert {"nsm", "null", "console", "random", "urandom"} <= devices
    assert not devices & {"mem", "kmem", "port", "kvm", "loop0", "vda", "sda"}
    opened = dict(line.split() for line in report.all("open"))
    assert opened == {"/dev/nsm": "fine", "/dev/null": "fine", "/dev/hwrng": "EACCES", "/dev/console": "EACCES",
                      "/dev/ttyS0": "EACCES", "/proc/1/status": "ENOENT", "/init": opened["/init"]}


def test_the_server_writes_in_its_two_folders_and_nowhere_else(report):
    written = dict(line.split() for line in report.all("open-write"))
    assert written.pop("/tmp/x") == written.pop("/run/x") == "fine"
    assert written.pop("/dev/random") == "fine"  # writing there credits nothing
    assert set(written.values()) <= {"EACCES", "EROFS", "EPERM"}
    assert written.keys() == {"/x", "/dev/x", "/proc/sys/kernel/panic"}


def test_its_folders_are_small(report):
    rooms = {place: int(size) for place, size in (line.split() for line in report.all("room"))}
    assert all(0 < size <= 1 << 20 for size in rooms.values()) and rooms.keys() == {"/tmp", "/run"}


def test_the_kernel_is_set_so_that_nothing_is_half_alive(report):
    settings = dict((line.split(" ", 1) + [""])[:2] for line in report.all("setting"))
    if settings["kernel/core_pattern"] == "error ENOENT":  # a kernel that cannot write core files
        settings["kernel/core_pattern"] = ""
    assert settings == {
        "kernel/panic": "1", "kernel/panic_on_oops": "1", "vm/panic_on_oom": "2", "fs/suid_dumpable": "0",
        "kernel/core_pattern": "", "kernel/randomize_va_space": "2", "kernel/dmesg_restrict": "1",
        "kernel/kptr_restrict": "2", "net/ipv4/ip_unprivileged_port_start": "0"}


def test_limits_and_descriptors(report):
    assert report.all("limit") == ["core 0 0", "files 65536 65536", "locked -1 -1"]
    assert report.all("descriptor") == ["0", "1", "2"]


def test_the_loopback_is_up_with_all_its_addresses_and_ports(report):
    assert report.one("loopback") == "fine"


def test_the_clock_is_the_hypervisors(report):
    assert abs(int(report.one("time")) - time.time()) < 300


def test_the_clock_is_set_by_the_security_module_and_not_by_the_machine(make_image):
    def tomorrow(payload):
        return payload | {"timestamp": payload["timestamp"] + DAY_MS}

    with NsmSigner(change=tomorrow) as signer:
        seen = Report(run(make_image("report"), signer, kvm=False))
    assert "clock: kept by the security module" in seen.steps
    assert abs(int(seen.one("time")) - time.time() - DAY_MS / 1000) < 300


def wait_long(enclave: Emulator, condition) -> None:
    """The clock is read once a minute, so the emulator's patience is too short."""
    deadline = time.monotonic() + 180
    while not condition():
        assert time.monotonic() < deadline and enclave.is_running(), enclave.report()
        time.sleep(0.1)


def test_the_clock_is_kept_and_a_jump_ends_the_enclave(make_image):
    ahead_ms = 0
    with NsmSigner(change=lambda payload: payload | {"timestamp": payload["timestamp"] + ahead_ms}) as signer:
        with Emulator(make_image("wait").bytes, signer=signer, kvm=False) as enclave:
            enclave.wait_for_console("guest: begin")
            ahead_ms = 3000
            wait_long(enclave, lambda: "clock: stepped by" in enclave.console)
            ahead_ms = DAY_MS
            wait_long(enclave, lambda: LAST in enclave.console)
            enclave.wait_for_end()
            steps = lines_of(enclave.console, "chamber-enclave")
    stepped = int(re.search(r"^clock: stepped by (\d+) ms$", steps[-3])[1])
    assert 2000 < stepped < 4000
    assert re.search(r"^watch: \d+ ms, after steps of \d+ ms: the trusted clock has moved farther", steps[-2])
    assert steps[-1] == LAST


# ----------------------------------------------------------------------------------------------- its ends

@pytest.mark.parametrize("deed, end", [
    ("leave", "server: exited with status 7"),
    ("forbidden", "server: killed by SIGSYS"),
    ("crash", "server: killed by SIGABRT"),
])
def test_a_server_that_ends_ends_the_enclave(make_image, signer, deed, end):
    steps = lines_of(run(make_image(deed), signer), "chamber-enclave")
    assert steps[-3:] == [end, "watch: done", LAST]


def test_memory_that_runs_out_ends_the_enclave(make_image, signer):
    console = run(make_image("memory"), signer, memory_mib=256)
    assert lines_of(console, "chamber-enclave")[-1] == "server: done"  # PID 1 did not get to say a word
    assert "Kernel panic - not syncing: Out of memory: compulsory panic_on_oom is enabled" in console


def test_there_is_no_second_boot_and_no_second_server(make_image, signer):
    seen = Report(run(make_image("again"), signer))
    assert seen.one("again") == "runs as PID 1 of an enclave, and as nothing else"
    assert seen.steps[-3:] == ["server: killed by SIGSYS", "watch: done", LAST]  # it tried to fork
    assert seen.lines.count("begin") == 1


def refused(console: str, step: str, reason: str) -> None:
    """The boot ended at the step, with these words; no later step was begun, no server ran."""
    steps = lines_of(console, "chamber-enclave")
    expected = STEPS[:STEPS.index(step) + 1]
    assert [line.split(":")[0] for line in steps] == [*expected, LAST], console
    assert reason in steps[-2], console
    assert not lines_of(console, "guest")


@pytest.mark.parametrize("words, reason", [
    (" chamber.parent_cid=0", "the parent's CID is a number from 2 to 4294967294"),
    (" chamber.parent_cid=two", "the parent's CID is a number from 2 to 4294967294"),
    (PARENT + PARENT, "the parent's CID is given twice"),
    (PARENT + " chamber.debug", "chamber.debug: is no setting of the command line"),
])
def test_a_wrong_command_line_is_refused(make_image, signer, words, reason):
    refused(run(make_image("report", COMMAND_LINE + words), signer), "command line", reason)


# ------------------------------------------------------------------------------------------- the heartbeat

def test_a_parent_that_does_not_listen_is_refused(make_image, signer):
    refused(run(make_image("report"), signer, heartbeat=False), "heartbeat",
            "the parent does not answer the heartbeat")


@pytest.mark.parametrize("answer, reason", [
    (b"\xb6", "0xb6: the parent answered the heartbeat with another byte"),
    (None, "the parent does not answer the heartbeat"),
])
def test_a_parent_that_answers_wrong_or_never_is_refused(make_image, signer, answer, reason):
    enclave = Emulator(make_image("report").bytes, signer=signer, heartbeat=False)
    listener = enclave.listen(HEARTBEAT_PORT)
    kept: list[socket.socket] = []
    beats: list[bytes] = []

    def answer_all():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            kept.append(connection)
            beats.append(connection.recv(1))
            if answer is not None:
                connection.sendall(answer)

    thread = threading.Thread(target=answer_all, daemon=True)
    thread.start()
    with enclave:
        enclave.wait_for_end()
        refused(enclave.console, "heartbeat", reason)
    for connection in kept:
        connection.close()
    assert set(beats) == {HEARTBEAT}
    assert len(beats) == (1 if answer else 5)


# -------------------------------------------------------------------------------------- the security module

@pytest.mark.parametrize("timestamp, reason", [
    (1767225599999, "the trusted clock is before 2026"),
    (4102444800000, "the trusted clock is after 2099"),
])
def test_a_time_that_cannot_be_is_refused(make_image, timestamp, reason):
    with NsmSigner(change=lambda payload: payload | {"timestamp": timestamp}) as signer:
        refused(run(make_image("report"), signer, kvm=False), "clock", reason)


def test_a_module_whose_documents_are_none_is_refused(make_image):
    refused(run(make_image("report"), None), "clock", "")


def test_anywhere_else_it_does_nothing():
    done = subprocess.run([GUEST], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "chamber-enclave: start: runs as PID 1 of an enclave, and as nothing else\n"
