#define _GNU_SOURCE
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* Gives `failure`, and in `detail` the file and what the system said of it. */
static struct result system_said(const char *path, struct detail *detail, struct result failure)
{
    detail_set(detail, "%s (%s)", path, strerror(errno));
    return failure;
}

static struct result open_failed(const char *path, struct detail *detail)
{
    switch (errno) {
    case ENOENT:
        return system_said(path, detail, FAIL(NOT_FOUND, "no such file"));
    case ENXIO: /* a socket */
        return system_said(path, detail, FAIL(BAD_INPUT, "not a regular file"));
    default:
        return system_said(path, detail, FAIL(UNAVAILABLE, "cannot open the file"));
    }
}

static struct result read_all(int fd, struct secret_block *block, const char *path,
                              struct detail *detail)
{
    size_t done = 0;
    while (done < block->size) {
        ssize_t got = read(fd, block->data + done, block->size - done);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return system_said(path, detail, FAIL(UNAVAILABLE, "cannot read the file"));
        }
        ENSURE(got > 0, UNAVAILABLE, "the file shrank while it was read");
        done += (size_t)got;
    }
    return OK;
}

/* Opens a regular file of at most `size_max` bytes. The caller closes `*fd_out`, also after a
 * failure.
 */
static struct result open_file(const char *path, size_t size_max, int *fd_out, size_t *size_out,
                               struct detail *detail)
{
    /* O_NONBLOCK: a FIFO in a directory of keys must not hang the loader. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return open_failed(path, detail);
    }
    *fd_out = fd;
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return system_said(path, detail, FAIL(UNAVAILABLE, "cannot stat the file"));
    }
    detail_set(detail, "%s", path);
    ENSURE(S_ISREG(info.st_mode), BAD_INPUT, "not a regular file");
    ENSURE((uint64_t)info.st_size <= size_max, LIMIT, "the file is too large");
    *size_out = (size_t)info.st_size;
    return OK;
}

RESULT file_read(const char *path, size_t size_max, struct secret_block *out, struct detail *detail)
{
    CLEANUP(fd_close_ptr) int fd = -1;
    size_t size = 0;
    TRY(open_file(path, size_max, &fd, &size, detail));
    SECRET_BLOCK block = { 0 };
    ENSURE(secret_block_new(size, &block), UNAVAILABLE, "out of memory");
    TRY(read_all(fd, &block, path, detail));
    *out = block;
    block = (struct secret_block){ .data = NULL };
    return OK;
}

RESULT file_map(const char *path, size_t size_max, struct file_map *out, struct detail *detail)
{
    CLEANUP(fd_close_ptr) int fd = -1;
    size_t size = 0;
    TRY(open_file(path, size_max, &fd, &size, detail));
    void *bytes = size == 0 ? NULL : mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED) {
        return system_said(path, detail, FAIL(UNAVAILABLE, "cannot map the file"));
    }
    *out = (struct file_map){ .bytes = bytes, .size = size };
    return OK;
}

void file_unmap(struct file_map *map)
{
    if (map->bytes != NULL) {
        munmap((void *)(uintptr_t)map->bytes, map->size);
    }
    *map = (struct file_map){ .bytes = NULL };
}

static bool write_all(int fd, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t done = write(fd, bytes, size);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return false;
        }
        bytes += done;
        size -= (size_t)done;
    }
    return true;
}

/* Opens the directory that `path` is in. */
static int open_directory_of(const char *path)
{
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t size = slash == NULL ? 1 : (size_t)(slash - path) + 1;
    if (size >= sizeof(directory)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(directory, slash == NULL ? "." : path, size);
    directory[size] = '\0';
    return open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

RESULT file_sync_directory_of(const char *path)
{
    CLEANUP(fd_close_ptr) int directory = open_directory_of(path);
    ENSURE(directory >= 0, UNAVAILABLE, "cannot open the file's directory");
    ENSURE(fsync(directory) == 0, UNAVAILABLE, "cannot sync the file's directory");
    return OK;
}

/* What a file is to hold, and who may read it. */
struct content {
    const void *bytes;
    size_t size;
    mode_t mode;
};

/* Fills the new file `temporary` and gives it the name `path`. */
static struct result replace(int fd, const char *temporary, const char *path,
                             const struct content *content)
{
    ENSURE(write_all(fd, content->bytes, content->size), UNAVAILABLE, "cannot write the file");
    ENSURE(fchmod(fd, content->mode) == 0, UNAVAILABLE, "cannot set the file's mode");
    ENSURE(fsync(fd) == 0, UNAVAILABLE, "cannot sync the file");
    ENSURE(rename(temporary, path) == 0, UNAVAILABLE, "cannot rename the new file into place");
    return OK;
}

static struct result write_file(const char *path, const struct content *content,
                                struct detail *detail)
{
    char temporary[PATH_MAX];
    int length = snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);
    detail_set(detail, "%s", path);
    ENSURE(length > 0 && (size_t)length < sizeof(temporary), BAD_INPUT, "file name is too long");
    CLEANUP(fd_close_ptr) int directory = open_directory_of(path);
    if (directory < 0) {
        return system_said(path, detail, FAIL(UNAVAILABLE, "cannot open the file's directory"));
    }
    CLEANUP(fd_close_ptr) int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        return system_said(path, detail, FAIL(UNAVAILABLE, "cannot create a file beside it"));
    }
    struct result replaced = replace(fd, temporary, path, content);
    if (!is_ok(replaced)) {
        replaced = system_said(path, detail, replaced);
        unlink(temporary);
        return replaced;
    }
    if (fsync(directory) != 0) {
        return system_said(path, detail, FAIL(UNAVAILABLE, "cannot sync the file's directory"));
    }
    return OK;
}

RESULT file_write(const char *path, const void *bytes, size_t size, struct detail *detail)
{
    return write_file(path, &(struct content){ bytes, size, 0600 }, detail);
}

RESULT file_write_public(const char *path, const void *bytes, size_t size, struct detail *detail)
{
    return write_file(path, &(struct content){ bytes, size, 0644 }, detail);
}
