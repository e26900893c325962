"""What each validator client sends, byte by byte over a bare socket, and that what comes back is what its parser takes.
Facts: signers.md section 4; Grandine's client is reqwest with its defaults. (Vouch signs through Dirk's gRPC and never
speaks this API.)"""
import json
import re
import subprocess
import typing

import pytest
import ssz
from raw_http import Wire, chunked, request
from shared_signer import shared_signer
from signer import BINARY, EPOCH, verifies
from signing_cases import BY_NAME, MAINNET, VERSION, filler, fork_info

JSON, TEXT = "application/json; charset=utf-8", "text/plain; charset=utf-8"


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    yield from shared_signer(tmp_path_factory, keys=[0, 1])


@pytest.fixture
def epoch(epochs=iter(range(EPOCH, EPOCH + 100000, 10))):
    """An epoch that no other test signs in."""
    return next(epochs)


# --------------------------------------------------------------------------------------- how they parse

def strict_hex(response) -> str:
    """Go's hexutil.Decode: 0x, an even number of digits, nothing else, not even space."""
    text = response.body.decode("ascii")
    assert re.fullmatch("0x([0-9a-fA-F]{2})*", text), text
    return text


def json_signature(response) -> str:
    assert response.field("Content-Type").split(";")[0].strip() == "application/json"
    return json.loads(response.body)["signature"]


def json_or_hex(response) -> str:
    is_json = response.field("Content-Type").startswith("application/json")
    return json_signature(response) if is_json else strict_hex(response)


def undecorated_text(response) -> str:
    return response.body.decode("utf-8")


class Client(typing.NamedTuple):
    fields: list[str]  # of a signing request, in order; Host and Content-Length are filled in
    content_type: str  # of the answer that it means to get
    parse: typing.Callable
    root: str | None = "signingRoot"
    aggregate: str = "AGGREGATE_AND_PROOF bare, Electra"
    signs_epoch_as_fork_epoch: bool = False
    exit: tuple = ("ELECTRA", "FULU", 411392)


CLIENTS = {
    "Teku": Client(  # the JDK's client offers HTTP/2 with every request
        ["Connection: Upgrade, HTTP2-Settings", "Content-Length: {size}", "Host: {host}",
         "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA", "Upgrade: h2c",
         "User-Agent: Java-http-client/21.0.8", "Content-Type: application/json"], TEXT, json_or_hex),
    "Lighthouse": Client(
        ["accept: application/json", "content-type: application/json", "user-agent: Lighthouse/v8.0.0",
         "host: {host}", "content-length: {size}"], JSON, json_signature, exit=("CAPELLA", "CAPELLA", EPOCH)),
    "Prysm": Client(
        ["Host: {host}", "User-Agent: Go-http-client/1.1", "Content-Length: {size}", "Content-Type: application/json",
         "Accept-Encoding: gzip"], TEXT, json_or_hex, aggregate="AGGREGATE_AND_PROOF_V2 FULU"),
    "Nimbus": Client(
        ["Host: {host}", "Connection: keep-alive", "Accept: application/json", "Content-Type: application/json",
         "Content-Length: {size}", "User-Agent: nimbus"], JSON, json_or_hex),
    "Lodestar": Client(
        ["host: {host}", "connection: keep-alive", "Accept: application/json", "Content-Type: application/json",
         "accept-language: *", "sec-fetch-mode: cors", "user-agent: node", "accept-encoding: gzip, deflate",
         "content-length: {size}"], JSON, json_signature, aggregate="AGGREGATE_AND_PROOF_V2 FULU",
        signs_epoch_as_fork_epoch=True, exit=("BELLATRIX", "CAPELLA", 194048)),
    "Vero": Client(
        ["Host: {host}", "User-Agent: Vero/v1.2.0", "Accept: text/plain", "Accept-Encoding: gzip, deflate",
         "Content-Length: {size}", "Content-Type: application/json"], TEXT, undecorated_text, root=None,
        aggregate="AGGREGATE_AND_PROOF_V2 FULU"),
    "Grandine": Client(
        ["content-type: application/json", "accept: */*", "host: {host}", "content-length: {size}"], JSON,
        json_signature),
    "curl": Client(
        ["Host: {host}", "User-Agent: curl/7.88.1", "Accept: */*", "Content-Length: {size}",
         "Content-Type: application/x-www-form-urlencoded"], JSON, json_or_hex, root=None),
}


def message(signer, client: Client, body: dict, pubkey: str | None = None) -> bytes:
    text = json.dumps(body, separators=(",", ":")).encode()
    fields = [field.format(host=f"127.0.0.1:{signer.port}", size=len(text)) for field in client.fields]
    head = [f"POST /api/v1/eth2/sign/{pubkey or signer.pubkeys[0]} HTTP/1.1", *fields]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + text


def exit_request(client: Client) -> tuple[dict, str]:
    previous, current, fork_epoch = client.exit
    body = {"type": "VOLUNTARY_EXIT", "voluntary_exit": {"epoch": str(EPOCH), "validator_index": "9"},
            "fork_info": fork_info(fork_epoch, VERSION[previous], VERSION[current])}
    return body, ssz.signing_root(ssz.VoluntaryExit(body["voluntary_exit"]), "VOLUNTARY_EXIT", VERSION["CAPELLA"],
                                  MAINNET)


def duties(client: Client, epoch: int):
    """A validator's work: bodies as the client words them, with the roots that it expects to be signed."""
    names = ["ATTESTATION", "AGGREGATION_SLOT", client.aggregate, "RANDAO_REVEAL", "BLOCK_V2 FULU",
             "SYNC_COMMITTEE_MESSAGE", "SYNC_COMMITTEE_SELECTION_PROOF", "SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF",
             "VALIDATOR_REGISTRATION"]
    for name in names:
        case = BY_NAME[name]
        # The fork's own epoch; Lodestar says the epoch of what is signed instead.
        yield case.body(epoch, epoch if client.signs_epoch_as_fork_epoch else 411392), case.signing_root(epoch)
    yield exit_request(client)


def check_head(response, status: int, reason: str, content_type: str) -> None:
    """Everything that stands before the body. No field that would change what the body means."""
    assert (response.version, response.status, response.reason) == ("HTTP/1.1", status, reason)
    assert response.names == ["Content-Type", "Content-Length", "Date", "X-Request-Id"]
    assert response.field("Content-Type") == content_type
    assert response.field("Content-Length") == str(len(response.body))
    assert re.fullmatch(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT",
                        response.field("Date"))


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_gets_its_duties_signed_over_one_connection(signer, epoch, name):
    client = CLIENTS[name]
    with Wire(signer.port) as connection:
        for body, root in duties(client, epoch):
            if client.root is not None:
                body = {"type": body.pop("type"), client.root: root} | body
            response = connection.send(message(signer, client, body)).response()
            check_head(response, 200, "OK", client.content_type)
            signature = client.parse(response)
            assert re.fullmatch("0x[0-9a-f]{192}", signature)
            assert verifies(signer.pubkeys[0], root, signature), body["type"]
        assert connection.is_silent()


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_learns_the_reason_and_keeps_its_connection(signer, epoch, name):
    client = CLIENTS[name]
    case = BY_NAME["BLOCK_V2 FULU"]
    other = case.body(epoch)
    other["beacon_block"]["block_header"]["state_root"] = filler("another block")
    with Wire(signer.port) as connection:
        assert connection.send(message(signer, client, case.body(epoch))).response().status == 200
        for body, key, status, reason in [
            (other, None, 412, "Precondition Failed"), (other, None, 412, "Precondition Failed"),  # Nimbus tries again
            ({"type": "ATTESTATION"}, None, 400, "Bad Request"),
            (case.body(epoch), "0x" + "12" * 48, 404, "Not Found"),
        ]:
            response = connection.send(message(signer, client, body, key)).response()
            check_head(response, status, reason, JSON)
            error = json.loads(response.body)
            assert error == {"code": status, "message": error["message"]} and 0 < len(error["message"]) < 300
        assert connection.send(message(signer, client, case.body(epoch))).response().status == 200


# ------------------------------------------------------------------------- what else they ask, and how

def test_teku_asks_whether_the_signer_is_up(signer):
    with Wire(signer.port) as connection:
        fields = ["Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAEAAEAA", "Upgrade: h2c"]
        response = connection.send(request("GET", "/upcheck", fields=fields)).response()
        check_head(response, 200, "OK", TEXT)
        assert response.body == b"OK"


@pytest.mark.parametrize("fields", [["Accept: application/json", "Connection: keep-alive"],
                                    ["accept: application/json", "connection: keep-alive", "sec-fetch-mode: cors"]],
                         ids=["Nimbus", "Lodestar"])
def test_nimbus_and_lodestar_want_upcheck_as_json(signer, fields):
    with Wire(signer.port) as connection:
        response = connection.send(request("GET", "/upcheck", fields=fields)).response()
        check_head(response, 200, "OK", JSON)
        assert response.body == b'{"status":"OK"}'


def test_vero_asks_for_health_again_and_again(signer):
    with Wire(signer.port) as connection:
        for _ in range(20):
            response = connection.send(request("GET", "/healthcheck", fields=["Accept: application/json"])).response()
            check_head(response, 200, "OK", JSON)
            health = json.loads(response.body)
            assert (health["status"], health["outcome"]) == ("UP", "UP")


@pytest.mark.parametrize("fields", [[], ["Accept: */*"], ["Accept: application/json"], ["Accept-Encoding: gzip"]])
def test_keys_are_discovered_as_json(signer, fields):
    with Wire(signer.port) as connection:
        response = connection.send(request("GET", "/api/v1/eth2/publicKeys", fields=fields)).response()
        check_head(response, 200, "OK", JSON)
        assert response.body == json.dumps(sorted(signer.pubkeys), separators=(",", ":")).encode()


def test_blocks_before_altair_go_by_either_type(signer, epoch):
    """Teku, Prysm and Lodestar send BLOCK, Lighthouse BLOCK_V2: for one block the same signature."""
    signatures = []
    for name, client in [("BLOCK", "Teku"), ("BLOCK_V2 PHASE0", "Lighthouse"), ("BLOCK", "Prysm"), ("BLOCK", "Lodestar")]:
        with Wire(signer.port) as connection:
            body = BY_NAME[name].body(epoch)
            response = connection.send(message(signer, CLIENTS[client], body)).response()
            signatures.append(CLIENTS[client].parse(response))
    assert len(set(signatures)) == 1
    assert verifies(signer.pubkeys[0], BY_NAME["BLOCK"].signing_root(epoch), signatures[0])


def test_lighthouse_and_grandine_send_gloas_types_bare_and_by_older_names(signer, epoch):
    for name in ["PAYLOAD_ATTESTATION payload_attestation_data bare", "PROPOSER_PREFERENCES proposer_preferences bare",
                 "REQUEST_AUTH request_auth bare"]:
        with Wire(signer.port) as connection:
            case = BY_NAME[name]
            response = connection.send(message(signer, CLIENTS["Lighthouse"], case.body(epoch))).response()
            assert verifies(signer.pubkeys[0], case.signing_root(epoch), json_signature(response))


def test_prysm_opens_connection_after_connection(signer, epoch):
    for _ in range(60):
        with Wire(signer.port) as connection:
            body = BY_NAME["AGGREGATION_SLOT"].body(epoch)
            assert connection.send(message(signer, CLIENTS["Prysm"], body)).response().status == 200


def test_vero_sends_a_hundred_at_once(signer, epoch):
    """All over connections of their own, all written before any answer is read."""
    cases = [(BY_NAME["RANDAO_REVEAL"], epoch + i) for i in range(100)]
    connections = [Wire(signer.port) for _ in cases]
    for connection, (case, at) in zip(connections, cases):
        connection.send(message(signer, CLIENTS["Vero"], case.body(at, epoch)))
    signatures = []
    for connection in reversed(connections):
        response = connection.response()
        assert response.status == 200
        signatures.insert(0, response.body.decode())
        connection.socket.close()
    assert len(set(signatures)) == 100
    for i in range(0, 100, 11):
        assert verifies(signer.pubkeys[0], cases[i][0].signing_root(cases[i][1], epoch), signatures[i])


def test_a_prefix_of_the_url_is_not_ours(signer):
    """Lighthouse and Prysm keep it, Teku drops it: a proxy that has one must take it off."""
    with Wire(signer.port) as connection:
        path = f"/prefix/api/v1/eth2/sign/{signer.pubkeys[0]}"
        response = connection.send(request("POST", path, b"{}")).response()
        check_head(response, 404, "Not Found", JSON)


def test_a_proxy_may_write_the_whole_url(signer, epoch):
    case = BY_NAME["RANDAO_REVEAL"]
    for target in [f"http://127.0.0.1:{signer.port}", "http://signer.example", "HTTPS://signer.example:443"]:
        with Wire(signer.port) as connection:
            path = f"{target}/api/v1/eth2/sign/{signer.pubkeys[0]}"
            response = connection.send(request("POST", path, json.dumps(case.body(epoch)).encode())).response()
            assert verifies(signer.pubkeys[0], case.signing_root(epoch), strict_hex(response))


def test_http_2_by_prior_knowledge_is_refused_and_the_connection_closed(signer):
    with Wire(signer.port) as connection:
        connection.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
        response = connection.response()
        assert response.status in (400, 501, 505)
        assert response.field("Connection") == "close"
        assert connection.is_closed()


# ----------------------------------------------------------------------------------- how bodies may come

def post(signer) -> str:
    return f"/api/v1/eth2/sign/{signer.pubkeys[0]}"


@pytest.mark.parametrize("size", [1, 7, 100, 100000])
@pytest.mark.parametrize("field", ["Transfer-Encoding: chunked", "transfer-encoding: Chunked"])
def test_chunked_bodies(signer, epoch, size, field):
    case = BY_NAME["BLOCK_V2 FULU"]
    with Wire(signer.port) as connection:
        for _ in range(2):  # where a chunked body ends, the next request begins
            body = chunked(json.dumps(case.body(epoch)).encode(), size)
            response = connection.send(request("POST", post(signer), body, [field])).response()
            assert verifies(signer.pubkeys[0], case.signing_root(epoch), strict_hex(response))
        assert connection.is_silent()


def test_chunks_with_upper_case_sizes_extensions_and_trailers(signer, epoch):
    case = BY_NAME["RANDAO_REVEAL"]
    text = json.dumps(case.body(epoch)).encode()
    body = b"%X;name=value\r\n%s\r\n%04X\r\n%s\r\n0\r\nX-Trailer: value\r\n\r\n" % (90, text[:90], len(text) - 90, text[90:])
    with Wire(signer.port) as connection:
        connection.send(request("POST", post(signer), body, ["Transfer-Encoding: chunked", "Trailer: X-Trailer"]))
        assert verifies(signer.pubkeys[0], case.signing_root(epoch), strict_hex(connection.response()))
        assert connection.send(request("GET", "/upcheck")).response().body == b"OK"


def test_a_request_may_come_in_single_bytes(signer, epoch):
    case = BY_NAME["RANDAO_REVEAL"]
    with Wire(signer.port) as connection:
        for byte in message(signer, CLIENTS["Lighthouse"], case.body(epoch)):
            connection.send(bytes([byte]))
        assert verifies(signer.pubkeys[0], case.signing_root(epoch), json_signature(connection.response()))


def test_a_client_that_expects_100_continue_gets_it_before_it_sends_the_body(signer, epoch):
    case = BY_NAME["BLOCK"]
    text = json.dumps(case.body(epoch)).encode()
    with Wire(signer.port) as connection:
        for expect in ["Expect: 100-continue", "expect: 100-Continue"]:
            connection.send(request("POST", post(signer), b"", [expect, f"Content-Length: {len(text)}"]))
            assert connection.head() == (["HTTP/1.1", "100", "Continue"], [])
            assert connection.is_silent()  # nothing is answered before the body is there
            response = connection.send(text).response()
            assert verifies(signer.pubkeys[0], case.signing_root(epoch), strict_hex(response))
        assert connection.is_silent()


def test_expecting_100_continue_for_a_chunked_body(signer, epoch):
    case = BY_NAME["RANDAO_REVEAL"]
    with Wire(signer.port) as connection:
        connection.send(request("POST", post(signer), b"", ["Expect: 100-continue", "Transfer-Encoding: chunked"]))
        assert connection.head()[0][1] == "100"
        response = connection.send(chunked(json.dumps(case.body(epoch)).encode(), 50)).response()
        assert verifies(signer.pubkeys[0], case.signing_root(epoch), strict_hex(response))


def test_a_body_that_does_not_wait_for_100_continue_is_taken(signer, epoch):
    case = BY_NAME["RANDAO_REVEAL"]
    text = json.dumps(case.body(epoch)).encode()
    with Wire(signer.port) as connection:
        connection.send(request("POST", post(signer), text, ["Expect: 100-continue"]))
        line, _ = connection.head()
        if line[1] == "100":  # which is allowed either way
            line, _ = connection.head()
        assert line[1] == "200"


def test_a_body_that_is_too_long_is_refused_instead_of_asked_for(signer):
    with Wire(signer.port) as connection:
        connection.send(request("POST", post(signer), b"", ["Expect: 100-continue", "Content-Length: 99999999999"]))
        response = connection.response()
        assert response.status == 413 and response.field("Connection") == "close"
        assert json.loads(response.body)["code"] == 413
        assert connection.is_closed()


def test_http_1_0_knows_no_100_continue(signer, epoch):
    text = json.dumps(BY_NAME["RANDAO_REVEAL"].body(epoch)).encode()
    with Wire(signer.port) as connection, Wire(signer.port) as other:
        connection.send(request("POST", post(signer), b"", ["Expect: 100-continue", f"Content-Length: {len(text)}"],
                                "HTTP/1.0"))
        for _ in range(2):  # until the loop that both share has seen the head
            assert other.send(request("GET", "/upcheck")).response().status == 200
        assert connection.is_silent()
        connection.send(text)
        assert connection.response().status == 200
        assert connection.is_closed()


def test_another_expectation_is_refused(signer):
    with Wire(signer.port) as connection:
        response = connection.send(request("POST", post(signer), b"{}", ["Expect: 200-ok"])).response()
        assert response.status == 417 and json.loads(response.body)["code"] == 417
        assert connection.is_closed()


@pytest.mark.parametrize("field, stays", [
    ("Connection: keep-alive", True), ("connection: Keep-Alive", True), ("Connection: keep-alive, X-Hop", True),
    ("Connection: Upgrade, HTTP2-Settings", True), ("Keep-Alive: timeout=5, max=100", True),
    ("Connection: close", False), ("connection: CLOSE", False), ("Connection: X-Hop, close", False)])
def test_connection_fields(signer, epoch, field, stays):
    text = json.dumps(BY_NAME["RANDAO_REVEAL"].body(epoch)).encode()
    with Wire(signer.port) as connection:
        response = connection.send(request("POST", post(signer), text, [field])).response()
        assert response.status == 200
        assert response.field("Connection") == (None if stays else "close")
        if stays:
            assert connection.send(request("GET", "/upcheck")).response().status == 200
        else:
            assert connection.is_closed()


def test_a_client_may_close_its_side_and_still_get_the_answer(signer, epoch):
    case = BY_NAME["BLOCK_V2 FULU"]
    with Wire(signer.port) as connection:
        connection.send(message(signer, CLIENTS["Prysm"], case.body(epoch)))
        connection.socket.shutdown(1)
        assert verifies(signer.pubkeys[0], case.signing_root(epoch), strict_hex(connection.response()))
        assert connection.is_closed()


# ------------------------------------------------------------------------------------ idle connections

def test_idle_connections_are_kept_longer_than_any_client_keeps_them(tmp_path):
    """Clients keep idle connections for 20 to 29 s (Lighthouse, Nimbus); 60 s are recommended."""
    done = subprocess.run([BINARY, "server", "--check-config"], capture_output=True, text=True, check=True,
                          env={}, cwd=tmp_path)
    kept = re.search(r"^server\.idle_timeout_seconds = (\d+) \(default\)$", done.stdout + done.stderr, re.M)
    assert int(kept[1]) >= 60


def test_an_idle_connection_is_closed_silently_when_its_time_is_up(start):
    """Without a word: what a client reads instead of its next answer would be taken for one."""
    quick = start(keys=[0], settings={"server.idle_timeout_seconds": 1})

    def is_closed_after_an_answer() -> bool:
        with Wire(quick.port) as connection:
            try:
                answered = connection.send(request("GET", "/upcheck")).response().body == b"OK"
            except (AssertionError, OSError):
                return False  # we were the slow ones; again
            return answered and connection.is_closed()

    quick.wait_for(is_closed_after_an_answer)
    with Wire(quick.port) as unused:
        assert unused.is_closed()
