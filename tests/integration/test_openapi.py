"""docs/openapi.yaml and the program say the same: its routes, its methods, its operations, and every status code that it
documents for the signing endpoint is one that a client can meet."""
import json
import re

import openapi
import pytest
from raw_http import Wire, request
from shared_signer import shared_signer
from signer import EPOCH, GENESIS_ROOTS, ROOT, Answer, attestation, fork_info, randao
from signing_cases import CASES

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
SIGN = "/api/v1/eth2/sign/{identifier}"


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    yield from shared_signer(tmp_path_factory, keys=[0], settings={"http.key_manager_api.enabled": True})


def documented() -> set[tuple[str, str]]:
    return {(method.upper(), path) for path, item in openapi.document()["paths"].items() for method in item
            if method.upper() in METHODS}


def table(name: str) -> set[tuple[str, str]]:
    """The rows of one table of routes in the source."""
    text = (ROOT / "src" / "api" / "api.c").read_text()
    body = re.search(rf"static const struct route {name}\[\] = \{{(.*?)\n\}};", text, re.S)[1]
    rows = re.findall(r'\{ METHOD_(\w+), "([^"]+)", \w+, \w+ \}', body)
    assert len(rows) == body.count("METHOD_") == len(set(rows))
    return set(rows)


def test_every_route_is_documented_and_every_documented_route_exists():
    assert table("routes") == documented()


def test_routes_stand_in_no_other_file():
    """So that the test above sees them all."""
    found = {path.name for path in (ROOT / "src").rglob("*.c") if re.search(r"\bstruct route \w+\[\] =", path.read_text())}
    assert found == {"api.c"}
    assert set(re.findall(r"\bstruct route (\w+)\[\] =", (ROOT / "src/api/api.c").read_text())) == {
        "routes", "metrics_routes"}
    assert table("metrics_routes") == {("GET", "/metrics")}  # on its own port, for Prometheus


def path_of(pattern: str, signer) -> str:
    return pattern.replace("{identifier}", signer.pubkeys[0])


ENCLAVE_ONLY = ["/attestation"]  # tests/integration/test_attested_server.py


@pytest.mark.parametrize("path", ENCLAVE_ONLY)
def test_what_only_an_enclave_has_is_404_elsewhere(signer, path):
    for method in METHODS:
        with Wire(signer.port) as connection:
            response = connection.send(request(method, path, b"" if method == "GET" else b"{}")).response()
            assert response.status == 404, (method, response)


@pytest.mark.parametrize("pattern", [path for path in openapi.document()["paths"] if path not in ENCLAVE_ONLY])
def test_the_program_answers_the_documented_methods_and_no_others(signer, pattern):
    known = {method for method, path in documented() if path == pattern}
    allowed = ", ".join(method for method in ["GET", "HEAD", "POST", "DELETE"]
                        if method in known or method == "HEAD" and "GET" in known)
    for method in METHODS:
        with Wire(signer.port) as connection:
            response = connection.send(request(method, path_of(pattern, signer), b"" if method == "GET" else b"{")).response()
            assert (response.status == 405) == (method not in known), (method, response)
            assert response.status != 404
            if method not in known:
                assert response.field("Allow") == allowed
                assert json.loads(response.body) == {"code": 405, "message": json.loads(response.body)["message"]}


@pytest.mark.parametrize("path", ["/", "/metrics", "/api", "/eth/v1/remotekeys", "/eth/v1/keystores/0x00", "/upcheck/",
                                  "/signer/v1/get_pubkeys", "/api/v1/chamber/keys", "/healthcheck/live"])
def test_what_is_not_documented_is_404(signer, path):
    assert openapi.find_path(path) is None
    assert signer.get(path).status == 404


def test_key_manager_routes_are_there_only_when_switched_on(start):
    plain = start(keys=[0])
    assert plain.get("/eth/v1/keystores").status == 404
    assert plain.post("/eth/v1/keystores", {"keystores": [], "passwords": []}).status == 404
    assert plain.delete("/eth/v1/keystores", {"pubkeys": []}).status == 404


def test_documented_types_are_those_that_are_signed(signer):
    """By their first spelling; further ones are for clients that have not followed."""
    properties = openapi.document()["components"]["schemas"]["SigningRequest"]["properties"]
    types = properties["type"]["enum"]
    assert len(types) == len(set(types)) == 19
    for kind in types:  # known, so that its object is what is missing
        answer = signer.sign({"type": kind})
        assert answer.status == 400 and "missing" in answer.message and "type" not in answer.message
        assert answer.message.partition(":")[0] in properties
    assert {case.type for case in CASES} | {"VOLUNTARY_EXIT"} == {*types, "PAYLOAD_ATTESTATION", "REQUEST_AUTH"}
    assert {case.member for case in CASES} <= {*properties, "payload_attestation_data", "request_auth",
                                               "BLS_TO_EXECUTION_CHANGE"}


def overloaded(start) -> int:
    """A 503: one request may wait, and many come at once. Which of them is refused is chance, that one is is not."""
    small = start(keys=[0], settings={"signing.queue_limit": 1, "signing.workers": 1})
    message = request("POST", f"/api/v1/eth2/sign/{small.pubkeys[0]}", json.dumps(randao(EPOCH)).encode())
    connections = [Wire(small.port) for _ in range(20)]

    def find():
        for connection in connections:
            connection.send(message)
        refused = [response for response in [connection.response() for connection in connections]
                   if response.status != 200]
        assert all(response.status == 503 for response in refused)
        return refused

    response = small.wait_for(find)[0]
    for connection in connections:
        connection.socket.close()
    assert int(response.field("Retry-After")) >= 1
    assert json.loads(response.body)["code"] == 503
    small.wait_for(lambda: small.sign(randao(EPOCH)).status == 200)
    return 503


def too_long(signer) -> int:
    """A 413, by what is announced alone."""
    path = path_of(SIGN, signer)
    with Wire(signer.port) as connection:
        response = connection.send(request("POST", path, fields=["Content-Length: 10485761"])).response()
    openapi.check("POST", path, Answer(response.status, dict(response.fields), response.body))
    return response.status


def test_every_documented_status_of_the_signing_endpoint_is_reached_and_no_other(signer, start):
    """signer.sign() holds each answer to the document as well: its type, its shape."""
    documented_codes = {int(code) for code in openapi.document()["paths"][SIGN]["post"]["responses"]}
    foreign = {"fork_info": fork_info(root=GENESIS_ROOTS["hoodi"])}
    reached = {
        signer.sign(attestation(EPOCH, EPOCH + 1)).status,
        signer.sign(attestation(EPOCH, EPOCH + 1), accept=None).status,
        signer.sign({}).status,
        signer.sign(randao(EPOCH) | foreign).status,
        signer.sign(randao(EPOCH), "0x" + "ab" * 48).status,
        signer.sign(attestation(EPOCH, EPOCH + 1, block_root=9)).status,
        too_long(signer),
        overloaded(start),
    }
    assert reached == documented_codes


def test_errors_of_any_request_have_the_documented_shape(signer):
    schema = openapi.document()["components"]["schemas"]["Error"]
    assert schema["required"] == ["code", "message"] and schema["additionalProperties"] is False
    for data, status in [
        (b"GET /upcheck HTTP/1.1\r\nBad Field: x\r\n\r\n", 400), (request("GET", "upcheck"), 400),
        (request("GET", "/" + "x" * 600), 414), (request("GET", "/upcheck", fields=["X: " + "y" * 20000]), 431),
        (request("GET", "/upcheck", fields=["Expect: more"]), 417), (request("BREW", "/upcheck"), 501),
        (request("GET", "/upcheck", version="HTTP/3.0"), 505),
    ]:
        with Wire(signer.port) as connection:
            response = connection.send(data).response()
            assert response.status == status, response
            error = json.loads(response.body)
            assert error == {"code": error["code"], "message": error["message"]}
            assert error["code"] == response.status and error["message"]
            assert response.field("Content-Type") == "application/json; charset=utf-8"
            assert response.field("Connection") == "close" and connection.is_closed()


def test_every_response_has_a_request_id_of_its_own(signer):
    """As the document's first lines promise, also where there was no whole request."""
    ids = set()
    for data in [request("GET", "/upcheck"), request("GET", "/nothing"), request("PUT", "/upcheck"),
                 request("POST", path_of(SIGN, signer), b"{}"), request("BREW", "/upcheck"), b"no HTTP\r\n\r\n",
                 request("POST", path_of(SIGN, signer), fields=["Content-Length: 10485761"])]:
        with Wire(signer.port) as connection:
            ids.add(connection.send(data).response().field("X-Request-Id"))
    assert len(ids) == 7 and None not in ids
