"""Enclave images (EIF version 4) and what a security module measures of them, written from AWS's description of
the format and sharing nothing with src/.

    image = write([(KERNEL, kernel), (COMMAND_LINE, b"..."), (METADATA, b"{}"), (RAMDISK, cpio([...]))])
    registers = measure(read(image))

A field in the header or in a section that is to be wrong is changed in the bytes afterwards; restore_crc() then
makes the checksum right again."""
import dataclasses
import hashlib
import struct
import zlib

INVALID, KERNEL, COMMAND_LINE, RAMDISK, SIGNATURE, METADATA = range(6)
MAGIC = b".eif"
VERSION = 4
HEADER_SIZE = 548
CRC_AT = 0x220
SECTIONS_MAX = 32
MEMORY = 1 << 30
CPUS = 2


def header(sections, offsets) -> bytes:
    """All of the header but its checksum."""
    def table(numbers):
        return struct.pack(f">{SECTIONS_MAX}Q", *numbers, *[0] * (SECTIONS_MAX - len(numbers)))

    return (struct.pack(">4sHHQQHH", MAGIC, VERSION, 0, MEMORY, CPUS, 0, len(sections))
            + table(offsets) + table([len(data) for _, data in sections]) + bytes(4))


def write(sections) -> bytes:
    """The image of (type, data) pairs, in their order."""
    body, offsets = b"", []
    for kind, data in sections:
        offsets.append(HEADER_SIZE + len(body))
        body += struct.pack(">HHQ", kind, 0, len(data)) + data
    first = header(sections, offsets)
    return first + struct.pack(">I", zlib.crc32(body, zlib.crc32(first))) + body


def restore_crc(image: bytes) -> bytes:
    crc = zlib.crc32(image[HEADER_SIZE:], zlib.crc32(image[:CRC_AT]))
    return image[:CRC_AT] + struct.pack(">I", crc) + image[CRC_AT + 4:]


def read(image: bytes):
    """The (type, data) pairs of an image whose header and sections agree; ValueError for any other."""
    magic, version, _, _, _, _, count = struct.unpack_from(">4sHHQQHH", image)
    if magic != MAGIC or version != VERSION or not 2 <= count <= SECTIONS_MAX:
        raise ValueError("no image of version 4")
    if restore_crc(image) != image:
        raise ValueError("the checksum is wrong")
    offsets = struct.unpack_from(f">{SECTIONS_MAX}Q", image, 0x1c)
    sizes = struct.unpack_from(f">{SECTIONS_MAX}Q", image, 0x11c)
    sections, position = [], HEADER_SIZE
    for index in range(count):
        kind, _, size = struct.unpack_from(">HHQ", image, position)
        if (offsets[index], sizes[index]) != (position, size):
            raise ValueError(f"section {index} is not where the header has it")
        sections.append((kind, image[position + 12:position + 12 + size]))
        position += 12 + size
    if position != len(image):
        raise ValueError("the sections are not the rest of the image")
    return sections


# ------------------------------------------------------------------------------------------------ registers


def extended(data: bytes, old: bytes = bytes(48)) -> bytes:
    """What a register that held `old` holds after `data` came."""
    return hashlib.sha384(old + data).digest()


def measure(sections, role: str | None = None, instance: str | None = None,
            certificate: bytes | None = None) -> dict[int, bytes]:
    """Registers 0 to 4 and 8 of an image that runs on that instance and is signed with that certificate (DER)."""
    ramdisks = [data for kind, data in sections if kind == RAMDISK]
    boot = b"".join(data for wanted in (KERNEL, COMMAND_LINE) for kind, data in sections if kind == wanted)
    registers = {
        0: extended(hashlib.sha384(boot + b"".join(ramdisks)).digest()),
        1: extended(hashlib.sha384(boot + b"".join(ramdisks[:1])).digest()),
        2: extended(hashlib.sha384(b"".join(ramdisks[1:])).digest()),
        8: extended(hashlib.sha384(certificate).digest()) if certificate else bytes(48),
    }
    names = {3: role, 4: instance}
    return registers | {index: extended(name.encode()) if name else bytes(48) for index, name in names.items()}


# ------------------------------------------------------------------------------------------------- ramdisks


@dataclasses.dataclass
class Entry:
    """A file of a ramdisk; a folder with mode 0o040755 and no data."""

    name: str
    data: bytes = b""
    mode: int = 0o100755


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def cpio_entry(number: int, entry: Entry) -> bytes:
    name = entry.name.encode() + b"\0"
    links = 2 if entry.mode & 0o040000 else 1
    fields = (number, entry.mode, 0, 0, links, 0, len(entry.data), 0, 0, 0, 0, len(name), 0)
    return padded(b"070701" + b"".join(b"%08X" % field for field in fields) + name) + padded(entry.data)


def cpio(entries) -> bytes:
    """A ramdisk in the format newc."""
    last = Entry("TRAILER!!!", mode=0)
    return b"".join(cpio_entry(number, entry) for number, entry in enumerate([*entries, last]))
