#include "eth/domain.h"

#include "base/sha256.h"

#include <string.h>

struct domain domain_compute(uint32_t type, struct fork_version version,
                             const struct root *genesis_validators_root)
{
    /* The hash tree root of ForkData: two leaves, the version padded with zeros. */
    uint8_t version_leaf[32] = { 0 };
    memcpy(version_leaf, version.bytes, sizeof(version.bytes));
    struct root fork_data_root;
    sha256_pair(version_leaf, genesis_validators_root->bytes, fork_data_root.bytes);

    struct domain domain = {
        .bytes = { (uint8_t)(type >> 24), (uint8_t)(type >> 16), (uint8_t)(type >> 8),
                   (uint8_t)type },
    };
    memcpy(domain.bytes + 4, fork_data_root.bytes, sizeof(domain.bytes) - 4);
    return domain;
}

struct root signing_root_compute(const struct root *object_root, const struct domain *domain)
{
    struct root signing_root;
    sha256_pair(object_root->bytes, domain->bytes, signing_root.bytes);
    return signing_root;
}
