"""The signer itself under the enclave's filter of system calls: under load, with all that it does without a file of
SQLite's, nothing it calls is missing from the list."""
import concurrent.futures
import os
import pathlib
import shutil
import signal
import subprocess

import pytest
from conftest import ROOT
from signer import BINARY, EPOCH, Signer, attestation

SHIM = ROOT / "tests" / "support" / "filter_shim.c"
CLIENTS, REQUESTS = 8, 40


@pytest.fixture(scope="module")
def shim(tmp_path_factory) -> pathlib.Path:
    compiler = os.environ.get("CC") or shutil.which("cc")
    path = tmp_path_factory.mktemp("shim") / "filter_shim.so"
    sources = [SHIM, ROOT / "src/enclave/syscall_filter.c", ROOT / "src/base/detail.c"]
    subprocess.run([*compiler.split(), "-std=gnu17", "-O1", "-D_GNU_SOURCE", f"-I{ROOT}/src", "-shared", "-fPIC",
                    "-o", path, *sources, "-lseccomp"], check=True)
    return path


@pytest.fixture
def filtered(shim, tmp_path):
    if b"__asan_init" in pathlib.Path(BINARY).read_bytes() or b"__tsan_init" in pathlib.Path(BINARY).read_bytes():
        pytest.skip("a sanitizer's runtime makes calls of its own")
    signer = Signer(tmp_path, keys=[0, 1, 2], settings={"anti_slashing.backend": "noop"},
                    environment={"LD_PRELOAD": str(shim)})
    yield signer.start()
    signer.kill()


def status_of(signer) -> dict[str, str]:
    text = pathlib.Path(f"/proc/{signer.process.pid}/status").read_text(encoding="utf-8")
    return dict(line.split(":\t", 1) for line in text.splitlines())


def sign_many(signer, client: int) -> int:
    done = 0
    for i in range(REQUESTS):
        number = client * REQUESTS + i
        answer = signer.sign(attestation(EPOCH - 1000 + number, EPOCH - 999 + number), signer.pubkeys[number % 3])
        assert answer.status == 200, answer
        done += 1
    return done


def test_the_signer_signs_reloads_and_ends_under_the_filter(filtered):
    assert status_of(filtered)["Seccomp"] == "2"
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        assert sum(pool.map(lambda client: sign_many(filtered, client), range(CLIENTS))) == CLIENTS * REQUESTS
    assert filtered.get("/upcheck").status == 200
    assert filtered.post("/reload", "").status in (200, 202)
    assert filtered.get("/metrics", port=filtered.metrics_port).status == 200
    assert filtered.get("/nowhere").status == 404
    assert filtered.stop() == 0


def test_it_is_the_filter_that_lets_it(filtered):
    """SQLite's files need calls that are not in the list: the same signer with them does not live."""
    filtered.kill()
    filtered.settings["anti_slashing.backend"] = "sqlite"
    filtered.wait = False
    filtered.start()
    assert filtered.process.wait(60) == -signal.SIGSYS
