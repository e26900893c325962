// Every kind of message that the client can ask a remote signer for. Each has
//   make(config, slot, given)         a random message for that slot; the same `given.seed` gives the same message
//   root(config, slot, data)          its signing root, by Lodestar's libraries
//   sign(store, pubkey, slot, data)   {data, signature} by ValidatorStore, where it signs such messages
import {fromHexString} from "@chainsafe/ssz";
import * as params from "@lodestar/params";
import {
  blindedOrFullBlockHashTreeRoot,
  computeDomain,
  computeEpochAtSlot,
  computeSigningRoot,
  computeStartSlotAtEpoch,
  ZERO_HASH,
} from "@lodestar/state-transition";
import {ssz} from "@lodestar/types";
import {Chance} from "./random.mjs";

// What the beacon node says of a validator's duty, and the client holds a message against.
function dutyFor(pubkey, slot, committeeIndex = 0) {
  const validatorIndex = 7;
  return {
    pubkey: fromHexString(pubkey),
    slot,
    committeeIndex,
    committeeLength: 128,
    committeesAtSlot: 64,
    validatorCommitteeIndex: 3,
    validatorIndex,
  };
}

function makeBlock(config, slot, {seed, blinded}) {
  const types = blinded ? config.getBlindedForkTypes(slot) : config.getForkTypes(slot);
  return {...new Chance(seed).value(types.BeaconBlock), slot};
}

// Its target is the epoch of the slot; its source the epoch before, unless given.
function makeAttestationData(slot, {seed, source}) {
  const target = computeEpochAtSlot(slot);
  const data = new Chance(seed).value(ssz.phase0.AttestationData);
  return {
    ...data,
    slot,
    index: data.index % 64,
    source: {...data.source, epoch: source ?? target - 1},
    target: {...data.target, epoch: target},
  };
}

export const messages = {
  AGGREGATION_SLOT: {
    make: (_config, slot) => ({slot}),
    root: (config, slot, data) =>
      computeSigningRoot(ssz.Slot, data.slot, config.getDomain(slot, params.DOMAIN_SELECTION_PROOF)),
    sign: async (store, pubkey, slot, data) => ({
      data,
      signature: await store.signAttestationSelectionProof(pubkey, slot),
    }),
  },
  AGGREGATE_AND_PROOF: {
    make(_config, slot, given) {
      const random = new Chance(given.seed).value(ssz.phase0.AggregateAndProof);
      const data = makeAttestationData(slot, given);
      return {...random, aggregatorIndex: 7, aggregate: {...random.aggregate, data}};
    },
    root: (config, slot, data) =>
      computeSigningRoot(
        ssz.phase0.AggregateAndProof,
        data,
        config.getDomain(slot, params.DOMAIN_AGGREGATE_AND_PROOF)
      ),
    async sign(store, pubkey, slot, {aggregate, selectionProof}) {
      const duty = dutyFor(pubkey, slot, aggregate.data.index);
      const {message, signature} = await store.signAggregateAndProof(duty, selectionProof, aggregate);
      return {data: message, signature};
    },
  },
  ATTESTATION: {
    make: (_config, slot, given) => makeAttestationData(slot, given),
    root(config, _slot, data) {
      const domain = config.getDomain(computeStartSlotAtEpoch(data.target.epoch), params.DOMAIN_BEACON_ATTESTER);
      return computeSigningRoot(ssz.phase0.AttestationData, data, domain);
    },
    async sign(store, pubkey, slot, data) {
      const duty = dutyFor(pubkey, slot, data.index);
      const signed = await store.signAttestation(duty, data, data.target.epoch);
      return {data: signed.data, signature: signed.signature};
    },
  },
  BLOCK_V2: {
    make: makeBlock,
    root: (config, slot, data) =>
      ssz.phase0.SigningData.hashTreeRoot({
        objectRoot: blindedOrFullBlockHashTreeRoot(config, data),
        domain: config.getDomain(slot, params.DOMAIN_BEACON_PROPOSER),
      }),
    async sign(store, pubkey, slot, data) {
      const {message, signature} = await store.signBlock(fromHexString(pubkey), data, slot);
      return {data: message, signature};
    },
  },
  DEPOSIT: {
    make: (config, _slot, {seed, pubkey}) => ({
      ...new Chance(seed).value(ssz.phase0.DepositMessage),
      pubkey: fromHexString(pubkey),
      genesisForkVersion: config.GENESIS_FORK_VERSION,
    }),
    root: (config, _slot, data) =>
      computeSigningRoot(
        ssz.phase0.DepositMessage,
        data,
        computeDomain(params.DOMAIN_DEPOSIT, data.genesisForkVersion, ZERO_HASH)
      ),
  },
  RANDAO_REVEAL: {
    make: (_config, slot) => ({epoch: computeEpochAtSlot(slot)}),
    root: (config, slot, data) =>
      computeSigningRoot(ssz.Epoch, data.epoch, config.getDomain(slot, params.DOMAIN_RANDAO)),
    sign: async (store, pubkey, slot, data) => ({
      data,
      signature: await store.signRandao(fromHexString(pubkey), slot),
    }),
  },
  VOLUNTARY_EXIT: {
    make: (_config, slot) => ({epoch: computeEpochAtSlot(slot), validatorIndex: 7}),
    root: (config, slot, data) =>
      computeSigningRoot(ssz.phase0.VoluntaryExit, data, config.getDomain(slot, params.DOMAIN_VOLUNTARY_EXIT)),
    async sign(store, pubkey, _slot, data) {
      const {message, signature} = await store.signVoluntaryExit(pubkey, data.validatorIndex, data.epoch);
      return {data: message, signature};
    },
  },
  SYNC_COMMITTEE_MESSAGE: {
    make: (_config, slot, {seed}) => ({slot, beaconBlockRoot: new Chance(seed).bytes(32)}),
    root: (config, slot, data) =>
      computeSigningRoot(ssz.Root, data.beaconBlockRoot, config.getDomain(slot, params.DOMAIN_SYNC_COMMITTEE)),
    async sign(store, pubkey, slot, data) {
      const signed = await store.signSyncCommitteeSignature(fromHexString(pubkey), 7, slot, data.beaconBlockRoot);
      return {data: signed, signature: signed.signature};
    },
  },
  SYNC_COMMITTEE_SELECTION_PROOF: {
    make: (_config, slot, {seed}) => ({slot, subcommitteeIndex: new Chance(seed).below(4)}),
    root: (config, slot, data) =>
      computeSigningRoot(
        ssz.altair.SyncAggregatorSelectionData,
        data,
        config.getDomain(slot, params.DOMAIN_SYNC_COMMITTEE_SELECTION_PROOF)
      ),
    sign: async (store, pubkey, slot, data) => ({
      data,
      signature: await store.signSyncCommitteeSelectionProof(pubkey, slot, data.subcommitteeIndex),
    }),
  },
  SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF: {
    make(_config, slot, {seed}) {
      const random = new Chance(seed).value(ssz.altair.ContributionAndProof);
      return {...random, aggregatorIndex: 7, contribution: {...random.contribution, slot}};
    },
    root: (config, slot, data) =>
      computeSigningRoot(
        ssz.altair.ContributionAndProof,
        data,
        config.getDomain(slot, params.DOMAIN_CONTRIBUTION_AND_PROOF)
      ),
    async sign(store, pubkey, slot, {contribution, selectionProof}) {
      const {message, signature} = await store.signContributionAndProof(
        dutyFor(pubkey, slot),
        selectionProof,
        contribution
      );
      return {data: message, signature};
    },
  },
  VALIDATOR_REGISTRATION: {
    make: (_config, _slot, {seed, pubkey}) => ({
      ...new Chance(seed).value(ssz.bellatrix.ValidatorRegistrationV1),
      ...(pubkey && {pubkey: fromHexString(pubkey)}),
    }),
    root: (config, _slot, data) =>
      computeSigningRoot(
        ssz.bellatrix.ValidatorRegistrationV1,
        data,
        computeDomain(params.DOMAIN_APPLICATION_BUILDER, config.GENESIS_FORK_VERSION, ZERO_HASH)
      ),
    // The client itself says when, and for which key.
    async sign(store, pubkey, slot, {gasLimit}) {
      const feeRecipient = "0x" + "ab".repeat(20);
      const {message, signature} = await store.signValidatorRegistration(pubkey, {feeRecipient, gasLimit}, slot);
      return {data: message, signature};
    },
  },
  BLS_TO_EXECUTION_CHANGE: {
    make: (_config, _slot, {seed}) => new Chance(seed).value(ssz.capella.BLSToExecutionChange),
    root: (config, _slot, data) =>
      computeSigningRoot(
        ssz.capella.BLSToExecutionChange,
        data,
        config.getDomainAtFork("phase0", params.DOMAIN_BLS_TO_EXECUTION_CHANGE)
      ),
  },
};
