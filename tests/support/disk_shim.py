"""Compiles disk_shim.c, and moves its levers in a running signer."""
import functools
import mmap
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile

import pytest
from signer import BINARY

SOURCE = pathlib.Path(__file__).with_name("disk_shim.c")
FIELDS = ("hold_syncs", "held", "sync_error", "write_error", "failed", "clock_seconds")


@functools.cache
def library() -> pathlib.Path:
    compiler = os.environ.get("CC") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler to make the preloaded library with")
    path = pathlib.Path(tempfile.mkdtemp(prefix="disk-shim-")) / "disk_shim.so"
    subprocess.run([*compiler.split(), "-std=gnu17", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC",
                    "-o", path, SOURCE, "-ldl"], check=True)
    return path


class DiskShim:
    """Its attributes are those of struct controls; `environment` is what the signer needs to be under it."""

    def __init__(self, folder: pathlib.Path):
        path = folder / "shim-controls"
        path.write_bytes(bytes(4096))
        with path.open("r+b") as file:
            self.__dict__["map"] = mmap.mmap(file.fileno(), 4096)
        self.__dict__["environment"] = {"LD_PRELOAD": str(library()), "CHAMBER_SHIM": str(path)}
        if b"__asan_init" in pathlib.Path(BINARY).read_bytes():  # whose runtime wants to be loaded first
            options = os.environ.get("ASAN_OPTIONS", "")
            self.environment["ASAN_OPTIONS"] = f"{options}:verify_asan_link_order=0".lstrip(":")

    def __getattr__(self, name: str) -> int:
        return struct.unpack_from("=I", self.map, 4 * FIELDS.index(name))[0]

    def __setattr__(self, name: str, value: int):
        struct.pack_into("=I", self.map, 4 * FIELDS.index(name), value)
