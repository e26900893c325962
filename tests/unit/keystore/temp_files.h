/* temp_files.h: a folder of a test's own, and files in it. */
#ifndef TESTS_UNIT_KEYSTORE_TEMP_FILES_H
#define TESTS_UNIT_KEYSTORE_TEMP_FILES_H

#include <stdbool.h>
#include <stddef.h>

struct temp_dir {
    char path[64];
};

struct temp_path {
    char text[192];
};

/* A new empty folder; false: it could not be made. */
bool temp_dir_open(struct temp_dir *dir);
void temp_dir_close(struct temp_dir *dir); /* removes it with all that is in it */

/* "<folder>/<name>", for as long as the caller keeps the struct. */
struct temp_path temp_path(const struct temp_dir *dir, const char *name);

/* Each gives false when it did not work. A file that is written again gets another inode, so that
 * it differs from what it was whatever the clock says; its mode is 0600. */
bool temp_write(const struct temp_dir *dir, const char *name, const void *bytes, size_t size);
bool temp_write_text(const struct temp_dir *dir, const char *name, const char *text);
bool temp_remove(const struct temp_dir *dir, const char *name);
bool temp_mkdir(const struct temp_dir *dir, const char *name);

#endif
