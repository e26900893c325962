/* fuzz_network.c: a config.yaml is read or refused and never more; what is read is a network that
 * the eth layer can work with, and the same when it is read again. */
#include "eth/network.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void check_name(const char *name)
{
    require(name[0] != '\0' && memchr(name, '\0', NETWORK_NAME_SIZE) != NULL);
    for (; *name != '\0'; name++) {
        require(*name > ' ' && *name <= '~');
    }
}

static void check_network(const struct network *network)
{
    check_name(network->name);
    require(preset_find(network->preset->name) == network->preset);
    require(network->seconds_per_slot > 0);
    require(network->forks[FORK_PHASE0].epoch.value == 0);
    for (unsigned fork = 1; fork < FORK_COUNT; fork++) {
        require(network->forks[fork].epoch.value >= network->forks[fork - 1].epoch.value);
        bool scheduled = network->forks[fork].epoch.value != far_future_epoch.value;
        require(!scheduled ||
                network_fork_of(network, network->forks[fork].version) == (enum fork)fork);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct network network;
    struct network again;
    struct detail detail = { .text = "" };
    struct result result = network_parse((const char *)data, size, &network, &detail);
    if (!is_ok(result)) {
        require(result.status == STATUS_BAD_INPUT || result.status == STATUS_LIMIT);
        return 0;
    }
    check_network(&network);
    require(is_ok(network_parse((const char *)data, size, &again, NULL)));
    require(strcmp(network.name, again.name) == 0 && network.preset == again.preset);
    require(memcmp(network.forks, again.forks, sizeof(network.forks)) == 0);
    return 0;
}
