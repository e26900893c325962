"""What takes minutes to make is made once a machine and kept, named after all that went into it, in
${XDG_CACHE_HOME:-~/.cache}/containment-chamber."""
import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import sys


def base() -> pathlib.Path:
    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(home) / "containment-chamber"


def name_of(name: str, inputs) -> str:
    """<name>-<hash of the inputs>; an input is text, bytes, or a file."""
    whole = hashlib.sha256()
    for one in inputs:
        content = one.read_bytes() if isinstance(one, pathlib.Path) else one
        content = content.encode() if isinstance(content, str) else content
        whole.update(hashlib.sha256(content).digest())
    return f"{name}-{whole.hexdigest()[:16]}"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def only_one(path: pathlib.Path, what: str):
    """Holds the lock of what is being made: who comes second waits, and finds it made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{what}: another process is at it, waiting")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def made(name: str, inputs, make) -> pathlib.Path:
    """The folder of that name and those inputs; when there is none, make(folder) fills a new one, which appears
    as a whole or, when make() raises, not at all."""
    folder = base() / name_of(name, inputs)
    if folder.exists():
        return folder
    with only_one(folder.with_name(folder.name + ".lock"), name):
        if folder.exists():
            return folder
        part = folder.with_name(folder.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        make(part)
        part.replace(folder)
    return folder
