"""Web pages: what a browser near the signer sends for a page gets nothing, on whatever path."""
import json

import pytest
from signer import EPOCH, randao

WRITTEN = ["Origin", "origin", "ORIGIN"]


def exchange(signer, method, path, headers, body=None):
    connection = signer.connect()
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    text = response.read()
    connection.close()
    return response.status, text


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("origin", ["http://127.0.0.1:9000", "https://evil.example", "null", ""])
def test_no_page_has_a_message_signed(signer, name, origin):
    path, body = f"/api/v1/eth2/sign/{signer.pubkeys[0]}", json.dumps(randao(EPOCH))
    status, text = exchange(signer, "POST", path, {name: origin, "Content-Type": "text/plain"}, body)
    assert status == 403 and "signature" not in text.decode()
    assert json.loads(text)["message"] == "requests of web pages (with an Origin field) are refused"
    assert exchange(signer, "POST", path, {}, body)[0] == 200


@pytest.mark.parametrize("method, path", [
    ("GET", "/upcheck"), ("GET", "/api/v1/eth2/publicKeys"), ("POST", "/reload"), ("GET", "/eth/v1/keystores"),
    ("POST", "/eth/v1/keystores"), ("DELETE", "/eth/v1/keystores"), ("OPTIONS", "/api/v1/eth2/publicKeys"), ("GET", "/nothing"),
])
def test_no_path_answers_a_page(signer, method, path):
    assert exchange(signer, method, path, {"Origin": "http://localhost"}, b"{}")[0] == 403


def test_a_name_that_only_begins_so_is_none(signer):
    assert exchange(signer, "GET", "/upcheck", {"Original": "x", "Origi": "x", "X-Origin": "x"})[0] == 200
