#include "keystore/file_id.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static int64_t nanoseconds(struct timespec time)
{
    return (int64_t)((uint64_t)time.tv_sec * 1000000000U + (uint64_t)time.tv_nsec);
}

RESULT file_id_read(const char *path, struct file_id *out, struct detail *detail)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        int reason = errno;
        detail_set(detail, "%s (%s)", path, strerror(reason));
        ENSURE(reason != ENOENT, NOT_FOUND, "no such file");
        return FAIL(UNAVAILABLE, "cannot stat the file");
    }
    *out = (struct file_id){
        .device = info.st_dev,
        .inode = info.st_ino,
        .size = (uint64_t)info.st_size,
        .modified_ns = nanoseconds(info.st_mtim),
        .changed_ns = nanoseconds(info.st_ctim),
        .mode = info.st_mode,
    };
    return OK;
}

bool file_id_equal(const struct file_id *a, const struct file_id *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->modified_ns == b->modified_ns && a->changed_ns == b->changed_ns;
}

bool file_id_is_exposed(const struct file_id *id)
{
    return (id->mode & (S_IRGRP | S_IROTH)) != 0;
}
