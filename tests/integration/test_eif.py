"""`containment-chamber eif`: what it builds is what an independent reader finds, and what is not right is refused."""
import datetime
import hashlib
import json
import os
import pathlib
import random
import shutil
import stat
import struct
import subprocess
import zlib

import eif_reader
import pytest
from commands import DONE, FAILED, USAGE, call, refused
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import (BestAvailableEncryption, Encoding, NoEncryption,
                                                          PrivateFormat)
from signer import BINARY

NOW = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
DAY = datetime.timedelta(days=1)
ROLE = "arn:aws:iam::123456789012:role/Webserver"
ONE_RAMDISK_PCR2 = ("21b9efbc184807662e966d34f390821309eeac6802309798826296bf3e8bec7c"
                    "10edb30948c90ba67310f7b964fc500a")
ROLE_PCR3 = ("78fce75db17cd4e0a3fb8dad3ad128ca5e77edbb2b2c7f75329dccd99aa5f6ef"
             "4fc1f1a452e315b9e98f9e312e6921e6")


class Folder:
    """Inputs of an image, and the calls on them."""

    def __init__(self, path):
        self.path = path
        chance = random.Random(7)
        self.kernel = self.write("bzImage", chance.randbytes(3001))
        self.cmdline = self.write("cmdline", b"console=ttyS0 quiet\n")
        self.disks = [self.write("one.cpio", chance.randbytes(1200)), self.write("two.cpio", chance.randbytes(77))]

    def write(self, name: str, content: bytes):
        (self.path / name).write_bytes(content)
        return self.path / name

    def arguments(self, *more, ramdisks: int = 2, output: str = "x.eif") -> list:
        disks = [word for disk in self.disks[:ramdisks] for word in ("--ramdisk", disk)]
        return ["eif", "build", "--kernel", self.kernel, "--cmdline-file", self.cmdline, *disks,
                "--output", self.path / output, *more]

    def build(self, *more, environment: dict | None = None, **options):
        called = call(*self.arguments(*more, **options), environment=environment)
        assert called.code == DONE, called
        return called

    def image(self, output: str = "x.eif"):
        return self.path / output

    def read(self, output: str = "x.eif") -> eif_reader.Image:
        return eif_reader.read((self.path / output).read_bytes())

    def identity(self, name: str = "signer", begin=NOW - DAY, end=NOW + 365 * DAY, curve=ec.SECP384R1(), key=None):
        key = key or ec.generate_private_key(curve)
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        certificate = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject)
                       .public_key(key.public_key()).serial_number(7).not_valid_before(begin)
                       .not_valid_after(end).sign(key, hashes.SHA384()))
        pem = self.write(f"{name}.crt", certificate.public_bytes(Encoding.PEM))
        return pem, self.write(f"{name}.key", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    def signing(self, **options) -> list:
        certificate, key = self.identity(**options)
        return ["--signing-certificate", certificate, "--private-key", key]


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def measurements(called) -> dict:
    return json.loads(called.out)["Measurements"]


def without(found: dict, name: str) -> dict:
    return {key: value for key, value in found.items() if key != name}


# ----------------------------------------------------------------------------------------------- build

@pytest.mark.parametrize("ramdisks", [0, 1, 2])
def test_an_independent_reader_finds_what_was_put_in_and_measures_the_same(folder, ramdisks):
    called = folder.build(ramdisks=ramdisks)
    image = folder.read()
    assert image.of(eif_reader.KERNEL) == [folder.kernel.read_bytes()]
    assert image.of(eif_reader.CMDLINE) == [b"console=ttyS0 quiet"]
    assert image.of(eif_reader.RAMDISK) == [disk.read_bytes() for disk in folder.disks[:ramdisks]]
    assert (image.flags, image.memory, image.cpus) == (0, 1 << 30, 2)
    found = measurements(called)
    assert found["HashAlgorithm"] == "Sha384 { ... }"
    assert without(found, "HashAlgorithm") == eif_reader.measure(image)
    assert called.err == ""
    if ramdisks < 2:
        assert found["PCR2"] == ONE_RAMDISK_PCR2


def test_sections_are_in_the_order_of_awss_builder(folder):
    folder.build(*folder.signing())
    assert [kind for kind, _ in folder.read().sections] == [1, 2, 5, 3, 3, 4]


def test_the_same_inputs_give_the_same_bytes_wherever_and_whenever(folder):
    folder.build()
    os.utime(folder.kernel, (1, 1))
    folder.build(output="again.eif", environment={"TZ": "Asia/Tokyo", "LC_ALL": "C"})
    assert folder.image().read_bytes() == folder.image("again.eif").read_bytes()


def test_an_image_is_readable_for_all_and_replaces_an_older_one_whole(folder):
    folder.write("x.eif", b"older")
    folder.build("--measurements", folder.path / "m.json")
    for name in ("x.eif", "m.json"):
        assert stat.S_IMODE((folder.path / name).stat().st_mode) == 0o644
    folder.read()
    assert {path.name for path in folder.path.iterdir()} == {"bzImage", "cmdline", "one.cpio", "two.cpio", "x.eif",
                                                             "m.json"}


def test_the_measurements_file_holds_what_is_printed(folder):
    called = folder.build("--measurements", folder.path / "m.json")
    assert (folder.path / "m.json").read_text() == called.out


@pytest.mark.parametrize("arch,flags", [("x86_64", 0), ("aarch64", 1), ("arm64", 1)])
def test_the_architecture_is_in_the_flags_and_not_measured(folder, arch, flags):
    assert measurements(folder.build("--arch", arch)) == measurements(folder.build(output="y.eif"))
    assert folder.read().flags == flags


@pytest.mark.parametrize("options,environment,expected", [
    ([], {}, "1970-01-01T00:00:00Z"),
    ([], {"SOURCE_DATE_EPOCH": "1767225600"}, "2026-01-01T00:00:00Z"),
    (["--build-time", "2025-06-01T12:00:00Z"], {"SOURCE_DATE_EPOCH": "1767225600"}, "2025-06-01T12:00:00Z"),
    (["--build-time=1"], {}, "1970-01-01T00:00:01Z"),
])
def test_the_build_time_is_said_or_1970(folder, options, environment, expected):
    folder.build(*options, environment=environment)
    assert folder.read().metadata["BuildMetadata"]["BuildTime"] == expected


def test_metadata_says_what_was_given(folder):
    custom = folder.write("custom.json", '{ "commit": "abc", "list": [1, null, "ä"] }\n'.encode())
    folder.build("--name", 'a "name"', "--version", "1.2", "--operating-system", "os", "--kernel-version", "6.12",
                 "--metadata", custom)
    metadata = folder.read().metadata
    assert (metadata["ImageName"], metadata["ImageVersion"]) == ('a "name"', "1.2")
    assert metadata["CustomMetadata"] == {"commit": "abc", "list": [1, None, "ä"]}
    assert metadata["DockerInfo"] == {}
    build = metadata["BuildMetadata"]
    assert set(build) == {"BuildTime", "BuildTool", "BuildToolVersion", "OperatingSystem", "KernelVersion"}
    assert (build["OperatingSystem"], build["KernelVersion"]) == ("os", "6.12")
    assert all(isinstance(value, str) for value in build.values())


def test_metadata_is_not_measured(folder):
    assert measurements(folder.build("--name", "a")) == measurements(folder.build("--name", "b"))


def test_a_command_line_on_the_command_line(folder):
    called = call("eif", "build", "--kernel", folder.kernel, "--cmdline=--x y", "--output", folder.image())
    assert called.code == DONE
    assert folder.read().of(eif_reader.CMDLINE) == [b"--x y"]


def test_a_full_output_device_is_told(folder):
    complaint = refused(*folder.arguments(output="nowhere/x.eif"), code=FAILED)
    assert "nowhere/x.eif" in complaint


# --------------------------------------------------------------------------------- what cannot be built

@pytest.mark.parametrize("drop,text", [
    ("--kernel", "needs --kernel FILE"), ("--output", "needs --output FILE"),
    ("--cmdline-file", "needs one of --cmdline TEXT and --cmdline-file FILE"),
])
def test_what_is_missing_is_named(folder, drop, text):
    arguments = folder.arguments()
    at = arguments.index(drop)
    assert text in refused(*arguments[:at], *arguments[at + 2:])


@pytest.mark.parametrize("more,text", [
    (["--cmdline", "x"], "needs one of --cmdline TEXT and --cmdline-file FILE"),
    (["--arch", "riscv64"], "--arch riscv64: neither x86_64 nor aarch64"),
    (["--build-time", "now"], "--build-time now: neither a time such as"),
    (["--build-time", "2026-02-30T00:00:00Z"], "neither a time such as"),
    (["--private-key", "x"], "needs both --signing-certificate PEM and --private-key PEM"),
    (["--signing-certificate", "x"], "needs both --signing-certificate PEM and --private-key PEM"),
    (["--kernel", "x"], "--kernel: the option is given twice"),
    (["--ramdisc", "x"], "--ramdisc: unknown option"),
    (["operand"], "operand: unknown option"),
    ([word for _ in range(29) for word in ("--ramdisk", "x")], "there are too many of these"),
])
def test_a_wrong_call_is_one_line_and_makes_nothing(folder, more, text):
    assert text in refused(*folder.arguments(*more))
    assert not folder.image().exists()


def test_a_wrong_source_date_epoch_is_named(folder):
    assert "SOURCE_DATE_EPOCH never: " in refused(*folder.arguments(), environment={"SOURCE_DATE_EPOCH": "never"})


@pytest.mark.parametrize("name,content,text", [
    ("bzImage", b"\x7fELF" + bytes(100), "an ELF file; an enclave boots arch/x86/boot/bzImage"),
    ("bzImage", b"", "the file is empty"),
    ("one.cpio", b"", "the file is empty"),
    ("cmdline", b"", "the file is empty"),
    ("cmdline", b"a\0b", "there is a NUL in the command line"),
    ("cmdline", b"x" * 4096, "the command line is longer than 4095 bytes"),
    ("two.cpio", b"070701" + bytes(10), None),
], ids=["elf", "kernel", "ramdisk", "cmdline", "nul", "long", "unaligned"])
def test_inputs_that_would_make_a_wrong_image_are_refused(folder, name, content, text):
    folder.write(name, content)
    if text is None:  # 1,200 bytes come before it
        folder.write("one.cpio", b"12345")
        text = "a bare cpio ramdisk does not begin at a multiple of 4 bytes"
    assert text in refused(*folder.arguments(), code=FAILED)
    assert not folder.image().exists()


@pytest.mark.parametrize("name", ["bzImage", "cmdline", "one.cpio", "two.cpio"])
def test_an_input_that_is_not_there_is_named(folder, name):
    (folder.path / name).unlink()
    complaint = refused(*folder.arguments(), code=FAILED)
    assert name in complaint and "no such file" in complaint
    (folder.path / name).mkdir()
    complaint = refused(*folder.arguments(), code=FAILED)
    assert name in complaint and "not a regular file" in complaint


@pytest.mark.parametrize("content,text", [
    (b"[]", "not a JSON object"), (b"{", "not valid JSON"), (b'{"a":1,"a":2}', "two members have the same name"),
    (b"{}" + b" " * (1 << 20), "the file is too large"),
], ids=["array", "cut", "twice", "large"])
def test_metadata_that_is_no_object_is_refused(folder, content, text):
    custom = folder.write("custom.json", content)
    complaint = refused(*folder.arguments("--metadata", custom), code=FAILED)
    assert "custom.json" in complaint and text in complaint


# --------------------------------------------------------------------------------------------- signing

def test_a_signature_holds_for_another_implementation(folder):
    signing = folder.signing()
    called = folder.build(*signing)
    image = folder.read()
    certificate = eif_reader.check_signature(image)
    assert certificate == x509.load_pem_x509_certificate(signing[1].read_bytes())
    assert without(measurements(called), "HashAlgorithm") == eif_reader.measure(image)
    assert measurements(called)["PCR8"] == eif_reader.certificate_register(signing[1].read_bytes())


def test_signing_changes_no_other_register_and_nothing_of_the_other_sections(folder):
    unsigned = measurements(folder.build(output="plain.eif"))
    signed = measurements(folder.build(*folder.signing()))
    assert without(signed, "PCR8") == unsigned
    assert folder.read().sections[:-1] == folder.read("plain.eif").sections


def test_the_private_key_is_in_no_image_even_when_it_is_in_the_certificates_file(folder):
    certificate, key = folder.identity()
    both = folder.write("both.pem", key.read_bytes() + certificate.read_bytes())
    folder.build("--signing-certificate", both, "--private-key", both)
    pem, _ = eif_reader.signature_parts(folder.read())
    assert pem == certificate.read_bytes()


def test_keys_and_certificates_that_cannot_sign_are_refused(folder):
    certificate, key = folder.identity()
    other, other_key = folder.identity("other")
    small, small_key = folder.identity("small", curve=ec.SECP256R1())
    loaded = ec.generate_private_key(ec.SECP384R1())
    encrypted = folder.write("encrypted.key", loaded.private_bytes(Encoding.PEM, PrivateFormat.PKCS8,
                                                                    BestAvailableEncryption(b"secret")))
    for certificate_file, key_file, name, text in [
            (certificate, other_key, "other.key", "it is not the key of the certificate"),
            (other, key, "signer.key", "it is not the key of the certificate"),
            (small, small_key, "small.crt", "its key is not on the curve P-384"),
            (key, key, "signer.key", "no PEM certificate is in it"),
            (certificate, certificate, "signer.crt", "no PEM private key is in it"),
            (certificate, encrypted, "encrypted.key", "it is encrypted: decrypt it with 'openssl pkey' first"),
            (folder.path / "none.crt", key, "none.crt", "no such file"),
            (certificate, folder.path / "none.key", "none.key", "no such file")]:
        complaint = refused(*folder.arguments("--signing-certificate", certificate_file, "--private-key", key_file),
                            code=FAILED)
        assert name in complaint and text in complaint
    assert not folder.image().exists()


@pytest.mark.parametrize("begin,end,warning", [
    (NOW - DAY, NOW + 89 * DAY, "the signing certificate expires on"),
    (NOW - DAY, NOW + 91 * DAY, None),
    (NOW - 3 * DAY, NOW - DAY, "the signing certificate expired on"),
])
def test_whoever_signs_is_warned_long_before_the_certificate_expires(folder, begin, end, warning):
    called = folder.build(*folder.signing(begin=begin, end=end))
    if warning is None:
        assert called.err == ""
    else:
        assert warning in called.err and end.strftime("%Y-%m-%dT%H:%M:%SZ") in called.err
        assert len(called.err.splitlines()) == 1


# -------------------------------------------------------------------------------------------- describe

def test_describe_speaks_as_nitro_cli_does(folder):
    folder.build("--name", "n", "--version", "v", *folder.signing())
    called = call("eif", "describe", folder.image(), "--json")
    assert (called.code, called.err) == (DONE, "")
    told = json.loads(called.out)
    assert (told["EifVersion"], told["IsSigned"], told["CheckCRC"], told["SignatureCheck"]) == (4, True, True, True)
    assert without(told["Measurements"], "HashAlgorithm") == eif_reader.measure(folder.read())
    assert (told["ImageName"], told["ImageVersion"]) == ("n", "v")
    assert told["SigningCertificate"]["IssuerName"] == {"commonName": "signer"}
    assert told["SigningCertificate"]["Algorithm"] == "ecdsa-with-SHA384"
    assert set(told["Metadata"]) == {"BuildTime", "BuildTool", "BuildToolVersion", "OperatingSystem",
                                     "KernelVersion", "DockerInfo", "CustomMetadata"}
    assert told["Findings"] == []


def test_describe_of_an_unsigned_image(folder):
    folder.build()
    told = json.loads(call("eif", "describe", "--json", folder.image()).out)
    assert told["IsSigned"] is False
    assert not {"SigningCertificate", "SignatureCheck"} & set(told)
    assert "PCR8" not in told["Measurements"]


def test_describe_for_people_shows_the_registers_and_escapes_what_a_terminal_would_obey(folder):
    folder.build("--name", "\x1b[31mred")
    called = call("eif", "describe", folder.image())
    assert called.code == DONE and "\x1b" not in called.out and "?[31mred" in called.out
    for value in eif_reader.measure(folder.read()).values():
        assert value in called.out


def crafted(sections, *, version=4, flags=0, count=None, table=None, reserved=0, tail=b"") -> bytes:
    """An image as another builder might write it, with a right checksum."""
    at, places = 548, []
    for _, data in sections:
        places.append((at, len(data)))
        at += 12 + len(data)
    places = places if table is None else table
    header = struct.pack(">4sHHQQHH", b".eif", version, flags, 1 << 30, 2, reserved,
                         len(sections) if count is None else count)
    for column in (0, 1):
        header += b"".join(struct.pack(">Q", place[column]) for place in places) + bytes(8 * (32 - len(places)))
    header += bytes(4)
    body = b"".join(struct.pack(">HHQ", kind, 0, len(data)) + data for kind, data in sections)
    return header + struct.pack(">I", zlib.crc32(header + body)) + body + tail


METADATA = json.dumps({"ImageName": "n", "ImageVersion": "v", "DockerInfo": {"Id": "sha256:0"}, "CustomMetadata": None,
                       "BuildMetadata": {"BuildTime": "2024", "BuildTool": "nitro-cli", "BuildToolVersion": "1",
                                         "OperatingSystem": "o", "KernelVersion": "4.14.256"}}).encode()
SECTIONS = [(1, b"kernel"), (2, b"cmdline"), (5, METADATA), (3, b"one"), (3, b"two")]


@pytest.mark.parametrize("raw,finding", [
    (crafted(SECTIONS[:2] + SECTIONS[3:], version=3), "its version is not 4"),
    (crafted(SECTIONS, count=4), "the header counts other sections than there are"),
    (crafted(SECTIONS, table=[(548, 6)] * 5), "the header's table places sections where they are not"),
    (crafted(SECTIONS, tail=b"tail"), "there are bytes behind the last section"),
    (crafted(SECTIONS, flags=2), "the header has unknown flags"),
    (crafted(SECTIONS, reserved=1), "reserved fields of the header are not zero"),
    (crafted(SECTIONS[:2] + SECTIONS[3:]), "it has no metadata, or more than once"),
    (crafted([*SECTIONS[:2], (5, b"{}"), *SECTIONS[3:]]), "metadata, ImageName: not there, or no text"),
    (crafted(SECTIONS)[:0x220] + bytes(4) + crafted(SECTIONS)[0x224:], "the checksum is wrong"),
    (crafted([*SECTIONS, (4, b"\x80")]), "not one signature"),
    (crafted(SECTIONS[:3] + [(3, b"")]), "a section is empty"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_foreign_images_are_described_and_what_is_wrong_is_a_finding_that_verify_refuses(folder, raw, finding):
    path = folder.write("foreign.eif", raw)
    called = call("eif", "describe", path, "--json")
    assert called.code == DONE
    told = json.loads(called.out)
    assert any(finding in line for line in told["Findings"]), told["Findings"]
    assert told["Measurements"]["PCR0"]
    assert finding in call("eif", "describe", path).out
    verified = call("eif", "verify", path)
    assert verified.code == FAILED and verified.out == "" and finding in verified.err
    assert all(line.startswith("containment-chamber: ") for line in verified.err.splitlines())


def test_an_image_as_nitro_cli_builds_it_is_valid(folder):
    path = folder.write("foreign.eif", crafted(SECTIONS))
    told = json.loads(call("eif", "describe", path, "--json").out)
    assert told["Metadata"]["DockerInfo"] == {"Id": "sha256:0"} and told["Findings"] == []
    assert without(told["Measurements"], "HashAlgorithm") == eif_reader.measure(eif_reader.read(path.read_bytes()))
    assert call("eif", "verify", path).code == DONE


@pytest.mark.parametrize("raw", [b"", b".eif", bytes(548), b"x" * 5000, crafted(SECTIONS)[:-1],
                                 crafted([*SECTIONS, (6, b"x")]), crafted([*SECTIONS, (0, b"x")]),
                                 crafted(SECTIONS) + struct.pack(">HHQ", 3, 0, 2**64 - 1)],
                         ids=["empty", "magic", "zeros", "text", "cut", "type6", "type0", "size"])
@pytest.mark.parametrize("action", ["describe", "verify"])
def test_what_cannot_be_walked_is_refused_with_its_name(folder, action, raw):
    path = folder.write("no.eif", raw)
    assert "no.eif" in refused("eif", action, path, code=FAILED)


@pytest.mark.skipif(any(mark in pathlib.Path(BINARY).read_bytes() for mark in (b"__asan_init", b"__tsan_init")),
                    reason="a sanitizer needs room of its own")
def test_a_large_image_is_described_without_room_for_it(folder):
    """A ramdisk of holes, four times what the process may take: files are mapped, not read into memory."""
    path = folder.write("large.eif", crafted([*SECTIONS[:4], (3, b"")]))
    size = 160 << 20
    with open(path, "r+b") as file:
        file.seek(-8, os.SEEK_END)
        file.write(struct.pack(">Q", size))
        file.truncate(path.stat().st_size + size)
    done = subprocess.run(["bash", "-c", 'ulimit -d 40000 && exec "$@"', "bash", BINARY, "eif", "describe", "--json",
                           path], capture_output=True, text=True)
    assert done.returncode == DONE, done.stderr
    pcr2 = hashlib.sha384()
    for _ in range(size >> 20):
        pcr2.update(bytes(1 << 20))
    assert json.loads(done.stdout)["Measurements"]["PCR2"] == eif_reader.register(pcr2.digest())


def test_a_file_of_a_gigabyte_and_a_byte_is_refused(folder):
    path = folder.write("huge.eif", crafted(SECTIONS))
    os.truncate(path, (1 << 30) + 1)
    assert "the file is too large" in refused("eif", "describe", path, code=FAILED)
    os.truncate(path, 1 << 30)
    assert "a section of unknown type" in refused("eif", "describe", path, code=FAILED)


# ---------------------------------------------------------------------------------------------- verify

def test_verify_accepts_what_it_built_with_its_registers(folder):
    found = measurements(folder.build(*folder.signing()))
    options = [word for index in (0, 1, 2, 8) for word in (f"--pcr{index}", found[f"PCR{index}"])]
    called = call("eif", "verify", folder.image(), *options)
    assert (called.code, called.err) == (DONE, "") and found["PCR8"] in called.out
    told = json.loads(call("eif", "verify", "--json", folder.image(), *options).out)
    assert told["Valid"] is True and told["Findings"] == [] and told["IsSigned"] is True


@pytest.mark.parametrize("index", [0, 1, 2, 8])
def test_verify_refuses_another_register(folder, index):
    folder.build(*folder.signing())
    complaint = refused("eif", "verify", folder.image(), f"--pcr{index}", "00" * 48, code=FAILED)
    assert complaint.endswith(f"x.eif, PCR{index}: it is not the one that was demanded")
    called = call("eif", "verify", folder.image(), "--json", f"--pcr{index}", "00" * 48)
    assert called.code == FAILED
    assert json.loads(called.out)["Findings"] == [f"PCR{index}: it is not the one that was demanded"]


def test_verify_refuses_an_unsigned_image_when_a_signer_is_demanded(folder):
    folder.build()
    assert "the image is not signed" in refused("eif", "verify", folder.image(), "--pcr8", "00" * 48, code=FAILED)


def test_the_certificate_must_hold_at_the_time_asked_for(folder):
    folder.build(*folder.signing(begin=NOW - 10 * DAY, end=NOW + 200 * DAY))
    for days, code in [(-11, FAILED), (-9, DONE), (199, DONE), (201, FAILED)]:
        at = (NOW + days * DAY).strftime("%Y-%m-%dT%H:%M:%SZ")
        called = call("eif", "verify", folder.image(), "--at", at)
        assert called.code == code, called
        assert ("warning" in called.err) == (days == 199)
    assert "the signing certificate has expired" in refused("eif", "verify", folder.image(), "--at", "4000000000",
                                                            code=FAILED)


def resign(folder, image, certificate, key) -> bytes:
    """The image with another signature section, by another implementation."""
    def numbers(data: bytes) -> bytes:
        return eif_reader.head(4, len(data)) + b"".join(eif_reader.head(0, octet) for octet in data)

    def text(value: str) -> bytes:
        return eif_reader.head(3, len(value)) + value.encode()

    def octets(value: bytes) -> bytes:
        return eif_reader.head(2, len(value)) + value

    pcr0 = bytes.fromhex(eif_reader.measure(image)["PCR0"])
    payload = b"\xa2" + text("register_index") + b"\0" + text("register_value") + numbers(pcr0)
    number, digest = next((number, digest) for number, (curve, digest) in eif_reader.ALGORITHMS.items()
                          if curve == key.curve.name)
    header = b"\xa1\x01" + eif_reader.head(1, -1 - number)
    half = (key.curve.key_size + 7) // 8
    r, s = utils.decode_dss_signature(key.sign(b"\x84" + text("Signature1") + octets(header) + b"\x40" +
                                               octets(payload), ec.ECDSA(digest)))
    cose = (b"\x84" + octets(header) + b"\xa0" + octets(payload) +
            octets(r.to_bytes(half, "big") + s.to_bytes(half, "big")))
    section = b"\x81\xa2" + text("signature") + numbers(cose) + text("signing_certificate") + numbers(certificate)
    return crafted([*[part for part in image.sections if part[0] != 4], (4, section)])


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_signatures_made_elsewhere_are_verified(folder, curve):
    folder.build()
    key = ec.generate_private_key(curve)
    certificate, _ = folder.identity(key=key)
    path = folder.write("signed.eif", resign(folder, folder.read(), certificate.read_bytes(), key))
    eif_reader.check_signature(eif_reader.read(path.read_bytes()))
    called = call("eif", "verify", path)
    assert called.code == DONE, called
    stranger = ec.generate_private_key(curve)
    path.write_bytes(resign(folder, folder.read(), certificate.read_bytes(), stranger))
    assert "the signature is not that of the certificate's key" in refused("eif", "verify", path, code=FAILED)


def test_a_signature_of_another_image_is_refused(folder):
    folder.build(*folder.signing())
    sections = folder.read().sections
    path = folder.write("moved.eif", crafted([(1, b"evil"), *sections[1:]]))
    assert "the signature is that of another image" in refused("eif", "verify", path, code=FAILED)


def test_flipped_bits_are_noticed(folder):
    folder.build(*folder.signing())
    raw = bytearray(folder.image().read_bytes())
    chance = random.Random(3)
    for at in [0, 5, 7, 9, 0x19, 0x1b, 0x21c, 0x223, *chance.sample(range(len(raw)), 40)]:
        raw[at] ^= 1 << chance.randrange(8)
        path = folder.write("flipped.eif", raw)
        assert call("eif", "verify", path).code == FAILED, at
        path.write_bytes(raw := bytearray(folder.image().read_bytes()))


@pytest.mark.parametrize("arguments,text", [
    ([], "eif verify: needs the FILE of an image"),
    (["a", "b"], "b: there are too many of these"),
    (["a", "--pcr0", "12"], "--pcr0 12: not 96 hexadecimal digits"),
    (["a", "--pcr8", "0g" * 48], "not 96 hexadecimal digits"),
    (["a", "--pcr3", "00" * 48], "--pcr3: unknown option"),
    (["a", "--at", "soon"], "--at soon: neither a time such as"),
])
def test_a_wrong_call_of_verify_is_told(arguments, text):
    assert text in refused("eif", "verify", *arguments)


@pytest.mark.parametrize("action", ["", "bild", "Build", "--jsn"])
def test_an_unknown_action_is_told(action):
    assert "unknown action; --help lists them" in refused("eif", action)


# ------------------------------------------------------------------------------------------------- pcr

def registers(*arguments) -> dict:
    called = call("eif", "pcr", *arguments)
    assert called.code == DONE, called
    return json.loads(called.out)


def test_registers_of_a_role_and_an_instance_are_those_of_the_vectors():
    assert registers("--role-arn", ROLE, "--instance-id", "i-0f1cd77d37fd8bcc9") == {
        "PCR3": ROLE_PCR3, "PCR4": eif_reader.register(b"i-0f1cd77d37fd8bcc9")}


def test_registers_of_an_image_a_certificate_and_a_configuration(folder):
    signing = folder.signing()
    folder.build(*signing)
    expected = eif_reader.measure(folder.read())
    assert registers("--image", folder.image()) == expected
    assert registers("--image", folder.image(), "--signing-certificate", signing[1]) == expected
    assert registers("--signing-certificate", signing[1]) == {"PCR8": expected["PCR8"]}
    content = folder.cmdline.read_bytes()
    assert registers("--configuration", folder.cmdline) == {
        "PCR16": hashlib.sha384(bytes(48) + hashlib.sha384(content).digest()).hexdigest()}
    empty = folder.write("empty", b"")
    assert registers("--configuration", empty) == {"PCR16": ONE_RAMDISK_PCR2}


def test_what_cannot_be_measured_is_refused(folder):
    folder.build(*folder.signing())
    other, _ = folder.identity("other")
    for arguments, code, text in [
            ([], USAGE, "needs something to measure"),
            (["--role-arn", "Webserver"], USAGE, "not a role such as arn:aws:iam::"),
            (["--role-arn", "arn:aws:iam::1:instance-profile/x"], USAGE, "not a role such as"),
            (["--role-arn", ROLE + "\n"], USAGE, "not printable ASCII"),
            (["--instance-id", "0f1cd"], USAGE, "not an instance such as i-"),
            (["--image", folder.path / "none"], FAILED, "no such file"),
            (["--image", folder.kernel], FAILED, "not an enclave image"),
            (["--signing-certificate", folder.kernel], FAILED, "no PEM certificate is in it"),
            (["--configuration", folder.path], FAILED, "not a regular file"),
            (["--image", folder.image(), "--signing-certificate", other], FAILED,
             "the image is signed with another certificate")]:
        assert text in refused("eif", "pcr", *arguments, code=code)


def test_registers_of_an_image_that_breaks_a_rule_are_not_given(folder):
    path = folder.write("foreign.eif", crafted(SECTIONS, count=4))
    assert "the header counts other sections" in refused("eif", "pcr", "--image", path, code=FAILED)


# ------------------------------------------------------------------------------------------------ cpio

def ramdisk(folder, *arguments, output: str = "r.cpio"):
    called = call("eif", "cpio", "--output", folder.path / output, *arguments)
    assert (called.code, called.out, called.err) == (DONE, "", ""), called
    return (folder.path / output).read_bytes()


def entries(folder, *arguments) -> dict:
    return eif_reader.cpio_entries(ramdisk(folder, *arguments))


def test_a_ramdisk_holds_what_was_named_and_nothing_of_the_machine(folder):
    found = entries(folder, "--file", f"init={folder.kernel}:755", "--file", f"etc/a/b={folder.cmdline}",
                    "--directory", "proc:555", "--directory", "etc:700", "--symlink", "bin/sh=../init",
                    "--device", "dev/console=5:1", "--device", "dev/null=1:3:666")
    modes = {name: entry.mode for name, entry in found.items()}
    assert modes == {"bin": 0o40755, "bin/sh": 0o120777, "dev": 0o40755, "dev/console": 0o20600,
                     "dev/null": 0o20666, "etc": 0o40700, "etc/a": 0o40755, "etc/a/b": 0o100644,
                     "init": 0o100755, "proc": 0o40555}
    assert list(found) == sorted(found)
    assert found["init"].data == folder.kernel.read_bytes() and found["bin/sh"].data == b"../init"
    assert found["dev/console"].device == (5, 1) and found["dev/null"].device == (1, 3)
    assert [entry.inode for entry in found.values()] == list(range(1, 11))
    assert all(entry.owner == (0, 0) and entry.time == 0 for entry in found.values())


def test_the_order_of_the_arguments_and_the_files_own_modes_do_not_matter(folder):
    first = ramdisk(folder, "--file", f"a={folder.kernel}", "--file", f"b/c={folder.cmdline}")
    folder.kernel.chmod(0o400)
    os.utime(folder.kernel, (1, 1))
    assert ramdisk(folder, "--file", f"b/c={folder.cmdline}", "--file", f"a={folder.kernel}") == first


def test_a_path_may_hold_a_colon(folder):
    odd = folder.write("a:b", b"odd")
    assert entries(folder, "--file", f"x={odd}")["x"].data == b"odd"
    assert entries(folder, "--file", f"x={odd}:600")["x"].mode == 0o100600


@pytest.mark.skipif(shutil.which("cpio") is None, reason="cpio is not installed")
def test_debians_cpio_reads_it(folder):
    raw = ramdisk(folder, "--file", f"init={folder.kernel}:755", "--symlink", "bin/sh=../init")
    listed = subprocess.run(["cpio", "-it", "--quiet"], input=raw, capture_output=True, check=True, cwd=folder.path)
    assert listed.stdout.decode().split() == ["bin", "bin/sh", "init"] and listed.stderr == b""
    out = folder.path / "out"
    out.mkdir()
    subprocess.run(["cpio", "-id", "--quiet"], input=raw, check=True, cwd=out)
    assert (out / "init").read_bytes() == folder.kernel.read_bytes()
    assert os.readlink(out / "bin" / "sh") == "../init"


@pytest.mark.parametrize("arguments,text", [
    ([], "names no entry"),
    (["--file", "init"], "not of the form NAME=PATH[:MODE]"),
    (["--file", "init="], "not of the form NAME=PATH[:MODE]"),
    (["--symlink", "sh"], "not of the form NAME=TARGET"),
    (["--symlink", "sh="], "the link's target is empty"),
    (["--device", "null=1"], "not of the form NAME=MAJOR:MINOR[:MODE]"),
    (["--device", "null=1:"], "not of the form NAME=MAJOR:MINOR[:MODE]"),
    (["--device", "null=1:x"], "not of the form NAME=MAJOR:MINOR[:MODE]"),
    (["--device", "null=1:3:9"], "not of the form NAME=MAJOR:MINOR[:MODE]"),
    (["--device", "null=1:1048576"], "not of the form NAME=MAJOR:MINOR[:MODE]"),
    (["--directory", "/etc"], "/etc: not a relative path of non-empty names"),
    (["--directory", "a//b"], "not a relative path of non-empty names"),
    (["--directory", "../a"], "\".\" or \"..\" in a path"),
    (["--directory", ""], "the name is empty"),
    (["--directory", "a", "--directory", "a"], "a: the name is there twice"),
    (["--directory", "a", "--symlink", "a=b"], "a: the name is there twice"),
    (["--symlink", "a=b", "--directory", "a/c"], "a/c: its folder is not there before it"),
    (["--directory", "TRAILER!!!"], "this name ends an archive"),
    (["a=b"], "unknown option"),
])
def test_what_is_no_ramdisk_is_refused(folder, arguments, text):
    assert text in refused("eif", "cpio", "--output", folder.path / "r.cpio", *arguments)
    assert not (folder.path / "r.cpio").exists()


def test_a_file_that_is_not_there_is_named(folder):
    assert "none (No such file or directory): no such file" in refused(
        "eif", "cpio", "--output", folder.path / "r.cpio", "--file", f"init={folder.path}/none", code=FAILED)


def test_a_ramdisk_needs_an_output():
    assert "needs --output FILE" in refused("eif", "cpio", "--directory", "a")


def test_what_cpio_makes_may_be_the_second_ramdisk(folder):
    ramdisk(folder, "--file", f"a={folder.cmdline}", output="one.cpio")
    ramdisk(folder, "--file", f"b={folder.cmdline}", output="two.cpio")
    folder.build()
    assert call("eif", "verify", folder.image()).code == DONE
