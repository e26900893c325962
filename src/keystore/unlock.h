/* unlock.h: from a keystore's text and its password to the key in it, checked. */
#ifndef KEYSTORE_UNLOCK_H
#define KEYSTORE_UNLOCK_H

#include "base/detail.h"
#include "base/result.h"
#include "base/secret.h"
#include "eth/types.h"
#include "keystore/eip2335.h"
#include "keystore/kdf_gate.h"

#include <stddef.h>

/* A text or a password, not NUL-terminated. */
struct unlock_text {
    const char *at;
    size_t size;
};

/* A key out of its keystore; lives in secret memory. */
struct unlocked {
    struct secret32 secret;
    struct pubkey pubkey;
    char path[EIP2335_PATH_MAX + 1]; /* derivation path, or "" */
};

/* Reads an EIP-2335 keystore, waits at the gate for the memory that its derivation takes, decrypts
 * it, derives the public key and compares it with the keystore's own, if it names one. Fails as
 * eip2335_parse(), eip2335_decrypt() and bls_public_key() do; BAD_INPUT when the public keys
 * differ; UNAVAILABLE when the gate is closed. */
RESULT unlock_keystore(struct unlock_text keystore, struct unlock_text password,
                       struct kdf_gate *gate, struct unlocked *out, struct detail *detail);

#endif
