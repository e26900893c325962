"""A signer and Lodestar's validator client beside it, on mainnet or on a network of our own."""
import contextlib
import itertools
import pathlib
import time

from node_client import NodeClient
from signer import EPOCH, Signer

# The network of our own: minimal preset, and young, for Lodestar's slashing protection walks back to epoch 0.
DEVNET_EPOCH = 100
DEVNET_FORKS = {"ALTAIR": 20, "BELLATRIX": 40, "CAPELLA": 60, "DENEB": 80}
DEVNET_SLOTS_PER_EPOCH, DEVNET_SECONDS_PER_SLOT = 8, 6
DEVNET_ROOT = "0x" + "5a" * 32


class Pair:
    """One signer, one client process; `key()` gives a key that no other test has used."""

    def __init__(self, signer: Signer, client: NodeClient, network: str, epoch: int, folder: pathlib.Path):
        self.signer, self.client, self.network, self.epoch, self.folder = signer, client, network, epoch, folder
        self.slots_per_epoch = client.slotsPerEpoch()
        self._keys = iter(signer.pubkeys)
        self._names = itertools.count()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.signer.port}"

    def key(self) -> str:
        return next(self._keys)

    def slot(self, epoch: int | None = None) -> int:
        """Not an epoch's first, so that the two cannot be mixed up."""
        return (self.epoch if epoch is None else epoch) * self.slots_per_epoch + 3

    def store(self, *pubkeys: str) -> str:
        """A validator client's signing part, with an empty slashing protection database of its own."""
        name = f"store{next(self._names)}"
        self.client.openStore(store=name, url=self.url, network=self.network, pubkeys=pubkeys,
                              folder=str(self.folder / name))
        return name

    def sign(self, store: str, message: str, pubkey: str, epoch: int | None = None, seed: int = 1, **more) -> dict:
        return self.client.sign(store=store, type=message, pubkey=pubkey, slot=self.slot(epoch), seed=seed, **more)

    def post(self, message: str, pubkey: str, epoch: int | None = None, seed: int = 1, **more) -> dict:
        """Below the client's slashing protection."""
        given = {"url": self.url, "network": self.network, "slot": self.slot(epoch), "seed": seed} | more
        return self.client.post(type=message, pubkey=pubkey, **given)


@contextlib.contextmanager
def run(signer: Signer, client: NodeClient, network: str, epoch: int, folder: pathlib.Path):
    try:
        signer.start()
        yield Pair(signer, client, network, epoch, folder)
    finally:
        signer.kill()


@contextlib.contextmanager
def mainnet(folder: pathlib.Path, keys):
    with contextlib.closing(NodeClient("validator", folder / "client")) as client:
        with run(Signer(folder=folder / "signer", keys=keys), client, "mainnet", EPOCH, folder) as pair:
            yield pair


@contextlib.contextmanager
def devnet(folder: pathlib.Path, keys, settings=None):
    age_s = DEVNET_EPOCH * DEVNET_SLOTS_PER_EPOCH * DEVNET_SECONDS_PER_SLOT
    config = folder / "config.yaml"
    with contextlib.closing(NodeClient("validator", folder / "client", {"LODESTAR_PRESET": "minimal"})) as client:
        config.write_text(client.makeNetwork(
            name="devnet", genesisTime=int(time.time()) - age_s, genesisValidatorsRoot=DEVNET_ROOT,
            chain={f"{fork}_FORK_EPOCH": epoch for fork, epoch in DEVNET_FORKS.items()}))
        signer = Signer(folder=folder / "signer", keys=keys, settings={"network": str(config)} | (settings or {}))
        with run(signer, client, "devnet", DEVNET_EPOCH, folder) as pair:
            yield pair
