/* interchange_write.h: the text of an EIP-3076 interchange file, version 5, piece by piece: begin,
 * one call a history, end. */
#ifndef SLASHING_INTERCHANGE_WRITE_H
#define SLASHING_INTERCHANGE_WRITE_H

#include "base/buf.h"
#include "eth/types.h"
#include "slashing/history.h"

#include <stddef.h>

enum { INTERCHANGE_VERSION = 5 };

/* What was read or written. */
struct interchange_summary {
    size_t validators; /* entries of "data" */
    size_t blocks;
    size_t attestations;
};

struct interchange_writer {
    struct buf *out;                    /* failures stick there: buf_check() */
    struct interchange_summary summary; /* what was written so far */
};

void interchange_write_begin(struct interchange_writer *writer, struct buf *out,
                             const struct root *genesis_validators_root);

/* Writes a sorted and clean history. Whoever imports the file into an empty store refuses at least
 * what `history` refuses: records that the watermarks overtook are left out, and watermarks that no
 * record stands for are written as a record without a signing root. The file never contradicts
 * itself. */
void interchange_write_history(struct interchange_writer *writer, const struct history *history);

void interchange_write_end(struct interchange_writer *writer);

#endif
