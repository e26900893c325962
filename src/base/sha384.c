#include "base/sha384.h"

#include <openssl/evp.h>

struct sha384 {
    EVP_MD_CTX *context;
};

static void must(int done)
{
    if (done != 1) {
        abort();
    }
}

void sha384(const void *bytes, size_t size, uint8_t out[static SHA384_SIZE])
{
    must(EVP_Digest(bytes, size, out, NULL, EVP_sha384(), NULL));
}

struct sha384 *sha384_new(void)
{
    struct sha384 *hash = calloc(1, sizeof(*hash));
    must(hash != NULL);
    hash->context = EVP_MD_CTX_new();
    must(hash->context != NULL);
    must(EVP_DigestInit_ex2(hash->context, EVP_sha384(), NULL));
    return hash;
}

void sha384_add(struct sha384 *hash, const void *bytes, size_t size)
{
    must(EVP_DigestUpdate(hash->context, bytes, size));
}

void sha384_value(const struct sha384 *hash, uint8_t out[static SHA384_SIZE])
{
    EVP_MD_CTX *copy = EVP_MD_CTX_new();
    must(copy != NULL);
    must(EVP_MD_CTX_copy_ex(copy, hash->context));
    must(EVP_DigestFinal_ex(copy, out, NULL));
    EVP_MD_CTX_free(copy);
}

void sha384_free(struct sha384 *hash)
{
    if (hash != NULL) {
        EVP_MD_CTX_free(hash->context);
        free(hash);
    }
}
