"""What probes are told: /upcheck that the process lives, /healthcheck whether it can sign safely, and why not."""
import json
import signal

import pytest

from keystores import interop_secret
from signer import EPOCH, Signer, attestation, block, pubkey_of, randao
from slow_keys import write_slow_keystores

STORE = "slashing-protection-db-health-check"
DOWN = "slashing protection is down, nothing that needs it is signed"


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    signer = Signer(tmp_path_factory.mktemp("healthy"), keys=[0, 1])
    (signer.keys_folder / "bad.yaml").write_text("type: nonsense\n")
    try:
        yield signer.start()
    finally:
        signer.kill()


def check_of(answer, name: str) -> dict:
    [check] = [check for check in answer.json["checks"] if check["id"] == name]
    return check


def loading_of(answer) -> dict:
    [check] = check_of(answer, "keys-check")["checks"]
    assert check["id"] == "config-files-loading"
    return check


def metric(signer, name: str) -> float:
    return signer.metrics()[name]


# ---------------------------------------------------------------------------------------- upcheck

@pytest.mark.parametrize("accept", [None, "*/*", "text/plain", "text/*", "", "text/html, */*;q=0.8", "application/jsonx", "x" * 512])
def test_upcheck_is_text_unless_json_is_asked_for(healthy, accept):
    answer = healthy.get("/upcheck", headers={"Accept": accept} if accept is not None else {})
    assert (answer.status, answer.body) == (200, b"OK")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("accept", ["application/json", "application/json; charset=utf-8", "Application/JSON",
                                    "text/plain;q=0.1, application/json", "application/json, text/plain, */*"])
def test_upcheck_is_json_for_clients_that_want_json(healthy, accept):
    answer = healthy.get("/upcheck", headers={"Accept": accept})
    assert (answer.status, answer.body) == (200, b'{"status":"OK"}')
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize("path", ["/upcheck", "/healthcheck"])
def test_head_of_a_probe_has_no_body(healthy, path):
    answer = healthy.request("HEAD", path)
    assert (answer.status, answer.body) == (200, b"") and int(answer.headers["Content-Length"]) > 0


@pytest.mark.parametrize("path", ["/upcheck", "/healthcheck"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_a_probe_can_only_be_read(healthy, method, path):
    answer = healthy.request(method, path)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/upcheck/", "/upchec", "/Upcheck", "/healthcheck/x", "//healthcheck", "/health"])
def test_what_is_nearly_a_probe_is_none(healthy, path):
    assert healthy.get(path).status == 404


def test_a_query_is_no_obstacle(healthy):
    assert healthy.get("/upcheck?now=1").text == "OK"
    assert healthy.get("/healthcheck?verbose").status == 200


# ------------------------------------------------------------------------------------ healthcheck

def test_healthcheck_has_web3signers_shape(healthy):
    """Vero reads `status` and `outcome`; operators' probes read the ids. A bad key file does not make it unready."""
    answer = healthy.get("/healthcheck")
    assert answer.status == 200
    assert answer.json == {
        "status": "UP",
        "checks": [
            {"id": "default-check", "status": "UP"},
            {"id": STORE, "status": "UP"},
            {"id": "keys-check", "status": "UP", "checks": [
                {"id": "config-files-loading", "status": "UP", "data": {
                    "keys-loaded": 2, "error-count": 1, "state": "completed_with_errors"}}]}],
        "outcome": "UP"}
    assert metric(healthy, "containment_healthy") == 1


@pytest.mark.parametrize("accept", [None, "text/plain", "*/*", "application/json"])
def test_healthcheck_is_json_whatever_is_accepted(healthy, accept):
    answer = healthy.get("/healthcheck", headers={"Accept": accept} if accept else {})
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8" and answer.json["status"] == "UP"


def test_it_is_up_without_protection_and_without_keys(start):
    signer = start(settings={"anti_slashing.backend": "noop"})
    answer = signer.get("/healthcheck")
    assert answer.json["outcome"] == "UP"
    assert loading_of(answer)["data"] == {"keys-loaded": 0, "error-count": 0, "state": "completed"}
    assert any("THERE IS NO SLASHING PROTECTION" in line["message"] for line in signer.log())


# ------------------------------------------------------------------------------------ while loading

def test_while_keys_are_loaded_it_is_down_and_afterwards_up(start, tmp_path):
    signer = start(keys=[0], settings=write_slow_keystores(tmp_path, 2), wait=False)
    signer._read_ports(0)
    answer = signer.get("/healthcheck")
    assert answer.status == 503
    assert (answer.json["status"], answer.json["outcome"]) == ("DOWN", "DOWN")
    assert check_of(answer, STORE) == {"id": STORE, "status": "UP"}
    assert check_of(answer, "keys-check")["status"] == loading_of(answer)["status"] == "DOWN"
    assert loading_of(answer)["data"]["state"] == "running"
    assert signer.get("/upcheck").status == 200
    assert metric(signer, "containment_healthy") == 0
    signer.wait_for(lambda: signer.get("/healthcheck").status == 200)
    answer = signer.get("/healthcheck")
    assert loading_of(answer) == {"id": "config-files-loading", "status": "UP", "data": {
        "keys-loaded": 1, "error-count": 2, "state": "completed_with_errors"}}
    assert metric(signer, "containment_healthy") == 1


def test_a_later_load_does_not_make_it_unready(start, tmp_path):
    """The keys that were there go on signing while files are read again."""
    signer = start(keys=[0])
    settings = write_slow_keystores(tmp_path, 1)
    slow = signer.keys_folder / "slow.json"
    (tmp_path / "slow" / "slow0.json").rename(slow)
    (signer.keys_folder / "slow.yaml").write_text(
        f'type: "file-keystore"\nkeyType: "BLS"\nkeystoreFile: "{slow}"\n'
        f'keystorePasswordFile: "{settings["key_sources.filesystem.keystores_password_file"]}"\n')
    assert signer.post("/reload").status == 202
    answer = signer.get("/healthcheck")
    assert answer.status == 200 and loading_of(answer)["data"]["state"] == "running"
    assert signer.sign(randao(1)).status == 200


def test_keys_that_cannot_be_listed_are_told(start, tmp_path):
    signer = start(keys=[0], wait=False, settings={"key_sources.filesystem.paths": str(tmp_path / "missing")})
    signer._read_ports(0)
    signer.wait_for(lambda: loading_of(signer.get("/healthcheck"))["data"]["state"] == "failed")
    answer = signer.get("/healthcheck")
    assert answer.status == 503 and check_of(answer, "keys-check")["status"] == "DOWN"
    assert signer.get("/upcheck").status == 200
    assert "missing" in signer.get("/reload").json["lastError"]


# ---------------------------------------------------------------------------------- a store that fails

@pytest.mark.parametrize("how", ["removed", "replaced", "restored"])
def test_a_database_that_is_taken_away_is_told_and_nothing_that_needs_it_is_signed(start, how):
    signer = start(keys=[0])
    assert signer.sign(attestation(EPOCH, EPOCH + 1)).status == 200
    moved = signer.database.with_suffix(".moved")
    signer.database.rename(moved)
    if how == "replaced":
        signer.database.write_bytes(moved.read_bytes())
    signer.process.send_signal(signal.SIGHUP)  # so that it looks now
    signer.wait_for(lambda: signer.get("/healthcheck").status == 503)
    if how == "restored":
        moved.rename(signer.database)  # what was recorded meanwhile is nobody's to say: a restart reads it
    answer = signer.get("/healthcheck")
    check = check_of(answer, STORE)
    assert (answer.status, answer.json["outcome"], check["status"]) == (503, "DOWN", "DOWN")
    assert "was removed or replaced while in use; restart the signer" in check["data"]["reason"]
    assert str(signer.database) in check["data"]["reason"]
    assert check_of(answer, "keys-check")["status"] == "UP"

    assert signer.sign(attestation(EPOCH + 1, EPOCH + 2)).status == 503
    assert signer.sign(block((EPOCH + 1) * 32)).status == 503
    assert signer.sign(randao(1)).status == 200  # needs no record
    assert signer.get("/upcheck").status == 200
    assert metric(signer, "containment_healthy") == 0
    assert metric(signer, 'containment_signing_requests_total{status="store_failed",operation="ATTESTATION"}') == 1
    [line] = signer.wait_for(lambda: [line for line in signer.log() if line["message"] == DOWN])
    assert line["level"] == "error" and "restart the signer" in line["reason"]

    if how != "restored":
        moved.replace(signer.database)
    assert signer.stop() == 0
    signer.start()
    assert signer.sign(attestation(EPOCH, EPOCH + 1, block_root=5)).status == 412


def test_probes_do_not_wait_for_signatures(start):
    """Even when nothing more is admitted, probes are answered."""
    signer = start(keys=[0], settings={"signing.queue_limit": 1})
    connections = [signer.connect() for _ in range(8)]
    path = f"/api/v1/eth2/sign/{signer.pubkeys[0]}"
    for epoch, connection in enumerate(connections):
        connection.request("POST", path, json.dumps(randao(epoch)))
    assert signer.get("/upcheck").status == 200
    assert signer.get("/healthcheck").status == 200
    assert {connection.getresponse().status for connection in connections} <= {200, 503}


def test_an_unknown_key_is_no_illness(healthy):
    assert healthy.sign(randao(1), pubkey_of(interop_secret(77))).status == 404
    assert healthy.get("/healthcheck").status == 200
