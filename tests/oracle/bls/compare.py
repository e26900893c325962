#!/usr/bin/env python3
"""Compares our BLS signatures and verdicts with those of an independent implementation.

usage: compare.py <bls_tool>

The other implementation is @noble/curves, pinned by package-lock.json and kept in a cache folder outside of
the build. CHAMBER_OFFLINE=1 leaves the test out where it is not in the cache yet.
"""
import hashlib
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
PACKAGE_FILES = ("package.json", "package-lock.json")
ORDER = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
KEYS = 25
SKIPPED = 77


def cache_folder() -> pathlib.Path:
    pinned = b"".join((HERE / name).read_bytes() for name in PACKAGE_FILES)
    base = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    return base / "containment-chamber" / ("bls-oracle-" + hashlib.sha256(pinned).hexdigest()[:16])


def install(folder: pathlib.Path) -> None:
    """Into a folder of its own first, so that two tests at once, or a broken one, do no harm."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        work = pathlib.Path(temporary) / "work"
        work.mkdir()
        for name in PACKAGE_FILES:
            shutil.copy(HERE / name, work / name)
        done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=work,
                              check=False)
        if done.returncode != 0:
            sys.exit("compare.py: npm could not install the oracle; its reason is above. "
                     "CHAMBER_OFFLINE=1 leaves this test out.")
        try:
            work.rename(folder)
        except OSError:
            if not (folder / "node_modules").is_dir():
                raise


def answers(command: list[str], lines: list[str], environment=None) -> list[str]:
    done = subprocess.run(command, input="\n".join(lines) + "\n", stdout=subprocess.PIPE, text=True,
                          env=environment, check=False)
    if done.returncode != 0:
        sys.exit(f"compare.py: {command[0]} failed with {done.returncode}")
    got = done.stdout.splitlines()
    if len(got) != len(lines):
        sys.exit(f"compare.py: {command[0]} gave {len(got)} answers to {len(lines)} lines")
    return got


def signing_lines(chance: random.Random) -> list[str]:
    secrets = [1, 2, ORDER - 1, ORDER - 2, 1 << 254, (1 << 128) - 1, ORDER >> 1]
    secrets += [chance.randrange(1, ORDER) for _ in range(KEYS)]
    messages = [bytes(32), b"\xff" * 32] + [chance.randbytes(32) for _ in secrets[2:]]
    return [f"sign {secret:064x} {message.hex()}" for secret, message in zip(secrets, messages)]


def flipped(text: str, chance: random.Random) -> str:
    """One bit of hexadecimal changed; often one of the first three, which are flags of the encoding."""
    bits = len(text) * 4
    bit = chance.choice([chance.randrange(bits), chance.randrange(3)])
    return f"{int(text, 16) ^ (1 << (bits - 1 - bit)):0{len(text)}x}"


def verifying_lines(signed: list[tuple[str, str, str]], chance: random.Random) -> list[str]:
    infinity = ("c0" + "00" * 47, "c0" + "00" * 95)
    lines = []
    for pubkey, message, signature in signed:
        lines.append(f"verify {pubkey} {message} {signature}")
        lines.append(f"verify {flipped(pubkey, chance)} {message} {signature}")
        lines.append(f"verify {pubkey} {flipped(message, chance)} {signature}")
        lines.append(f"verify {pubkey} {message} {flipped(signature, chance)}")
        lines.append(f"verify {chance.randbytes(48).hex()} {message} {signature}")
        lines.append(f"verify {pubkey} {message} {chance.randbytes(96).hex()}")
    message = signed[0][1]
    lines.append(f"verify {infinity[0]} {message} {infinity[1]}")
    lines.append(f"verify {signed[0][0]} {message} {infinity[1]}")
    lines.append(f"verify {infinity[0]} {message} {signed[0][2]}")
    return lines


def differences(lines: list[str], ours: list[str], theirs: list[str]) -> int:
    count = 0
    for line, our, their in zip(lines, ours, theirs):
        if our != their:
            print(f"{line}\n  ours:   {our}\n  theirs: {their}")
            count += 1
    return count


def main() -> int:
    tool = sys.argv[1]
    folder = cache_folder()
    if not (folder / "node_modules").is_dir():
        if os.environ.get("CHAMBER_OFFLINE") == "1":
            print("skipped: CHAMBER_OFFLINE=1, and the oracle is not in the cache")
            return SKIPPED
        if shutil.which("npm") is None or shutil.which("node") is None:
            sys.exit("compare.py: node and npm are needed: tools/packages.sh test installs them. "
                     "CHAMBER_OFFLINE=1 leaves this test out.")
        install(folder)
    oracle = ["node", str(HERE / "oracle.js")]
    environment = {**os.environ, "NODE_PATH": str(folder / "node_modules")}
    seed = int.from_bytes(os.urandom(8), "big")
    print(f"seed {seed}")
    chance = random.Random(seed)

    lines = signing_lines(chance)
    ours = answers([tool], lines)
    wrong = differences(lines, ours, answers(oracle, lines, environment))

    signed = [(our.split()[0], line.split()[2], our.split()[1]) for line, our in zip(lines, ours)]
    lines = verifying_lines(signed, chance)
    ours = answers([tool], lines)
    wrong += differences(lines, ours, answers(oracle, lines, environment))
    if ours.count("true") != len(signed):
        print(f"{ours.count('true')} of {len(signed)} signatures and no other should verify")
        wrong += 1
    print(f"{len(signed)} signatures and {len(lines)} verdicts compared, {wrong} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
