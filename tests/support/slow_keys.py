"""Keystores that take their time: no password opens them, and to find that out costs as many PBKDF2 rounds as one
likes. Requests and loads that hold them are under way for as long as a test needs."""
import json
import uuid

SECOND = 2_000_000  # rounds; roughly a second of one CPU


def make_slow_keystore(rounds: int = SECOND) -> str:
    return json.dumps({
        "crypto": {
            "kdf": {"function": "pbkdf2", "message": "",
                    "params": {"dklen": 32, "c": rounds, "prf": "hmac-sha256", "salt": "aa" * 32}},
            "checksum": {"function": "sha256", "params": {}, "message": "00" * 32},
            "cipher": {"function": "aes-128-ctr", "params": {"iv": "bb" * 16}, "message": "cc" * 32}},
        "description": "", "path": "", "uuid": str(uuid.uuid4()), "version": 4})


def write_slow_keystores(folder, count: int, rounds: int = SECOND) -> dict:
    """Makes a bulk folder of them, and gives the settings that name it."""
    keystores = folder / "slow"
    keystores.mkdir(parents=True)
    for index in range(count):
        path = keystores / f"slow{index}.json"
        path.write_text(make_slow_keystore(rounds))
        path.chmod(0o600)
    password = folder / "password.txt"
    password.write_text("password")
    password.chmod(0o600)
    return {"key_sources.filesystem.keystores_path": str(keystores),
            "key_sources.filesystem.keystores_password_file": str(password)}
