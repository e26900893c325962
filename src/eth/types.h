/* types.h: Ethereum's numbers and names as types of their own, so that a slot is never an epoch. */
#ifndef ETH_TYPES_H
#define ETH_TYPES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct slot {
    uint64_t value;
};

struct epoch {
    uint64_t value;
};

struct root {
    uint8_t bytes[32];
};

struct pubkey {
    uint8_t bytes[48];
};

struct signature {
    uint8_t bytes[96];
};

struct fork_version {
    uint8_t bytes[4];
};

/* The epoch that never comes: a fork that is not scheduled. */
static const struct epoch far_future_epoch = { UINT64_MAX };

static inline bool root_equal(const struct root *a, const struct root *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static inline bool fork_version_equal(struct fork_version a, struct fork_version b)
{
    return memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}

static inline bool pubkey_equal(const struct pubkey *a, const struct pubkey *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

#endif
