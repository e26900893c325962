"""What the enclave's image is and needs: bytes, the seconds of a boot, memory. All of it in the emulator."""
import json
import pathlib
import re
import statistics
import time
import typing

import build_image
import build_kernel
from emulator import EmulatorError
from keystores import interop_secret
from nsm_signer import NsmSigner
from product import DOORS, Product
from signer import BINARY, EPOCH, attestation, pubkey_of

from enclave_ways import Client, http_request, tls

MEMORY_MIB = (256, 192, 128, 96, 64, 48, 40, 32)
LOOK_S = 0.002
# What the console says when a part of the boot is over.
INIT, HEARTBEAT = "Run /init as init process", "chamber-enclave: heartbeat: answered"
KERNEL_TIME = re.compile(r"\[ *([0-9.]+)\] " + INIT)


class Images(typing.NamedTuple):
    release: pathlib.Path
    development: pathlib.Path

    def sizes(self) -> dict[str, int]:
        return {"image": self.release.stat().st_size, "kernel": (build_kernel.kernel() / "bzImage").stat().st_size,
                "program": (build_image.folder_of(False) / "init").stat().st_size}


def make_images(folder: pathlib.Path) -> Images:
    """The release as `make eif` makes it, which is measured and not booted, and the image that can sign alone."""
    images = Images(folder / "release.eif", folder / "development.eif")
    tool = pathlib.Path(BINARY)
    build_image.build(images.release, folder / "release.json", tool=tool)
    build_image.build(images.development, folder / "development.json", development=True, emulated=True, tool=tool)
    return images


def configuration(keys: int) -> bytes:
    secrets = ", ".join(interop_secret(index).hex() for index in range(keys))
    return ("tee:\n  platform: nitro\ntls:\n  mode: atls\nanti_slashing:\n  backend: sqlite\n"
            f"  path: /run/slashing.sqlite\ndevelopment:\n  keys: [{secrets}]\n").encode()


# ---------------------------------------------------------------------------------------------- boot time

def is_healthy(product: Product) -> bool:
    """Asked at the emulator's own socket: a parent that retries would be measured as well."""
    connection = product.enclave.try_connect(DOORS["health"])
    if connection is None:
        return False
    with connection:
        return Client(connection).exchange(http_request("GET", "/healthcheck")).startswith(b"HTTP/1.1 200 ")


def watch_boot(product: Product) -> dict[str, float]:
    """Seconds from the emulator's start to what is named, and the kernel's own time."""
    begin = time.monotonic()
    product.enclave.start()
    marks: dict[str, float] = {}

    def look() -> bool:
        console = product.enclave.console
        for name, text in {"init": INIT, "heartbeat": HEARTBEAT}.items():
            if text in console:
                marks.setdefault(name, time.monotonic() - begin)
        if "heartbeat" in marks and is_healthy(product):
            marks["healthy"] = time.monotonic() - begin
        time.sleep(LOOK_S)
        return "healthy" in marks

    product.enclave.wait(look, "the enclave's health")
    marks["kernel"] = float(KERNEL_TIME.search(product.enclave.console)[1])
    return marks


def boot(folder: pathlib.Path, images: Images, nsm: NsmSigner, **settings) -> tuple[Product, dict[str, float]]:
    """A product that serves; the caller closes it."""
    product = Product(folder, images.development, configuration(settings.pop("keys", 1)), nsm, **settings)
    try:
        product.start_parent()
        return product, watch_boot(product)
    except BaseException:
        product.close()
        raise


def boot_times(folder: pathlib.Path, images: Images, nsm: NsmSigner, times: int) -> dict[str, list[float]]:
    """For each part of a boot, its seconds in each of the boots."""
    parts: dict[str, list[float]] = {"machine": [], "kernel": [], "init": [], "server": [], "heartbeat": [], "healthy": []}
    for number in range(times):
        product, marks = boot(folder / f"boot-{number}", images, nsm)
        product.close()
        parts["machine"].append(marks["init"] - marks["kernel"])
        parts["kernel"].append(marks["kernel"])
        parts["init"].append(marks["heartbeat"] - marks["init"])
        parts["server"].append(marks["healthy"] - marks["heartbeat"])
        parts["heartbeat"].append(marks["heartbeat"])
        parts["healthy"].append(marks["healthy"])
    return parts


def spread(seconds: list[float]) -> tuple[float, float, float]:
    return statistics.median(seconds), min(seconds), max(seconds)


# ------------------------------------------------------------------------------------------------- memory

def sign_once(product: Product) -> None:
    client = Client(tls(product.enclave.connect(DOORS["api"])))
    body = json.dumps(attestation(EPOCH, EPOCH + 1)).encode()
    client.ask(http_request("POST", f"/api/v1/eth2/sign/{pubkey_of(interop_secret(0))}", body))
    client.close()


def why(error: EmulatorError) -> str:
    """The last complaint on the console of an enclave that did not come to serve."""
    lines = str(error).splitlines()
    said = [line.strip() for line in lines if re.search("panic|failed|cannot|Out of memory", line)]
    return re.sub(r"^\[ *[0-9.]+\] ", "", said[-1]) if said else lines[0]


def signs_with(folder: pathlib.Path, images: Images, nsm: NsmSigner, memory_mib: int) -> str | None:
    """None: it boots and signs. Else what became of it."""
    try:
        product, _ = boot(folder / f"memory-{memory_mib}", images, nsm, memory_mib=memory_mib)
    except EmulatorError as error:
        return why(error)
    try:
        sign_once(product)
        return None
    finally:
        product.close()


def memory_steps(folder: pathlib.Path, images: Images, nsm: NsmSigner, steps, times: int) -> dict[int, str | None]:
    """Down to the first that fails; one that is enough is so each time."""
    found: dict[int, str | None] = {}
    for memory_mib in steps:
        tries = (signs_with(folder / f"try-{number}", images, nsm, memory_mib) for number in range(times))
        found[memory_mib] = next((failure for failure in tries if failure is not None), None)
        if found[memory_mib] is not None:
            break
    return found


def resident(folder: pathlib.Path, images: Images, nsm: NsmSigner, keys: int) -> dict[str, int]:
    """After one signature."""
    product, _ = boot(folder / f"keys-{keys}", images, nsm, keys=keys)
    try:
        sign_once(product)
        page = product.door("metrics").get("/metrics").text
        loaded = len(public_keys(product))
    finally:
        product.close()
    if loaded != keys:
        raise SystemExit(f"enclave.py: {loaded} keys are loaded, of {keys}")
    return {"keys": keys, "configuration": len(configuration(keys)),
            "resident": int(float(re.search(r"^process_resident_memory_bytes (\S+)$", page, re.MULTILINE)[1]))}


def public_keys(product: Product) -> list[str]:
    with product.proxy(product.policy()) as door:
        return door.get("/api/v1/eth2/publicKeys").json
