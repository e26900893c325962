/* sha384.h: SHA-384 (FIPS 180-4) of one text or of many pieces, by OpenSSL. */
#ifndef BASE_SHA384_H
#define BASE_SHA384_H

#include "base/cleanup.h"

#include <stddef.h>
#include <stdint.h>

enum { SHA384_SIZE = 48 };

/* out = SHA-384(bytes). `out` may overlap `bytes`. Aborts when OpenSSL cannot hash: there is no
 * sane way on. */
void sha384(const void *bytes, size_t size, uint8_t out[static SHA384_SIZE]);

/* The same for what comes in pieces. One thread; sha384_free() accepts NULL. */
struct sha384;
struct sha384 *sha384_new(void); /* never NULL: aborts */
void sha384_add(struct sha384 *hash, const void *bytes, size_t size);
/* What was added so far; more may be added afterwards. */
void sha384_value(const struct sha384 *hash, uint8_t out[static SHA384_SIZE]);
void sha384_free(struct sha384 *hash);
DEFINE_CLEANUP(struct sha384, sha384_free);

#endif
