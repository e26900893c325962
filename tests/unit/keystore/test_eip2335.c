#include "keystore/eip2335.h"

#include "base/buf.h"
#include "base/hex.h"
#include "bls/bls.h"
#include "harness.h"
#include "memory_scan.h"
#include "support/keystore_maker.h"

#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <utf8proc.h>

/* The two test vectors of EIP-2335, their parameters set apart so that the malformed ones below
 * differ from a good one in one member. */
#define VECTOR_SALT "d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3"
#define VECTOR_IV   "264daa3f303d7259501c93d997d84fe6"
#define VECTOR_PUBKEY                                                                              \
    "9612d7a727c9d0a22e185a1c768478dfe919cada9266988cb32359c11f2b7b27f4ae4040902382ae2910c15e2b42" \
    "0d07"
#define CHECKSUM(message) \
    "\"checksum\":{\"function\":\"sha256\",\"params\":{},\"message\":\"" message "\"}"
#define CIPHER(message)                                                        \
    "\"cipher\":{\"function\":\"aes-128-ctr\",\"params\":{\"iv\":\"" VECTOR_IV \
    "\"},\"message\":\"" message "\"}"
#define SCRYPT_CHECKSUM "d2217fe5f3e9a1e34581ef8a78f7c9928e436d36dacc5e846690a5581e8ea484"
#define SCRYPT_CIPHER   "06ae90d55fe0a6e9c5c3bc5b170827b2e5cce3929ed3f116c2811e6366dfe20f"
#define PBKDF2_CHECKSUM "8a9f5d9912ed7e75ea794bc5a89bca5f193721d30868ade6f73043c6ea6febf1"
#define PBKDF2_CIPHER   "cee03fde2af33149775b7223e7845e4fb2c8ae1792e5f99fe9ecf474cc8c16ad"
#define SCRYPT_KDF                                                                            \
    "\"kdf\":{\"function\":\"scrypt\",\"params\":{\"dklen\":32,\"n\":262144,\"p\":1,\"r\":8," \
    "\"salt\":\"" VECTOR_SALT "\"},\"message\":\"\"}"
#define PBKDF2_KDF                                                            \
    "\"kdf\":{\"function\":\"pbkdf2\",\"params\":{\"dklen\":32,\"c\":262144," \
    "\"prf\":\"hmac-sha256\",\"salt\":\"" VECTOR_SALT "\"},\"message\":\"\"}"

static const char scrypt_vector[] =
    "{\"crypto\":{" SCRYPT_KDF "," CHECKSUM(SCRYPT_CHECKSUM) "," CIPHER(
        SCRYPT_CIPHER) "},"
                       "\"description\":\"This is a test keystore that uses scrypt to secure the "
                       "secret.\",\"pubkey\":\"" VECTOR_PUBKEY
                       "\",\"path\":\"m/12381/60/3141592653/589793238\","
                       "\"uuid\":\"1d85ae20-35c5-4611-98e8-aa14a633906f\",\"version\":4}";
static const char pbkdf2_vector[] =
    "{\"crypto\":{" PBKDF2_KDF "," CHECKSUM(PBKDF2_CHECKSUM) "," CIPHER(
        PBKDF2_CIPHER) "},"
                       "\"description\":\"This is a test keystore that uses PBKDF2 to secure the "
                       "secret.\",\"pubkey\":\"" VECTOR_PUBKEY "\",\"path\":\"m/12381/60/0/0\","
                       "\"uuid\":\"64625def-3331-4eea-ab6f-782f3ed16a83\",\"version\":4}";
/* "testpassword" in Fraktur, and a key. */
static const char vector_password[] =
    "\xf0\x9d\x94\xb1\xf0\x9d\x94\xa2\xf0\x9d\x94\xb0\xf0\x9d\x94\xb1\xf0\x9d\x94\xad\xf0\x9d\x94"
    "\x9e\xf0\x9d\x94\xb0\xf0\x9d\x94\xb0\xf0\x9d\x94\xb4\xf0\x9d\x94\xac\xf0\x9d\x94\xaf\xf0\x9d"
    "\x94\xa1\xf0\x9f\x94\x91";
static const char vector_secret[] =
    "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f";

static struct result parse(const char *text, struct eip2335 *out, struct detail *detail)
{
    return eip2335_parse(text, strlen(text), out, detail);
}

static struct result decrypt(const struct eip2335 *keystore, const char *password,
                             struct secret32 *out)
{
    return eip2335_decrypt(keystore, (const uint8_t *)password, strlen(password), out);
}

/* Whether what `password` gives decrypts what was encrypted under `normalised`. */
static struct result try_password(const void *password, size_t size, const char *normalised,
                                  size_t normalised_size)
{
    uint8_t secret[32];
    keystore_maker_secret(7, secret);
    struct keystore_recipe recipe = {
        .rounds = 2, .password = normalised, .password_size = normalised_size, .secret = secret
    };
    CLEANUP(free_ptr) char *text = keystore_make(&recipe);
    struct eip2335 keystore;
    SECRET found;
    TRY(parse(text, &keystore, NULL));
    TRY(eip2335_decrypt(&keystore, password, size, &found));
    ENSURE(memcmp(found.bytes, secret, 32) == 0, BAD_INPUT, "another secret");
    return OK;
}

TEST(the_standards_scrypt_vector_decrypts)
{
    struct eip2335 keystore;
    SECRET secret;
    uint8_t wanted[32];
    CHECK_OK(parse(scrypt_vector, &keystore, NULL));
    CHECK(keystore.kdf == EIP2335_SCRYPT && keystore.n == 262144 && keystore.r == 8);
    CHECK_TEXT(keystore.path, "m/12381/60/3141592653/589793238");
    CHECK(eip2335_memory(&keystore) >= 256 * 1024 * 1024);
    CHECK(eip2335_memory(&keystore) <= 257 * 1024 * 1024);
    CHECK_OK(decrypt(&keystore, vector_password, &secret));
    CHECK_OK(hex_decode(vector_secret, 64, wanted, 32));
    CHECK(memcmp(secret.bytes, wanted, 32) == 0);
}

TEST(the_standards_pbkdf2_vector_decrypts_to_the_claimed_key)
{
    struct eip2335 keystore;
    SECRET secret;
    uint8_t wanted[32];
    uint8_t pubkey[48];
    CHECK_OK(parse(pbkdf2_vector, &keystore, NULL));
    CHECK(keystore.kdf == EIP2335_PBKDF2 && keystore.rounds == 262144);
    CHECK(eip2335_memory(&keystore) == 0);
    CHECK_OK(decrypt(&keystore, vector_password, &secret));
    CHECK_OK(hex_decode(vector_secret, 64, wanted, 32));
    CHECK(memcmp(secret.bytes, wanted, 32) == 0);
    CHECK_OK(bls_public_key(secret.bytes, pubkey));
    CHECK(keystore.has_pubkey && memcmp(pubkey, keystore.pubkey.bytes, 48) == 0);
}

TEST(a_wrong_password_is_refused_and_gives_nothing)
{
    static const char *const wrong[] = { "Pass", "pas", "passs", "pass ", " pass", "" };
    uint8_t secret[32];
    struct eip2335 keystore;
    struct secret32 found;
    keystore_maker_secret(1, secret);
    CLEANUP(free_ptr) char *text = keystore_make_cheap(secret, "pass");
    memset(&found, 0x55, sizeof(found));
    CHECK_OK(parse(text, &keystore, NULL));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CHECK_FAILS(REFUSED, decrypt(&keystore, wrong[i], &found));
    }
    for (size_t i = 0; i < sizeof(found); i++) {
        CHECK(found.bytes[i] == 0x55);
    }
    CHECK_OK(decrypt(&keystore, "pass", &found));
    CHECK(memcmp(found.bytes, secret, 32) == 0);
}

TEST(a_changed_cipher_text_checksum_or_salt_is_a_wrong_password)
{
    struct eip2335 good;
    SECRET found;
    uint8_t secret[32];
    keystore_maker_secret(2, secret);
    CLEANUP(free_ptr) char *text = keystore_make_cheap(secret, "pass");
    CHECK_OK(parse(text, &good, NULL));
    uint8_t *const parts[] = { &good.cipher_text[31], &good.checksum[31], &good.salt[0] };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        *parts[i] ^= 1;
        CHECK_FAILS(REFUSED, decrypt(&good, "pass", &found));
        *parts[i] ^= 1;
    }
    CHECK_OK(decrypt(&good, "pass", &found));
}

/* Each is refused with the named place in the detail. */
static const struct {
    const char *place;
    const char *was; /* in scrypt_vector or pbkdf2_vector */
    const char *is;
} malformed[] = {
    { "version", "\"version\":4", "\"version\":3" },
    { "version", "\"version\":4", "\"version\":5" },
    { "version", "\"version\":4", "\"version\":\"4\"" },
    { "version", "\"version\":4", "\"version\":4.0" },
    { "version", "\"version\":4", "\"other\":4" },
    { "version", "\"version\":4", "\"version\":null" },
    { "crypto.kdf.function", "\"crypto\":{", "\"Crypto\":{" },
    { "crypto.kdf.function", "\"kdf\":{", "\"KDF\":{" },
    { "crypto.kdf.function", "\"kdf\":{", "\"kdf\":[],\"x\":{" },
    { "crypto.kdf.function", "\"function\":\"scrypt\"", "\"function\":\"argon2id\"" },
    { "crypto.kdf.function", "\"function\":\"scrypt\"", "\"function\":\"Scrypt\"" },
    { "crypto.kdf.function", "\"function\":\"scrypt\"", "\"function\":1" },
    { "crypto.kdf.function", "\"function\":\"scrypt\",", "" },
    { "crypto.kdf.params.dklen", "\"dklen\":32", "\"dklen\":64" },
    { "crypto.kdf.params.dklen", "\"dklen\":32", "\"dklen\":31" },
    { "crypto.kdf.params.dklen", "\"dklen\":32", "\"dklen\":\"32\"" },
    { "crypto.kdf.params.dklen", "\"dklen\":32,", "" },
    { "crypto.kdf.params.n", "\"n\":262144", "\"n\":262143" },
    { "crypto.kdf.params.n", "\"n\":262144", "\"n\":1" },
    { "crypto.kdf.params.n", "\"n\":262144", "\"n\":0" },
    { "crypto.kdf.params.n", "\"n\":262144", "\"n\":-262144" },
    { "crypto.kdf.params.n", "\"n\":262144", "\"n\":262144.0" },
    { "crypto.kdf.params.n", "\"n\":262144,", "" },
    { "crypto.kdf.params.r", "\"r\":8", "\"r\":0" },
    { "crypto.kdf.params.r", "\"r\":8", "\"r\":-1" },
    { "crypto.kdf.params.r", "\"r\":8", "\"r\":1" }, /* N is not below 2^16 */
    { "crypto.kdf.params.r", "\"r\":8,", "" },
    { "crypto.kdf.params.p", "\"p\":1", "\"p\":0" },
    { "crypto.kdf.params.p", "\"p\":1", "\"p\":\"1\"" },
    { "crypto.kdf.params.p", "\"p\":1,", "" },
    { "crypto.kdf.params.c", "\"c\":262144", "\"c\":0" },
    { "crypto.kdf.params.c", "\"c\":262144", "\"c\":-1" },
    { "crypto.kdf.params.c", "\"c\":262144,", "" },
    { "crypto.kdf.params.prf", "\"prf\":\"hmac-sha256\"", "\"prf\":\"hmac-sha512\"" },
    { "crypto.kdf.params.prf", "\"prf\":\"hmac-sha256\",", "" },
    { "crypto.kdf.params.salt", "\"salt\":\"" VECTOR_SALT, "\"salt\":\"" },
    { "crypto.kdf.params.salt", "\"salt\":\"" VECTOR_SALT, "\"salt\":\"0x" },
    { "crypto.kdf.params.salt", "\"salt\":\"" VECTOR_SALT, "\"salt\":\"abc" },
    { "crypto.kdf.params.salt", "\"salt\":\"d4", "\"salt\":\"g4" },
    { "crypto.kdf.params.salt", "\"salt\":\"" VECTOR_SALT "\"", "\"salt\":7" },
    { "crypto.checksum.function", "\"checksum\":{", "\"x\":{" },
    { "crypto.checksum.function", "\"function\":\"sha256\"", "\"function\":\"sha512\"" },
    { "crypto.checksum.params", "\"params\":{},", "" },
    { "crypto.checksum.params", "\"params\":{}", "\"params\":{\"x\":1}" },
    { "crypto.checksum.params", "\"params\":{}", "\"params\":[]" },
    { "crypto.checksum.params", "\"params\":{}", "\"params\":null" },
    { "crypto.checksum.message", "\"message\":\"d2", "\"message\":\"" },
    { "crypto.checksum.message", "\"message\":\"d2", "\"message\":\"00d2" },
    { "crypto.checksum.message", "\"message\":\"d2", "\"message\":\"z2" },
    { "crypto.checksum.message", "\"message\":\"d2", "\"m\":\"d2" },
    { "crypto.cipher.function", "\"cipher\":{", "\"x\":{" },
    { "crypto.cipher.function", "aes-128-ctr", "aes-128-cbc" },
    { "crypto.cipher.params.iv", "\"iv\":\"26", "\"iv\":\"" },
    { "crypto.cipher.params.iv", "\"iv\":\"26", "\"iv\":\"0026" },
    { "crypto.cipher.params.iv", "\"iv\":\"26", "\"iv\":\"x6" },
    { "crypto.cipher.params.iv", "\"iv\":\"26", "\"IV\":\"26" },
    { "crypto.cipher.message", "\"message\":\"06", "\"message\":\"" },
    { "crypto.cipher.message", "\"message\":\"06", "\"message\":\"0006" },
    { "crypto.cipher.message", "\"message\":\"06", "\"message\":\"-6" },
    { "pubkey", "\"pubkey\":\"96", "\"pubkey\":\"" },
    { "pubkey", "\"pubkey\":\"96", "\"pubkey\":\"0096" },
    { "pubkey", "\"pubkey\":\"96", "\"pubkey\":\"h6" },
    { "pubkey", "\"pubkey\":\"" VECTOR_PUBKEY "\"", "\"pubkey\":\"\"" },
    { "pubkey", "\"pubkey\":\"" VECTOR_PUBKEY "\"", "\"pubkey\":null" },
    { "path", "\"path\":\"m", "\"path\":\"\\n" },
    { "path", "\"path\":\"m", "\"path\":\"\\u00e9" },
    { "path", "\"path\":\"m", "\"path\":\"\x7f" },
    { "path", "\"path\":\"m/", "\"path\":7,\"x\":\"m/" },
};

/* `text` with the first `was` replaced; the caller frees. NULL: it has no `was`. */
static char *replaced(const char *text, const char *was, const char *is)
{
    const char *at = strstr(text, was);
    struct buf out = BUF_INIT(EIP2335_JSON_MAX);
    if (at == NULL) {
        return NULL;
    }
    buf_append(&out, text, (size_t)(at - text));
    buf_append_text(&out, is);
    buf_append_text(&out, at + strlen(was));
    return buf_take(&out);
}

static char *malformed_text(size_t i)
{
    char *text = replaced(scrypt_vector, malformed[i].was, malformed[i].is);
    return text != NULL ? text : replaced(pbkdf2_vector, malformed[i].was, malformed[i].is);
}

TEST(each_malformed_member_is_refused_by_name)
{
    for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        CLEANUP(free_ptr) char *text = malformed_text(i);
        struct eip2335 keystore;
        struct detail detail = { "" };
        CHECK(text != NULL);
        struct result result = parse(text, &keystore, &detail);
        if (result.status != STATUS_BAD_INPUT ||
            strncmp(detail.text, malformed[i].place, strlen(malformed[i].place)) != 0) {
            printf("# %s: %s: %s\n", malformed[i].is, detail.text, result.what);
        }
        CHECK(result.status == STATUS_BAD_INPUT);
        CHECK(strncmp(detail.text, malformed[i].place, strlen(malformed[i].place)) == 0);
    }
}

TEST(what_is_not_an_object_is_refused)
{
    static const char *const texts[] = { "",
                                         "{",
                                         "[]",
                                         "null",
                                         "4",
                                         "\"version\"",
                                         "{}x",
                                         "{}",
                                         "[{\"a\":1}]",
                                         "{\"version\":4,\"version\":4}" };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct eip2335 keystore;
        CHECK_FAILS(BAD_INPUT, parse(texts[i], &keystore, NULL));
    }
}

/* Whoever swaps the names of keystore and password file must not find his password in the log. */
TEST(no_reason_quotes_the_text)
{
    static const char *const texts[] = { "sesame",
                                         "\"sesame\"",
                                         "{\"sesame\"}",
                                         "{\"a\":sesame}",
                                         "{\"sesame\":1}",
                                         "[\"sesame",
                                         "{\"version\":\"sesame\"}" };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct eip2335 keystore;
        struct detail detail = { "" };
        CHECK_FAILS(BAD_INPUT, parse(texts[i], &keystore, &detail));
        CHECK(detail.text[0] != '\0' && strstr(detail.text, "sesame") == NULL);
    }
    for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        CLEANUP(free_ptr) char *text = malformed_text(i);
        struct eip2335 keystore;
        struct detail detail = { "" };
        CHECK_FAILS(BAD_INPUT, parse(text, &keystore, &detail));
        CHECK(strchr(detail.text, '\'') == NULL);
    }
}

TEST(optional_members_may_be_absent_and_unknown_ones_present)
{
    struct eip2335 keystore;
    CLEANUP(free_ptr)
    char *bare =
        replaced(scrypt_vector, "\"pubkey\":\"" VECTOR_PUBKEY "\",\"path\"", "\"name\":{},\"p\"");
    CHECK_OK(parse(bare, &keystore, NULL));
    CHECK(!keystore.has_pubkey);
    CHECK_TEXT(keystore.path, "");
    CLEANUP(free_ptr)
    char *prefixed = replaced(scrypt_vector, "\"pubkey\":\"96", "\"pubkey\":\"0x96");
    CHECK_OK(parse(prefixed, &keystore, NULL));
    CHECK(keystore.has_pubkey && keystore.pubkey.bytes[0] == 0x96);
}

/* The status of the scrypt vector with these parameters. */
static enum status scrypt_status(uint64_t n, uint64_t r, uint64_t p, struct detail *detail)
{
    char parameters[128];
    struct eip2335 keystore;
    snprintf(parameters, sizeof(parameters), "\"n\":%llu,\"p\":%llu,\"r\":%llu",
             (unsigned long long)n, (unsigned long long)p, (unsigned long long)r);
    CLEANUP(free_ptr)
    char *text = replaced(scrypt_vector, "\"n\":262144,\"p\":1,\"r\":8", parameters);
    return parse(text, &keystore, detail).status;
}

TEST(scrypt_costs_are_bounded_at_the_limit)
{
    static const struct {
        uint64_t n, r, p;
        enum status status;
        const char *place;
    } cases[] = {
        { 1 << 20, 8, 1, STATUS_OK, NULL }, /* 1 GiB */
        { 1 << 20, 9, 1, STATUS_LIMIT, "crypto.kdf.params.r" },
        { 1 << 21, 8, 1, STATUS_LIMIT, "crypto.kdf.params.r" },
        { 1 << 23, 1, 1, STATUS_BAD_INPUT, "crypto.kdf.params.r" },
        { 1 << 24, 1, 1, STATUS_LIMIT, "crypto.kdf.params.n" },
        { UINT64_C(1) << 62, 8, 1, STATUS_LIMIT, "crypto.kdf.params.n" },
        { 1 << 18, INT64_MAX, 1, STATUS_LIMIT, "crypto.kdf.params.r" },
        { 1 << 18, 8, 32, STATUS_OK, NULL }, /* N * r * p = 2^26 */
        { 1 << 18, 8, 33, STATUS_LIMIT, "crypto.kdf.params.p" },
        { 1 << 18, 8, INT64_MAX, STATUS_LIMIT, "crypto.kdf.params.p" },
        { 2, 8, 8192, STATUS_OK, NULL }, /* r * p = 2^16 */
        { 2, 8, 8193, STATUS_LIMIT, "crypto.kdf.params.r" },
        { 1 << 15, 1, 1, STATUS_OK, NULL },
        { 1 << 16, 1, 1, STATUS_BAD_INPUT, "crypto.kdf.params.r" },
        { 1 << 16, 2, 1, STATUS_OK, NULL },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct detail detail = { "" };
        enum status status = scrypt_status(cases[i].n, cases[i].r, cases[i].p, &detail);
        if (status != cases[i].status) {
            printf("# case %zu: %s\n", i, detail.text);
        }
        CHECK(status == cases[i].status);
        CHECK(cases[i].place == NULL ||
              strncmp(detail.text, cases[i].place, strlen(cases[i].place)) == 0);
    }
}

/* OpenSSL must accept the memory that we say, and with one byte less refuse: else the gate that
 * bounds memory would be told too little. */
TEST(scrypt_memory_is_what_openssl_needs)
{
    static const struct eip2335 keystores[] = {
        { .kdf = EIP2335_SCRYPT, .n = 2, .r = 1, .p = 1 },
        { .kdf = EIP2335_SCRYPT, .n = 1024, .r = 8, .p = 1 },
        { .kdf = EIP2335_SCRYPT, .n = 16, .r = 3, .p = 7 },
    };
    for (size_t i = 0; i < sizeof(keystores) / sizeof(keystores[0]); i++) {
        const struct eip2335 *keystore = &keystores[i];
        size_t memory = eip2335_memory(keystore);
        /* Without a place for the key, only the parameters are judged. */
        CHECK(EVP_PBE_scrypt("", 0, NULL, 0, keystore->n, keystore->r, keystore->p, memory, NULL,
                             0) == 1);
        CHECK(EVP_PBE_scrypt("", 0, NULL, 0, keystore->n, keystore->r, keystore->p, memory - 1,
                             NULL, 0) != 1);
    }
}

static enum status replaced_status(const char *was, const char *is)
{
    struct eip2335 keystore;
    CLEANUP(free_ptr) char *text = replaced(pbkdf2_vector, was, is);
    return parse(text, &keystore, NULL).status;
}

TEST(pbkdf2_rounds_are_bounded_at_the_limit)
{
    CHECK(replaced_status("\"c\":262144", "\"c\":100000000") == STATUS_OK);
    CHECK(replaced_status("\"c\":262144", "\"c\":100000001") == STATUS_LIMIT);
    CHECK(replaced_status("\"c\":262144", "\"c\":9223372036854775807") == STATUS_LIMIT);
    CHECK(replaced_status("\"c\":262144", "\"c\":9223372036854775808") == STATUS_BAD_INPUT);
}

TEST(salts_of_1_to_64_bytes_are_taken)
{
    char salt[2 * 65 + 3];
    for (size_t size = 1; size <= 65; size++) {
        memset(salt, 'a', 2 * size);
        memcpy(salt + 2 * size, "\"", 2);
        CHECK(replaced_status(VECTOR_SALT "\"", salt) == (size <= 64 ? STATUS_OK : STATUS_LIMIT));
    }
}

TEST(paths_are_bounded_at_the_limit)
{
    char path[EIP2335_PATH_MAX + 16];
    for (size_t size = EIP2335_PATH_MAX; size <= EIP2335_PATH_MAX + 1; size++) {
        int prefix = snprintf(path, sizeof(path), "\"path\":\"");
        memset(path + prefix, '/', size);
        memcpy(path + (size_t)prefix + size, "\"", 2);
        CHECK(replaced_status("\"path\":\"m/12381/60/0/0\"", path) ==
              (size <= EIP2335_PATH_MAX ? STATUS_OK : STATUS_LIMIT));
    }
}

TEST(texts_are_bounded_at_the_limit)
{
    CLEANUP(free_ptr) char *text = malloc(EIP2335_JSON_MAX + 1); /* allowed: the test's own text */
    struct eip2335 keystore;
    CHECK(text != NULL);
    memset(text, ' ', EIP2335_JSON_MAX + 1);
    memcpy(text, pbkdf2_vector, sizeof(pbkdf2_vector) - 1);
    CHECK_OK(eip2335_parse(text, EIP2335_JSON_MAX, &keystore, NULL));
    CHECK_FAILS(LIMIT, eip2335_parse(text, EIP2335_JSON_MAX + 1, &keystore, NULL));
}

TEST(passwords_are_normalised)
{
    static const struct {
        const char *password;
        const char *normalised;
    } cases[] = {
        { "plain", "plain" },
        { "\xc3\xa9", "e\xcc\x81" },                                /* é composed: e, acute */
        { "e\xcc\x81", "e\xcc\x81" },                               /* already decomposed */
        { "\xef\xac\x81", "fi" },                                   /* the ligature fi */
        { "\xe2\x84\xab", "A\xcc\x8a" },                            /* the angstrom sign */
        { "q\xcc\x87\xcc\xa3", "q\xcc\xa3\xcc\x87" },               /* marks into canonical order */
        { "\xea\xb0\x81", "\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8" }, /* Hangul */
        { "\xc2\xa0"
          "a b",
          " a b" },                                 /* no-break space; spaces stay */
        { "\xf0\x9f\x94\x91", "\xf0\x9f\x94\x91" }, /* a key stays a key */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK_OK(
            try_password(cases[i].password, strlen(cases[i].password), cases[i].normalised, 0));
    }
}

TEST(control_codes_are_stripped_and_their_neighbours_are_not)
{
    for (uint32_t point = 0; point <= 0xa1; point++) {
        uint8_t password[8] = { 'a' };
        size_t size = 1;
        bool control = point < 0x20 || (point >= 0x7f && point <= 0x9f);
        size += (size_t)utf8proc_encode_char((utf8proc_int32_t)point, password + size);
        password[size++] = 'b';
        struct result stripped = try_password(password, size, "ab", 2);
        CHECK(stripped.status == (control ? STATUS_OK : STATUS_REFUSED));
    }
    CHECK_OK(try_password("a\0b\r\n", 5, "ab", 2));
    CHECK_OK(try_password("\x7f", 1, "", 0));
}

TEST(passwords_that_are_not_utf8_are_refused)
{
    static const char *const wrong[] = {
        "\xff", "a\x80", "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "ok\xe2\x82",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CHECK_FAILS(BAD_INPUT, try_password(wrong[i], strlen(wrong[i]), "x", 1));
    }
}

/* U+FDFA is three bytes that become 33: nothing grows more. */
TEST(the_longest_password_may_grow_the_most)
{
    static const char grown[] = "\xd8\xb5\xd9\x84\xd9\x89 \xd8\xa7\xd9\x84\xd9\x84\xd9\x87 "
                                "\xd8\xb9\xd9\x84\xd9\x8a\xd9\x87 \xd9\x88\xd8\xb3\xd9\x84\xd9\x85";
    BUF password = BUF_INIT(EIP2335_PASSWORD_MAX + 1);
    BUF normalised = BUF_INIT(16 * 1024);
    while (password.size + 3 <= EIP2335_PASSWORD_MAX) {
        buf_append_text(&password, "\xef\xb7\xba");
        buf_append_text(&normalised, grown);
    }
    CHECK(sizeof(grown) - 1 == 33);
    buf_append_text(&password, "x");
    buf_append_text(&normalised, "x");
    CHECK(password.size == EIP2335_PASSWORD_MAX);
    CHECK_OK(try_password(password.data, password.size, normalised.data, normalised.size));
    buf_append_text(&password, "x");
    CHECK_FAILS(BAD_INPUT,
                try_password(password.data, password.size, normalised.data, normalised.size));
}

TEST(every_cost_and_salt_of_scrypt_goes_through)
{
    uint8_t secret[32];
    keystore_maker_secret(8, secret);
    static const struct keystore_recipe costs[] = { { .n = 2, .r = 1, .p = 1 },
                                                    { .n = 1024, .r = 8, .p = 4 },
                                                    { .n = 2, .r = 8, .p = 8192 } };
    for (size_t i = 0; i < sizeof(costs) / sizeof(costs[0]); i++) {
        struct keystore_recipe recipe = costs[i];
        recipe.password = "pass";
        recipe.secret = secret;
        CLEANUP(free_ptr) char *text = keystore_make(&recipe);
        struct eip2335 keystore;
        SECRET found;
        CHECK_OK(parse(text, &keystore, NULL));
        CHECK_OK(decrypt(&keystore, "pass", &found));
        CHECK(memcmp(found.bytes, secret, 32) == 0);
    }
}

/* What decrypting the PBKDF2 vector passes through, masked for memory_scan(). */
static const struct {
    const char *name;
    uint8_t bytes[24];
    size_t size;
} passed_through[] = {
    { "the secret",
      { 0x39, 0xad, 0xff, 0x44, 0xc0, 0x26, 0xbb, 0x36, 0xea, 0x52, 0xc6, 0x0b, 0xe3, 0x07, 0x03,
        0x64 },
      16 },
    { "the cipher's key",
      { 0x5a, 0x3a, 0xa0, 0x96, 0x2d, 0x0e, 0x3e, 0x70, 0xa2, 0x85, 0x4b, 0xf5, 0x03, 0x0d, 0x8d,
        0xbf },
      16 },
    { "the checksum's key",
      { 0x31, 0xaa, 0x9a, 0xec, 0x64, 0x12, 0x42, 0x1f, 0x5b, 0x8b, 0x35, 0xe7, 0x65, 0xb8, 0x94,
        0x3f },
      16 },
    { "the normalised password",
      { 0xd1, 0xc0, 0xd6, 0xd1, 0xd5, 0xc4, 0xd6, 0xd6, 0xd2, 0xca, 0xd7, 0xc1 },
      12 },
    { "the password's code points",
      { 0xd1, 0xa5, 0xa5, 0xa5, 0xc0, 0xa5, 0xa5, 0xa5, 0xd6, 0xa5,
        0xa5, 0xa5, 0xd1, 0xa5, 0xa5, 0xa5, 0xd5, 0xa5, 0xa5, 0xa5 },
      20 },
};

static size_t scan_for_all(void)
{
    size_t found = 0;
    for (size_t i = 0; i < sizeof(passed_through) / sizeof(passed_through[0]); i++) {
        size_t copies = memory_scan(passed_through[i].bytes, passed_through[i].size);
        if (copies != 0) {
            printf("# %zu of %s\n", copies, passed_through[i].name);
        }
        found += copies;
    }
    return found;
}

/* The first test of the program: nothing else may have had these secrets in memory. */
TEST(decryption_leaves_no_copy_of_a_secret_behind)
{
    struct eip2335 keystore;
    SECRET secret;
    if (!memory_scan_works()) {
        SKIP("the memory of a sanitizer or of valgrind hides ours");
    }
    CHECK_OK(parse(pbkdf2_vector, &keystore, NULL));
    CHECK_OK(decrypt(&keystore, vector_password, &secret));
    CHECK(scan_for_all() == 1); /* the one that we were given: the search finds what there is */
    secret32_wipe(&secret);
    CHECK(scan_for_all() == 0);
    /* The same when it ends early: a wrong password, and one that is not UTF-8 at its end. */
    char wrong[sizeof(vector_password) + 1];
    snprintf(wrong, sizeof(wrong), "%s!", vector_password);
    CHECK_FAILS(REFUSED, decrypt(&keystore, wrong, &secret));
    wrong[sizeof(vector_password) - 1] = '\xff';
    CHECK_FAILS(BAD_INPUT, decrypt(&keystore, wrong, &secret));
    CHECK(scan_for_all() == 0);
}

HARNESS_TESTS(T(decryption_leaves_no_copy_of_a_secret_behind),
              T(the_standards_scrypt_vector_decrypts),
              T(the_standards_pbkdf2_vector_decrypts_to_the_claimed_key),
              T(a_wrong_password_is_refused_and_gives_nothing),
              T(a_changed_cipher_text_checksum_or_salt_is_a_wrong_password),
              T(each_malformed_member_is_refused_by_name), T(what_is_not_an_object_is_refused),
              T(no_reason_quotes_the_text),
              T(optional_members_may_be_absent_and_unknown_ones_present),
              T(scrypt_costs_are_bounded_at_the_limit), T(scrypt_memory_is_what_openssl_needs),
              T(pbkdf2_rounds_are_bounded_at_the_limit), T(salts_of_1_to_64_bytes_are_taken),
              T(paths_are_bounded_at_the_limit), T(texts_are_bounded_at_the_limit),
              T(passwords_are_normalised),
              T(control_codes_are_stripped_and_their_neighbours_are_not),
              T(passwords_that_are_not_utf8_are_refused), T(the_longest_password_may_grow_the_most),
              T(every_cost_and_salt_of_scrypt_goes_through))
