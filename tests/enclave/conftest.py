"""Enclaves in the emulator (tests/support/emulator.py): an image with the guest of tests/enclave/guest, and the
development signer of its security module."""
import dataclasses
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
for folder in ("tests/support", "tools"):
    sys.path.insert(0, str(ROOT / folder))

import build_kernel  # noqa: E402  (after the path is set)
import eif  # noqa: E402
from emulator import Emulator  # noqa: E402
from nsm_signer import NsmSigner  # noqa: E402

COMMAND_LINE = b"console=ttyS0 reboot=k panic=-1 random.trust_cpu=on"
GUEST = ROOT / "tests" / "enclave" / "guest" / "init.c"


@dataclasses.dataclass
class Image:
    sections: list
    bytes: bytes


@pytest.fixture(scope="session")
def kernel() -> pathlib.Path:
    """The folder with bzImage and kernel.config of the enclave's kernel."""
    return build_kernel.kernel()


def image_of(kernel: pathlib.Path, files: list) -> Image:
    """An image with two ramdisks: the files of its guest, and one file that is only measured."""
    sections = [
        (eif.KERNEL, (kernel / "bzImage").read_bytes()),
        (eif.COMMAND_LINE, COMMAND_LINE),
        (eif.METADATA, b"{}"),
        (eif.RAMDISK, eif.cpio(files)),
        (eif.RAMDISK, eif.cpio([eif.Entry("application", b"measured\n", 0o100444)])),
    ]
    return Image(sections, eif.write(sections))


@pytest.fixture(scope="session")
def guest_image(kernel, tmp_path_factory) -> Image:
    init = tmp_path_factory.mktemp("guest") / "init"
    subprocess.run(["gcc", "-static", "-O2", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-o", init, GUEST],
                   check=True)
    return image_of(kernel, [eif.Entry("init", init.read_bytes())])


@pytest.fixture(scope="session")
def signer():
    with NsmSigner() as running:
        yield running


@pytest.fixture(scope="module")
def enclave(guest_image, signer):
    """A running guest, shared by a module's tests: what they do to its registers stays."""
    with Emulator(guest_image.bytes, signer=signer) as running:
        running.wait_for_heartbeat()
        yield running
