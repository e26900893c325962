#!/usr/bin/env python3
"""Makes an emulated Nitro Enclave's machine from Debian's packages, once a machine, and tells where it is.

usage: build_emulator.py      prints {"qemu", "vhost_device_vsock", "firmware", "tsc_khz"} as JSON

QEMU has the machine `nitro-enclave`, but Debian's is built without it. Here it is built from Debian's source,
with one change: its security module, which cannot sign, hands its documents to who can (emulator/nsm-signer.h).
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys

import debian_archive
import machine_cache

SOURCES = pathlib.Path(__file__).resolve().parent / "emulator"

BACKPORTS = "bookworm-backports"
QEMU = debian_archive.Pin(
    BACKPORTS, "qemu", "10.0.2", "0901da33844a331bf8b3602b9c1fbd178e60b737c8e3ade678255bd090c9b9f1",
    file="qemu_10.0.2+ds.orig.tar.xz")
# QEMU wants a later meson than Debian 12 has, and pycotap.
BUILD_TOOLS = (
    debian_archive.Pin(BACKPORTS, "meson", "1.7.0-1~bpo12+1",
                       "4b86d2f2cb4431d03826fa4b2c3a89508edeb8140509e7e4b285285ec3175bbe"),
    debian_archive.Pin(BACKPORTS, "python3-pycotap", "1.3.1-2~bpo12+1",
                       "3774be6e79318192059aa72e7b7a701e8b99bba2147befcc715650a0da65ca96"),
)
# The machine's vsock device. It needs no more of the system than Debian 12's libc.
VSOCK = debian_archive.Pin("sid", "vhost-device-vsock", "0.3.0-2",
                           "fd36382419cc174f00d9b1691486b581e13e8c1168dc339b86b2a65180a29ce7")
# Debian's packages seabios and qemu-system-data.
FIRMWARE = ("/usr/share/seabios", "/usr/share/qemu")

DEVICES = "CONFIG_NITRO_ENCLAVE=y\nCONFIG_MICROVM=y\n"
# (file, text that must be in it once, what comes instead)
EDITS = (
    # Debian's tarball comes without these blobs.
    ("pc-bios/meson.build", "if unpack_edk2_blobs", "if false"),
    ("hw/virtio/meson.build", "specific_virtio_ss.add(when: 'CONFIG_VIRTIO_NSM', if_true: [files(",
     "specific_virtio_ss.add(when: 'CONFIG_VIRTIO_NSM', if_true: [files('nsm-signer.c', "),
    ("hw/virtio/virtio-nsm.c", '#include "hw/virtio/cbor-helpers.h"\n',
     '#include "hw/virtio/cbor-helpers.h"\n#include "nsm-signer.h"\n'),
    ("hw/virtio/virtio-nsm.c", '    if (!qemu_cbor_add_bytestring_to_map(nested_map, "document", buf, len)) {\n',
     "    if (!nsm_sign_document(buf, buf_len, &len)) {\n"
     "        r = error_response(response, NSM_INTERNAL_ERROR, errp);\n"
     "        goto out;\n"
     "    }\n"
     '    if (!qemu_cbor_add_bytestring_to_map(nested_map, "document", buf, len)) {\n'),
)
CONFIGURE = (
    "--python=/usr/bin/python3", "--target-list=x86_64-softmmu", "--without-default-features",
    "--without-default-devices", "--with-devices-x86_64=nitro", "--disable-install-blobs", "--disable-download",
    "--disable-werror", "--enable-system", "--enable-kvm", "--enable-tcg", "--enable-vhost-user", "--enable-pixman",
    "--enable-fdt=system", "--enable-gnutls", "--enable-libcbor",
)


def run(command, log: pathlib.Path, **options) -> None:
    with open(log, "ab") as output:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                              check=False, **options)
    if done.returncode != 0:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        sys.exit("\n".join(lines[-30:]) + f"\nbuild_emulator.py: {command[0]} failed; its last lines are above")


def edit_source(source: pathlib.Path) -> None:
    for name, old, new in EDITS:
        path = source / name
        text = path.read_text(encoding="utf-8")
        if text.count(old) != 1:
            sys.exit(f"build_emulator.py: {name} of QEMU is not the one that this change was made for")
        path.write_text(text.replace(old, new), encoding="utf-8")
    for name in ("nsm-signer.c", "nsm-signer.h"):
        shutil.copy(SOURCES / name, source / "hw" / "virtio" / name)
    (source / "configs/devices/x86_64-softmmu/nitro.mak").write_text(DEVICES, encoding="utf-8")


def build_qemu(folder: pathlib.Path) -> None:
    source, tools, log = folder / "source", folder / "tools", folder / "log"
    source.mkdir()
    tarball = debian_archive.fetched(QEMU)
    machine_cache.say("QEMU: unpacking")
    subprocess.run(["tar", "-xf", tarball, "-C", source, "--strip-components=1"], check=True)
    edit_source(source)
    for pin in BUILD_TOOLS:
        debian_archive.unpack(pin, tools)
    environment = {**os.environ, "PYTHONPATH": str(tools / "usr/lib/python3/dist-packages")}
    machine_cache.say("QEMU: configuring")
    run(["./configure", *CONFIGURE], log, cwd=source, env=environment)
    machine_cache.say("QEMU: compiling, which takes some minutes, once on this machine")
    run(["ninja", "-C", "build", "qemu-system-x86_64"], log, cwd=source, env=environment)
    shutil.copy(source / "build" / "qemu-system-x86_64", folder)
    for rest in (source, tools):
        shutil.rmtree(rest)


def build_tsc_khz(folder: pathlib.Path) -> None:
    subprocess.run(["gcc", "-O2", "-o", folder / "tsc_khz", SOURCES / "tsc_khz.c"], check=True)


def machine() -> dict:
    """Where the machine's parts are; builds what is missing. The QEMU of the key "qemu" understands
    -M nitro-enclave and the variable CHAMBER_NSM_SIGNER; "tsc_khz" is a program (emulator/tsc_khz.c)."""
    inputs = [repr((QEMU, BUILD_TOOLS, DEVICES, EDITS, CONFIGURE)), SOURCES / "nsm-signer.c", SOURCES / "nsm-signer.h"]
    qemu = machine_cache.made("qemu", inputs, build_qemu)
    vsock = machine_cache.made("vhost-device-vsock", [repr(VSOCK)],
                               lambda folder: debian_archive.unpack(VSOCK, folder))
    tsc_khz = machine_cache.made("tsc-khz", [SOURCES / "tsc_khz.c"], build_tsc_khz)
    return {"qemu": str(qemu / "qemu-system-x86_64"),
            "vhost_device_vsock": str(vsock / "usr/bin/vhost-device-vsock"),
            "firmware": list(FIRMWARE), "tsc_khz": str(tsc_khz / "tsc_khz")}


if __name__ == "__main__":
    try:
        print(json.dumps(machine(), indent=2))
    except debian_archive.ArchiveError as reason:
        sys.exit(f"build_emulator.py: {reason}")
