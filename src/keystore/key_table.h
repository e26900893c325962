/* key_table.h: the loaded keys, by public key. The secrets are in the vault; a key that is in use
 * stays usable, and its secret in place, until the last user releases it. All calls are
 * thread-safe; the table's lock is held for look-ups and changes of it, never while a key is
 * derived or used. */
#ifndef KEYSTORE_KEY_TABLE_H
#define KEYSTORE_KEY_TABLE_H

#include "base/cleanup.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/vault.h"
#include "eth/types.h"
#include "keystore/eip2335.h"

#include <stddef.h>
#include <stdint.h>

enum key_origin { KEY_ORIGIN_FILESYSTEM, KEY_ORIGIN_MEMORY, KEY_ORIGIN_COUNT };

/* "filesystem", "memory": the values of the metric label `source`. */
const char *key_origin_name(enum key_origin origin);

struct key_table;
struct key;

/* An empty table; `vault` must outlive it. */
RESULT key_table_new(struct vault *vault, struct key_table **out);
/* Wipes all keys. None may be in use, and none that was removed may still be. Accepts NULL. */
void key_table_free(struct key_table *table);
DEFINE_CLEANUP(struct key_table, key_table_free);

/* Derives the public key, compares it with `claimed` (may be NULL) and adds the key. `path` is the
 * EIP-2335 derivation path or "". BAD_INPUT: no valid secret key, or not that of the claimed public
 * key. REFUSED: already loaded; the one that is there stays. LIMIT: the path is over
 * EIP2335_PATH_MAX, or as vault_put(). UNAVAILABLE: as vault_put(), or no memory. On OK and on
 * REFUSED `pubkey_out` (may be NULL) is the derived key. */
RESULT key_table_add(struct key_table *table, const struct secret32 *secret,
                     const struct pubkey *claimed, enum key_origin origin, const char *path,
                     struct pubkey *pubkey_out);

/* Takes a key out: later lookups do not find it; its secret is wiped when its last user is done.
 * NOT_FOUND: not loaded. REFUSED: it is of another origin than `origin`. */
RESULT key_table_remove(struct key_table *table, const struct pubkey *pubkey,
                        enum key_origin origin);

/* A loaded key, held until key_release(), or NULL. */
struct key *key_table_acquire(struct key_table *table, const struct pubkey *pubkey);
void key_release(struct key *key); /* accepts NULL */
DEFINE_CLEANUP(struct key, key_release);

const struct pubkey *key_pubkey(const struct key *key);
enum key_origin key_origin_of(const struct key *key);
const uint8_t *key_secret(const struct key *key); /* 32 bytes in the vault, while the key is held */

/* What may be told of a key. */
struct key_info {
    struct pubkey pubkey;
    enum key_origin origin;
    char path[EIP2335_PATH_MAX + 1];
};

/* A snapshot of all keys, ordered by public key, in memory that the caller frees. UNAVAILABLE: no
 * memory. */
RESULT key_table_list(struct key_table *table, struct key_info **keys_out, size_t *count_out);

size_t key_table_count(struct key_table *table);
size_t key_table_count_of(struct key_table *table, enum key_origin origin);

#endif
