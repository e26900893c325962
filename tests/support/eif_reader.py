"""Enclave images (EIF version 4), read and measured by another hand than src/eif's: the tests hold one to the other.

read() takes images that are as they must be and raises Wrong for all others; measure() gives the registers;
check_signature() verifies the COSE_Sign1 with Python's cryptography. cpio_entries() reads a newc archive.
"""
import dataclasses
import hashlib
import json
import struct
import zlib

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding

KERNEL, CMDLINE, RAMDISK, SIGNATURE, METADATA = 1, 2, 3, 4, 5
HEADER = struct.Struct(">4sHHQQHH32Q32QII")
SECTION = struct.Struct(">HHQ")
ALGORITHMS = {-7: ("secp256r1", hashes.SHA256()), -35: ("secp384r1", hashes.SHA384()),
              -36: ("secp521r1", hashes.SHA512())}


class Wrong(Exception):
    """What is not as it must be."""


def demand(holds: bool, what: str) -> None:
    if not holds:
        raise Wrong(what)


@dataclasses.dataclass
class Image:
    flags: int
    memory: int
    cpus: int
    sections: list  # (type, bytes), in the file's order

    def of(self, kind: int) -> list:
        return [data for found, data in self.sections if found == kind]

    @property
    def metadata(self) -> dict:
        return json.loads(self.of(METADATA)[0])


def read(raw: bytes) -> Image:
    demand(len(raw) >= HEADER.size, "too short")
    magic, version, flags, memory, cpus, reserved, count, *rest = HEADER.unpack_from(raw)
    offsets, sizes, (unused, crc) = rest[:32], rest[32:64], rest[64:]
    demand(magic == b".eif" and version == 4 and flags in (0, 1), "magic, version or flags")
    demand(reserved == 0 and unused == 0 and 2 <= count <= 32, "reserved fields or the count")
    demand(not any(offsets[count:]) and not any(sizes[count:]), "unused rows of the table")
    at, sections, running = HEADER.size, [], zlib.crc32(raw[:HEADER.size - 4])
    for offset, size in zip(offsets[:count], sizes[:count]):
        demand(offset == at and at + SECTION.size + size <= len(raw), "the place of a section")
        kind, section_flags, section_size = SECTION.unpack_from(raw, at)
        demand(kind in range(1, 6) and section_flags == 0 and section_size == size, "the head of a section")
        data = raw[at + SECTION.size:at + SECTION.size + size]
        running = zlib.crc32(raw[at:at + SECTION.size + size], running)
        sections.append((kind, data))
        at += SECTION.size + size
    demand(at == len(raw), "bytes behind the last section")
    demand(crc == running, "the checksum")
    kinds = [kind for kind, _ in sections]
    for kind in (KERNEL, CMDLINE, METADATA):
        demand(kinds.count(kind) == 1, f"one section of type {kind}")
    measured = [kind for kind in kinds if kind in (KERNEL, CMDLINE, RAMDISK)]
    demand(measured == sorted(measured), "the order")
    demand(SIGNATURE not in kinds[:-1], "the place of the signature")
    image = Image(flags, memory, cpus, sections)
    demand(b"\0" not in image.of(CMDLINE)[0], "a NUL in the command line")
    return image


# ------------------------------------------------------------------------------------------- registers

def register(data: bytes) -> str:
    """A register that was zero and was extended with `data`."""
    return hashlib.sha384(bytes(48) + data).hexdigest()


def register_of_hash(*pieces: bytes) -> str:
    return register(hashlib.sha384(b"".join(pieces)).digest())


def measure(image: Image) -> dict:
    kernel, cmdline, disks = image.of(KERNEL)[0], image.of(CMDLINE)[0], image.of(RAMDISK)
    found = {"PCR0": register_of_hash(kernel, cmdline, *disks),
             "PCR1": register_of_hash(kernel, cmdline, *disks[:1]),
             "PCR2": register_of_hash(*disks[1:])}
    if image.of(SIGNATURE):
        found["PCR8"] = certificate_register(signature_parts(image)[0])
    return found


def certificate_register(pem: bytes) -> str:
    return register_of_hash(x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER))


# ------------------------------------------------------------------------------------------- signature

def cbor(raw: bytes, at: int = 0):
    """(value, where it ends) of the CBOR item at `at`; definite lengths, no tags, no floats."""
    demand(at < len(raw), "CBOR ends early")
    kind, short = raw[at] >> 5, raw[at] & 31
    at += 1
    demand(short < 28, "a length that is not stated")
    size = {24: 1, 25: 2, 26: 4, 27: 8}.get(short, 0)
    number = int.from_bytes(raw[at:at + size], "big") if size else short
    at += size
    if kind == 0:
        return number, at
    if kind == 1:
        return -1 - number, at
    if kind in (2, 3):
        demand(at + number <= len(raw), "CBOR ends early")
        piece = raw[at:at + number]
        return (piece if kind == 2 else piece.decode()), at + number
    if kind == 4:
        items = []
        for _ in range(number):
            item, at = cbor(raw, at)
            items.append(item)
        return items, at
    demand(kind == 5, "an item of another kind")
    pairs = {}
    for _ in range(number):
        key, at = cbor(raw, at)
        demand(key not in pairs, "a member twice")
        pairs[key], at = cbor(raw, at)
    return pairs, at


def whole(raw: bytes):
    value, end = cbor(raw)
    demand(end == len(raw), "bytes behind the CBOR")
    return value


def head(kind: int, size: int) -> bytes:
    if size < 24:
        return bytes([kind << 5 | size])
    return bytes([kind << 5 | 24, size]) if size < 256 else bytes([kind << 5 | 25]) + size.to_bytes(2, "big")


def signature_parts(image: Image) -> tuple[bytes, bytes]:
    """The certificate's PEM and the COSE_Sign1, which are there as arrays of numbers."""
    (entry,) = whole(image.of(SIGNATURE)[0])
    demand(set(entry) == {"signing_certificate", "signature"}, "members of the signature")
    return bytes(entry["signing_certificate"]), bytes(entry["signature"])


def check_signature(image: Image) -> x509.Certificate:
    pem, cose = signature_parts(image)
    certificate = x509.load_pem_x509_certificate(pem)
    header, unprotected, payload, mark = whole(cose)
    demand(unprotected == {} and set(whole(header)) == {1}, "the parameters")
    curve, digest = ALGORITHMS[whole(header)[1]]
    key = certificate.public_key()
    demand(key.curve.name == curve, "the algorithm is not that of the key")
    demand(whole(payload) == {"register_index": 0, "register_value": list(bytes.fromhex(measure(image)["PCR0"]))},
           "the payload is not PCR0")
    half = len(mark) // 2
    demand(half == (key.curve.key_size + 7) // 8, "the size of the signature")
    message = (head(4, 4) + head(3, 10) + b"Signature1" + head(2, len(header)) + header + head(2, 0) +
               head(2, len(payload)) + payload)
    der = utils.encode_dss_signature(int.from_bytes(mark[:half], "big"), int.from_bytes(mark[half:], "big"))
    try:
        key.verify(der, message, ec.ECDSA(digest))
    except InvalidSignature as error:
        raise Wrong("the signature") from error
    return certificate


# ---------------------------------------------------------------------------------------------- ramdisks

@dataclasses.dataclass
class Entry:
    mode: int
    data: bytes
    device: tuple
    inode: int
    owner: tuple
    time: int
    links: int


def cpio_entries(raw: bytes) -> dict[str, Entry]:
    """Name to entry of a newc archive, which must be all of `raw`."""
    at, entries = 0, {}
    while True:
        demand(raw[at:at + 6] == b"070701", "no newc header")
        fields = [int(raw[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
        inode, mode, uid, gid, links, time, size, _, _, major, minor, name_size, check = fields
        name = raw[at + 110:at + 110 + name_size]
        demand(name[-1:] == b"\0" and b"\0" not in name[:-1] and check == 0, "a name")
        at += -(-(110 + name_size) // 4) * 4
        data = raw[at:at + size]
        at += -(-size // 4) * 4
        if name == b"TRAILER!!!\0":
            demand(at == len(raw), "bytes behind the archive")
            return entries
        demand(name[:-1].decode() not in entries, "a name twice")
        entries[name[:-1].decode()] = Entry(mode, data, (major, minor), inode, (uid, gid), time, links)
