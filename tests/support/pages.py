"""The project's Markdown pages: their blocks, links, headings and tables, and a shell that runs their examples.

A block marked `console` is run: a line that begins with "$ " is a command, lines after it that begin with "> "
belong to it, and all others are its whole output, stdout and stderr together. "…" in an output line stands for
any text, a line of "…" alone for any lines. Every command must succeed; the shell, its folder and what runs in
it last for the page. A command that ends in " &" is a signer: it gets free ports, and 9000 and 3000 stand for
these from then on. Blocks marked `sh` are only shown.
"""
import os
import pathlib
import re
import subprocess
import time
import urllib.request
from dataclasses import dataclass, field

import log_thread
from signer import BINARY, PATIENCE_S, ROOT

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
SPAN = re.compile(r"`([^`\n]+)`")
END = "--- end of command"


def all_pages() -> list[pathlib.Path]:
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@dataclass
class Command:
    line: int
    text: str
    output: list[str] = field(default_factory=list)


class Page:
    def __init__(self, path: pathlib.Path):
        self.path = path
        self.text = path.read_text()
        self.prose = FENCE.sub("", self.text)

    def blocks(self, language: str) -> list[tuple[int, str]]:
        """The blocks of a language, each with the number of its first line."""
        return [(self.text.count("\n", 0, found.start()) + 2, found[2])
                for found in FENCE.finditer(self.text) if found[1] == language]

    def headings(self) -> list[str]:
        return re.findall(r"^#+ (.*)$", self.prose, re.MULTILINE)

    def anchors(self) -> set[str]:
        """As the usual hosts make them: lower case, no punctuation, hyphens for spaces."""
        return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in self.headings()}

    def links(self) -> list[str]:
        return LINK.findall(SPAN.sub("", self.prose))

    def spans(self) -> list[str]:
        return SPAN.findall(self.prose)

    def tables(self, first: str) -> list[list[str]]:
        """The rows of all tables whose first column is headed `first`."""
        rows, inside = [], False
        for line in self.prose.splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else None
            if cells is None:
                inside = False
            elif inside and not set(line) <= set("|- "):
                rows.append(cells)
            elif cells[0] == first:
                inside = True
        return rows

    def commands(self) -> list[Command]:
        commands = []
        for first, block in self.blocks("console"):
            for number, line in enumerate(block.splitlines(), first):
                if line.startswith("$ "):
                    commands.append(Command(number, line[2:]))
                elif line.startswith("> ") and not commands[-1].output:
                    commands[-1].text += "\n" + line[2:]
                else:
                    commands[-1].output.append(line)
        return commands


def fits(shown: list[str], given: str) -> bool:
    parts = [r"(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*?") + "\n" for line in shown]
    given = given.rstrip("\n") + "\n" if given.strip("\n") else ""
    return re.fullmatch("".join(parts), given) is not None


class Shell:
    """One bash in a folder of its own, where `containment-chamber` and `build/containment-chamber` are the program."""

    def __init__(self, folder: pathlib.Path):
        self.folder, self.ports = folder, {}
        for path in (folder / "bin", folder / "build"):
            path.mkdir(parents=True)
            (path / "containment-chamber").symlink_to(pathlib.Path(BINARY).resolve())
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CONTAINMENT_")}
        environment |= {"PATH": f"{folder / 'bin'}:{environment['PATH']}", "LC_ALL": "C.UTF-8",
                        "CONTAINMENT_SERVER__LISTEN_PORT": "0", "CONTAINMENT_METRICS__LISTEN_PORT": "0"}
        self.bash = subprocess.Popen(["bash", "--noprofile", "--norc"], cwd=folder, env=environment, text=True,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                     start_new_session=True)

    def run(self, text: str) -> tuple[str, int]:
        """The output of a command, and its exit code."""
        background = text.endswith(" &")
        log_thread.settle_children(self.bash.pid)
        for shown, real in self.ports.items():
            text = text.replace(f":{shown}", f":{real}")
        self.bash.stdin.write(f"{text}\nprintf '\\n%s %d\\n' '{END}' $?\n")
        self.bash.stdin.flush()
        output = ""
        for line in self.bash.stdout:
            if line.startswith(END):
                break
            output += line
        else:
            raise AssertionError(f"the shell ended at: {text}\n{output}")
        if background:
            self._find_ports(re.search(r"2>\s*(\S+)", text)[1])
        output = output[:-1]  # the line's end before the mark
        for shown, real in self.ports.items():
            output = output.replace(f":{real}", f":{shown}")
        return output, int(line.removeprefix(END))

    def _find_ports(self, log: str):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            path = self.folder / log
            text = path.read_text() if path.is_file() else ""
            found = re.findall(r"listen_port=(\d+) metrics_port=(\d+)", text)
            if found and is_ready(found[-1][0]):
                self.ports = dict(zip(("9000", "3000"), found[-1]))
                return
            time.sleep(0.01)
        raise AssertionError(f"the signer did not become ready:\n{text}")

    def close(self):
        """Ends the shell and all that still runs in it."""
        for kill in ("kill $(jobs -p) 2>/dev/null", "wait", "exit"):
            if self.bash.poll() is None:
                self.bash.stdin.write(kill + "\n")
        self.bash.stdin.close()
        self.bash.stdout.read()
        self.bash.wait(PATIENCE_S)


def is_ready(port: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthcheck", timeout=PATIENCE_S) as answer:
            return answer.status == 200
    except OSError:
        return False
