/* ssz.h: hash tree roots (consensus-specs ssz/simple-serialize.md, EIP-7495, EIP-7916) straight
 * from the JSON that the beacon APIs use. Types are tables (ssz_types.h); one walker hashes them
 * all. Pure. */
#ifndef ETH_SSZ_H
#define ETH_SSZ_H

#include "base/detail.h"
#include "base/json.h"
#include "base/result.h"
#include "eth/network.h"
#include "eth/types.h"

#include <stdint.h>

struct ssz_type; /* ssz_types.h declares those that are signed */

/* The hash tree root of `value` read as `type`. Every member of a container must be there; unknown
 * ones are ignored; lengths and limits hold, those that depend on the preset as `preset` has them.
 * Time and memory depend on the value's size, never on a limit. BAD_INPUT with the member's path in
 * `detail`, before which the caller puts the value's own name: ".body.attestations[3].data.slot",
 * "" for the value itself. LIMIT, likewise: a list without a limit has more than MERKLE_CHUNKS_MAX
 * chunks. */
RESULT ssz_root(const struct ssz_type *type, const struct preset *preset, const struct json *value,
                struct root *out, struct detail *detail);

/* A uint64 in decimal text or as a JSON integer. */
RESULT ssz_uint64(const struct json *value, uint64_t *out);

/* Exactly `size` bytes of hexadecimal text. */
RESULT ssz_bytes(const struct json *value, uint8_t *out, size_t size);

#endif
