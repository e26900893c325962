/* file.h: whole files, bounded. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/detail.h"
#include "base/result.h"
#include "base/secret.h"

#include <stddef.h>

/* Reads the regular file `path`, through symbolic links, into a block that is wiped when freed; for
 * files that hold secrets and, the cost being small, for all others. On failure `detail` names the
 * file, and the system's reason where there is one. NOT_FOUND: no such file. LIMIT: over `size_max`
 * bytes. BAD_INPUT: not a regular file; one that nobody writes to does not hang. UNAVAILABLE:
 * anything else. */
RESULT file_read(const char *path, size_t size_max, struct secret_block *out,
                 struct detail *detail);

/* Creates or replaces `path` as a whole with mode 0600: writes a file beside it, syncs, renames. A
 * symbolic link is replaced, not followed. After a failure the old file is untouched, except when
 * the rename could not be made durable: then either of both is there, whole. UNAVAILABLE, or
 * BAD_INPUT for a path that is too long, with the path and the system's reason in `detail`. */
RESULT file_write(const char *path, const void *bytes, size_t size, struct detail *detail);

/* Makes a file's creation, renaming or removal durable: syncs the directory that `path` lies in.
 * UNAVAILABLE: errno says why. */
RESULT file_sync_directory_of(const char *path);

#endif
