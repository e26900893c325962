/* key_load.h: brings the keys of one descriptor, or the key of one keystore, into the table, and
 * notes the outcome in its entries. Thread-safe for different files and entries. */
#ifndef KEYSTORE_KEY_LOAD_H
#define KEYSTORE_KEY_LOAD_H

#include "keystore/exposure.h"
#include "keystore/kdf_gate.h"
#include "keystore/key_files.h"
#include "keystore/key_table.h"
#include "keystore/load_failure.h"

#include <stdatomic.h>

/* What the loads of one run share. */
struct key_load {
    struct key_table *table;
    struct kdf_gate *gate;
    struct exposure *exposure;
    const atomic_bool *cancelled;
    atomic_size_t added; /* keys that were not in the table before */
    atomic_size_t errors;
};

/* Fills in the entries of a descriptor. Raw keys are loaded; keystores are left to
 * key_load_keystore(). `before` is the file as the last run left it, or NULL; entries that are
 * carried on are moved out of it. While the file is as it was, it is not read. Documents that
 * cannot be used, and those behind a place that cannot be read, keep the key that they had; when
 * the file is gone, nothing is kept. */
void key_load_descriptor(struct key_load *load, struct key_file *file, struct key_file *before);

/* Loads an entry's keystore unless it and its password file are as they were. When it cannot be
 * used, the entry keeps the key that it had; when it is gone, it does not. */
void key_load_keystore(struct key_load *load, struct key_file *file, struct key_entry *entry);

/* Counts the failure, logs it and puts its line into the entry, or into the file when `entry` is
 * NULL. Fills in the failure's path and document. */
void key_load_failed(struct key_load *load, struct key_file *file, struct key_entry *entry,
                     struct load_failure *failure);

/* True when the table has this key from the filesystem. */
bool key_load_holds(struct key_table *table, const struct pubkey *pubkey);

#endif
