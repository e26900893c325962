#!/usr/bin/env python3
"""Builds the kernel of the enclave image from Debian's source, once a machine, and puts it into a folder.

usage: build_kernel.py <output folder>      writes bzImage and kernel.config there

The bytes depend on the source, on packaging/enclave/kernel.config and on Debian 12's compiler and linker, and
on nothing else: not on the folder, the user, the host, the time or the number of CPUs.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys

import debian_archive
import machine_cache

ROOT = pathlib.Path(__file__).resolve().parents[1]
OPTIONS = ROOT / "packaging" / "enclave" / "kernel.config"
SOURCE = debian_archive.Pin(
    debian_archive.SECURITY, "linux-source-6.12", "6.12.117-1~deb12u1",
    "e849faf31ca3555757f3a8877cb01af92122f744f75d1f3102734651c4e14703")
TARBALL = "usr/src/linux-source-6.12.tar.xz"
# Debian 12's, by name: another compiler would make another kernel.
TOOLS = {"CC": "gcc-12", "HOSTCC": "gcc-12", "LD": "ld.bfd"}
# What the kernel says of itself, and nothing of the machine's surroundings.
SURROUNDINGS = {
    "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C", "TZ": "UTC",
    "KBUILD_BUILD_TIMESTAMP": "Thu Jan  1 00:00:00 UTC 1970", "KBUILD_BUILD_VERSION": "1",
    "KBUILD_BUILD_USER": "chamber", "KBUILD_BUILD_HOST": "enclave",
}


def versions() -> str:
    """Of the tools that make the kernel's bytes."""
    try:
        return "".join(subprocess.run([tool, "--version"], stdout=subprocess.PIPE, text=True, check=True,
                                      env=SURROUNDINGS).stdout for tool in (TOOLS["CC"], TOOLS["LD"], "as"))
    except FileNotFoundError as missing:
        sys.exit(f"build_kernel.py: {missing.filename} is needed: tools/packages.sh build enclave installs it")


def lines_of(text: str) -> set[str]:
    return set(re.findall(r"^(?:# )?CONFIG_\w+(?:=.*| is not set)$", text, re.M))


def lost(wanted: str, final: str) -> list[str]:
    """The wanted lines that Kconfig did not keep, for want of what they depend on."""
    return sorted(lines_of(wanted) - lines_of(final))


def make(source: pathlib.Path, log, *arguments: str) -> None:
    command = ["make", "-s", "ARCH=x86_64", "LOCALVERSION=", *(f"{k}={v}" for k, v in TOOLS.items()), *arguments]
    done = subprocess.run(command, cwd=source, env={**SURROUNDINGS, "HOME": str(source)}, check=False,
                          stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        log.flush()
        lines = pathlib.Path(log.name).read_text(encoding="utf-8", errors="replace").splitlines()
        sys.exit("\n".join(lines[-30:]) + f"\nbuild_kernel.py: make {arguments[-1]} failed; its last lines are above")


def unpack(source: pathlib.Path) -> None:
    machine_cache.say("kernel: unpacking")
    package = source.with_name("package")
    debian_archive.unpack(SOURCE, package)
    subprocess.run(["tar", "-xf", package / TARBALL, "-C", source, "--strip-components=1"], check=True)
    shutil.rmtree(package)


def configure(source: pathlib.Path, log) -> None:
    make(source, log, f"KCONFIG_ALLCONFIG={OPTIONS}", "allnoconfig")
    missing = lost(OPTIONS.read_text(encoding="utf-8"), (source / ".config").read_text(encoding="utf-8"))
    if missing:
        sys.exit("build_kernel.py: Kconfig did not keep: " + ", ".join(missing))


def build(folder: pathlib.Path) -> None:
    source = folder / "source"
    source.mkdir()
    unpack(source)
    with open(folder / "log", "wb") as log:
        configure(source, log)
        machine_cache.say("kernel: compiling, which takes some minutes, once on this machine")
        make(source, log, f"-j{os.cpu_count()}", "bzImage")
    shutil.copy(source / "arch/x86/boot/bzImage", folder / "bzImage")
    shutil.copy(source / ".config", folder / "kernel.config")
    shutil.rmtree(source)


def kernel() -> pathlib.Path:
    """The folder with bzImage and kernel.config, all options of it; builds them when they are not there."""
    os.umask(0o022)
    options = sorted(lines_of(OPTIONS.read_text(encoding="utf-8")))
    return machine_cache.made("kernel", [repr((SOURCE, TOOLS, SURROUNDINGS, options)), versions()], build)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    output = pathlib.Path(sys.argv[1])
    output.mkdir(parents=True, exist_ok=True)
    try:
        folder = kernel()
    except debian_archive.ArchiveError as reason:
        sys.exit(f"build_kernel.py: {reason}")
    for name in ("bzImage", "kernel.config"):
        shutil.copy(folder / name, output / name)


if __name__ == "__main__":
    main()
