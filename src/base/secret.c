#include "base/secret.h"

#include <openssl/crypto.h>
#include <sodium.h>
#include <stdint.h>

bool secret_equal(const void *a, const void *b, size_t size)
{
    return CRYPTO_memcmp(a, b, size) == 0;
}

bool secret_block_new(size_t size, struct secret_block *out)
{
    if (size > SIZE_MAX / 2 || sodium_init() < 0) {
        return false;
    }
    uint8_t *data = sodium_malloc(size + 1);
    if (data == NULL) {
        return false;
    }
    memset(data, 0, size + 1);
    *out = (struct secret_block){ .data = data, .size = size };
    return true;
}

void secret_block_free(struct secret_block *block)
{
    sodium_free(block->data); /* wipes first; accepts NULL */
    *block = (struct secret_block){ .data = NULL };
}
