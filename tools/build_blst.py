#!/usr/bin/env python3
"""Builds the pinned blst crate and puts libblst.a and its C headers into a folder.

usage: build_blst.py <Cargo.toml> <output folder>

Cargo fetches, checks the checksums of Cargo.lock and runs the crate's own build script; nothing of Rust is
taken. The result is kept in a cache folder named after the lock file, so that each build folder only copies;
it is made by the system's own compiler whatever the build's is, as all builds share it.
"""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys


COMPILER_SETTINGS = ("CC", "CFLAGS", "CPPFLAGS", "AR", "ARFLAGS", "LDFLAGS", "RUSTFLAGS")


def cache_folder(manifest: pathlib.Path) -> pathlib.Path:
    pinned = manifest.read_bytes() + manifest.with_name("Cargo.lock").read_bytes()
    base = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    return base / "containment-chamber" / ("blst-" + hashlib.sha256(pinned).hexdigest()[:16])


def cargo_messages(manifest: pathlib.Path, target: pathlib.Path):
    command = ["cargo", "build", "--release", "--locked", "--message-format", "json",
               "--manifest-path", str(manifest), "--target-dir", str(target)]
    environment = {k: v for k, v in os.environ.items() if k not in COMPILER_SETTINGS}
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, env=environment, check=False)
    except FileNotFoundError:
        sys.exit("build_blst.py: cargo is needed: tools/packages.sh build installs it")
    if done.returncode != 0:
        sys.exit("build_blst.py: cargo could not build blst; its reason is above")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith(b"{")]


def is_blst(message: dict) -> bool:
    package = message.get("package_id", "")
    return "#blst@" in package or package.startswith("blst ")


def find_outputs(messages) -> list[pathlib.Path]:
    ran = next(m for m in messages if m["reason"] == "build-script-executed" and is_blst(m))
    built = next(m for m in messages if m["reason"] == "compiler-artifact" and is_blst(m)
                 and "custom-build" not in m["target"]["kind"])
    headers = pathlib.Path(built["manifest_path"]).parent / "blst" / "bindings"
    return [pathlib.Path(ran["out_dir"]) / "libblst.a", headers / "blst.h", headers / "blst_aux.h"]


def main() -> None:
    manifest, output = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    cache = cache_folder(manifest)
    if not (cache / "done").exists():
        cache.mkdir(parents=True, exist_ok=True)
        for path in find_outputs(cargo_messages(manifest, cache / "target")):
            part = cache / f"{path.name}.{os.getpid()}"
            shutil.copy(path, part)
            part.replace(cache / path.name)  # another build may be copying it from here
        (cache / "done").touch()
    for name in ("libblst.a", "blst.h", "blst_aux.h"):
        shutil.copy(cache / name, output / name)


main()
