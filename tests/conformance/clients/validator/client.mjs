// A validator client made of Lodestar's own parts, callable line by line: see ../lines.mjs.
//
// It signs random messages through ValidatorStore, or through the remote signer's client below it, and says of
// each signature whether it is right: the signing root is computed by Lodestar's libraries, the signature verified
// by herumi's.
import bls from "@chainsafe/bls/herumi";
import {fromHexString, toHexString} from "@chainsafe/ssz";
import {ApiError} from "@lodestar/api";
import {getClient} from "@lodestar/api/keymanager";
import {chainConfigToJson, createIBeaconConfig, defaultChainConfig} from "@lodestar/config";
import {genesisData, networksChainConfig} from "@lodestar/config/networks";
import {LevelDbController} from "@lodestar/db";
import {SLOTS_PER_EPOCH} from "@lodestar/params";
import {
  externalSignerGetKeys,
  externalSignerPostSignature,
  externalSignerUpCheck,
  SignerType,
  SlashingProtection,
  ValidatorStore,
} from "@lodestar/validator";
import {SignableMessageType} from "./node_modules/@lodestar/validator/lib/util/externalSignerClient.js";
import {answer, serve} from "./lines.mjs";
import {messages} from "./messages.mjs";

const configs = new Map();
const stores = new Map();

function configOf(network) {
  if (!configs.has(network)) {
    const root = fromHexString(genesisData[network].genesisValidatorsRoot);
    configs.set(network, createIBeaconConfig(networksChainConfig[network], root));
  }
  return configs.get(network);
}

function judge(config, type, pubkey, slot, data, signature) {
  const root = messages[type].root(config, slot, data);
  return {root: toHexString(root), signature, right: bls.verify(fromHexString(pubkey), root, fromHexString(signature))};
}

// A network of our own; gives its config.yaml.
function makeNetwork({name, chain, genesisTime, genesisValidatorsRoot}) {
  const config = {...defaultChainConfig, CONFIG_NAME: name, ...chain};
  configs.set(name, createIBeaconConfig(config, fromHexString(genesisValidatorsRoot)));
  const json = {
    ...chainConfigToJson(config),
    GENESIS_TIME: String(genesisTime),
    GENESIS_VALIDATORS_ROOT: genesisValidatorsRoot,
  };
  return Object.entries(json)
    .map(([key, value]) => `${key}: '${value}'\n`)
    .join("");
}

// A validator client with a slashing protection database of its own.
async function openStore({store, url, network, pubkeys, folder}) {
  const config = configOf(network);
  const controller = new LevelDbController({name: folder}, {});
  await controller.start();
  const protection = new SlashingProtection({config, controller});
  const signers = pubkeys.map((pubkey) => ({type: SignerType.Remote, url, pubkey}));
  const [indices, doppelganger, metrics, proposers] = [{}, null, null, undefined]; // not asked when it signs
  const real = new ValidatorStore(
    config,
    protection,
    indices,
    doppelganger,
    metrics,
    signers,
    proposers,
    config.genesisValidatorsRoot
  );
  stores.set(store, {real, config, protection, controller});
}

async function sign({store, type, pubkey, slot, ...rest}) {
  const {real, config} = stores.get(store);
  const wanted = messages[type].make(config, slot, rest);
  const {data, signature} = await messages[type].sign(real, pubkey, slot, wanted);
  return judge(config, type, pubkey, slot, data, toHexString(signature));
}

async function post({url, network, type, pubkey, slot, wrongRoot, ...rest}) {
  const config = configOf(network);
  const data = messages[type].make(config, slot, {...rest, pubkey});
  const root = wrongRoot ? fromHexString(wrongRoot) : messages[type].root(config, slot, data);
  const signature = await externalSignerPostSignature(config, url, pubkey, root, slot, {type, data});
  return judge(config, type, pubkey, slot, data, signature);
}

const keymanager = (url) => getClient({baseUrl: url}, {config: defaultChainConfig});

async function body(answer) {
  const got = await answer;
  ApiError.assert(got);
  return got.response;
}

await serve({
  messageTypes: () => Object.values(SignableMessageType),
  slotsPerEpoch: () => SLOTS_PER_EPOCH,
  makeNetwork,
  getKeys: ({url}) => externalSignerGetKeys(url),
  upCheck: ({url}) => externalSignerUpCheck(url),
  openStore,
  sign,
  signAtOnce: ({calls}) => Promise.all(calls.map((given) => answer({sign}, {call: "sign", given}))),
  post,
  importInterchange: ({store, interchange}) => {
    const {protection, config} = stores.get(store);
    return protection.importInterchange(interchange, config.genesisValidatorsRoot);
  },
  exportInterchange: ({store, pubkeys}) => {
    const {protection, config} = stores.get(store);
    return protection.exportInterchange(config.genesisValidatorsRoot, pubkeys.map(fromHexString), {version: "5"});
  },
  listKeys: async ({url}) => (await body(keymanager(url).listKeys())).data,
  importKeystores: async ({url, keystores, passwords, slashingProtection}) =>
    (await body(keymanager(url).importKeystores(keystores, passwords, slashingProtection))).data,
  async deleteKeys({url, pubkeys}) {
    const {data, slashingProtection} = await body(keymanager(url).deleteKeys(pubkeys));
    return {statuses: data, slashingProtection};
  },
});
