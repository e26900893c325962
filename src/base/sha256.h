/* sha256.h: SHA-256 (FIPS 180-4), by OpenSSL. */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_SIZE = 32 };

/* out = SHA-256(bytes). `out` may overlap `bytes`. Thread-safe. Aborts when OpenSSL cannot hash:
 * there is no sane way on. */
void sha256(const void *bytes, size_t size, uint8_t out[static SHA256_SIZE]);

/* out = SHA-256(left || right), the inner node of every Merkle tree here. `out` may be either
 * input. */
void sha256_pair(const uint8_t left[static SHA256_SIZE], const uint8_t right[static SHA256_SIZE],
                 uint8_t out[static SHA256_SIZE]);

#endif
