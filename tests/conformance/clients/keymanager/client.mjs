// The Key Manager API's client of @lodestar/api, callable line by line: see ../lines.mjs.
import {getClient} from "@lodestar/api/keymanager";
import {defaultChainConfig} from "@lodestar/config";
import {serve} from "./lines.mjs";

const client = (url) => getClient({baseUrl: url}, {config: defaultChainConfig});

await serve({
  listKeys: async ({url}) => (await client(url).listKeys()).value(),
  importKeystores: async ({url, keystores, passwords, slashingProtection}) =>
    (await client(url).importKeystores({keystores, passwords, slashingProtection})).value(),
  deleteKeys: async ({url, pubkeys}) => (await client(url).deleteKeys({pubkeys})).value(),
});
