"""The public interchange cases of EIP-3076 as a validator client meets them: the data goes in through `slashing import`,
the messages are asked for over HTTP, and 200 or 412 comes back: as the cases say for stores that keep every message,
and, from a signer that has pruned all of them away, as they say for stores that keep only watermarks. Cases of one step
go the other way in as well, with the keys through the Key Manager API.

A case names messages by slot or epochs and a signing root. Over HTTP the signer computes the root, so each of a case's
roots stands here for one body: the same root for the same, another root for another; and where the case's data names a
root, the real one of that body is put in its place."""
import copy
import json
import os
import pathlib
import subprocess
import tempfile
import time

import pytest
import ssz
from keystores import interop_secret, make_keystore
from signer import BINARY, ROOT, Signer, verifies

FOLDER = pathlib.Path(os.environ.get("CHAMBER_VECTORS", ROOT.parent / "shared" / "vectors")) / "eip3076"
CASES = {path.stem: path for path in sorted(FOLDER.glob("*.json"))}
VERSION = "0x00000001"

# Where the signer refuses what the cases allow to a store that keeps every message: between two imports lies what
# nobody knows. "Signing in this gap is not safe" (EIP-3076, advice for complete databases).
STRICTER = {"multiple_interchanges_single_validator_single_message_gap": {
    ("block", 41), ("block", 45), ("block", 49), ("attestation", 31), ("attestation", 49)}}


def fork_info(network: str) -> dict:
    return {"fork": {"previous_version": VERSION, "current_version": VERSION, "epoch": "0"},
            "genesis_validators_root": network}


def block(network: str, slot: str, root: str) -> tuple[dict, str]:
    """The body that a case's root stands for at a slot, and its real signing root."""
    header = {"slot": slot, "proposer_index": "0", "parent_root": f"0x{1:064x}", "state_root": root,
              "body_root": f"0x{2:064x}"}
    body = {"type": "BLOCK_V2", "fork_info": fork_info(network),
            "beacon_block": {"version": "DENEB", "block_header": header}}
    return body, ssz.signing_root(ssz.Header(header), "BEACON_PROPOSER", VERSION, network)


def attestation(network: str, source: str, target: str, root: str) -> tuple[dict, str]:
    data = {"slot": str(32 * int(target)), "index": "0", "beacon_block_root": root,
            "source": {"epoch": source, "root": f"0x{1:064x}"}, "target": {"epoch": target, "root": f"0x{2:064x}"}}
    body = {"type": "ATTESTATION", "fork_info": fork_info(network), "attestation": data}
    return body, ssz.signing_root(ssz.AttestationData(data), "BEACON_ATTESTER", VERSION, network)


def with_real_roots(interchange: dict, network: str) -> dict:
    interchange = copy.deepcopy(interchange)
    for validator in interchange["data"]:
        for item in validator["signed_blocks"]:
            if "signing_root" in item:
                item["signing_root"] = block(network, item["slot"], item["signing_root"])[1]
        for item in validator["signed_attestations"]:
            if "signing_root" in item:
                item["signing_root"] = attestation(network, item["source_epoch"], item["target_epoch"],
                                                   item["signing_root"])[1]
    return interchange


class Run:
    """One case on one database."""

    def __init__(self, folder: pathlib.Path, case: dict, minimal: bool = False, keys=(0, 1, 2)):
        self.folder, self.network, self.minimal = folder, case["genesis_validators_root"], minimal
        self.column = "should_succeed" if minimal else "should_succeed_complete"
        self.stricter = STRICTER.get(case["name"], set())
        self.judged = 0
        # The cases' epochs are those of a chain's first day: younger than what is pruned, or long past.
        age = 5000 if minimal else 60
        config = folder / "network.yaml"
        config.write_text(f"PRESET_BASE: mainnet\nCONFIG_NAME: interchange\nSECONDS_PER_SLOT: 12\nGENESIS_TIME: "
                          f"{int(time.time()) - age * 384}\nGENESIS_FORK_VERSION: {VERSION}\n"
                          f"GENESIS_VALIDATORS_ROOT: {self.network}\n")
        self.signer = Signer(folder=folder / "signer", keys=keys, settings={
            "network": config, "http.key_manager_api.enabled": True})

    def slashing(self, action: str, *options: str) -> subprocess.CompletedProcess:
        command = [BINARY, "slashing", action, f"--anti-slashing-path={self.signer.database}",
                   f"--network={self.signer.settings['network']}", *options]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def exported(self, name: str) -> dict | None:
        """What the database holds; None before there is one."""
        done = self.slashing("export", f"--to={self.folder / name}")
        return json.loads((self.folder / name).read_text()) if done.returncode == 0 else None

    def import_step(self, step: dict, number: int) -> bool:
        """False when the data is of another network. What contradicts is refused whole, then raised over."""
        file = self.folder / f"step{number}.json"
        file.write_text(json.dumps(with_real_roots(step["interchange"], self.network)))
        before = self.exported(f"before{number}.json")
        done = self.slashing("import", f"--from={file}")
        if done.returncode == 0:
            assert step["should_succeed"], "data of another network was imported"
            return True
        assert done.stderr.count("\n") == 1 and str(file) in done.stderr, done.stderr
        after = self.exported(f"after{number}.json")
        assert after == before or before is None and after["data"] == []
        raised = self.slashing("import", f"--from={file}", "--raise")
        if not step["should_succeed"]:
            assert raised.returncode != 0, "data of another network was imported"
            return False
        assert step["contains_slashable_data"], f"refused without a reason: {done.stderr}"
        assert raised.returncode == 0, raised.stderr
        return True

    def ask(self, kind: str, item: dict, body: dict, root: str) -> None:
        key = (kind, int(item["slot" if kind == "block" else "target_epoch"]))
        wanted = item[self.column] and key not in self.stricter
        answer = self.signer.sign(body, item["pubkey"])
        assert answer.status == (200 if wanted else 412), (item, answer)
        self.judged += 1
        if not wanted:
            assert answer.message.startswith("slashing protection: ")
            return
        assert verifies(item["pubkey"], root, answer.json["signature"])
        if self.minimal:
            self.signer.restart()  # which prunes
        again = self.signer.sign(body, item["pubkey"])
        assert again.status == (412 if self.minimal else 200)  # the very same, as long as it is remembered

    def ask_all(self, step: dict) -> None:
        for item in step["blocks"]:
            self.ask("block", item, *block(self.network, item["slot"], item["signing_root"]))
        for item in step["attestations"]:
            self.ask("attestation", item, *attestation(self.network, item["source_epoch"], item["target_epoch"],
                                                       item["signing_root"]))

    def run_step(self, step: dict) -> None:
        if not self.minimal and not step["blocks"] and not step["attestations"]:
            return
        self.signer.start()
        self.ask_all(step)
        self.signer.kill()  # no farewell: what was answered is on disk


@pytest.fixture
def folder():
    """In memory where that is possible: hundreds of small databases are made, and the disk's patience is not tested."""
    memory = pathlib.Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as name:
        yield pathlib.Path(name)


@pytest.mark.skipif(not CASES, reason=f"{FOLDER} is not there")
def test_all_cases_are_there():
    assert len(CASES) == 38
    items = [item for path in CASES.values() for step in json.loads(path.read_text())["steps"]
             for item in [*step["blocks"], *step["attestations"]]]
    assert len(items) == 150


@pytest.mark.skipif(not CASES, reason=f"{FOLDER} is not there")
@pytest.mark.parametrize("column", ["complete", "minimal"])
@pytest.mark.parametrize("name", CASES)
def test_case(folder, name, column):
    case = json.loads(CASES[name].read_text())
    run = Run(folder, case, column == "minimal")
    try:
        for number, step in enumerate(case["steps"]):
            if not run.import_step(step, number):
                break
            run.run_step(step)
        wanted = sum(len(step["blocks"]) + len(step["attestations"]) for step in case["steps"])
        assert run.judged == wanted
    finally:
        run.signer.kill()
    if run.exported("end.json") is not None:
        assert run.slashing("check").returncode == 0


ONE_STEP = {name: path for name, path in CASES.items() if len(json.loads(path.read_text())["steps"]) == 1}


@pytest.mark.skipif(not CASES, reason=f"{FOLDER} is not there")
@pytest.mark.parametrize("name", ONE_STEP)
def test_case_through_the_key_manager(folder, name):
    """The data comes with the keys. A key whose data contradicts itself is not taken, so that nothing is signed."""
    case = json.loads(CASES[name].read_text())
    step = case["steps"][0]
    run = Run(folder, case, keys=())
    try:
        run.signer.start()
        answer = run.signer.post("/eth/v1/keystores", {
            "keystores": [make_keystore(interop_secret(i), "password") for i in range(3)],
            "passwords": ["password"] * 3,
            "slashing_protection": json.dumps(with_real_roots(step["interchange"], run.network))})
        loaded = run.signer.get("/api/v1/eth2/publicKeys").json
        if not step["should_succeed"]:
            assert answer.status == 400 and loaded == []
            return
        assert answer.status == 200
        statuses = [item["status"] for item in answer.json["data"]]
        assert len(loaded) == statuses.count("imported")
        if not step["contains_slashable_data"]:
            assert statuses == ["imported"] * 3
        assert set(statuses) <= {"imported", "error"}
        for item in [*step["blocks"], *step["attestations"]]:
            if item["pubkey"] not in loaded:
                assert run.signer.sign(block(run.network, "1", "0x" + "00" * 32)[0], item["pubkey"]).status == 404
        run.ask_all({kind: [item for item in step[kind] if item["pubkey"] in loaded]
                     for kind in ["blocks", "attestations"]})
    finally:
        run.signer.kill()
