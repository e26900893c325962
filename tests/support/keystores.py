"""EIP-2335 keystores for tests and the demo, made without the product's own code."""
import hashlib
import json
import os
import uuid

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

CURVE_ORDER = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001


def interop_secret(index: int) -> bytes:
    """The consensus layer's well-known test keys: public knowledge, never for real stake."""
    digest = hashlib.sha256(index.to_bytes(32, "little")).digest()
    return (int.from_bytes(digest, "little") % CURVE_ORDER).to_bytes(32, "big")


def _derive(kdf: str, password: bytes, salt: bytes, cost: int) -> tuple[bytes, dict]:
    if kdf == "scrypt":
        key = hashlib.scrypt(password, salt=salt, n=cost, r=8, p=1, dklen=32,
                             maxmem=256 * cost * 8)
        return key, {"dklen": 32, "n": cost, "r": 8, "p": 1, "salt": salt.hex()}
    key = hashlib.pbkdf2_hmac("sha256", password, salt, cost, 32)
    return key, {"dklen": 32, "c": cost, "prf": "hmac-sha256", "salt": salt.hex()}


def make_keystore(secret: bytes, password: str, pubkey: str | None = None, kdf: str = "pbkdf2",
                  cost: int = 1024, path: str = "m/12381/3600/0/0/0") -> str:
    """The JSON text of a keystore. `cost` is scrypt's n or PBKDF2's c; the low default is for speed
    only. ASCII passwords: nothing is normalised here."""
    salt, iv = os.urandom(32), os.urandom(16)
    key, params = _derive(kdf, password.encode(), salt, cost)
    encryptor = Cipher(algorithms.AES(key[:16]), modes.CTR(iv)).encryptor()
    cipher_text = encryptor.update(secret) + encryptor.finalize()
    keystore = {
        "crypto": {
            "kdf": {"function": kdf, "params": params, "message": ""},
            "checksum": {"function": "sha256", "params": {},
                         "message": hashlib.sha256(key[16:32] + cipher_text).hexdigest()},
            "cipher": {"function": "aes-128-ctr", "params": {"iv": iv.hex()},
                       "message": cipher_text.hex()},
        },
        "description": "", "path": path, "uuid": str(uuid.uuid4()), "version": 4,
    }
    if pubkey is not None:
        keystore["pubkey"] = pubkey.removeprefix("0x")
    return json.dumps(keystore)
