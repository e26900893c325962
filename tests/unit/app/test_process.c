#include "app/process.h"
#include "harness.h"

#include "base/cleanup.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const uint64_t mebibyte = 1024 * 1024;

/* What hardening is there, as one number, so that a child can tell by its exit code. */
enum { NO_CORES = 1, NOT_DUMPABLE = 2, NO_NEW_PRIVILEGES = 4, ALL_FILES = 8, EVERYTHING = 15 };

static int hardening(void)
{
    struct rlimit cores = { 1, 1 };
    struct rlimit files = { 0, 1 };
    getrlimit(RLIMIT_CORE, &cores);
    getrlimit(RLIMIT_NOFILE, &files);
    return (cores.rlim_cur == 0 && cores.rlim_max == 0 ? NO_CORES : 0) |
           (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? NOT_DUMPABLE : 0) |
           (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? NO_NEW_PRIVILEGES : 0) |
           (files.rlim_cur == files.rlim_max ? ALL_FILES : 0);
}

/* A process cannot be softened again: this one stays as it is. */
static int hardening_of_child(void)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        struct rlimit files = { 0 };
        getrlimit(RLIMIT_NOFILE, &files);
        files.rlim_cur = files.rlim_max / 2;
        setrlimit(RLIMIT_NOFILE, &files);
        _exit(is_ok(process_harden()) ? hardening() : 100);
    }
    bool ended = child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status);
    return ended ? WEXITSTATUS(status) : -1;
}

TEST(a_hardened_process_has_all_of_it)
{
    CHECK((hardening() & NOT_DUMPABLE) == 0); /* else the child would show nothing */
    CHECK(hardening_of_child() == EVERYTHING);
}

/* Whether a child with so many files allowed is told just that. */
static bool is_told_its_files(rlim_t files)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = { 0 };
        getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = files;
        _exit(setrlimit(RLIMIT_NOFILE, &limit) == 0 && process_files_max() == files ? 0 : 1);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

TEST(the_limit_of_open_files_is_the_one_in_force)
{
    CHECK(is_told_its_files(33));
    CHECK(is_told_its_files(77));
}

/* A supervisor's socket at `name`; '@' at its begin is the abstract namespace. -1: failed. */
static int supervise(const char *name)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    memcpy(address.sun_path, name, strlen(name));
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    address.sun_path[0] = name[0] == '@' ? '\0' : name[0];
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (bind(fd, (const struct sockaddr *)&address, size) != 0) {
        close(fd);
        return -1;
    }
    setenv("NOTIFY_SOCKET", name, 1);
    return fd;
}

/* The datagram that is waiting, "" for none. */
static const char *heard(int fd)
{
    static char text[64];
    ssize_t size = recv(fd, text, sizeof(text) - 1, 0);
    text[size < 0 ? 0 : size] = '\0';
    return text;
}

TEST(the_supervisor_hears_the_state)
{
    char name[64];
    static const char *const begins[] = { "/tmp/", "@" };
    for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
        snprintf(name, sizeof(name), "%schamber-notify-%d", begins[i], (int)getpid());
        CLEANUP(fd_close_ptr) int fd = supervise(name);
        CHECK(fd >= 0);
        process_notify("READY=1");
        process_notify("WATCHDOG=1");
        (void)unlink(name);
        CHECK_TEXT(heard(fd), "READY=1");
        CHECK_TEXT(heard(fd), "WATCHDOG=1");
        CHECK_TEXT(heard(fd), "");
    }
}

TEST(a_path_of_the_longest_length_is_used_and_a_longer_one_left_alone)
{
    char name[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
    memset(name, 'x', sizeof(name));
    name[0] = '@';
    snprintf(name + 1, 32, "chamber-notify-%d-", (int)getpid());
    name[strlen(name)] = 'x';
    name[sizeof(name) - 2] = '\0';
    CLEANUP(fd_close_ptr) int fd = supervise(name);
    CHECK(fd >= 0);
    process_notify("READY=1");
    CHECK_TEXT(heard(fd), "READY=1");
    name[sizeof(name) - 2] = 'x';
    name[sizeof(name) - 1] = '\0';
    setenv("NOTIFY_SOCKET", name, 1);
    process_notify("READY=1");
    CHECK_TEXT(heard(fd), "");
}

TEST(without_a_supervisor_nothing_happens)
{
    static const char *const names[] = { "", "relative", "/nowhere/at/all", "@" };
    unsetenv("NOTIFY_SOCKET");
    process_notify("READY=1");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        setenv("NOTIFY_SOCKET", names[i], 1);
        process_notify("READY=1");
    }
    unsetenv("NOTIFY_SOCKET");
}

static uint64_t watchdog(const char *microseconds, const char *pid)
{
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    if (microseconds != NULL) {
        setenv("WATCHDOG_USEC", microseconds, 1);
    }
    if (pid != NULL) {
        setenv("WATCHDOG_PID", pid, 1);
    }
    return process_watchdog_ns();
}

TEST(the_watchdog_is_that_of_this_process)
{
    char self[32];
    snprintf(self, sizeof(self), "%d", (int)getpid());
    CHECK(watchdog("30000000", NULL) == 30000000000U);
    CHECK(watchdog("30000000", self) == 30000000000U);
    CHECK(watchdog("30000000", "1") == 0); /* that of somebody else */
    CHECK(watchdog("30000000", "no number") == 30000000000U);
    CHECK(watchdog(NULL, self) == 0);
    CHECK(watchdog("0", self) == 0);
    CHECK(watchdog("", self) == 0);
    CHECK(watchdog("-1", self) == 0);
    CHECK(watchdog("30s", self) == 0);
    CHECK(watchdog("18446744073709551", self) == 18446744073709551000U);
    CHECK(watchdog("18446744073709552", self) == 0); /* nanoseconds would wrap */
    CHECK(watchdog("18446744073709551616", self) == 0);
}

TEST(key_derivations_get_half_of_the_free_memory_and_512_mebibytes_at_least)
{
    uint64_t all = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t given = process_kdf_memory();
    CHECK(given >= 512 * mebibyte);
    CHECK(given == 512 * mebibyte || given <= all / 2);
}

HARNESS_TESTS(T(a_hardened_process_has_all_of_it), T(the_limit_of_open_files_is_the_one_in_force),
              T(the_supervisor_hears_the_state),
              T(a_path_of_the_longest_length_is_used_and_a_longer_one_left_alone),
              T(without_a_supervisor_nothing_happens), T(the_watchdog_is_that_of_this_process),
              T(key_derivations_get_half_of_the_free_memory_and_512_mebibytes_at_least))
