"""`containment-chamber bench`: what it prints, that its counts add up, and that it touches nothing of a signer.
Never how fast anything was: times and ratios are for people to look at."""
import json
import os
import re
import subprocess

import pytest

from keystores import interop_secret
from signer import BINARY

PATIENCE_S = 300  # the slowest build on the busiest machine
KEYS, CONNECTIONS, REQUESTS, RECORDS = 3, 4, 20, 30
SCENARIOS = {"distinct": REQUESTS, "same": REQUESTS, "idle": 1000, "burst": 3000}
TIMES = {"cpu_ns", "wall_ns", "p50_ns", "p90_ns", "p99_ns", "max_ns"}


def bench(*arguments, cwd=None, **environment) -> subprocess.CompletedProcess:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CONTAINMENT_")}
    return subprocess.run([BINARY, "bench", *arguments], cwd=cwd, env=clean | environment, text=True,
                          capture_output=True, timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A signer's own files, named by the environment: its configuration, a key, a database."""
    place = tmp_path_factory.mktemp("bench")
    (place / "keys").mkdir()
    key = place / "keys" / "key.yaml"
    key.write_text(f'type: "file-raw"\nkeyType: "BLS"\nprivateKey: "{interop_secret(0).hex()}"\n')
    key.chmod(0o600)
    (place / "bench.sqlite").write_text("somebody's own")
    (place / "signer.yaml").write_text(
        f'network: "hoodi"\nkey_sources:\n  filesystem:\n    paths: ["{place / "keys"}"]\n    strict: true\n'
        f'anti_slashing:\n  backend: "noop"\n  path: "{place / "bench.sqlite"}"\n'
        'http:\n  key_manager_api:\n    enabled: true\n'
        f'tls:\n  mode: "file"\n  file:\n    cert_path: "{place / "none.pem"}"\n    key_path: "{place / "none.key"}"\n')
    return place


@pytest.fixture(scope="module")
def done(place):
    """One small run where such files are about."""
    return bench("--json", f"--keys={KEYS}", f"--connections={CONNECTIONS}", f"--requests={REQUESTS}",
                 f"--records={RECORDS}", cwd=place, CONTAINMENT_CONFIG=str(place / "signer.yaml"))


@pytest.fixture(scope="module")
def figures(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_json_is_one_object_of_whole_numbers(figures, done):
    assert done.stdout.count("\n") == 1
    assert set(figures) == {"cpus", "keys", "connections", "records", "memory_bytes", "bare_hash_ns",
                            "bare_sign_ns", "bare_signature_p50_ns", "bare_signature_p99_ns",
                            "bare_write_p50_ns", "bare_write_p99_ns", "scenarios"}
    assert all(type(value) is int and value > 0 for name, value in figures.items() if name != "scenarios")
    assert (figures["keys"], figures["connections"], figures["records"]) == (KEYS, CONNECTIONS, RECORDS)
    assert figures["cpus"] == len(os.sched_getaffinity(0))
    assert list(figures["scenarios"]) == list(SCENARIOS)
    for scenario in figures["scenarios"].values():
        assert set(scenario) == {"answered", "refused", "failed", "commits"} | TIMES
        assert all(type(value) is int for value in scenario.values())
        assert all(scenario[name] > 0 for name in TIMES)


def test_every_request_is_answered_with_a_signature(figures):
    for name, requests in SCENARIOS.items():
        scenario = figures["scenarios"][name]
        assert scenario["answered"] == requests, name
        assert scenario["refused"] == 0 and scenario["failed"] == 0, name


def test_every_answer_has_a_record_and_no_commit_is_empty(figures):
    """With a store that keeps nothing there would be no commits; an attestation a commit is the most there can be."""
    for name, requests in SCENARIOS.items():
        assert 1 <= figures["scenarios"][name]["commits"] <= requests, name
    assert figures["scenarios"]["idle"]["commits"] == SCENARIOS["idle"]  # one at a time: nothing to batch


def test_figures_fit_each_other(figures):
    assert figures["bare_signature_p50_ns"] <= figures["bare_signature_p99_ns"]
    assert figures["bare_write_p50_ns"] <= figures["bare_write_p99_ns"]
    for scenario in figures["scenarios"].values():
        assert scenario["p50_ns"] <= scenario["p90_ns"] <= scenario["p99_ns"] <= scenario["max_ns"]
        assert scenario["max_ns"] <= scenario["wall_ns"]


def test_no_key_of_a_signer_is_loaded(done):
    """Its slashing protection is elsewhere: a key that signs here could sign twice."""
    loads = re.findall(r"keys of the filesystem loaded loaded=(\d+)", done.stderr)
    assert loads == ["0"], done.stderr


def test_files_that_were_there_stay_and_nothing_else_does(done, place):
    assert done.returncode == 0
    assert (place / "bench.sqlite").read_text() == "somebody's own"
    assert sorted(path.name for path in place.iterdir()) == ["bench.sqlite", "keys", "signer.yaml"]


@pytest.mark.parametrize("letter", ["--help", "-h"])
def test_help_names_every_option(letter):
    helped = bench(letter)
    assert helped.returncode == 0 and helped.stderr == ""
    assert helped.stdout.startswith("usage: containment-chamber bench ")
    for option in ("--directory", "--keys", "--requests", "--connections", "--records", "--json"):
        assert f"  {option} " in helped.stdout


@pytest.mark.parametrize("arguments, named", [
    (["--bogus"], "--bogus: unknown option"),
    (["extra"], "extra: unknown option"),
    (["--keys"], "--keys: the option needs a value"),
    (["--json=1"], "--json=1: the option takes no value"),
    (["--keys=0"], "--keys is 1 to 100000"),
    (["--keys=100001"], "--keys is 1 to 100000"),
    (["--keys=ten"], "--keys: not a decimal number"),
    (["--keys=-1"], "--keys: not a decimal number"),
    (["--connections=0"], "--connections is 1 to 50000"),
    (["--connections=50001", "--requests=50001"], "--connections is 1 to 50000"),
    (["--requests=3", "--connections=4"], "--requests must not be fewer than --connections"),
    (["--requests=100000001"], "--requests is at most 100000000"),
    (["--records=1000000001"], "--records is at most 1000000000"),
    (["--records=18446744073709551616"], "--records: number is over 2^64 - 1"),
])
def test_a_wrong_call_is_exit_code_2_and_one_line(arguments, named, tmp_path):
    wrong = bench(*arguments, cwd=tmp_path)
    assert wrong.returncode == 2
    assert wrong.stdout == ""
    assert wrong.stderr.startswith(f"containment-chamber: {named}")
    assert wrong.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_configuration_is_exit_code_2(tmp_path):
    wrong = bench(cwd=tmp_path, CONTAINMENT_SIGNING__WORKRES="1")
    assert wrong.returncode == 2
    assert "CONTAINMENT_SIGNING__WORKRES" in wrong.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_not_there_is_named_at_once(tmp_path):
    wrong = bench(f"--directory={tmp_path}/none")
    assert wrong.returncode == 1
    assert wrong.stderr == (f"containment-chamber: --directory {tmp_path}/none (No such file or directory): "
                            "cannot make a folder there\n")


def test_what_the_signer_cannot_be_opened_with_is_exit_code_1_and_leaves_nothing(tmp_path):
    wrong = bench("--keys=1", "--requests=1", "--connections=1", cwd=tmp_path, CONTAINMENT_NETWORK="atlantis")
    assert wrong.returncode == 1
    assert wrong.stderr.splitlines()[-1].startswith("containment-chamber: network atlantis: not a known network")
    assert list(tmp_path.iterdir()) == []
