"""A parent process under test, beside a stand-in for its enclave."""
import http.client
import json
import pathlib
import re
import signal
import socket
import subprocess
import time

import log_thread
from commands import clean_environment
from fake_vsock import HELLO, FakeVsock, frame
from signer import BINARY, PATIENCE_S, SANITIZER

CONFIGURATION_TEXT = b"network: hoodi\n# served as it is: \xc3\xa4\n"


def eventually(condition, what: str = ""):
    """Waits for a condition and gives its value."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"did not come: {what or condition}")


class Parent:
    def __init__(self, folder: pathlib.Path, environment=None, **settings):
        self.folder = folder
        self.environment = environment or {}
        self.vsock = FakeVsock(folder / "vm")
        self.configuration = folder / "enclave.yaml"
        self.configuration.write_bytes(CONFIGURATION_TEXT)
        self.settings = {
            "enclave.transport": "uds",
            "enclave.uds_path": folder / "vm",
            "configuration_file": self.configuration,
            "inbound": "127.0.0.1:0 -> 9443",
            "metrics.listen_port": 0,
            "logging.format": "json",
        } | {name.replace("__", "."): value for name, value in settings.items()}
        self.process = None

    def start(self):
        flags = [f"--{name.replace('.', '-').replace('_', '-')}={str(value).lower() if isinstance(value, bool) else value}"
                 for name, value in self.settings.items()]
        with open(self.folder / "out", "ab") as out, open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen([BINARY, "parent", *flags], stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=log, env=clean_environment(self.environment))
        eventually(lambda: self._started() or self.process.poll() is not None, "the parent's start")
        assert self.process.poll() is None, self.log_text()
        return self

    def _started(self) -> bool:
        wanted = len(re.findall("->", str(self.settings["inbound"]) + str(self.settings.get("outbound", ""))))
        return len(self.events("relay")) == wanted and bool(self.events("parent starts"))

    def log_text(self) -> str:
        if self.process is not None and self.process.poll() is None:
            log_thread.settle(self.process.pid)
        return (self.folder / "log").read_text(errors="replace")

    def events(self, event: str) -> list[dict]:
        lines = self.log_text().split("\n")[:-1]
        return [line for line in (json.loads(line) for line in lines if line.startswith("{"))
                if event in line.values()]

    def out_lines(self) -> list[bytes]:
        return (self.folder / "out").read_bytes().split(b"\n")[:-1]

    @property
    def metrics_port(self) -> int:
        return self.events("parent starts")[0]["metrics_port"]

    def port(self, index: int = 0) -> int:
        return self.events("relay")[index]["port"]

    def dial(self, index: int = 0) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port(index)), timeout=PATIENCE_S)

    def page(self, path="/metrics") -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.metrics_port, timeout=PATIENCE_S)
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def metric(self, name: str, **labels) -> float:
        """The sum of the samples that have these labels."""
        total, found = 0.0, False
        for line in self.page()[1].splitlines():
            sample = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if sample and sample[1] == name and all(f'{k}="{v}"' in (sample[2] or "") for k, v in labels.items()):
                total, found = total + float(sample[3]), True
        assert found, name
        return total

    def relay_metric(self, name: str) -> float:
        return self.metric(f"containment_parent_relay_{name}")

    def greet(self):
        """A bootstrap stream that has said HELLO."""
        stream = self.vsock.connect(9001)
        stream.send(frame(HELLO, bytes(range(32))))
        return stream

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.vsock.close()
        if self.process is not None:
            assert not SANITIZER.search(self.log_text()), self.log_text()
        assert not self.vsock.violations
