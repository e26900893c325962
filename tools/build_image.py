#!/usr/bin/env python3
"""Builds the enclave's image: a kernel, its command line, and a ramdisk with chamber-enclave as /init.

usage: build_image.py [options]
  --output FILE       the image (build/enclave.eif, or build/enclave-<variant>.eif)
  --measurements FILE its measurements, as JSON (build/measurements.json, the same)
  --emulated          for the emulator, where the parent's CID is 2
  --development       with chamber-enclave built for development (-Ddevelopment_image=true)
  --signing-key FILE --signing-certificate FILE   PEM; measurements then have PCR8
  --tool FILE         containment-chamber, which puts the image together (build/containment-chamber)

The same source and the same Debian packages make the same bytes, whoever builds them, where and when; but for a
signature, which is another one each time.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys

import build_kernel
import debian_archive
import machine_cache

ROOT = pathlib.Path(__file__).resolve().parents[1]
COMMAND_LINE = ROOT / "packaging" / "enclave" / "cmdline"
TOOL = ROOT / "build" / "containment-chamber"
# The emulator's machine has the parent at another CID (docs/enclave.md).
EMULATED = " chamber.parent_cid=2"
BUILD_TIME = "1970-01-01T00:00:00Z"
# Debian 12's, by name, as the kernel's; what the caller has set for other builds plays no part.
COMPILER = "gcc-12"
SETTINGS = ("AR", "ARFLAGS", "CC_LD", "CFLAGS", "CPATH", "CPPFLAGS", "C_INCLUDE_PATH", "LDFLAGS", "LIBRARY_PATH",
            "PKG_CONFIG_LIBDIR", "PKG_CONFIG_PATH", "SOURCE_DATE_EPOCH", "STRIP")
# What of Debian gets into the program; kernel, libcbor and blst are pinned in the tree.
PACKAGES = ("binutils", COMPILER, "libc6-dev", "libevent-dev", "libjansson-dev", "libseccomp-dev", "libsodium-dev",
            "libsqlite3-dev", "libssl-dev", "libutf8proc-dev", "libyaml-dev", "node-llhttp")


class ImageError(RuntimeError):
    """What is missing, or which command failed; the command's own words are above."""


def environment() -> dict:
    return {name: value for name, value in os.environ.items() if name not in SETTINGS} | {"CC": COMPILER, "LC_ALL": "C"}


def run(*command, **options) -> None:
    done = subprocess.run(command, env=environment(), stdin=subprocess.DEVNULL, check=False, **options)
    if done.returncode != 0:
        raise ImageError(f"{pathlib.Path(command[0]).name} {command[1]} failed")


def folder_of(development: bool) -> pathlib.Path:
    """The build folder of the image's program: not the developer's, whose compiler and options are anything."""
    return ROOT / ("build-development" if development else "build-image")


def options_of(development: bool) -> dict:
    """What the build of a program for an image is set to; all else of meson's has its default in meson.build."""
    return {"prefer_static": True, "development_image": development, "buildtype": "debugoptimized", "b_ndebug": "false",
            "b_sanitize": "none", "fuzzing": False, "c_args": [], "c_link_args": []}


def is_set_to(wanted: dict, introspected: list) -> bool:
    found = {option["name"]: option["value"] for option in introspected}
    return all(name in found and found[name] == value for name, value in wanted.items())


def is_ready(folder: pathlib.Path, development: bool) -> bool:
    """Somebody may have changed a build folder's options; a release is then not built of what is called one."""
    if not (folder / "build.ninja").exists():
        return False
    told = subprocess.run(["meson", "introspect", "--buildoptions", folder], stdout=subprocess.PIPE, check=False)
    return told.returncode == 0 and is_set_to(options_of(development), json.loads(told.stdout))


def program(development: bool = False) -> pathlib.Path:
    """chamber-enclave as it is in the image: static, and without what only a debugger reads."""
    folder = folder_of(development)
    if not is_ready(folder, development):
        shutil.rmtree(folder, ignore_errors=True)
        run("meson", "setup", folder, "-Dprefer_static=true", f"-Ddevelopment_image={str(development).lower()}",
            cwd=ROOT, stdout=subprocess.DEVNULL)
    # The build speaks on standard error, as all do that this starts.
    run("ninja", "-C", folder, "chamber-enclave", stdout=sys.stderr)
    run("strip", "--strip-all", "--remove-section=.comment", "-o", folder / "init", folder / "chamber-enclave")
    return folder / "init"


def command_line(emulated: bool) -> str:
    return COMMAND_LINE.read_text(encoding="ascii").strip() + (EMULATED if emulated else "")


def metadata() -> str:
    """Which packages the image was built of, for who wants to build it again. Not measured."""
    listed = subprocess.run(["dpkg-query", "--show", "--showformat", "${Package} ${Version}\n", *PACKAGES],
                            stdout=subprocess.PIPE, text=True, check=False, env=environment())
    if listed.returncode != 0:
        raise ImageError("not all packages are there: tools/packages.sh build enclave installs them")
    return json.dumps({"Packages": dict(line.split() for line in sorted(listed.stdout.splitlines()))})


def suffix(development: bool, emulated: bool) -> str:
    return ("-development" if development else "") + ("-emulated" if emulated else "")


def build(output: pathlib.Path, measurements: pathlib.Path, *, development: bool = False, emulated: bool = False,
          signing=None, tool: pathlib.Path = TOOL) -> None:
    """Writes image and measurements; `signing`: the files of (key, certificate)."""
    if not tool.exists():
        raise ImageError(f"there is no {tool}: make builds it")
    kernel = build_kernel.kernel()
    init = program(development)
    variant = suffix(development, emulated)
    ramdisk, custom = init.with_name("ramdisk" + variant), init.with_name("metadata.json")
    custom.write_text(metadata(), encoding="utf-8")
    # Root's alone: the server, which is not root, has no use for its own file.
    run(tool, "eif", "cpio", "--output", ramdisk, "--file", f"init={init}:500")
    options = [] if signing is None else ["--private-key", signing[0], "--signing-certificate", signing[1]]
    run(tool, "eif", "build", "--kernel", kernel / "bzImage", "--cmdline", command_line(emulated),
        "--ramdisk", ramdisk, "--output", output, "--measurements", measurements, "--build-time", BUILD_TIME,
        "--name", "containment-chamber" + variant, "--metadata", custom,
        "--kernel-version", build_kernel.SOURCE.version, *options, stdout=subprocess.DEVNULL)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--output", type=pathlib.Path)
    parser.add_argument("--measurements", type=pathlib.Path)
    parser.add_argument("--emulated", action="store_true")
    parser.add_argument("--development", action="store_true")
    parser.add_argument("--signing-key", type=pathlib.Path)
    parser.add_argument("--signing-certificate", type=pathlib.Path)
    parser.add_argument("--tool", type=pathlib.Path, default=TOOL)
    given = parser.parse_args()
    if (given.signing_key is None) != (given.signing_certificate is None):
        parser.error("--signing-key and --signing-certificate belong together")
    return given


def main() -> None:
    given = arguments()
    variant = suffix(given.development, given.emulated)
    output = given.output or ROOT / "build" / f"enclave{variant}.eif"
    measurements = given.measurements or ROOT / "build" / f"measurements{variant}.json"
    signing = (given.signing_key, given.signing_certificate) if given.signing_key else None
    try:
        build(output, measurements, development=given.development, emulated=given.emulated, signing=signing,
              tool=given.tool)
    except (ImageError, debian_archive.ArchiveError) as reason:
        sys.exit(f"build_image.py: {reason}")
    machine_cache.say(f"{output}: {output.stat().st_size} bytes; its measurements are in {measurements}")


if __name__ == "__main__":
    main()
