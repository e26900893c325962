"""What was released, and whether any two of it are slashable: written from EIP-3076 and the consensus
specification's two conditions alone, over all pairs."""
import collections
import dataclasses
import itertools
import json
import pathlib
import random
import subprocess
import tempfile

from signer import BINARY, BLS_TOOL, attestation, block

VERIFIED_MAX = 200


@dataclasses.dataclass(frozen=True)
class Message:
    """One thing to sign: an attestation (source, target) or a block (slot); `variant` makes the rest differ."""
    pubkey: str
    source: int | None
    target: int  # a block's slot
    variant: int = 1

    @property
    def body(self) -> dict:
        if self.source is None:
            return block(self.target, state_root=self.variant)
        return attestation(self.source, self.target, block_root=self.variant)


@dataclasses.dataclass(frozen=True)
class Released:
    """A signature that left the signer. BLS signatures are deterministic: another signature is another message."""
    message: Message
    signature: str


def is_slashable(one: Released, other: Released) -> bool:
    a, b = one.message, other.message
    if a.pubkey != b.pubkey or one.signature == other.signature or (a.source is None) != (b.source is None):
        return False
    if a.target == b.target:
        return True  # two blocks of a slot, two votes for a target
    if a.source is None:
        return False
    return (a.source < b.source and b.target < a.target) or (b.source < a.source and a.target < b.target)


def slashable_pairs(released) -> list[tuple[Released, Released]]:
    by_key = collections.defaultdict(set)
    for item in released:
        by_key[item.message.pubkey].add(item)
    return [pair for items in by_key.values() for pair in itertools.combinations(items, 2) if is_slashable(*pair)]


def run_slashing(signer, *arguments: str) -> subprocess.CompletedProcess:
    """The subcommand on a signer's database."""
    return subprocess.run([BINARY, "slashing", *arguments, "--anti-slashing-path", str(signer.database)],
                          capture_output=True, text=True, cwd=signer.folder)


def export(signer) -> dict:
    """The interchange file of a signer that does not run."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "export.json"
        done = run_slashing(signer, "export", "--to", str(path))
        assert done.returncode == 0, done.stderr
        return json.loads(path.read_text())


def recorded_roots(interchange: dict) -> dict[tuple, str]:
    """(public key, source or None, target or slot) to the signing root."""
    roots = {}
    for validator in interchange["data"]:
        for item in validator["signed_attestations"]:
            place = (validator["pubkey"], int(item["source_epoch"]), int(item["target_epoch"]))
            roots[place] = item["signing_root"]
        for item in validator["signed_blocks"]:
            roots[validator["pubkey"], None, int(item["slot"])] = item["signing_root"]
    return roots


def assert_all_recorded(signer, released):
    """Every message is in the database, which is whole; signatures, of many a sample, belong to the recorded roots."""
    roots = recorded_roots(export(signer))
    released = sorted(set(released), key=lambda item: item.signature)
    places = [(item.message.pubkey, item.message.source, item.message.target) for item in released]
    missing = [place for place in places if place not in roots]
    assert not missing, f"{len(missing)} of {len(places)} are not in the database, such as {missing[0]}"
    lines = [f"verify {place[0]} {roots[place][2:]} {item.signature}" for place, item in zip(places, released)]
    lines = random.sample(lines, min(len(lines), VERIFIED_MAX))
    done = subprocess.run([BLS_TOOL], input="\n".join(lines) + "\n", capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["true"] * len(lines)
    assert run_slashing(signer, "check").returncode == 0
