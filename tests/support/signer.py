"""A signer process under test, and the requests that a validator client would send it."""
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import time

import log_thread
import openapi
from keystores import interop_secret

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("CHAMBER_BINARY", str(ROOT / "build" / "containment-chamber"))
BLS_TOOL = os.environ.get("CHAMBER_BLS_TOOL", str(ROOT / "build" / "tests" / "oracle" / "bls" / "bls_tool"))

GENESIS_ROOTS = {
    "mainnet": "0x4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe95",
    "sepolia": "0xd8ea171f3c94aea21ebc42a1ed61052acf3f9209c00e4efbaaddac09ed9b8078",
    "hoodi": "0x212f13fc4df078b6cb7db228f1c8307566dcecf900867401a92023d7ba99cb5f",
}
PATIENCE_S = 60

# How a program that was built with a sanitizer says that it found something.
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|: runtime error: ")

# The epoch of mainnet now: records that are much older are pruned.
EPOCH = int(time.time() - 1606824023) // 12 // 32


def bls(line: str) -> str:
    """One line to the tests' BLS tool, its line back."""
    done = subprocess.run([BLS_TOOL], input=line + "\n", text=True, capture_output=True, check=True)
    return done.stdout.strip()


def pubkey_of(secret: bytes) -> str:
    return "0x" + bls(f"sign {secret.hex()} {'00' * 32}").split()[0]


def verifies(pubkey: str, root: str, signature: str) -> bool:
    return bls(f"verify {pubkey} {root} {signature}") == "true"


class Answer:
    """A response; `json` and `text` read its body."""

    def __init__(self, status: int, headers, body: bytes):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def message(self) -> str:
        return self.json["message"]

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


class Signer:
    """`keys`: indices of interop keys, written as raw key files. `settings`: dotted names."""

    def __init__(self, folder: pathlib.Path, keys=(), settings=None, arguments=(), environment=None,
                 wrapper=(), wait=True):
        self.folder = folder
        self.keys_folder = folder / "keys"
        self.database = folder / "slashing.sqlite"
        self.wrapper, self.arguments, self.wait = list(wrapper), list(arguments), wait
        self.environment = environment or {}
        self.settings = {
            "server.listen_address": "127.0.0.1",
            "server.listen_port": 0,
            "metrics.listen_address": "127.0.0.1",
            "metrics.listen_port": 0,
            "key_sources.filesystem.paths": str(self.keys_folder),
            "anti_slashing.path": str(self.database),
            "logging.format": "json",
        } | (settings or {})
        self.process = None
        self.port = self.metrics_port = None
        self.pubkeys = []
        self.keys_folder.mkdir(parents=True, exist_ok=True)
        for index in keys:
            self.add_raw_key(index)

    # ------------------------------------------------------------------------------------ process

    def add_raw_key(self, index: int) -> str:
        secret = interop_secret(index)
        pubkey = pubkey_of(secret)
        path = self.keys_folder / f"{pubkey[2:]}.yaml"
        path.write_text(f'type: "file-raw"\nkeyType: "BLS"\nprivateKey: "{secret.hex()}"\n')
        path.chmod(0o600)
        self.pubkeys.append(pubkey)
        return pubkey

    def command(self) -> list[str]:
        flags = [f"--{name.replace('.', '-').replace('_', '-')}={str(value).lower() if isinstance(value, bool) else value}"
                 for name, value in self.settings.items()]
        return [*self.wrapper, BINARY, "server", *flags, *self.arguments]

    @property
    def log_path(self) -> pathlib.Path:
        return self.folder / "log"

    def log_bytes(self) -> bytes:
        """All that was logged up to now."""
        if self.process is not None and self.process.poll() is None:
            log_thread.settle(self.process.pid)
        return self.log_path.read_bytes()

    def log_text(self) -> str:
        return self.log_bytes().decode(errors="replace")

    def log(self) -> list[dict]:
        return [json.loads(line) for line in self.log_text().splitlines() if line.startswith("{")]

    def start(self) -> "Signer":
        with self.log_path.open("ab") as log:
            before = log.tell()
            self.process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, cwd=self.folder,
                env={k: v for k, v in os.environ.items() if not k.startswith("CONTAINMENT_")}
                | self.environment)
        if self.wait:
            self._read_ports(before)
            self.wait_for(lambda: self.get("/healthcheck").status == 200)
        return self

    def _read_ports(self, before: int):
        pattern = re.compile(r'"listen_port":(\d+),"metrics_port":(\d+)')

        def find():
            assert self.process.poll() is None, f"the signer ended:\n{self.log_text()}"
            return pattern.search(self.log_path.read_bytes()[before:].decode(errors="replace"))

        found = self.wait_for(find)
        self.port, self.metrics_port = int(found[1]), int(found[2])

    def wait_for(self, condition, patience_s: float = PATIENCE_S):
        """The first true value of `condition`; fails the test when there is none in time."""
        end = time.monotonic() + patience_s
        while True:
            try:
                value = condition()
            except OSError:
                value = None
            if value:
                return value
            assert time.monotonic() < end, f"waited in vain; the log:\n{self.log_text()[-4000:]}"
            time.sleep(0.01)

    def stop(self, number=signal.SIGTERM) -> int:
        """Asks it to stop and gives the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.log_path.exists():
            found = SANITIZER.search(self.log_text())
            assert not found, self.log_text()[found.start():][:8000]

    def restart(self) -> "Signer":
        self.kill()
        return self.start()

    # ----------------------------------------------------------------------------------- requests

    def connect(self, port: int | None = None, timeout: float = PATIENCE_S) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=timeout)

    def request(self, method: str, path: str, body=None, headers=None, connection=None,
                port: int | None = None) -> Answer:
        own = connection is None
        connection = connection or self.connect(port)
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        answer = Answer(response.status, response.headers, response.read())
        if own:
            connection.close()
        if port in (None, self.port):
            openapi.check(method, path, answer)
        return answer

    def get(self, path: str, **options) -> Answer:
        return self.request("GET", path, **options)

    def post(self, path: str, body=None, **options) -> Answer:
        return self.request("POST", path, body, **options)

    def delete(self, path: str, body=None, **options) -> Answer:
        return self.request("DELETE", path, body, **options)

    def sign(self, body, pubkey: str | None = None, accept: str | None = "application/json", **options) -> Answer:
        headers = {"Content-Type": "application/json"} | ({"Accept": accept} if accept else {})
        return self.post(f"/api/v1/eth2/sign/{pubkey or self.pubkeys[0]}", body, headers=headers, **options)

    def metrics(self) -> dict[str, float]:
        """Sample name with its labels, as on the page, to its value."""
        page = self.get("/metrics", port=self.metrics_port)
        assert page.status == 200
        lines = [line for line in page.text.splitlines() if line and not line.startswith("#")]
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


# ---------------------------------------------------------------------------------------- bodies

def fork_info(network: str = "mainnet", root: str | None = None) -> dict:
    return {"fork": {"previous_version": "0x05000000", "current_version": "0x06000000", "epoch": "1"},
            "genesis_validators_root": root or GENESIS_ROOTS[network]}


def attestation(source: int, target: int, block_root: int = 1, **more) -> dict:
    return {"type": "ATTESTATION", "fork_info": fork_info(),
            "attestation": {"slot": str(target * 32), "index": "0",
                            "beacon_block_root": f"0x{block_root:064x}",
                            "source": {"epoch": str(source), "root": f"0x{2:064x}"},
                            "target": {"epoch": str(target), "root": f"0x{3:064x}"}}} | more


def block(slot: int, state_root: int = 1, **more) -> dict:
    return {"type": "BLOCK_V2", "fork_info": fork_info(),
            "beacon_block": {"version": "FULU", "block_header": {
                "slot": str(slot), "proposer_index": "7", "parent_root": f"0x{1:064x}",
                "state_root": f"0x{state_root:064x}", "body_root": f"0x{3:064x}"}}} | more


def randao(epoch: int, **more) -> dict:
    return {"type": "RANDAO_REVEAL", "fork_info": fork_info(), "randao_reveal": {"epoch": str(epoch)}} | more
