/* key_places.h: a list of entries of key files: those to work on, and those that have a key. */
#ifndef KEYSTORE_KEY_PLACES_H
#define KEYSTORE_KEY_PLACES_H

#include "base/result.h"
#include "keystore/key_files.h"

#include <stdbool.h>
#include <stddef.h>

struct key_place {
    struct key_file *file;
    struct key_entry *entry;
};

struct key_places {
    struct key_place *items;
    size_t count;
};

#define KEY_PLACES CLEANUP(key_places_done) struct key_places

void key_places_done(struct key_places *places);

/* Lists the entries that are so, in the order of files and documents; valid while no entry is
 * added. UNAVAILABLE: no memory. */
RESULT key_places_select(const struct key_files *files,
                         bool (*is_so)(const struct key_entry *entry), struct key_places *out);

/* Puts them in the order of their keys; equal ones stay in the order of files and documents. */
void key_places_sort(struct key_places *places);

/* A place of this key, or NULL. The places must be sorted. */
const struct key_place *key_places_find(const struct key_places *places,
                                        const struct pubkey *pubkey);

#endif
