#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

static struct result open_failed(const char *path, struct detail *detail)
{
    int reason = errno;
    detail_set(detail, "%s (%s)", path, strerror(reason));
    return reason == ENOENT ? FAIL(NOT_FOUND, "no such file")
                            : FAIL(UNAVAILABLE, "cannot open the file");
}

static struct result read_all(int fd, struct secret_block *block)
{
    size_t done = 0;
    while (done < block->size) {
        ssize_t got = read(fd, block->data + done, block->size - done);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        ENSURE(got >= 0, UNAVAILABLE, "cannot read the file");
        ENSURE(got > 0, UNAVAILABLE, "the file shrank while it was read");
        done += (size_t)got;
    }
    return OK;
}

RESULT file_read(const char *path, size_t size_max, struct secret_block *out,
                 struct detail *detail)
{
    /* O_NONBLOCK: a FIFO in a directory of keys must not hang the loader. */
    CLEANUP(fd_close_ptr) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return open_failed(path, detail);
    }
    detail_set(detail, "%s", path);
    struct stat info;
    ENSURE(fstat(fd, &info) == 0, UNAVAILABLE, "cannot stat the file");
    ENSURE(S_ISREG(info.st_mode), BAD_INPUT, "not a regular file");
    ENSURE((uint64_t)info.st_size <= size_max, LIMIT, "the file is too large");
    SECRET_BLOCK block = { 0 };
    ENSURE(secret_block_new((size_t)info.st_size, &block), UNAVAILABLE, "out of memory");
    TRY(read_all(fd, &block));
    *out = block;
    block = (struct secret_block){ .data = NULL };
    return OK;
}

static struct result write_all(int fd, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t done = write(fd, bytes, size);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        ENSURE(done > 0, UNAVAILABLE, "cannot write the file");
        bytes += done;
        size -= (size_t)done;
    }
    return OK;
}

RESULT file_sync_directory_of(const char *path)
{
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int size = slash == NULL ? 1 : (int)(slash - path) + 1;
    snprintf(directory, sizeof(directory), "%.*s", size, slash == NULL ? "." : path);
    CLEANUP(fd_close_ptr) int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ENSURE(fd >= 0, UNAVAILABLE, "cannot open the directory of the file");
    ENSURE(fsync(fd) == 0, UNAVAILABLE, "cannot sync the directory of the file");
    return OK;
}

static struct result write_and_rename(const char *temporary, const char *path, const void *bytes,
                                      size_t size)
{
    CLEANUP(fd_close_ptr)
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    ENSURE(fd >= 0, UNAVAILABLE, "cannot create the file");
    TRY(write_all(fd, bytes, size));
    ENSURE(fsync(fd) == 0, UNAVAILABLE, "cannot sync the file");
    ENSURE(rename(temporary, path) == 0, UNAVAILABLE, "cannot rename the new file into place");
    return file_sync_directory_of(path);
}

RESULT file_write(const char *path, const void *bytes, size_t size, struct detail *detail)
{
    char temporary[PATH_MAX];
    int length = snprintf(temporary, sizeof(temporary), "%s.%ld.tmp", path, (long)getpid());
    detail_set(detail, "%s", path);
    ENSURE(length > 0 && (size_t)length < sizeof(temporary), BAD_INPUT, "file name is too long");
    struct result written = write_and_rename(temporary, path, bytes, size);
    if (!is_ok(written)) {
        detail_set(detail, "%s (%s)", path, strerror(errno));
        unlink(temporary);
    }
    return written;
}
