#!/usr/bin/env python3
"""Includes go downwards only: each layer of src/ may include what the table allows, and a library's header
only the layer that wraps it."""
import re
import sys

import common

# What each layer may include beside itself: a layer, or one header of it.
ALLOWED = {
    "base": set(),
    "bls": {"base"},
    "attest": {"base"},
    "eif": {"base", "attest/pcr.h"},
    "enclave": {"base", "attest"},
    "eth": {"base"},
    "slashing": {"base", "eth/types.h"},
    "keystore": {"base", "bls", "eth/types.h"},
    "store": {"base", "eth/types.h", "slashing"},
    "net": {"base"},
    "atls": {"base", "attest", "net"},
    "signer": {"base", "bls", "eth", "slashing", "keystore"},
    "config": {"base"},
    "parent": {"base", "config", "enclave", "net"},
    "api": {"base", "attest", "eth", "net", "signer", "slashing", "keystore"},
    "app": None,  # everything
}

# Headers of libraries, and the only folder or file that may include them.
WRAPPED = {
    "blst.h": "src/bls/",
    "blst_aux.h": "src/bls/",
    "cbor.h": "src/base/cbor.c",
    "jansson.h": "src/base/json.c",
    "sqlite3.h": "src/store/",
    "event2/": "src/net/",
    "llhttp.h": "src/net/",
    "zlib.h": "src/eif/",
    "openssl/ssl.h": "src/net/",
    "seccomp.h": "src/enclave/syscall_filter.c",
}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"\n]*)"|<([^>\n]*)>)', re.MULTILINE)


def is_allowed(layer: str, target: str) -> bool:
    allowed = ALLOWED[layer]
    to = target.split("/")[0]
    return to == layer or allowed is None or to in allowed or target in allowed


def is_generated(layer: str, target: str) -> bool:
    """A header without a folder that the layer's own meson.build makes."""
    build = common.ROOT / "src" / layer / "meson.build"
    return "/" not in target and build.is_file() and f"output: '{target}'" in build.read_text("utf-8")


def check_ours(name, line: int, target: str, findings: common.Findings) -> None:
    layer = name.parts[1]
    to = target.split("/")[0]
    if is_generated(layer, target):
        return
    if not (common.ROOT / "src" / target).is_file():
        findings.add(name, line, f'"{target}" is no header below src/')
    elif to not in ALLOWED:
        findings.add(name, line, f"layer {to} is not in the table of tests/lint/layers.py")
    elif not is_allowed(layer, target):
        findings.add(name, line, f'layer {layer} may not include "{target}"')


def check_library(name, line: int, target: str, findings: common.Findings) -> None:
    for header, owner in WRAPPED.items():
        matches = target.startswith(header) if header.endswith("/") else target == header
        if matches and not str(name).startswith(owner):
            findings.add(name, line, f"<{target}> is for {owner} alone")
    if (common.ROOT / "src" / target).is_file():
        findings.add(name, line, f'<{target}> is ours: write "{target}"')


def main() -> int:
    findings = common.Findings()
    names = common.files("src", ".c", ".h")
    for name in names:
        layer = name.parts[1]
        if layer not in ALLOWED:
            findings.add(name, 0, f"layer {layer} is not in the table of tests/lint/layers.py")
            continue
        text = common.read(name)
        for match in INCLUDE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            if match[1] is not None:
                check_ours(name, line, match[1], findings)
                check_library(name, line, match[1].removeprefix("src/"), common.Findings())
            else:
                check_library(name, line, match[2], findings)
    return findings.finish(f"includes of {len(names)} files")


if __name__ == "__main__":
    sys.exit(main())
