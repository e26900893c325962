/* test_ctime.c: no branch and no address depends on a secret.
 * Under valgrind's memcheck a secret is marked as undefined: every jump or address that it decides
 * is then an error. `test_ctime leak` does wrong on purpose, to show that the test would see it.
 * Without valgrind the program proves nothing and says so. */
#include "base/hex.h"
#include "base/secret.h"
#include "bls/bls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/memcheck.h>

#define SECRETS(bytes, size) VALGRIND_MAKE_MEM_UNDEFINED(bytes, size)
#define PUBLIC(bytes, size)  VALGRIND_MAKE_MEM_DEFINED(bytes, size)

static const char secret_text[] =
    "25295f0d1d592a90b333e26e85149708208e9f8e8bc18f6c77bd62f8ad7a6866";
static const char pubkey_text[] =
    "0xa99a76ed7796f7be22d5b7e85deeb7c5677e88e511e0b337618f8c4eb61349b4"
    "bf2d153f649f7b53359fe8b94a38e44c";

static void expect(bool condition, const char *what)
{
    if (!condition) {
        printf("wrong: %s\n", what);
        exit(1);
    }
}

/* With and without prefix; an uppercase digit or a wrong one makes no difference on the way. */
static void decode_secrets(uint8_t secret_out[static BLS_SECRET_SIZE])
{
    char text[2 + sizeof(secret_text)];
    snprintf(text, sizeof(text), "0x%s", secret_text);
    SECRETS(text + 2, 64);
    expect(is_ok(hex_decode(text, 66, secret_out, BLS_SECRET_SIZE)), "with prefix");
    expect(is_ok(hex_decode(text + 2, 64, secret_out, BLS_SECRET_SIZE)), "without prefix");
    char wrong[sizeof(secret_text)];
    uint8_t nothing[BLS_SECRET_SIZE];
    memcpy(wrong, secret_text, sizeof(wrong));
    wrong[0] = 'x';
    SECRETS(wrong, 64);
    expect(!is_ok(hex_decode(wrong, 64, nothing, sizeof(nothing))), "a wrong digit");
}

static void compare_secrets(const uint8_t secret[static BLS_SECRET_SIZE])
{
    uint8_t other[BLS_SECRET_SIZE];
    memcpy(other, secret, sizeof(other));
    bool equal = secret_equal(secret, other, sizeof(other));
    other[0] ^= 1;
    bool different = secret_equal(secret, other, sizeof(other));
    PUBLIC(&equal, sizeof(equal));
    PUBLIC(&different, sizeof(different));
    expect(equal && !different, "comparison");
}

static void derive_and_sign(const uint8_t secret[static BLS_SECRET_SIZE])
{
    static const uint8_t message[BLS_MESSAGE_SIZE] = { 1, 2, 3 };
    uint8_t pubkey[BLS_PUBKEY_SIZE];
    uint8_t signature[BLS_SIGNATURE_SIZE];
    char text[HEX_TEXT_SIZE(BLS_PUBKEY_SIZE)];
    struct bls_point point;
    expect(is_ok(bls_public_key(secret, pubkey)), "a valid key");
    PUBLIC(pubkey, sizeof(pubkey));
    hex_encode(pubkey, sizeof(pubkey), text);
    expect(strcmp(text, pubkey_text) == 0, "the public key");
    bls_hash(message, &point);
    bls_sign(secret, &point, signature);
    PUBLIC(signature, sizeof(signature));
    expect(bls_verify(pubkey, message, signature), "the signature");
}

static void refuse_keys(void)
{
    uint8_t secret[BLS_SECRET_SIZE] = { 0 };
    uint8_t pubkey[BLS_PUBKEY_SIZE];
    SECRETS(secret, sizeof(secret));
    expect(!is_ok(bls_public_key(secret, pubkey)), "zero");
    memset(secret, 0xff, sizeof(secret));
    SECRETS(secret, sizeof(secret));
    expect(!is_ok(bls_public_key(secret, pubkey)), "too large a number");
}

/* What must be found: a branch, and an index into a table. */
static void leak(void)
{
    static const char table[256] = "secrets choose places in me";
    volatile char seen = 0;
    uint8_t secret[1] = { 7 };
    SECRETS(secret, sizeof(secret));
    if (secret[0] == 7) {
        seen = 'a';
    }
    seen = table[secret[0]];
    printf("leaked: %d errors\n", (int)(VALGRIND_COUNT_ERRORS + 0 * (unsigned)(seen == 0)));
}

int main(int argc, char **argv)
{
    if (RUNNING_ON_VALGRIND == 0) {
        puts("skipped: this means nothing without valgrind");
        return 77;
    }
    if (argc == 2 && strcmp(argv[1], "leak") == 0) {
        leak();
        return VALGRIND_COUNT_ERRORS == 2 ? 0 : 1;
    }
    uint8_t secret[BLS_SECRET_SIZE];
    decode_secrets(secret);
    compare_secrets(secret);
    derive_and_sign(secret);
    refuse_keys();
    printf("%d errors\n", (int)VALGRIND_COUNT_ERRORS);
    return VALGRIND_COUNT_ERRORS == 0 ? 0 : 1;
}
