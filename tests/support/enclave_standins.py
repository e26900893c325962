"""Programs that play QEMU and its vsock device for `enclave run --emulate`: they check each word that they are
called with, and play an enclave that boots, or fails to, as CHAMBER_STANDIN says:

    beat      sends the heartbeat and lives on          wrong     sends another byte
    silent    boots without a heartbeat                 die       beats, then dies
    nothing   QEMU ends at once                         stubborn  beats, and does not end when it is asked to
    no-device the vsock device ends at once
"""
import os
import pathlib
import re
import select
import signal
import socket
import stat
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
HEARTBEAT = b"\xb7"
CONSOLE = b"booting\r\n\x1b[31mred\x07\r\nbooted\r\n"
SCRIPT = "#!/usr/bin/python3\nimport sys\nsys.path.insert(0, {here!r})\nimport enclave_standins\n" \
         "enclave_standins.{name}(sys.argv[1:])\n"


def write(folder: pathlib.Path) -> dict:
    """The two programs in a folder, as CHAMBER_EMULATOR_TOOLS names them."""
    for program, name in (("qemu-system-x86_64", "qemu"), ("vhost-device-vsock", "vsock_device")):
        path = folder / program
        path.write_text(SCRIPT.format(here=str(HERE), name=name), encoding="utf-8")
        path.chmod(0o755)
    return {"qemu": str(folder / "qemu-system-x86_64"), "vhost_device_vsock": str(folder / "vhost-device-vsock")}


def wrong(text: str):
    print(f"stand-in: {text}", file=sys.stderr, flush=True)
    sys.exit(64)


def matching(pattern: str, text: str) -> re.Match:
    return re.fullmatch(pattern, text) or wrong(f"{text!r} is not {pattern!r}")


def alone(folder_of: str) -> None:
    """Nothing of the launcher's may be open here, and there is nothing to read."""
    more = [fd for fd in os.listdir("/proc/self/fd") if int(fd) > 2 and os.path.exists(f"/proc/self/fd/{fd}")]
    if more:
        wrong(f"{folder_of} has more files: {more}")
    if os.read(0, 1) != b"":
        wrong(f"{folder_of} has an input")


# ------------------------------------------------------------------------------------------ vsock device


def vsock_device(words: list[str]) -> None:
    alone("the vsock device")
    if len(words) != 2 or words[0] != "--vm":
        wrong(f"words of the vsock device: {words}")
    found = matching(r"guest-cid=(\d+),socket=(/[^,]+),uds-path=(/[^,]+),tx-buffer-size=(\d+)", words[1])
    if int(found[1]) < 3 or int(found[4]) >= 32768:
        wrong(words[1])
    if os.environ["CHAMBER_STANDIN"] == "no-device":
        sys.exit(1)
    guest = listening(found[2])
    listening(found[3])
    machine, _ = guest.accept()
    parent = socket.socket(socket.AF_UNIX)
    parent.connect(f"{found[3]}_9000")
    pass_on(machine, parent)
    signal.pause()


def listening(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)  # fails when an earlier run left it
    listener.listen()
    KEPT.append(listener)
    return listener


KEPT: list = []


def pass_on(one: socket.socket, other: socket.socket) -> None:
    while True:
        for source in select.select([one, other], [], [])[0]:
            data = source.recv(4096)
            if not data:
                one.close()
                other.close()
                return
            (other if source is one else one).sendall(data)


# ------------------------------------------------------------------------------------------------- QEMU

ONCE = {"-M", "-accel", "-cpu", "-smp", "-m", "-kernel", "-chardev", "-serial", "-append", "-display", "-monitor",
        "-global"}
FLAGS = {"-no-reboot", "-nodefaults"}


def options(words: list[str]) -> dict:
    found: dict = {"-L": []}
    at = iter(words)
    for word in at:
        if word in FLAGS and word not in found:
            found[word] = True
        elif word == "-L":
            found["-L"].append(next(at))
        elif word in ONCE and word not in found:
            found[word] = next(at)
        else:
            wrong(f"unknown or again: {word}")
    missing = (ONCE | FLAGS) - set(found)
    return wrong(f"missing: {missing}") if missing else found


def check_machine(o: dict) -> str:
    """Gives the path of the vsock device's socket."""
    matching(r"nitro-enclave,vsock=c,id=[a-z0-9-]+(,parent-role=arn:[^,]+)?(,parent-id=i-[0-9a-f]+)?", o["-M"])
    device = matching(r"socket,id=c,path=(/[^,]+)", o["-chardev"])[1]
    if not stat.S_ISSOCK(os.stat(device).st_mode):
        wrong("the vsock device has no socket")
    if (o["-accel"], o["-cpu"]) not in {("kvm", "host"), ("tcg", "max,-avx,-avx2")}:
        wrong("accelerator and CPU")
    clock = r" tsc=reliable tsc_early_khz=\d{6,8}" if o["-accel"] == "tcg" else ""
    matching("reboot=t chamber.parent_cid=2" + clock, o["-append"])
    matching(r"[1-9]\d*", o["-smp"])
    matching(r"[1-9]\d*M", o["-m"])
    if (o["-display"], o["-monitor"], o["-global"]) != ("none", "none", "virtio-mmio.ioeventfd=off"):
        wrong("fixed options")
    with open(o["-kernel"], "rb") as image:
        if image.read(4) != b".eif":
            wrong("no image")
    return device


def qemu(words: list[str]) -> None:
    alone("QEMU")
    mode = os.environ["CHAMBER_STANDIN"]
    found = options(words)
    device = check_machine(found)
    if "CHAMBER_STANDIN_WORDS" in os.environ:
        pathlib.Path(os.environ["CHAMBER_STANDIN_WORDS"]).write_text("\n".join(words), encoding="utf-8")
    if mode == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with open(matching(r"file:(/.+)", found["-serial"])[1], "wb") as console:
        console.write(CONSOLE)
    if mode == "nothing":
        sys.exit(1)
    play(mode, device)


def play(mode: str, device: str) -> None:
    machine = socket.socket(socket.AF_UNIX)
    machine.connect(device)
    if mode == "silent":
        forever()
    machine.sendall(b"\x00" if mode == "wrong" else HEARTBEAT)
    if machine.recv(1) != HEARTBEAT:
        wrong("the heartbeat was not answered")
    if mode == "die":
        sys.exit(0)
    forever()


def forever() -> None:
    while True:
        time.sleep(1000)
