/* keystore_maker.h: makes EIP-2335 keystores for tests, with OpenSSL and without src/keystore, so
 * that what reads them is tested against something else than itself. Memory that runs out ends the
 * test program. */
#ifndef TESTS_SUPPORT_KEYSTORE_MAKER_H
#define TESTS_SUPPORT_KEYSTORE_MAKER_H

#include <stddef.h>
#include <stdint.h>

struct keystore_recipe {
    uint64_t n, r, p;        /* scrypt, when n is not 0 … */
    uint64_t rounds;         /* … else PBKDF2 */
    const char *password;    /* as the key derivation gets it: normalise beforehand */
    size_t password_size;    /* 0: strlen(password) */
    const uint8_t *secret;   /* 32 bytes */
    const char *pubkey_text; /* for the member "pubkey"; NULL: the secret's; "": no such member */
    const char *path;        /* for the member "path"; NULL: no such member */
};

/* The keystore as JSON; the caller frees it. */
char *keystore_make(const struct keystore_recipe *recipe);

/* The same with the cheapest PBKDF2 there is. */
char *keystore_make_cheap(const uint8_t secret[static 32], const char *password);

/* Secret key number `number`: valid, different for each number, the same in every run. */
void keystore_maker_secret(uint32_t number, uint8_t out[static 32]);

#endif
