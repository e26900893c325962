"""Attestation documents of a Nitro security module, made with keys of our own: a certificate chain like AWS's
(root, regional, zonal, instance, leaf; P-384, ecdsa-with-SHA384) and COSE_Sign1 around a payload. Written from
RFC 8949, RFC 9052 and AWS's description of the attestation process, and sharing nothing with src/.

    chain = make_chain(now)
    document = sign_document(chain, encode(payload(chain, now, pcrs={0: b"\\1" * 48})))

What is wrong on purpose is made by changing the plans, the payload or the pieces before they are signed."""
import dataclasses
import datetime
import hashlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import NameOID

PROTECTED = bytes.fromhex("a1013822")  # {1: -35}: ES384
HOUR = datetime.timedelta(hours=1)


def head(major: int, number: int) -> bytes:
    """The head of a CBOR item, in its shortest form."""
    if number < 24:
        return bytes([major << 5 | number])
    for low, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << 8 * size:
            return bytes([major << 5 | low]) + number.to_bytes(size, "big")
    raise ValueError(number)


class Pairs(list):
    """A map as a list of pairs, for one that has a key twice."""


def encode(value) -> bytes:
    """CBOR of None, bool, int, bytes, str, list and dict (in its own order)."""
    if value is None:
        return b"\xf6"
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, (dict, Pairs)):
        pairs = list(value.items()) if isinstance(value, dict) else value
        return head(5, len(pairs)) + b"".join(encode(key) + encode(item) for key, item in pairs)
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(encode, value))
    raise TypeError(type(value))


@dataclasses.dataclass
class Plan:
    """What one certificate says."""

    name: str
    not_before: datetime.datetime
    not_after: datetime.datetime
    ca: bool | None = True  # None: no basicConstraints
    path_length: int | None = None
    constraints_critical: bool = True
    key_usage: tuple[str, ...] | None = ("key_cert_sign", "crl_sign", "digital_signature")
    usage_critical: bool = True
    curve: ec.EllipticCurve = dataclasses.field(default_factory=ec.SECP384R1)
    digest: hashes.HashAlgorithm = dataclasses.field(default_factory=hashes.SHA384)
    extra: tuple[tuple[x509.ExtensionType, bool], ...] = ()  # further extensions, and whether critical
    issuer_name: str | None = None  # in place of the issuer's own
    signer: object = None  # a private key in place of the issuer's


@dataclasses.dataclass
class Chain:
    """Certificates from the root to the leaf, and their keys."""

    certificates: list[x509.Certificate]
    keys: list[ec.EllipticCurvePrivateKey]

    @property
    def ders(self) -> list[bytes]:
        return [certificate.public_bytes(serialization.Encoding.DER) for certificate in self.certificates]

    @property
    def root(self) -> bytes:
        return self.ders[0]

    @property
    def cabundle(self) -> list[bytes]:
        """As a document carries it: root first, without the leaf."""
        return self.ders[:-1]

    @property
    def leaf(self) -> bytes:
        return self.ders[-1]

    @property
    def leaf_key(self) -> ec.EllipticCurvePrivateKey:
        return self.keys[-1]


def chain_plans(now: datetime.datetime) -> dict[str, Plan]:
    """A chain as AWS's is at `now`: the leaf began an hour ago and lasts for two more."""
    day = 24 * HOUR
    return {
        "root": Plan("aws.nitro-enclaves", now - 365 * day, now + 3650 * day),
        "regional": Plan("e1f2.us-east-1.aws.nitro-enclaves", now - 5 * day, now + 15 * day, path_length=2),
        "zonal": Plan("a1b2.zonal.us-east-1.aws.nitro-enclaves", now - 2 * day, now + 4 * day, path_length=1),
        "instance": Plan("i-0123.us-east-1.aws.nitro-enclaves", now - 2 * HOUR, now + 22 * HOUR,
                         path_length=0, key_usage=("key_cert_sign",)),
        "leaf": Plan("i-0123-enc0456.us-east-1.aws", now - HOUR, now + 2 * HOUR, ca=False,
                     key_usage=("digital_signature", "content_commitment"), usage_critical=False),
    }


def distinguished_name(common_name: str) -> x509.Name:
    return x509.Name([
        x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example"),
    ])


def key_usage(names: tuple[str, ...]) -> x509.KeyUsage:
    every = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: name in names for name in every})


def make_certificate(plan: Plan, key, issuer_name: str, issuer_key) -> x509.Certificate:
    builder = (x509.CertificateBuilder()
               .subject_name(distinguished_name(plan.name))
               .issuer_name(distinguished_name(plan.issuer_name or issuer_name))
               .public_key(key.public_key())
               .serial_number(x509.random_serial_number())
               .not_valid_before(plan.not_before.replace(microsecond=0))
               .not_valid_after(plan.not_after.replace(microsecond=0)))
    if plan.ca is not None:
        constraints = x509.BasicConstraints(ca=plan.ca, path_length=plan.path_length)
        builder = builder.add_extension(constraints, critical=plan.constraints_critical)
    if plan.key_usage is not None:
        builder = builder.add_extension(key_usage(plan.key_usage), critical=plan.usage_critical)
    for extension, critical in plan.extra:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(plan.signer or issuer_key, plan.digest)


def make_chain(now: datetime.datetime, plans: dict[str, Plan] | None = None) -> Chain:
    """A fresh chain, each certificate signed by the one before it, the root by itself."""
    ordered = list((plans or chain_plans(now)).values())
    keys = [ec.generate_private_key(plan.curve) for plan in ordered]
    certificates = []
    for index, plan in enumerate(ordered):
        issuer = max(index - 1, 0)
        certificates.append(make_certificate(plan, keys[index], ordered[issuer].name, keys[issuer]))
    return Chain(certificates, keys)


def with_new_leaf(chain: Chain, now: datetime.datetime, lifetime: datetime.timedelta = 2 * HOUR) -> Chain:
    """The same chain, but for a fresh leaf, as the module gets one from time to time."""
    plans = chain_plans(now)
    plan, key = dataclasses.replace(plans["leaf"], not_after=now + lifetime), ec.generate_private_key(ec.SECP384R1())
    leaf = make_certificate(plan, key, plans["instance"].name, chain.keys[-2])
    return Chain([*chain.certificates[:-1], leaf], [*chain.keys[:-1], key])


def payload(chain: Chain, now: datetime.datetime, pcrs: dict[int, bytes] | None = None, **fields) -> dict:
    """What a module says at `now`, in AWS's order of fields; unnamed registers to 15 are zero. `fields` replace
    those of the same name, or are added."""
    registers = {index: bytes(48) for index in range(16)} | (pcrs or {})
    return {
        "module_id": "i-0123-enc0456",
        "digest": "SHA384",
        "timestamp": int(now.timestamp() * 1000),
        "pcrs": dict(sorted(registers.items())),
        "certificate": chain.leaf,
        "cabundle": chain.cabundle,
        "public_key": None,
        "user_data": None,
        "nonce": None,
    } | fields


def raw_signature(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """r || s, each as long as the curve's order."""
    size = (key.curve.key_size + 7) // 8
    r, s = utils.decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA384())))
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def signed_bytes(body: bytes, protected: bytes = PROTECTED, context: str = "Signature1") -> bytes:
    """RFC 9052 section 4.4: the Sig_structure."""
    return encode([context, protected, b"", body])


def sign_document(chain: Chain, body: bytes, key=None) -> bytes:
    """COSE_Sign1 around the payload's CBOR, signed by the leaf's key or another."""
    signature = raw_signature(key or chain.leaf_key, signed_bytes(body))
    return encode([PROTECTED, {}, body, signature])


def make_document(chain: Chain, now: datetime.datetime, pcrs: dict[int, bytes] | None = None, **fields) -> bytes:
    return sign_document(chain, encode(payload(chain, now, pcrs, **fields)))


# Attested TLS: a certificate that carries a document (docs/attestation.md).

LABEL = b"containment-chamber/atls/v1"
ID_PE_CMW = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.35")
MEDIA_TYPE = "application/aws-nitro-document"


def spki_of(key) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER,
                                         serialization.PublicFormat.SubjectPublicKeyInfo)


def sha384(data: bytes) -> bytes:
    return hashlib.sha384(data).digest()


def user_data(spki: bytes, configuration: bytes, label: bytes = LABEL) -> bytes:
    return label + sha384(label + spki) + sha384(configuration)


def pcr_of(data: bytes) -> bytes:
    """A register that was extended once."""
    return sha384(bytes(48) + data)


def der_octet_string(data: bytes) -> bytes:
    size = len(data)
    if size < 128:
        return bytes([4, size]) + data
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([4, 0x80 | len(length)]) + length + data


def cmw(document: bytes, *more, media_type: str = MEDIA_TYPE) -> bytes:
    """The extension's value: a CBOR record in an OCTET STRING."""
    return der_octet_string(encode([media_type, document, *more]))


def make_evidence_certificate(key, value: bytes | None, now: datetime.datetime,
                              **changes) -> bytes:
    """DER of a self-signed certificate with the extension's value. Changes: not_before, not_after, signer, issuer,
    critical."""
    name = distinguished_name("signer")
    builder = (x509.CertificateBuilder()
               .subject_name(name)
               .issuer_name(distinguished_name(changes["issuer"]) if "issuer" in changes else name)
               .public_key(key.public_key())
               .serial_number(x509.random_serial_number())
               .not_valid_before(changes.get("not_before", now).replace(microsecond=0))
               .not_valid_after(changes.get("not_after", now + HOUR).replace(microsecond=0)))
    if value is not None:
        extension = x509.UnrecognizedExtension(ID_PE_CMW, value)
        builder = builder.add_extension(extension, critical=changes.get("critical", False))
    certificate = builder.sign(changes.get("signer", key), hashes.SHA384())
    return certificate.public_bytes(serialization.Encoding.DER)
