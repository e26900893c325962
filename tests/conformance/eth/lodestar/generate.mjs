// What Lodestar's libraries say, for compare.py to hold the eth layer against.
//
//   node generate.mjs networks              the public networks, one JSON object a line
//   node generate.mjs configs               {name, yaml} of each network's config.yaml
//   node generate.mjs preset                the preset's numbers
//   node generate.mjs config                the config.yaml of the preset's network
//   node generate.mjs bodies SEED ROUNDS    random signing requests, one {name, body, root, named} a line;
//                                           `named`: only right when the body names the root
//
// The preset is that of LODESTAR_PRESET. The same seed gives the same requests. Slots and epochs are read from
// Lodestar's types with exact 64-bit integers, where the libraries have JavaScript numbers.
import {
  BitArray,
  BooleanType,
  ByteListType,
  ByteVectorType,
  BitListType,
  BitVectorType,
  ContainerType,
  ListBasicType,
  ListCompositeType,
  ProgressiveBitListType,
  ProgressiveByteListType,
  ProgressiveContainerType,
  ProgressiveListBasicType,
  ProgressiveListCompositeType,
  UintBigintType,
  UintNumberType,
  VectorBasicType,
  VectorCompositeType,
} from "@chainsafe/ssz";
import {chainConfigToJson, createBeaconConfig, createChainConfig, defaultChainConfig} from "@lodestar/config";
import {genesisData, networksChainConfig} from "@lodestar/config/networks";
import * as params from "@lodestar/params";
import {ssz} from "@lodestar/types";

const NETWORKS = ["mainnet", "sepolia", "hoodi", "gnosis", "chiado"];
const FORKS = ["phase0", "altair", "bellatrix", "capella", "deneb", "electra", "fulu", "gloas"];
const NEVER = "18446744073709551615";
const SLOTS_PER_EPOCH = BigInt(params.SLOTS_PER_EPOCH);
const MAX_UINT64 = 2n ** 64n - 1n;

// Networks.

function print(value) {
  process.stdout.write(JSON.stringify(value) + "\n");
}

function describeNetwork(name) {
  const json = chainConfigToJson(networksChainConfig[name]);
  return {
    name,
    preset: json.PRESET_BASE,
    genesis_time: String(genesisData[name].genesisTime),
    seconds_per_slot: String(Number(json.SLOT_DURATION_MS) / 1000),
    genesis_validators_root: genesisData[name].genesisValidatorsRoot,
    forks: FORKS.map((fork) => {
      const upper = fork.toUpperCase();
      const [version, epoch] =
        fork === "phase0"
          ? [json.GENESIS_FORK_VERSION, "0"]
          : [json[`${upper}_FORK_VERSION`], json[`${upper}_FORK_EPOCH`]];
      return {name: upper, version, epoch};
    }),
  };
}

function yamlOf(chainConfig, genesisTime, genesisValidatorsRoot) {
  const json = {
    ...chainConfigToJson(chainConfig),
    GENESIS_TIME: String(genesisTime),
    GENESIS_VALIDATORS_ROOT: genesisValidatorsRoot,
  };
  return Object.entries(json)
    .map(([key, value]) => `${key}: ${typeof value === "string" ? `'${value}'` : JSON.stringify(value)}\n`)
    .join("");
}

// A devnet of the minimal preset, in Deneb from the start.
const DEVNET = {
  CONFIG_NAME: "devnet",
  ALTAIR_FORK_EPOCH: 0,
  BELLATRIX_FORK_EPOCH: 0,
  CAPELLA_FORK_EPOCH: 0,
  DENEB_FORK_EPOCH: 0,
  ELECTRA_FORK_EPOCH: 20,
  FULU_FORK_EPOCH: 40,
  GLOAS_FORK_EPOCH: 60,
};
const DEVNET_ROOT = "0x" + "5a".repeat(32);

function presetNetwork() {
  if (params.ACTIVE_PRESET === "minimal") {
    return {chain: createChainConfig({...defaultChainConfig, ...DEVNET}), time: 1600000000, root: DEVNET_ROOT};
  }
  const name = params.ACTIVE_PRESET;
  const {genesisTime: time, genesisValidatorsRoot: root} = genesisData[name];
  return {chain: networksChainConfig[name], time, root};
}

// Randomness: xorshift128+, so that a seed gives the same requests with every version of node.

let state = [1n, 2n];

function random64() {
  let [a, b] = state;
  a ^= (a << 23n) & MAX_UINT64;
  a = a ^ b ^ (a >> 17n) ^ (b >> 26n);
  state = [b, a];
  return (a + b) & MAX_UINT64;
}

function below(limit) {
  return Number(random64() % BigInt(limit));
}

function pick(list) {
  return list[below(list.length)];
}

function randomBytes(size) {
  const bytes = new Uint8Array(size);
  const filler = pick([null, null, null, 0, 255]);
  for (let i = 0; i < size; i++) {
    bytes[i] = filler ?? below(256);
  }
  return bytes;
}

function randomUint(bits) {
  const max = (1n << BigInt(bits)) - 1n;
  let wide = random64();
  for (let have = 64; have < bits; have += 64) {
    wide = (wide << 64n) | random64();
  }
  const candidates = [0n, 1n, BigInt(below(1000)), max, max - 1n, 2n ** 53n + 1n, 2n ** 63n, wide, wide];
  return pick(candidates) & max;
}

// Values of a type. `size` says how long lists get: 0 empty, 1 short, 2 long, 3 full where that is small.

function listLength(limit, size, long) {
  const most = Math.min(limit, long);
  return [0, Math.min(most, 1 + below(3)), below(most + 1), most][size];
}

function randomBits(length) {
  const bits = BitArray.fromBitLen(length);
  const density = pick([0, 1, 2, 100]);
  for (let i = 0; i < length; i++) {
    bits.set(i, below(100) < density || density === 100 || below(2) === density);
  }
  return bits;
}

function mapFields(fields, make) {
  return Object.fromEntries(Object.entries(fields).map(([name, type]) => [name, make(type)]));
}

function randomList(type, size, long) {
  const limit = type.limit ?? type.opts?.limit ?? long;
  return Array.from({length: listLength(limit, size, long)}, () => randomValue(type.elementType, size));
}

const VALUES = new Map([
  [UintBigintType, (type) => randomUint(type.byteLength * 8)],
  [BooleanType, () => below(2) === 1],
  [ByteVectorType, (type) => randomBytes(type.lengthBytes)],
  [ByteListType, (type, size) => randomBytes(listLength(type.limitBytes, size, 5000))],
  [ProgressiveByteListType, (_type, size) => randomBytes(listLength(20000, size, 20000 >> below(12)))],
  [BitVectorType, (type) => randomBits(type.lengthBits)],
  [BitListType, (type, size) => randomBits(listLength(type.limitBits, size, 131072 >> below(14)))],
  [ProgressiveBitListType, (_type, size) => randomBits(listLength(131072, size, 131072 >> below(14)))],
  [ContainerType, (type, size) => mapFields(type.fields, (field) => randomValue(field, size))],
  [ProgressiveContainerType, (type, size) => mapFields(type.fields, (field) => randomValue(field, size))],
  [ListBasicType, (type, size) => randomList(type, size, 2048)],
  [ListCompositeType, (type, size) => randomList(type, size, 16)],
  [ProgressiveListBasicType, (type, size) => randomList(type, size, 300)],
  [ProgressiveListCompositeType, (type, size) => randomList(type, size, pick([2, 6, 22, 90]))],
  [VectorBasicType, (type, size) => Array.from({length: type.length}, () => randomValue(type.elementType, size))],
  [VectorCompositeType, (type, size) => Array.from({length: type.length}, () => randomValue(type.elementType, size))],
]);

function handlerOf(table, type) {
  for (const [kind, handler] of table) {
    if (type instanceof kind) {
      return handler;
    }
  }
  throw Error(`no rule for ${type.constructor.name}`);
}

function randomValue(type, size) {
  return handlerOf(VALUES, type)(type, size);
}

// Lodestar's types with every integer exact.

const same = (type) => type;
const EXACT = new Map([
  [UintNumberType, (type) => new UintBigintType(type.byteLength)],
  [UintBigintType, same],
  [BooleanType, same],
  [ByteVectorType, same],
  [ByteListType, same],
  [ProgressiveByteListType, same],
  [BitVectorType, same],
  [BitListType, same],
  [ProgressiveBitListType, same],
  [ContainerType, (type) => new ContainerType(mapFields(type.fields, exact), type.opts)],
  [
    ProgressiveContainerType,
    (type) => new ProgressiveContainerType(mapFields(type.fields, exact), type.activeFields, type.opts),
  ],
  [ListBasicType, (type) => new ListBasicType(exact(type.elementType), type.limit)],
  [ListCompositeType, (type) => new ListCompositeType(exact(type.elementType), type.limit)],
  [ProgressiveListBasicType, (type) => new ProgressiveListBasicType(exact(type.elementType), type.opts)],
  [ProgressiveListCompositeType, (type) => new ProgressiveListCompositeType(exact(type.elementType), type.opts)],
  [VectorBasicType, (type) => new VectorBasicType(exact(type.elementType), type.length)],
  [VectorCompositeType, (type) => new VectorCompositeType(exact(type.elementType), type.length)],
]);

const exactTypes = new Map();

function exact(type) {
  if (!exactTypes.has(type)) {
    exactTypes.set(type, handlerOf(EXACT, type)(type));
  }
  return exactTypes.get(type);
}

// Domains.

function hex(bytes) {
  return "0x" + Buffer.from(bytes).toString("hex");
}

function bytes(text) {
  return new Uint8Array(Buffer.from(text.slice(2), "hex"));
}

function domainOf(type, version, genesisValidatorsRoot) {
  const root = ssz.phase0.ForkData.hashTreeRoot({currentVersion: version, genesisValidatorsRoot});
  const domain = new Uint8Array(32);
  domain.set(type, 0);
  domain.set(root.slice(0, 28), 4);
  return domain;
}

function signingRoot(objectRoot, domain) {
  return hex(ssz.phase0.SigningData.hashTreeRoot({objectRoot, domain}));
}

/** A fork near the epoch of the object, and the version that applies. */
function forkAround(epoch, version) {
  const info = {
    previous: randomBytes(4),
    current: randomBytes(4),
    epoch: pick([0n, epoch, epoch, epoch > 0n ? epoch - 1n : 0n, epoch < MAX_UINT64 ? epoch + 1n : epoch, MAX_UINT64]),
    root: randomBytes(32),
  };
  const applies = epoch < info.epoch ? "previous" : "current";
  if (version !== undefined) {
    info[applies] = version;
  }
  return {info, version: info[applies]};
}

function forkJson(info) {
  return {
    fork: {
      previous_version: hex(info.previous),
      current_version: hex(info.current),
      epoch: info.epoch.toString(),
    },
    genesis_validators_root: hex(info.root),
  };
}

// Bodies.

/** The same request as another client might write it. */
function restyle(value, style, key) {
  if (Array.isArray(value)) {
    return value.map((item) => restyle(item, style, key));
  }
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value);
    if (style.reverse) {
      entries.reverse();
    }
    return Object.fromEntries(entries.map(([name, item]) => [name, restyle(item, style, name)]));
  }
  if (typeof value !== "string" || key === "type" || key === "version") {
    return value;
  }
  if (/^[0-9]+$/.test(value)) {
    return style.numbers && BigInt(value) <= 2n ** 53n ? Number(value) : value;
  }
  const digits = value.slice(2);
  return (style.bare ? "" : "0x") + (style.upper ? digits.toUpperCase() : digits);
}

function emit(name, body, root, named) {
  const style = {reverse: below(4) === 0, numbers: below(4) === 0, bare: below(6) === 0, upper: below(6) === 0};
  const rest = restyle(body, style);
  if (below(3) === 0) {
    rest.unknown_member = {type: "unknown", slot: ["1", {}], version: null};
  }
  print({name, body: rest, root, named: named === true});
}

/** Requests whose fork version follows from fork_info and an epoch. */
function emitForked(name, type, member, payload, objectRoot, domainType, epoch, version) {
  const fork = forkAround(epoch, version);
  const root = signingRoot(objectRoot, domainOf(domainType, fork.version, fork.info.root));
  emit(name, {type, fork_info: forkJson(fork.info), [member]: payload}, root);
}

function make(type, size) {
  const shape = exact(type);
  const value = randomValue(shape, size);
  return {value, json: shape.toJson(value), root: shape.hashTreeRoot(value)};
}

const slotEpoch = (slot) => slot / SLOTS_PER_EPOCH;

function emitBlocks(size) {
  const proposer = params.DOMAIN_BEACON_PROPOSER;
  const phase0 = make(ssz.phase0.BeaconBlock, size);
  emitForked("BLOCK", "BLOCK", "block", phase0.json, phase0.root, proposer, slotEpoch(phase0.value.slot));
  for (const fork of [...FORKS, "heze"]) {
    const block = make(ssz[fork].BeaconBlock, size);
    const {body, ...header} = block.json;
    const bodyType = exact(ssz[fork].BeaconBlock).fields.body;
    header.body_root = hex(bodyType.hashTreeRoot(block.value.body));
    const version = fork.toUpperCase();
    const payload = ["phase0", "altair"].includes(fork)
      ? {version, block: block.json}
      : {version, block_header: header};
    const epoch = slotEpoch(block.value.slot);
    emitForked(`BLOCK_V2 ${version}`, "BLOCK_V2", "beacon_block", payload, block.root, proposer, epoch);
  }
}

function emitAggregates(size, gloasVersion) {
  const domain = params.DOMAIN_AGGREGATE_AND_PROOF;
  for (const fork of [...FORKS, "heze"]) {
    const object = make((ssz[fork].AggregateAndProof ?? ssz.gloas.AggregateAndProof), size);
    const epoch = slotEpoch(object.value.aggregate.data.slot);
    const type = pick(["AGGREGATE_AND_PROOF", "AGGREGATE_AND_PROOF_V2"]);
    const version = fork.toUpperCase();
    const member = "aggregate_and_proof";
    emitForked(`${type} ${version}`, type, member, {version, data: object.json}, object.root, domain, epoch);
    if (fork !== "heze") {
      const fixed = fork === "gloas" ? gloasVersion : undefined;
      emitForked(`${type} ${version} bare`, type, member, object.json, object.root, domain, epoch, fixed);
    }
  }
}

function emitDuties(size) {
  const data = make(ssz.phase0.AttestationData, size);
  emitForked("ATTESTATION", "ATTESTATION", "attestation", data.json, data.root, params.DOMAIN_BEACON_ATTESTER,
    data.value.target.epoch);
  const slot = randomUint(64);
  const uint64 = new UintBigintType(8);
  emitForked("AGGREGATION_SLOT", "AGGREGATION_SLOT", "aggregation_slot", {slot: String(slot)},
    uint64.hashTreeRoot(slot), params.DOMAIN_SELECTION_PROOF, slotEpoch(slot));
  const epoch = randomUint(64);
  emitForked("RANDAO_REVEAL", "RANDAO_REVEAL", "randao_reveal", {epoch: String(epoch)}, uint64.hashTreeRoot(epoch),
    params.DOMAIN_RANDAO, epoch);
  const block = randomBytes(32);
  const messageSlot = randomUint(64);
  emitForked("SYNC_COMMITTEE_MESSAGE", "SYNC_COMMITTEE_MESSAGE", "sync_committee_message",
    {beacon_block_root: hex(block), slot: String(messageSlot)}, block, params.DOMAIN_SYNC_COMMITTEE,
    slotEpoch(messageSlot));
  const selection = make(ssz.altair.SyncAggregatorSelectionData, size);
  emitForked("SYNC_COMMITTEE_SELECTION_PROOF", "SYNC_COMMITTEE_SELECTION_PROOF", "sync_aggregator_selection_data",
    selection.json, selection.root, params.DOMAIN_SYNC_COMMITTEE_SELECTION_PROOF, slotEpoch(selection.value.slot));
  const contribution = make(ssz.altair.ContributionAndProof, size);
  emitForked("SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF", "SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF", "contribution_and_proof",
    contribution.json, contribution.root, params.DOMAIN_CONTRIBUTION_AND_PROOF,
    slotEpoch(contribution.value.contribution.slot));
}

const GLOAS = [
  ["EXECUTION_PAYLOAD_BID", ["EXECUTION_PAYLOAD_BID"], ["execution_payload_bid"], "ExecutionPayloadBid",
    params.DOMAIN_BEACON_BUILDER, (value) => value.slot],
  ["EXECUTION_PAYLOAD_ENVELOPE", ["EXECUTION_PAYLOAD_ENVELOPE"], ["execution_payload_envelope"],
    "ExecutionPayloadEnvelope", params.DOMAIN_BEACON_BUILDER, (value) => value.payload.slotNumber],
  ["PAYLOAD_ATTESTATION_MESSAGE", ["PAYLOAD_ATTESTATION_MESSAGE", "PAYLOAD_ATTESTATION"],
    ["payload_attestation_message", "payload_attestation_data"], "PayloadAttestationData",
    params.DOMAIN_PTC_ATTESTER, (value) => value.slot],
  ["PROPOSER_PREFERENCES", ["PROPOSER_PREFERENCES"], ["proposer_preferences"], "ProposerPreferences",
    params.DOMAIN_PROPOSER_PREFERENCES, (value) => value.proposalSlot],
];

function wrapped(json) {
  return below(2) === 0 ? json : {version: "GLOAS", data: json};
}

function emitGloas(size) {
  for (const [name, types, members, shape, domain, slot] of GLOAS) {
    const object = make(ssz.gloas[shape], size);
    emitForked(name, pick(types), pick(members), wrapped(object.json), object.root, domain,
      slotEpoch(slot(object.value)));
  }
}

/** Requests whose domain does not follow from fork_info, which may be there all the same. */
function emitGenesis(size, network) {
  const genesis = network.chain.GENESIS_FORK_VERSION;
  const zero = new Uint8Array(32);
  const extra = () => (below(2) === 0 ? {} : {fork_info: forkJson(forkAround(0n).info)});
  const registration = make(ssz.bellatrix.ValidatorRegistrationV1, size);
  emit("VALIDATOR_REGISTRATION",
    {type: "VALIDATOR_REGISTRATION", ...extra(), validator_registration: registration.json},
    signingRoot(registration.root, domainOf(params.DOMAIN_APPLICATION_BUILDER, genesis, zero)));
  const auth = make(ssz.gloas.BuilderRequestAuth, size);
  emit("BUILDER_REQUEST_AUTH",
    {
      type: pick(["BUILDER_REQUEST_AUTH", "REQUEST_AUTH"]), ...extra(),
      [pick(["builder_request_auth", "request_auth"])]: wrapped(auth.json),
    },
    signingRoot(auth.root, domainOf(params.DOMAIN_BUILDER_REQUEST_AUTH, genesis, zero)));
  const deposit = make(ssz.phase0.DepositMessage, size);
  const version = randomBytes(4);
  emit("DEPOSIT", {type: "DEPOSIT", ...extra(), deposit: {...deposit.json, genesis_fork_version: hex(version)}},
    signingRoot(deposit.root, domainOf(params.DOMAIN_DEPOSIT, version, zero)));
  const change = make(ssz.capella.BLSToExecutionChange, size);
  emit("BLS_TO_EXECUTION_CHANGE",
    {
      type: "BLS_TO_EXECUTION_CHANGE", ...extra(),
      [pick(["bls_to_execution_change", "BLS_TO_EXECUTION_CHANGE"])]: change.json,
    },
    signingRoot(change.root, domainOf(params.DOMAIN_BLS_TO_EXECUTION_CHANGE, genesis, bytes(network.root))));
}

/** Exits under the fork of a chain that is at `now`, as Lodestar's beacon node checks them. */
function emitExits(network) {
  const config = createBeaconConfig(network.chain, bytes(network.root));
  const starts = Object.values(config.forks).map((fork) => fork.epoch).filter(Number.isFinite);
  const now = Math.max(0, pick(starts) + pick([-1, 0, 1, 1000]));
  const epoch = pick([0, now, Math.max(0, now - 1), Math.min(now, pick(starts)), below(now + 1)]);
  const stateSlot = now * params.SLOTS_PER_EPOCH;
  const fork = config.getForkInfo(stateSlot);
  const exit = {epoch: BigInt(epoch), validatorIndex: randomUint(64)};
  const type = exact(ssz.phase0.VoluntaryExit);
  const body = {
    type: "VOLUNTARY_EXIT",
    fork_info: forkJson({
      previous: fork.prevVersion, current: fork.version, epoch: BigInt(fork.epoch), root: bytes(network.root),
    }),
    voluntary_exit: type.toJson(exit),
  };
  const root = type.hashTreeRoot(exit);
  const domain = config.getDomainForVoluntaryExit(stateSlot, epoch * params.SLOTS_PER_EPOCH);
  emit(`VOLUNTARY_EXIT ${fork.name}`, body, signingRoot(root, domain));
  const plain = config.getDomain(stateSlot, params.DOMAIN_VOLUNTARY_EXIT, epoch * params.SLOTS_PER_EPOCH);
  emit(`VOLUNTARY_EXIT ${fork.name} before EIP-7044`, body, signingRoot(root, plain), true);
}

function emitBodies(seed, rounds) {
  state = [BigInt(seed) * 0x9e3779b97f4a7c15n & MAX_UINT64 | 1n, 0xd1b54a32d192ed03n];
  const network = presetNetwork();
  for (let round = 0; round < rounds; round++) {
    const size = round % 4;
    emitBlocks(size);
    emitAggregates(size, network.chain.GLOAS_FORK_VERSION);
    emitDuties(size);
    emitGloas(size);
    emitGenesis(size, network);
    emitExits(network);
  }
}

const [mode, ...rest] = process.argv.slice(2);
const modes = {
  networks: () => NETWORKS.forEach((name) => print(describeNetwork(name))),
  configs: () =>
    NETWORKS.forEach((name) => {
      const {genesisTime, genesisValidatorsRoot} = genesisData[name];
      print({name, yaml: yamlOf(networksChainConfig[name], genesisTime, genesisValidatorsRoot)});
    }),
  preset: () =>
    print({
      slots_per_epoch: String(params.SLOTS_PER_EPOCH),
      max_committees_per_slot: String(params.MAX_COMMITTEES_PER_SLOT),
      sync_committee_size: String(params.SYNC_COMMITTEE_SIZE),
    }),
  config: () => {
    const {chain, time, root} = presetNetwork();
    process.stdout.write(yamlOf(chain, time, root));
  },
  bodies: () => emitBodies(rest[0], Number(rest[1])),
};
if (!(mode in modes)) {
  process.stderr.write("usage: generate.mjs networks | configs | preset | config | bodies SEED ROUNDS\n");
  process.exit(2);
}
modes[mode]();
