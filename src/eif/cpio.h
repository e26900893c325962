/* cpio.h: archives in the "newc" form, of which a Linux kernel makes its first file system
 * (Documentation/driver-api/early-userspace/buffer-format.rst). The same entries give the same
 * bytes: owner root, no times, inode numbers counted. */
#ifndef EIF_CPIO_H
#define EIF_CPIO_H

#include "base/buf.h"
#include "base/detail.h"
#include "base/result.h"

#include <stddef.h>
#include <stdint.h>

enum {
    CPIO_NAME_MAX = 4095,    /* bytes of a name, or of a symbolic link's target */
    CPIO_ENTRIES_MAX = 4096, /* of one archive */
    CPIO_MODE_MAX = 07777,
    CPIO_ALIGNMENT = 4, /* an archive's size is a multiple; another may follow it */
};

enum cpio_kind { CPIO_DIRECTORY, CPIO_FILE, CPIO_SYMLINK, CPIO_CHARACTER_DEVICE };

struct cpio_entry {
    const char *name; /* "dev/console": relative, its folder is an earlier entry */
    enum cpio_kind kind;
    uint32_t mode;     /* 0 to CPIO_MODE_MAX */
    const void *bytes; /* of a file: what it holds; of a symbolic link: its target */
    size_t size;
    uint32_t major; /* of a device */
    uint32_t minor;
};

/* Appends an archive of the entries in their order. BAD_INPUT, with the name in `detail`: a name
 * that is empty, absolute, has an empty part or one that is "." or "..", that is there twice, that
 * would end the archive, or whose folder is not there; a mode beyond CPIO_MODE_MAX; a target that
 * is empty or holds a NUL. LIMIT: too many, too long, or more than `out` takes. What was appended
 * until a failure stays. */
RESULT cpio_write(const struct cpio_entry *entries, size_t count, struct buf *out,
                  struct detail *detail);

#endif
