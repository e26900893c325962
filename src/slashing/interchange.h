/* interchange.h: the EIP-3076 interchange format, version 5: reading a file into a store, and a
 * store out into a file (interchange_write.h has the text itself). Follows
 * https://eips.ethereum.org/EIPS/eip-3076 (format, conditions on import). */
#ifndef SLASHING_INTERCHANGE_H
#define SLASHING_INTERCHANGE_H

#include "base/detail.h"
#include "base/result.h"
#include "slashing/interchange_write.h"
#include "slashing/store.h"

#include <stddef.h>
#include <stdio.h>

enum { INTERCHANGE_VALIDATORS_MAX = 4 * 1000 * 1000 }; /* entries of one file that is read */

/* Reads a whole file and calls `visit` with each validator's history (unsorted, unchecked, marks
 * empty), one at a time: the tree of a large file is never held as a whole. Entries of one public
 * key that stand apart are visited apart. Members of the file may come in any order; those that
 * EIP-3076 does not name are passed over. Numbers are decimal strings; JSON integers are taken too,
 * since some exporters write them. BAD_INPUT names the entry ("data[3].signed_blocks[0].slot") in
 * `detail`: not JSON, version other than 5, a genesis validators root other than
 * `genesis_validators_root`, a wrong key, number or root, something missing or there twice. LIMIT:
 * over INTERCHANGE_VALIDATORS_MAX or HISTORY_RECORDS_MAX. A failure of `visit` ends the reading;
 * what `visit` wrote into the same `detail` gets the entry put before it. What follows a failure in
 * the text was not looked at: visits before it must be undone by the caller. */
RESULT interchange_read(const char *text, size_t size, const struct root *genesis_validators_root,
                        struct result (*visit)(const struct history *history, void *context),
                        void *context, struct detail *detail);

struct interchange_text {
    const char *text;
    size_t size; /* bytes */
    const struct root *genesis_validators_root;
    enum conflict_policy policy;
    bool dry_run; /* do everything but keep it */
};

/* Imports all of the text or nothing. Each entry is merged as history_merge() does, in the order
 * of the file. */
RESULT interchange_import(struct slashing_store *store, const struct interchange_text *text,
                          struct interchange_summary *summary_out, struct detail *detail);

struct interchange_selection {
    const struct root *genesis_validators_root;
    const struct pubkey *pubkeys; /* NULL: all of the store */
    size_t pubkey_count;
};

/* Exports to a stream. Unknown validators are left out. UNAVAILABLE: the store or the stream
 * failed; what was written is useless. */
RESULT interchange_export(struct slashing_store *store,
                          const struct interchange_selection *selection, FILE *out,
                          struct interchange_summary *summary_out, struct detail *detail);

#endif
