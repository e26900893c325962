#!/usr/bin/env python3
"""C as clang-format writes it, shell scripts as shellcheck wants them, Python that compiles."""
import shutil
import subprocess
import sys

import common


def tool(*names: str) -> str:
    for name in names:
        if shutil.which(name):
            return name
    sys.exit(f"{names[-1]} is needed: tools/packages.sh test installs it")


def is_shell(name) -> bool:
    if name.suffix == ".sh":
        return True
    with open(common.ROOT / name, "rb") as file:
        return file.readline(100).rstrip() in (b"#!/bin/sh", b"#!/usr/bin/env bash", b"#!/bin/bash")


def check_c() -> int:
    names = [*common.files("src", ".c", ".h"), *common.files("tests", ".c", ".h")]
    command = [tool("clang-format-14", "clang-format"), "--dry-run", "-Werror", *map(str, names)]
    return subprocess.run(command, cwd=common.ROOT, check=False).returncode


def check_shell() -> int:
    names = [name for name in common.all_files() if is_shell(name)]
    if not names:
        return 0
    command = [tool("shellcheck"), "--external-sources", *map(str, names)]
    return subprocess.run(command, cwd=common.ROOT, check=False).returncode


def check_python() -> int:
    findings = common.Findings()
    names = [name for name in common.all_files() if name.suffix == ".py"]
    for name in names:
        try:
            compile(common.read(name), str(name), "exec")
        except SyntaxError as error:
            findings.add(name, error.lineno or 0, f"does not compile: {error.msg}")
    return findings.finish(f"{len(names)} Python files")


if __name__ == "__main__":
    sys.exit(1 if any([check_c(), check_shell(), check_python()]) else 0)
