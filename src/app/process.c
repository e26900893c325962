#include "app/process.h"

#include "base/cleanup.h"
#include "base/decimal.h"
#include "base/usage.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { KDF_MEMORY_MIN = 512 * 1024 * 1024 };

void process_keep_streams(void)
{
    int fd = 0;
    do {
        fd = open("/dev/null", O_RDWR); /* takes the lowest number that is free */
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO) {
        close(fd);
    }
}

static void raise_open_files(void)
{
    struct rlimit limit = { 0 };
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

RESULT process_harden(void)
{
    const struct rlimit none = { 0 };
    ENSURE(setrlimit(RLIMIT_CORE, &none) == 0, UNAVAILABLE, "cannot switch core files off");
    ENSURE(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0, UNAVAILABLE,
           "cannot make the process undumpable");
    ENSURE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, UNAVAILABLE,
           "cannot give up gaining privileges");
    raise_open_files();
    return OK;
}

void process_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (path == NULL || (path[0] != '/' && path[0] != '@') ||
        strlen(path) >= sizeof(address.sun_path)) {
        return;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (path[0] == '@') { /* the abstract namespace */
        address.sun_path[0] = '\0';
    }
    CLEANUP(fd_close_ptr) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        (void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address,
                      size);
    }
}

static bool environment_number(const char *name, uint64_t *out)
{
    const char *text = getenv(name);
    return text != NULL && is_ok(decimal_parse(text, strlen(text), out));
}

uint64_t process_watchdog_ns(void)
{
    uint64_t microseconds = 0;
    uint64_t pid = 0;
    if (!environment_number("WATCHDOG_USEC", &microseconds)) {
        return 0;
    }
    if (environment_number("WATCHDOG_PID", &pid) && pid != (uint64_t)getpid()) {
        return 0;
    }
    return microseconds > UINT64_MAX / 1000 ? 0 : microseconds * 1000;
}

uint64_t process_files_max(void)
{
    struct rlimit limit = { 0 };
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : UINT64_MAX;
}

uint64_t process_kdf_memory(void)
{
    uint64_t half = usage_available_bytes() / 2;
    return half < KDF_MEMORY_MIN ? KDF_MEMORY_MIN : half;
}
