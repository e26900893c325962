"""The emulated enclave itself: an image boots, is measured as AWS measures it, attests with signatures that hold,
refuses what the real module refuses, and talks to its parent. What this rests on is what all other tests of the
enclave rest on."""
import hashlib
import os
import pathlib
import threading
import time

import eif
import pytest
from cbor_reader import decode
from document_check import DocumentError, checked
from emulator import INSTANCE, MODULE, ROLE, Emulator, EmulatorError
from nitro_documents import encode, make_chain
from nsm_client import REQUEST_MAX, NsmClient, NsmError, received
from nsm_signer import NsmSigner, now

CONFIGURATION = 16
ECHO, FACTS, END = 7000, 7002, 7003


@pytest.fixture
def module(enclave):
    client = NsmClient(enclave)
    yield client
    client.close()


def facts(enclave) -> dict[str, str]:
    with enclave.connect(FACTS) as connection, connection.makefile() as lines:
        return dict(line.rstrip("\n").split(" ", 1) for line in lines)


def registers_of(module) -> dict[int, bytes]:
    """Those of the image, of the instance and of the image's signer."""
    return {index: module.register(index)[0] for index in (0, 1, 2, 3, 4, 8)}


def echoed(connection, data: bytes) -> bytes:
    connection.sendall(data)
    return received(connection, len(data))


# --------------------------------------------------------------------------------------------- measurements


def test_registers_are_those_of_the_image(guest_image, module):
    computed = eif.measure(guest_image.sections, ROLE, INSTANCE)
    assert registers_of(module) == computed
    assert len(set(computed.values())) == 6


def test_registers_that_an_unsigned_image_does_not_use_are_zero(module):
    assert all(module.register(index)[0] == bytes(48) for index in range(5, 32) if index != CONFIGURATION)


def test_the_second_ramdisk_is_register_2(guest_image):
    changed = [*guest_image.sections[:-1], (eif.RAMDISK, eif.cpio([eif.Entry("application", b"other")]))]
    before, after = eif.measure(guest_image.sections), eif.measure(changed)
    assert [before[index] == after[index] for index in range(3)] == [False, True, False]


def test_role_and_instance_are_measured_as_documented():
    documented = ("78fce75db17cd4e0a3fb8dad3ad128ca5e77edbb2b2c7f75329dccd99aa5f6ef"
                  "4fc1f1a452e315b9e98f9e312e6921e6")
    assert eif.measure([], "arn:aws:iam::123456789012:role/Webserver")[3].hex() == documented


def test_an_image_is_read_as_it_was_written(guest_image):
    assert eif.read(guest_image.bytes) == guest_image.sections


@pytest.mark.parametrize("place", [0, 5, 0x1d, 0x224, -1])
def test_a_changed_image_is_not_read(guest_image, place):
    changed = bytearray(guest_image.bytes)
    changed[place] ^= 1
    with pytest.raises(ValueError):
        eif.read(bytes(changed))


# ------------------------------------------------------------------------------------------- security module


def test_the_module_describes_itself(module):
    described = module.describe()
    assert described["module_id"] == MODULE
    assert described["digest"] == "SHA384"
    assert described["max_pcrs"] == 32
    assert set(range(16)) <= set(described["locked_pcrs"])


def test_random_bytes_differ(module):
    first, second = module.random(), module.random()
    assert len(first) == len(second) == 256
    assert first != second


def test_a_document_verifies_under_the_root_of_its_signer(module, signer, guest_image):
    began = time.time()
    document = module.attest(user_data=b"data", nonce=b"\1" * 32, public_key=b"key")
    payload = checked(document, signer.chain.root, now())
    assert payload["module_id"] == MODULE
    assert payload["digest"] == "SHA384"
    assert abs(payload["timestamp"] / 1000 - began) < 600
    assert (payload["user_data"], payload["nonce"], payload["public_key"]) == (b"data", b"\1" * 32, b"key")
    computed = eif.measure(guest_image.sections, ROLE, INSTANCE)
    assert {index: payload["pcrs"][index] for index in computed} == computed


def test_what_is_not_given_is_null_in_the_document(module, signer):
    payload = checked(module.attest(), signer.chain.root, now())
    assert [payload[name] for name in ("user_data", "nonce", "public_key")] == [None] * 3


def test_documents_are_those_of_aws_byte_for_byte_where_they_can_be(module):
    """nitro.md 2.1: the head, and the order of the fields."""
    document = module.attest()
    assert document.startswith(bytes.fromhex("84 44 a1013822 a0 59"))
    assert list(decode(decode(document)[2])) == [
        "module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle", "public_key", "user_data", "nonce"]


def test_another_root_is_not_enough(module):
    with pytest.raises(DocumentError, match="another root"):
        checked(module.attest(), make_chain(now()).root, now())


def test_a_changed_document_does_not_verify(module, signer):
    document = bytearray(module.attest(nonce=b"nonce of the test"))
    document[document.index(b"nonce of the test")] ^= 1
    with pytest.raises(DocumentError, match="signature"):
        checked(bytes(document), signer.chain.root, now())


def test_an_extended_and_locked_register_is_in_documents(module, signer):
    configuration = hashlib.sha384(b"configuration").digest()
    assert CONFIGURATION not in checked(module.attest(), signer.chain.root, now())["pcrs"]
    value = module.extend(CONFIGURATION, configuration)
    assert value == eif.extended(configuration)
    assert module.register(CONFIGURATION) == (value, False)
    module.lock(CONFIGURATION)
    assert module.register(CONFIGURATION) == (value, True)
    assert checked(module.attest(), signer.chain.root, now())["pcrs"][CONFIGURATION] == value
    with pytest.raises(NsmError, match="ReadOnlyIndex"):
        module.extend(CONFIGURATION, b"more")
    with pytest.raises(NsmError, match="ReadOnlyIndex"):
        module.lock(CONFIGURATION)
    assert module.register(CONFIGURATION) == (value, True)


@pytest.mark.parametrize("index", [0, 4, 8, 15])
def test_registers_of_the_image_cannot_be_changed(module, index):
    before = module.register(index)
    with pytest.raises(NsmError, match="ReadOnlyIndex"):
        module.extend(index, b"other")
    with pytest.raises(NsmError, match="ReadOnlyIndex"):
        module.lock(index)
    assert module.register(index) == before
    assert before[1]


def test_there_are_32_registers(module):
    module.register(31)
    for refused in (lambda: module.register(32), lambda: module.extend(32, b""), lambda: module.lock(32),
                    lambda: module.lock_range(33)):
        with pytest.raises(NsmError, match="Invalid(Index|Argument|Operation)"):
            refused()


@pytest.mark.parametrize("request_", ["NoSuchRequest", {"NoSuchRequest": {}}, {}, [], 1])
def test_what_is_no_request_is_an_error(module, request_):
    with pytest.raises(NsmError):
        module.ask(request_)


def test_a_request_that_is_too_long_does_not_reach_the_module(module):
    longest = encode("DescribeNSM").ljust(REQUEST_MAX + 1, b"\0")
    assert module.exchange(longest) == b""
    assert module.describe()["max_pcrs"] == 32


# ----------------------------------------------------------------------------------------------------- vsock


def test_bytes_come_back(enclave):
    data = os.urandom(1 << 20)
    with enclave.connect(ECHO) as connection:
        for size in (1, 1024, 4096):
            assert echoed(connection, data[:size]) == data[:size]
        for begin in range(0, len(data), 1 << 14):
            assert echoed(connection, data[begin:begin + (1 << 14)]) == data[begin:begin + (1 << 14)]


def test_a_stream_of_a_mebibyte_goes_both_ways_at_once(enclave):
    data = os.urandom(1 << 20)
    with enclave.connect(ECHO) as connection:
        sender = threading.Thread(target=connection.sendall, args=(data,))
        sender.start()
        assert received(connection, len(data)) == data
        sender.join()


def test_many_connections_at_once_keep_their_bytes_apart(enclave):
    connections = [enclave.connect(ECHO) for _ in range(16)]
    for number, connection in enumerate(connections):
        connection.sendall(bytes([number]) * 2000)
    for number, connection in enumerate(connections):
        assert received(connection, 2000) == bytes([number]) * 2000
        connection.close()


def test_nobody_answers_where_nobody_listens(enclave):
    assert enclave.try_connect(7999) is None


# ---------------------------------------------------------------------------------------------------- kernel


@pytest.fixture(scope="module")
def kernel_facts(enclave):
    return facts(enclave)


def test_the_machine_is_as_ordered(kernel_facts):
    assert kernel_facts["cpus"] == "2"
    assert kernel_facts["release"] == "6.12.117"
    assert kernel_facts["version"] == "#1 SMP Thu Jan  1 00:00:00 UTC 1970"
    assert abs(int(kernel_facts["time"]) - time.time()) < 600


def test_random_numbers_are_there_from_the_start(kernel_facts):
    assert kernel_facts["random"] == "ok"
    assert kernel_facts["hwrng"] == "nsm-hwrng"


@pytest.mark.parametrize("name", ["inet", "seccomp", "nsm"])
def test_what_an_enclave_needs_is_there(kernel_facts, name):
    assert kernel_facts[name] == "ok"


@pytest.mark.parametrize("name, error", [
    ("bpf", "ENOSYS"), ("io_uring", "ENOSYS"), ("init_module", "ENOSYS"), ("kexec", "ENOSYS"), ("swapon", "ENOSYS"),
    ("userfaultfd", "ENOSYS"), ("process_vm_readv", "ENOSYS"), ("unshare_user", "EINVAL"), ("iopl", "ENOSYS"),
    ("inet6", "EAFNOSUPPORT"), ("packet", "EAFNOSUPPORT"), ("mem", "ENOENT"), ("kcore", "ENOENT")])
def test_what_an_enclave_has_no_use_for_is_not_there(kernel_facts, name, error):
    assert kernel_facts[name] == error


def test_a_crash_leaves_no_core(kernel_facts):
    assert kernel_facts["crash"] == "gone"


# -------------------------------------------------------------------------------------- other enclaves, ends


def test_the_parents_names_are_measured(guest_image):
    with Emulator(guest_image.bytes, role="arn:aws:iam::1:role/other", instance="i-2") as other:
        other.wait_for_heartbeat()
        module = NsmClient(other)
        computed = eif.measure(guest_image.sections, "arn:aws:iam::1:role/other", "i-2")
        assert registers_of(module) == computed


def test_without_a_signer_nothing_is_signed(guest_image):
    with Emulator(guest_image.bytes) as other:
        other.wait_for_heartbeat()
        protected, _, body, signature = decode(NsmClient(other).attest())
        assert (protected, signature) == (b"\xa1\x01\x20", bytes(64))
        assert decode(body)["certificate"] == bytes(64)


def test_a_signer_that_is_gone_is_an_error_and_no_unsigned_document(guest_image):
    signer = NsmSigner()
    with Emulator(guest_image.bytes, signer=signer) as other:
        other.wait_for_heartbeat()
        module = NsmClient(other)
        module.attest()
        signer.close()
        with pytest.raises(NsmError, match="InternalError"):
            module.attest()
        assert module.describe()["max_pcrs"] == 32


def test_documents_in_debug_mode_have_no_image(guest_image):
    with NsmSigner(debug=True) as signer, Emulator(guest_image.bytes, signer=signer) as other:
        other.wait_for_heartbeat()
        registers = checked(NsmClient(other).attest(), signer.chain.root, now())["pcrs"]
        assert [registers[index] for index in (0, 1, 2, 8)] == [bytes(48)] * 4
        assert registers[3] == eif.measure([], ROLE)[3]


def test_an_enclave_that_reboots_ends_and_leaves_nothing(guest_image):
    with Emulator(guest_image.bytes) as other:
        other.wait_for_heartbeat()
        children = [child.pid for child in other.children.values()]
        other.connect(END)
        other.wait_for_end()
        assert "guest: told to end" in other.console
    assert not other.folder.exists()
    assert not any(pathlib.Path(f"/proc/{pid}").exists() for pid in children)


def test_without_a_parent_the_guest_does_not_go_on(guest_image):
    with Emulator(guest_image.bytes, heartbeat=False) as other:
        other.wait_for_console("guest: heartbeat connection failed")
        other.wait_for_end()
        assert "guest: ready" not in other.console


def test_an_image_that_is_none_is_reported_with_the_machines_reason(guest_image):
    with pytest.raises(EmulatorError, match="(?s)the enclave ended.*CRC"):
        with Emulator(guest_image.bytes[:-1] + b"\1") as other:
            other.wait_for_heartbeat()
