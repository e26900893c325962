"""`containment-chamber atls verify`: evidence in files, made and broken by an independent implementation, and AWS's
own."""
import dataclasses
import datetime
import json
import os
import pathlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

import nitro_documents as nitro
from commands import DONE, FAILED, USAGE, call
from signer import ROOT

VECTORS = pathlib.Path(os.environ.get("CHAMBER_VECTORS", ROOT.parent / "shared" / "vectors")) / "nitro"
NOW = datetime.datetime(2026, 6, 1, 12, 10, tzinfo=datetime.timezone.utc)
MINUTE = datetime.timedelta(minutes=1)
SECOND = datetime.timedelta(seconds=1)
PCR0, PCR8 = nitro.pcr_of(b"image"), nitro.pcr_of(b"signer")
CONFIGURATION = b"network: mainnet\n"
CHECKS = ["expectations", "certificate", "evidence", "document", "chain", "signature", "freshness", "registers", "nonce",
          "public_key", "user_data", "configuration", "lifetime"]


def rfc3339(moment: datetime.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclasses.dataclass
class Verdict:
    code: int
    report: dict
    complaint: str

    @property
    def refused(self) -> str:
        """The check that refused. Asserts that the exit code, the report and the complaint agree on it."""
        assert self.code == FAILED, self
        assert self.report["verified"] is False
        refusals = [check for check in self.report["checks"] if check["outcome"] == "refused"]
        assert refusals and self.report["reason"].startswith(refusals[0]["name"] + ": "), self
        assert self.complaint == f"containment-chamber: {self.report['reason']}\n"
        return refusals[0]["name"]

    @property
    def accepted(self) -> bool:
        assert self.code in (DONE, FAILED), self
        assert self.report["verified"] is (self.code == DONE)
        assert (self.report["reason"] is None) is (self.code == DONE)
        return self.code == DONE


class Verifier:
    """Files in a folder, and the command on them."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder

    def write(self, name: str, content) -> pathlib.Path:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    def arguments(self, kind: str, evidence: bytes, root=None, policy=None, at=NOW, nonce=None, configuration=None):
        policy = {"pcrs": {"0": [PCR0.hex()]}} if policy is None else policy
        given = [f"--{kind}", self.write("evidence", evidence), "--policy", self.write("policy", policy),
                 "--at", rfc3339(at)]
        given += [] if root is None else ["--root", self.write("root", root)]
        given += [] if nonce is None else ["--nonce", nonce.hex()]
        given += [] if configuration is None else ["--configuration", self.write("configuration", configuration)]
        return given

    def __call__(self, kind: str, evidence: bytes, **options) -> Verdict:
        called = call("atls", "verify", "--json", *self.arguments(kind, evidence, **options))
        assert called.code in (DONE, FAILED), called
        report = json.loads(called.out)
        assert [check["name"] for check in report["checks"]] == CHECKS
        return Verdict(called.code, report, called.err)

    def document(self, evidence: bytes, **options) -> Verdict:
        return self("document", evidence, **options)

    def certificate(self, evidence: bytes, **options) -> Verdict:
        return self("certificate", evidence, **options)


@pytest.fixture
def verify(tmp_path):
    return Verifier(tmp_path)


@pytest.fixture(scope="module")
def chain():
    return nitro.make_chain(NOW)


def make(chain, made=NOW, **fields) -> bytes:
    fields = {"pcrs": {0: PCR0, 8: PCR8}} | fields
    pcrs = fields.pop("pcrs")
    return nitro.make_document(chain, made, pcrs, **fields)


# AWS's own documents, and what was made of them.

def manifest() -> list[dict]:
    path = VECTORS / "manifest.json"
    return json.loads(path.read_text())["documents"] if path.is_file() else []


def pcr0_of(document: bytes) -> str:
    """Found by its bytes, without parsing: the head of register 0 behind the name of the map."""
    at = document.find(b"\x00\x58\x30", max(document.find(b"\x64pcrs"), 0))
    return document[at + 3:at + 51].hex() if at >= 0 else "ab" * 48


@pytest.mark.parametrize("case", manifest() or [None], ids=lambda case: case["kind"] if case else "absent")
def test_the_vectors_get_the_right_answer(verify, case):
    if case is None:
        pytest.skip(f"no vectors at {VECTORS}")
    evidence = (VECTORS / case["file"]).read_bytes()
    policy = {"pcrs": {index: [value] for index, value in case.get("pcr", {"0": pcr0_of(evidence)}).items()},
              "max_age_seconds": case.get("max_age", 3600)}
    root = None if case["root"] == "aws-root.der" else (VECTORS / case["root"]).read_bytes()
    nonce = bytes.fromhex(case["nonce"]) if "nonce" in case else None
    at = datetime.datetime.strptime(case["time"], "%Y-%m-%dT%H:%M:%SZ")
    verdict = verify.document(evidence, policy=policy, root=root, nonce=nonce, at=at)
    assert verdict.accepted or verdict.refused
    if case["expect"] != "either":
        assert verdict.accepted is (case["expect"] == "accept"), verdict.report
    assert verdict.report["development_root"] is (root is not None)


def test_aws_s_root_is_trusted_by_nobody_s_word(verify):
    path = VECTORS / "aws-root.der"
    if not path.is_file():
        pytest.skip(f"no vectors at {VECTORS}")
    evidence = (VECTORS / "aws.bin").read_bytes()
    policy = {"pcrs": {"0": [pcr0_of(evidence)]}}
    at = datetime.datetime(2024, 12, 13, 8)
    pem = x509.load_der_x509_certificate(path.read_bytes()).public_bytes(serialization.Encoding.PEM)
    for root in (path.read_bytes(), pem):  # named, it is still AWS's
        verdict = verify.document(evidence, policy=policy, at=at, root=root)
        assert verdict.accepted and verdict.report["development_root"] is False
    assert verdict.report["document"]["module_id"] == "i-0f1cd77d37fd8bcc9-enc018e7aa61e2040ff"
    assert verdict.report["document"]["timestamp"] == "2024-12-13T07:37:58Z"
    assert verdict.report["document"]["timestamp_ms"] == 1734075478960
    assert verdict.report["valid_until"] == "2024-12-13T08:57:45Z"
    assert verdict.report["document"]["pcrs"]["4"].startswith("45ff8769d16a46d1")
    assert verdict.report["document"]["user_data"] is None


# Documents of our own, right and wrong in one point.

def test_a_sound_document_is_accepted(verify, chain):
    verdict = verify.document(make(chain, nonce=b"n" * 20), root=chain.root, nonce=b"n" * 20)
    assert verdict.accepted, verdict.report
    outcomes = {check["name"]: check["outcome"] for check in verdict.report["checks"]}
    asked = {"expectations", "document", "chain", "signature", "freshness", "registers", "nonce"}
    assert outcomes == {name: "held" if name in asked else "not asked" for name in CHECKS}
    assert verdict.report["document"]["nonce"] == "0x" + "6e" * 20


def test_order_of_fields_does_not_matter(verify, chain):
    fields = nitro.payload(chain, NOW, {0: PCR0})
    body = nitro.encode(dict(reversed(fields.items())))
    assert verify.document(nitro.sign_document(chain, body), root=chain.root).accepted


def test_absent_optional_fields_are_as_null_ones(verify, chain):
    fields = nitro.payload(chain, NOW, {0: PCR0})
    for name in ("public_key", "user_data", "nonce"):
        del fields[name]
    verdict = verify.document(nitro.sign_document(chain, nitro.encode(fields)), root=chain.root)
    assert verdict.accepted and verdict.report["document"]["nonce"] is None


def test_any_value_of_a_register_s_list_will_do(verify, chain):
    values = [bytes([i] * 48).hex() for i in range(15)] + ["0x" + PCR0.hex().upper()]
    assert verify.document(make(chain), root=chain.root, policy={"pcrs": {"0": values}}).accepted


POLICIES_NOT_MET = {
    "another image": {"pcrs": {"0": [PCR8.hex()]}},
    "another signer": {"pcrs": {"8": [PCR0.hex()]}},
    "one of two": {"pcrs": {"0": [PCR0.hex()], "8": [PCR0.hex()]}},
    "a register that is zero": {"pcrs": {"0": [PCR0.hex()], "3": [PCR0.hex()]}},
    "a register that is not there": {"pcrs": {"0": [PCR0.hex()], "16": ["00" * 48]}},
}


@pytest.mark.parametrize("policy", POLICIES_NOT_MET.values(), ids=POLICIES_NOT_MET.keys())
def test_other_registers_are_refused(verify, chain, policy):
    assert verify.document(make(chain), root=chain.root, policy=policy).refused == "registers"


def test_debug_mode_is_refused_unless_asked_for_by_name(verify, chain):
    zero = ["00" * 48]
    debug = make(chain, pcrs={})
    for policy in ({"pcrs": {"0": zero}}, {"pcrs": {"8": zero}}, {"pcrs": {"0": zero}, "allow_debug": False}):
        assert verify.document(debug, root=chain.root, policy=policy).refused == "registers"
    allowed = verify.document(debug, root=chain.root, policy={"pcrs": {"0": zero}, "allow_debug": True})
    assert allowed.accepted and allowed.report["debug_mode"] is True
    unsigned = make(chain, pcrs={0: PCR0})
    assert verify.document(unsigned, root=chain.root, policy={"pcrs": {"8": zero}}).refused == "registers"
    # a signer that is right does not excuse an image that is zero
    strange = make(chain, pcrs={8: PCR8})
    assert verify.document(strange, root=chain.root, policy={"pcrs": {"8": [PCR8.hex()]}}).refused == "registers"
    assert verify.document(make(chain), root=chain.root,
                           policy={"pcrs": {"0": zero}, "allow_debug": True}).refused == "registers"


@pytest.mark.parametrize("age,max_age,refused", [
    (0, 1, False), (300, 300, False), (301, 300, True), (3600, None, False), (3601, None, True),
    (-300, 60, False), (-301, 60, True),
])
def test_freshness_has_both_ends(verify, chain, age, max_age, refused):
    policy = {"pcrs": {"0": [PCR0.hex()]}} | ({} if max_age is None else {"max_age_seconds": max_age})
    verdict = verify.document(make(chain, made=NOW - age * SECOND), root=chain.root, policy=policy)
    assert verdict.refused == "freshness" if refused else verdict.accepted


def test_nonces_are_compared_whole(verify, chain):
    wanted = bytes(range(20))
    for nonce in (None, b"", wanted[:-1], wanted + b"\0", bytes(20)):
        assert verify.document(make(chain, nonce=nonce), root=chain.root, nonce=wanted).refused == "nonce"
    longest = bytes(512)
    assert verify.document(make(chain, nonce=longest), root=chain.root, nonce=longest).accepted


def test_a_configuration_is_that_of_register_16(verify, chain):
    measured = nitro.pcr_of(nitro.sha384(CONFIGURATION))
    right = make(chain, pcrs={0: PCR0, 16: measured})
    assert verify.document(right, root=chain.root, configuration=CONFIGURATION).accepted
    for wrong in (make(chain), make(chain, pcrs={0: PCR0, 16: nitro.pcr_of(CONFIGURATION)}),
                  make(chain, pcrs={0: PCR0, 16: bytes(48)})):
        assert verify.document(wrong, root=chain.root, configuration=CONFIGURATION).refused == "configuration"
    assert verify.document(right, root=chain.root, configuration=CONFIGURATION + b"\n").refused == "configuration"


# What a chain may not be: a plan's name, and what is different.
BROKEN_CHAINS = {
    "leaf expired": ("leaf", {"not_after": NOW - SECOND}),
    "leaf not yet valid": ("leaf", {"not_before": NOW + 301 * SECOND}),
    "instance expired": ("instance", {"not_after": NOW - SECOND}),
    "zonal not yet valid": ("zonal", {"not_before": NOW + 301 * SECOND}),
    "regional expired": ("regional", {"not_after": NOW - SECOND}),
    "root expired": ("root", {"not_after": NOW - SECOND}),
    "leaf a CA": ("leaf", {"ca": True, "path_length": 0}),
    "leaf without constraints": ("leaf", {"ca": None}),
    "leaf without usage": ("leaf", {"key_usage": None}),
    "leaf for other than signatures": ("leaf", {"key_usage": ("key_agreement",)}),
    "instance no CA": ("instance", {"ca": False, "path_length": None}),
    "instance without constraints": ("instance", {"ca": None}),
    "zonal without a path length": ("zonal", {"path_length": None}),
    "zonal with too short a path": ("zonal", {"path_length": 0}),
    "regional with too short a path": ("regional", {"path_length": 1}),
    "zonal not critical": ("zonal", {"constraints_critical": False}),
    "instance without usage": ("instance", {"key_usage": None}),
    "instance may not sign": ("instance", {"key_usage": ("digital_signature",)}),
    "root may not sign": ("root", {"key_usage": ("digital_signature",)}),
    "leaf of P-256": ("leaf", {"curve": ec.SECP256R1()}),
    "instance of P-521": ("instance", {"curve": ec.SECP521R1()}),
    "zonal signed with SHA-256": ("zonal", {"digest": hashes.SHA256()}),
    "leaf signed with SHA-512": ("leaf", {"digest": hashes.SHA512()}),
    "leaf signed by a stranger": ("leaf", {"signer": ec.generate_private_key(ec.SECP384R1())}),
    "regional signed by a stranger": ("regional", {"signer": ec.generate_private_key(ec.SECP384R1())}),
    "root signed by a stranger": ("root", {"signer": ec.generate_private_key(ec.SECP384R1())}),
    "leaf of another issuer": ("leaf", {"issuer_name": "somebody"}),
    "an unknown critical extension": ("zonal", {"extra": (
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00"), True),)}),
}


@pytest.mark.parametrize("name,changes", BROKEN_CHAINS.values(), ids=BROKEN_CHAINS.keys())
def test_broken_chains_are_refused(verify, name, changes):
    plans = nitro.chain_plans(NOW)
    plans[name] = dataclasses.replace(plans[name], **changes)
    broken = nitro.make_chain(NOW, plans)
    key = broken.leaf_key
    document = nitro.sign_document(broken, nitro.encode(nitro.payload(broken, NOW, {0: PCR0})), key)
    if key.curve.name != "secp384r1":  # a signature of the length that the format wants
        document = nitro.sign_document(broken, nitro.encode(nitro.payload(broken, NOW, {0: PCR0})),
                                       ec.generate_private_key(ec.SECP384R1()))
    assert verify.document(document, root=broken.root).refused == "chain"


@pytest.mark.parametrize("name,changes", [
    ("leaf", {"not_before": NOW + 300 * SECOND}),
    ("leaf", {"not_after": NOW}),
    ("zonal", {"path_length": 7}),
    ("leaf", {"constraints_critical": False}),
])
def test_chains_at_the_limit_are_accepted(verify, name, changes):
    plans = nitro.chain_plans(NOW)
    plans[name] = dataclasses.replace(plans[name], **changes)
    chain = nitro.make_chain(NOW, plans)
    assert verify.document(make(chain), root=chain.root).accepted


def test_chains_have_one_order(verify, chain):
    root, regional, zonal, instance = chain.cabundle
    other = nitro.make_chain(NOW)
    for bundle in ([regional, zonal, instance], [root, zonal, regional, instance], [root, regional, instance],
                   [root, regional, zonal], [root, regional, zonal, instance, instance],
                   [root, root, regional, zonal, instance], [root, regional, zonal, instance, other.cabundle[3]],
                   [root], [other.root, regional, zonal, instance], [root, regional, zonal, instance, chain.leaf],
                   [instance, zonal, regional, root]):
        assert verify.document(make(chain, cabundle=bundle), root=chain.root).refused == "chain"
    assert verify.document(make(chain), root=other.root).refused == "chain"
    assert verify.document(make(chain)).refused == "chain"  # AWS's root
    assert verify.document(make(chain, certificate=instance), root=chain.root).refused == "chain"
    assert verify.document(make(chain, certificate=chain.leaf + b"\0"), root=chain.root).refused == "chain"
    assert verify.document(make(chain, certificate=b"\x30\x00"), root=chain.root).refused == "chain"


def test_chains_of_sixteen_are_the_longest(verify):
    for certificates, accepted in ((16, True), (17, False)):
        plans = nitro.chain_plans(NOW)
        middle = {f"ca{i}": dataclasses.replace(plans["zonal"], name=f"ca{i}", path_length=certificates)
                  for i in range(certificates - 2)}
        chain = nitro.make_chain(NOW, {"root": plans["root"], **middle, "leaf": plans["leaf"]})
        verdict = verify.document(make(chain), root=chain.root)
        assert verdict.accepted if accepted else verdict.refused == "document", verdict.report


def test_signatures_are_of_the_leaf_over_the_payload(verify, chain):
    body = nitro.encode(nitro.payload(chain, NOW, {0: PCR0}))
    good = nitro.raw_signature(chain.leaf_key, nitro.signed_bytes(body))

    def refused(signature: bytes) -> str:
        document = nitro.encode([nitro.PROTECTED, {}, body, signature])
        return verify.document(document, root=chain.root).refused

    assert refused(nitro.raw_signature(chain.keys[3], nitro.signed_bytes(body))) == "signature"
    assert refused(nitro.raw_signature(chain.leaf_key, body)) == "signature"
    assert refused(nitro.raw_signature(chain.leaf_key, nitro.signed_bytes(body, context="Signature"))) == "signature"
    assert refused(nitro.raw_signature(chain.leaf_key, nitro.signed_bytes(body, b""))) == "signature"
    assert refused(nitro.raw_signature(chain.leaf_key, nitro.signed_bytes(body + b"\0"))) == "signature"
    assert refused(good[48:] + good[:48]) == "signature"
    assert refused(bytes(96)) == "signature"
    assert refused(good[:48] + bytes(48)) == "signature"
    assert refused(b"\xff" * 96) == "signature"
    assert refused(good + b"\0") == "document"
    assert refused(good[:-1]) == "document"


def test_payloads_that_are_wrong_are_refused(verify, chain):
    fields = nitro.payload(chain, NOW, {0: PCR0})

    def refused(**changes) -> str:
        return verify.document(nitro.sign_document(chain, nitro.encode(fields | changes)), root=chain.root).refused

    wrong = [
        {"module_id": ""}, {"module_id": "i 0"}, {"module_id": "i-\x1b[2J"}, {"module_id": "x" * 256}, {"module_id": None},
        {"digest": "SHA256"}, {"digest": None}, {"digest": "SHA384\0"},
        {"timestamp": 0}, {"timestamp": -1}, {"timestamp": None}, {"timestamp": str(fields["timestamp"])},
        {"pcrs": {}}, {"pcrs": []}, {"pcrs": {32: PCR0}}, {"pcrs": {-1: PCR0}}, {"pcrs": {0: PCR0[:-1]}},
        {"pcrs": {0: PCR0[:32]}}, {"pcrs": {0: PCR0 + bytes(16)}}, {"pcrs": {"0": PCR0}}, {"pcrs": None},
        {"pcrs": nitro.Pairs([(0, PCR0), (0, PCR0)])},
        {"certificate": b""}, {"certificate": None}, {"certificate": bytes(1025)},
        {"cabundle": []}, {"cabundle": None}, {"cabundle": [b""]}, {"cabundle": [bytes(1025)]},
        {"cabundle": [b"x"] * 16},
        {"public_key": b""}, {"public_key": bytes(1025)}, {"public_key": "x"},
        {"user_data": bytes(513)}, {"user_data": 1}, {"nonce": bytes(513)}, {"nonce": "x"},
        {"more": [[[[[[[[[0]]]]]]]]]},
        {f"more{i}": i for i in range(16)},
    ]
    for changes in wrong:
        assert refused(**changes) == "document", changes
    for name in ("module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle"):
        rest = {other: value for other, value in fields.items() if other != name}
        document = nitro.sign_document(chain, nitro.encode(rest))
        assert verify.document(document, root=chain.root).refused == "document", name
    twice = nitro.Pairs([*fields.items(), ("nonce", None)])
    assert verify.document(nitro.sign_document(chain, nitro.encode(twice)), root=chain.root).refused == "document"
    unknown_twice = nitro.Pairs([*fields.items(), ("x", 1), ("x", 1)])
    assert verify.document(nitro.sign_document(chain, nitro.encode(unknown_twice)),
                           root=chain.root).refused == "document"


def test_fields_of_a_newer_module_are_passed_over(verify, chain):
    assert verify.document(make(chain, more={"a": [1, None, b"x"]}, again=True), root=chain.root).accepted


def test_sixteen_kilobytes_are_the_limit(verify, chain):
    room = 16 * 1024 - len(make(chain, more=bytes(10000))) + 10000
    assert verify.document(make(chain, more=bytes(room)), root=chain.root).accepted
    assert verify.document(make(chain, more=bytes(room + 1)), root=chain.root).refused == "document"
    assert call("atls", "verify", *verify.arguments("document", bytes(64 * 1024 + 1))).code == FAILED


# Certificates that carry a document.

@dataclasses.dataclass
class Attested:
    """What an enclave makes for attested TLS, to be changed before it is put together."""

    chain: nitro.Chain
    key: object = dataclasses.field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    fields: dict = dataclasses.field(default_factory=dict)  # of the payload
    changes: dict = dataclasses.field(default_factory=dict)  # of the certificate
    pcrs: dict = dataclasses.field(default_factory=lambda: {
        0: PCR0, 16: nitro.pcr_of(nitro.sha384(CONFIGURATION))})

    @property
    def document(self) -> bytes:
        spki = nitro.spki_of(self.key)
        bound = {"public_key": spki, "user_data": nitro.user_data(spki, CONFIGURATION)}
        return make(self.chain, pcrs=self.pcrs, **(bound | self.fields))

    def certificate(self, value: bytes | None = None) -> bytes:
        value = nitro.cmw(self.document, 4) if value is None else value
        return nitro.make_evidence_certificate(self.key, value, NOW, **self.changes)


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1()], ids=lambda curve: curve.name)
def test_a_sound_certificate_is_accepted(verify, chain, curve):
    attested = Attested(chain, key=ec.generate_private_key(curve))
    der = attested.certificate()
    pem = x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM)
    for evidence in (der, pem, attested.certificate(nitro.cmw(attested.document))):
        verdict = verify.certificate(evidence, root=chain.root, configuration=CONFIGURATION)
        assert verdict.accepted, verdict.report
        assert {check["outcome"] for check in verdict.report["checks"] if check["name"] != "nonce"} == {"held"}
        assert verdict.report["configuration"] == nitro.sha384(CONFIGURATION).hex()
    assert verify.certificate(der, root=chain.root).accepted


def test_the_document_and_the_key_belong_together(verify, chain):
    attested = Attested(chain)
    spki = nitro.spki_of(attested.key)
    stolen = Attested(chain)  # another key, with the document of the first
    assert verify.certificate(stolen.certificate(nitro.cmw(attested.document, 4)), root=chain.root).refused == "public_key"
    right = nitro.user_data(spki, CONFIGURATION)
    for user_data in (None, b"", right[:-1], right + b"\0", bytes(123), right[:27] + bytes(48) + right[75:],
                      nitro.user_data(spki, CONFIGURATION, b"containment-chamber/atls/v2"),
                      nitro.LABEL + nitro.sha384(spki) + nitro.sha384(CONFIGURATION),
                      nitro.user_data(nitro.spki_of(stolen.key), CONFIGURATION)):
        wrong = Attested(chain, attested.key, fields={"user_data": user_data})
        assert verify.certificate(wrong.certificate(), root=chain.root).refused == "user_data"
    for public_key in (None, spki[:-1], spki + b"\0", nitro.spki_of(stolen.key)):
        wrong = Attested(chain, attested.key, fields={"public_key": public_key})
        assert verify.certificate(wrong.certificate(), root=chain.root).refused == "public_key"


def test_the_configuration_is_the_one_that_was_measured(verify, chain):
    attested = Attested(chain)
    assert verify.certificate(attested.certificate(), root=chain.root,
                              configuration=b"network: hoodi\n").refused == "configuration"
    other = Attested(chain, pcrs={0: PCR0, 16: nitro.pcr_of(nitro.sha384(b"other"))})
    assert verify.certificate(other.certificate(), root=chain.root).refused == "configuration"
    unmeasured = Attested(chain, pcrs={0: PCR0})
    assert verify.certificate(unmeasured.certificate(), root=chain.root).accepted
    assert verify.certificate(unmeasured.certificate(), root=chain.root,
                              configuration=CONFIGURATION).refused == "configuration"


def test_the_certificate_is_its_own_issuer_s_and_valid(verify, chain):
    stranger = ec.generate_private_key(ec.SECP256R1())
    for changes in ({"signer": stranger}, {"issuer": "somebody"}, {"not_after": NOW - SECOND, "not_before": NOW - MINUTE},
                    {"not_before": NOW + 301 * SECOND}):
        attested = Attested(chain, changes=changes)
        assert verify.certificate(attested.certificate(), root=chain.root).refused == "certificate", changes
    for key in (rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP521R1())):
        assert verify.certificate(Attested(chain, key).certificate(), root=chain.root).refused == "certificate"
    critical = Attested(chain, changes={"critical": True})
    assert verify.certificate(critical.certificate(), root=chain.root).accepted


def test_the_certificate_lives_within_the_document_s_leaf(verify, chain):
    leaf = chain.certificates[-1]
    begin = leaf.not_valid_before.replace(tzinfo=datetime.timezone.utc)
    end = leaf.not_valid_after.replace(tzinfo=datetime.timezone.utc)
    whole = Attested(chain, changes={"not_before": begin - 300 * SECOND, "not_after": end})
    assert verify.certificate(whole.certificate(), root=chain.root).accepted
    for changes in ({"not_after": end + SECOND}, {"not_before": begin - 301 * SECOND}):
        attested = Attested(chain, changes=changes)
        assert verify.certificate(attested.certificate(), root=chain.root).refused == "lifetime"


def test_evidence_is_written_in_one_way(verify, chain):
    attested = Attested(chain)
    document = attested.document
    record = nitro.encode([nitro.MEDIA_TYPE, document, 4])
    long_head = nitro.encode([nitro.MEDIA_TYPE, document]).replace(b"\x59", b"\x5a\0\0", 1)
    size = len(record).to_bytes(2, "big")
    values = [
        b"", b"\x05\x00", b"\x04\x00", record,
        nitro.cmw(document, 0), nitro.cmw(document, 5), nitro.cmw(document, -1), nitro.cmw(document, None),
        nitro.cmw(document, 4, 4), nitro.cmw(document, 4, media_type="application/eat+cwt"),
        nitro.cmw(document, 4, media_type=nitro.MEDIA_TYPE + "\0"), nitro.cmw(document, 4) + b"\0",
        nitro.der_octet_string(record + b"\0"), nitro.der_octet_string(long_head),
        nitro.der_octet_string(b"\xd9\x01\x23" + record), nitro.der_octet_string(document),
        b"\x24\x80\x04\x82" + size + record + b"\0\0",  # constructed
        b"\x04\x83\x00" + size + record,                # a longer length than needed
        b"\x0c\x82" + size + record,                    # UTF8String: the JSON form
        nitro.der_octet_string(nitro.encode([nitro.MEDIA_TYPE])),
        nitro.der_octet_string(nitro.encode([nitro.MEDIA_TYPE, "document"])),
        nitro.der_octet_string(nitro.encode({nitro.MEDIA_TYPE: document})),
    ]
    for value in values:
        assert verify.certificate(attested.certificate(value), root=chain.root).refused == "evidence", value[:40].hex()
    none = nitro.make_evidence_certificate(attested.key, None, NOW)
    assert verify.certificate(none, root=chain.root).refused == "evidence"
    assert verify.certificate(attested.certificate(nitro.cmw(b"\x84", 4)), root=chain.root).refused == "document"


def test_what_is_no_certificate_is_refused(verify, chain):
    der = Attested(chain).certificate()
    pem = x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM)
    for evidence in (b"", b"\x30", der[:-1], der + b"\0", pem + pem, pem[:-40], b"-----BEGIN", bytes(40000)):
        called = call("atls", "verify", "--json", *verify.arguments("certificate", evidence, root=chain.root))
        assert called.code == FAILED, called
        report = json.loads(called.out)
        assert report["verified"] is False and report["document"] is None
        assert report["development_root"] is True
        assert report["reason"].startswith("certificate: ")


# The command itself.

def test_the_report_says_the_verdict_first_and_shouts_a_development_root(verify, chain):
    good = call("atls", "verify", *verify.arguments("document", make(chain), root=chain.root))
    assert (good.code, good.err) == (DONE, "")
    lines = good.out.splitlines()
    assert lines[0] == "accepted: everything held at 2026-06-01T12:10:00Z"
    assert lines[1].startswith("DEVELOPMENT ROOT: ")
    assert f"  PCR0         {PCR0.hex()}" in lines
    bad = call("atls", "verify", *verify.arguments("document", make(chain)))
    assert bad.code == FAILED
    assert bad.err == "containment-chamber: chain: cabundle[0]: not the root that is trusted\n"
    assert bad.out.splitlines()[0] == ("refused: chain: cabundle[0]: not the root that is trusted"
                                       " (at 2026-06-01T12:10:00Z)")
    assert "DEVELOPMENT" not in bad.out and "the document claims" in bad.out
    debug = call("atls", "verify", *verify.arguments("document", make(chain, pcrs={}), root=chain.root))
    assert debug.code == FAILED and "\nDEBUG MODE: " in debug.out


def test_without_a_time_it_is_now(verify):
    now = datetime.datetime.now(datetime.timezone.utc)
    chain = nitro.make_chain(now)
    arguments = verify.arguments("document", make(chain, made=now), root=chain.root)
    del arguments[arguments.index("--at"):arguments.index("--at") + 2]
    assert call("atls", "verify", *arguments).code == DONE


WRONG_CALLS = {
    "nothing": [],
    "no policy": ["--document", "evidence"],
    "no evidence": ["--policy", "policy"],
    "both": ["--document", "evidence", "--certificate", "evidence", "--policy", "policy"],
    "an empty nonce": ["--document", "evidence", "--policy", "policy", "--nonce", ""],
    "half a nonce": ["--document", "evidence", "--policy", "policy", "--nonce", "abc"],
    "no nonce": ["--document", "evidence", "--policy", "policy", "--nonce", "xx"],
    "a long nonce": ["--document", "evidence", "--policy", "policy", "--nonce", "00" * 513],
    "no time": ["--document", "evidence", "--policy", "policy", "--at", "yesterday"],
    "no such evidence": ["--document", "absent", "--policy", "policy"],
    "no such policy": ["--document", "evidence", "--policy", "absent"],
    "no such root": ["--document", "evidence", "--policy", "policy", "--root", "absent"],
    "no root": ["--document", "evidence", "--policy", "policy", "--root", "policy"],
    "no such configuration": ["--document", "evidence", "--policy", "policy", "--configuration", "absent"],
    "a folder": ["--document", ".", "--policy", "policy"],
    "an unknown option": ["--document", "evidence", "--policy", "policy", "--insecure"],
}


@pytest.mark.parametrize("arguments", WRONG_CALLS.values(), ids=WRONG_CALLS.keys())
def test_wrong_calls_are_told_apart_from_refusals(verify, chain, arguments):
    verify.arguments("document", make(chain), root=chain.root)
    called = call("atls", "verify", *arguments, folder=verify.folder)
    assert called.code == USAGE
    assert called.complaint


WRONG_POLICIES = {
    "empty": "",
    "empty object": "{}",
    "null": "null",
    "a list": "[]",
    "text": "pcrs",
    "no registers": '{"pcrs": {}}',
    "registers are null": "pcrs:",
    "only the role": '{"pcrs": {"3": ["%s"]}}' % PCR0.hex(),
    "no values": '{"pcrs": {"0": []}}',
    "no list": '{"pcrs": {"0": "%s"}}' % PCR0.hex(),
    "a short value": '{"pcrs": {"0": ["%s"]}}' % PCR0.hex()[:-1],
    "an empty value": '{"pcrs": {"0": [""]}}',
    "a value that is a list": '{"pcrs": {"0": [["%s"]]}}' % PCR0.hex(),
    "a register beyond 31": '{"pcrs": {"0": ["%s"], "32": ["%s"]}}' % (PCR0.hex(), PCR0.hex()),
    "a register by name": '{"pcrs": {"PCR0": ["%s"]}}' % PCR0.hex(),
    "the same value twice": '{"pcrs": {"0": ["%s", "%s"]}}' % (PCR0.hex(), PCR0.hex().upper()),
    "a register twice": '{"pcrs": {"0": ["%s"], "0": ["%s"]}}' % (PCR0.hex(), PCR8.hex()),
    "a register twice, otherwise written": '{"pcrs": {"0": ["%s"], "00": ["%s"]}}' % (PCR0.hex(), PCR8.hex()),
    "a key twice": '{"pcrs": {"0": ["%s"]}, "pcrs": {"0": ["%s"]}}' % (PCR0.hex(), PCR8.hex()),
    "an unknown key": '{"pcrs": {"0": ["%s"]}, "max_age": 60}' % PCR0.hex(),
    "a root": '{"pcrs": {"0": ["%s"]}, "root": "x"}' % PCR0.hex(),
    "no age": '{"pcrs": {"0": ["%s"]}, "max_age_seconds": 0}' % PCR0.hex(),
    "an age below nothing": '{"pcrs": {"0": ["%s"]}, "max_age_seconds": -1}' % PCR0.hex(),
    "an age that is text": '{"pcrs": {"0": ["%s"]}, "max_age_seconds": "1h"}' % PCR0.hex(),
    "a doubtful debug": '{"pcrs": {"0": ["%s"]}, "allow_debug": 1}' % PCR0.hex(),
    "cut short": '{"pcrs": {"0": ["%s"]' % PCR0.hex(),
    "two documents": "pcrs: {0: [%s]}\n---\npcrs: {0: [%s]}\n" % (PCR0.hex(), PCR8.hex()),
    "17 values": json.dumps({"pcrs": {"0": [bytes([i] * 48).hex() for i in range(17)]}}),
    "too long": "#" * (128 * 1024) + '\n{"pcrs": {"0": ["%s"]}}' % PCR0.hex(),
}


@pytest.mark.parametrize("text", WRONG_POLICIES.values(), ids=WRONG_POLICIES.keys())
def test_wrong_policies_are_refused_whatever_the_evidence(verify, chain, text):
    called = call("atls", "verify", *verify.arguments("document", make(chain), root=chain.root, policy=text.encode()))
    assert called.code == USAGE
    assert str(verify.folder / "policy") in called.complaint


def test_policies_may_be_yaml(verify, chain):
    text = f"# image\npcrs:\n  0:\n    - {PCR0.hex()}\n  \"8\": ['{PCR8.hex()}']\nmax_age_seconds: 60\nallow_debug: false\n"
    assert verify.document(make(chain), root=chain.root, policy=text.encode()).accepted


def test_help_tells_the_exit_codes():
    for arguments in (["atls"], ["atls", "--help"], ["atls", "verify", "--help"], ["atls", "verify", "-h"]):
        called = call(*arguments)
        assert called.code == DONE and "1 the evidence is refused" in called.out
    unknown = call("atls", "trust")
    assert unknown.code == USAGE and "atls trust" in unknown.complaint
