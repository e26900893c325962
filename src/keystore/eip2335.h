/* eip2335.h: EIP-2335 keystores, version 4: a BLS secret key under a password.
 * Follows https://eips.ethereum.org/EIPS/eip-2335: scrypt or PBKDF2 (HMAC-SHA-256), SHA-256
 * checksum, AES-128-CTR, passwords in NFKD without control codes. */
#ifndef KEYSTORE_EIP2335_H
#define KEYSTORE_EIP2335_H

#include "base/detail.h"
#include "base/result.h"
#include "base/secret.h"
#include "eth/types.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    EIP2335_JSON_MAX = 64 * 1024,
    EIP2335_PASSWORD_MAX = 1024, /* bytes, before normalisation */
    EIP2335_PATH_MAX = 128,      /* longer derivation paths are refused */
    /* What a file may cost, at most about half a minute: the usual N = 2^18, r = 8, p = 1 takes 256
     * MiB and N * r * p = 2^21. */
    EIP2335_SCRYPT_MEMORY_MAX = 1024 * 1024 * 1024, /* bytes: 128 * N * r */
    EIP2335_SCRYPT_WORK_MAX = 64 * 1024 * 1024,     /* N * r * p */
    EIP2335_SCRYPT_BLOCKS_MAX = 64 * 1024,          /* r * p: 8 MiB beside the memory above */
    EIP2335_PBKDF2_ROUNDS_MAX = 100 * 1000 * 1000,
};

enum eip2335_kdf { EIP2335_SCRYPT, EIP2335_PBKDF2 };

/* A keystore that was read and found well-formed; nothing is decrypted. */
struct eip2335 {
    enum eip2335_kdf kdf;
    uint64_t n, r, p; /* scrypt */
    uint64_t rounds;  /* PBKDF2's c */
    uint8_t salt[64];
    size_t salt_size;
    uint8_t checksum[32];
    uint8_t iv[16];
    uint8_t cipher_text[32];
    bool has_pubkey;
    struct pubkey pubkey;            /* claimed; the caller compares it with the derived one */
    char path[EIP2335_PATH_MAX + 1]; /* printable ASCII; "" when there is none */
};

/* Reads the JSON. BAD_INPUT names the member in `detail`, which quotes nothing of the text; LIMIT
 * when one is over the bounds above. Members that the standard does not need for decryption are not
 * looked at. json_init() must have been called. */
RESULT eip2335_parse(const char *text, size_t size, struct eip2335 *out, struct detail *detail);

/* Bytes that eip2335_decrypt() will need for its key derivation, for whoever bounds memory; 0 for
 * PBKDF2, which needs none to speak of. */
size_t eip2335_memory(const struct eip2335 *keystore);

/* Derives the key from the password (UTF-8, not NUL-terminated), checks it and decrypts. Whether
 * the result is a valid key is for the caller to see (key_table_add() does). REFUSED: wrong
 * password. BAD_INPUT: the password is not UTF-8 or is over its limit. UNAVAILABLE: no memory.
 * Takes from 50 ms to seconds. Thread-safe. Copies that OpenSSL makes for itself, it wipes. */
RESULT eip2335_decrypt(const struct eip2335 *keystore, const uint8_t *password,
                       size_t password_size, struct secret32 *secret_out);

#endif
