/* sqlite_layout.h: the tables of the database (schema/sqlite_0001.sql): making them, and telling
 * whether a file has exactly those. */
#ifndef STORE_SQLITE_LAYOUT_H
#define STORE_SQLITE_LAYOUT_H

#include "base/detail.h"
#include "base/result.h"
#include "eth/types.h"
#include "store/sqlite_store.h"

enum {
    SQLITE_APPLICATION_ID = 0x43435350, /* "CCSP" */
    SQLITE_LAYOUT = 1,                  /* the highest that this program knows */
};

/* Creates the database, without a record, for the network. `detail` as in sqlite_file.h. */
RESULT sqlite_layout_create(const char *path, const struct root *genesis_validators_root,
                            struct detail *detail);

/* Reads the first page of the store's file, which takes its lock for good, and its schema.
 * UNAVAILABLE: another process has it, or it cannot be read. BAD_INPUT: not a database of ours, a
 * newer layout, or tables, triggers or views that our layout does not have. */
RESULT sqlite_layout_check(struct sqlite_store *store, struct detail *detail);

#endif
