"""The log: lines that programs and people can rely on, enough to find out what happened, and nothing that is secret or
that a client wrote into it."""
import base64
import functools
import http.client
import json
import re
import socket
import subprocess

import pytest

from commands import clean_environment
from keystores import interop_secret, make_keystore
from log_lines import LEVELS, read_json, read_text
from signer import BINARY, EPOCH, PATIENCE_S, ROOT, Signer, attestation, block, fork_info, pubkey_of, randao

ID = r"[0-9a-f]{8}-[0-9a-f]{12}"
HOSTILE = [
    'x\n{"time":"2020-01-01T00:00:00.000Z","level":"info","message":"forged"}', "\r\nlevel=error", '","level":"error',
    "\x1b[2J\x1b[31mred", "\x00nul", "\x7f\x9b", "a=b c=d", '"quoted"', "\\", "\u2028", "\u202e", "%s%n%x", "ä" * 100]


@pytest.fixture(scope="module")
def chatty(tmp_path_factory):
    """One signer that logs everything, as JSON."""
    signer = Signer(tmp_path_factory.mktemp("chatty"), keys=[0, 1],
                    settings={"logging.level": "debug", "http.key_manager_api.enabled": True})
    try:
        yield signer.start()
    finally:
        signer.kill()


def lines_of(signer, answer) -> list[dict]:
    """The lines about one request; waits for the first, as another thread writes them."""
    number = answer.headers["X-Request-Id"]
    return signer.wait_for(lambda: [line for line in read_json(whole(signer)) if line.get("request") == number])


def whole(signer) -> bytes:
    """The log as far as its last line is complete."""
    raw = signer.log_bytes()
    return raw[:raw.rfind(b"\n") + 1]


def do_everything(signer) -> None:
    signer.sign(attestation(EPOCH, EPOCH + 1))
    signer.sign(attestation(EPOCH, EPOCH + 1, block_root=9))
    signer.sign(randao(1), pubkey_of(interop_secret(99)))
    signer.sign(randao(1) | {"fork_info": fork_info("hoodi")})
    signer.sign("{")
    signer.get("/nothing")
    signer.post("/reload")
    signer.wait_for(lambda: signer.get("/reload").json["status"] != "running")


# ----------------------------------------------------------------------------------------- format

def test_every_line_is_one_json_object_in_the_documented_form(start):
    signer = start(keys=[0], settings={"logging.level": "debug"})
    (signer.keys_folder / "broken.yaml").write_text("type: nonsense\n")
    do_everything(signer)
    signer.stop()
    events = read_json(signer.log_bytes())
    assert {event["level"] for event in events} >= {"debug", "info", "warn"}
    times = [event["time"] for event in events]
    assert times == sorted(times)
    assert events[0] | {"time": "", "listen_port": 1, "metrics_port": 1} == {
        "time": "", "level": "info", "message": "containment-chamber starts", "version": events[0]["version"],
        "network": "mainnet", "listen_address": "127.0.0.1", "listen_port": 1, "metrics_port": 1, "anti_slashing": "sqlite"}
    assert events[-1]["message"] == "stopped"


def test_text_lines_say_the_same_as_json(start):
    logs = {}
    for form, read in (("json", read_json), ("text", read_text)):
        signer = start(keys=[0], wait=False, settings={"logging.level": "debug", "logging.format": form,
                                                       "server.listen_port": free_port()})
        signer.port = signer.settings["server.listen_port"]
        signer.wait_for(lambda signer=signer: signer.get("/healthcheck").status == 200)
        do_everything(signer)
        signer.stop()
        varying = ("time", "listen_port", "metrics_port", "request", "milliseconds")
        events = [{name: str(value).replace(str(signer.folder), "") for name, value in event.items() if name not in varying}
                  for event in read(signer.log_bytes())]
        logs[form] = sorted(events, key=str)  # threads write, so neighbours may change places
    assert logs["text"] == logs["json"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_leaves_out_what_is_below_it(start, level):
    port = free_port()
    signer = start(keys=[0], wait=False, settings={"logging.level": level, "server.listen_port": port})
    signer.port = port
    signer.wait_for(lambda: signer.get("/healthcheck").status == 200)
    do_everything(signer)
    signer.database.unlink()  # which is an error
    assert signer.sign(attestation(EPOCH + 1, EPOCH + 2)).status == 503
    signer.wait_for(lambda: signer.get("/healthcheck").status == 503)
    signer.stop()
    found = {event["level"] for event in read_json(signer.log_bytes())}
    assert found == set(LEVELS[LEVELS.index(level):])


def test_the_log_goes_to_stderr_and_nothing_to_stdout(tmp_path):
    process = subprocess.Popen([BINARY, "server", "--server-listen-port=0", "--server-listen-address=127.0.0.1",
                                "--metrics-enabled=false"],
                               cwd=tmp_path, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    first = process.stderr.readline()
    process.terminate()
    out, rest = process.communicate(timeout=PATIENCE_S)
    assert out == b"" and len(read_text(first + rest)) >= 3


# -------------------------------------------------------------------------------------- request ids

def test_each_answer_has_an_id_of_its_own_that_the_log_repeats(chatty):
    answers = [chatty.sign(randao(epoch)) for epoch in range(3)] + [chatty.sign("{")]
    ids = [answer.headers["X-Request-Id"] for answer in answers]
    assert len(set(ids)) == len(ids) and all(re.fullmatch(ID, number) for number in ids)
    for answer in answers:
        [line] = lines_of(chatty, answer)
        assert line["message"] == ("signed" if answer.status == 200 else "not signed")


@pytest.mark.parametrize("path", ["/upcheck", "/healthcheck", "/nothing", "/reload", "/api/v1/eth2/publicKeys"])
def test_other_answers_have_an_id_too(chatty, path):
    assert re.fullmatch(ID, chatty.get(path).headers["X-Request-Id"])


def test_ids_of_one_run_are_not_those_of_the_next(start):
    signer = start(keys=[0])
    first = signer.get("/upcheck").headers["X-Request-Id"]
    signer.restart()
    assert signer.get("/upcheck").headers["X-Request-Id"].partition("-")[0] != first.partition("-")[0]


@pytest.mark.parametrize("given", ["a b", '"', '{"level":"error"}', "\x1b[31m", "x" * 5000, "", "../../etc", "ä", "1\t2"])
def test_a_hostile_id_is_replaced(chatty, given):
    path = f"/api/v1/eth2/sign/{chatty.pubkeys[0]}"
    with socket.create_connection(("127.0.0.1", chatty.port), timeout=PATIENCE_S) as sock:
        sock.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nX-Request-Id: {given}\r\nContent-Length: 1\r\n\r\n{{".encode())
        response = http.client.HTTPResponse(sock)
        response.begin()
        number = response.headers["X-Request-Id"]
    assert re.fullmatch(ID, number)
    if response.headers["Connection"] == "close":
        assert response.status == 400  # no HTTP at all, so nobody's request
        return
    assert chatty.wait_for(lambda: [line for line in read_json(whole(chatty)) if line.get("request") == number])


# ------------------------------------------------------------------------- what is to be found in it

def test_a_refused_attestation_is_logged_with_all_that_an_investigation_needs(chatty):
    assert chatty.sign(attestation(EPOCH, EPOCH + 3)).status == 200
    for wrong, reason in ((attestation(EPOCH, EPOCH + 3, block_root=9), "another attestation was signed for this target epoch"),
                          (attestation(EPOCH - 1, EPOCH + 4), "surrounds"),
                          (attestation(EPOCH + 1, EPOCH + 2), "surrounded")):
        answer = chatty.sign(wrong)
        assert answer.status == 412
        [line] = lines_of(chatty, answer)
        asked = wrong["attestation"]
        assert (line["level"], line["message"], line["status"]) == ("warn", "not signed", "slashable")
        assert line["path"].endswith(chatty.pubkeys[0])
        assert reason in line["reason"]
        assert f"source {asked['source']['epoch']}, target {asked['target']['epoch']}" in line["reason"]
        assert f"signed before: source {EPOCH}, target {EPOCH + 3}" in line["reason"]
        assert line["reason"] in answer.message or answer.message in line["reason"]


def test_a_refused_block_is_logged_with_its_slot(chatty):
    slot = (EPOCH + 3) * 32
    assert chatty.sign(block(slot)).status == 200
    answer = chatty.sign(block(slot, state_root=9))
    [line] = lines_of(chatty, answer)
    assert (answer.status, line["level"], line["status"]) == (412, "warn", "slashable")
    assert f"slot {slot}" in line["reason"] and line["path"].endswith(chatty.pubkeys[0])


def test_what_comes_and_goes_of_keys_is_logged(chatty):
    pubkey = pubkey_of(interop_secret(60))
    keystore = make_keystore(interop_secret(60), "password")
    chatty.post("/eth/v1/keystores", {"keystores": [keystore], "passwords": ["password"]})
    chatty.delete("/eth/v1/keystores", {"pubkeys": [pubkey]})
    for message in ("key imported", "key deleted"):
        chatty.wait_for(lambda message=message: {"message": message, "pubkey": pubkey}.items() <= merged(chatty, message))


def merged(signer, message: str):
    lines = [line for line in read_json(whole(signer)) if line["message"] == message]
    return lines[-1].items() if lines else {}.items()


def test_a_bad_key_file_is_named_with_its_reason(start):
    signer = start(keys=[0])
    (signer.keys_folder / "bad.yaml").write_text("type: nonsense\n")
    signer.post("/reload")
    [line] = signer.wait_for(lambda: [line for line in read_json(whole(signer)) if line["message"] == "a key could not be loaded"])
    assert line["level"] == "warn" and line["file"].endswith("/bad.yaml") and "type" in line["reason"]


# ------------------------------------------------------------------------------ what clients cannot do

@functools.cache
def sentences() -> str:
    """All literals of the program: what is logged is one of them, whatever a client sends."""
    return "\n".join(re.sub(r'"\s*"', "", path.read_text()) for path in (ROOT / "src").rglob("*.c"))


def test_clients_cannot_write_lines_or_fields(start):
    """Through every place of a request that reaches the log, in both formats."""
    for form, read in (("json", read_json), ("text", read_text)):
        port = free_port()
        signer = start(keys=[0], wait=False, settings={"logging.level": "debug", "logging.format": form,
                                                       "server.listen_port": port})
        signer.port = port
        signer.wait_for(lambda signer=signer: signer.get("/healthcheck").status == 200)
        for text in HOSTILE:
            signer.sign({"type": text})
            signer.sign(randao(1) | {"fork_info": fork_info(root=text)})
            signer.sign(randao(1) | {"signingRoot": text})
            signer.sign(randao(1) | {text: text})
            signer.sign(text.encode())
            send_raw(signer, text)
        signer.stop()
        events = read(signer.log_bytes())
        assert {event["level"] for event in events} <= {"debug", "info", "warn"}
        assert all(f'"{event["message"]}"' in sentences() for event in events)
        assert sum(event["message"] == "not signed" for event in events) >= 3 * len(HOSTILE)


def send_raw(signer, text: str) -> None:
    """As a key in the path, and in header fields, byte for byte."""
    raw = text.encode()
    for request in (b"POST /api/v1/eth2/sign/" + raw + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
                    b"POST /api/v1/eth2/sign/0x HTTP/1.1\r\nHost: " + raw + b"\r\nAccept: " + raw + b"\r\nContent-Length: 0\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", signer.port), timeout=PATIENCE_S) as sock:
            sock.sendall(request)
            assert sock.recv(4096).startswith(b"HTTP/1.1 ")


def test_file_names_cannot_write_lines(start):
    signer = start(keys=[0])
    for number, text in enumerate(HOSTILE):
        name = f"{number}{text}".replace("/", "").replace("\0", "")[:60] + ".yaml"
        (signer.keys_folder / name).write_text("type: nonsense\n")
    signer.post("/reload")
    signer.wait_for(lambda: signer.get("/reload").json["status"] == "completed_with_errors")
    signer.stop()
    bad = [event for event in read_json(signer.log_bytes()) if event["message"] == "a key could not be loaded"]
    assert len(bad) == len(HOSTILE)


def test_a_flood_of_refusals_is_cut_and_counted(start):
    signer = start(keys=[0])
    request = f"POST /api/v1/eth2/sign/{signer.pubkeys[0]} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n{{".encode()
    sent = 2000
    with socket.create_connection(("127.0.0.1", signer.port), timeout=PATIENCE_S) as sock:
        sock.sendall(request * sent)
        received = b""
        while received.count(b"HTTP/1.1 400 ") < sent:
            received += sock.recv(65536)

    def all_told():
        nonlocal sent
        signer.sign("{")
        sent += 1
        events = read_json(whole(signer))
        told = sum(event["message"] == "not signed" for event in events)
        left_out = sum(event["count"] for event in events if event["message"] == "lines about requests were left out")
        return told + left_out == sent and left_out > 0

    signer.wait_for(all_told)


# -------------------------------------------------------------------------------------- what is secret

def test_no_secret_is_in_the_log_the_metrics_or_an_answer(start):
    """Keys, passwords, tokens and keystores, in what goes well and in what does not, at the level that says most."""
    signer = start(keys=[0], settings={"logging.level": "debug", "http.key_manager_api.enabled": True})
    password, token = "correct horse battery staple", "cc-token-0123456789abcdef"
    secrets = [interop_secret(number) for number in (0, 61, 62)]
    broken = interop_secret(62).hex()[:-1]
    (signer.keys_folder / "short.yaml").write_text(f"type: file-raw\nkeyType: BLS\nprivateKey: {broken}\n")
    (signer.keys_folder / "text.yaml").write_text(f"type: file-raw\nkeyType: BLS\nprivateKey: {broken}g\n")
    (signer.keys_folder / "twice.yaml").write_text(f"type: file-raw\nprivateKey: {broken}0\nprivateKey: {broken}0\n")
    (signer.keys_folder / "wrong.json").write_text(make_keystore(interop_secret(61), password))
    (signer.keys_folder / "wrong.password").write_text(password + "!")
    (signer.keys_folder / "wrong.yaml").write_text(
        "type: file-keystore\nkeyType: BLS\nkeystoreFile: wrong.json\nkeystorePasswordFile: wrong.password\n")
    answers = []
    keystore = make_keystore(interop_secret(61), password)
    basic = base64.b64encode(f"user:{token}".encode()).decode()
    for authorization in (f"Bearer {token}", f"Basic {basic}", token):
        headers = {"Authorization": authorization, "Content-Type": "application/json"}
        answers.append(signer.post(f"/api/v1/eth2/sign/{signer.pubkeys[0]}", "{", headers=headers))
        answers.append(signer.get(f"/nothing?token={token}", headers=headers))
    for passwords in ([password], [password + "!"], [password, password], password):
        answers.append(signer.post("/eth/v1/keystores", {"keystores": [keystore], "passwords": passwords}))
    answers.append(signer.post("/eth/v1/keystores", json.dumps({"keystores": [keystore], "passwords": [password]})[:-1]))
    answers.append(signer.post("/reload"))
    signer.wait_for(lambda: signer.get("/reload").json["status"] == "completed_with_errors")
    answers.append(signer.get("/reload"))
    page = signer.get("/metrics", port=signer.metrics_port).text
    signer.stop()
    told = "\n".join([signer.log_text(), page, *(answer.text + str(answer.headers) for answer in answers)])
    salt = json.loads(keystore)["crypto"]["kdf"]["params"]["salt"]
    for secret in (password, token, basic, broken, salt, *(secret.hex() for secret in secrets)):
        assert secret.lower() not in told.lower(), secret
    assert signer.log_text().count("a key could not be loaded") == 4  # so that there was something to leak
