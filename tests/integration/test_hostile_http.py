"""Whatever arrives over the network gets the right code and a reason in JSON, or is cut off, and harms nobody: after
each case the same signer still signs, and its descriptors and memory are what they were."""
import contextlib
import itertools
import json
import resource
import select
import threading
import time

import pytest
from signer import EPOCH, PATIENCE_S, Signer, attestation
from wire import Vitals, Wire, eventually, is_sanitized, request_text

BODY_MAX = 256 * 1024
GROWTH_MAX = 48 * 1024 * 1024  # resident bytes: the allocator keeps some of what was in use at once


@contextlib.contextmanager
def running_signer(folder, **options):
    signer = Signer(folder, keys=[0], **options).start()
    signer.epochs = itertools.count(EPOCH)
    try:
        sign_next(signer)
        yield signer
    finally:
        signer.kill()


def sign_next(signer):
    """A message that was never signed before gets its signature."""
    source = next(signer.epochs)
    answer = signer.sign(attestation(source, source + 1))
    assert answer.status == 200, answer


def sign_text(signer, body, *fields: str) -> bytes:
    return request_text("POST", f"/api/v1/eth2/sign/{signer.pubkeys[0]}", body,
                        "Content-Type: application/json", "Accept: application/json", *fields)


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    settings = {"server.max_body_bytes": BODY_MAX}
    with running_signer(tmp_path_factory.mktemp("hostile"), settings=settings) as running:
        running.vitals = Vitals(running)
        yield running
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(autouse=True)
def well_afterwards(signer):
    yield
    sign_next(signer)
    signer.vitals.wait_for_files()
    signer.vitals.assert_memory_within(GROWTH_MAX)


# --------------------------------------------------------------------------------- what is no HTTP

CHUNKED = b"POST /upcheck HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
SMUGGLED = b"GET /upcheck HTTP/1.1\r\nHost: a\r\n\r\n"


def post(*fields: bytes, body: bytes = b"") -> bytes:
    return b"POST /upcheck HTTP/1.1\r\nHost: a\r\n" + b"".join(f + b"\r\n" for f in fields) + b"\r\n" + body


# Two readers of these may disagree about where the request ends: all are 400, and nothing behind them is read.
AMBIGUOUS = {
    "length and chunked": post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "chunked and length": post(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\n"),
    "two lengths": post(b"Content-Length: 0", b"Content-Length: 5", body=b"abcde"),
    "the same length twice": post(b"Content-Length: 5", b"Content-Length: 5", body=b"abcde"),
    "a list of lengths": post(b"Content-Length: 5, 5", body=b"abcde"),
    "a length with a sign": post(b"Content-Length: +5", body=b"abcde"),
    "a negative length": post(b"Content-Length: -5", body=b"abcde"),
    "a hexadecimal length": post(b"Content-Length: 0x5", body=b"abcde"),
    "a length with a space": post(b"Content-Length: 1 2", body=b"abcde"),
    "no length in the field": post(b"Content-Length:"),
    "a length over 64 bits": post(b"Content-Length: 18446744073709551616"),
    "space before the colon": post(b"Content-Length : 5", body=b"abcde"),
    "a folded field": post(b"X: a", b" b"),
    "a folded coding": post(b"Transfer-Encoding:", b" chunked", body=b"0\r\n\r\n"),
    "a field folded by a tab": post(b"X: a", b"\tTransfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "a fold before all fields": b"POST /upcheck HTTP/1.1\r\n X: a\r\n\r\n",
    "an unknown coding": post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
    "the identity coding": post(b"Transfer-Encoding: identity", body=b"0\r\n\r\n"),
    "chunked, then another": post(b"Transfer-Encoding: chunked, gzip", body=b"0\r\n\r\n"),
    "chunked twice": post(b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n"),
    "two codings": post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=b"0\r\n\r\n"),
    "a vertical tab before chunked": post(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"),
    "chunked in HTTP/1.0": b"POST /upcheck HTTP/1.0\r\nConnection: keep-alive\r\n"
                           b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "lines without CR": b"GET /upcheck HTTP/1.1\nHost: a\n\n",
    "CR alone in a value": post(b"X: a\rb"),
    "a chunk size of letters": CHUNKED + b"zz\r\n",
    "a negative chunk size": CHUNKED + b"-1\r\n",
    "a chunk size with 0x": CHUNKED + b"0x5\r\nabcde\r\n0\r\n\r\n",
    "a chunk size over 64 bits": CHUNKED + b"10000000000000005\r\nabcde\r\n0\r\n\r\n",
    "a chunk size with a space": CHUNKED + b"5 \r\nabcde\r\n0\r\n\r\n",
    "a chunk size without CR": CHUNKED + b"5\nabcde\r\n0\r\n\r\n",
    "LF in a chunk's extension": CHUNKED + b"5;a\nb\r\nabcde\r\n0\r\n\r\n",
    "a chunk longer than it says": CHUNKED + b"5\r\nabcdeX\r\n0\r\n\r\n",
    "no chunk size": CHUNKED + b"\r\n\r\n",
}


@pytest.mark.parametrize("text", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_ambiguous_requests_are_400_and_hide_no_other(signer, text):
    with Wire(signer.port) as wire:
        wire.send_what_goes(text + SMUGGLED)
        assert wire.refusal().status == 400
        assert wire.is_closed()


MALFORMED = {
    "NUL in a value": (post(b"X: a\0b"), {400}),
    "NUL in a name": (post(b"X\0: a"), {400}),
    "NUL in the target": (b"GET /up\0check HTTP/1.1\r\n\r\n", {400}),
    "bytes over 127 in the target": (b"GET /up\xff\xfe HTTP/1.1\r\n\r\n", {400}),
    "bytes over 127 in a name": (post(b"\xffx: 1"), {400}),
    "a field without a colon": (post(b"Host"), {400}),
    "no target": (b"GET HTTP/1.1\r\n\r\n", {400}),
    "a relative target": (b"GET upcheck HTTP/1.1\r\n\r\n", {400}),
    "another protocol": (b"GET /upcheck HTCPCP/1.0\r\n\r\n", {400}),
    "no version": (b"GET /upcheck\r\n\r\n", {400, 505}),
    "HTTP/0.9": (b"GET /upcheck HTTP/0.9\r\n\r\n", {505}),
    "HTTP/2": (b"GET /upcheck HTTP/2.0\r\n\r\n", {505}),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}),
    "an unknown method": (b"BREW /upcheck HTTP/1.1\r\n\r\n", {501}),
    "a method in lower case": (b"get /upcheck HTTP/1.1\r\n\r\n", {501}),
    "an endless method": (b"A" * 100000 + b" / HTTP/1.1\r\n\r\n", {501}),
    "a proxy's request": (b"CONNECT signer:9000 HTTP/1.1\r\n\r\n", {400, 405}),
    "OPTIONS of all": (b"OPTIONS * HTTP/1.1\r\n\r\n", {400}),
    "an unknown expectation": (post(b"Expect: a-pony", b"Content-Length: 1"), {417}),
    "a coding before chunked": (post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), {501}),
    "a TLS client hello": (bytes.fromhex("16030100c8010000c40303") + bytes(range(200)), {400, 501}),
    "an SSH client": (b"SSH-2.0-OpenSSH_9.2\r\n", {400, 501}),
    "zeros": (bytes(4096), {400, 501}),
    "every byte": (bytes(range(256)) * 16, {400, 501}),
    "a target over 512 bytes": (b"GET /" + b"a" * 512 + b" HTTP/1.1\r\n\r\n", {414}),
    "an endless target": (b"GET /" + b"a" * 10**6, {414}),
    "a value over 16 KiB": (post(b"X: " + b"a" * 16384), {431}),
    "a name over 16 KiB": (post(b"a" * 16385 + b": b"), {431}),
    "an endless value": (b"GET / HTTP/1.1\r\nX: " + b"a" * 10**6, {431}),
    "101 fields": (b"GET /upcheck HTTP/1.1\r\n" + b"X: a\r\n" * 101 + b"\r\n", {431}),
    "endless fields": (b"GET /upcheck HTTP/1.1\r\n" + b"X: a\r\n" * 10**5, {431}),
    "an authorization over 2 KiB": (post(b"Authorization: " + b"a" * 2049), {431}),
    "two authorizations": (post(b"Authorization: Bearer a", b"Authorization: Bearer b"), {400}),
    "a body one byte too long": (post(b"Content-Length: %d" % (BODY_MAX + 1)), {413}),
    "a body of 2^64 - 1 bytes": (post(b"Content-Length: 18446744073709551615"), {413}),
    "chunks one byte too long": (CHUNKED + b"%x\r\n" % (BODY_MAX + 1) + b"a" * (BODY_MAX + 1), {413}),
    "trailers over 16 KiB": (CHUNKED + b"0\r\nX: " + b"a" * 20000 + b"\r\n\r\n", {431}),
}


@pytest.mark.parametrize("text, statuses", MALFORMED.values(), ids=MALFORMED)
def test_what_cannot_be_read_or_is_too_large_is_refused(signer, text, statuses):
    with Wire(signer.port) as wire:
        wire.send_what_goes(text)
        answer = wire.refusal()
        assert answer.status in statuses, answer
        assert answer.headers["Connection"] == "close"
        assert wire.is_closed()


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
def test_a_wrong_method_is_405_and_names_the_right_one(signer, method):
    with Wire(signer.port) as wire:
        wire.send(request_text(method, f"/api/v1/eth2/sign/{signer.pubkeys[0]}"))
        if method == "HEAD":  # has no body; http.client knows that
            assert b"HTTP/1.1 405 " in wire.socket.recv(64)
            return
        answer = wire.refusal()
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")
        wire.send(request_text("GET", "/upcheck"))
        assert wire.answer().status == 200  # the connection goes on


def test_a_limit_is_where_it_is_said_to_be(signer):
    with Wire(signer.port) as wire:
        wire.send(b"GET /" + b"a" * 511 + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        assert wire.refusal().status == 404
        wire.send(b"GET /upcheck HTTP/1.1\r\n" + b"X: a\r\n" * 100 + b"\r\n")
        assert wire.answer().status == 200
        wire.send(sign_text(signer, b" " * BODY_MAX))
        assert wire.refusal().status == 400


# ------------------------------------------------------------------------------------ hostile JSON

def signing(**members) -> str:
    return json.dumps(attestation(EPOCH, EPOCH + 1) | members)


def twice(name: str, value: str) -> str:
    """An attestation with a member that stands twice, of which the second is as it should be."""
    return signing().replace(f'"{name}"', f'"{name}": {value}, "{name}"', 1)


BAD_JSON = {
    "nothing": b"",
    "spaces": b" " * 1000,
    "null": b"null",
    "an array": b"[]",
    "a text": b'"ATTESTATION"',
    "cut off": signing()[:-1],
    "more behind it": signing() + "{}",
    "a NUL behind it": signing() + "\0",
    "a byte-order mark": b"\xef\xbb\xbf" + signing().encode(),
    "UTF-16": signing().encode("utf-16"),
    "deep arrays": b"[" * (BODY_MAX - 1),
    "deep objects": b'{"a":' * (BODY_MAX // 5 - 1),
    "deep and closed": b"[" * 100000 + b"]" * 100000,
    "deep in a member that nobody reads": '{"x": ' + "[" * 5000 + "]" * 5000 + "," + signing()[1:],
    "very many members": "{" + ",".join(f'"{i}":0' for i in range(20000)) + "}",
    "very many empty arrays": b"[" + b"[]," * (BODY_MAX // 3 - 1) + b"0]",
    "one name for all members": "{" + ",".join('"a":0' for i in range(20000)) + "}",
    "the type twice": twice("type", '"BLOCK_V2"'),
    "the slot twice": twice("slot", '"1"'),
    "the target twice": twice("target", '{"epoch": "1", "root": "0x00"}'),
    "the same target epoch twice": twice("epoch", '"1"'),
    "a name twice, once escaped": twice("type", '"RANDAO_REVEAL"').replace('"type"', '"\\u0074ype"', 1),
    "bad UTF-8 in a value": signing(x="?").encode().replace(b"?", b"\xff"),
    "bad UTF-8 in a name": signing(**{"?": 1}).encode().replace(b"?", b"\xc3\x28"),
    "overlong UTF-8": signing(x="?").encode().replace(b"?", b"\xc0\xaf"),
    "a surrogate in UTF-8": signing(x="?").encode().replace(b"?", b"\xed\xa0\x80"),
    "half a surrogate pair": signing(x="?").replace("?", "\\ud800"),
    "U+0000 in a value": signing(x="?").replace("?", "\\u0000"),
    "U+0000 in a name": signing(**{"?": 1}).replace("?", "type\\u0000"),
    "a raw NUL": signing(x="?").replace("?", "\0"),
    "a control character": signing(x="?").replace("?", "\n"),
    "an integer of 20,000 digits": signing()[:-1] + ', "x": ' + "9" * 20000 + "}",
    "a real that overflows": signing()[:-1] + ', "x": 1e999999}',
    "NaN": signing()[:-1] + ', "x": NaN}',
    "Infinity": signing()[:-1] + ', "x": -Infinity}',
    "a leading zero": signing()[:-1] + ', "x": 01}',
    "a comment": "/* */" + signing(),
    "single quotes": "{'type': 'ATTESTATION'}",
    "an epoch of 2^64": signing().replace(f'"{EPOCH + 1}"', '"18446744073709551616"'),
    "an epoch of 1,000 digits": signing().replace(f'"{EPOCH + 1}"', '"' + "1" * 1000 + '"'),
    "a negative epoch": signing().replace(f'"{EPOCH + 1}"', '"-1"'),
    "an epoch with a fraction": signing().replace(f'"{EPOCH + 1}"', '"1.0"'),
    "an epoch with a space": signing().replace(f'"{EPOCH + 1}"', f'" {EPOCH + 1}"'),
    "a very long type": signing(type="A" * 100000),
    "a type that is an object": signing(type={}),
}


@pytest.mark.parametrize("body", BAD_JSON.values(), ids=BAD_JSON)
def test_a_bad_body_is_400_with_a_reason(signer, body):
    with Wire(signer.port) as wire:
        wire.send(sign_text(signer, body))
        answer = wire.refusal()
        assert answer.status == 400, answer
        wire.send(request_text("GET", "/upcheck"))
        assert wire.answer().status == 200


# ------------------------------------------------------------------------------- hostile connections

def test_an_endless_chunked_body_is_413_and_then_cut_off(signer):
    piece = b"1000\r\n" + b"a" * 4096 + b"\r\n"
    with Wire(signer.port) as wire:
        wire.send(CHUNKED)
        going = True
        while going and not select.select([wire.socket], [], [], 0)[0]:
            going = wire.send_what_goes(piece)
        assert wire.refusal().status == 413
        assert eventually(lambda: not wire.send_what_goes(piece))


def test_large_bodies_at_once_share_bounded_memory(signer):
    """More bodies are under way than their memory allows: those that find none are told 503, the others go on."""
    body = b" " * (BODY_MAX - 2) + b"{}"
    with contextlib.ExitStack() as open_wires:
        wires = [open_wires.enter_context(Wire(signer.port)) for _ in range(40)]
        for wire in wires:
            wire.send_what_goes(sign_text(signer, body)[:-1])
        sign_next(signer)
        for wire in wires:
            wire.send_what_goes(b"}")
        statuses = {wire.refusal().status for wire in wires}
    assert statuses == {400, 503}  # 400: an empty object is no request


def test_requests_sent_ahead_are_answered_in_order(signer):
    epochs = [next(signer.epochs) for _ in range(30)]
    messages = [sign_text(signer, attestation(e, e + 1)) for e in epochs]
    with Wire(signer.port) as wire:
        wire.send(b"".join(m + request_text("GET", f"/nothing/{i}") for i, m in enumerate(messages)))
        for _ in messages:
            assert wire.answer().json["signature"]
            assert wire.refusal().status == 404
    assert signer.sign(attestation(epochs[-1], epochs[-1] + 1, block_root=9)).status == 412


def test_what_stands_behind_a_refused_request_is_not_read(signer):
    source = next(signer.epochs)
    with Wire(signer.port) as wire:
        wire.send(request_text("GET", "/upcheck") + AMBIGUOUS["two lengths"]
                  + sign_text(signer, attestation(source, source + 1)))
        assert wire.answer().status == 200
        assert wire.refusal().status == 400
        assert wire.is_closed()
    assert signer.sign(attestation(source, source + 1, block_root=9)).status == 200  # it was not signed


def test_a_client_that_shuts_down_its_side_still_gets_its_signature(signer):
    source = next(signer.epochs)
    with Wire(signer.port) as wire:
        wire.send(sign_text(signer, attestation(source, source + 1))).end_sending()
        assert wire.answer().status == 200
        assert wire.is_closed()


def test_a_client_that_shuts_down_in_the_middle_is_cut_off(signer):
    text = sign_text(signer, attestation(EPOCH, EPOCH + 1))
    for size in (1, 30, text.index(b"\r\n\r\n") + 4, len(text) - 1):
        with Wire(signer.port) as wire:
            wire.send(text[:size]).end_sending()
            assert wire.is_closed()


def test_resets_at_any_moment_harm_nobody(signer):
    for i in range(150):
        source = next(signer.epochs)
        text = sign_text(signer, attestation(source, source + 1))
        wire = Wire(signer.port)
        wire.send(text[:len(text) * (i % 50 + 1) // 50] * (1 + i % 3)).reset()


def test_a_client_that_never_reads_is_not_read_either(signer):
    """Its requests wait in its own socket, not in our memory."""
    flood = request_text("GET", "/api/v1/eth2/publicKeys") * 500
    with Wire(signer.port, receive_buffer=2048) as wire:
        wire.socket.settimeout(1)
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 256 * 1024 * 1024:
                sent += wire.socket.send(flood)
        sign_next(signer)
        wire.reset()


def test_thousands_of_idle_connections_slow_nobody(signer):
    count = min(4000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 3)
    with contextlib.ExitStack() as open_wires:
        wires = [open_wires.enter_context(Wire(signer.port)) for _ in range(count)]
        signer.wait_for(lambda: signer.vitals.open_files() > count)
        for _ in range(20):
            sign_next(signer)
        for wire in wires[::200]:  # and they are served when they wake up
            wire.send(request_text("GET", "/upcheck"))
            assert wire.answer().status == 200


# --------------------------------------------------------------------- limits of time and of number

def drip(wires: list[Wire]):
    """Sends a byte over each wire again and again until all were answered, or patience ends."""
    end = time.monotonic() + PATIENCE_S
    waiting = {wire.socket.fileno(): wire for wire in wires}
    while waiting and time.monotonic() < end:
        for answered in select.select(list(waiting), [], [], 0.05)[0]:
            del waiting[answered]
        for wire in waiting.values():
            wire.send_what_goes(b"1")


def test_slow_requests_are_408_however_steadily_they_drip(tmp_path):
    settings = {"server.request_timeout_seconds": 1, "server.idle_timeout_seconds": 2}
    starts = [b"P", b"GET /upcheck HTTP/1.1\r\nX: ", post(b"Content-Length: 100000"), CHUNKED + b"10000\r\n"]
    with running_signer(tmp_path, settings=settings) as signer, contextlib.ExitStack() as open_wires:
        vitals = Vitals(signer)
        idle = open_wires.enter_context(Wire(signer.port))
        slow = [open_wires.enter_context(Wire(signer.port)).send(starts[i % 4]) for i in range(200)]
        sign_next(signer)
        slow = [wire for i, wire in enumerate(slow) if i % 4]  # "P1" is no method: refused at once
        dripping = threading.Thread(target=drip, args=[slow])
        dripping.start()
        while dripping.is_alive():
            sign_next(signer)
        for wire in slow:
            assert wire.refusal().status == 408
        assert idle.is_closed()
        open_wires.close()
        vitals.wait_for_files()


def test_at_the_limit_the_longest_idle_connection_makes_room(tmp_path):
    with running_signer(tmp_path, settings={"server.max_connections": 20}) as signer:
        with contextlib.ExitStack() as open_wires:
            wires = [open_wires.enter_context(Wire(signer.port)) for _ in range(60)]
            sign_next(signer)
            assert all(wire.is_closed() for wire in wires[:40])
            wires[-1].send(request_text("GET", "/upcheck"))
            assert wires[-1].answer().status == 200


def test_beyond_the_limit_of_busy_connections_new_ones_are_closed_until_one_ends(tmp_path):
    started = post(b"Content-Length: 5", b"Expect: 100-continue")
    with running_signer(tmp_path, settings={"server.max_connections": 20}) as signer:
        with contextlib.ExitStack() as open_wires:
            wires = [open_wires.enter_context(Wire(signer.port)).send(started) for _ in range(20)]
            for wire in wires:
                assert wire.answer().status == 100
            with Wire(signer.port) as late:
                assert late.is_closed()
            wires[0].send(b"abcde")  # who is inside is served
            assert wires[0].refusal().status == 405
        sign_next(signer)
        assert signer.metrics()["containment_http_connections_refused_total"] >= 1


@pytest.mark.skipif(is_sanitized(), reason="a sanitizer needs descriptors of its own")
def test_the_limit_of_open_files_is_never_met(tmp_path):
    """Connections make room for each other before the process has no descriptor left."""
    with running_signer(tmp_path, wrapper=["prlimit", "--nofile=100:100"]) as signer:
        assert "LimitNOFILE" in signer.log_text()
        with contextlib.ExitStack() as open_wires:
            for _ in range(300):
                open_wires.enter_context(Wire(signer.port))
            for _ in range(5):
                sign_next(signer)
            assert signer.post("/reload").status == 202  # files can still be opened
            signer.wait_for(lambda: signer.get("/reload").json["status"] == "completed")
        assert "cannot accept" not in signer.log_text()
