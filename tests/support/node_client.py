"""Real clients of the signer, which are written for node: tests/conformance/clients has the code that drives them.

Their libraries are installed by `npm ci` into ${XDG_CACHE_HOME:-~/.cache}/containment-chamber, once. With
CHAMBER_OFFLINE=1 nothing is downloaded, and tests whose client is not there yet are skipped.
"""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading

import pytest

CLIENTS = pathlib.Path(__file__).resolve().parents[1] / "conformance" / "clients"
PATIENCE_S = 60


class ClientError(Exception):
    """What the client's code raised: its name, message, and status or code where it has one."""

    def __init__(self, name: str, message: str, status=None, code=None):
        super().__init__(f"{name}: {message}")
        self.name, self.message, self.status, self.code = name, message, status, code

    @property
    def answer(self) -> dict:
        """The signer's body, where the client puts it into its message whole."""
        return json.loads(self.message)


def install(client: str) -> pathlib.Path:
    """The folder that holds node_modules; made as a whole or not at all, for tests may run at once."""
    source = CLIENTS / client
    digest = hashlib.sha256((source / "package-lock.json").read_bytes()).hexdigest()[:16]
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "containment-chamber"
    place = cache / f"{client}-client-{digest}"
    if place.is_dir():
        return place
    if os.environ.get("CHAMBER_OFFLINE") == "1":
        pytest.skip(f"CHAMBER_OFFLINE=1, and the {client} client is not in the cache")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        half = pathlib.Path(scratch) / "half"
        half.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, half)
        done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=half,
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"npm ci: {done.stderr[-2000:]}"
        try:
            half.rename(place)
        except OSError:
            if not place.is_dir():
                raise
    return place


class NodeClient:
    """One node process. `client.sign(store="a", …)` calls the operation `sign` of its client.mjs."""

    def __init__(self, client: str, folder: pathlib.Path, environment=None):
        place = install(client)
        folder.mkdir(parents=True, exist_ok=True)
        for script in [*CLIENTS.glob("*.mjs"), *(CLIENTS / client).glob("*.mjs")]:
            shutil.copy(script, folder)
        (folder / "node_modules").symlink_to(place / "node_modules")
        self.log_path = folder / "log"
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                ["node", "client.mjs"], cwd=folder, env={**os.environ, **(environment or {})},
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)

    def _exchange(self, line: str) -> str:
        """One line there and one back, in time: node is killed when there is none."""
        watchdog = threading.Timer(PATIENCE_S, self.process.kill)
        watchdog.start()
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            return self.process.stdout.readline()
        except BrokenPipeError:
            return ""
        finally:
            watchdog.cancel()

    def __getattr__(self, call: str):
        if call.startswith("_"):
            raise AttributeError(call)

        def operation(**given):
            line = self._exchange(json.dumps({"call": call, "given": given}))
            assert line, f"{call}: node ended, or gave no answer in time:\n{self.log_path.read_text()[-2000:]}"
            answer = json.loads(line)
            if "error" in answer:
                raise ClientError(**answer["error"])
            return answer["value"]

        return operation

    def close(self):
        self.process.stdin.close()
        self.process.wait(PATIENCE_S)
        self.process.stdout.close()
