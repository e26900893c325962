#include "keystore_maker.h"

#include "base/buf.h"
#include "base/hex.h"
#include "bls/bls.h"

#include <assert.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <string.h>

static const uint8_t salt[32] = "a salt of thirty-two characters";
static const uint8_t iv[16] = "sixteen letters";

static void derive(const struct keystore_recipe *recipe, uint8_t out[static 32])
{
    size_t size = recipe->password_size > 0 ? recipe->password_size : strlen(recipe->password);
    uint64_t memory = UINT64_C(1) << 31;
    int done = 0;
    if (recipe->n != 0) {
        done = EVP_PBE_scrypt(recipe->password, size, salt, sizeof(salt), recipe->n, recipe->r,
                              recipe->p, memory, out, 32);
    } else {
        done = PKCS5_PBKDF2_HMAC(recipe->password, (int)size, salt, sizeof(salt),
                                 (int)recipe->rounds, EVP_sha256(), 32, out);
    }
    assert(done == 1);
}

static void encrypt(const uint8_t key[static 16], const uint8_t secret[static 32],
                    uint8_t out[static 32])
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int size = 0;
    assert(context != NULL);
    assert(EVP_EncryptInit_ex(context, EVP_aes_128_ctr(), NULL, key, iv) == 1);
    assert(EVP_EncryptUpdate(context, out, &size, secret, 32) == 1 && size == 32);
    EVP_CIPHER_CTX_free(context);
}

static void append_hex(struct buf *out, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        buf_printf(out, "%02x", bytes[i]);
    }
}

static void append_kdf(struct buf *out, const struct keystore_recipe *recipe)
{
    if (recipe->n != 0) {
        buf_printf(out,
                   "\"function\":\"scrypt\",\"params\":{\"dklen\":32,\"n\":%" PRIu64
                   ",\"r\":%" PRIu64 ",\"p\":%" PRIu64,
                   recipe->n, recipe->r, recipe->p);
    } else {
        buf_printf(out,
                   "\"function\":\"pbkdf2\",\"params\":{\"dklen\":32,\"prf\":\"hmac-sha256\","
                   "\"c\":%" PRIu64,
                   recipe->rounds);
    }
    buf_append_text(out, ",\"salt\":\"");
    append_hex(out, salt, sizeof(salt));
    buf_append_text(out, "\"},\"message\":\"\"");
}

static void append_pubkey(struct buf *out, const struct keystore_recipe *recipe)
{
    uint8_t pubkey[BLS_PUBKEY_SIZE];
    if (recipe->pubkey_text != NULL && recipe->pubkey_text[0] == '\0') {
        return;
    }
    buf_append_text(out, ",\"pubkey\":\"");
    if (recipe->pubkey_text != NULL) {
        buf_append_text(out, recipe->pubkey_text);
    } else {
        struct result result = bls_public_key(recipe->secret, pubkey);
        assert(is_ok(result));
        append_hex(out, pubkey, sizeof(pubkey));
    }
    buf_append_text(out, "\"");
}

char *keystore_make(const struct keystore_recipe *recipe)
{
    uint8_t derived[32];
    uint8_t checked[16 + 32];
    uint8_t checksum[32];
    struct buf out = BUF_INIT(16 * 1024);
    derive(recipe, derived);
    memcpy(checked, derived + 16, 16);
    encrypt(derived, recipe->secret, checked + 16);
    assert(EVP_Digest(checked, sizeof(checked), checksum, NULL, EVP_sha256(), NULL) == 1);
    buf_append_text(&out, "{\"crypto\":{\"kdf\":{");
    append_kdf(&out, recipe);
    buf_append_text(&out, "},\"checksum\":{\"function\":\"sha256\",\"params\":{},\"message\":\"");
    append_hex(&out, checksum, sizeof(checksum));
    buf_append_text(&out, "\"},\"cipher\":{\"function\":\"aes-128-ctr\",\"params\":{\"iv\":\"");
    append_hex(&out, iv, sizeof(iv));
    buf_append_text(&out, "\"},\"message\":\"");
    append_hex(&out, checked + 16, 32);
    buf_append_text(&out, "\"}},\"description\":\"made by a test\"");
    append_pubkey(&out, recipe);
    if (recipe->path != NULL) {
        buf_printf(&out, ",\"path\":\"%s\"", recipe->path);
    }
    buf_append_text(&out, ",\"uuid\":\"00000000-0000-4000-8000-000000000000\",\"version\":4}\n");
    assert(!out.failed);
    return buf_take(&out);
}

char *keystore_make_cheap(const uint8_t secret[static 32], const char *password)
{
    struct keystore_recipe recipe = { .rounds = 1, .password = password, .secret = secret };
    return keystore_make(&recipe);
}

void keystore_maker_secret(uint32_t number, uint8_t out[static 32])
{
    char name[32];
    int size = snprintf(name, sizeof(name), "secret key %" PRIu32, number);
    assert(EVP_Digest(name, (size_t)size, out, NULL, EVP_sha256(), NULL) == 1);
    out[0] &= 0x3f; /* below the order of the group, which begins with 0x73 */
}
