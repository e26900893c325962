"""The thread that writes a program's log. A line is queued before the answer that it is about leaves, and written a
little later; who reads the log waits for the thread first."""
import pathlib
import time

SLEEPING = 4         # looks in a row at which the thread sleeps: it may sleep for a moment at the queue's lock, too
PATIENCE_S = 20      # a program that is stopped or stuck; what its log has is read then


def settle(pid: int) -> None:
    """Waits until all lines that the process has queued are in its log, or it has no such thread (any more)."""
    end = time.monotonic() + PATIENCE_S
    seen = 0
    while seen < SLEEPING and time.monotonic() < end:
        state = _state(pid)
        if state is None:
            return
        seen = seen + 1 if state == "S" else 0
        time.sleep(0.001)


def settle_children(pid: int) -> None:
    """The same for all processes that this one started."""
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            parent = (path / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if int(parent) == pid:
            settle(int(path.name))


def _state(pid: int) -> str | None:
    """The state of the process's thread of that name; None: there is none."""
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*"):
        try:
            name, _, rest = (task / "stat").read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue
        if name == "log":
            return rest.split()[0]
    return None
