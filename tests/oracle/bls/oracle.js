/* The other side of the comparison. Reads one case a line from stdin and answers each with one line:
 *   sign <secret> <message>                 the public key and the signature
 *   verify <public key> <message> <signature>   "true" or "false"
 * All values are hexadecimal without prefix. */
'use strict';
const { bls12_381 } = require('@noble/curves/bls12-381');

const scheme = { DST: 'BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_' };
const bytes = (hex) => Uint8Array.from(Buffer.from(hex, 'hex'));
const hex = (value) => Buffer.from(value).toString('hex');

function sign(secret, message) {
  const publicKey = bls12_381.getPublicKey(bytes(secret));
  return `${hex(publicKey)} ${hex(bls12_381.sign(bytes(message), bytes(secret), scheme))}`;
}

function verify(publicKey, message, signature) {
  try {
    return String(bls12_381.verify(bytes(signature), bytes(message), bytes(publicKey), scheme));
  } catch (refused) {
    return 'false'; /* an encoding of no point */
  }
}

for (const line of require('fs').readFileSync(0, 'utf8').split('\n').filter(Boolean)) {
  const [command, ...values] = line.split(' ');
  console.log(command === 'sign' ? sign(...values) : verify(...values));
}
