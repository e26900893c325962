"""Lodestar's validator client, release 1.5.1, signs through this signer: its ValidatorStore and the remote signer's
client below it. Roots are Lodestar's, signatures are verified by its BLS library; tests/conformance/clients drives it.
"""
import lodestar
import pytest
from node_client import ClientError

# What ValidatorStore signs.
DUTIES = ["AGGREGATION_SLOT", "AGGREGATE_AND_PROOF", "ATTESTATION", "BLOCK_V2", "RANDAO_REVEAL", "VOLUNTARY_EXIT",
          "SYNC_COMMITTEE_MESSAGE", "SYNC_COMMITTEE_SELECTION_PROOF", "SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF",
          "VALIDATOR_REGISTRATION"]
MESSAGES = [*DUTIES, "DEPOSIT", "BLS_TO_EXECUTION_CHANGE"]
# Their domain is that of the signer's network, whatever fork_info says: another network's root is not theirs.
OF_THE_NETWORK = ["VALIDATOR_REGISTRATION", "BLS_TO_EXECUTION_CHANGE"]
# Epochs of mainnet; the devnet's forks are in lodestar.DEVNET_FORKS.
MAINNET_FORKS = {"ALTAIR": 74240, "BELLATRIX": 144896, "CAPELLA": 194048}
BLINDED = ("BELLATRIX", "CAPELLA", "DENEB")


@pytest.fixture(scope="module")
def devnet(tmp_path_factory):
    with lodestar.devnet(tmp_path_factory.mktemp("devnet"), range(96)) as pair:
        yield pair


@pytest.fixture(scope="module")
def mainnet(tmp_path_factory):
    with lodestar.mainnet(tmp_path_factory.mktemp("mainnet"), range(64)) as pair:
        yield pair


@pytest.fixture(params=["mainnet", "devnet"])
def pair(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def two(devnet):
    """Two clients with the same key, neither of which knows what the other signs."""
    pubkey = devnet.key()
    return devnet, pubkey, devnet.store(pubkey), devnet.store(pubkey)


def refusal(call, *arguments, **given) -> dict:
    """The signer's answer, as the client raised it."""
    with pytest.raises(ClientError) as raised:
        call(*arguments, **given)
    return raised.value.answer


# -------------------------------------------------------------------------------------------- it signs

def test_the_tests_know_every_message_of_the_client(devnet):
    assert sorted(devnet.client.messageTypes()) == sorted(MESSAGES)


def test_the_client_gets_the_keys(pair):
    assert pair.client.getKeys(url=pair.url) == sorted(pair.signer.pubkeys)


def test_the_clients_upcheck_gets_what_web3signer_answers(pair):
    """It does not ask for JSON, and so gets the bare text, which this release then takes for JSON."""
    with pytest.raises(ClientError, match="SyntaxError: .* JSON"):
        pair.client.upCheck(url=pair.url)


@pytest.mark.parametrize("message", MESSAGES)
def test_the_remote_signers_client_gets_a_right_signature(pair, message):
    assert pair.post(message, pair.key())["right"]


@pytest.mark.parametrize("message", DUTIES)
def test_validator_store_signs_on_a_network_of_our_own(devnet, message):
    pubkey = devnet.key()
    assert devnet.sign(devnet.store(pubkey), message, pubkey)["right"]


# Its slashing protection would walk through all epochs of mainnet for an attestation.
@pytest.mark.parametrize("message", [message for message in DUTIES if message != "ATTESTATION"])
def test_validator_store_signs_on_mainnet(mainnet, message):
    pubkey = mainnet.key()
    assert mainnet.sign(mainnet.store(pubkey), message, pubkey)["right"]


def check_blocks(pair, fork, epoch):
    pubkey = pair.key()
    store = pair.store(pubkey)
    assert pair.sign(store, "BLOCK_V2", pubkey, epoch)["right"]
    assert pair.sign(store, "BLOCK_V2", pubkey, epoch + 1, seed=2, blinded=fork in BLINDED)["right"]


@pytest.mark.parametrize("fork", ["PHASE0", *lodestar.DEVNET_FORKS])
def test_blocks_of_every_fork_on_a_network_of_our_own(devnet, fork):
    check_blocks(devnet, fork, lodestar.DEVNET_FORKS.get(fork, 5))


@pytest.mark.parametrize("fork", ["PHASE0", *MAINNET_FORKS])
def test_blocks_of_every_fork_on_mainnet(mainnet, fork):
    check_blocks(mainnet, fork, MAINNET_FORKS.get(fork, 5))


@pytest.mark.parametrize("fork", lodestar.DEVNET_FORKS)
@pytest.mark.parametrize("message", ["ATTESTATION", "VOLUNTARY_EXIT", "BLS_TO_EXECUTION_CHANGE"])
def test_domains_on_both_sides_of_a_fork(devnet, fork, message):
    pubkey = devnet.key()
    epoch = lodestar.DEVNET_FORKS[fork]
    before = devnet.post(message, pubkey, epoch - 1)
    after = devnet.post(message, pubkey, epoch)
    assert before["right"] and after["right"]


def test_duties_of_many_keys_at_once(devnet):
    pubkeys = [devnet.key() for _ in range(16)]
    store = devnet.store(*pubkeys)
    calls = [{"store": store, "type": "ATTESTATION", "pubkey": pubkey, "slot": devnet.slot(), "seed": 1}
             for pubkey in pubkeys]
    answers = devnet.client.signAtOnce(calls=calls)
    assert all(answer["value"]["right"] for answer in answers)
    assert len({answer["value"]["signature"] for answer in answers}) == len(pubkeys)


# ------------------------------------------------------------------------------------------ it refuses

@pytest.mark.parametrize("message", MESSAGES)
def test_a_wrong_signing_root_is_refused(pair, message):
    wrong = "0x" + "11" * 32
    answer = refusal(pair.post, message, pair.signer.pubkeys[0], wrongRoot=wrong)
    assert answer["code"] == 400
    assert wrong in answer["message"]


# A deposit names its network itself.
@pytest.mark.parametrize("message", [message for message in MESSAGES if message != "DEPOSIT"])
def test_a_client_of_another_network_is_refused(mainnet, message):
    answer = refusal(mainnet.post, message, mainnet.signer.pubkeys[0], network="sepolia")
    assert answer["code"] == (400 if message in OF_THE_NETWORK else 403)


@pytest.mark.parametrize("message", MESSAGES)
def test_a_key_that_is_not_here_is_not_found(devnet, message):
    pubkey = devnet.signer.pubkeys[0]
    stranger = pubkey[:-2] + ("00" if pubkey[-2:] != "00" else "01")
    assert refusal(devnet.post, message, stranger)["code"] == 404


# An older record lies below each story, or the low watermarks would refuse before the rule in question is asked.

@pytest.mark.parametrize("first, second, reason", [
    pytest.param((90, 91), (90, 91), "another attestation was signed", id="double vote"),
    pytest.param((90, 91), (89, 91), "another attestation was signed", id="double vote from another source"),
    pytest.param((90, 91), (89, 92), "surrounds one", id="surrounds"),
    pytest.param((88, 92), (89, 91), "is surrounded by one", id="is surrounded"),
])
def test_a_vote_that_contradicts_another_clients_is_refused(two, first, second, reason):
    devnet, pubkey, one, other = two
    assert devnet.sign(one, "ATTESTATION", pubkey, 86, source=85)["right"]
    assert devnet.sign(one, "ATTESTATION", pubkey, first[1], source=first[0])["right"]
    answer = refusal(devnet.sign, other, "ATTESTATION", pubkey, second[1], source=second[0], seed=2)
    assert answer["code"] == 412
    assert reason in answer["message"]
    assert devnet.sign(other, "ATTESTATION", pubkey, 94, source=93, seed=3)["right"]


def test_another_block_of_the_same_slot_is_refused(two):
    devnet, pubkey, one, other = two
    assert devnet.sign(one, "BLOCK_V2", pubkey, devnet.epoch - 1)["right"]
    assert devnet.sign(one, "BLOCK_V2", pubkey)["right"]
    answer = refusal(devnet.sign, other, "BLOCK_V2", pubkey, seed=2)
    assert answer["code"] == 412
    assert "another block was signed for this slot" in answer["message"]
    assert devnet.sign(other, "BLOCK_V2", pubkey, devnet.epoch + 1, seed=2)["right"]


@pytest.mark.parametrize("message", ["ATTESTATION", "BLOCK_V2"])
def test_the_same_message_of_two_clients_gets_the_same_signature(two, message):
    devnet, pubkey, one, other = two
    signed = devnet.sign(one, message, pubkey)
    assert signed["right"]
    assert devnet.sign(other, message, pubkey) == signed


@pytest.mark.parametrize("message", ["ATTESTATION", "BLOCK_V2"])
def test_of_contradicting_messages_at_once_one_is_signed(devnet, message):
    pubkeys = [devnet.key() for _ in range(4)]
    stores = [devnet.store(*pubkeys) for _ in range(4)]
    for pubkey in pubkeys:
        assert devnet.sign(stores[0], message, pubkey, devnet.epoch - 1)["right"]
    calls = [{"store": store, "type": message, "pubkey": pubkey, "slot": devnet.slot(), "seed": seed}
             for pubkey in pubkeys for seed, store in enumerate(stores)]
    answers = devnet.client.signAtOnce(calls=calls)
    for index in range(len(pubkeys)):
        rivals = answers[index * len(stores):(index + 1) * len(stores)]
        assert [answer["value"]["right"] for answer in rivals if "value" in answer] == [True]
        assert all(ClientError(**answer["error"]).answer["code"] == 412 for answer in rivals if "error" in answer)


def test_a_signer_that_was_killed_remembers(tmp_path):
    with lodestar.devnet(tmp_path, [0]) as pair:
        pubkey = pair.key()
        store = pair.store(pubkey)
        signed = pair.sign(store, "ATTESTATION", pubkey)
        pair.signer.kill()
        with pytest.raises(ClientError) as raised:
            pair.sign(store, "ATTESTATION", pubkey, pair.epoch + 1)
        assert raised.value.code == "ECONNREFUSED"
        pair.signer.start()
        store = pair.store(pubkey)
        assert refusal(pair.sign, pair.store(pubkey), "ATTESTATION", pubkey, seed=2)["code"] == 412
        assert pair.sign(store, "ATTESTATION", pubkey) == signed
