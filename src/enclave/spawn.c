#define _GNU_SOURCE
#include "enclave/spawn.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static bool is_program(const char *path)
{
    return access(path, X_OK) == 0;
}

/* Joins one folder of PATH, `folder` of `folder_size` characters, and `name`. */
static bool join(const char *folder, size_t folder_size, const char *name, char *out, size_t size)
{
    int length = snprintf(out, size, "%.*s/%s", (int)folder_size, folder, name);
    return folder_size > 0 && length > 0 && (size_t)length < size;
}

RESULT spawn_find(const char *name, char *out, size_t size, struct detail *detail)
{
    const char *path = getenv("PATH");
    detail_set(detail, "%s", name);
    if (strchr(name, '/') != NULL) {
        ENSURE(strlen(name) < size, LIMIT, "the path is too long");
        ENSURE(is_program(name), NOT_FOUND, "no such program");
        memcpy(out, name, strlen(name) + 1);
        return OK;
    }
    while (path != NULL && *path != '\0') {
        size_t length = strcspn(path, ":");
        if (join(path, length, name, out, size) && is_program(out)) {
            return OK;
        }
        path += length + (path[length] == ':' ? 1 : 0);
    }
    return FAIL(NOT_FOUND, "no such program in PATH");
}

/* ------------------------------------------------------------------------------------- the child
 */

/* Only what may be called between fork() and exec(). */
static bool prepare_child(pid_t parent, int out, int errors)
{
    sigset_t none;
    sigemptyset(&none);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    bool ready = prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && setpgid(0, 0) == 0 && null >= 0 &&
                 dup2(null, STDIN_FILENO) >= 0 && dup2(out >= 0 ? out : null, STDOUT_FILENO) >= 0 &&
                 fcntl(errors, F_SETFD, FD_CLOEXEC) == 0;
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (ready && getppid() != parent) { /* it ended before prctl() could see that */
        errno = ESRCH;
        return false;
    }
    return ready;
}

/* Tells the parent why there will be no program. */
__attribute__((noreturn)) static void give_up(int errors)
{
    int error = errno;
    (void)!write(errors, &error, sizeof(error));
    _exit(127);
}

__attribute__((noreturn)) static void become(const char *const *arguments, pid_t parent, int out,
                                             int errors)
{
    if (!prepare_child(parent, out, errors)) {
        give_up(errors);
    }
    /* Whatever else was open stays with the launcher; `errors` goes with the exec. */
    if (errors > STDERR_FILENO + 1) {
        (void)close_range(STDERR_FILENO + 1, (unsigned)errors - 1, 0);
    }
    (void)close_range((unsigned)errors + 1, UINT_MAX, 0);
    union {
        const char *const *given;
        char *const *wanted; /* execve() takes it so, and changes nothing */
    } words = { .given = arguments };
    execve(arguments[0], words.wanted, environ);
    give_up(errors);
}

/* ------------------------------------------------------------------------------------ the parent
 */

static void reap(pid_t pid)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
}

/* The number that the child wrote before its end; 0 when the pipe closed with the exec. */
static int read_error(int errors)
{
    int error = 0;
    ssize_t got = 0;
    do {
        got = read(errors, &error, sizeof(error));
    } while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof(error) ? error : 0;
}

RESULT spawn_child(const char *const *arguments, int out, struct child *child_out,
                   struct detail *detail)
{
    int ends[2];
    detail_set(detail, "%s", arguments[0]);
    ENSURE(pipe2(ends, O_CLOEXEC) == 0, UNAVAILABLE, "cannot make a pipe");
    CLEANUP(fd_close_ptr) int reader = ends[0];
    CLEANUP(fd_close_ptr) int writer = ends[1];
    pid_t parent = getpid();
    struct child child = { .pid = fork(), .fd = -1 };
    if (child.pid == 0) {
        become(arguments, parent, out, writer);
    }
    ENSURE(child.pid > 0, UNAVAILABLE, "cannot start a process");
    close(fd_steal(&writer));
    int error = read_error(reader);
    if (error != 0) {
        reap(child.pid);
        detail_set(detail, "%s (%s)", arguments[0], strerror(error));
        return FAIL(UNAVAILABLE, "cannot be run");
    }
    child.fd = pidfd_open(child.pid, 0);
    if (child.fd < 0) {
        spawn_end(&child, 0);
        return FAIL(UNAVAILABLE, "cannot watch the process");
    }
    *child_out = child;
    return OK;
}

void spawn_end(struct child *child, int patience_ms)
{
    if (child->pid <= 0) {
        return;
    }
    struct pollfd ended = { .fd = child->fd, .events = POLLIN };
    (void)kill(child->pid, SIGTERM);
    if (child->fd < 0 || poll(&ended, 1, patience_ms) <= 0) {
        (void)kill(child->pid, SIGKILL);
    }
    (void)kill(-child->pid, SIGKILL); /* its group is there until it is reaped */
    reap(child->pid);
    if (child->fd >= 0) {
        close(child->fd);
    }
    *child = CHILD_NONE;
}
