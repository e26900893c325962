#include "base/hex.h"
#include "base/random.h"
#include "base/sha256.h"
#include "base/thread.h"
#include "bls/bls.h"
#include "harness.h"

#include <blst.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Valgrind takes the stack of a thread that has ended for memory of nobody. */
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#define MAKE_DEFINED(memory, size) VALGRIND_MAKE_MEM_DEFINED(memory, size)
#else
#define MAKE_DEFINED(memory, size) (void)(memory)
#endif

struct key {
    uint8_t secret[BLS_SECRET_SIZE];
    uint8_t pubkey[BLS_PUBKEY_SIZE];
};

static const char order[] = "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001";

/* The number in hexadecimal, plus `add`. */
static void number(const char *hex, int add, uint8_t out[static BLS_SECRET_SIZE])
{
    struct result decoded = hex_decode(hex, strlen(hex), out, BLS_SECRET_SIZE);
    if (!is_ok(decoded)) {
        abort();
    }
    for (int i = BLS_SECRET_SIZE - 1; i >= 0; i--) {
        add += out[i];
        out[i] = (uint8_t)(add & 0xff);
        add >>= 8;
    }
}

static bool bytes_are(const uint8_t *bytes, size_t size, const char *hex)
{
    char text[HEX_TEXT_SIZE(BLS_SIGNATURE_SIZE)];
    hex_encode(bytes, size, text);
    return strcmp(text + 2, hex) == 0;
}

static void random_key(struct key *out)
{
    do {
        random_bytes(out->secret, sizeof(out->secret));
    } while (!is_ok(bls_public_key(out->secret, out->pubkey)));
}

static void sign(const struct key *key, const uint8_t message[static BLS_MESSAGE_SIZE],
                 uint8_t out[static BLS_SIGNATURE_SIZE])
{
    struct bls_point point;
    bls_hash(message, &point);
    bls_sign(key->secret, &point, out);
}

/* number - order */
static void subtract_order(uint8_t number_out[static BLS_SECRET_SIZE])
{
    uint8_t subtrahend[BLS_SECRET_SIZE];
    int borrow = 0;
    number(order, 0, subtrahend);
    for (int i = BLS_SECRET_SIZE - 1; i >= 0; i--) {
        int difference = number_out[i] - subtrahend[i] - borrow;
        borrow = difference < 0;
        number_out[i] = (uint8_t)(difference & 0xff);
    }
}

/* The consensus layer's keys for interoperation: SHA-256 of the index as 32 little-endian bytes,
 * taken as a little-endian number modulo the order. */
static void interop_secret(uint8_t index, uint8_t out[static BLS_SECRET_SIZE])
{
    uint8_t seed[32] = { index };
    uint8_t hash[SHA256_SIZE];
    sha256(seed, sizeof(seed), hash);
    for (size_t i = 0; i < BLS_SECRET_SIZE; i++) {
        out[i] = hash[BLS_SECRET_SIZE - 1 - i];
    }
    uint8_t limit[BLS_SECRET_SIZE];
    number(order, 0, limit);
    while (memcmp(out, limit, sizeof(limit)) >= 0) {
        subtract_order(out);
    }
}

TEST(derives_the_known_public_keys)
{
    uint8_t secret[BLS_SECRET_SIZE];
    uint8_t pubkey[BLS_PUBKEY_SIZE];
    interop_secret(0, secret);
    CHECK(bytes_are(secret, sizeof(secret),
                    "25295f0d1d592a90b333e26e85149708208e9f8e8bc18f6c77bd62f8ad7a6866"));
    CHECK_OK(bls_public_key(secret, pubkey));
    CHECK(bytes_are(pubkey, sizeof(pubkey),
                    "a99a76ed7796f7be22d5b7e85deeb7c5677e88e511e0b337618f8c4eb61349b4"
                    "bf2d153f649f7b53359fe8b94a38e44c"));
    interop_secret(1, secret);
    CHECK_OK(bls_public_key(secret, pubkey));
    CHECK(bytes_are(pubkey, sizeof(pubkey),
                    "b89bebc699769726a318c8e9971bd3171297c61aea4a6578a7a4f94b547dcba5"
                    "bac16a89108b6b6a1fe3695d1a874a0b"));
}

/* One times the generator is the generator; minus one times it has the other sign. */
TEST(the_smallest_and_the_largest_key_are_the_generators_two_signs)
{
    static const char x[] = "f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac58"
                            "6c55e83ff97a1aeffb3af00adb22c6bb";
    char wanted[2 * BLS_PUBKEY_SIZE + 1];
    uint8_t secret[BLS_SECRET_SIZE] = { [BLS_SECRET_SIZE - 1] = 1 };
    uint8_t pubkey[BLS_PUBKEY_SIZE];
    CHECK_OK(bls_public_key(secret, pubkey));
    snprintf(wanted, sizeof(wanted), "97%s", x);
    CHECK(bytes_are(pubkey, sizeof(pubkey), wanted));
    number(order, -1, secret);
    CHECK_OK(bls_public_key(secret, pubkey));
    snprintf(wanted, sizeof(wanted), "b7%s", x);
    CHECK(bytes_are(pubkey, sizeof(pubkey), wanted));
}

TEST(refuses_zero_and_all_from_the_order_on)
{
    uint8_t secret[BLS_SECRET_SIZE] = { 0 };
    uint8_t untouched[BLS_PUBKEY_SIZE] = { 7 };
    CHECK_FAILS(BAD_INPUT, bls_public_key(secret, untouched));
    for (int add = 0; add < 3; add++) {
        number(order, add, secret);
        CHECK_FAILS(BAD_INPUT, bls_public_key(secret, untouched));
    }
    number("8000000000000000000000000000000000000000000000000000000000000000", 0, secret);
    CHECK_FAILS(BAD_INPUT, bls_public_key(secret, untouched));
    memset(secret, 0xff, sizeof(secret));
    CHECK_FAILS(BAD_INPUT, bls_public_key(secret, untouched));
    CHECK(untouched[0] == 7 && untouched[1] == 0);
}

/* The first case of the consensus layer's public "sign" vectors. */
TEST(signs_as_the_public_vectors_say)
{
    static const uint8_t message[BLS_MESSAGE_SIZE] = { 0 };
    struct key key;
    uint8_t signature[BLS_SIGNATURE_SIZE];
    number("263dbd792f5b1be47ed85f8938c0f29586af0d3ac7b977f21c278fe1462040e3", 0, key.secret);
    CHECK_OK(bls_public_key(key.secret, key.pubkey));
    sign(&key, message, signature);
    CHECK(bytes_are(signature, sizeof(signature),
                    "b6ed936746e01f8ecf281f020953fbf1f01debd5657c4a383940b020b26507f6"
                    "076334f91e2366c96e9ab279fb5158090352ea1c5b0c9274504f4f0e7053af24"
                    "802e51e4568d164fe986834f41e55c8e850ce1f98458c0cfc9ab380b55285a55"));
    CHECK(bls_verify(key.pubkey, message, signature));
}

TEST(verifies_what_was_signed_and_nothing_else)
{
    struct key key;
    struct key other;
    uint8_t message[BLS_MESSAGE_SIZE];
    uint8_t signature[BLS_SIGNATURE_SIZE];
    uint8_t others[BLS_SIGNATURE_SIZE];
    random_key(&key);
    random_key(&other);
    random_bytes(message, sizeof(message));
    sign(&key, message, signature);
    sign(&other, message, others);
    CHECK(bls_verify(key.pubkey, message, signature));
    CHECK(bls_verify(other.pubkey, message, others));
    CHECK(!bls_verify(other.pubkey, message, signature));
    CHECK(!bls_verify(key.pubkey, message, others));
    for (size_t bit = 0; bit < 8 * sizeof(message); bit += 37) {
        message[bit / 8] ^= (uint8_t)(1U << bit % 8);
        CHECK(!bls_verify(key.pubkey, message, signature));
        message[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    for (size_t bit = 0; bit < 8 * sizeof(signature); bit += bit < 8 ? 1 : 13) {
        signature[bit / 8] ^= (uint8_t)(0x80U >> bit % 8);
        CHECK(!bls_verify(key.pubkey, message, signature));
        signature[bit / 8] ^= (uint8_t)(0x80U >> bit % 8);
    }
    for (size_t bit = 0; bit < 8 * sizeof(key.pubkey); bit += bit < 8 ? 1 : 13) {
        key.pubkey[bit / 8] ^= (uint8_t)(0x80U >> bit % 8);
        CHECK(!bls_verify(key.pubkey, message, signature));
        key.pubkey[bit / 8] ^= (uint8_t)(0x80U >> bit % 8);
    }
    CHECK(bls_verify(key.pubkey, message, signature));
}

TEST(the_same_message_gives_the_same_signature)
{
    struct key key;
    struct bls_point point;
    uint8_t message[BLS_MESSAGE_SIZE];
    uint8_t first[BLS_SIGNATURE_SIZE];
    uint8_t second[BLS_SIGNATURE_SIZE];
    random_key(&key);
    random_bytes(message, sizeof(message));
    sign(&key, message, first);
    bls_hash(message, &point);
    bls_sign(key.secret, &point, second);
    bls_sign(key.secret, &point, second); /* the point is not used up */
    CHECK(memcmp(first, second, sizeof(first)) == 0);
}

/* The encoding that begins with `first` and is zero but for its last byte. */
static bool encoding_is_valid(uint8_t first, uint8_t last)
{
    uint8_t pubkey[BLS_PUBKEY_SIZE] = { first };
    pubkey[BLS_PUBKEY_SIZE - 1] |= last;
    return bls_pubkey_is_valid(pubkey);
}

TEST(refuses_encodings_of_no_key)
{
    CHECK(!encoding_is_valid(0xc0, 0)); /* infinity */
    CHECK(!encoding_is_valid(0xe0, 0)); /* infinity with a sign */
    CHECK(!encoding_is_valid(0xc0, 1)); /* infinity with a coordinate */
    CHECK(!encoding_is_valid(0x40, 0)); /* infinity, uncompressed */
    CHECK(!encoding_is_valid(0x00, 0)); /* uncompressed */
    CHECK(!encoding_is_valid(0x80, 0)); /* (0, 2): on the curve, of order three */
    CHECK(!encoding_is_valid(0xa0, 0)); /* (0, -2) */
    CHECK(!encoding_is_valid(0x80, 1)); /* no such point on the curve */
    uint8_t too_large[BLS_PUBKEY_SIZE];
    memset(too_large, 0xff, sizeof(too_large));
    too_large[0] = 0x9f;
    CHECK(!bls_pubkey_is_valid(too_large));
    struct key key;
    random_key(&key);
    CHECK(bls_pubkey_is_valid(key.pubkey));
    key.pubkey[0] ^= 0x20; /* the other sign is a point of the group too */
    CHECK(bls_pubkey_is_valid(key.pubkey));
    key.pubkey[0] ^= 0x80;
    CHECK(!bls_pubkey_is_valid(key.pubkey));
}

static void little_endian_order(uint8_t out[static BLS_SECRET_SIZE])
{
    uint8_t big_endian[BLS_SECRET_SIZE];
    number(order, 0, big_endian);
    for (size_t i = 0; i < BLS_SECRET_SIZE; i++) {
        out[i] = big_endian[BLS_SECRET_SIZE - 1 - i];
    }
}

/* Points of the curves that are not in the groups: those of the first x that has one, times the
 * order, so that only their part outside is left. A pairing does not see it. */
static bool find_outside_g1(blst_p1 *out)
{
    uint8_t scalar[BLS_SECRET_SIZE];
    little_endian_order(scalar);
    for (uint8_t x = 1; x < 100; x++) {
        uint8_t encoding[BLS_PUBKEY_SIZE] = { 0x80 };
        blst_p1_affine affine;
        encoding[BLS_PUBKEY_SIZE - 1] = x;
        if (blst_p1_uncompress(&affine, encoding) == BLST_SUCCESS &&
            !blst_p1_affine_in_g1(&affine)) {
            blst_p1_from_affine(out, &affine);
            blst_p1_mult(out, out, scalar, 255);
            return !blst_p1_is_inf(out);
        }
    }
    return false;
}

static bool find_outside_g2(blst_p2 *out)
{
    uint8_t scalar[BLS_SECRET_SIZE];
    little_endian_order(scalar);
    for (uint8_t x = 1; x < 100; x++) {
        uint8_t encoding[BLS_SIGNATURE_SIZE] = { 0x80 };
        blst_p2_affine affine;
        encoding[BLS_SIGNATURE_SIZE - 1] = x;
        if (blst_p2_uncompress(&affine, encoding) == BLST_SUCCESS &&
            !blst_p2_affine_in_g2(&affine)) {
            blst_p2_from_affine(out, &affine);
            blst_p2_mult(out, out, scalar, 255);
            return !blst_p2_is_inf(out);
        }
    }
    return false;
}

TEST(refuses_a_key_outside_the_group)
{
    struct key key;
    uint8_t message[BLS_MESSAGE_SIZE] = { 1 };
    uint8_t signature[BLS_SIGNATURE_SIZE];
    blst_p1_affine affine;
    blst_p1 sum;
    random_key(&key);
    sign(&key, message, signature);
    CHECK(bls_verify(key.pubkey, message, signature));
    CHECK(find_outside_g1(&sum));
    CHECK(blst_p1_uncompress(&affine, key.pubkey) == BLST_SUCCESS);
    blst_p1_add_or_double_affine(&sum, &sum, &affine);
    blst_p1_compress(key.pubkey, &sum);
    CHECK(blst_p1_uncompress(&affine, key.pubkey) == BLST_SUCCESS);
    CHECK(!bls_pubkey_is_valid(key.pubkey));
    CHECK(!bls_verify(key.pubkey, message, signature));
}

TEST(refuses_a_signature_outside_the_group)
{
    struct key key;
    uint8_t message[BLS_MESSAGE_SIZE] = { 2 };
    uint8_t signature[BLS_SIGNATURE_SIZE];
    blst_p2_affine affine;
    blst_p2 sum;
    random_key(&key);
    sign(&key, message, signature);
    CHECK(bls_verify(key.pubkey, message, signature));
    CHECK(find_outside_g2(&sum));
    CHECK(blst_p2_uncompress(&affine, signature) == BLST_SUCCESS);
    blst_p2_add_or_double_affine(&sum, &sum, &affine);
    blst_p2_compress(signature, &sum);
    CHECK(blst_p2_uncompress(&affine, signature) == BLST_SUCCESS);
    CHECK(!bls_verify(key.pubkey, message, signature));
}

TEST(infinity_signs_nothing)
{
    struct key key;
    uint8_t message[BLS_MESSAGE_SIZE] = { 3 };
    uint8_t signature[BLS_SIGNATURE_SIZE] = { 0xc0 };
    uint8_t infinity[BLS_PUBKEY_SIZE] = { 0xc0 };
    random_key(&key);
    CHECK(!bls_verify(key.pubkey, message, signature));
    CHECK(!bls_verify(infinity, message, signature)); /* the pairing alone would be satisfied */
    signature[0] = 0;
    CHECK(!bls_verify(key.pubkey, message, signature));
}

TEST(a_secret_of_zero_aborts)
{
    static const uint8_t message[BLS_MESSAGE_SIZE] = { 4 };
    struct key zero = { .secret = { 0 } };
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        uint8_t signature[BLS_SIGNATURE_SIZE];
        signal(SIGABRT, SIG_DFL);
        setrlimit(RLIMIT_CORE, &(const struct rlimit){ 0, 0 });
        close(STDERR_FILENO);
        sign(&zero, message, signature);
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

enum { STACK_SIZE = 512 * 1024, DEPTH = 32 * 1024 };

struct use {
    void (*run)(struct use *use);
    const struct key *key;
    uint8_t signature[BLS_SIGNATURE_SIZE];
    struct result derived;
};

static void derive_and_sign(struct use *use)
{
    uint8_t pubkey[BLS_PUBKEY_SIZE];
    uint8_t message[BLS_MESSAGE_SIZE] = { 5 };
    use->derived = bls_public_key(use->key->secret, pubkey);
    sign(use->key, message, use->signature);
}

/* Not on the stack that AddressSanitizer makes up. */
__attribute__((no_sanitize("address"))) static void copy_secret(struct use *use)
{
    uint8_t copy[BLS_SECRET_SIZE];
    memcpy(copy, use->key->secret, sizeof(copy));
    __asm__ __volatile__("" : : "r"(copy) : "memory");
}

/* So deep that the end of the thread does not write over what is to be seen. */
static void *run_deep(void *context)
{
    struct use *use = context;
    uint8_t room[DEPTH];
    memset(room, 0, sizeof(room));
    __asm__ __volatile__("" : : "r"(room) : "memory");
    use->run(use);
    __asm__ __volatile__("" : : "r"(room) : "memory");
    return NULL;
}

/* Runs on a stack of our own, and says whether eight bytes of the secret in a row are left on it,
 * in either order. */
static bool leaves_secret(void (*run)(struct use *use), const struct key *key)
{
    struct use use = { .run = run, .key = key, .derived = OK };
    pthread_attr_t attributes;
    pthread_t thread;
    bool found = false;
    uint8_t *stack =
        mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED) {
        return true;
    }
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, stack, STACK_SIZE);
    if (pthread_create(&thread, &attributes, run_deep, &use) != 0) {
        return true;
    }
    pthread_join(thread, NULL);
    MAKE_DEFINED(stack, STACK_SIZE);
    for (size_t at = 0; at + 8 <= BLS_SECRET_SIZE; at += 8) {
        uint8_t reversed[8];
        for (size_t i = 0; i < 8; i++) {
            reversed[i] = key->secret[at + 7 - i];
        }
        found = found || memmem(stack, STACK_SIZE, key->secret + at, 8) != NULL ||
                memmem(stack, STACK_SIZE, reversed, 8) != NULL;
    }
    pthread_attr_destroy(&attributes);
    munmap(stack, STACK_SIZE);
    return found || !is_ok(use.derived);
}

TEST(no_copy_of_the_secret_stays_on_the_stack)
{
    struct key key;
    random_key(&key);
    CHECK(!leaves_secret(derive_and_sign, &key));
    CHECK(leaves_secret(copy_secret, &key)); /* that the test would see it */
}

struct worker {
    const struct key *key;
    const uint8_t *wanted;
    size_t wrong;
};

static void *sign_often(void *context)
{
    static const uint8_t message[BLS_MESSAGE_SIZE] = { 6 };
    struct worker *worker = context;
    for (size_t i = 0; i < 5; i++) {
        uint8_t signature[BLS_SIGNATURE_SIZE];
        sign(worker->key, message, signature);
        worker->wrong += memcmp(signature, worker->wanted, sizeof(signature)) != 0;
        worker->wrong += !bls_verify(worker->key->pubkey, message, signature);
    }
    return NULL;
}

TEST(threads_sign_apart)
{
    enum { THREADS = 3 };
    static const uint8_t message[BLS_MESSAGE_SIZE] = { 6 };
    struct key keys[THREADS];
    uint8_t wanted[THREADS][BLS_SIGNATURE_SIZE];
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        random_key(&keys[i]);
        sign(&keys[i], message, wanted[i]);
        workers[i] = (struct worker){ .key = &keys[i], .wanted = wanted[i] };
        CHECK_OK(thread_start(&threads[i], "signer", sign_often, &workers[i]));
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CHECK(workers[i].wrong == 0);
    }
}

HARNESS_TESTS(T(derives_the_known_public_keys),
              T(the_smallest_and_the_largest_key_are_the_generators_two_signs),
              T(refuses_zero_and_all_from_the_order_on), T(signs_as_the_public_vectors_say),
              T(verifies_what_was_signed_and_nothing_else),
              T(the_same_message_gives_the_same_signature), T(refuses_encodings_of_no_key),
              T(refuses_a_key_outside_the_group), T(refuses_a_signature_outside_the_group),
              T(infinity_signs_nothing), T(a_secret_of_zero_aborts),
              T(no_copy_of_the_secret_stays_on_the_stack), T(threads_sign_apart))
