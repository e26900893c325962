#!/usr/bin/env python3
"""The bytes of every text file: UTF-8, no space at a line's end, no tab, and nothing that belongs to the
machine, the network or the people of the day on which it was written."""
import re
import sys

import common

TABS_ALLOWED = ("Makefile",)
# Whole folders of data that is not ours to shape: inputs that fuzzing found.
DATA = ("tests/fuzz/corpus/",)
# Licences are reproduced as they are.
VERBATIM = ("LICENSE",)

# In two pieces, so that this file is clean by its own rules.
NEEDLES = {
    "a path of one machine": ["/ho" + "me/", "/ro" + "ot/", "/tmp/" + "wt", "/wo" + "rk/"],
    "a package registry's host": [
        "deb." + "debian.org", "security." + "debian.org", "ftp." + "debian.org",
        "snapshot." + "debian.org", "index." + "crates.io", "static." + "crates.io",
        "https://" + "crates.io", "registry." + "npmjs.org", "registry." + "yarnpkg.com",
        "pypi" + ".org", "files." + "pythonhosted.org", "proxy." + "golang.org",
        "sum." + "golang.org", "repo." + "maven", "repo1." + "maven", "deb." + "nodesource.com",
    ],
    "something unfinished": [r"\bTO" + r"DO\b", r"\bFIX" + r"ME\b", r"\bX" + r"XX\b"],
    "a word about who did the work": [
        "cla" + "ude", "anth" + "ropic", "open" + "ai", "chat" + "gpt", r"\bgp" + r"t-?\d", "copi" + "lot",
        "language " + "model", r"\bLL" + r"Ms?\b", r"\bassis" + "tant", "co-auth" + "ored", "sub" + "agent",
    ],
}
PATTERNS = [(what, re.compile("|".join(n if "\\b" in n else re.escape(n) for n in needles), re.I))
            for what, needles in NEEDLES.items()]


def check_lines(name, text: str, findings: common.Findings) -> None:
    for number, line in enumerate(text.split("\n"), 1):
        if line != line.rstrip():
            findings.add(name, number, "space, or a carriage return, at the line's end")
        if "\t" in line and name.name not in TABS_ALLOWED:
            findings.add(name, number, "a tab")
        for what, pattern in PATTERNS:
            found = pattern.search(line)
            if found:
                findings.add(name, number, f"{what}: {found[0]}")


def main() -> int:
    findings = common.Findings()
    checked = 0
    for name in common.all_files():
        raw = (common.ROOT / name).read_bytes()
        if str(name).startswith(DATA) or b"\0" in raw[:8000] or str(name) in VERBATIM:
            continue
        checked += 1
        if raw and not raw.endswith(b"\n"):
            findings.add(name, 0, "does not end with a line's end")
        if raw.endswith(b"\n\n"):
            findings.add(name, 0, "ends with an empty line")
        try:
            check_lines(name, raw.decode("utf-8"), findings)
        except UnicodeDecodeError:
            findings.add(name, 0, "is not UTF-8")
    return findings.finish(f"text of {checked} files")


if __name__ == "__main__":
    sys.exit(main())
