"""What the tests of the signing endpoint share: their signer, their epochs, and how an answer is held to its shape."""
import copy
import itertools

import pytest
from shared_signer import shared_signer
from signer import EPOCH
from signing_cases import VERSION, fork_info

JSON, TEXT = "application/json; charset=utf-8", "text/plain; charset=utf-8"
FAR_KEY = "0x" + "ab" * 48  # which no signer has


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One signer for all cases of a module: they take ever higher epochs, so that none is in another's way."""
    yield from shared_signer(tmp_path_factory, keys=[0, 1])


@pytest.fixture
def epoch(epochs=itertools.count(EPOCH, 10)):
    """An epoch that no other test signs in."""
    return next(epochs)


def signature_of(answer) -> str:
    assert answer.status == 200, answer
    assert list(answer.json) == ["signature"]
    return answer.json["signature"]


def refused(answer, status: int, *parts: str) -> str:
    """Holds an error to its exact shape, and its message to the parts that it must name."""
    assert answer.status == status, answer
    assert answer.headers["Content-Type"] == JSON
    assert answer.json == {"code": status, "message": answer.message}
    for part in parts:
        assert part in answer.message, (part, answer.message)
    return answer.message


def without(body: dict, *path) -> dict:
    return with_value(body, *path, delete=True)


def with_value(body: dict, *path, value=None, delete=False) -> dict:
    body = copy.deepcopy(body)
    inner = body
    for step in path[:-1]:
        inner = inner[step]
    if delete:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return body


def exit_body(epoch: int, previous: str, current: str, fork_epoch: int) -> dict:
    return {"type": "VOLUNTARY_EXIT", "voluntary_exit": {"epoch": str(epoch), "validator_index": "77"},
            "fork_info": fork_info(fork_epoch, VERSION[previous], VERSION[current])}
