"""CBOR as security modules write it, read strictly (RFC 8949): definite lengths, no tags, no floating point, no
key twice, nothing behind the value."""


class CborError(ValueError):
    """Not what a security module writes."""


class Reader:
    def __init__(self, data: bytes):
        self.data = data
        self.position = 0

    def take(self, size: int) -> bytes:
        taken = self.data[self.position:self.position + size]
        if len(taken) != size:
            raise CborError(f"ends at {len(self.data)}")
        self.position += size
        return taken

    def head(self) -> tuple[int, int]:
        first = self.take(1)[0]
        major, low = first >> 5, first & 31
        if low < 24:
            return major, low
        if low > 27:
            raise CborError(f"indefinite or reserved length before {self.position}")
        return major, int.from_bytes(self.take(1 << low - 24), "big")

    def pairs(self, count: int) -> dict:
        found = {}
        for _ in range(count):
            key = self.value()
            if not isinstance(key, (str, int)) or key in found:
                raise CborError(f"the key {key!r} before {self.position}")
            found[key] = self.value()
        return found

    def value(self):
        major, number = self.head()
        if major == 0:
            return number
        if major == 1:
            return -1 - number
        if major == 2:
            return self.take(number)
        if major == 3:
            return self.take(number).decode("utf-8")
        if major == 4:
            return [self.value() for _ in range(number)]
        if major == 5:
            return self.pairs(number)
        simple = {20: False, 21: True, 22: None}
        if major == 7 and number in simple:
            return simple[number]
        raise CborError(f"major type {major} before {self.position}")


def decode(data: bytes):
    reader = Reader(data)
    value = reader.value()
    if reader.position != len(data):
        raise CborError("bytes behind the value")
    return value
