/* vault.h: the one region of the process that holds secret keys.
 * It is reserved once, between guard pages; its pages become usable as slots are taken. Used pages
 * are locked in memory, left out of core files and empty in a forked child. A slot is 32 bytes; an
 * erased slot is wiped and may be taken again. */
#ifndef BASE_VAULT_H
#define BASE_VAULT_H

#include "base/cleanup.h"
#include "base/result.h"
#include "base/secret.h"

#include <stddef.h>
#include <stdint.h>

enum { VAULT_SLOTS_MAX = 1 << 20 };

struct vault;

enum vault_lock {
    VAULT_LOCK_REQUIRED, /* mlock refused: the call fails with the remedy in its text */
    VAULT_LOCK_OPTIONAL, /* for development: goes on unlocked; vault_is_locked() tells */
};

/* Reserves room for `slots_max` secrets. UNAVAILABLE: no address space. */
RESULT vault_new(size_t slots_max, enum vault_lock lock, struct vault **out);

/* Wipes and releases everything. No slot may be in use any more. Accepts NULL. */
void vault_free(struct vault *vault);
DEFINE_CLEANUP(struct vault, vault_free);

/* Copies `secret` into a free slot and gives its number. LIMIT: all slots are taken. UNAVAILABLE:
 * the next page could not be had or locked. Thread-safe. */
RESULT vault_put(struct vault *vault, const struct secret32 *secret, uint32_t *slot_out);

/* The 32 bytes of a taken slot, valid until it is erased. Thread-safe without a lock: a slot never
 * moves. The caller sees to it that nobody erases the slot meanwhile. Aborts for a slot that is not
 * taken: zeros must not pass for a key. */
const uint8_t *vault_get(const struct vault *vault, uint32_t slot);

/* Wipes a taken slot and gives it back. Thread-safe. Aborts for a slot that is not taken. */
void vault_erase(struct vault *vault, uint32_t slot);

/* False when VAULT_LOCK_OPTIONAL had to go on without mlock. */
bool vault_is_locked(const struct vault *vault);

#endif
