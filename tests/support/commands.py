"""One call of the program, and what a person at the terminal would hold of its answer."""
import dataclasses
import os
import subprocess

from signer import BINARY, PATIENCE_S

DONE, FAILED, USAGE = 0, 1, 2  # the exit codes, as --help documents them


@dataclasses.dataclass
class Called:
    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line of a refusal. Asserts that there is nothing else, on either stream."""
        lines = self.err.splitlines()
        assert self.out == "", self.out
        assert len(lines) == 1 and self.err.endswith("\n"), self.err
        assert lines[0].startswith("containment-chamber: "), lines[0]
        assert lines[0].isprintable(), lines[0]
        return lines[0].removeprefix("containment-chamber: ")


def clean_environment(more: dict | None = None) -> dict:
    """Our own environment without settings of a signer."""
    return {name: value for name, value in os.environ.items()
            if not name.upper().startswith("CONTAINMENT_")} | (more or {})


def call(*arguments, environment: dict | None = None, folder=None) -> Called:
    done = subprocess.run([BINARY, *map(str, arguments)], capture_output=True, cwd=folder,
                          env=clean_environment(environment), timeout=PATIENCE_S, stdin=subprocess.DEVNULL)
    return Called(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def refused(*arguments, code: int = USAGE, **options) -> str:
    """The complaint of a call that must be refused with `code`."""
    called = call(*arguments, **options)
    assert called.code == code, called
    return called.complaint
