"""The signing API over TLS, as validator clients reach it: Python's ssl, curl and openssl s_client."""
import http.client
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading

import pytest

import certificates
from signer import EPOCH, PATIENCE_S, Answer, attestation, randao

PORT = re.compile(r'"tls_port":(\d+)')


def tls_settings(folder, **files) -> dict:
    paths = {"cert_path": folder / "server.crt", "key_path": folder / "server.key"} | files
    return {"tls.mode": "file", "tls.listen_port": 0} | {f"tls.file.{name}": value for name, value in paths.items()}


class Site:
    """An authority, the server's certificate by it, and a signer that shows it."""

    def __init__(self, start, tmp_path):
        self.start, self.folder = start, tmp_path / "tls"
        self.authority = certificates.make("authority", authority=True)
        self.folder.mkdir()
        self.ca_path = self.folder / "authority.crt"
        self.ca_path.write_bytes(self.authority.certificate_pem())
        self.signer = None

    def renew(self, **wish):
        """A new certificate for the server, in its files."""
        server = certificates.make("localhost", self.authority, **wish)
        server.write(self.folder, "server")
        return server

    def open(self, **files):
        if not (self.folder / "server.crt").exists():
            self.renew()
        self.signer = self.start(keys=[0], settings=tls_settings(self.folder, **files))
        return self

    @property
    def port(self) -> int:
        return int(PORT.findall(self.signer.log_text())[-1])

    def context(self, client=None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.ca_path)
        if client is not None:
            context.load_cert_chain(*client.write(self.folder, "client"))
        return context

    def connect(self, client=None, context=None) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("localhost", self.port, timeout=PATIENCE_S,
                                           context=context or self.context(client))

    def ask(self, method: str, path: str, body=None, connection=None, client=None) -> Answer:
        own = connection or self.connect(client)
        answer = self.signer.request(method, path, body, {"Accept": "application/json"}, connection=own)
        if connection is None:
            own.close()
        return answer

    def lets_in(self, client=None) -> bool:
        try:
            return self.ask("GET", "/upcheck", client=client).status == 200
        except (ssl.SSLError, ConnectionError, http.client.HTTPException):
            return False

    def shown(self) -> bytes:
        """The certificate that a new connection is shown."""
        with socket.create_connection(("localhost", self.port), PATIENCE_S) as raw:
            with self.context().wrap_socket(raw, server_hostname="localhost") as secured:
                return secured.getpeercert(binary_form=True)


@pytest.fixture
def site(start, tmp_path):
    return Site(start, tmp_path)


def der(identity) -> bytes:
    return identity.certificate.public_bytes(certificates.serialization.Encoding.DER)


def reasons(signer) -> list[str]:
    return [line.get("reason", "") for line in signer.log() if line["message"] == "a TLS handshake failed"]


# --------------------------------------------------------------------------------------- answers

@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("use_rsa", [False, True])
def test_signs_over_tls(site, version, use_rsa):
    site.renew(use_rsa=use_rsa)
    site.open()
    context = site.context()
    context.minimum_version = context.maximum_version = version
    connection = site.connect(context=context)
    path = f"/api/v1/eth2/sign/{site.signer.pubkeys[0]}"
    for target in range(EPOCH - 20, EPOCH):
        answer = site.ask("POST", path, attestation(target - 1, target), connection)
        assert answer.status == 200
    refused = site.ask("POST", path, attestation(EPOCH - 3, EPOCH - 1, block_root=9), connection)
    assert refused.status == 412
    assert connection.sock.version() == {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}[version]


def test_the_port_in_the_clear_answers_health_probes_only(site):
    signer = site.open().signer
    assert signer.get("/upcheck").status == 200
    assert signer.get("/healthcheck").status == 200
    for method, path in (("POST", f"/api/v1/eth2/sign/{signer.pubkeys[0]}"), ("GET", "/api/v1/eth2/publicKeys"),
                         ("POST", "/reload"), ("GET", "/reload"), ("GET", "/eth/v1/keystores"), ("GET", "/")):
        connection = signer.connect()
        connection.request(method, path)
        answer = connection.getresponse()
        assert answer.status == 403
        assert b"only health probes are answered here; use https and tls.listen_port" in answer.read()
        connection.close()
    assert site.ask("GET", "/api/v1/eth2/publicKeys").json == signer.pubkeys


def test_without_tls_the_api_is_where_it_was(start):
    signer = start(keys=[0])
    assert signer.get("/api/v1/eth2/publicKeys").json == signer.pubkeys
    assert "tls_port" not in signer.log_text()
    assert signer.metrics()["containment_tls_certificate_expiry_seconds"] == 0


def test_plain_http_on_the_tls_port_is_closed(site):
    site.open()
    with socket.create_connection(("127.0.0.1", site.port), PATIENCE_S) as plain:
        plain.sendall(b"GET /upcheck HTTP/1.1\r\nHost: x\r\n\r\n")
        plain.settimeout(PATIENCE_S)
        assert b"HTTP/1.1" not in plain.recv(4096)  # at most an alert
    assert site.lets_in()
    site.signer.wait_for(lambda: "http request" in reasons(site.signer))
    assert site.signer.metrics()["containment_tls_handshakes_failed_total"] == 1


def test_versions_before_1_2_are_refused(site):
    site.open()
    done = subprocess.run(["openssl", "s_client", "-connect", f"localhost:{site.port}", "-tls1_1",
                           "-cipher", "ALL:@SECLEVEL=0"], input=b"", capture_output=True, timeout=PATIENCE_S)
    assert b"Cipher is (NONE)" in done.stdout


def s_client(site, *options, text=b""):
    done = subprocess.run(["openssl", "s_client", "-connect", f"localhost:{site.port}", "-CAfile", str(site.ca_path),
                           "-verify_return_error", *options], input=text, capture_output=True, timeout=PATIENCE_S)
    return done.stdout.decode(errors="replace")


def test_openssl_agrees_about_what_was_negotiated(site):
    site.open()
    heard = s_client(site, "-alpn", "h2,http/1.1")
    assert "Verification: OK" in heard and "ALPN protocol: http/1.1" in heard and "TLSv1.3" in heard
    assert "Early data was not sent" in heard and "New Session Ticket" not in heard
    assert "Compression: NONE" in heard
    old = s_client(site, "-tls1_2")
    assert "Secure Renegotiation IS supported" in old and "TLS session ticket" not in old
    assert "No ALPN negotiated" in old


def test_a_client_that_renegotiates_gets_no_answer(site):
    site.open()
    heard = s_client(site, "-tls1_2", "-ign_eof", text=b"R\nGET /upcheck HTTP/1.1\r\n\r\n")
    assert "HTTP/1.1 200" not in heard
    assert site.lets_in()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_gets_its_answer(site):
    site.open()
    done = subprocess.run(["curl", "-sS", "--cacert", str(site.ca_path), f"https://localhost:{site.port}/upcheck",
                           f"https://localhost:{site.port}/api/v1/eth2/publicKeys"],
                          capture_output=True, timeout=PATIENCE_S, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("OK") and site.signer.pubkeys[0] in done.stdout


def test_a_stop_says_goodbye_and_answers_what_is_under_way(site):
    site.open()
    raw = socket.create_connection(("localhost", site.port), PATIENCE_S)
    secured = site.context().wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False)
    secured.sendall(b"GET /upcheck HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"200 OK" in secured.recv(4096)
    assert site.signer.stop() == 0
    assert secured.recv(4096) == b""  # an end without close_notify would be an SSLEOFError


# --------------------------------------------------------------------------- client certificates

def test_only_known_clients_get_in(site):
    teku, impostor = certificates.make("teku"), certificates.make("teku")
    known = site.folder / "known_clients"
    known.write_text("# clients\n" + teku.known_line)
    site.open(known_clients_path=known)
    assert site.lets_in(teku)
    assert not site.lets_in(impostor)
    assert not site.lets_in()
    assert site.signer.get("/upcheck").status == 200
    site.signer.wait_for(lambda: "peer did not return a certificate" in reasons(site.signer))


def test_only_clients_of_our_authority_get_in(site):
    ours = certificates.make("clients", authority=True)
    (site.folder / "clients.crt").write_bytes(ours.certificate_pem())
    site.open(client_ca_path=site.folder / "clients.crt")
    assert site.lets_in(certificates.make("lighthouse", ours))
    assert not site.lets_in(certificates.make("lighthouse", site.authority))
    assert not site.lets_in(certificates.make("lighthouse", ours, days=(-9, -1)))
    assert not site.lets_in(certificates.make("lighthouse"))
    assert not site.lets_in()
    site.signer.wait_for(lambda: "certificate has expired" in reasons(site.signer))


def test_a_client_is_let_in_and_out_again_with_the_file(site):
    teku, prysm = certificates.make("teku"), certificates.make("prysm")
    known = site.folder / "known_clients"
    known.write_text(teku.known_line)
    site.open(known_clients_path=known)
    assert site.lets_in(teku) and not site.lets_in(prysm)
    known.write_text(prysm.known_line)
    site.signer.process.send_signal(signal.SIGHUP)
    site.signer.wait_for(lambda: site.lets_in(prysm))
    assert not site.lets_in(teku)


# ------------------------------------------------------------------------------------- renewals

def renewals(signer) -> int:
    return sum(line["message"] == "TLS certificate loaded" for line in signer.log())


BAD = "the TLS files are bad, so the certificate loaded before stays in use"


def test_sighup_takes_up_a_renewed_certificate(site):
    first = site.renew()
    site.open()
    connection = site.connect()
    assert site.ask("GET", "/upcheck", connection=connection).status == 200
    assert site.shown() == der(first)
    second = site.renew()
    site.signer.process.send_signal(signal.SIGHUP)
    site.signer.wait_for(lambda: site.shown() == der(second))
    assert site.ask("GET", "/upcheck", connection=connection).status == 200  # lives on
    assert connection.sock.getpeercert(binary_form=True) == der(first)


def test_a_reload_request_takes_up_a_renewed_certificate(site):
    site.open()
    second = site.renew()
    assert site.ask("POST", "/reload").status in (202, 409)
    site.signer.wait_for(lambda: site.shown() == der(second))
    metric = site.signer.metrics()["containment_tls_certificate_expiry_seconds"]
    assert metric == certificates.datetime.datetime.timestamp(
        second.certificate.not_valid_after.replace(tzinfo=certificates.datetime.timezone.utc))


def test_a_changed_file_is_noticed_without_being_asked(site):
    site.renew()
    site.signer = site.start(keys=[0], settings=tls_settings(site.folder) | {"tls.file.reload_interval_seconds": 1})
    second = site.renew()
    site.signer.wait_for(lambda: site.shown() == der(second))


@pytest.mark.parametrize("spoil, reason", [
    (lambda folder: (folder / "server.crt").write_text("nothing"), "no certificate in PEM form"),
    (lambda folder: (folder / "server.key").unlink(), "no such file"),
    (lambda folder: certificates.make("x").write(folder, "x")[1].rename(folder / "server.key"), "not the certificate's"),
    (lambda folder: certificates.make("x", days=(-9, -1)).write(folder, "server"), "has expired"),
])
def test_a_bad_renewal_keeps_the_old_certificate_and_says_so(site, spoil, reason):
    first = site.renew()
    site.open()
    spoil(site.folder)
    site.signer.process.send_signal(signal.SIGHUP)
    line = site.signer.wait_for(lambda: [line for line in site.signer.log() if line["message"] == BAD])[0]
    assert reason in line["reason"] and "\n" not in line["reason"]
    assert site.shown() == der(first) and site.lets_in()
    second = site.renew()
    site.signer.process.send_signal(signal.SIGHUP)
    site.signer.wait_for(lambda: site.shown() == der(second))


def test_renewals_under_load_cost_no_request(site):
    site.open()
    lost, asked, enough = [], [], threading.Event()
    body = randao(EPOCH)

    def client():
        while not enough.is_set():
            try:
                assert site.ask("POST", f"/api/v1/eth2/sign/{site.signer.pubkeys[0]}", body).status == 200
                asked.append(1)
            except Exception as error:  # whatever it is, a request was lost
                lost.append(error)

    threads = [threading.Thread(target=client) for _ in range(4)]
    for thread in threads:
        thread.start()
    for count in range(10):
        site.renew()
        site.signer.process.send_signal(signal.SIGHUP)
        site.signer.wait_for(lambda: renewals(site.signer) >= count + 2)
    site.signer.wait_for(lambda: len(asked) > 50)
    enough.set()
    for thread in threads:
        thread.join()
    assert not lost


# ---------------------------------------------------------------------------------------- starts

def fails_to_start(site, start, reason: str):
    signer = start(keys=[0], settings=tls_settings(site.folder), wait=False)
    assert signer.process.wait(PATIENCE_S) == 1
    last = signer.log_text().strip().splitlines()[-1]
    assert reason in last, last


def test_a_start_with_bad_files_fails_in_one_line(site, start):
    fails_to_start(site, start, "no such file")
    site.renew(days=(-9, -1))
    fails_to_start(site, start, "the certificate has expired; renew it")
    identity = site.renew()
    (site.folder / "server.key").write_bytes(identity.key_pem(b"secret"))
    fails_to_start(site, start, "the key is encrypted")
    certificates.make("other").write(site.folder, "other")[1].rename(site.folder / "server.key")
    fails_to_start(site, start, "the key is not the certificate's")


def test_a_key_that_others_may_read_is_told_of(site):
    site.renew()
    (site.folder / "server.key").chmod(0o644)
    site.open()
    assert any(line["message"] == "others than its owner may read the TLS key; chmod 600 it" for line in site.signer.log())


def test_a_certificate_near_its_end_is_told_of(site):
    site.renew(days=(-9, 3))
    site.open()
    line = site.signer.wait_for(lambda: [line for line in site.signer.log()
                                         if line["message"] == "the TLS certificate expires soon; renew it"])[0]
    assert line["days"] in (2, 3)


def test_an_open_address_is_warned_of_unless_clients_show_certificates(site):
    event = "whoever reaches the signing API may use it, there is no authorisation: let only validator clients reach it"
    teku = certificates.make("teku")
    known = site.folder / "known_clients"
    known.write_text(teku.known_line)
    site.renew()
    everywhere = {"server.listen_address": "0.0.0.0"}
    warned = site.start(keys=[0], settings=tls_settings(site.folder) | everywhere)
    quiet = site.start(keys=[0], settings=tls_settings(site.folder, known_clients_path=known) | everywhere)
    assert any(line["message"] == event for line in warned.log())
    assert not any(line["message"] == event for line in quiet.log())
