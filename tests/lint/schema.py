#!/usr/bin/env python3
"""A schema that was released never changes: its SHA-256 stands in src/store/schema/RELEASED, one
"<hash>  <file>" a line, as sha256sum writes them. What must change gets a new file."""
import hashlib
import re
import sys

import common

FOLDER = common.ROOT / "src" / "store" / "schema"
LINE = re.compile(r"([0-9a-f]{64})  (\S+\.sql)")


def released(findings: common.Findings) -> dict[str, str]:
    hashes = {}
    path = FOLDER / "RELEASED"
    if not path.is_file():
        findings.add("src/store/schema/RELEASED", 0, "is not there")
        return hashes
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = LINE.fullmatch(line)
        if match is None:
            findings.add("src/store/schema/RELEASED", number, 'is not "<hash>  <file>"')
        elif match[2] in hashes:
            findings.add("src/store/schema/RELEASED", number, f"names {match[2]} again")
        else:
            hashes[match[2]] = match[1]
    return hashes


def main() -> int:
    findings = common.Findings()
    schemas = {path.name: path for path in sorted(FOLDER.glob("*.sql"))}
    if not schemas and not (FOLDER / "RELEASED").is_file():
        common.skip("there is no schema yet")
    hashes = released(findings)
    for name, path in schemas.items():
        now = hashlib.sha256(path.read_bytes()).hexdigest()
        if name not in hashes:
            findings.add(f"src/store/schema/{name}", 0, f"is not in RELEASED: {now}  {name}")
        elif hashes[name] != now:
            findings.add(f"src/store/schema/{name}", 0,
                         "was released and has changed: make a new file instead")
    for name in hashes.keys() - schemas.keys():
        findings.add(f"src/store/schema/{name}", 0, "was released and is not there")
    return findings.finish(f"{len(schemas)} schemas")


if __name__ == "__main__":
    sys.exit(main())
