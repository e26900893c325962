/* network.h: the networks the signer can serve: presets, forks, genesis. Pure. */
#ifndef ETH_NETWORK_H
#define ETH_NETWORK_H

#include "base/detail.h"
#include "base/result.h"
#include "eth/types.h"

#include <stddef.h>
#include <stdint.h>

enum fork {
    FORK_PHASE0,
    FORK_ALTAIR,
    FORK_BELLATRIX,
    FORK_CAPELLA,
    FORK_DENEB,
    FORK_ELECTRA,
    FORK_FULU,
    FORK_GLOAS,
    FORK_COUNT,
};

/* What the presets of the consensus specifications set differently and hashing depends on. */
struct preset {
    const char *name; /* "mainnet", "minimal", "gnosis": PRESET_BASE */
    uint64_t slots_per_epoch;
    uint64_t max_committees_per_slot;
    uint64_t sync_committee_size;
};

enum {
    NETWORK_NAME_SIZE = 64,       /* with the NUL */
    NETWORK_FILE_MAX = 64 * 1024, /* bytes of a config.yaml */
    NETWORK_FILE_DEPTH_MAX = 16,  /* nesting in the values of names that are ignored */
};

struct network {
    char name[NETWORK_NAME_SIZE];
    const struct preset *preset;
    struct root genesis_validators_root;
    uint64_t genesis_time; /* seconds since 1970 */
    uint64_t seconds_per_slot;
    struct {
        struct fork_version version;
        struct epoch epoch; /* far_future_epoch: not scheduled */
    } forks[FORK_COUNT];    /* epochs never fall; a fork that a file does not name has the version
                               before */
};

/* A network by its name: mainnet, sepolia, hoodi, gnosis, chiado. NULL: none of them. */
const struct network *network_find(const char *name);

/* A preset by its name; NULL: none. */
const struct preset *preset_find(const char *name);

/* Reads a consensus-layer config.yaml (upper-case names as in the consensus specifications:
 * PRESET_BASE, CONFIG_NAME, SECONDS_PER_SLOT or SLOT_DURATION_MS, GENESIS_FORK_VERSION,
 * ALTAIR_FORK_VERSION, ALTAIR_FORK_EPOCH, …), to which two lines must have been added that such
 * files do not have: GENESIS_VALIDATORS_ROOT and GENESIS_TIME. Other names are ignored, whatever
 * they hold. A fork may be left out when no later one is scheduled. BAD_INPUT names the line or the
 * missing name in `detail`; LIMIT: over NETWORK_FILE_MAX bytes or NETWORK_FILE_DEPTH_MAX levels. */
RESULT network_parse(const char *yaml, size_t size, struct network *out, struct detail *detail);

/* FORK_COUNT when `name` ("PHASE0", … upper case) is no fork. */
enum fork fork_find(const char *name);
const char *fork_name(enum fork fork);

/* The fork that the network's schedule has at `epoch`. */
enum fork network_fork_at(const struct network *network, struct epoch epoch);

/* The fork with this version, scheduled or not; FORK_COUNT when the network has no such version. */
enum fork network_fork_of(const struct network *network, struct fork_version version);

struct epoch network_epoch_of(const struct network *network, struct slot slot);

/* The epoch at `seconds` since 1970; epoch 0 before genesis. */
struct epoch network_epoch_at(const struct network *network, uint64_t seconds);

#endif
