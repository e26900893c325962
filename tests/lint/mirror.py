#!/usr/bin/env python3
"""Every module has its test, every header its purpose and its guard, and nothing is longer than the house
allows."""
import pathlib
import re
import sys

import common

HEADER_LINES_MAX = 150
SOURCE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70

# What is only itself when the whole program runs is held by an integration test of that name.
RUNNING = {
    "src/api/eth2.c": "test_eth2.py",
    "src/api/keymanager.c": "test_keymanager.py",
    "src/api/keymanager_delete.c": "test_keymanager_delete.py",
    "src/api/keymanager_import.c": "test_keymanager_import.py",
    "src/api/metrics.c": "test_metrics.py",
    "src/api/reload.c": "test_reload.py",
    "src/api/sign.c": "test_sign.py",
    "src/app/atls.c": "test_atls_verify.py",
    "src/app/atls_report.c": "test_atls_verify.py",
    "src/app/atls_proxy.c": "test_atls_proxy.py",
    "src/app/atls_server.c": "test_atls_proxy.py",
    "src/app/atls_trust.c": "test_atls_verify.py",
    "src/app/bench.c": "test_bench.py",
    "src/app/eif.c": "test_eif.py",
    "src/app/eif_build.c": "test_eif.py",
    "src/app/eif_command.c": "test_eif.py",
    "src/app/eif_cpio.c": "test_eif.py",
    "src/app/eif_pcr.c": "test_eif.py",
    "src/app/eif_show.c": "test_eif.py",
    "src/app/certificates.c": "test_tls.py",
    "src/app/enclave_main.c": "../enclave/test_init.py",
    "src/app/development.c": "../enclave/test_product.py",
    "src/app/enclave.c": "test_enclave_cli.py",
    "src/app/enclave_run.c": "test_enclave_cli.py",
    "src/app/enclave_server.c": "../enclave/test_product.py",
    "src/app/main.c": "test_command_line.py",
    "src/app/parent.c": "test_parent.py",
    "src/app/server.c": "test_lifecycle.py",
    "src/app/service.c": "test_lifecycle.py",
    "src/app/slashing.c": "test_slashing_cli.py",
    "src/app/stack.c": "test_lifecycle.py",
    "src/app/version.c": "test_command_line.py",
    "src/atls/proxy.c": "test_atls_proxy.py",
    "src/atls/session.c": "test_atls_proxy.py",
    "src/net/http_connection.c": "test_hostile_http.py",
    "src/net/http_loop.c": "test_hostile_http.py",
    "src/net/http_transport.c": "test_tls.py",
    "src/net/http_waiting.c": "test_hostile_http.py",
    "src/net/socket_bio.c": "test_tls.py",
    "src/net/relay_pair.c": "test_parent.py",
    "src/net/relay_target.c": "test_parent.py",
    "src/parent/bootstrap_server.c": "test_parent.py",
    "src/parent/heartbeat.c": "test_parent.py",
    "src/parent/metrics.c": "test_parent.py",
    "src/parent/parent.c": "test_parent.py",
}


def check_test(name, findings: common.Findings) -> None:
    test = f"tests/unit/{name.parts[1]}/test_{name.stem}.c"
    running = f"tests/integration/{RUNNING.get(str(name))}"
    if (common.ROOT / test).is_file():
        if str(name) in RUNNING:
            findings.add(name, 0, f"has {test} and needs no entry in tests/lint/mirror.py")
    elif str(name) not in RUNNING:
        findings.add(name, 0, f"has no {test}")
    elif not (common.ROOT / running).is_file():
        findings.add(name, 0, f"has no {running}")


def check_orphan(name, findings: common.Findings) -> None:
    """A test of a module that is not there any more."""
    if len(name.parts) == 4 and name.stem.startswith("test_"):
        module = pathlib.PurePosixPath("src", name.parts[2], name.stem.removeprefix("test_"))
        if not any((common.ROOT / f"{module}{suffix}").is_file() for suffix in (".c", ".h")):
            findings.add(name, 0, f"tests {module}, which is not there")


def check_header(name, lines: list[str], findings: common.Findings) -> None:
    guard = re.sub(r"\W", "_", f"{name.parts[1]}_{name.stem}_H").upper()
    if not lines[0].startswith(f"/* {name.name}: "):
        findings.add(name, 1, f'begins with its purpose: "/* {name.name}: …"')
    if f"#ifndef {guard}" not in lines or f"#define {guard}" not in lines or lines[-1] != "#endif":
        findings.add(name, 0, f"has no include guard {guard}")
    if len(lines) > HEADER_LINES_MAX:
        findings.add(name, 0, f"has {len(lines)} lines, more than {HEADER_LINES_MAX}")


def check_functions(name, text: str, findings: common.Findings) -> None:
    """In the house's format a function's braces, and nothing else, stand alone in the first column."""
    start = 0
    for number, line in enumerate(common.code_only(text).split("\n"), 1):
        if line.rstrip() == "{":
            start = number
        elif line.rstrip() == "}" and start:
            if number - start + 1 > FUNCTION_LINES_MAX:
                findings.add(name, start, f"a function of {number - start + 1} lines, more than "
                                          f"{FUNCTION_LINES_MAX}")
            start = 0


def main() -> int:
    findings = common.Findings()
    names = common.files("src", ".c", ".h")
    for name in names:
        text = common.read(name)
        lines = text.removesuffix("\n").split("\n")
        check_functions(name, text, findings)
        if name.suffix == ".h":
            check_header(name, lines, findings)
            continue
        check_test(name, findings)
        if len(lines) > SOURCE_LINES_MAX:
            findings.add(name, 0, f"has {len(lines)} lines, more than {SOURCE_LINES_MAX}")
    for name in common.files("tests", ".c"):
        check_functions(name, common.read(name), findings)
        if name.parts[1] == "unit":
            check_orphan(name, findings)
    return findings.finish(f"shape of {len(names)} files")


if __name__ == "__main__":
    sys.exit(main())
