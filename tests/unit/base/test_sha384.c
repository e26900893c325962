#include "base/hex.h"
#include "base/sha384.h"
#include "harness.h"

static bool is_hash(const uint8_t hash[static SHA384_SIZE], const char *wanted)
{
    char text[HEX_TEXT_SIZE(SHA384_SIZE)];
    hex_encode(hash, SHA384_SIZE, text);
    return strcmp(text + 2, wanted) == 0;
}

static const char of_abc[] = "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded163"
                             "1a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7";
static const char of_nothing[] = "38b060a751ac96384cd9327eb1b1e36a21fdb71114be0743"
                                 "4c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b";

TEST(hashes_as_fips_180_4_says)
{
    uint8_t hash[SHA384_SIZE];
    sha384("abc", 3, hash);
    CHECK(is_hash(hash, of_abc));
    sha384(NULL, 0, hash);
    CHECK(is_hash(hash, of_nothing));
}

TEST(pieces_make_the_same_hash_wherever_they_are_cut)
{
    uint8_t bytes[300];
    uint8_t whole[SHA384_SIZE];
    uint8_t pieces[SHA384_SIZE];
    memset(bytes, 0x5a, sizeof(bytes));
    sha384(bytes, sizeof(bytes), whole);
    for (size_t cut = 0; cut <= sizeof(bytes); cut++) {
        CLEANUP(sha384_free_ptr) struct sha384 *hash = sha384_new();
        sha384_add(hash, bytes, cut);
        sha384_add(hash, bytes + cut, sizeof(bytes) - cut);
        sha384_value(hash, pieces);
        CHECK(memcmp(pieces, whole, sizeof(whole)) == 0);
    }
}

TEST(a_value_may_be_taken_on_the_way)
{
    uint8_t value[SHA384_SIZE];
    CLEANUP(sha384_free_ptr) struct sha384 *hash = sha384_new();
    sha384_value(hash, value);
    CHECK(is_hash(value, of_nothing));
    sha384_add(hash, "ab", 2);
    sha384_value(hash, value);
    CHECK(!is_hash(value, of_abc));
    sha384_add(hash, "c", 1);
    sha384_value(hash, value);
    CHECK(is_hash(value, of_abc));
    sha384_value(hash, value);
    CHECK(is_hash(value, of_abc));
}

HARNESS_TESTS(T(hashes_as_fips_180_4_says), T(pieces_make_the_same_hash_wherever_they_are_cut),
              T(a_value_may_be_taken_on_the_way))
