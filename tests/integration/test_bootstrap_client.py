"""The enclave's end of the bootstrap protocol beside a real parent, under the server's filter of system calls."""
import os
import pathlib
import re
import signal
import subprocess
import threading

import pytest

from parent import CONFIGURATION_TEXT, Parent, eventually
from signer import PATIENCE_S, ROOT, SANITIZER

PEER = os.environ.get("CHAMBER_BOOTSTRAP_PEER", str(ROOT / "build" / "tests" / "unit" / "enclave" / "bootstrap_peer"))


class Peer:
    """The program that has the client, connected or trying to."""

    def __init__(self, folder: pathlib.Path):
        self.lines: list[str] = []
        self.errors = folder / "peer"
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen([PEER, str(folder / "vm_9001")], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=errors, text=True, bufsize=1)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def told(self, what: str) -> list[str]:
        return [line.removeprefix(what + " ") for line in self.lines if line.startswith(what + " ")]

    def told_bytes(self, what: str) -> list[bytes]:
        return [bytes.fromhex(text.removeprefix("0x")) for text in self.told(what)]

    def tell(self, command: str):
        self.process.stdin.write(command + "\n")

    def complaints(self) -> list[str]:
        return [line for line in self.errors.read_text().splitlines() if "not connected to the parent" in line]

    def end(self):
        if not self.process.stdin.closed:
            self.process.stdin.close()
        try:
            code = self.process.wait(PATIENCE_S)
        finally:
            self.process.kill()
        errors = self.errors.read_text()
        assert code == 0 and not SANITIZER.search(errors), (code, errors)


@pytest.fixture
def parent(tmp_path):
    running = []

    def start(**settings) -> Parent:
        running.append(Parent(tmp_path, **settings))
        return running[-1].start()

    yield start
    for one in running:
        one.kill()


@pytest.fixture
def peer(tmp_path):
    running = []

    def start() -> Peer:
        running.append(Peer(tmp_path))
        return running[-1]

    yield start
    for one in running:
        one.end()


def restart(one: Parent):
    one.process.kill()
    one.process.wait()
    (one.folder / "log").write_text("")
    one.start()


def nonce(one: Parent) -> str:
    return eventually(lambda: one.events("the enclave is connected"))[-1]["nonce"]


CONFIGURATIONS = {"usual": CONFIGURATION_TEXT, "least": b"x", "most": bytes(range(256)) * 1024}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_configuration_arrives_byte_for_byte(parent, peer, tmp_path, name):
    text = CONFIGURATIONS[name]
    path = tmp_path / "other.yaml"
    path.write_bytes(text)
    one = parent(configuration_file=path)
    client = peer()
    eventually(lambda: client.told_bytes("configuration") == [text])
    connected = eventually(lambda: one.events("the enclave is connected"))
    assert connected[-1]["configuration_bytes"] == len(text)


def test_an_enclave_that_is_there_first_waits_for_its_parent(parent, peer):
    client = peer()
    eventually(client.complaints)
    assert re.search("No such file|refused", client.complaints()[0])
    parent()
    eventually(lambda: client.told_bytes("configuration") == [CONFIGURATION_TEXT])
    assert len(client.complaints()) == 1  # the same trouble again and again is said once


def test_credentials_arrive_and_arrive_again_on_sighup(parent, peer, tmp_path):
    path = tmp_path / "credentials.json"
    path.write_bytes(b'{"AccessKeyId": "first"}')
    one = parent(credentials__source="file", credentials__file=path)
    client = peer()
    eventually(lambda: client.told_bytes("credentials") == [b'{"AccessKeyId": "first"}'])
    path.write_bytes(b'{"AccessKeyId": "second"}')
    one.process.send_signal(signal.SIGHUP)
    eventually(lambda: client.told_bytes("credentials")[-1] == b'{"AccessKeyId": "second"}')
    assert "AccessKeyId" not in client.errors.read_text()


def test_log_lines_come_out_at_the_parent_in_order(parent, peer):
    one = parent()
    client = peer()
    wanted = [b'{"number":%d,"filler":"%s"}' % (i, b"x" * (i * 37 % 900)) for i in range(200)]
    for line in wanted:
        client.tell("log " + line.decode())
    client.tell("log " + "y" * 20000)
    client.tell('log {"end":true}')
    lines = eventually(lambda: one.out_lines()[-1:] == [b'{"end":true}'] and one.out_lines())
    assert lines[:-2] == wanted
    assert lines[-2].count(b"y" * 16384) == 1 and b"y" * 16385 not in lines[-2]  # what is too long is cut
    assert one.metric("containment_parent_enclave_log_lost_total") == 0


def test_the_last_lines_arrive_though_the_enclave_ends(parent, peer):
    one = parent()
    client = peer()
    eventually(lambda: client.told("configuration"))
    client.tell('log {"last":"words"}')
    client.end()
    eventually(lambda: one.out_lines() == [b'{"last":"words"}'])


def test_the_parent_sees_the_state(parent, peer):
    one = parent()
    client = peer()
    eventually(lambda: client.told("configuration"))
    for number, state in ((1, "serving"), (2, "unhealthy"), (3, "stopping")):
        client.tell(f"health {number}")
        eventually(lambda: one.metric("containment_parent_enclave_state", state=state) == 1)
    restart(one)
    eventually(lambda: one.metric("containment_parent_enclave_state", state="stopping") == 1)


def test_a_shutdown_is_told_and_the_log_goes_on(parent, peer):
    one = parent()
    client = peer()
    eventually(lambda: client.told("configuration"))
    one.process.send_signal(signal.SIGUSR1)
    eventually(lambda: client.told("shutdown") == ["the operator asked for it"])
    client.tell('log {"event":"stopping"}')
    eventually(lambda: one.out_lines() == [b'{"event":"stopping"}'])


def test_the_next_parent_is_connected_to_and_hears_what_the_log_said_meanwhile(parent, peer):
    one = parent()
    client = peer()
    eventually(lambda: client.told("configuration"))
    boot = nonce(one)
    one.process.kill()
    one.process.wait()
    eventually(client.complaints)
    client.tell('log {"heard":"later"}')
    restart(one)
    assert nonce(one) == boot
    eventually(lambda: one.out_lines() == [b'{"heard":"later"}'])
    assert client.told_bytes("configuration") == [CONFIGURATION_TEXT]


def test_another_configuration_is_refused_until_the_first_is_back(parent, peer):
    one = parent()
    client = peer()
    eventually(lambda: client.told("configuration"))
    one.configuration.write_bytes(CONFIGURATION_TEXT + b"# changed\n")
    restart(one)
    eventually(lambda: any("another configuration" in line for line in client.complaints()))
    eventually(lambda: one.events("the enclave is not connected any more"))
    client.tell('log {"for":"another"}')
    one.configuration.write_bytes(CONFIGURATION_TEXT)
    eventually(lambda: one.out_lines() == [b'{"for":"another"}'])
    assert client.told_bytes("configuration") == [CONFIGURATION_TEXT]
