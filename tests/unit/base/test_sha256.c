#include "base/hex.h"
#include "base/sha256.h"
#include "base/thread.h"
#include "harness.h"

#include <stdlib.h>

static bool hash_is(const void *bytes, size_t size, const char *wanted)
{
    uint8_t hash[SHA256_SIZE];
    char text[HEX_TEXT_SIZE(SHA256_SIZE)];
    sha256(bytes, size, hash);
    hex_encode(hash, sizeof(hash), text);
    return strcmp(text + 2, wanted) == 0;
}

/* The examples of FIPS 180-4: NIST's one block, two blocks and a million letters. */
TEST(hashes_as_fips_180_4_says)
{
    static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    CHECK(hash_is("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    CHECK(hash_is(two_blocks, sizeof(two_blocks) - 1,
                  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"));
    CHECK(hash_is("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    CHECK(hash_is(NULL, 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    enum { MILLION = 1000 * 1000 };
    CLEANUP(free_ptr) char *letters = malloc(MILLION);
    memset(letters, 'a', MILLION);
    CHECK(hash_is(letters, MILLION,
                  "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"));
}

/* Every length around a block's end, against the hash of the same bytes in one piece. */
TEST(one_hash_does_not_depend_on_the_one_before)
{
    uint8_t bytes[130];
    uint8_t first[sizeof(bytes)][SHA256_SIZE];
    memset(bytes, 0x5a, sizeof(bytes));
    for (size_t size = 0; size < sizeof(bytes); size++) {
        sha256(bytes, size, first[size]);
    }
    for (size_t size = sizeof(bytes); size-- > 0;) {
        uint8_t again[SHA256_SIZE];
        sha256(bytes, size, again);
        CHECK(memcmp(again, first[size], SHA256_SIZE) == 0);
        CHECK(size == 0 || memcmp(again, first[size - 1], SHA256_SIZE) != 0);
    }
}

TEST(output_may_overlap_the_input)
{
    uint8_t bytes[100];
    uint8_t wanted[SHA256_SIZE];
    for (size_t at = 0; at + SHA256_SIZE <= sizeof(bytes); at++) {
        memset(bytes, 3, sizeof(bytes));
        sha256(bytes, sizeof(bytes), wanted);
        sha256(bytes, sizeof(bytes), bytes + at);
        CHECK(memcmp(bytes + at, wanted, SHA256_SIZE) == 0);
    }
}

TEST(a_pair_is_the_hash_of_both_in_a_row)
{
    uint8_t both[2 * SHA256_SIZE];
    uint8_t wanted[SHA256_SIZE];
    uint8_t out[SHA256_SIZE];
    for (size_t i = 0; i < sizeof(both); i++) {
        both[i] = (uint8_t)i;
    }
    sha256(both, sizeof(both), wanted);
    sha256_pair(both, both + SHA256_SIZE, out);
    CHECK(memcmp(out, wanted, SHA256_SIZE) == 0);
    uint8_t left[SHA256_SIZE];
    memcpy(left, both, SHA256_SIZE);
    sha256_pair(left, both + SHA256_SIZE, left);
    CHECK(memcmp(left, wanted, SHA256_SIZE) == 0);
    sha256_pair(both, both + SHA256_SIZE, both + SHA256_SIZE);
    CHECK(memcmp(both + SHA256_SIZE, wanted, SHA256_SIZE) == 0);
}

static void *hash_often(void *context)
{
    size_t *wrong = context;
    for (size_t i = 0; i < 500; i++) {
        *wrong +=
            !hash_is("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
    return NULL;
}

TEST(threads_hash_apart)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    size_t wrong[THREADS] = { 0 };
    for (size_t i = 0; i < THREADS; i++) {
        CHECK_OK(thread_start(&threads[i], "hasher", hash_often, &wrong[i]));
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CHECK(wrong[i] == 0);
    }
}

HARNESS_TESTS(T(hashes_as_fips_180_4_says), T(one_hash_does_not_depend_on_the_one_before),
              T(output_may_overlap_the_input), T(a_pair_is_the_hash_of_both_in_a_row),
              T(threads_hash_apart))
