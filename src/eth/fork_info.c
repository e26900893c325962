#include "eth/fork_info.h"

#include "eth/place.h"
#include "eth/ssz.h"

static struct result read_version(const struct json *value, struct fork_version *out)
{
    return ssz_bytes(value, out->bytes, sizeof(out->bytes));
}

RESULT fork_info_read(const struct json *value, struct fork_info *out, struct detail *detail)
{
    const struct json *fork = json_member(value, "fork");
    struct fork_info read;
    if (json_kind(fork) != JSON_KIND_OBJECT) {
        return at_place("fork_info.fork", FAIL(BAD_INPUT, "missing or not an object"), detail);
    }
    TRY(at_place("fork_info.fork.previous_version",
                 read_version(json_member(fork, "previous_version"), &read.previous_version),
                 detail));
    TRY(at_place("fork_info.fork.current_version",
                 read_version(json_member(fork, "current_version"), &read.current_version),
                 detail));
    TRY(at_place("fork_info.fork.epoch", ssz_uint64(json_member(fork, "epoch"), &read.epoch.value),
                 detail));
    TRY(at_place("fork_info.genesis_validators_root",
                 ssz_bytes(json_member(value, "genesis_validators_root"),
                           read.genesis_validators_root.bytes,
                           sizeof(read.genesis_validators_root.bytes)),
                 detail));
    *out = read;
    return OK;
}

struct fork_version fork_info_version_at(const struct fork_info *fork_info, struct epoch epoch)
{
    return epoch.value < fork_info->epoch.value ? fork_info->previous_version
                                                : fork_info->current_version;
}

/* The latest fork that a voluntary exit shows the chain to reach: by the network's schedule at the
 * exit's epoch, or by the request's versions, of which the later may be unknown to the network's
 * table. */
static enum fork reached_fork(const struct fork_info *fork_info, const struct network *network,
                              struct epoch epoch)
{
    enum fork latest = network_fork_at(network, epoch);
    const enum fork named[] = {
        network_fork_of(network, fork_info->previous_version),
        network_fork_of(network, fork_info->current_version),
    };
    for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
        if (named[i] != FORK_COUNT && named[i] > latest) {
            latest = named[i];
        }
    }
    return latest;
}

/* EIP-7044: from Deneb on, a chain checks every voluntary exit under the Capella version (C);
 * before, under the fork's version at the exit's epoch (F). Clients differ in which fork they send,
 * and in whether the exit's epoch or the fork says that it is Deneb, so also in the root that they
 * name. Both are domains of the same object and an exit is not slashable: the named root decides;
 * without one, the rule does.
 *
 *   the chain has reached     no root named    root named
 *   Deneb or later            C                C or F
 *   Capella                   F                F or C
 *   less                      F                F
 *
 * - An exit of an epoch before Deneb on a chain beyond Deneb: the request's fork shows the latter,
 * so C.
 * - A devnet whose schedule starts at Deneb or later: every epoch is in Deneb, so C.
 * network_parse() refuses a schedule that has Deneb and no Capella version.
 * - Lighthouse's fork (Capella twice, from the exit's epoch on), and Lodestar's for exits after
 * Deneb (Bellatrix, then Capella): for an exit of Capella's epochs or later, C and F are one.
 * - A fork later than this program knows: the schedule at the exit's epoch or the previous version
 * shows that Deneb is past, so C. */
unsigned fork_info_exit_versions(const struct fork_info *fork_info, const struct network *network,
                                 struct epoch epoch, struct fork_version out[static 2])
{
    struct fork_version by_fork = fork_info_version_at(fork_info, epoch);
    struct fork_version capella = network->forks[FORK_CAPELLA].version;
    enum fork reached = reached_fork(fork_info, network, epoch);
    out[0] = reached >= FORK_DENEB ? capella : by_fork;
    out[1] = reached >= FORK_DENEB ? by_fork : capella;
    return reached < FORK_CAPELLA || fork_version_equal(by_fork, capella) ? 1 : 2;
}
