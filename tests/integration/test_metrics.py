"""The metrics: the documented names are there in a form that every scraper reads, and they move by what happens."""
import http.client
import json
import math
import re
import socket
import time

import pytest

import prometheus
from keystores import interop_secret, make_keystore
from signer import EPOCH, Signer, attestation, block, fork_info, pubkey_of, randao

# Names that dashboards and alerts know: kind and labels.
NAMES = {
    "containment_signing_requests_total": ("counter", {"status", "operation"}),
    "containment_signing_duration_seconds": ("histogram", {"operation", "le"}),
    "containment_slashing_rejections_total": ("counter", set()),
    "containment_signing_semaphore_available": ("gauge", set()),
    "containment_signing_concurrency_limit": ("gauge", set()),
    "containment_keys_active": ("gauge", {"source"}),
    "containment_key_loading_duration_seconds": ("gauge", set()),
    "containment_key_load_failures_total": ("counter", set()),
    "containment_healthy": ("gauge", set()),
    "containment_signer_state": ("gauge", {"state"}),
    "containment_auth_rejections_total": ("counter", set()),
}
OPERATIONS = {
    "BLOCK", "BLOCK_V2", "ATTESTATION", "AGGREGATION_SLOT", "AGGREGATE_AND_PROOF", "AGGREGATE_AND_PROOF_V2",
    "RANDAO_REVEAL", "VOLUNTARY_EXIT", "DEPOSIT", "SYNC_COMMITTEE_MESSAGE", "SYNC_COMMITTEE_SELECTION_PROOF",
    "SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF", "VALIDATOR_REGISTRATION",
}
STATUSES = {"signed", "bad_request", "unauthorized", "forbidden", "unknown_key", "slashable", "overloaded", "late",
            "store_failed"}
REQUESTS = "containment_signing_requests_total"


def scrape(signer) -> dict[str, prometheus.Family]:
    page = signer.get("/metrics", port=signer.metrics_port)
    assert page.status == 200
    return prometheus.parse(page.text)


class Moves:
    """What the counters and gauges did between two looks."""

    def __init__(self, signer):
        self.signer = signer
        self.before = scrape(signer)

    def look(self) -> "Moves":
        self.after = scrape(self.signer)
        return self

    def of(self, name: str, part: str = "", **labels) -> float:
        return self.after[name].value(part, **labels) - self.before[name].value(part, **labels)

    def moved(self, name: str) -> dict:
        """The samples of a family that are not what they were."""
        return {tuple(sorted(dict(labels).values())): value - self.before[name].samples.get((part, labels), 0)
                for (part, labels), value in self.after[name].samples.items()
                if value != self.before[name].samples.get((part, labels), 0)}


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    """One for all: each test looks at differences, and uses slots and epochs of its own."""
    folder = tmp_path_factory.mktemp("metrics")
    signer = Signer(folder, keys=[0, 1], settings={"http.key_manager_api.enabled": True})
    (signer.keys_folder / "broken.yaml").write_text("type: nonsense\n")
    try:
        yield signer.start()
    finally:
        signer.kill()


# --------------------------------------------------------------------------------------- the page

def test_the_documented_names_are_there_with_their_kinds_and_labels(signer):
    assert signer.sign(randao(1)).status == 200  # a histogram has its labels from the first observation on
    families = scrape(signer)
    found = {name: (families[name].kind, families[name].labels) for name in NAMES if name in families}
    assert found == NAMES


def test_every_name_is_ours_or_a_convention(signer):
    for name in scrape(signer):
        assert re.fullmatch(r"(containment|process)_[a-z_]+", name), name


def test_the_page_has_the_content_type_of_the_format(signer):
    page = signer.get("/metrics", port=signer.metrics_port)
    assert page.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert int(page.headers["Content-Length"]) == len(page.body)


def test_a_fresh_signer_has_a_sample_of_every_operation(signer):
    """So that rate() has something to begin with; the duration has none before the first signature."""
    known = scrape(signer)[REQUESTS]
    assert OPERATIONS <= known.label_values("operation")


# ------------------------------------------------------------------------------------- what moves

def test_a_signature_counts_as_signed_and_is_timed(signer):
    moves = Moves(signer)
    assert signer.sign(attestation(EPOCH, EPOCH + 1)).status == 200
    moves.look()
    assert moves.moved(REQUESTS) == {("ATTESTATION", "signed"): 1}
    duration = "containment_signing_duration_seconds"
    assert moves.of(duration, "_count", operation="ATTESTATION") == 1
    assert moves.of(duration, "_bucket", operation="ATTESTATION", le="+Inf") == 1
    assert moves.of(duration, "_sum", operation="ATTESTATION") > 0
    assert moves.of("containment_slashing_checks_total") == 1
    assert moves.of("containment_slashing_commits_total") == 1
    assert moves.of("containment_slashing_commit_seconds_total") > 0
    assert moves.of("containment_slashing_rejections_total") == 0


def test_what_needs_no_record_moves_no_store(signer):
    moves = Moves(signer)
    assert signer.sign(randao(EPOCH + 7)).status == 200
    moves.look()
    assert moves.moved(REQUESTS) == {("RANDAO_REVEAL", "signed"): 1}
    assert moves.of("containment_slashing_checks_total") == 0


def test_a_refused_vote_and_a_refused_block_count_as_slashable(signer):
    assert signer.sign(attestation(EPOCH + 2, EPOCH + 3)).status == 200
    assert signer.sign(block((EPOCH + 3) * 32)).status == 200
    moves = Moves(signer)
    assert signer.sign(attestation(EPOCH + 2, EPOCH + 3, block_root=9)).status == 412
    assert signer.sign(block((EPOCH + 3) * 32, state_root=9)).status == 412
    moves.look()
    assert moves.moved(REQUESTS) == {("ATTESTATION", "slashable"): 1, ("BLOCK_V2", "slashable"): 1}
    assert moves.of("containment_slashing_rejections_total") == 2
    assert moves.moved("containment_signing_duration_seconds") == {}


def test_the_same_again_counts_as_a_repeat(signer):
    assert signer.sign(attestation(EPOCH + 4, EPOCH + 5)).status == 200
    moves = Moves(signer)
    assert signer.sign(attestation(EPOCH + 4, EPOCH + 5)).status == 200
    assert moves.look().of("containment_slashing_repeats_total") == 1
    assert moves.moved(REQUESTS) == {("ATTESTATION", "signed"): 1}


def test_one_message_of_two_keys_is_hashed_once(signer):
    moves = Moves(signer)
    for pubkey in signer.pubkeys:
        assert signer.sign(randao(EPOCH + 6), pubkey).status == 200
    moves.look()
    assert moves.of("containment_message_cache_misses_total") == 1
    assert moves.of("containment_message_cache_hits_total") == 1


def test_an_unknown_key_counts_by_its_operation(signer):
    moves = Moves(signer)
    assert signer.sign(randao(1), pubkey_of(interop_secret(99))).status == 404
    assert moves.look().moved(REQUESTS) == {("RANDAO_REVEAL", "unknown_key"): 1}


def test_another_network_counts_as_forbidden(signer):
    moves = Moves(signer)
    assert signer.sign(randao(1) | {"fork_info": fork_info("hoodi")}).status == 403
    assert moves.look().moved(REQUESTS) == {("RANDAO_REVEAL", "forbidden"): 1}
    assert moves.of("containment_auth_rejections_total") == 1


@pytest.mark.parametrize("body", ["", "{", "[]", '{"type":"NOSUCH"}', '{"type":7}', '{"type":"x\\"} 1\\nevil 1"}', "\x00"])
def test_a_body_that_is_not_understood_counts_as_a_bad_request(signer, body):
    moves = Moves(signer)
    assert signer.sign(body).status == 400
    assert moves.look().moved(REQUESTS) == {("bad_request", "unknown"): 1}


def test_a_bad_request_of_a_known_type_counts_by_its_operation(signer):
    moves = Moves(signer)
    assert signer.sign({"type": "ATTESTATION", "fork_info": fork_info()}).status == 400
    [(labels, count)] = moves.look().moved(REQUESTS).items()
    assert count == 1 and labels in [("ATTESTATION", "bad_request"), ("bad_request", "unknown")]


def test_imported_and_deleted_keys_are_counted_by_their_source(signer):
    keystore = make_keystore(interop_secret(50), "password")
    moves = Moves(signer)
    assert moves.before["containment_keys_active"].value(source="filesystem") == 2
    assert signer.post("/eth/v1/keystores", {"keystores": [keystore], "passwords": ["password"]}).status == 200
    assert moves.look().moved("containment_keys_active") == {("memory",): 1}
    assert signer.delete("/eth/v1/keystores", {"pubkeys": [pubkey_of(interop_secret(50))]}).status == 200
    assert moves.look().moved("containment_keys_active") == {}


def test_a_bad_key_file_counts_in_every_load(signer):
    moves = Moves(signer)
    assert moves.before["containment_key_load_failures_total"].value() >= 1
    assert moves.before["containment_key_loading_duration_seconds"].value() > 0
    assert signer.post("/reload").status == 202
    signer.wait_for(lambda: signer.get("/reload").json["status"] == "completed_with_errors")
    assert moves.look().of("containment_key_load_failures_total") == 1


def test_requests_and_connections_are_counted(signer):
    moves = Moves(signer)
    connection = signer.connect()
    for _ in range(3):
        assert signer.get("/upcheck", connection=connection).status == 200
    moves.look()
    assert moves.of("containment_http_requests_total") == 3 + 1  # and the second look
    assert moves.of("containment_http_connections_total") == 1 + 1
    connection.close()


def test_a_request_that_is_no_http_is_counted_as_refused(signer):
    moves = Moves(signer)
    with socket.create_connection(("127.0.0.1", signer.port), timeout=60) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nbroken header\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 400 ")
    moves.look()
    assert moves.of("containment_http_requests_refused_total") == 1
    assert moves.moved(REQUESTS) == {}


def test_what_is_no_signing_request_moves_no_signing_metric(signer):
    moves = Moves(signer)
    for path in ("/upcheck", "/healthcheck", "/api/v1/eth2/publicKeys", "/nothing"):
        signer.get(path)
    assert moves.look().moved(REQUESTS) == {}


# ---------------------------------------------------------------------------------- what is shown

def test_the_process_and_its_store_are_described_truly(signer):
    families = scrape(signer)

    def value(name, **labels):
        return families[name].value(**labels)

    status = dict(re.findall(r"^(\w+):\s+(.*)$", open(f"/proc/{signer.process.pid}/status", encoding="ascii").read(), re.M))
    resident = int(status["VmRSS"].split()[0]) * 1024
    assert resident / 4 < value("process_resident_memory_bytes") < resident * 4
    assert value("process_cpu_seconds_total") > 0
    assert 5 < value("process_open_fds") < 100
    assert abs(value("process_start_time_seconds") - time.time()) < 3600
    assert value("containment_slashing_database_bytes") == signer.database.stat().st_size
    assert value("containment_slashing_disk_free_bytes") > 0
    assert value("containment_healthy") == 1
    assert families["containment_signer_state"].samples == {
        ("containment_signer_state", (("state", "unsealed"),)): 1}
    assert value("containment_signing_workers") >= 1
    assert value("containment_signing_concurrency_limit") == 8192
    assert value("containment_signing_semaphore_available") == 8192
    assert value("containment_signing_queue_depth") == 0
    assert value("containment_slashing_checks_waiting") == 0
    assert value("containment_log_lines_dropped_total") == 0
    assert families["containment_build_info"].label_values("network") == {"mainnet"}


def test_labels_have_few_values_whatever_is_asked_for(signer):
    """A client that could make series at will would fill the monitoring system's memory."""
    def series():
        return {sample for family in scrape(signer).values() for sample in family.samples}

    signer.sign({"type": "NOSUCH"})
    signer.sign(randao(1), "0x" + "ab" * 48)
    before = series()
    for i in range(50):
        signer.sign({"type": f"TYPE_{i}"})
        signer.sign(randao(1), "0x" + f"{i:02x}" * 48)
        signer.get(f"/path/{i}?query={i}")
    assert series() == before
    families = scrape(signer)
    assert families[REQUESTS].label_values("status") <= STATUSES
    assert len(families[REQUESTS].label_values("operation")) < 40
    assert families["containment_keys_active"].label_values("source") == {"filesystem", "memory"}
    page = signer.get("/metrics", port=signer.metrics_port).text
    assert not any(pubkey[2:] in page for pubkey in signer.pubkeys)


def test_no_value_is_not_a_number(signer):
    for family in scrape(signer).values():
        assert all(math.isfinite(value) for value in family.samples.values()), family.name


# -------------------------------------------------------------------------------------- its port

@pytest.mark.parametrize("path", ["/", "/upcheck", "/healthcheck", "/reload", "/api/v1/eth2/publicKeys", "/eth/v1/keystores",
                                  "/metrics/", "/metricsx", "/Metrics", "/..%2fupcheck", "//metrics"])
def test_the_metrics_port_serves_nothing_else(signer, path):
    for method in ("GET", "POST", "DELETE"):
        assert signer.request(method, path, port=signer.metrics_port).status == 404


def test_the_metrics_port_signs_nothing(signer):
    moves = Moves(signer)
    path = f"/api/v1/eth2/sign/{signer.pubkeys[0]}"
    assert signer.request("POST", path, json.dumps(randao(1)), port=signer.metrics_port).status == 404
    assert moves.look().moved(REQUESTS) == {}


def test_the_api_port_serves_no_metrics(signer):
    assert signer.get("/metrics").status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_the_page_can_only_be_read(signer, method):
    answer = signer.request(method, "/metrics", port=signer.metrics_port)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_head_gives_the_length_and_no_body(signer):
    answer = signer.request("HEAD", "/metrics", port=signer.metrics_port)
    assert answer.status == 200 and answer.body == b"" and int(answer.headers["Content-Length"]) > 1000


# -------------------------------------------------------------------------------- other settings

def test_without_metrics_there_is_no_second_port(start):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    signer = start(keys=[0], settings={"metrics.enabled": False, "metrics.listen_port": port})
    assert signer.metrics_port == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=60)
    assert signer.sign(randao(1)).status == 200


def is_refused(signer, busy: list) -> bool:
    """Connects; adds the connection to the busy ones, with half a request, unless the server closes it at once."""
    sock = socket.create_connection(("127.0.0.1", signer.port), timeout=1)
    busy.append(sock)
    if len(busy) > 2:
        try:
            return sock.recv(1) == b""
        except TimeoutError:
            pass
    sock.sendall(b"GET /up")
    return False


def test_connections_over_the_limit_are_counted_as_refused(start):
    signer = start(keys=[0], settings={"server.max_connections": 2})
    busy = []
    while not is_refused(signer, busy):
        pass  # one that had not been seen to be busy made room
    for sock in busy:
        sock.close()

    def count():
        try:
            return scrape(signer)["containment_http_connections_refused_total"].value()
        except (http.client.HTTPException, OSError):
            return 0  # the closed ones were not noticed yet

    assert signer.wait_for(count) >= 1


def test_the_reader_of_these_tests_refuses_what_scrapers_refuse():
    head = "# HELP a_total A.\n# TYPE a_total counter\n"
    prometheus.parse(head + "a_total 1\n")
    histogram = "# HELP h H.\n# TYPE h histogram\n"
    wrong = [
        "a_total 1\n", head + "a_total 1", head + "a_total x\n", head + "a_total 1\na_total 1\n", head + "b_total 1\n",
        head + 'a_total{x="1",x="2"} 1\n', head + 'a_total{x="1} 1\n', head + 'a_total{x="\n"} 1\n', head + "a_total -1\n",
        head + "a_total 1 \n", head + head, "# TYPE a_total counter\n# HELP a_total A.\n", head + "\n",
        "# HELP a A.\n# TYPE a counter\na 1\n",
        histogram + 'h_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n',
        histogram + 'h_bucket{le="1"} 1\nh_sum 1\nh_count 1\n',
        histogram + 'h_bucket{le="+Inf"} 1\nh_sum 1\nh_count 2\n',
        histogram + 'h_bucket{le="+Inf"} 1\nh_count 1\n',
    ]
    for page in wrong:
        with pytest.raises((AssertionError, KeyError)):  # never another error, which would be our own
            prometheus.parse(page)
