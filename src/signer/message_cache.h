/* message_cache.h: signing roots that were hashed to the curve lately.
 * Since Electra all validators that attest in a slot sign one root, and hashing it is half of a
 * signature. Whoever asks first computes; others who want the same root meanwhile wait for it.
 * Nothing here depends on a secret. Thread-safe. */
#ifndef SIGNER_MESSAGE_CACHE_H
#define SIGNER_MESSAGE_CACHE_H

#include "base/cleanup.h"
#include "base/result.h"
#include "bls/bls.h"
#include "eth/types.h"

#include <stdint.h>

enum { MESSAGE_CACHE_ENTRIES = 64 };

struct message_cache;

RESULT message_cache_new(struct message_cache **out);
void message_cache_free(struct message_cache *cache); /* accepts NULL; nobody may be waiting */
DEFINE_CLEANUP(struct message_cache, message_cache_free);

/* The curve point of a signing root. */
void message_cache_get(struct message_cache *cache, const struct root *signing_root,
                       struct bls_point *out);

/* How often a point was found, or being computed, and how often it had to be computed. */
void message_cache_counts(struct message_cache *cache, uint64_t *hits_out, uint64_t *misses_out);

#endif
