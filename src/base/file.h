/* file.h: whole files, bounded. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/detail.h"
#include "base/result.h"
#include "base/secret.h"

#include <stddef.h>

/* Reads the regular file `path` into a block that is wiped when freed; for files that hold secrets and,
 * the cost being small, for all others. `detail` names the file on failure and the system's reason.
 * NOT_FOUND: no such file. LIMIT: over `size_max` bytes. BAD_INPUT: not a regular file.
 * UNAVAILABLE: anything else the system says. */
RESULT file_read(const char *path, size_t size_max, struct secret_block *out,
                 struct detail *detail);

/* Creates or replaces `path` as a whole with mode 0600: writes a file beside it, syncs, renames.
 * After a failure the old file is untouched. UNAVAILABLE with the reason in `detail`. */
RESULT file_write(const char *path, const void *bytes, size_t size, struct detail *detail);

/* Makes a file's creation, renaming or removal durable: syncs the directory that `path` lies in.
 * UNAVAILABLE: errno says why. */
RESULT file_sync_directory_of(const char *path);

#endif
