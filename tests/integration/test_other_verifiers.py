"""Attestation documents before three judges: `containment-chamber atls verify`; a verifier of the crate registry
(tests/conformance/attestation); and `openssl verify` on the chain, of which they are a part. Where they do not say the
same, this says why. Then what openssl x509 and asn1parse find in a certificate that carries evidence."""
import calendar
import dataclasses
import datetime
import json
import pathlib
import re
import subprocess

import cbor_reader
import nitro_documents as nitro
import oracles
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from test_atls_verify import (BROKEN_CHAINS, CONFIGURATION, NOW, PCR0, SECOND, VECTORS, Attested, Verifier, make,
                              manifest, pcr0_of)

DAY = datetime.timedelta(days=1)


def seconds(moment: datetime.datetime) -> int:
    return calendar.timegm(moment.utctimetuple())


def pem_of(*ders: bytes) -> bytes:
    return b"".join(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) for der in ders)


class Judges:
    """Each is asked about the same bytes, root and time."""

    def __init__(self, folder: pathlib.Path, program: pathlib.Path):
        self.folder, self.program = folder, program
        self.ours = Verifier(folder)

    def write(self, name: str, content: bytes) -> pathlib.Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    def theirs(self, document: bytes, root: bytes, at: datetime.datetime) -> dict | None:
        """What the document says, or None when it is refused."""
        done = oracles.ask(self.program, self.write("document", document), self.write("root", root), seconds(at))
        assert done.returncode in (0, 1, 101), done  # 101: it gave up in the middle
        return json.loads(done.stdout) if done.returncode == 0 else None

    def openssl(self, document: bytes, root: bytes, at: datetime.datetime) -> bool:
        """Whether OpenSSL finds a way from the document's leaf to the root."""
        payload = cbor_reader.decode(cbor_reader.decode(document)[2])
        return self.openssl_chain(payload["certificate"], payload["cabundle"], root, at)

    def openssl_chain(self, leaf: bytes, others: list[bytes], root: bytes, at: datetime.datetime) -> bool:
        between = ["-untrusted", self.write("others.pem", pem_of(*others))] if others else []
        done = subprocess.run(
            ["openssl", "verify", "-check_ss_sig", "-no-CApath", "-no-CAstore", "-attime", str(seconds(at)), "-CAfile",
             self.write("root.pem", pem_of(root)), *between, self.write("leaf.pem", pem_of(leaf))],
            capture_output=True, text=True, check=False)
        assert done.returncode in (0, 2), done
        return done.returncode == 0


@pytest.fixture(scope="module")
def program() -> pathlib.Path:
    return oracles.oracle("attestation")


@pytest.fixture
def judges(tmp_path, program):
    return Judges(tmp_path, program)


@pytest.fixture(scope="module")
def chain():
    return nitro.make_chain(NOW)


# ------------------------------------------------------------------------------------- the vectors, real and mutated

# Documents of the vectors that the other verifier accepts and ours refuses, and why.
LAX = {
    "payload-head-5a": "it reads lengths that are longer than needed",
    "array-indefinite": "it reads lengths that are not stated",
    "user-data-1025": "it looks at no field's length but the registers'",
    "zero-pcr0": "it leaves the registers to its caller",
    "wrong-pcr0": "it leaves the registers to its caller",
    "wrong-nonce": "it leaves the nonce to its caller",
    "too-old": "it leaves the age to its caller",
}
# And the other way round.
STRICT = {"dev-max": "it takes 31 registers at most, where a module has 32"}
# Chains that openssl verify refuses, too; and the one that it accepts, as order means nothing to it.
BAD_CHAINS = {"expired-1day", "wrong-root", "chain-no-intermediate", "leaf-expired", "fake-root", "intermediate-not-ca",
              "cabundle-empty"}
BAD_ORDER = {"chain-reversed"}
# What the tests' own reader of CBOR, which is as strict as ours but for the tag, finds no chain in.
UNREADABLE = {"truncated-by-1", "trailing-byte", "array-indefinite", "empty", "dup-key-user-data", "payload-trailing",
              "tag-18"}

# None without the vectors: pytest then says that it skips what has no cases, and test_atls_verify.py why.
CASES = {case["kind"]: case for case in manifest()}


def policy_of(case: dict, document: bytes) -> dict:
    registers = case.get("pcr", {"0": pcr0_of(document)})
    return {"pcrs": {index: [value] for index, value in registers.items()},
            "max_age_seconds": case.get("max_age", 3600)}


def time_of(case: dict) -> datetime.datetime:
    return datetime.datetime.strptime(case["time"], "%Y-%m-%dT%H:%M:%SZ")


def our_verdict(judges, case: dict, **changes):
    document = (VECTORS / case["file"]).read_bytes()
    nonce = bytes.fromhex(case["nonce"]) if "nonce" in case else None
    options = {"policy": policy_of(case, document), "nonce": nonce, "at": time_of(case),
               "root": (VECTORS / case["root"]).read_bytes()}
    return judges.ours.document(document, **(options | changes))


def outcome_of(report: dict, name: str) -> str:
    return next(check["outcome"] for check in report["checks"] if check["name"] == name)


def hexadecimal(numbers: list[int] | None) -> str | None:
    return None if numbers is None else "0x" + bytes(numbers).hex()


def same_claims(ours: dict, theirs: dict) -> None:
    for name in ("module_id", "pcrs"):
        assert ours[name] == theirs[name]
    assert ours["timestamp_ms"] == theirs["timestamp"]
    for name in ("public_key", "user_data", "nonce"):
        assert ours[name] == hexadecimal(theirs.get(name))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_vectors_get_the_same_answer_but_for_what_is_listed(judges, case):
    ours = our_verdict(judges, case)
    theirs = judges.theirs((VECTORS / case["file"]).read_bytes(), (VECTORS / case["root"]).read_bytes(), time_of(case))
    kind = case["kind"]
    expected = {**dict.fromkeys(LAX, (False, True)), **dict.fromkeys(STRICT, (True, False))}
    if kind in expected:
        assert (ours.accepted, theirs is not None) == expected[kind]
    else:
        assert ours.accepted is (theirs is not None), ours.report["reason"]
    if theirs is not None and ours.report["document"]:
        same_claims(ours.report["document"], theirs)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_openssl_says_the_same_of_the_vectors_chains(judges, case):
    kind, files = case["kind"], [(VECTORS / case[name]).read_bytes() for name in ("file", "root")]
    report = our_verdict(judges, case).report
    if kind in UNREADABLE:
        assert (report["document"] is None) is (kind != "tag-18")
        with pytest.raises(cbor_reader.CborError):
            judges.openssl(*files, time_of(case))
        return
    assert judges.openssl(*files, time_of(case)) is (kind not in BAD_CHAINS)
    if report["document"]:
        assert outcome_of(report, "chain") == ("refused" if kind in BAD_CHAINS | BAD_ORDER else "held"), report


@pytest.mark.parametrize("kind", [kind for kind in CASES if kind.startswith("real")])
def test_real_documents_are_accepted_while_their_leaf_is_valid(judges, kind):
    case = CASES[kind]
    document, root = ((VECTORS / case[name]).read_bytes() for name in ("file", "root"))
    leaf = x509.load_der_x509_certificate(cbor_reader.decode(cbor_reader.decode(document)[2])["certificate"])
    policy = policy_of(case, document) | {"max_age_seconds": 10 * 24 * 3600}
    made = datetime.datetime.utcfromtimestamp(our_verdict(judges, case).report["document"]["timestamp_ms"] // 1000)
    for at, accepted in [(made, True), (leaf.not_valid_after, True), (leaf.not_valid_after + SECOND, False),
                         (made + DAY, False), (leaf.not_valid_before - 301 * SECOND, False), (made - DAY, False)]:
        assert our_verdict(judges, case, policy=policy, at=at).accepted is accepted, at
        assert (judges.theirs(document, root, at) is not None) is accepted, at
        # OpenSSL takes the last second for the first after the end; RFC 5280 counts it in.
        assert judges.openssl(document, root, at) is (accepted and at != leaf.not_valid_after), at


# ---------------------------------------------------------------------------- documents under a root of development

def three(judges, document: bytes, root: bytes) -> tuple[bool, bool, bool]:
    return (judges.ours.document(document, root=root).accepted, judges.theirs(document, root, NOW) is not None,
            judges.openssl(document, root, NOW))


@pytest.mark.parametrize("fields", [{}, {"user_data": b"u" * 123, "public_key": b"p" * 91, "nonce": b"n" * 20},
                                    {"pcrs": {0: PCR0, 16: nitro.pcr_of(b"x")}}, {"user_data": b""}],
                         ids=["plain", "all", "configured", "empty"])
def test_sound_documents_say_the_same_to_all(judges, chain, fields):
    document = make(chain, **fields)
    assert three(judges, document, chain.root) == (True, True, True)
    same_claims(judges.ours.document(document, root=chain.root).report["document"],
                judges.theirs(document, chain.root, NOW))


def test_no_flipped_bit_passes_either(judges, chain):
    document = make(chain)
    heads = [0, 1, 2, 4, 5, 6, 7, 8, len(document) - 98, len(document) - 97]
    for at in [*heads, *range(9, len(document), 97), len(document) - 1]:
        flipped = bytearray(document)
        flipped[at] ^= 1 << at % 8
        assert not judges.ours.document(bytes(flipped), root=chain.root).accepted, at
        assert judges.theirs(bytes(flipped), chain.root, NOW) is None, at


# Ours refuses all chains of BROKEN_CHAINS. These pass the others, which judge certificates in general.
NO_USAGE = {"leaf without constraints", "leaf without usage", "leaf for other than signatures",
            "instance without usage"}
NO_NEED = {"zonal without a path length", "zonal not critical"}  # AWS's have both
THEIRS_ACCEPT = NO_USAGE | NO_NEED | {
    "instance may not sign",                                             # it looks at no keyUsage
    "zonal signed with SHA-256",                                         # nor is one digest demanded
    "root expired", "root may not sign", "root signed by a stranger",    # a root is a name and a key to it
}
OPENSSL_ACCEPTS = NO_USAGE | NO_NEED | {
    "leaf a CA",                                                         # a leaf is whatever one asks about
    "zonal signed with SHA-256", "leaf signed with SHA-512", "leaf of P-256", "instance of P-521",
}


@pytest.mark.parametrize("kind", BROKEN_CHAINS)
def test_broken_chains_pass_others_only_where_listed(judges, kind):
    name, changes = BROKEN_CHAINS[kind]
    plans = nitro.chain_plans(NOW)
    plans[name] = dataclasses.replace(plans[name], **changes)
    broken = nitro.make_chain(NOW, plans)
    document = nitro.sign_document(broken, nitro.encode(nitro.payload(broken, NOW, {0: PCR0})))
    assert three(judges, document, broken.root) == (False, kind in THEIRS_ACCEPT, kind in OPENSSL_ACCEPTS)


# At the edge of what ours accepts: who else does.
LIMITS = {
    "clock of AWS ahead of ours": ("leaf", {"not_before": NOW + 300 * SECOND}, (True, False, False)),
    "the leaf's last second": ("leaf", {"not_after": NOW}, (True, True, False)),
    "a longer path allowed": ("zonal", {"path_length": 7}, (True, True, True)),
    "leaf's constraints not critical": ("leaf", {"constraints_critical": False}, (True, True, True)),
}


@pytest.mark.parametrize("name,changes,accepted", LIMITS.values(), ids=LIMITS.keys())
def test_chains_at_the_limit_pass_others_but_for_the_clock(judges, name, changes, accepted):
    plans = nitro.chain_plans(NOW)
    plans[name] = dataclasses.replace(plans[name], **changes)
    limit = nitro.make_chain(NOW, plans)
    assert three(judges, make(limit), limit.root) == accepted


# Bundles by the numbers of their certificates, 4 being the leaf, 9 one of another chain; whether the others find a
# path. For ours there is one order and no certificate too many; the other verifier passes the first over unread.
BUNDLES = [
    ([0, 1, 2, 3], True, True, True),
    ([1, 2, 3], False, False, True), ([3, 2, 1, 0], False, False, True),
    ([0, 2, 1, 3], False, True, True), ([0, 1, 2, 3, 3], False, True, True), ([0, 0, 1, 2, 3], False, True, True),
    ([0, 1, 2, 3, 9], False, True, True), ([9, 1, 2, 3], False, True, True), ([0, 1, 2, 3, 4], False, True, True),
    ([0, 2, 3], False, False, False), ([0, 1, 3], False, False, False), ([0, 1, 2], False, False, False),
    ([0], False, False, False), ([0, 9, 2, 3], False, False, False), ([0, 1, 2, 9], False, False, False),
]


@pytest.mark.parametrize("numbers,ours,theirs,openssl", BUNDLES, ids=lambda value: str(value))
def test_bundles_in_another_order_or_with_gaps(judges, chain, numbers, ours, theirs, openssl):
    ders = {**dict(enumerate(chain.ders)), 9: nitro.make_chain(NOW).root}
    document = make(chain, cabundle=[ders[number] for number in numbers])
    assert three(judges, document, chain.root) == (ours, theirs, openssl)


def test_the_root_is_the_one_that_is_trusted(judges, chain):
    other = nitro.make_chain(NOW)  # of the same names
    assert three(judges, make(chain), other.root) == (False, False, False)
    assert three(judges, nitro.sign_document(other, nitro.encode(nitro.payload(chain, NOW, {0: PCR0}))),
                 chain.root) == (False, False, True)  # the chain holds; its key did not sign


# --------------------------------------------------------------------------------------- the certificate with evidence

def openssl(*arguments, given: bytes | None = None) -> bytes:
    return subprocess.run(["openssl", *map(str, arguments)], input=given, capture_output=True, check=True).stdout


def octets_behind(listing: str, what: str) -> bytes:
    """The OCTET STRING that follows an object in asn1parse's listing."""
    found = re.search(rf"OBJECT +:{what}\n.*OCTET STRING +\[HEX DUMP\]:([0-9A-F]+)\n", listing)
    assert found, listing
    return bytes.fromhex(found[1])


def test_openssl_finds_what_we_report_of_a_certificate(judges, chain):
    attested = Attested(chain)
    document = attested.document
    path = judges.write("signer.der", attested.certificate(nitro.cmw(document, 4)))
    report = judges.ours.certificate(path.read_bytes(), root=chain.root, configuration=CONFIGURATION).report
    assert report["verified"] is True

    value = octets_behind(openssl("asn1parse", "-inform", "DER", "-in", path).decode(), r"1\.3\.6\.1\.5\.5\.7\.1\.35")
    inner = openssl("asn1parse", "-inform", "DER", given=value).decode()
    (record,) = re.findall(r"^ +0:d=0 .* prim: OCTET STRING +\[HEX DUMP\]:([0-9A-F]+)\n$", inner)
    assert cbor_reader.decode(bytes.fromhex(record)) == ["application/aws-nitro-document", document, 4]

    pem = openssl("x509", "-inform", "DER", "-in", path, "-noout", "-pubkey")
    spki = openssl("pkey", "-pubin", "-outform", "DER", given=pem)
    assert report["document"]["public_key"] == "0x" + spki.hex()
    digest = openssl("dgst", "-sha384", "-binary", given=nitro.LABEL + spki)
    user_data = nitro.LABEL + digest + bytes.fromhex(report["configuration"])
    assert report["document"]["user_data"] == "0x" + user_data.hex()
    assert bytes.fromhex(report["configuration"]) == openssl("dgst", "-sha384", "-binary", given=CONFIGURATION)

    payload = cbor_reader.decode(cbor_reader.decode(document)[2])
    end = openssl("x509", "-inform", "DER", "-noout", "-enddate", given=payload["certificate"]).decode()
    end = datetime.datetime.strptime(end, "notAfter=%b %d %H:%M:%S %Y GMT\n")
    assert report["valid_until"] == end.strftime("%Y-%m-%dT%H:%M:%SZ")


STRANGER = ec.generate_private_key(ec.SECP256R1())
CERTIFICATES = {
    "sound": ({}, True),
    "expired": ({"not_before": NOW - DAY, "not_after": NOW - SECOND}, False),
    "not yet valid": ({"not_before": NOW + 301 * SECOND}, False),
    "signed by a stranger": ({"signer": STRANGER}, False),
    "of another issuer": ({"issuer": "somebody"}, False),
}


@pytest.mark.parametrize("changes,sound", CERTIFICATES.values(), ids=CERTIFICATES.keys())
def test_openssl_says_the_same_of_the_certificate_itself(judges, chain, changes, sound):
    der = Attested(chain, changes=changes).certificate()
    report = judges.ours.certificate(der, root=chain.root).report
    assert (outcome_of(report, "certificate") == "held", judges.openssl_chain(der, [der], der, NOW)) == (sound, sound)
