"""Asks the security module of a running guest (tests/enclave/guest/init.c, port 7001)."""
import socket

from cbor_reader import decode
from nitro_documents import encode

PORT = 7001
REQUEST_MAX, RESPONSE_MAX = 0x1000, 0x3000


class NsmError(RuntimeError):
    """The module answered with an error; its text is the error's name."""


def received(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise EOFError(f"{len(data)} of {size} bytes")
        data += more
    return data


class NsmClient:
    def __init__(self, enclave):
        self.connection = enclave.connect(PORT)

    def exchange(self, request: bytes) -> bytes:
        """The module's answer, or nothing when the driver refused the request."""
        self.connection.sendall(len(request).to_bytes(4, "big") + request)
        return received(self.connection, int.from_bytes(received(self.connection, 4), "big"))

    def ask(self, request):
        answer = decode(self.exchange(encode(request)))
        if isinstance(answer, dict) and "Error" in answer:
            raise NsmError(answer["Error"])
        return answer

    def describe(self) -> dict:
        return self.ask("DescribeNSM")["DescribeNSM"]

    def random(self) -> bytes:
        return self.ask("GetRandom")["GetRandom"]["random"]

    def register(self, index: int) -> tuple[bytes, bool]:
        """Value, and whether it is locked."""
        answer = self.ask({"DescribePCR": {"index": index}})["DescribePCR"]
        return answer["data"], answer["lock"]

    def extend(self, index: int, data: bytes) -> bytes:
        return self.ask({"ExtendPCR": {"index": index, "data": data}})["ExtendPCR"]["data"]

    def lock(self, index: int) -> None:
        assert self.ask({"LockPCR": {"index": index}}) == "LockPCR"

    def lock_range(self, count: int) -> None:
        assert self.ask({"LockPCRs": {"range": count}}) == "LockPCRs"

    def attest(self, user_data=None, nonce=None, public_key=None) -> bytes:
        fields = {"user_data": user_data, "nonce": nonce, "public_key": public_key}
        return self.ask({"Attestation": fields})["Attestation"]["document"]

    def close(self) -> None:
        self.connection.close()
