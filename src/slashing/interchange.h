/* interchange.h: the EIP-3076 interchange format, version 5: reading it into a store, writing one
 * out of a store. Follows https://eips.ethereum.org/EIPS/eip-3076 (format, conditions on import).
 */
#ifndef SLASHING_INTERCHANGE_H
#define SLASHING_INTERCHANGE_H

#include "base/buf.h"
#include "base/detail.h"
#include "base/result.h"
#include "slashing/store.h"

#include <stddef.h>
#include <stdio.h>

enum {
    INTERCHANGE_VERSION = 5,
    INTERCHANGE_VALIDATORS_MAX = 4 * 1000 * 1000,
};

/* What an import did. */
struct interchange_summary {
    size_t validators;
    size_t blocks;
    size_t attestations;
};

/* Reads a whole file and calls `visit` with each validator's history (unsorted, unchecked, marks
 * empty). Entries of one public key that stand apart are visited apart. BAD_INPUT names the entry
 * ("data[3].signed_blocks[0].slot") in `detail`: not JSON, version other than 5, a genesis
 * validators root other than `genesis_validators_root`, a wrong key, number or root. */
RESULT interchange_read(const char *text, size_t size, const struct root *genesis_validators_root,
                        struct result (*visit)(const struct history *history, void *context),
                        void *context, struct detail *detail);

/* Imports all of the text or nothing. With `dry_run`, does everything but keep it. */
RESULT interchange_import(struct slashing_store *store, const char *text, size_t size,
                          const struct root *genesis_validators_root, enum conflict_policy policy,
                          bool dry_run, struct interchange_summary *summary_out,
                          struct detail *detail);

/* Writes an interchange file piece by piece: begin, one call a history, end. Watermarks that no
 * record stands for are written as records without a signing root, so that an importer is bound by
 * them. */
struct interchange_writer {
    struct buf *out;
    size_t validators;
};
void interchange_write_begin(struct interchange_writer *writer, struct buf *out,
                             const struct root *genesis_validators_root);
void interchange_write_history(struct interchange_writer *writer, const struct history *history);
void interchange_write_end(struct interchange_writer *writer);

/* Exports the given validators, or all of the store when `pubkeys` is NULL, to a stream. Unknown
 * validators are left out. UNAVAILABLE: the store or the stream failed; what was written is
 * useless. */
RESULT interchange_export(struct slashing_store *store, const struct root *genesis_validators_root,
                          const struct pubkey *pubkeys, size_t pubkey_count, FILE *out,
                          struct interchange_summary *summary_out, struct detail *detail);

#endif
