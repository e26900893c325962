"""The signer as a process: fixtures that start it, ask it, kill it, and hold every answer to docs/openapi.yaml.

CHAMBER_BINARY names the program under test (default: build/containment-chamber).
"""
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from signer import Signer  # noqa: E402  (after the path is set)


@pytest.fixture
def start(tmp_path):
    """start(keys=[secret, …], settings={…}, **more) gives a running Signer; all are stopped at the end."""
    running = []

    def start_signer(**options) -> Signer:
        options.setdefault("folder", tmp_path / f"signer{len(running)}")
        signer = Signer(**options)
        running.append(signer)
        signer.start()
        return signer

    yield start_signer
    for signer in running:
        signer.kill()


@pytest.fixture
def signer(start):
    """One signer with two keys and the Key Manager API on."""
    return start(keys=[0, 1], settings={"http.key_manager_api.enabled": True})
