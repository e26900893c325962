#include "keystore/eip2335.h"

#include "base/hex.h"
#include "base/json.h"
#include "base/sha256.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>
#include <utf8proc.h>

enum {
    VERSION = 4,
    DERIVED_SIZE = 32, /* dklen: 16 bytes for AES, 16 for the checksum */
    CIPHER_KEY_SIZE = 16,
    /* NFKD makes at most 18 code points of one: of U+FDFA, three bytes of UTF-8. */
    POINTS_PER_BYTE = 6,
};

/* The member of a tree by its dotted place, which is also what a message names. */
static struct result find(const struct json *root, const char *place, const struct json **out,
                          struct detail *detail)
{
    const struct json *at = root;
    char name[16];
    for (const char *next = place; *next != '\0';) {
        size_t length = strcspn(next, ".");
        snprintf(name, sizeof(name), "%.*s", (int)length, next);
        at = json_member(at, name);
        next += next[length] == '.' ? length + 1 : length;
    }
    detail_set(detail, "%s", place);
    ENSURE(at != NULL, BAD_INPUT, "the member is missing");
    *out = at;
    return OK;
}

static struct result read_text(const struct json *root, const char *place, const char **text_out,
                               size_t *size_out, struct detail *detail)
{
    const struct json *value = NULL;
    TRY(find(root, place, &value, detail));
    const char *text = json_as_text(value, size_out);
    ENSURE(text != NULL, BAD_INPUT, "not a text");
    *text_out = text;
    return OK;
}

static struct result read_bytes(const struct json *root, const char *place, uint8_t *out,
                                size_t size, struct detail *detail)
{
    const char *text = NULL;
    size_t text_size = 0;
    TRY(read_text(root, place, &text, &text_size, detail));
    return hex_decode(text, text_size, out, size);
}

static struct result read_number(const struct json *root, const char *place, uint64_t *out,
                                 struct detail *detail)
{
    const struct json *value = NULL;
    int64_t number = 0;
    TRY(find(root, place, &value, detail));
    ENSURE(json_as_integer(value, &number), BAD_INPUT, "not a whole number");
    ENSURE(number > 0, BAD_INPUT, "not above zero");
    *out = (uint64_t)number;
    return OK;
}

static struct result expect_text(const struct json *root, const char *place, const char *wanted,
                                 struct detail *detail)
{
    const char *text = NULL;
    size_t size = 0;
    TRY(read_text(root, place, &text, &size, detail));
    detail_set(detail, "%s (must be \"%s\")", place, wanted);
    ENSURE(strcmp(text, wanted) == 0, BAD_INPUT, "not an algorithm of this standard");
    return OK;
}

static struct result read_version(const struct json *root, struct detail *detail)
{
    uint64_t version = 0;
    TRY(read_number(root, "version", &version, detail));
    ENSURE(version == VERSION, BAD_INPUT, "only version 4 is supported");
    return OK;
}

/* RFC 7914 section 2, OpenSSL's bounds on the same, and ours on the cost. */
static struct result check_scrypt(const struct eip2335 *keystore, struct detail *detail)
{
    uint64_t n = keystore->n;
    uint64_t r = keystore->r;
    uint64_t p = keystore->p;
    detail_set(detail, "crypto.kdf.params.n");
    ENSURE(n > 1 && (n & (n - 1)) == 0, BAD_INPUT, "not a power of two above 1");
    ENSURE(n <= EIP2335_SCRYPT_MEMORY_MAX / 128, LIMIT, "scrypt would take over 1 GiB of memory");
    detail_set(detail, "crypto.kdf.params.r");
    ENSURE(r <= EIP2335_SCRYPT_MEMORY_MAX / 128 / n, LIMIT,
           "scrypt would take over 1 GiB of memory");
    ENSURE(r >= 4 || n < UINT64_C(1) << (16 * r), BAD_INPUT,
           "too small for N: scrypt needs N below 2^(16 r)");
    detail_set(detail, "crypto.kdf.params.p");
    ENSURE(p <= EIP2335_SCRYPT_WORK_MAX / (n * r), LIMIT,
           "scrypt would take over half a minute (N * r * p is above 2^26)");
    detail_set(detail, "crypto.kdf.params.r, p");
    ENSURE(r * p <= EIP2335_SCRYPT_BLOCKS_MAX, LIMIT, "r * p is above 65536");
    return OK;
}

static struct result read_scrypt(const struct json *root, struct eip2335 *out,
                                 struct detail *detail)
{
    out->kdf = EIP2335_SCRYPT;
    TRY(read_number(root, "crypto.kdf.params.n", &out->n, detail));
    TRY(read_number(root, "crypto.kdf.params.r", &out->r, detail));
    TRY(read_number(root, "crypto.kdf.params.p", &out->p, detail));
    return check_scrypt(out, detail);
}

static struct result read_pbkdf2(const struct json *root, struct eip2335 *out,
                                 struct detail *detail)
{
    out->kdf = EIP2335_PBKDF2;
    TRY(expect_text(root, "crypto.kdf.params.prf", "hmac-sha256", detail));
    TRY(read_number(root, "crypto.kdf.params.c", &out->rounds, detail));
    ENSURE(out->rounds <= EIP2335_PBKDF2_ROUNDS_MAX, LIMIT, "over 100 million rounds");
    return OK;
}

static struct result read_salt(const struct json *root, struct eip2335 *out, struct detail *detail)
{
    static const char place[] = "crypto.kdf.params.salt";
    const char *text = NULL;
    size_t text_size = 0;
    TRY(read_text(root, place, &text, &text_size, detail));
    TRY(hex_decoded_size(text, text_size, &out->salt_size));
    ENSURE(out->salt_size >= 1, BAD_INPUT, "the salt is empty");
    ENSURE(out->salt_size <= sizeof(out->salt), LIMIT, "the salt is over 64 bytes");
    return hex_decode(text, text_size, out->salt, out->salt_size);
}

static struct result read_kdf(const struct json *root, struct eip2335 *out, struct detail *detail)
{
    static const char place[] = "crypto.kdf.function";
    const char *function = NULL;
    size_t function_size = 0;
    uint64_t derived_size = 0;
    TRY(read_text(root, place, &function, &function_size, detail));
    bool scrypt = strcmp(function, "scrypt") == 0;
    detail_set(detail, "%s (must be \"scrypt\" or \"pbkdf2\")", place);
    ENSURE(scrypt || strcmp(function, "pbkdf2") == 0, BAD_INPUT,
           "not an algorithm of this standard");
    TRY(read_number(root, "crypto.kdf.params.dklen", &derived_size, detail));
    ENSURE(derived_size == DERIVED_SIZE, BAD_INPUT, "must be 32");
    TRY(scrypt ? read_scrypt(root, out, detail) : read_pbkdf2(root, out, detail));
    return read_salt(root, out, detail);
}

static struct result read_checksum(const struct json *root, struct eip2335 *out,
                                   struct detail *detail)
{
    const struct json *parameters = NULL;
    TRY(expect_text(root, "crypto.checksum.function", "sha256", detail));
    TRY(find(root, "crypto.checksum.params", &parameters, detail));
    ENSURE(json_kind(parameters) == JSON_KIND_OBJECT && json_count(parameters) == 0, BAD_INPUT,
           "not an empty object");
    return read_bytes(root, "crypto.checksum.message", out->checksum, sizeof(out->checksum),
                      detail);
}

static struct result read_cipher(const struct json *root, struct eip2335 *out,
                                 struct detail *detail)
{
    TRY(expect_text(root, "crypto.cipher.function", "aes-128-ctr", detail));
    TRY(read_bytes(root, "crypto.cipher.params.iv", out->iv, sizeof(out->iv), detail));
    return read_bytes(root, "crypto.cipher.message", out->cipher_text, sizeof(out->cipher_text),
                      detail);
}

static struct result read_pubkey(const struct json *root, struct eip2335 *out,
                                 struct detail *detail)
{
    out->has_pubkey = json_member(root, "pubkey") != NULL;
    if (!out->has_pubkey) {
        return OK;
    }
    return read_bytes(root, "pubkey", out->pubkey.bytes, sizeof(out->pubkey.bytes), detail);
}

static struct result read_path(const struct json *root, struct eip2335 *out, struct detail *detail)
{
    const char *text = NULL;
    size_t size = 0;
    if (json_member(root, "path") == NULL) {
        return OK;
    }
    TRY(read_text(root, "path", &text, &size, detail));
    ENSURE(size <= EIP2335_PATH_MAX, LIMIT, "the derivation path is over 128 bytes");
    for (size_t i = 0; i < size; i++) {
        ENSURE(text[i] >= ' ' && text[i] <= '~', BAD_INPUT, "not printable ASCII");
    }
    memcpy(out->path, text, size + 1);
    return OK;
}

RESULT eip2335_parse(const char *text, size_t size, struct eip2335 *out, struct detail *detail)
{
    detail_set(detail, "%zu bytes", size);
    ENSURE(size <= EIP2335_JSON_MAX, LIMIT, "the keystore is over 64 KiB");
    CLEANUP(json_free_ptr) struct json *root = NULL;
    struct eip2335 keystore = { 0 };
    detail_set(detail, "top level");
    TRY(json_parse(text, size, &root, detail));
    detail_set(detail, "top level");
    ENSURE(json_kind(root) == JSON_KIND_OBJECT, BAD_INPUT, "not an EIP-2335 keystore");
    TRY(read_version(root, detail));
    TRY(read_kdf(root, &keystore, detail));
    TRY(read_checksum(root, &keystore, detail));
    TRY(read_cipher(root, &keystore, detail));
    TRY(read_pubkey(root, &keystore, detail));
    TRY(read_path(root, &keystore, detail));
    *out = keystore;
    return OK;
}

size_t eip2335_memory(const struct eip2335 *keystore)
{
    switch (keystore->kdf) {
    case EIP2335_SCRYPT: /* the p blocks of B, then V, X and T: what OpenSSL allocates */
        return (size_t)(128 * keystore->r * (keystore->p + keystore->n + 2));
    case EIP2335_PBKDF2:
        break;
    }
    return 0;
}

static bool is_control_code(utf8proc_int32_t point)
{
    return (point >= 0 && point < 0x20) || (point >= 0x7f && point <= 0x9f); /* C0; Delete, C1 */
}

static utf8proc_ssize_t strip_control_codes(utf8proc_int32_t *points, utf8proc_ssize_t count)
{
    utf8proc_ssize_t kept = 0;
    for (utf8proc_ssize_t i = 0; i < count; i++) {
        points[kept] = points[i];
        kept += !is_control_code(points[i]);
    }
    return kept;
}

/* The password as the standard feeds it to the key derivation: NFKD, no control codes, UTF-8. All
 * within one block, which holds code points first and then their encoding. */
static struct result normalise(const uint8_t *password, size_t size, struct secret_block *out)
{
    static const utf8proc_option_t nfkd = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT;
    ENSURE(size <= EIP2335_PASSWORD_MAX, BAD_INPUT, "the password is over 1024 bytes");
    SECRET_BLOCK block = { 0 };
    size_t capacity = size * POINTS_PER_BYTE;
    size_t slack = 2 * sizeof(utf8proc_int32_t); /* to align the start, and for a NUL at the end */
    ENSURE(secret_block_new(capacity * sizeof(utf8proc_int32_t) + slack, &block), UNAVAILABLE,
           "out of memory");
    size_t misaligned = (uintptr_t)block.data % sizeof(utf8proc_int32_t);
    void *start = block.data + (sizeof(utf8proc_int32_t) - misaligned);
    utf8proc_ssize_t count = utf8proc_decompose(password, (utf8proc_ssize_t)size, start,
                                                (utf8proc_ssize_t)capacity, nfkd);
    ENSURE(count >= 0, BAD_INPUT, "the password is not UTF-8");
    ENSURE((size_t)count <= capacity, BAD_INPUT, "the password is too long once normalised");
    count = utf8proc_reencode(start, strip_control_codes(start, count), nfkd);
    ENSURE(count >= 0, BAD_INPUT, "the password is not UTF-8");
    memmove(block.data, start, (size_t)count);
    block.size = (size_t)count;
    *out = block;
    block = (struct secret_block){ .data = NULL };
    return OK;
}

static bool derive_key(const struct eip2335 *keystore, const struct secret_block *password,
                       uint8_t out[static DERIVED_SIZE])
{
    const char *text = (const char *)password->data;
    switch (keystore->kdf) {
    case EIP2335_SCRYPT:
        return EVP_PBE_scrypt(text, password->size, keystore->salt, keystore->salt_size,
                              keystore->n, keystore->r, keystore->p, eip2335_memory(keystore), out,
                              DERIVED_SIZE) == 1;
    case EIP2335_PBKDF2:
        break;
    }
    return PKCS5_PBKDF2_HMAC(text, (int)password->size, keystore->salt, (int)keystore->salt_size,
                             (int)keystore->rounds, EVP_sha256(), DERIVED_SIZE, out) == 1;
}

static void cipher_free_ptr(EVP_CIPHER_CTX **context)
{
    EVP_CIPHER_CTX_free(*context);
}

static bool decrypt_aes(const struct eip2335 *keystore, const uint8_t key[static CIPHER_KEY_SIZE],
                        struct secret32 *out)
{
    CLEANUP(cipher_free_ptr) EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int size = 0;
    return context != NULL &&
           EVP_DecryptInit_ex2(context, EVP_aes_128_ctr(), key, keystore->iv, NULL) == 1 &&
           EVP_DecryptUpdate(context, out->bytes, &size, keystore->cipher_text,
                             sizeof(keystore->cipher_text)) == 1 &&
           (size_t)size == sizeof(out->bytes);
}

RESULT eip2335_decrypt(const struct eip2335 *keystore, const uint8_t *password,
                       size_t password_size, struct secret32 *secret_out)
{
    SECRET_BLOCK normalised = { 0 };
    TRY(normalise(password, password_size, &normalised));
    /* The derived key and, behind it, the cipher text: the checksum goes over the second half of
     * the one and all of the other. */
    SECRET_BLOCK derived = { 0 };
    ENSURE(secret_block_new(DERIVED_SIZE + sizeof(keystore->cipher_text), &derived), UNAVAILABLE,
           "out of memory");
    bool done = derive_key(keystore, &normalised, derived.data);
    ERR_clear_error();
    ENSURE(done, UNAVAILABLE, "no memory for the key derivation");
    memcpy(derived.data + DERIVED_SIZE, keystore->cipher_text, sizeof(keystore->cipher_text));
    uint8_t checksum[SHA256_SIZE];
    sha256(derived.data + CIPHER_KEY_SIZE, derived.size - CIPHER_KEY_SIZE, checksum);
    ENSURE(secret_equal(checksum, keystore->checksum, sizeof(checksum)), REFUSED, "wrong password");
    SECRET secret;
    ENSURE(decrypt_aes(keystore, derived.data, &secret), UNAVAILABLE, "out of memory");
    *secret_out = secret;
    return OK;
}
