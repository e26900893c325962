"""GET /api/v1/eth2/publicKeys and /api/v1/eth2/highWatermark: signers.md section 1.1, byte for byte where clients look."""
import json
import subprocess

import pytest
import raw_http
from keystores import interop_secret, make_keystore
from shared_signer import shared_signer
from signer import BINARY, EPOCH, attestation, block, pubkey_of, randao

KEYS, WATERMARK = "/api/v1/eth2/publicKeys", "/api/v1/eth2/highWatermark"
JSON = "application/json; charset=utf-8"


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """A signer for those who only look."""
    yield from shared_signer(tmp_path_factory, keys=[0, 1])


def listed(signer, **options) -> list[str]:
    answer = signer.get(KEYS, **options)
    assert answer.status == 200 and answer.headers["Content-Type"] == JSON
    # Lodestar compares keys as texts: lower case, with 0x; nothing between or behind them.
    assert answer.body == json.dumps(answer.json, separators=(",", ":")).encode()
    return answer.json


# --------------------------------------------------------------------------------------------- publicKeys

def test_keys_are_listed_in_ascending_order(start):
    signer = start(keys=range(40))
    assert signer.pubkeys != sorted(signer.pubkeys)
    assert listed(signer) == sorted(signer.pubkeys)


def test_without_keys_the_list_is_empty(start):
    signer = start()
    assert signer.get(KEYS).body == b"[]"
    assert signer.sign(randao(EPOCH), "0x" + "ab" * 48).status == 404


def test_one_key_of_two_files_is_listed_once(start, tmp_path):
    signer = start(keys=[0, 1], folder=tmp_path)
    path = signer.keys_folder / f"{signer.pubkeys[0][2:]}.yaml"
    (signer.keys_folder / "again.yaml").write_text(path.read_text())
    (signer.keys_folder / "again.yaml").chmod(0o600)
    signer.restart()
    assert listed(signer) == sorted(signer.pubkeys)


def test_what_is_listed_is_what_signs_through_imports_deletes_and_reloads(start):
    signer = start(keys=[5], settings={"http.key_manager_api.enabled": True})
    file_key, memory_key, late_key = signer.pubkeys[0], pubkey_of(interop_secret(6)), pubkey_of(interop_secret(7))

    def holds(*keys):
        assert listed(signer) == sorted(keys)
        for key in [file_key, memory_key, late_key]:
            assert signer.sign(randao(EPOCH), key).status == (200 if key in keys else 404)

    holds(file_key)
    body = {"keystores": [make_keystore(interop_secret(6), "password")], "passwords": ["password"]}
    assert signer.post("/eth/v1/keystores", body).json["data"][0]["status"] == "imported"
    holds(file_key, memory_key)
    signer.add_raw_key(7)
    assert signer.post("/reload").status == 202
    signer.wait_for(lambda: signer.get("/reload").json["status"] == "completed")
    holds(file_key, memory_key, late_key)
    assert signer.delete("/eth/v1/keystores", {"pubkeys": [memory_key]}).json["data"][0]["status"] == "deleted"
    holds(file_key, late_key)


@pytest.mark.parametrize("accept", [None, "application/json", "*/*", "application/json, text/plain;q=0.5"])
def test_the_list_is_json_for_every_client(quiet, accept):
    assert listed(quiet, headers={"Accept": accept} if accept else {}) == sorted(quiet.pubkeys)


def test_listing_signs_and_changes_nothing(signer):
    first = listed(signer)
    assert signer.sign(attestation(EPOCH, EPOCH + 1)).status == 200
    assert listed(signer) == first
    assert listed(signer) == first


@pytest.mark.parametrize("path, body", [(KEYS, b"["), (WATERMARK, b"{}")])
def test_only_get_and_head(quiet, path, body):
    with raw_http.Wire(quiet.port) as connection:
        whole = connection.send(raw_http.request("GET", path)).response()
        assert whole.status == 200 and whole.body.startswith(body)
        head = connection.send(raw_http.request("HEAD", path)).response(with_body=False)
        assert (head.status, head.field("Content-Type")) == (200, JSON)
        assert head.field("Content-Length") == str(len(whole.body))
        assert connection.is_silent()
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]:
            response = connection.send(raw_http.request(method, path, b"{}")).response()
            assert (response.status, response.field("Allow")) == (405, "GET, HEAD")
            assert json.loads(response.body)["code"] == 405


@pytest.mark.parametrize("path", ["/api/v1/eth2/publickeys", "/api/v1/eth2/publicKeys/", "/api/v1/eth2/public%4beys",
                                  "/api/v1/eth2", "/api/v1/eth2/highwatermark", "/api/v1/eth2/highWatermark/0"])
def test_paths_are_exact(quiet, path):
    answer = quiet.get(path)
    assert answer.status == 404 and answer.json["code"] == 404


# ------------------------------------------------------------------------------------------ highWatermark

def watermark(signer, *options: str) -> None:
    """`slashing watermark` on the stopped signer's database."""
    done = subprocess.run([BINARY, "slashing", "watermark", f"--anti-slashing-path={signer.database}", *options],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def shown(signer) -> bytes:
    answer = signer.get(WATERMARK)
    assert answer.status == 200 and answer.headers["Content-Type"] == JSON
    return answer.body


def test_no_high_watermark_is_an_empty_object_also_after_signing(signer):
    """It is what an operator sets, and not the highest that was signed."""
    assert shown(signer) == b"{}"
    assert signer.sign(attestation(EPOCH, EPOCH + 1)).status == 200
    assert signer.sign(block(32 * EPOCH)).status == 200
    assert shown(signer) == b"{}"
    signer.restart()
    assert shown(signer) == b"{}"


def test_without_protection_there_is_no_high_watermark(start):
    assert shown(start(keys=[0], settings={"anti_slashing.backend": "noop"})) == b"{}"


@pytest.mark.parametrize("options, body", [
    (["--epoch", str(EPOCH + 5), "--slot", str(32 * EPOCH)], b'{"epoch":"%d","slot":"%d"}' % (EPOCH + 5, 32 * EPOCH)),
    (["--epoch", "0"], b'{"epoch":"0"}'),
    (["--slot", "18446744073709551615"], b'{"slot":"18446744073709551615"}'),
])
def test_it_shows_what_was_set_and_that_only(signer, options, body):
    signer.stop()
    watermark(signer, *options)
    signer.start()
    assert shown(signer) == body
    signer.stop()
    watermark(signer, "--remove")
    signer.start()
    assert shown(signer) == b"{}"


def test_nothing_is_signed_at_or_above_it(signer):
    assert signer.sign(attestation(EPOCH, EPOCH + 4)).status == 200
    assert signer.sign(block(32 * EPOCH + 4)).status == 200
    signer.stop()
    watermark(signer, "--epoch", str(EPOCH + 6), "--slot", str(32 * EPOCH + 6))
    signer.start()
    for body, status in [
        (attestation(EPOCH, EPOCH + 5), 200), (attestation(EPOCH, EPOCH + 6), 412),
        (attestation(EPOCH, EPOCH + 7), 412), (attestation(EPOCH + 6, EPOCH + 6), 412),
        (block(32 * EPOCH + 5), 200), (block(32 * EPOCH + 6), 412), (block(32 * EPOCH + 7), 412),
        (randao(EPOCH + 9), 200),  # not slashable
    ]:
        answer = signer.sign(body)
        assert answer.status == status, answer
        assert status == 200 or "high watermark" in answer.message
    assert signer.sign(attestation(EPOCH, EPOCH + 5), signer.pubkeys[1]).status == 200
    assert signer.sign(attestation(EPOCH, EPOCH + 6), signer.pubkeys[1]).status == 412  # it is for all validators


def test_above_a_new_high_watermark_even_the_same_again_is_refused(signer):
    """The validators are another signer's from there on."""
    vote, proposal = attestation(EPOCH, EPOCH + 4), block(32 * EPOCH + 4)
    assert signer.sign(vote).status == 200 and signer.sign(proposal).status == 200
    signer.stop()
    watermark(signer, "--epoch", str(EPOCH + 4), "--slot", str(32 * EPOCH + 4))
    signer.start()
    assert signer.sign(vote).status == 412 and signer.sign(proposal).status == 412
    signer.stop()
    watermark(signer, "--remove")
    signer.start()
    assert signer.sign(vote).status == 200 and signer.sign(proposal).status == 200
