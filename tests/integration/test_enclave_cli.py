"""`enclave run`, `list`, `stop` and `console`: wrong calls, records of others, and whole lives of emulated enclaves, on
programs that play QEMU and its vsock device, and on the real ones where CHAMBER_EMULATOR_TOOLS and
CHAMBER_ENCLAVE_IMAGE name them."""
import contextlib
import json
import os
import pathlib
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time

import enclave_standins
import pytest
from commands import DONE, FAILED, USAGE, call, clean_environment, refused
from notify import Supervisor, abstract_name
from signer import BINARY, PATIENCE_S, ROOT

HEAD = "NAME             STATE           CID      PID  MEM_MIB CPUS MODE     STARTED              IMAGE\n"


@pytest.fixture
def folder():
    """A runtime directory; UNIX sockets' names are short, so pytest's own will not do."""
    with tempfile.TemporaryDirectory(prefix="enclaves-") as name:
        yield pathlib.Path(name)


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "test.eif"
    path.write_bytes(b".eif" + bytes(1000))
    return path


def enclave(*arguments, folder, **more):
    return call("enclave", *arguments, "--runtime-dir", folder, **more)


def left(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "lock")


def wait_until(condition, what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.01)


# --------------------------------------------------------------------------------------------- wrong calls

@pytest.mark.parametrize("arguments,text", [
    (["start"], "enclave start: unknown action; --help lists them"),
    (["--list"], "enclave --list: unknown action"),
    (["run"], "needs the image first"),
    (["run", "--memory", "64"], "needs the image first"),
    (["list", "x"], "x: unknown option"),
    (["list", "--raw"], "--raw: unknown option"),
    (["stop"], "needs a name, or --all"),
    (["stop", "a", "--all"], "needs a name, or --all"),
    (["stop", "a", "--timeout", "3601"], "up to 3600"),
    (["stop", "a", "--timeout", "soon"], "up to 3600"),
    (["stop", "a", "b"], "b: unknown option"),
    (["console"], "needs the enclave's name"),
])
def test_a_wrong_call_is_one_line(arguments, text):
    assert text in refused("enclave", *arguments)


@pytest.mark.parametrize("arguments,text", [
    (["--memory", "63"], "an enclave needs at least 64 MiB"),
    (["--memory", "much"], "--memory much: is not a number"),
    (["--memory", "99999999999"], "--memory 99999999999: is too large"),
    (["--cpus", "0"], "needs a CPU"),
    (["--cpus", "129"], "is too large"),
    (["--cpu-ids", "2,,3"], "is not a list of CPUs such as 2,3"),
    (["--cpu-ids", "2,3,"], "is not a list of CPUs such as 2,3"),
    (["--cpu-ids", "2-3"], "is not a list of CPUs such as 2,3"),
    (["--cpu-ids", "0,1"], "CPU 0 stays with the parent"),
    (["--cpu-ids", "2,3", "--cpus", "2"], "--cpus and --cpu-ids: give one of the two"),
    (["--cid", "3"], "from 4 to 4294967294"),
    (["--cid", "4294967295"], "is too large"),
    (["--name", "../x"], "is no name of an enclave"),
    (["--name", "A"], "is no name of an enclave"),
    (["--logging-format", "xml"], "is neither text nor json"),
    (["--heartbeat-timeout", "1", "--no-heartbeat"], "give one of the two"),
    (["--qemu", "/bin/true"], "--qemu: means nothing here"),
    (["--console", "-"], "--console: means nothing here"),
    (["--parent-role", "arn"], "--parent-role: means nothing here"),
    (["--emulate", "--debug-mode"], "--debug-mode: means nothing here"),
    (["--emulate", "--cpu-ids", "1"], "--cpu-ids: means nothing here"),
    (["--emulate", "--cid", "0"], "from 4 to 4294967294"),
    (["--emulate", "--accelerator", "xen"], "is neither kvm nor tcg"),
    (["--emulate", "--qemu", "/nonexistent/qemu"],
     "--emulate needs qemu-system-x86_64: /nonexistent/qemu: not found"),
    (["--bogus"], "--bogus: unknown option"),
])
def test_a_wrong_option_of_run_is_named_and_starts_nothing(arguments, text, folder, image):
    assert text in refused("enclave", "run", image, *arguments, "--runtime-dir", folder)
    assert left(folder) == []


@pytest.mark.parametrize("content,text", [
    (b"", "is not an enclave image"), (b".ei", "is not an enclave image"), (b"\x7fELF" + bytes(100), "is not an enclave image"),
])
def test_what_is_no_image_is_refused(content, text, folder, tmp_path):
    path = tmp_path / "x.eif"
    path.write_bytes(content)
    assert text in refused("enclave", "run", path, "--runtime-dir", folder)


def test_an_image_that_is_not_there_or_no_file_is_refused(folder, tmp_path):
    assert "No such file" in refused("enclave", "run", tmp_path / "none.eif", "--runtime-dir", folder)
    assert "is not a regular file" in refused("enclave", "run", tmp_path, "--runtime-dir", folder)
    os.mkfifo(tmp_path / "fifo")
    assert "is not a regular file" in refused("enclave", "run", tmp_path / "fifo", "--runtime-dir", folder)


def test_an_image_too_large_for_the_memory_is_refused_with_what_it_needs(folder, tmp_path):
    path = tmp_path / "large.eif"
    with open(path, "wb") as file:
        file.write(b".eif")
        file.truncate((16 << 20) + 1)
    assert "64 MiB of memory, the image needs 66 MiB" in refused(
        "enclave", "run", path, "--memory", "64", "--runtime-dir", folder)


without_device = pytest.mark.skipif(os.path.exists("/dev/nitro_enclaves"), reason="this machine has the device")


@without_device
def test_without_the_device_the_remedy_is_said_and_nothing_is_left(folder, image):
    complaint = refused("enclave", "run", image, "--runtime-dir", folder, "--no-heartbeat", code=FAILED)
    assert complaint.startswith("/dev/nitro_enclaves (No such file or directory, error 2): ")
    assert "load the module nitro_enclaves" in complaint
    assert left(folder) == []


@without_device
def test_debug_mode_is_shouted(folder, image):
    called = enclave("run", image, "--debug-mode", "--no-heartbeat", folder=folder)
    assert called.code == FAILED
    assert "warn  THIS ENCLAVE IS IN DEBUG MODE" in called.err and "all zero" in called.err


# ------------------------------------------------------------------------------------- records of others

def start_ticks(pid: int) -> int:
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def record(folder, name, pid, ticks=None, **more) -> dict:
    """Writes the record of a launcher with that process number."""
    content = {
        "name": name, "state": "running", "cid": 16, "pid": pid, "pid_start_ticks": start_ticks(pid) if ticks is None else ticks,
        "started_at_seconds": 1790000000, "memory_bytes": 512 << 20, "cpu_count": 2, "cpu_ids": [2, 3], "debug": False,
        "emulated": False, "image": "/images/e.eif", "console": "", "vsock": ""} | more
    (folder / f"{name}.json").write_text(json.dumps(content))
    return content


@contextlib.contextmanager
def process(code: str = "import signal; print(flush=True); signal.pause()"):
    """A process that plays a launcher, past its start."""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        try:
            yield child
        finally:
            child.kill()


def test_an_empty_or_missing_directory_has_no_enclaves(folder):
    for place in (folder, folder / "none"):
        assert enclave("list", folder=place).out == HEAD
        assert json.loads(enclave("list", "--json", folder=place).out) == []
        assert enclave("stop", "--all", folder=place).code == DONE
    assert not (folder / "none").exists()


def test_enclaves_are_listed_alive_and_dead(folder):
    record(folder, "two", os.getpid(), debug=True, state="starting", cid=0)
    record(folder, "one", os.getpid())
    record(folder, "old", os.getpid(), ticks=1)
    record(folder, "emu", os.getpid(), emulated=True, cpu_ids=[])
    called = enclave("list", folder=folder)
    assert (called.code, called.err) == (DONE, "")
    rows = [line.split() for line in called.out.splitlines()[1:]]
    assert [(row[0], row[1], row[2], row[6]) for row in rows] == [
        ("emu", "running", "16", "emulated"), ("old", "dead", "16", "nitro"), ("one", "running", "16", "nitro"),
        ("two", "starting", "0", "debug")]
    assert rows[2][3:6] == [str(os.getpid()), "512", "2"] and rows[2][7:] == ["2026-09-21T14:13:20Z", "/images/e.eif"]
    listed = json.loads(enclave("list", "--json", folder=folder).out)
    assert [(one["name"], one["state"]) for one in listed] == [
        ("emu", "running"), ("old", "dead"), ("one", "running"), ("two", "starting")]
    assert listed[2]["cpu_ids"] == [2, 3] and listed[2]["started_at"] == "2026-09-21T14:13:20Z"


def test_a_path_that_steers_a_terminal_is_shown_harmless(folder):
    record(folder, "one", os.getpid(), image="/a\x1b[31m\r\nb\u00e4")
    line = enclave("list", folder=folder).out.splitlines()[1]
    assert line.isascii() and line.isprintable()


def test_a_broken_record_is_named_and_hides_no_other(folder):
    record(folder, "good", os.getpid())
    (folder / "bad.json").write_text("{")
    content = record(folder, "everybody", os.getpid())
    (folder / "everybody.json").write_text(json.dumps(content | {"pid": -1}))
    called = enclave("list", folder=folder)
    assert called.code == FAILED and "good " in called.out
    assert f"{folder}/bad.json" in called.err and f"{folder}/everybody.json: pid: is out of its range" in called.err
    assert enclave("stop", "everybody", folder=folder).code == FAILED


def test_stop_ends_the_launcher_and_waits(folder):
    with process() as launcher:
        record(folder, "one", launcher.pid)
        called = enclave("stop", "one", folder=folder)
        assert (called.code, called.err) == (DONE, "stopped one\n")
        assert launcher.wait(PATIENCE_S) == -signal.SIGTERM


def test_stop_all_ends_all(folder):
    with process() as first, process() as second:
        record(folder, "one", first.pid)
        record(folder, "two", second.pid)
        record(folder, "dead", first.pid, ticks=1)
        assert enclave("stop", "--all", folder=folder).code == DONE
        assert first.wait(PATIENCE_S) == second.wait(PATIENCE_S) == -signal.SIGTERM
    assert "dead.json" not in left(folder)


def test_stop_of_the_dead_says_so_and_removes_what_they_left(folder):
    record(folder, "one", os.getpid(), ticks=1)
    (folder / "one.device").touch()
    (folder / "one.vsock_9443").touch()  # the parent's, not ours
    complaint = refused("enclave", "stop", "one", "--runtime-dir", folder, code=FAILED)
    assert complaint.startswith("one: its launcher is dead")
    assert left(folder) == ["one.vsock_9443"]


def test_stop_never_signals_a_process_that_only_has_the_number(folder):
    with process() as other:
        record(folder, "one", other.pid, ticks=start_ticks(other.pid) + 1)
        assert enclave("stop", "one", folder=folder).code == FAILED
        assert other.poll() is None


def test_stop_of_one_that_does_not_end_in_time_says_so(folder):
    with process("import signal; signal.signal(15, signal.SIG_IGN); print(flush=True); signal.pause()") as launcher:
        record(folder, "one", launcher.pid)
        complaint = refused("enclave", "stop", "one", "--timeout", "0", "--runtime-dir", folder, code=FAILED)
        assert "has not ended in time" in complaint and launcher.poll() is None
    assert left(folder) == ["one.json"]


@pytest.mark.parametrize("action", ["stop", "console"])
def test_an_unknown_name_is_an_error(action, folder):
    assert refused("enclave", action, "none", "--runtime-dir", folder, code=FAILED).startswith("none: no enclave of that name")
    assert "no name of an enclave" in refused("enclave", action, "../x", "--runtime-dir", folder, code=FAILED)
    assert "no such directory" in refused("enclave", action, "x", "--runtime-dir", folder / "none", code=FAILED)


@pytest.mark.parametrize("action", [["list"], ["stop", "one"], ["stop", "--all"], ["console", "one"]])
def test_a_directory_that_others_may_write_to_is_refused(action, folder):
    with process() as launcher:
        record(folder, "one", launcher.pid)
        folder.chmod(0o777)
        assert "others may write to the directory" in refused("enclave", *action, "--runtime-dir", folder, code=FAILED)
        assert launcher.poll() is None


def test_only_debug_mode_has_a_console(folder):
    record(folder, "one", os.getpid())
    assert "only an enclave in debug mode" in refused("enclave", "console", "one", "--runtime-dir", folder, code=FAILED)
    record(folder, "two", os.getpid(), debug=True)
    assert "the console of CID 16" in refused("enclave", "console", "two", "--runtime-dir", folder, code=FAILED)
    record(folder, "old", os.getpid(), debug=True, ticks=1)
    assert "does not run any more" in refused("enclave", "console", "old", "--runtime-dir", folder, code=FAILED)


# ------------------------------------------------------------------------------------ emulated lives

class Life:
    """An `enclave run --emulate`."""

    def __init__(self, folder, image, *options, mode="beat", tools=None, more=None):
        self.folder = folder
        self.supervisor = Supervisor(abstract_name())
        self.log_path = image.parent / f"run-{os.urandom(4).hex()}.log"
        self.told: list[str] = []
        environment = {"CHAMBER_STANDIN": mode, **self.supervisor.environment, **(more or {})}
        if tools is not None:
            environment["CHAMBER_EMULATOR_TOOLS"] = json.dumps(tools)
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [BINARY, "enclave", "run", str(image), "--emulate", "--runtime-dir", str(folder), *map(str, options)],
                env=clean_environment(environment), stderr=log, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def ready(self) -> "Life":
        self.supervisor.until("READY=1")
        return self

    def end(self) -> int:
        code = self.process.wait(PATIENCE_S)
        self.told = self.supervisor.rest()
        self.supervisor.close()
        return code

    def children(self) -> list[int]:
        text = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in text.split()]


def is_dead(pid: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() == b""
    except OSError:
        return True


@pytest.fixture
def run(folder, image, tmp_path):
    tools = enclave_standins.write(tmp_path)
    lives = []

    def start(*options, mode="beat", more=None):
        lives.append(Life(folder, image, *options, mode=mode, tools=tools, more=more))
        return lives[-1]

    yield start
    for life in lives:
        life.process.kill()
        life.process.wait()
        life.process.stdout.close()


def test_a_whole_emulated_life(run, folder, tmp_path, image):
    words = tmp_path / "words"
    life = run("--parent-role", "arn:aws:iam::1:role/R", "--parent-id", "i-0123", "--memory", "128", "--cpus", "3",
               "--accelerator", "tcg", "--firmware", "/a:/b", more={"CHAMBER_STANDIN_WORDS": str(words)}).ready()
    given = words.read_text().splitlines()
    assert given[:4] == ["-L", "/a", "-L", "/b"]
    assert "nitro-enclave,vsock=c,id=test,parent-role=arn:aws:iam::1:role/R,parent-id=i-0123" in given
    assert given[given.index("-m") + 1] == "128M" and given[given.index("-smp") + 1] == "3"
    (listed,) = json.loads(enclave("list", "--json", folder=folder).out)
    assert (listed["name"], listed["state"], listed["cid"], listed["emulated"]) == ("test", "running", 4, True)
    assert listed["pid"] == life.process.pid and listed["image"] == str(image)
    assert listed["vsock"] == f"{folder}/test.vsock" and listed["memory_bytes"] == 128 << 20
    assert stat.S_IMODE((folder / "test.console").stat().st_mode) == 0o600
    children = life.children()
    assert len(children) == 2
    assert enclave("stop", "test", folder=folder).code == DONE
    assert life.end() == DONE
    assert "THIS ENCLAVE PROTECTS NOTHING" in life.log and "the enclave is stopped name=test" in life.log
    assert left(folder) == [] and all(is_dead(pid) for pid in children)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_end_it_in_order(run, folder, sent):
    life = run().ready()
    life.process.send_signal(sent)
    assert life.end() == DONE and left(folder) == []


def test_programs_are_found_in_path_too(run, folder, image, tmp_path):
    del run
    life = Life(folder, image, more={"PATH": f"{tmp_path}:{os.environ['PATH']}", "CHAMBER_EMULATOR_TOOLS": ""})
    try:
        life.ready()
        life.process.terminate()
        assert life.end() == DONE
    finally:
        life.process.kill()
        life.process.stdout.close()


def test_a_name_runs_once(run, folder, image):
    life = run().ready()
    second = run("--name", "test")
    assert second.end() == FAILED
    assert "test: an enclave of that name runs; stop it, or give --name" in second.log
    third = run("--name", "other").ready()
    assert [one["name"] for one in json.loads(enclave("list", "--json", folder=folder).out)] == ["other", "test"]
    assert enclave("stop", "--all", folder=folder).code == DONE
    assert life.end() == third.end() == DONE and left(folder) == []


@pytest.mark.parametrize("mode,options,text", [
    ("wrong", [], "is not a heartbeat"),
    ("silent", ["--heartbeat-timeout", "0"], "no heartbeat in time"),
    ("nothing", [], "died before its heartbeat"),
    ("no-device", [], "ended at once"),
])
def test_what_fails_to_boot_is_said_and_leaves_only_its_console(run, folder, mode, options, text):
    life = run(*options, mode=mode)
    assert life.end() == FAILED and text in life.log and life.told == []
    assert left(folder) == ["test.console"]


def test_an_enclave_that_dies_is_a_failure(run, folder):
    life = run(mode="die").ready()
    assert life.end() == FAILED and "test: the enclave died\n" in life.log
    assert left(folder) == ["test.console"]


def test_without_a_heartbeat_it_is_ready_at_once_and_does_not_listen(run, folder):
    life = run("--no-heartbeat", mode="silent").ready()
    assert "test.vsock_9000" not in left(folder)
    life.process.terminate()
    assert life.end() == DONE and left(folder) == []


def test_a_stop_while_it_boots_ends_it(run, folder):
    life = run(mode="silent")
    wait_until(lambda: "enclave started" in life.log, "the start")
    assert json.loads(enclave("list", "--json", folder=folder).out)[0]["state"] == "starting"
    assert enclave("stop", "test", folder=folder).code == DONE
    assert life.end() == DONE and left(folder) == []


def test_a_machine_that_does_not_end_is_killed(run, folder):
    life = run(mode="stubborn").ready()
    children = life.children()
    assert enclave("stop", "test", folder=folder).code == DONE
    assert life.end() == DONE and all(is_dead(pid) for pid in children) and left(folder) == []


def test_a_killed_launcher_takes_its_enclave_along_and_the_name_is_free_again(run, folder):
    life = run().ready()
    children = life.children()
    life.process.kill()
    life.end()
    wait_until(lambda: all(is_dead(pid) for pid in children), "the children's end")
    assert json.loads(enclave("list", "--json", folder=folder).out)[0]["state"] == "dead"
    second = run().ready()
    assert enclave("stop", "test", folder=folder).code == DONE
    assert second.end() == DONE and left(folder) == []


def test_sockets_that_nobody_remembers_are_in_nobodys_way(run, folder):
    for name in ("test.device", "test.vsock", "test.vsock_9000"):
        (folder / name).touch()
    run().ready()
    assert enclave("stop", "test", folder=folder).code == DONE and left(folder) == []


def test_the_console_is_shown_harmless_until_the_end(run, folder):
    life = run().ready()
    with subprocess.Popen([BINARY, "enclave", "console", "test", "--runtime-dir", folder], stdout=subprocess.PIPE) as shown, \
            subprocess.Popen([BINARY, "enclave", "console", "test", "--raw", "--runtime-dir", folder],
                             stdout=subprocess.PIPE) as raw:
        assert [shown.stdout.readline() for _ in range(3)] == [b"booting\n", b"?[31mred?\n", b"booted\n"]
        assert raw.stdout.read(len(enclave_standins.CONSOLE)) == enclave_standins.CONSOLE
        with open(folder / "test.console", "ab") as console:
            console.write(b"later\n")
        assert shown.stdout.readline() == b"later\n"
        life.process.terminate()
        assert life.end() == DONE
        assert (shown.stdout.read(), shown.wait(PATIENCE_S), raw.wait(PATIENCE_S)) == (b"", DONE, DONE)


def test_the_console_goes_to_standard_output_when_asked(run, folder):
    life = run("--console", "-").ready()
    assert "its console goes to the standard output" in refused(
        "enclave", "console", "test", "--runtime-dir", folder, code=FAILED)
    life.process.terminate()
    assert life.end() == DONE
    assert life.process.stdout.read() == b"booting\n?[31mred?\nbooted\n"


def test_the_console_goes_to_a_file_which_stays(run, folder, tmp_path):
    life = run("--console", tmp_path / "console.txt").ready()
    assert enclave("stop", "test", folder=folder).code == DONE
    assert life.end() == DONE and left(folder) == []
    assert (tmp_path / "console.txt").read_bytes() == enclave_standins.CONSOLE


def test_wrong_tools_of_the_variable_are_named(folder, image):
    for text, named in (("{", "CHAMBER_EMULATOR_TOOLS, byte"), ("{}", "CHAMBER_EMULATOR_TOOLS, qemu: is not an absolute path")):
        assert named in refused("enclave", "run", image, "--emulate", "--runtime-dir", folder,
                                environment={"CHAMBER_EMULATOR_TOOLS": text})


# ------------------------------------------------------------------------------------- the systemd unit

UNIT = ROOT / "packaging" / "systemd" / "containment-chamber-enclave.service"


def unit() -> dict[str, str]:
    pairs = [line.partition("=") for line in UNIT.read_text().splitlines() if "=" in line and not line.startswith("#")]
    return {name: value for name, _, value in pairs}


@without_device
def test_the_unit_calls_the_program_as_it_wants_to_be_called(folder, image):
    program, *arguments = shlex.split(unit()["ExecStart"])
    assert pathlib.Path(program).name == "containment-chamber"
    there = [str(image) if argument.endswith("/enclave.eif") else argument for argument in arguments]
    called = call(*there, "--runtime-dir", folder, "--no-heartbeat")
    assert there != arguments and called.code == FAILED and "/dev/nitro_enclaves" in called.err


def test_the_unit_agrees_with_what_the_process_does():
    given = unit()
    assert (given["Type"], given["NotifyAccess"], given["Restart"]) == ("notify", "main", "on-failure")
    assert int(given["RestartPreventExitStatus"]) == USAGE
    assert given["RuntimeDirectory"] == "containment-chamber" and given["RuntimeDirectoryMode"] == "0700"
    assert given["DeviceAllow"] == "/dev/nitro_enclaves rw" and "AF_VSOCK" in given["RestrictAddressFamilies"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_systemd_finds_the_unit_right_and_closed(tmp_path):
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/usr/local/bin/containment-chamber", str(pathlib.Path(BINARY).resolve())))
    for command in (["verify"], ["security", "--offline=yes", "--threshold=25"]):
        done = subprocess.run(["systemd-analyze", "--no-pager", *command, str(copy)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert UNIT.name not in done.stderr, done.stderr


# --------------------------------------------------------------------------------- on the real emulator

@pytest.mark.skipif(not {"CHAMBER_EMULATOR_TOOLS", "CHAMBER_ENCLAVE_IMAGE"} <= set(os.environ),
                    reason="CHAMBER_EMULATOR_TOOLS and CHAMBER_ENCLAVE_IMAGE do not name an emulator and an image")
def test_an_image_boots_on_the_real_emulator(folder, tmp_path):
    image = tmp_path / "real.eif"
    image.symlink_to(os.environ["CHAMBER_ENCLAVE_IMAGE"])
    life = Life(folder, image, "--parent-role", "arn:aws:iam::1:role/R", "--parent-id", "i-0123456789abcdef0")
    try:
        life.ready()
        children = life.children()
        assert json.loads(enclave("list", "--json", folder=folder).out)[0]["state"] == "running"
        assert "chamber.parent_cid=2" in (folder / "real.console").read_text(errors="replace")
        assert enclave("stop", "real", folder=folder).code == DONE
        assert life.end() == DONE, life.log
        assert left(folder) == [] and all(is_dead(pid) for pid in children)
    finally:
        life.process.kill()
        life.process.stdout.close()
