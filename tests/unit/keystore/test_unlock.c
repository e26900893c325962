#include "keystore/unlock.h"

#include "bls/bls.h"
#include "harness.h"
#include "memory_scan.h"
#include "support/keystore_maker.h"
#include "temp_files.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/thread.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* scrypt with n = 1024 and r = 8 takes 1 MiB. */
enum { SCRYPT_N = 1024, SCRYPT_R = 8, SCRYPT_MEMORY = 1024 * 1024 };

static struct unlock_text text_of(const char *text)
{
    return (struct unlock_text){ .at = text, .size = strlen(text) };
}

#define GATE(bytes)                              \
    CLEANUP(kdf_gate_done) struct kdf_gate gate; \
    kdf_gate_init(&gate, bytes)
#define TEXT CLEANUP(free_ptr) char

/* Keystore number `number` under "the password"; `recipe` may say more. */
static char *keystore(uint32_t number, struct keystore_recipe recipe)
{
    uint8_t secret[32];
    keystore_maker_secret(number, secret);
    recipe.secret = secret;
    recipe.password = "the password";
    recipe.rounds = recipe.n == 0 && recipe.rounds == 0 ? 1 : recipe.rounds;
    return keystore_make(&recipe);
}

/* What unlock_keystore() must leave as it was when it fails. */
static const struct unlocked untouched = { .secret = { { 1, 2, 3 } }, .path = "as it was" };

static bool is_untouched(const struct unlocked *unlocked)
{
    return memcmp(unlocked, &untouched, sizeof(untouched)) == 0;
}

static bool is_key(const struct unlocked *unlocked, uint32_t number)
{
    uint8_t secret[32];
    struct pubkey pubkey;
    keystore_maker_secret(number, secret);
    return is_ok(bls_public_key(secret, pubkey.bytes)) &&
           pubkey_equal(&unlocked->pubkey, &pubkey) &&
           memcmp(unlocked->secret.bytes, secret, 32) == 0;
}

TEST(the_key_comes_out_with_its_public_key_and_path)
{
    static const struct keystore_recipe recipes[] = {
        { .path = "m/12381/3600/7/0/0" },
        { .pubkey_text = "" }, /* names none: the derived one it is */
        { .n = SCRYPT_N, .r = SCRYPT_R, .p = 1, .path = "" },
    };
    for (uint32_t i = 0; i < 3; i++) {
        GATE(SCRYPT_MEMORY);
        TEXT *text = keystore(i, recipes[i]);
        struct unlocked unlocked = untouched;
        struct detail detail = { "" };
        CHECK_OK(
            unlock_keystore(text_of(text), text_of("the password"), &gate, &unlocked, &detail));
        CHECK(is_key(&unlocked, i));
        CHECK_TEXT(unlocked.path, i == 0 ? "m/12381/3600/7/0/0" : "");
        CHECK(gate.used == 0);
    }
}

TEST(the_password_counts_to_its_last_byte_and_no_further)
{
    GATE(SCRYPT_MEMORY);
    TEXT *text = keystore(1, (struct keystore_recipe){ .path = NULL });
    struct unlocked unlocked = untouched;
    struct unlock_text longer = { .at = "the password!", .size = 12 };
    static const char *const wrong[] = { "", "the passwor", "the password ", "The password" };
    CHECK_OK(unlock_keystore(text_of(text), longer, &gate, &unlocked, NULL));
    for (size_t i = 0; i < 4; i++) {
        struct detail detail = { "" };
        unlocked = untouched;
        CHECK_FAILS(REFUSED,
                    unlock_keystore(text_of(text), text_of(wrong[i]), &gate, &unlocked, &detail));
        CHECK(is_untouched(&unlocked));
        CHECK_TEXT(detail.text, ""); /* no member of the keystore is at fault */
    }
    CHECK(gate.used == 0);
}

TEST(a_keystore_that_names_another_public_key_is_refused)
{
    static const struct pubkey zero = { { 0 } };
    char claimed[HEX_TEXT_SIZE(48)];
    uint8_t secret[32];
    struct pubkey other;
    keystore_maker_secret(2, secret);
    CHECK_OK(bls_public_key(secret, other.bytes));
    for (int i = 0; i < 3; i++) {
        GATE(SCRYPT_MEMORY);
        hex_encode(i == 0 ? other.bytes : zero.bytes, 48, claimed);
        if (i == 2) { /* its own but for the last bit */
            keystore_maker_secret(1, secret);
            CHECK_OK(bls_public_key(secret, other.bytes));
            other.bytes[47] ^= 1;
            hex_encode(other.bytes, 48, claimed);
        }
        TEXT *text = keystore(1, (struct keystore_recipe){ .pubkey_text = claimed + 2 });
        struct unlocked unlocked = untouched;
        CHECK_FAILS(BAD_INPUT, unlock_keystore(text_of(text), text_of("the password"), &gate,
                                               &unlocked, NULL));
        CHECK(is_untouched(&unlocked));
        CHECK(gate.used == 0);
    }
}

/* The password is right and the checksum too, and yet it is no key. */
TEST(a_secret_that_is_no_key_is_refused)
{
    uint8_t secrets[2][32] = { { 0 } };
    memset(secrets[1], 0xff, 32);
    for (size_t i = 0; i < 2; i++) {
        GATE(SCRYPT_MEMORY);
        const struct keystore_recipe recipe = {
            .rounds = 1, .password = "the password", .secret = secrets[i], .pubkey_text = ""
        };
        TEXT *text = keystore_make(&recipe);
        struct unlocked unlocked = untouched;
        CHECK_FAILS(BAD_INPUT, unlock_keystore(text_of(text), text_of("the password"), &gate,
                                               &unlocked, NULL));
        CHECK(is_untouched(&unlocked));
    }
}

TEST(a_text_that_is_no_keystore_is_refused_before_the_gate)
{
    static const char *const texts[] = { "", "{}", "[", "null", "{\"version\":4}" };
    GATE(SCRYPT_MEMORY);
    kdf_gate_close(&gate); /* whoever enters learns UNAVAILABLE */
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct unlocked unlocked = untouched;
        struct detail detail = { "" };
        CHECK_FAILS(BAD_INPUT, unlock_keystore(text_of(texts[i]), text_of("the password"), &gate,
                                               &unlocked, &detail));
        CHECK(detail.text[0] != '\0');
        CHECK(is_untouched(&unlocked));
    }
}

TEST(bytes_behind_the_texts_size_are_not_read)
{
    GATE(SCRYPT_MEMORY);
    TEXT *text = keystore(1, (struct keystore_recipe){ .path = NULL });
    size_t size = strlen(text);
    CLEANUP(free_ptr) char *exact = malloc(size); /* no NUL: sanitizers see a byte too many */
    struct unlocked unlocked = untouched;
    CHECK(exact != NULL);
    memcpy(exact, text, size);
    CHECK_OK(unlock_keystore((struct unlock_text){ exact, size }, text_of("the password"), &gate,
                             &unlocked, NULL));
    unlocked = untouched;
    CHECK_FAILS(BAD_INPUT, unlock_keystore((struct unlock_text){ exact, size - 3 },
                                           text_of("the password"), &gate, &unlocked, NULL));
    CHECK(is_untouched(&unlocked));
}

TEST(a_closed_gate_lets_nothing_be_derived)
{
    static const struct keystore_recipe recipes[] = {
        { .n = SCRYPT_N, .r = SCRYPT_R, .p = 1 },
        { .path = "" }, /* PBKDF2: needs no memory, and may not begin either */
    };
    for (size_t i = 0; i < 2; i++) {
        GATE(SCRYPT_MEMORY);
        TEXT *text = keystore(1, recipes[i]);
        struct unlocked unlocked = untouched;
        kdf_gate_close(&gate);
        CHECK_FAILS(UNAVAILABLE, unlock_keystore(text_of(text), text_of("the password"), &gate,
                                                 &unlocked, NULL));
        CHECK(is_untouched(&unlocked));
        CHECK(gate.used == 0);
    }
}

struct waiter {
    const char *text;
    struct kdf_gate *gate;
    struct unlocked unlocked;
    struct result result;
    atomic_bool done;
};

static void *unlock_in_thread(void *context)
{
    struct waiter *waiter = context;
    waiter->result = unlock_keystore(text_of(waiter->text), text_of("the password"), waiter->gate,
                                     &waiter->unlocked, NULL);
    atomic_store(&waiter->done, true);
    return NULL;
}

/* With the gate full, a derivation of scrypt's waits and one of PBKDF2's does not. */
TEST(a_derivation_waits_for_the_memory_it_takes)
{
    GATE(SCRYPT_MEMORY);
    TEXT *scrypt = keystore(1, (struct keystore_recipe){ .n = SCRYPT_N, .r = SCRYPT_R, .p = 1 });
    TEXT *pbkdf2 = keystore(2, (struct keystore_recipe){ .rounds = 20000 });
    struct waiter waiter = { .text = scrypt, .gate = &gate };
    struct unlocked unlocked = untouched;
    pthread_t thread;
    CHECK(kdf_gate_enter(&gate, 1));
    CHECK_OK(thread_start(&thread, "unlock", unlock_in_thread, &waiter));
    for (int i = 0; i < 10; i++) { /* in all far longer than scrypt's takes here */
        CHECK_OK(unlock_keystore(text_of(pbkdf2), text_of("the password"), &gate, &unlocked, NULL));
        CHECK(is_key(&unlocked, 2));
    }
    CHECK(!atomic_load(&waiter.done));
    kdf_gate_leave(&gate, 1);
    pthread_join(thread, NULL);
    CHECK_OK(waiter.result);
    CHECK(is_key(&waiter.unlocked, 1));
    CHECK(gate.used == 0);
}

TEST(a_derivation_that_waits_is_turned_away_when_the_gate_closes)
{
    GATE(SCRYPT_MEMORY);
    TEXT *scrypt = keystore(1, (struct keystore_recipe){ .n = SCRYPT_N, .r = SCRYPT_R, .p = 1 });
    struct waiter waiter = { .text = scrypt, .gate = &gate, .unlocked = untouched };
    pthread_t thread;
    CHECK(kdf_gate_enter(&gate, SCRYPT_MEMORY));
    CHECK_OK(thread_start(&thread, "unlock", unlock_in_thread, &waiter));
    kdf_gate_close(&gate);
    pthread_join(thread, NULL);
    kdf_gate_leave(&gate, SCRYPT_MEMORY);
    CHECK_FAILS(UNAVAILABLE, waiter.result);
    CHECK(is_untouched(&waiter.unlocked));
    CHECK(gate.used == 0);
}

enum { NEEDLE_SIZE = 16 };

/* Key 77's keystore, naming another public key, and bytes of its secret, masked: made by a child,
 * so that this process has never seen the secret. */
static bool make_elsewhere(const struct temp_dir *dir)
{
    pid_t child = fork();
    if (child == 0) {
        uint8_t needle[32];
        struct pubkey other = { { 0xb0 } };
        char claimed[HEX_TEXT_SIZE(48)];
        hex_encode(other.bytes, 48, claimed);
        char *text = keystore(77, (struct keystore_recipe){ .pubkey_text = claimed + 2 });
        keystore_maker_secret(77, needle);
        for (size_t i = 0; i < 32; i++) {
            needle[i] ^= MEMORY_SCAN_MASK;
        }
        _exit(temp_write_text(dir, "keystore", text) &&
                      temp_write(dir, "needle", needle + 8, NEEDLE_SIZE)
                  ? 0
                  : 1);
    }
    int status = -1;
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

/* On a stack of its own, which nothing overwrites afterwards. */
static bool unlock_aside(struct waiter *waiter)
{
    static _Alignas(4096) uint8_t stack[512 * 1024];
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    bool ran = pthread_attr_setstack(&attributes, stack, sizeof(stack)) == 0 &&
               pthread_create(&thread, &attributes, unlock_in_thread, waiter) == 0 &&
               pthread_join(thread, NULL) == 0;
    pthread_attr_destroy(&attributes);
    return ran;
}

/* The wrong public key is found when the secret is decrypted: no copy of it may stay. */
TEST(a_refused_secret_leaves_no_copy_in_memory)
{
    if (!memory_scan_works()) {
        SKIP("the memory of a sanitizer or of valgrind hides ours");
    }
    CLEANUP(temp_dir_close) struct temp_dir dir = { "" };
    SECRET_BLOCK text = { 0 };
    SECRET_BLOCK needle = { 0 };
    GATE(SCRYPT_MEMORY);
    CHECK(temp_dir_open(&dir) && make_elsewhere(&dir));
    CHECK_OK(file_read(temp_path(&dir, "keystore").text, 4096, &text, NULL));
    CHECK_OK(file_read(temp_path(&dir, "needle").text, NEEDLE_SIZE, &needle, NULL));
    struct waiter waiter = { .text = (const char *)text.data, .gate = &gate };
    CHECK(unlock_aside(&waiter));
    CHECK_FAILS(BAD_INPUT, waiter.result);
    CHECK(needle.size == NEEDLE_SIZE && memory_scan(needle.data, NEEDLE_SIZE) == 0);
}

/* So that the test before can fail: a secret that is taken out is found where it was put. */
TEST(a_secret_that_was_handed_out_is_found)
{
    if (!memory_scan_works()) {
        SKIP("the memory of a sanitizer or of valgrind hides ours");
    }
    GATE(SCRYPT_MEMORY);
    static struct unlocked unlocked;
    uint8_t needle[NEEDLE_SIZE];
    TEXT *text = keystore(78, (struct keystore_recipe){ .path = NULL });
    CHECK_OK(unlock_keystore(text_of(text), text_of("the password"), &gate, &unlocked, NULL));
    for (size_t i = 0; i < NEEDLE_SIZE; i++) {
        needle[i] = unlocked.secret.bytes[8 + i] ^ MEMORY_SCAN_MASK;
    }
    CHECK(memory_scan(needle, NEEDLE_SIZE) >= 1);
}

HARNESS_TESTS(T(the_key_comes_out_with_its_public_key_and_path),
              T(the_password_counts_to_its_last_byte_and_no_further),
              T(a_keystore_that_names_another_public_key_is_refused),
              T(a_secret_that_is_no_key_is_refused),
              T(a_text_that_is_no_keystore_is_refused_before_the_gate),
              T(bytes_behind_the_texts_size_are_not_read), T(a_closed_gate_lets_nothing_be_derived),
              T(a_derivation_waits_for_the_memory_it_takes),
              T(a_derivation_that_waits_is_turned_away_when_the_gate_closes),
              T(a_refused_secret_leaves_no_copy_in_memory),
              T(a_secret_that_was_handed_out_is_found))
