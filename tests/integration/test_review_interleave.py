"""Whatever the order of signing, deleting, importing, reloading and killing: all signatures that ever left are free of
slashable pairs, and every one that left before a deletion's answer is in what the deletion handed out."""
import http.client
import json
import random
import threading

from keystores import interop_secret, make_keystore
from signer import EPOCH, attestation, block, pubkey_of

CLIENTS, ROUNDS, REQUESTS = 6, 4, 60


class Signed:
    """What left the signer, as clients saw it."""

    def __init__(self):
        self.votes, self.blocks = set(), set()  # (source, target, root), (slot, root)
        self.lock = threading.Lock()

    def add(self, kind, item):
        with self.lock:
            (self.votes if kind == "vote" else self.blocks).add(item)

    def slashable_pair(self):
        slots = [slot for slot, _ in self.blocks]
        targets = [target for _, target, _ in self.votes]
        doubles = [x for x in slots if slots.count(x) > 1] + [x for x in targets if targets.count(x) > 1]
        surrounds = [(a, b) for a in self.votes for b in self.votes if a[0] < b[0] and b[1] < a[1]]
        return doubles or surrounds


def ask(signer, connection, pubkey, dice, signed):
    """One random request; few numbers, so that most of them conflict. None: no answer."""
    root = dice.randrange(3)
    if dice.random() < 0.3:
        slot = EPOCH * 32 + dice.randrange(12)
        body, kind, item = block(slot, state_root=root), "block", (slot, root)
    else:
        target = EPOCH + 1 + dice.randrange(8)
        source = target - 1 - dice.randrange(3)
        body, kind, item = attestation(source, target, block_root=root), "vote", (source, target, root)
    answer = signer.sign(body, pubkey=pubkey, connection=connection)
    assert answer.status in (200, 404, 412, 503), answer
    if answer.status == 200:
        signed.add(kind, item)


def run_client(signer, pubkeys, seed, signed):
    dice = random.Random(seed)
    connection = signer.connect()
    try:
        for _ in range(REQUESTS):
            pubkey = dice.choice(pubkeys)
            ask(signer, connection, pubkey, dice, signed[pubkey])
    except (OSError, http.client.HTTPException):
        pass  # the signer was killed: what was under way may or may not have been signed
    finally:
        connection.close()


def records_of(answer):
    entries = json.loads(answer.json["slashing_protection"])["data"]
    return ({int(v["target_epoch"]) for e in entries for v in e["signed_attestations"]},
            {int(b["slot"]) for e in entries for b in e["signed_blocks"]})


def delete_and_import(signer, pubkey, keystore, signed, stop, failures):
    """Over and over; what left before a deletion was asked for must be in its answer, or below its lowest."""
    try:
        while not stop.is_set():
            with signed.lock:
                targets, slots = {v[1] for v in signed.votes}, {b[0] for b in signed.blocks}
            answer = signer.delete("/eth/v1/keystores", {"pubkeys": [pubkey]})
            if answer.json["data"][0]["status"] in ("deleted", "not_active"):
                known_targets, known_slots = records_of(answer)
                lost = {t for t in targets - known_targets if t > min(known_targets)}
                lost |= {s for s in slots - known_slots if s > min(known_slots)}
                if lost:
                    failures.append(lost)
            signer.post("/eth/v1/keystores", {"keystores": [keystore], "passwords": ["secret"]})
            signer.post("/reload")
    except (OSError, http.client.HTTPException):
        pass


def test_no_interleaving_lets_a_slashable_pair_out(start):
    signer = start(keys=[0], settings={"http.key_manager_api.enabled": True, "server.io_threads": 2,
                                       "signing.workers": 3})
    secret = interop_secret(3)
    pubkey, keystore = pubkey_of(secret), make_keystore(secret, "secret")
    pubkeys = [pubkey, signer.pubkeys[0], pubkey.upper().replace("0X", "0x")]
    signed = {pubkeys[0]: Signed(), pubkeys[1]: Signed()}
    signed[pubkeys[2]] = signed[pubkeys[0]]
    failures = []
    for round_number in range(ROUNDS):
        signer.post("/eth/v1/keystores", {"keystores": [keystore], "passwords": ["secret"]})
        stop = threading.Event()
        threads = [threading.Thread(target=run_client, args=(signer, pubkeys, 100 * round_number + i, signed))
                   for i in range(CLIENTS)]
        mover = threading.Thread(target=delete_and_import,
                                 args=(signer, pubkey, keystore, signed[pubkey], stop, failures))
        for thread in [*threads, mover]:
            thread.start()
        if round_number % 2:
            signer.wait_for(lambda: not threads[0].is_alive() or sum(len(s.votes) for s in signed.values()) > 6)
            signer.process.kill()
        for thread in threads:
            thread.join()
        stop.set()
        mover.join()
        signer.restart()
    assert not failures
    for pubkey_signed in signed.values():
        assert pubkey_signed.votes and pubkey_signed.blocks
        assert not pubkey_signed.slashable_pair()
