"""The whole product on one machine: an image in the emulated enclave, the real parent beside it, and the clients that
verify it.

    with Product(folder, image, configuration, nsm_signer) as product:
        product.wait_until_it_serves()
        product.verify(product.policy())
        with product.proxy(product.policy()) as door:
            door.post("/api/v1/eth2/sign/0x…", body)
"""
import contextlib
import http.client
import json
import pathlib
import re
import signal
import subprocess

from commands import call, clean_environment
from emulator import INSTANCE, ROLE, Emulator
from parent import eventually
from signer import BINARY, PATIENCE_S, Answer

DOORS = {"api": 9443, "health": 9000, "metrics": 3000}  # the enclave's vsock ports


def registers(*arguments) -> dict[str, str]:
    """What `eif pcr` computes, by number."""
    called = call("eif", "pcr", *arguments)
    assert called.code == 0, called
    return {name.removeprefix("PCR"): value for name, value in json.loads(called.out).items()}


class Process:
    """One of our own programs, with its output in files."""

    def __init__(self, folder: pathlib.Path, name: str, *arguments):
        self.out_path, self.log_path = folder / f"{name}.out", folder / f"{name}.log"
        with open(self.out_path, "ab") as out, open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([BINARY, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=log, env=clean_environment())

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    @property
    def out(self) -> str:
        return self.out_path.read_text(errors="replace")

    def wait_for(self, pattern: str) -> re.Match:
        """The first place in the log where the pattern is."""
        found = eventually(lambda: re.search(pattern, self.log) or self.process.poll() is not None, pattern)
        assert not isinstance(found, bool), f"ended without {pattern!r}:\n{self.log}"
        return found

    def stop(self, number=signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Door:
    """HTTP in the clear at a local port."""

    def __init__(self, port: int):
        self.port = port

    def request(self, method: str, path: str, body=None, connection=None) -> Answer:
        own = connection is None
        connection = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        connection.request(method, path, json.dumps(body) if isinstance(body, (dict, list)) else body,
                           {"Accept": "application/json"} | ({"Content-Type": "application/json"} if body else {}))
        response = connection.getresponse()
        answer = Answer(response.status, response.headers, response.read())
        if own:
            connection.close()
        return answer

    def get(self, path: str, **options) -> Answer:
        return self.request("GET", path, **options)

    def post(self, path: str, body, **options) -> Answer:
        return self.request("POST", path, body, **options)


class Product:
    def __init__(self, folder: pathlib.Path, image: pathlib.Path, configuration: bytes, nsm_signer, **settings):
        self.folder, self.image, self.nsm_signer = folder, image, nsm_signer
        folder.mkdir(parents=True, exist_ok=True)
        self.configuration = folder / "enclave.yaml"
        self.configuration.write_bytes(configuration)
        self.root = folder / "root.der"
        self.root.write_bytes(nsm_signer.chain.root)
        # The parent answers the heartbeat, not the emulator's helper.
        self.enclave = Emulator(image, signer=nsm_signer, heartbeat=False, **settings)
        self.parent: Process | None = None

    # ---------------------------------------------------------------------------------------------- life

    def start_parent(self) -> None:
        inbound = ",".join(f"127.0.0.1:0 -> {port}" for port in DOORS.values())
        self.parent = Process(self.folder, "parent", "parent", "--enclave-transport=uds",
                              f"--enclave-uds-path={self.enclave.folder / 'vm'}", f"--inbound={inbound}",
                              f"--configuration-file={self.configuration}", "--metrics-listen-port=0",
                              "--logging-format=json")
        self.parent.wait_for("parent starts")

    def start(self) -> "Product":
        try:
            self.start_parent()
            self.enclave.start()
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        if self.parent is not None:
            self.parent.kill()
        self.enclave.close()

    def __enter__(self) -> "Product":
        return self.start()

    def __exit__(self, kind, error, _) -> None:
        if error is not None:  # pytest shows it beside the failure
            print(self.enclave.report(), f"--- parent\n{self.parent.log[-4000:]}\n--- enclave\n{self.enclave_log[-8000:]}",
                  sep="\n")
        self.close()

    # ----------------------------------------------------------------------------------------- its doors

    def port(self, door: str) -> int:
        """The parent's port that leads to one of DOORS; of the parent that was started last."""
        lines = [json.loads(line) for line in self.parent.log.splitlines() if line.startswith("{")]
        ports = [line["port"] for line in lines if line.get("message") == "relay"][-len(DOORS):]
        return ports[list(DOORS).index(door)]

    def door(self, name: str) -> Door:
        return Door(self.port(name))

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port('api')}"

    @property
    def enclave_log(self) -> str:
        """What the enclave said, as the parent wrote it."""
        return self.parent.out

    def wait_until_it_serves(self) -> None:
        def serves():
            with contextlib.suppress(OSError, http.client.HTTPException):
                return self.door("health").get("/healthcheck").status == 200
            return False

        self.enclave.wait(serves, "the enclave's health")

    # --------------------------------------------------------------------------------------- verification

    def expected(self) -> dict[str, str]:
        """The registers that this enclave must have, computed without it."""
        return registers("--image", self.image, "--role-arn", ROLE, "--instance-id", INSTANCE,
                         "--configuration", self.configuration)

    def policy(self, change: dict | None = None, **settings) -> pathlib.Path:
        """A policy file of all registers that are expected, with some of them changed."""
        pcrs = {number: [value] for number, value in (self.expected() | (change or {})).items() if value}
        path = self.folder / f"policy-{len(list(self.folder.glob('policy-*')))}.json"
        path.write_text(json.dumps({"pcrs": pcrs} | settings))
        return path

    def verify(self, policy: pathlib.Path, *more):
        return call("atls", "verify", self.address, "--policy", policy, "--root", self.root, *more)

    @contextlib.contextmanager
    def proxy(self, policy: pathlib.Path, *more):
        name = f"proxy-{len(list(self.folder.glob('proxy-*.log')))}"
        running = Process(self.folder, name, "atls", "proxy", "--listen", "127.0.0.1:0", "--connect", self.address,
                          "--policy", policy, "--root", self.root, *more)
        try:
            door = Door(int(running.wait_for(r"port[=:](\d+)")[1]))
            door.process = running
            yield door
        finally:
            running.stop()
