#include "eth/network_table.h"

#include "eth_test.h"

#define NEVER UINT64_MAX

/* As published by each network. */
static const struct {
    const char *name;
    const char *preset;
    const char *genesis_validators_root;
    uint64_t genesis_time;
    uint64_t seconds_per_slot;
    uint64_t slots_per_epoch;
    uint64_t epochs[FORK_COUNT];
    const char *versions; /* in the order of the forks */
} published[] = {
    { "mainnet",
      "mainnet",
      "0x4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe95",
      1606824023,
      12,
      32,
      { 0, 74240, 144896, 194048, 269568, 364032, 411392, NEVER },
      "0x00000000 0x01000000 0x02000000 0x03000000 0x04000000 0x05000000 0x06000000 0x07000000" },
    { "sepolia",
      "mainnet",
      "0xd8ea171f3c94aea21ebc42a1ed61052acf3f9209c00e4efbaaddac09ed9b8078",
      1655733600,
      12,
      32,
      { 0, 50, 100, 56832, 132608, 222464, 272640, NEVER },
      "0x90000069 0x90000070 0x90000071 0x90000072 0x90000073 0x90000074 0x90000075 0x90000076" },
    { "hoodi",
      "mainnet",
      "0x212f13fc4df078b6cb7db228f1c8307566dcecf900867401a92023d7ba99cb5f",
      1742213400,
      12,
      32,
      { 0, 0, 0, 0, 0, 2048, 50688, NEVER },
      "0x10000910 0x20000910 0x30000910 0x40000910 0x50000910 0x60000910 0x70000910 0x80000910" },
    { "gnosis",
      "gnosis",
      "0xf5dcb5564e829aab27264b9becd5dfaa017085611224cb3036f573368dbb9d47",
      1638993340,
      5,
      16,
      { 0, 512, 385536, 648704, 889856, 1337856, 1714688, NEVER },
      "0x00000064 0x01000064 0x02000064 0x03000064 0x04000064 0x05000064 0x06000064 0x07000064" },
    { "chiado",
      "gnosis",
      "0x9d642dac73058fbf39c0ae41ab1e34e4d889043cb199851ded7095bc99eb4c1e",
      1665396300,
      5,
      16,
      { 0, 90, 180, 244224, 516608, 948224, 1353216, NEVER },
      "0x0000006f 0x0100006f 0x0200006f 0x0300006f 0x0400006f 0x0500006f 0x0600006f 0x0700006f" },
};

TEST(every_network_is_what_it_published)
{
    CHECK(sizeof(published) / sizeof(published[0]) == NETWORK_COUNT);
    for (size_t i = 0; i < NETWORK_COUNT; i++) {
        const struct network *network = network_find(published[i].name);
        CHECK(network != NULL);
        CHECK_TEXT(network->preset->name, published[i].preset);
        CHECK(root_is(&network->genesis_validators_root, published[i].genesis_validators_root));
        CHECK(network->genesis_time == published[i].genesis_time);
        CHECK(network->seconds_per_slot == published[i].seconds_per_slot);
        CHECK(network->preset->slots_per_epoch == published[i].slots_per_epoch);
        for (size_t fork = 0; fork < FORK_COUNT; fork++) {
            char version[HEX_TEXT_SIZE(4)];
            hex_encode(network->forks[fork].version.bytes, 4, version);
            CHECK(strncmp(version, published[i].versions + 11 * fork, 10) == 0);
            CHECK(network->forks[fork].epoch.value == published[i].epochs[fork]);
        }
    }
}

TEST(schedules_never_fall_and_versions_never_repeat)
{
    for (size_t i = 0; i < NETWORK_COUNT; i++) {
        const struct network *network = &network_table[i];
        for (unsigned fork = 1; fork < FORK_COUNT; fork++) {
            CHECK(network->forks[fork].epoch.value >= network->forks[fork - 1].epoch.value);
            CHECK(network_fork_of(network, network->forks[fork].version) == (enum fork)fork);
        }
    }
}

HARNESS_TESTS(T(every_network_is_what_it_published),
              T(schedules_never_fall_and_versions_never_repeat))
