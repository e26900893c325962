#include "enclave/console_view.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>

#include <linux/vm_sockets.h>

enum { CONNECT_SECONDS = 10 };

size_t console_view_neutralise(char *bytes, size_t size)
{
    size_t kept = 0;
    for (size_t i = 0; i < size; i++) {
        char byte = bytes[i];
        if (byte == '\r') {
            continue;
        }
        bool harmless = (byte >= ' ' && byte <= '~') || byte == '\n' || byte == '\t';
        bytes[kept++] = harmless ? byte : '?';
    }
    return kept;
}

static bool write_all(int to, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t done = write(to, bytes, size);
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

bool console_view_copy(int from, int to, bool raw)
{
    char chunk[CONSOLE_VIEW_CHUNK];
    ssize_t got = 0;
    do {
        got = read(from, chunk, sizeof(chunk));
    } while (got < 0 && errno == EINTR);
    if (got <= 0) {
        return false;
    }
    size_t size = raw ? (size_t)got : console_view_neutralise(chunk, (size_t)got);
    return write_all(to, chunk, size);
}

RESULT console_view_connect(uint64_t cid, int *out, struct detail *detail)
{
    const struct sockaddr_vm address = {
        .svm_family = AF_VSOCK,
        .svm_cid = VMADDR_CID_HYPERVISOR,
        .svm_port = (uint32_t)cid + CONSOLE_VIEW_PORT_BASE,
    };
    const struct timeval patience = { .tv_sec = CONNECT_SECONDS };
    CLEANUP(fd_close_ptr) int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        (void)setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &patience, sizeof(patience));
    }
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        detail_set(detail, "the console of CID %" PRIu64 " (%s)", cid, strerror(errno));
        return FAIL(UNAVAILABLE, "cannot be reached; one reader at a time may have it");
    }
    *out = fd_steal(&fd);
    return OK;
}

/* Forgets what inotify said: that something was written is all there is to know. */
static void discard(int watcher)
{
    char events[CONSOLE_VIEW_CHUNK];
    (void)!read(watcher, events, sizeof(events));
}

RESULT console_view_follow(const char *path, int life, int to, bool raw, struct detail *detail)
{
    CLEANUP(fd_close_ptr) int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    CLEANUP(fd_close_ptr) int watcher = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (file < 0 || watcher < 0 || inotify_add_watch(watcher, path, IN_MODIFY) < 0) {
        detail_set(detail, "%s (%s)", path, strerror(errno));
        return FAIL(UNAVAILABLE, "cannot read the console's file");
    }
    struct pollfd slots[] = {
        { .fd = life, .events = POLLIN },
        { .fd = watcher, .events = POLLIN },
    };
    bool ended = false;
    while (!ended) {
        discard(watcher);
        ended =
            poll(slots, 1, 0) > 0; /* before the copy: what was written until the end is in it */
        errno = 0;
        while (console_view_copy(file, to, raw)) {
        }
        if (errno != 0) {
            detail_set(detail, "%s (%s)", path, strerror(errno));
            return FAIL(UNAVAILABLE, "cannot be copied");
        }
        if (!ended && poll(slots, 2, -1) < 0 && errno != EINTR) {
            return FAIL(UNAVAILABLE, "cannot wait for the console");
        }
    }
    return OK;
}
