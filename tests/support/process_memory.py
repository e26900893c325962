"""Another process's memory, read as root: what lies where, and under which protection."""
import dataclasses
import pathlib
import re

CHUNK = 1 << 24


@dataclasses.dataclass
class Mapping:
    start: int
    end: int
    permissions: str
    name: str
    flags: set[str]  # of /proc/PID/smaps: "lo" locked, "dd" not in core files, "wf" wiped in a child
    resident: int  # KiB


def mappings(pid: int) -> list[Mapping]:
    found = []
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        head = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+\s*(.*)", line)
        if head:
            found.append(Mapping(int(head[1], 16), int(head[2], 16), head[3], head[4], set(), 0))
        elif line.startswith("Rss:"):
            found[-1].resident = int(line.split()[1])
        elif line.startswith("VmFlags:"):
            found[-1].flags = set(line.split()[1:])
    return found


def is_protected(mapping: Mapping) -> bool:
    return {"lo", "dd"} <= mapping.flags


def read(pid: int, mapping: Mapping) -> bytes:
    """All of it that can be read; pages that cannot count as empty."""
    out = bytearray()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for start in range(mapping.start, mapping.end, CHUNK):
            memory.seek(start)
            try:
                out += memory.read(min(CHUNK, mapping.end - start))
            except OSError:
                break
    return bytes(out)


def find(pid: int, patterns: dict[str, bytes]) -> dict[str, list[Mapping]]:
    """The mappings in which each pattern is found."""
    found = {name: [] for name in patterns}
    for mapping in mappings(pid):
        if mapping.permissions[0] != "r" or mapping.resident == 0 or mapping.name in ("[vvar]", "[vsyscall]"):
            continue
        content = read(pid, mapping)
        for name, pattern in patterns.items():
            if pattern in content:
                found[name].append(mapping)
    return found
