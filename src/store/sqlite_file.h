/* sqlite_file.h: the database's file as the file system sees it, before and beside SQLite.
 * Nothing here opens the database file of an open store: closing any descriptor of it would drop
 * the process's locks on it (POSIX). */
#ifndef STORE_SQLITE_FILE_H
#define STORE_SQLITE_FILE_H

#include "base/detail.h"
#include "base/result.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct sqlite_file {
    char path[PATH_MAX]; /* as SQLite is to have it: never taken for a URI */
    bool exists;
    bool has_wal;    /* a -wal that holds something lies beside it */
    bool is_exposed; /* anybody may replace the file: its directory is writable by all */
};

/* Looks at the file, and takes away what rights others have on it. In all functions `detail` gets
 * " (reason)", to stand behind the path, or nothing. BAD_INPUT: a symbolic link, a second hard link
 * (its -wal would be looked for elsewhere), not a regular file, too long a path. UNAVAILABLE: an
 * empty file (a database of ours never was), and whatever the system says. */
RESULT sqlite_file_inspect(const char *path, struct sqlite_file *out, struct detail *detail);

/* Makes a new database file with mode 0600: `fill` writes it under another name, then it appears at
 * `path` whole and durable. When somebody else's appeared there meanwhile, that one stays: OK. */
RESULT sqlite_file_create(const char *path, struct result (*fill)(const char *path, void *context),
                          void *context, struct detail *detail);

/* Says " (held by process N)" of the file if the kernel tells. */
void sqlite_file_name_holder(const char *path, struct detail *detail);

/* Bytes that are free to us on the file's disk. UNAVAILABLE: the system does not say. */
RESULT sqlite_file_free_bytes(const char *path, uint64_t *bytes_out);

#endif
