"""Checks a signed attestation document as AWS describes it, by way of the `cryptography` package, sharing nothing
with src/: the signature, then each certificate of the chain up to a given root."""
import datetime

from cbor_reader import decode
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from nitro_documents import PROTECTED, signed_bytes


class DocumentError(ValueError):
    """The document does not prove anything."""


def check_chain(ders: list[bytes], at: datetime.datetime) -> list[x509.Certificate]:
    """From the root to the leaf, each signed by the one before it and valid."""
    chain = [x509.load_der_x509_certificate(der) for der in ders]
    for index, certificate in enumerate(chain):
        issuer = chain[max(index - 1, 0)]
        if certificate.issuer != issuer.subject:
            raise DocumentError(f"certificate {index} is of another issuer")
        if not certificate.not_valid_before <= at <= certificate.not_valid_after:
            raise DocumentError(f"certificate {index} is not valid now")
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        if not constraints.critical or constraints.value.ca != (index < len(chain) - 1):
            raise DocumentError(f"certificate {index} is in the wrong place")
        issuer.public_key().verify(certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(hashes.SHA384()))
    return chain


def checked(document: bytes, root: bytes, at: datetime.datetime) -> dict:
    """The payload of a document that the given root vouches for."""
    protected, unprotected, body, signature = decode(document)
    if protected != PROTECTED or unprotected != {} or len(signature) != 96:
        raise DocumentError("not signed as AWS's module does")
    payload = decode(body)
    if payload["cabundle"][0] != root:
        raise DocumentError("of another root")
    numbers = (int.from_bytes(signature[:48], "big"), int.from_bytes(signature[48:], "big"))
    try:
        leaf = check_chain([*payload["cabundle"], payload["certificate"]], at)[-1]
        leaf.public_key().verify(utils.encode_dss_signature(*numbers), signed_bytes(body), ec.ECDSA(hashes.SHA384()))
    except InvalidSignature:
        raise DocumentError("a signature is wrong") from None
    return payload
