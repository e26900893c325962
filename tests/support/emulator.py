"""An emulated Nitro Enclave: QEMU's machine with a security module and a vsock device, and the parent's side of it.

    with Emulator(image) as enclave:
        enclave.wait_for_heartbeat()
        connection = enclave.connect(9443)

Differences from AWS: the parent is at CID 2, half-closed connections are not carried, and a connection that nobody
accepts is not refused but hangs. See docs/enclave-image.md."""
import contextlib
import fcntl
import functools
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import build_emulator  # noqa: E402  (after the path is set)

PARENT_CID = 2
HEARTBEAT_PORT = 9000
HEARTBEAT = b"\xb7"
WAIT_S = 60
TAIL_LINES = 60
# QEMU 10.0 reads 32 bytes of memory for an instruction of AVX that has 16 (vinserti128): a fault where a page ends
# behind them, which OpenSSL's SHA-512 runs into.
EMULATED_CPU = "max,-avx,-avx2"
KVM_GET_API_VERSION, KVM_CREATE_VM = 0xAE00, 0xAE01

ROLE = "arn:aws:iam::123456789012:role/Webserver"
INSTANCE = "i-1234567890abcdef0"
MODULE = "i-1234567890abcdef0-enc0123456789abcdef"


class EmulatorError(RuntimeError):
    """What went wrong, and the ends of the console and of the logs."""


def kvm_usable() -> bool:
    """Whether this machine may run virtual machines on its CPU, not only emulate one. CHAMBER_EMULATOR=tcg says no
    where a virtual machine's own KVM does not do what it promises."""
    flags = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").split("flags", 2)[1].split()
    if os.environ.get("CHAMBER_EMULATOR") == "tcg" or not {"vmx", "svm"} & set(flags):
        return False
    try:
        with open("/dev/kvm", "rb+", buffering=0) as kvm:
            if fcntl.ioctl(kvm, KVM_GET_API_VERSION) != 12:
                return False
            os.close(fcntl.ioctl(kvm, KVM_CREATE_VM))
            return True
    except OSError:
        return False


@functools.cache
def emulated_clock(tsc_khz: str) -> str:
    """Kernel options for an emulated CPU: the counter that it keeps time by. Without them its clock would be the
    timer's ticks, and lose those that a busy host does not deliver; and its timer would be found broken, for the
    same reason, when the kernel tries it."""
    measured = subprocess.run([tsc_khz], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    return f" tsc=reliable tsc_early_khz={measured} no_timer_check"


def tail(path: pathlib.Path) -> str:
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    return "\n".join(f"  {line}" for line in text.splitlines()[-TAIL_LINES:])


def wait_until(condition, what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > deadline:
            raise EmulatorError(f"{what}: not within {WAIT_S} s")
        time.sleep(0.01)


class Emulator:
    """One enclave, from the image's bytes or its file. Everything of it ends with close(), or with this process."""

    def __init__(self, image, *, signer=None, memory_mib: int = 512, cpus: int = 2, role: str = ROLE,
                 instance: str = INSTANCE, module: str = MODULE, heartbeat: bool = True, kvm: bool | None = None):
        self.settings = {"memory": memory_mib, "cpus": cpus, "role": role, "instance": instance, "module": module}
        self.signer = signer
        self.kvm = kvm_usable() if kvm is None else kvm
        # A short path: the names of UNIX sockets are bounded.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="enclave-"))
        self.image = self.folder / "image.eif"
        if isinstance(image, bytes):
            self.image.write_bytes(image)
        else:
            self.image.symlink_to(pathlib.Path(image).resolve())
        self.console_path = self.folder / "console"
        self.children: dict[str, subprocess.Popen] = {}
        self.sockets: list[socket.socket] = []
        self.heartbeats = threading.Event()
        self.answers_heartbeat = heartbeat

    # ---------------------------------------------------------------------------------------------- life

    def start(self) -> "Emulator":
        parts = build_emulator.machine()
        try:
            if self.answers_heartbeat:
                listener = self.listen(HEARTBEAT_PORT)
                threading.Thread(target=self.answer_heartbeats, args=(listener,), daemon=True).start()
            self.spawn("vsock", [parts["vhost_device_vsock"], "--vm", self.vsock_options()])
            wait_until(lambda: (self.folder / "device.sock").exists() or not self.is_running("vsock"),
                       "the vsock device's socket")
            self.spawn("qemu", self.qemu_command(parts), self.qemu_environment())
        except BaseException:
            self.close()
            raise
        return self

    def vsock_options(self) -> str:
        # A guest that sends more at once than the device buffers would hang: it gets less than half of 64 KiB.
        return f"guest-cid=4,socket={self.folder}/device.sock,uds-path={self.folder}/vm,tx-buffer-size=28672"

    def qemu_command(self, parts: dict) -> list[str]:
        s = self.settings
        machine = f"nitro-enclave,vsock=c,id={s['module']},parent-role={s['role']},parent-id={s['instance']}"
        accelerator = ["-accel", "kvm", "-cpu", "host"] if self.kvm else ["-accel", "tcg", "-cpu", EMULATED_CPU]
        clock = "" if self.kvm else emulated_clock(parts["tsc_khz"])
        return [parts["qemu"], *(word for folder in parts["firmware"] for word in ("-L", folder)),
                "-M", machine, *accelerator, "-smp", str(s["cpus"]), "-m", f"{s['memory']}M",
                "-kernel", str(self.image), "-chardev", f"socket,id=c,path={self.folder}/device.sock",
                "-display", "none", "-monitor", "none", "-serial", f"file:{self.console_path}",
                # With it, the machine sometimes loses the second of two buffers, and so the security module.
                "-global", "virtio-mmio.ioeventfd=off",
                # This machine has no keyboard controller to be reset by; what is appended is not measured.
                "-append", "reboot=t" + clock, "-no-reboot"]

    def qemu_environment(self) -> dict:
        without = {name: value for name, value in os.environ.items() if name != "CHAMBER_NSM_SIGNER"}
        return without | ({"CHAMBER_NSM_SIGNER": str(self.signer.path)} if self.signer else {})

    def spawn(self, name: str, command: list[str], environment: dict | None = None) -> None:
        """Starts a child that is killed with this process, however that ends."""
        with open(self.folder / f"{name}.log", "wb") as log:
            self.children[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command], env=environment, cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def is_running(self, name: str = "qemu") -> bool:
        return name in self.children and self.children[name].poll() is None

    def close(self) -> None:
        for child in reversed(self.children.values()):
            child.kill()
            child.wait()
        for one in self.sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)  # whoever waits in accept() wakes up
            one.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> "Emulator":
        return self.start()

    def __exit__(self, kind, error, _) -> None:
        report = self.report() if error is not None else ""
        self.close()
        if report:
            print(report)  # pytest shows it beside the failure

    # ------------------------------------------------------------------------------------------- console

    @property
    def console(self) -> str:
        if not self.console_path.exists():
            return ""
        return self.console_path.read_text(encoding="utf-8", errors="replace")

    def report(self) -> str:
        logs = [self.console_path, *(self.folder / f"{name}.log" for name in self.children)]
        return "\n".join(f"--- end of {path.name}\n{tail(path)}" for path in logs)

    def wait(self, condition, what: str) -> None:
        """Until the condition holds; fails at once when the machine ends before."""
        def settled():
            return condition() or not self.is_running("qemu") or not self.is_running("vsock")

        try:
            wait_until(settled, what)
        except EmulatorError as error:
            raise EmulatorError(f"{error}\n{self.report()}") from None
        if not condition():
            raise EmulatorError(f"{what}: the enclave ended\n{self.report()}")

    def wait_for_heartbeat(self) -> None:
        self.wait(self.heartbeats.is_set, "the heartbeat")

    def wait_for_console(self, text: str) -> None:
        self.wait(lambda: text in self.console, f"{text!r} on the console")

    def wait_for_end(self) -> None:
        """Until the enclave ended by itself: its kernel rebooted."""
        try:
            wait_until(lambda: not self.is_running(), "the enclave's end")
        except EmulatorError as error:
            raise EmulatorError(f"{error}\n{self.report()}") from None

    # --------------------------------------------------------------------------------------------- vsock

    def listen(self, port: int) -> socket.socket:
        """A listening socket for the guest's connections to the parent's port. To be called before the guest
        connects."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sockets.append(listener)
        listener.bind(f"{self.folder}/vm_{port}")
        listener.listen()
        return listener

    def answer_heartbeats(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the listener's end is this thread's
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(WAIT_S)
                    if connection.recv(1) == HEARTBEAT:
                        connection.sendall(HEARTBEAT)
                        self.heartbeats.set()

    def try_connect(self, port: int) -> socket.socket | None:
        """One attempt; None when nobody accepts in the guest."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(5)
        try:
            connection.connect(f"{self.folder}/vm")
            connection.sendall(b"CONNECT %d\n" % port)
            answer = b""
            while not answer.endswith(b"\n") and len(answer) < 32:
                byte = connection.recv(1)
                if not byte:
                    break
                answer += byte
        except OSError:
            answer = b""
        if not answer.startswith(b"OK "):
            connection.close()
            return None
        connection.settimeout(WAIT_S)
        return connection

    def connect(self, port: int) -> socket.socket:
        """A connection to the guest's port, as soon as it listens there."""
        made: list[socket.socket] = []

        def attempt():
            found = None if made else self.try_connect(port)
            made.extend([found] if found else [])
            return bool(made)

        self.wait(attempt, f"a connection to port {port} of the guest")
        return made[0]
