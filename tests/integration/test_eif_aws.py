"""Images between `containment-chamber eif` and AWS's own tools (tests/conformance/eif): the same inputs measure the
same, each reads what the other built, and where one is stricter, this says where."""
import dataclasses
import datetime
import json
import pathlib
import random
import struct

import eif
import eif_reader
import oracles
import pytest
from commands import DONE, FAILED, call
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
CMDLINE = "reboot=k panic=30 console=ttyS0 quiet"
REGISTERS = ("PCR0", "PCR1", "PCR2", "PCR8")


@dataclasses.dataclass
class Verdict:
    """What one side says of an image."""

    accepted: bool
    told: dict

    @property
    def registers(self) -> dict:
        return self.told["measurements"]


class Bench:
    """The inputs of an image, and both builders and readers."""

    def __init__(self, folder: pathlib.Path, program: pathlib.Path):
        self.folder, self.program = folder, program
        chance = random.Random(11)
        self.kernel = self.write("kernel", chance.randbytes(2049))
        self.disks = [self.write(f"{i}.cpio", chance.randbytes(4 * size)) for i, size in enumerate([301, 17, 1])]

    def write(self, name: str, content: bytes) -> pathlib.Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    def identity(self, name: str = "signer", curve=ec.SECP384R1(), end=NOW + 300 * DAY) -> list:
        key = ec.generate_private_key(curve)
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        certificate = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject)
                       .public_key(key.public_key()).serial_number(7).not_valid_before(NOW - 10 * DAY)
                       .not_valid_after(end).sign(key, hashes.SHA384()))
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return [self.write(f"{name}.crt", certificate.public_bytes(Encoding.PEM)), self.write(f"{name}.key", pem)]

    def ours(self, name: str, disks: int = 2, signer=None) -> tuple[pathlib.Path, dict]:
        words = [word for disk in self.disks[:disks] for word in ("--ramdisk", disk)]
        if signer:
            words += ["--signing-certificate", signer[0], "--private-key", signer[1]]
        called = call("eif", "build", "--kernel", self.kernel, "--cmdline", CMDLINE, *words, "--output",
                      self.folder / name)
        assert called.code == DONE, called
        return self.folder / name, json.loads(called.out)["Measurements"]

    def theirs(self, name: str, disks: int = 2, signer=None) -> tuple[pathlib.Path, dict]:
        signing = ["--sign", *signer] if signer else []
        done = oracles.ask(self.program, "build", self.kernel, CMDLINE, self.folder / name, *signing,
                           *self.disks[:disks])
        assert done.returncode == 0, done
        return self.folder / name, json.loads(done.stdout)["measurements"]

    def by_ours(self, image: pathlib.Path) -> Verdict:
        called = call("eif", "verify", "--json", image)
        assert called.code in (DONE, FAILED), called
        return Verdict(called.code == DONE, json.loads(called.out) if called.out else {})

    def by_theirs(self, image: pathlib.Path) -> Verdict:
        done = oracles.ask(self.program, "verify", image)
        assert done.returncode in (0, 1), done
        return Verdict(done.returncode == 0, json.loads(done.stdout) if done.stdout else {})

    def both(self, raw: bytes) -> tuple[bool, bool]:
        """Whether ours accepts it, and whether theirs does."""
        image = self.write("both.eif", raw)
        return self.by_ours(image).accepted, self.by_theirs(image).accepted


@pytest.fixture(scope="module")
def program() -> pathlib.Path:
    return oracles.oracle("eif")


@pytest.fixture
def bench(tmp_path, program):
    return Bench(tmp_path, program)


CASES = [(0, False), (1, False), (2, False), (3, False), (1, True), (3, True)]


@pytest.mark.parametrize("disks,signed", CASES)
def test_the_same_inputs_measure_the_same(bench, disks, signed):
    signer = bench.identity() if signed else None
    our_image, ours = bench.ours("ours.eif", disks, signer)
    their_image, theirs = bench.theirs("theirs.eif", disks, signer)
    assert ours == theirs and ("PCR8" in ours) is signed
    mine, other = (eif_reader.read(image.read_bytes()) for image in (our_image, their_image))
    kinds = [kind for kind, _ in mine.sections]
    assert kinds == [kind for kind, _ in other.sections]
    for kind in (eif_reader.KERNEL, eif_reader.CMDLINE, eif_reader.RAMDISK):
        assert mine.of(kind) == other.of(kind)
    assert (mine.flags, mine.memory, mine.cpus) == (other.flags, other.memory, other.cpus)


@pytest.mark.parametrize("disks,signed", CASES)
def test_their_reader_reads_what_we_built(bench, disks, signed):
    image, built = bench.ours("ours.eif", disks, bench.identity() if signed else None)
    verdict = bench.by_theirs(image)
    assert verdict.accepted, verdict
    assert verdict.registers == built
    assert (verdict.told["version"], verdict.told["crc"]) == (4, True)
    assert verdict.told["sections"] == 3 + disks + signed
    assert verdict.told["signature"] is (True if signed else None)
    assert verdict.told["metadata"] == eif_reader.read(image.read_bytes()).metadata


@pytest.mark.parametrize("disks,signed", CASES)
def test_we_read_what_their_builder_built(bench, disks, signed):
    image, built = bench.theirs("theirs.eif", disks, bench.identity() if signed else None)
    demanded = [word for name in REGISTERS if name in built for word in (f"--{name.lower()}", built[name])]
    assert call("eif", "verify", image, *demanded).code == DONE
    told = json.loads(call("eif", "describe", "--json", image).out)
    assert (told["Measurements"], told["Findings"]) == (built, [])
    assert (told["EifVersion"], told["CheckCRC"], told["IsSigned"]) == (4, True, signed)
    assert told.get("SignatureCheck") is (True if signed else None)
    assert told["Metadata"]["CustomMetadata"] == {"of": "AWS's builder"}
    registers = json.loads(call("eif", "pcr", "--image", image).out)
    assert registers == {name: built[name] for name in REGISTERS if name in built}


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_their_signatures_hold_for_us_on_every_curve(bench, curve):
    image, built = bench.theirs("theirs.eif", signer=bench.identity(curve=curve))
    assert bench.by_theirs(image).accepted and bench.by_ours(image).accepted
    assert json.loads(call("eif", "pcr", "--signing-certificate", bench.folder / "signer.crt").out) == {
        "PCR8": built["PCR8"]}


# ------------------------------------------------------------------------------------- what both refuse

@pytest.mark.parametrize("builder", ["ours", "theirs"])
def test_no_flipped_bit_passes_either(bench, builder):
    image, _ = getattr(bench, builder)("good.eif", signer=bench.identity())
    raw = image.read_bytes()
    assert bench.both(raw) == (True, True)
    places, end = [5, 7, 0x1b, *range(eif.CRC_AT, eif.CRC_AT + 4)], eif.HEADER_SIZE
    for _, data in eif_reader.read(raw).sections:
        begin, end = end + 12, end + 12 + len(data)
        places += [begin - 11, begin - 9, begin - 1, begin, end - 1]  # type, flags and size of the section, its data
    for at in places:
        broken = bytearray(raw)
        broken[at] ^= 1 << at % 8
        assert bench.both(bytes(broken)) == (False, False), at


def replaced(image: pathlib.Path, kind: int, data: bytes) -> bytes:
    """The image with another section of that kind, and a right checksum."""
    sections = eif_reader.read(image.read_bytes()).sections
    return eif.write([(found, data if found == kind else old) for found, old in sections])


def test_a_signature_is_of_one_image_and_by_one_key(bench):
    signed, _ = bench.ours("signed.eif", signer=bench.identity())
    elsewhere, _ = bench.theirs("elsewhere.eif", signer=bench.identity("other"))
    assert bench.both(replaced(signed, eif.KERNEL, b"evil")) == (False, False)
    (entry,) = eif_reader.whole(eif_reader.read(signed.read_bytes()).of(eif.SIGNATURE)[0])
    (other,) = eif_reader.whole(eif_reader.read(elsewhere.read_bytes()).of(eif.SIGNATURE)[0])

    def section(certificate: list, signature: list) -> bytes:
        def numbers(items):
            return eif_reader.head(4, len(items)) + b"".join(eif_reader.head(0, item) for item in items)
        return (b"\x81\xa2\x73signing_certificate" + numbers(certificate) + b"\x69signature" + numbers(signature))

    def both(certificate, signature):
        return bench.both(replaced(signed, eif.SIGNATURE, section(certificate, signature)))

    assert both(entry["signing_certificate"], entry["signature"]) == (True, True)
    assert both(other["signing_certificate"], other["signature"]) == (True, True)  # of the same image
    assert both(other["signing_certificate"], entry["signature"]) == (False, False)
    assert both(entry["signing_certificate"], entry["signature"][:-1]) == (False, False)
    assert both(entry["signing_certificate"], []) == (False, False)
    assert both([], entry["signature"]) == (False, False)


def test_a_certificate_that_has_expired_is_refused_by_both(bench):
    signer = bench.identity(end=NOW - DAY)
    for image, _ in (bench.ours("ours.eif", signer=signer), bench.theirs("theirs.eif", signer=signer)):
        assert (bench.by_ours(image).accepted, bench.by_theirs(image).accepted) == (False, False)


@pytest.mark.parametrize("raw", [b"", b".eif", bytes(547), eif.write([(eif.KERNEL, b"k")] * 3)[:-1],
                                 eif.write([(eif.KERNEL, b"k"), (6, b"x")]), eif.write([(eif.KERNEL, b"k"), (0, b"x")]),
                                 eif.write([(eif.KERNEL, b"k"), (2, b"c")]) + bytes(12)],
                         ids=["empty", "magic", "short", "cut", "type6", "type0", "tail"])
def test_what_cannot_be_walked_is_refused_by_both(bench, raw):
    assert bench.both(raw) == (False, False)


# ----------------------------------------------------------------------- where ours is stricter (docs/eif.md)

METADATA = json.dumps({"ImageName": "n", "ImageVersion": "v", "DockerInfo": {}, "CustomMetadata": {},
                       "BuildMetadata": {"BuildTime": "t", "BuildTool": "b", "BuildToolVersion": "1",
                                         "OperatingSystem": "o", "KernelVersion": "k"}}).encode()
SOUND = [(eif.KERNEL, b"kernel"), (eif.COMMAND_LINE, b"quiet"), (eif.METADATA, METADATA), (eif.RAMDISK, b"disk")]


def patched(at: int, value: bytes) -> bytes:
    """A sound image with other bytes at that place of its header, and a right checksum."""
    raw = eif.write(SOUND)
    return eif.restore_crc(raw[:at] + value + raw[at + len(value):])


LAX = {
    "magic": patched(0, b".elf"),
    "another version": patched(4, struct.pack(">H", 3)),
    "an unknown flag": patched(6, struct.pack(">H", 2)),
    "a reserved field": patched(0x18, struct.pack(">H", 1)),
    "another number of sections": patched(0x1a, struct.pack(">H", 3)),
    "another place of a section": patched(0x1c, struct.pack(">Q", 600)),
    "another size of a section": patched(0x11c, struct.pack(">Q", 5)),
    "bytes behind the last section": eif.write(SOUND) + bytes(11),
    "no kernel": eif.write(SOUND[1:]),
    "two kernels": eif.write(SOUND[:1] + SOUND),
    "no command line": eif.write(SOUND[:1] + SOUND[2:]),
    "another order": eif.write([SOUND[3], *SOUND[:3]]),
    "no metadata": eif.write(SOUND[:2] + SOUND[3:]),
    "metadata twice": eif.write([*SOUND, SOUND[2]]),
    "a bare cpio at an odd place": eif.write([*SOUND, (eif.RAMDISK, b"x"), (eif.RAMDISK, b"070701" + bytes(10))]),
    "an empty ramdisk": eif.write([*SOUND, (eif.RAMDISK, b"")]),
    "a NUL in the command line": eif.write([SOUND[0], (eif.COMMAND_LINE, b"a\0b"), *SOUND[2:]]),
    "a long command line": eif.write([SOUND[0], (eif.COMMAND_LINE, b"x" * 4096), *SOUND[2:]]),
}


def test_a_sound_image_that_is_crafted_is_accepted_by_both(bench):
    assert bench.both(eif.write(SOUND)) == (True, True)


@pytest.mark.parametrize("raw", LAX.values(), ids=LAX.keys())
def test_ours_alone_refuses_what_a_loader_may_read_otherwise(bench, raw):
    assert bench.both(raw) == (False, True)
