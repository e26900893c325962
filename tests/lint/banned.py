#!/usr/bin/env python3
"""Functions and statements that CONTRIBUTING.md bans from src/. A line that ends in "/* allowed: why */" is
let through, counted and listed."""
import re
import sys

import common

EVERYWHERE = {
    "strcpy": "no bound: use base/buf.h or snprintf",
    "strcat": "no bound: use base/buf.h",
    "sprintf": "no bound: use snprintf",
    "vsprintf": "no bound: use vsnprintf",
    "gets": "no bound: use fgets",
    "strtok": "hidden state",
    "atoi": "no errors: use base/decimal.h",
    "atol": "no errors: use base/decimal.h",
    "atoll": "no errors: use base/decimal.h",
    "strtol": "signs, spaces and bases: use base/decimal.h",
    "strtoll": "signs, spaces and bases: use base/decimal.h",
    "strtoul": "signs, spaces and bases: use base/decimal.h",
    "strtoull": "signs, spaces and bases: use base/decimal.h",
    "rand": "not random: use base/random.h",
    "srand": "not random: use base/random.h",
    "random": "not random: use base/random.h",
    "time": "use base/clock.h",
    "localtime": "hidden state: use base/clock.h",
    "localtime_r": "local time: use base/clock.h",
    "gmtime": "hidden state: use base/clock.h",
    "system": "runs a shell",
    "popen": "runs a shell",
    "alloca": "no bound on the stack",
    "explicit_bzero": "invisible to the sanitizers: use secret_wipe()",
}
ELSEWHERE = {  # allowed below one folder
    "malloc": ("src/base/", "use calloc, a buf or a secret block"),
    "realloc": ("src/base/", "use a buf"),
    "exit": ("src/app/", "only the program ends itself; return a result"),
}
SECRET_COMPARISON = re.compile(r"\bmemcmp\s*\([^;]*(secret|password|passphrase|token|private)", re.I)
CALL = re.compile(r"(?<![\w.>])(" + "|".join([*EVERYWHERE, *ELSEWHERE]) + r")\s*\(")
GOTO = re.compile(r"\bgoto\b")
WAIVER = re.compile(r"/\* allowed: (.*?) \*/")


def complaints(name, code: str):
    for match in CALL.finditer(code):
        function = match[1]
        folder, why = ELSEWHERE.get(function, ("", EVERYWHERE.get(function)))
        if not folder or not str(name).startswith(folder):
            yield f"{function}(): {why}"
    if GOTO.search(code):
        yield "goto: use CLEANUP"
    if SECRET_COMPARISON.search(code):
        yield "memcmp() of a secret: use secret_equal()"


def main() -> int:
    findings = common.Findings()
    waivers = []
    names = common.files("src", ".c", ".h")
    for name in names:
        text = common.read(name)
        lines = zip(text.split("\n"), common.code_only(text).split("\n"))
        for number, (line, code) in enumerate(lines, 1):
            for complaint in complaints(name, code):
                waiver = WAIVER.search(line)
                if waiver:
                    waivers.append(f"{name}:{number}: {complaint.split(':')[0]}: {waiver[1]}")
                else:
                    findings.add(name, number, complaint)
    for waiver in waivers:
        print(f"allowed: {waiver}")
    return findings.finish(f"{len(names)} files, {len(waivers)} lines allowed")


if __name__ == "__main__":
    sys.exit(main())
