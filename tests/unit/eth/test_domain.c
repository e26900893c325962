#include "eth/domain.h"

#include "base/hex.h"
#include "base/sha256.h"
#include "eth/network.h"
#include "harness.h"

static bool bytes_are(const uint8_t *bytes, size_t size, const char *text)
{
    char got[HEX_TEXT_SIZE(32)];
    hex_encode(bytes, size, got);
    return strcmp(got, text) == 0;
}

TEST(the_deposit_domain_of_mainnet_is_the_known_one)
{
    struct fork_version genesis = { { 0, 0, 0, 0 } };
    struct root zero = { 0 };
    struct domain domain = domain_compute(0x03000000, genesis, &zero);
    CHECK(bytes_are(domain.bytes, sizeof(domain.bytes),
                    "0x03000000f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a9"));
}

TEST(the_domain_carries_the_fork_digest_that_mainnet_nodes_announce)
{
    static const struct {
        enum fork fork;
        const char *digest;
    } cases[] = {
        { FORK_PHASE0, "0xb5303f2a" },    { FORK_ALTAIR, "0xafcaaba0" },
        { FORK_BELLATRIX, "0x4a26c58b" }, { FORK_CAPELLA, "0xbba4da96" },
        { FORK_DENEB, "0x6a95a1a9" },
    };
    const struct network *mainnet = network_find("mainnet");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct domain domain = domain_compute(0x01020304, mainnet->forks[cases[i].fork].version,
                                              &mainnet->genesis_validators_root);
        CHECK(bytes_are(domain.bytes, 4, "0x01020304"));
        CHECK(bytes_are(domain.bytes + 4, 4, cases[i].digest));
    }
}

TEST(every_input_changes_the_domain)
{
    struct fork_version version = { { 1, 2, 3, 4 } };
    struct fork_version other_version = { { 1, 2, 3, 5 } };
    struct root root = { { 1 } };
    struct root other_root = { { 2 } };
    struct domain base = domain_compute(1, version, &root);
    struct domain others[] = {
        domain_compute(2, version, &root),
        domain_compute(1, other_version, &root),
        domain_compute(1, version, &other_root),
    };
    for (size_t i = 0; i < 3; i++) {
        CHECK(memcmp(base.bytes, others[i].bytes, sizeof(base.bytes)) != 0);
    }
}

TEST(the_signing_root_is_the_hash_of_object_root_then_domain)
{
    struct root object = { { 0xaa } };
    struct domain domain = { { 0xbb } };
    uint8_t both[64] = { 0 };
    both[0] = 0xaa;
    both[32] = 0xbb;
    struct root wanted;
    sha256(both, sizeof(both), wanted.bytes);
    struct root got = signing_root_compute(&object, &domain);
    CHECK(root_equal(&got, &wanted));
}

HARNESS_TESTS(T(the_deposit_domain_of_mainnet_is_the_known_one),
              T(the_domain_carries_the_fork_digest_that_mainnet_nodes_announce),
              T(every_input_changes_the_domain),
              T(the_signing_root_is_the_hash_of_object_root_then_domain))
