/* disk_shim.c: preloaded into a signer under test, stands between it and the kernel: syncs can be
 * held back, syncs and writes can fail, and the monotonic clock can be put forward. What it does is
 * said by a test through a file that both map (CHAMBER_SHIM); disk_shim.py knows its layout. Only
 * regular files are touched, and not what the log is written to. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct controls {
    atomic_uint hold_syncs;    /* syncs wait while this is set */
    atomic_uint held;          /* how many wait now */
    atomic_uint sync_error;    /* errno for every sync, 0: none */
    atomic_uint write_error;   /* errno for every write, 0: none */
    atomic_uint failed;        /* how many calls were made to fail so far */
    atomic_uint clock_seconds; /* the monotonic clock is that much ahead */
};

static struct controls none;
static struct controls *controls = &none;

__attribute__((constructor)) static void map_controls(void)
{
    const char *path = getenv("CHAMBER_SHIM");
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    void *mapped = fd < 0
                       ? MAP_FAILED
                       : mmap(NULL, sizeof(*controls), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) {
        abort();
    }
    controls = mapped;
    close(fd);
}

static bool concerns(int fd)
{
    struct stat info;
    return fd > STDERR_FILENO && fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

/* True when the call shall fail; errno is set then. */
static bool fails(int fd, atomic_uint *error)
{
    unsigned code = atomic_load(error);
    if (code == 0 || !concerns(fd)) {
        return false;
    }
    atomic_fetch_add(&controls->failed, 1);
    errno = (int)code;
    return true;
}

static void wait_while_held(int fd)
{
    const struct timespec pause = { .tv_nsec = 1000000 };
    if (atomic_load(&controls->hold_syncs) == 0 || !concerns(fd)) {
        return;
    }
    atomic_fetch_add(&controls->held, 1);
    while (atomic_load(&controls->hold_syncs) != 0) {
        nanosleep(&pause, NULL);
    }
    atomic_fetch_sub(&controls->held, 1);
}

#define NEXT(name) ((__typeof__(&(name)))(uintptr_t)dlsym(RTLD_NEXT, #name))

int fsync(int fd)
{
    wait_while_held(fd);
    return fails(fd, &controls->sync_error) ? -1 : NEXT(fsync)(fd);
}

int fdatasync(int fd)
{
    wait_while_held(fd);
    return fails(fd, &controls->sync_error) ? -1 : NEXT(fdatasync)(fd);
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    return fails(fd, &controls->write_error) ? -1 : NEXT(write)(fd, bytes, size);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    return fails(fd, &controls->write_error) ? -1 : NEXT(pwrite)(fd, bytes, size, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset)
{
    return fails(fd, &controls->write_error) ? -1 : NEXT(pwrite64)(fd, bytes, size, offset);
}

int ftruncate(int fd, off_t size)
{
    return fails(fd, &controls->write_error) ? -1 : NEXT(ftruncate)(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    return fails(fd, &controls->write_error) ? -1 : NEXT(ftruncate64)(fd, size);
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
    static __typeof__(&clock_gettime) next;
    if (next == NULL) {
        next = NEXT(clock_gettime);
    }
    int result = next(clock, out);
    if (result == 0 && (clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_COARSE)) {
        out->tv_sec += (time_t)atomic_load(&controls->clock_seconds);
    }
    return result;
}
