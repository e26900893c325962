/* file.h: whole files, bounded. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/detail.h"
#include "base/result.h"
#include "base/secret.h"

#include <stddef.h>
#include <stdint.h>

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

/* The same with mode 0644, for what everybody may read. */
RESULT file_write_public(const char *path, const void *bytes, size_t size, struct detail *detail);

/* A file's bytes where the system keeps them: for large files without secrets. The file must not be
 * cut shorter meanwhile (the process would die of SIGBUS), and what others write to it may show. */
struct file_map {
    const uint8_t *bytes; /* NULL when the file is empty */
    size_t size;
};

/* Maps the regular file `path` for reading; fails as file_read() does. */
RESULT file_map(const char *path, size_t size_max, struct file_map *out, struct detail *detail);
/* Accepts an empty map, which it leaves. */
void file_unmap(struct file_map *map);

/* Makes a file's creation, renaming or removal durable: syncs the directory that `path` lies in.
 * UNAVAILABLE: errno says why. */
RESULT file_sync_directory_of(const char *path);

#endif
