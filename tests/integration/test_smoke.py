"""The shortest proof that the program signs, refuses, and remembers."""
from signer import EPOCH, attestation, block, randao


def test_it_signs_and_refuses_what_is_slashable(signer):
    answer = signer.sign(attestation(EPOCH, EPOCH + 1))
    assert answer.status == 200
    assert signer.sign(attestation(EPOCH, EPOCH + 1)).json == answer.json  # the same again is allowed
    assert signer.sign(attestation(EPOCH, EPOCH + 1, block_root=5)).status == 412
    assert signer.sign(attestation(EPOCH - 1, EPOCH + 2)).status == 412
    assert signer.sign(block(EPOCH * 32)).status == 200
    assert signer.sign(block(EPOCH * 32, state_root=9)).status == 412


def test_it_remembers_across_a_kill(signer):
    assert signer.sign(attestation(EPOCH, EPOCH + 1)).status == 200
    signer.restart()
    assert signer.sign(attestation(EPOCH, EPOCH + 1, block_root=5)).status == 412
    assert signer.sign(attestation(EPOCH, EPOCH + 1)).status == 200


def test_a_graceful_stop_is_exit_code_0(signer):
    assert signer.sign(randao(EPOCH)).status == 200
    assert signer.stop() == 0
