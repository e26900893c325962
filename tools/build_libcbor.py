#!/usr/bin/env python3
"""Builds libcbor as a static archive, which Debian does not have, from Debian's source, and puts it and its headers
into a folder.

usage: build_libcbor.py <output folder>      writes libcbor.a, cbor.h and cbor/ there

For the enclave image's program alone; all else uses Debian's shared library. The source is Debian 13's: what
Debian 12 has of it is not kept by all mirrors.
"""
import pathlib
import shutil
import subprocess
import sys

import debian_archive
import machine_cache

SOURCE = debian_archive.Pin(
    "trixie", "libcbor", "0.10.2", "e75f712215d7b7e5c89ef322a09b701f7159f028b8b48978865725f00f79875b",
    file="libcbor_0.10.2.orig.tar.gz")
# Debian 12's, by name, and flags as the program's own (meson.build).
COMPILER = "gcc-12"
FLAGS = ("-std=gnu99", "-O2", "-fPIC", "-w", "-D_FORTIFY_SOURCE=2", "-fstack-protector-strong",
         "-fstack-clash-protection", "-fcf-protection=full", "-ftrivial-auto-var-init=zero",
         "-ffunction-sections", "-fdata-sections", "-fvisibility=hidden")
# What its CMake writes, with its defaults.
GENERATED = {
    "cbor/cbor_export.h": "#define CBOR_EXPORT\n#define CBOR_NO_EXPORT\n",
    "cbor/configuration.h": "\n".join((
        "#define CBOR_MAJOR_VERSION 0", "#define CBOR_MINOR_VERSION 10", "#define CBOR_PATCH_VERSION 2",
        "#define CBOR_BUFFER_GROWTH 2", "#define CBOR_MAX_STACK_SIZE 2048", "#define CBOR_PRETTY_PRINTER 0",
        "#define CBOR_RESTRICT_SPECIFIER restrict", "#define CBOR_INLINE_SPECIFIER", "")),
}


def version() -> str:
    try:
        return subprocess.run([COMPILER, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    except FileNotFoundError:
        sys.exit(f"build_libcbor.py: {COMPILER} is needed: tools/packages.sh build installs it")


def build(folder: pathlib.Path) -> None:
    source = folder / "source"
    source.mkdir()
    subprocess.run(["tar", "-xf", debian_archive.fetched(SOURCE), "-C", source, "--strip-components=1"], check=True)
    source = source / "src"
    for name, text in GENERATED.items():
        (source / name).write_text(text, encoding="utf-8")
    names = sorted(str(path.relative_to(source)) for path in source.rglob("*.c"))
    for number, name in enumerate(names):  # relative, as __FILE__ is in the program
        subprocess.run([COMPILER, *FLAGS, "-I.", "-c", name, "-o", f"{number}.o"], cwd=source, check=True)
    objects = [f"{number}.o" for number in range(len(names))]
    subprocess.run(["ar", "rcsD", "libcbor.a", *objects], cwd=source, check=True)
    shutil.copy(source / "libcbor.a", folder)
    for header in ["cbor.h", *(path.relative_to(source) for path in source.glob("cbor/**/*.h"))]:
        (folder / header).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / header, folder / header)
    shutil.rmtree(folder / "source")


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        made = machine_cache.made("libcbor", [repr((SOURCE, FLAGS, GENERATED)), version()], build)
    except debian_archive.ArchiveError as reason:
        sys.exit(f"build_libcbor.py: {reason}")
    shutil.copytree(made, sys.argv[1], dirs_exist_ok=True)


if __name__ == "__main__":
    main()
