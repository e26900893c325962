/* domain.h: domains and signing roots (consensus-specs phase0/beacon-chain.md, compute_domain,
 * compute_signing_root). Pure. */
#ifndef ETH_DOMAIN_H
#define ETH_DOMAIN_H

#include "eth/types.h"

struct domain {
    uint8_t bytes[32];
};

/* `type` is the domain type's four bytes as a big-endian number: 0x01000000 is
 * DOMAIN_BEACON_ATTESTER. */
struct domain domain_compute(uint32_t type, struct fork_version version,
                             const struct root *genesis_validators_root);

/* SHA-256(object_root || domain): the root of SigningData. */
struct root signing_root_compute(const struct root *object_root, const struct domain *domain);

#endif
