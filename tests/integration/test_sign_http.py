"""POST /api/v1/eth2/sign: how the answer is written, what clients may write differently, and HTTP around it. Facts:
signers.md sections 1 and 4."""
import json
import re

import pytest
import raw_http
from sign_checks import FAR_KEY, JSON, TEXT, epoch, refused, shared, signature_of  # two of them are fixtures
from signer import EPOCH, verifies
from signing_cases import BY_NAME, fork_info

RANDAO = BY_NAME["RANDAO_REVEAL"]

# -------------------------------------------------------------------------- how the answer is written

@pytest.mark.parametrize("accept, content_type", [
    (None, TEXT),  # Teku, Prysm
    ("text/plain", TEXT),  # Vero
    ("application/json", JSON),  # Lighthouse, Nimbus, Lodestar
    ("*/*", JSON),  # curl, reqwest
    ("application/*", JSON),
    ("Application/JSON", JSON),
    ("application/json; charset=utf-8", JSON),
    ("application/json;q=0.1, text/plain;q=0.9", JSON),  # named is enough, as in Web3Signer
    ("text/plain;q=0.5 , application/json", JSON),
    ("text/html, */*;q=0.8", JSON),
    ("text/html", TEXT),
    ("text/*", TEXT),
    ("application/octet-stream", TEXT),
    ("application/jsonp", TEXT),
    ("application/problem+json", TEXT),
    ("text/plain; profile=application/json", TEXT),  # a parameter names nothing
    (",;, ,", TEXT),
    ("", TEXT),
])
def test_accept_chooses_json_or_bare_text(shared, accept, content_type):
    body = BY_NAME["RANDAO_REVEAL"].body(EPOCH)
    headers = {} if accept is None else {"Accept": accept}
    answer = shared.post(f"/api/v1/eth2/sign/{shared.pubkeys[0]}", body, headers=headers)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == content_type
    pattern = rb'\{"signature":"0x[0-9a-f]{192}"\}' if content_type == JSON else rb"0x[0-9a-f]{192}"
    assert re.fullmatch(pattern, answer.body), answer  # nothing around it, above all no newline
    assert answer.headers["Content-Length"] == str(len(answer.body))


def test_several_accept_fields_count_as_one(shared):
    path = f"/api/v1/eth2/sign/{shared.pubkeys[0]}"
    body = json.dumps(BY_NAME["RANDAO_REVEAL"].body(EPOCH)).encode()
    with raw_http.Wire(shared.port) as connection:
        fields = ["Accept: text/plain", "Accept: application/json"]
        assert connection.send(raw_http.request("POST", path, body, fields)).response().field("Content-Type") == JSON


@pytest.mark.parametrize("accept", [None, "text/plain", "application/json"])
def test_errors_are_json_whatever_is_accepted(shared, accept):
    refused(shared.sign({}, accept=accept), 400, "type")


# ------------------------------------------------------------------- what differs and is understood

@pytest.mark.parametrize("spell", [
    lambda key: key, lambda key: key[2:], lambda key: key.upper(), lambda key: "0x" + key[2:].upper(),
    lambda key: key[2:].upper()], ids=["0x", "bare", "0X and upper case", "upper case", "bare upper case"])
def test_public_keys_in_the_path_have_any_case_and_perhaps_0x(shared, spell):
    assert shared.sign(BY_NAME["RANDAO_REVEAL"].body(EPOCH), spell(shared.pubkeys[1])).status == 200


@pytest.mark.parametrize("name", BY_NAME)
def test_numbers_as_integers_hex_bare_or_upper_and_unknown_members_change_nothing(shared, epoch, name):
    case = BY_NAME[name]
    signature = signature_of(shared.sign(case.body(epoch)))

    def rewrite(value, hexa):
        if isinstance(value, dict):
            return {key: rewrite(part, hexa) for key, part in value.items()} | {"unknown": [{"of": None}]}
        if isinstance(value, list):
            return [rewrite(part, hexa) for part in value]
        if isinstance(value, str) and value.startswith("0x"):
            return hexa(value)
        is_number = isinstance(value, str) and value.isdecimal() and int(value) < 2**63
        return int(value) if is_number else value

    for hexa in (lambda text: text[2:], lambda text: text[2:].upper(), lambda text: "0X" + text[2:].upper()):
        assert signature_of(shared.sign(rewrite(case.body(epoch), hexa))) == signature
    assert signature_of(shared.sign(case.body(epoch) | {"type": case.type.lower()})) == signature
    assert signature_of(shared.sign(case.body(epoch) | {"type": case.type.title()})) == signature


@pytest.mark.parametrize("content_type", [None, "application/json", "application/json; charset=utf-8", "text/plain",
                                          "application/x-www-form-urlencoded", "application/octet-stream"])
def test_the_body_is_json_whatever_its_content_type_says(shared, content_type):
    headers = {"Content-Type": content_type} if content_type else {}
    assert shared.post(f"/api/v1/eth2/sign/{shared.pubkeys[0]}", BY_NAME["RANDAO_REVEAL"].body(EPOCH),
                       headers=headers).status == 200


def test_the_longest_body_is_signed_and_one_byte_more_is_413(start):
    signer = start(keys=[0], settings={"server.max_body_bytes": 65536})
    text = json.dumps(RANDAO.body(EPOCH))
    path = f"/api/v1/eth2/sign/{signer.pubkeys[0]}"
    whole = text + " " * (65536 - len(text))
    assert signer.post(path, whole).status == 200
    refused(signer.post(path, whole + " "), 413, "max_body_bytes")
    with raw_http.Wire(signer.port) as connection:  # the same where the length is not said beforehand
        chunks = ["Transfer-Encoding: chunked"]
        sent = raw_http.request("POST", path, raw_http.chunked(whole.encode(), 5000), chunks)
        assert connection.send(sent).response().status == 200
        sent = raw_http.request("POST", path, raw_http.chunked(whole.encode() + b" ", 5000), chunks)
        assert connection.send(sent).response().status == 413
        assert connection.is_closed()


# ---------------------------------------------------------------------------------------- HTTP as such

@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_methods_are_405_and_say_which_is_allowed(shared, method):
    path = f"/api/v1/eth2/sign/{shared.pubkeys[0]}"
    with raw_http.Wire(shared.port) as connection:
        connection.send(raw_http.request(method, path, b"" if method in ("GET", "HEAD") else b"{}"))
        response = connection.response(with_body=method != "HEAD")
        assert response.status == 405
        assert response.field("Allow") == "POST"
        assert response.field("Content-Type") == JSON
        assert connection.is_silent()  # above all, HEAD has no body


def test_one_connection_carries_many_requests_and_errors_do_not_end_it(shared):
    connection = shared.connect()
    kinds = [(RANDAO.body(EPOCH), None, 200), ({}, None, 400), (RANDAO.body(EPOCH), FAR_KEY, 404),
             (RANDAO.body(EPOCH) | {"fork_info": fork_info(1, network="0x" + "01" * 32)}, None, 403)]
    local = None
    for _ in range(20):
        for body, key, status in kinds:
            answer = shared.sign(body, key, connection=connection)
            assert answer.status == status and answer.headers["Connection"] is None
            local = local or connection.sock.getsockname()
            assert connection.sock is not None and connection.sock.getsockname() == local
    connection.close()


@pytest.mark.parametrize("version, fields, stays", [
    ("HTTP/1.1", [], True), ("HTTP/1.1", ["Connection: keep-alive"], True), ("HTTP/1.1", ["Connection: close"], False),
    ("HTTP/1.1", ["Connection: Close"], False), ("HTTP/1.0", [], False), ("HTTP/1.0", ["Connection: close"], False),
    ("HTTP/1.0", ["Connection: keep-alive"], True),
])
def test_connections_stay_open_as_the_client_asks(shared, version, fields, stays):
    path, body = f"/api/v1/eth2/sign/{shared.pubkeys[0]}", json.dumps(RANDAO.body(EPOCH)).encode()
    with raw_http.Wire(shared.port) as connection:
        message = raw_http.request("POST", path, body, fields, version)
        first = connection.send(message).response()
        assert (first.version, first.status) == ("HTTP/1.1", 200)
        assert re.fullmatch(rb"0x[0-9a-f]{192}", first.body)
        if stays:
            assert connection.send(message).response().body == first.body
        else:
            assert first.field("Connection") == "close"
            assert connection.is_closed()


def test_requests_sent_ahead_are_answered_in_order(shared):
    path = f"/api/v1/eth2/sign/{shared.pubkeys[0]}"
    bodies = [RANDAO.body(EPOCH + i) for i in range(10)]
    with raw_http.Wire(shared.port) as connection:
        connection.send(b"".join(raw_http.request("POST", path, json.dumps(body).encode()) for body in bodies))
        for i in range(len(bodies)):
            response = connection.response()
            assert response.status == 200
            if i % 4 == 0:
                assert verifies(shared.pubkeys[0], RANDAO.signing_root(EPOCH + i), response.body.decode())


def test_every_response_has_its_own_request_id(shared):
    ids = {shared.sign(RANDAO.body(EPOCH)).headers["X-Request-Id"] for _ in range(5)}
    assert len(ids) == 5 and None not in ids
