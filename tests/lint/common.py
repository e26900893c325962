"""What the lint scripts share: the tree's files, C without its comments, and how a finding is told."""
import functools
import os
import pathlib
import subprocess
import sys

# Another tree than our own is only for tests/lint/self.py.
ROOT = pathlib.Path(os.environ.get("CHAMBER_LINT_ROOT") or pathlib.Path(__file__).resolve().parents[2])
SKIPPED = 77  # meson shows the test as skipped


def _from_git() -> list[str]:
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    return [name for name in listed.stdout.decode().split("\0") if name]


def _from_disk() -> list[str]:
    names = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
    return [str(name) for name in names
            if not name.parts[0].startswith("build") and ".git" not in name.parts
            and "__pycache__" not in name.parts]


@functools.cache
def all_files() -> list[pathlib.PurePosixPath]:
    """Every file of the project, relative to its root, sorted; without build folders."""
    names = _from_git() or _from_disk()
    return sorted(pathlib.PurePosixPath(name) for name in set(names) if (ROOT / name).is_file())


def files(folder: str, *suffixes: str) -> list[pathlib.PurePosixPath]:
    """Those below a folder of the root with one of the suffixes."""
    return [name for name in all_files() if name.parts[0] == folder and name.suffix in suffixes]


def read(name: pathlib.PurePosixPath) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def code_only(text: str) -> str:
    """C with comments and the insides of literals blanked; lines and columns stay where they are."""
    out = []
    at = 0
    while at < len(text):
        if text.startswith("/*", at):
            end = text.find("*/", at + 2)
            end = len(text) if end < 0 else end + 2
        elif text.startswith("//", at):
            end = text.find("\n", at)
            end = len(text) if end < 0 else end
        elif text[at] in "\"'":
            end = _literal_end(text, at)
        else:
            out.append(text[at])
            at += 1
            continue
        out.extend("\n" if letter == "\n" else " " for letter in text[at:end])
        at = end
    return "".join(out)


def _literal_end(text: str, start: int) -> int:
    at = start + 1
    while at < len(text) and text[at] not in (text[start], "\n"):
        at += 2 if text[at] == "\\" else 1
    return min(at + 1, len(text))


class Findings:
    """Collects what is wrong; finish() tells it and gives the exit code."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, name, line: int, text: str) -> None:
        self.lines.append(f"{name}:{line}: {text}" if line else f"{name}: {text}")

    def finish(self, checked: str) -> int:
        for line in self.lines:
            print(line)
        print(f"{checked}: {len(self.lines) or 'no'} finding{'s' if len(self.lines) != 1 else ''}")
        return 1 if self.lines else 0


def skip(reason: str) -> None:
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)
