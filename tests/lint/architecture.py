#!/usr/bin/env python3
"""Paths that the documents name exist, and ARCHITECTURE.md names every layer."""
import re
import sys

import common

MAP = "ARCHITECTURE.md"
QUOTED = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"[\w.*-]+(/[\w.*-]+)+/?|[\w-]+\.(?:c|h|md|py|sh|build|txt|json|yaml|toml|lock)")
SUFFIX = re.compile(r"(:\d+|\(\))$")


def documents() -> list:
    return [name for name in common.all_files() if name.suffix == ".md"
            and (name.parts[0] == "docs" or str(name) in (MAP, "README.md"))]


def names_a_path(text: str) -> bool:
    """True for what can only mean a file or folder of this tree: it begins with one of its folders."""
    if not PATH.fullmatch(text):
        return False
    if "/" not in text:
        return text[0].isupper() and text.endswith(".md")
    return text.split("/")[0] in {name.parts[0] for name in common.all_files() if len(name.parts) > 1}


def exists(text: str) -> bool:
    return any(common.ROOT.glob(text.rstrip("/"))) if "*" in text else (common.ROOT / text).exists()


def check_paths(name, findings: common.Findings) -> None:
    for number, line in enumerate(common.read(name).split("\n"), 1):
        for match in QUOTED.finditer(line):
            text = SUFFIX.sub("", match[1])
            if names_a_path(text) and not exists(text):
                findings.add(name, number, f"`{text}` is not there")


def main() -> int:
    findings = common.Findings()
    for name in documents():
        check_paths(name, findings)
    if (common.ROOT / MAP).is_file():
        text = (common.ROOT / MAP).read_text(encoding="utf-8")
        for layer in sorted({name.parts[1] for name in common.files("src", ".c", ".h")}):
            if f"src/{layer}" not in text:
                findings.add(MAP, 0, f"does not name src/{layer}")
    elif not findings.lines:
        common.skip(f"there is no {MAP} yet; {len(documents())} other documents name only what exists")
    return findings.finish(f"paths in {len(documents())} documents")


if __name__ == "__main__":
    sys.exit(main())
