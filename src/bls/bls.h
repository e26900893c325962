/* bls.h: BLS signatures as Ethereum uses them (public keys in G1, signatures in G2, scheme
 * BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_), by blst. The only interface to it.
 * Everything that touches a secret key is constant-time and leaves no copy of it behind.
 * All functions are thread-safe. */
#ifndef BLS_BLS_H
#define BLS_BLS_H

#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BLS_SECRET_SIZE = 32, BLS_PUBKEY_SIZE = 48, BLS_SIGNATURE_SIZE = 96, BLS_MESSAGE_SIZE = 32 };

/* A message hashed to the curve: half of a signature's work, the same for every key, not secret. */
struct bls_point {
    uint64_t limbs[36]; /* a blst_p2 */
};

/* The public key of a secret key of 32 big-endian bytes. BAD_INPUT when the key is zero or not
 * below the group order. */
RESULT bls_public_key(const uint8_t secret[static BLS_SECRET_SIZE],
                      uint8_t pubkey_out[static BLS_PUBKEY_SIZE]);

void bls_hash(const uint8_t message[static BLS_MESSAGE_SIZE], struct bls_point *out);

/* Signs a hashed message. The secret must be one that bls_public_key() accepted. Aborts for a
 * secret of zero: the signature would be the point at infinity, which anybody can make. */
void bls_sign(const uint8_t secret[static BLS_SECRET_SIZE], const struct bls_point *message,
              uint8_t signature_out[static BLS_SIGNATURE_SIZE]);

/* True when the signature is the key's over the message. Checks both points fully. For tests and
 * tools; costs three signatures. */
bool bls_verify(const uint8_t pubkey[static BLS_PUBKEY_SIZE],
                const uint8_t message[static BLS_MESSAGE_SIZE],
                const uint8_t signature[static BLS_SIGNATURE_SIZE]);

/* True for the encoding of a point of the group other than infinity: a key that can exist. */
bool bls_pubkey_is_valid(const uint8_t pubkey[static BLS_PUBKEY_SIZE]);

#endif
