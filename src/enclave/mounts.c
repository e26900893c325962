#include "enclave/mounts.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

static const char console_path[] = "/dev/console";

enum {
    NO_PROGRAMS = MS_NOSUID | MS_NOEXEC,
    NO_DEVICES = MS_NOSUID | MS_NOEXEC | MS_NODEV,
    MOUNT_POINT_MODE = 0755,
};

/* Room for the server's few files; what fills it must not fill the memory. The development image
 * has its slashing protection there. */
#ifdef CHAMBER_DEVELOPMENT
#define ROOM "size=64m"
#else
#define ROOM "size=1m"
#endif
#define ROOM_OF_THE_SERVER ROOM ",nr_inodes=128,mode=0700,uid=1000,gid=1000"

static const struct place {
    const char *source; /* NULL: the mount that is there is changed */
    const char *target;
    const char *type;
    unsigned long flags;
    const char *options;
} places[] = {
    { "dev", "/dev", "devtmpfs", NO_PROGRAMS, NULL },
    /* A process sees itself, not the others. */
    { "proc", "/proc", "proc", NO_DEVICES, "hidepid=2" },
    { "tmp", "/tmp", "tmpfs", NO_DEVICES, ROOM_OF_THE_SERVER },
    { "run", "/run", "tmpfs", NO_DEVICES, ROOM_OF_THE_SERVER },
    { NULL, "/", NULL, MS_REMOUNT | MS_RDONLY | NO_DEVICES, NULL },
};

static RESULT refuse(const char *path, struct detail *detail)
{
    detail_set(detail, "%s (%s)", path, strerror(errno));
    return FAIL(UNAVAILABLE, "cannot be mounted");
}

RESULT mounts_make(struct detail *detail)
{
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        const struct place *place = &places[i];
        if (place->source != NULL && mkdir(place->target, MOUNT_POINT_MODE) != 0 &&
            errno != EEXIST) {
            return refuse(place->target, detail);
        }
        if (mount(place->source, place->target, place->type, place->flags, place->options) != 0) {
            return refuse(place->target, detail);
        }
    }
    return OK;
}

RESULT mounts_console(struct detail *detail)
{
    int fd = open(console_path, O_RDWR | O_NOCTTY);
    if (fd < 0) {
        detail_set(detail, "%s (%s)", console_path, strerror(errno));
        return FAIL(UNAVAILABLE, "cannot be opened");
    }
    for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++) {
        ENSURE(dup2(fd, stream) == stream, UNAVAILABLE, "cannot make the console a stream");
    }
    if (fd > STDERR_FILENO) {
        close(fd);
    }
    return OK;
}
