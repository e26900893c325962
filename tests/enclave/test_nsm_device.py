"""src/enclave/nsm.c on the real driver, in a guest that does nothing else (tests/enclave/guest/module.c)."""
import re
import subprocess

import eif
import pytest
from conftest import ROOT, Image, image_of
from document_check import checked
from emulator import INSTANCE, MODULE, ROLE, Emulator
from nsm_signer import NsmSigner, now

OK, BAD_INPUT, REFUSED = 0, 1, 3
SOURCES = ("src/enclave/nsm.c", "src/base/cbor.c", "src/base/buf.c", "src/base/detail.c", "src/base/hex.c")


def libraries_of(program) -> list[str]:
    """The files that a program is loaded with, as the loader names them."""
    listed = subprocess.run(["ldd", program], stdout=subprocess.PIPE, text=True, check=True).stdout
    return re.findall(r"(/\S+) \(0x", listed)


def with_libraries(program) -> list[eif.Entry]:
    entries, folders = [eif.Entry("init", program.read_bytes())], set()
    for path in libraries_of(program):
        name = path.lstrip("/")
        parts = name.split("/")[:-1]
        folders |= {"/".join(parts[:depth]) for depth in range(1, len(parts) + 1)}
        with open(path, "rb") as file:
            entries.append(eif.Entry(name, file.read()))
    return [eif.Entry(folder, mode=0o040755) for folder in sorted(folders)] + entries


@pytest.fixture(scope="module")
def image(kernel, tmp_path_factory) -> Image:
    program = tmp_path_factory.mktemp("module") / "init"
    subprocess.run(["gcc", "-std=gnu17", "-O2", "-D_GNU_SOURCE", f"-I{ROOT}/src", "-o", program,
                    ROOT / "tests/enclave/guest/module.c", *(ROOT / source for source in SOURCES),
                    "-lcbor", "-lutf8proc"], check=True)
    return image_of(kernel, with_libraries(program))


@pytest.fixture(scope="module")
def said(image):
    """What the guest said: {call: (status, value)}, and the documents that were signed meanwhile."""
    with NsmSigner() as signer, Emulator(image.bytes, signer=signer) as enclave:
        enclave.wait_for_console("nsm: done")
        lines = re.findall(r"^nsm: (\S+) (\d+) (\S+)\r?$", enclave.console, re.M)
        payloads = [(document, checked(document, signer.chain.root, now())) for document in signer.documents]
    return {call: (int(status), value.removeprefix("0x")) for call, status, value in lines}, payloads


def test_the_module_is_opened_and_describes_itself(said):
    calls, _ = said
    assert calls["open"][0] == OK
    assert calls["describe"] == (OK, (0xffff).to_bytes(4, "little").hex())
    assert calls["module"] == (OK, MODULE)


def test_all_random_bytes_are_filled(said):
    status, value = said[0]["random"]
    assert status == OK
    assert value != "00" * 8


def test_registers_are_read_extended_and_locked(said, image):
    calls, _ = said
    assert calls["image"] == (OK, eif.measure(image.sections, ROLE, INSTANCE)[0].hex())
    assert calls["image-locked"] == (OK, "01")
    configuration = eif.extended(b"configuration").hex()
    assert calls["extend"] == calls["configuration"] == (OK, configuration)
    assert calls["lock"][0] == OK


@pytest.mark.parametrize("call, status", [
    ("beyond", BAD_INPUT), ("extend-image", REFUSED), ("lock-again", REFUSED), ("extend-locked", REFUSED)])
def test_what_the_module_refuses_is_told_by_its_class(said, call, status):
    assert said[0][call][0] == status


def test_documents_come_whole_and_say_what_was_asked(said):
    calls, documents = said
    assert [calls[call] for call in ("attest", "attest-longest")] == [
        (OK, document[-8:].hex()) for document, _ in documents]
    short, longest = (payload for _, payload in documents)
    assert (short["user_data"], short["nonce"], short["public_key"]) == (None, None, None)
    assert [len(longest[name]) for name in ("user_data", "nonce", "public_key")] == [512, 512, 1024]
    assert short["pcrs"][16] == eif.extended(b"configuration")
