/* fork_info.h: the fork that a signing request says it is under, and the fork versions that domains
 * take from it (consensus-specs phase0/beacon-chain.md, get_domain; EIP-7044). Pure. */
#ifndef ETH_FORK_INFO_H
#define ETH_FORK_INFO_H

#include "base/detail.h"
#include "base/json.h"
#include "base/result.h"
#include "eth/network.h"
#include "eth/types.h"

struct fork_info {
    struct fork_version previous_version;
    struct fork_version current_version;
    struct epoch epoch; /* the first of the current version */
    struct root genesis_validators_root;
};

/* Reads the body's member fork_info. BAD_INPUT with the path in `detail`. */
RESULT fork_info_read(const struct json *value, struct fork_info *out, struct detail *detail);

struct fork_version fork_info_version_at(const struct fork_info *fork_info, struct epoch epoch);

/* The versions that a voluntary exit of `epoch` may be signed under, 1 or 2, of which the first is
 * the one to sign under when the request names no root; see fork_info.c for the rule. */
unsigned fork_info_exit_versions(const struct fork_info *fork_info, const struct network *network,
                                 struct epoch epoch, struct fork_version out[static 2]);

#endif
