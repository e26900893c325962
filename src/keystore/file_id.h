/* file_id.h: what tells a file from its successor: that it was not changed since it was read is
 * known without reading it again. Symbolic links are followed. */
#ifndef KEYSTORE_FILE_ID_H
#define KEYSTORE_FILE_ID_H

#include "base/detail.h"
#include "base/result.h"

#include <stdbool.h>
#include <stdint.h>

struct file_id {
    uint64_t device;
    uint64_t inode;
    uint64_t size;
    int64_t modified_ns; /* since 1970 */
    int64_t changed_ns;  /* the same for the inode: who sets `modified_ns` back cannot set this */
    uint32_t mode;
};

/* Reads it before the file itself is read, so that a change meanwhile shows the next time.
 * NOT_FOUND, UNAVAILABLE: as file_read(), and with the same detail. */
RESULT file_id_read(const char *path, struct file_id *out, struct detail *detail);

/* True when nothing was changed between the two. */
bool file_id_equal(const struct file_id *a, const struct file_id *b);

/* True when the file's group or everybody may read it. */
bool file_id_is_exposed(const struct file_id *id);

#endif
