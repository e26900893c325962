"""Tools of others, from the crate registry: tests/conformance/<name> has a program that puts one behind a command.

Cargo fetches what Cargo.lock pins and builds it, once a machine, into the cache of tools/machine_cache.py. With
CHAMBER_OFFLINE=1 nothing is downloaded, and tests whose tool is not there yet are skipped.
"""
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tools"))

import machine_cache  # noqa: E402  (after the path is set)

SOURCES = ("Cargo.toml", "Cargo.lock", "main.rs")
COMPILER_SETTINGS = ("CC", "CFLAGS", "CPPFLAGS", "AR", "ARFLAGS", "LDFLAGS", "RUSTFLAGS")
PATIENCE_S = 60


def build(source: pathlib.Path, folder: pathlib.Path) -> None:
    """By the system's own compiler, whatever that of the build is, and with the system's OpenSSL."""
    environment = {name: value for name, value in os.environ.items() if name not in COMPILER_SETTINGS}
    command = ["cargo", "build", "--locked", "--quiet", "--manifest-path", str(source / "Cargo.toml"),
               "--target-dir", str(folder / "target")]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False,
                              env=environment | {"OPENSSL_NO_VENDOR": "1"})
    except FileNotFoundError:
        pytest.fail("cargo is needed: tools/packages.sh build installs it")
    if done.returncode != 0:
        pytest.fail(f"cargo could not build tests/conformance/{source.name}: {done.stderr[-2000:]}\n"
                    "CHAMBER_OFFLINE=1 leaves its tests out where it is not in the cache yet.")
    shutil.copy(folder / "target" / "debug" / f"{source.name}-oracle", folder)
    shutil.rmtree(folder / "target")


def oracle(name: str) -> pathlib.Path:
    """The program of tests/conformance/<name>, built when it is not in the cache."""
    source = ROOT / "tests" / "conformance" / name
    inputs = [source / file for file in SOURCES]
    there = machine_cache.base() / machine_cache.name_of(f"{name}-oracle", inputs)
    if os.environ.get("CHAMBER_OFFLINE") == "1" and not there.is_dir():
        pytest.skip(f"CHAMBER_OFFLINE=1, and the {name} oracle is not in the cache")
    folder = machine_cache.made(f"{name}-oracle", inputs, lambda part: build(source, part))
    return folder / f"{name}-oracle"


def ask(program, *arguments) -> subprocess.CompletedProcess:
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE_S,
                          check=False)
