#include "enclave/spawn.h"

#include "base/cleanup.h"
#include "base/usage.h"
#include "harness.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_MS = 60 * 1000 };

/* Without it no child can be watched. */
#define NEEDS_PIDFD()                                    \
    do {                                                 \
        if (getenv("CHAMBER_VALGRIND") != NULL) {        \
            SKIP("valgrind does not know pidfd_open()"); \
        }                                                \
    } while (0)

/* What a program writes to standard output. */
static bool output_of(const char *const *words, char *out, size_t size)
{
    int ends[2];
    struct child child = CHILD_NONE;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return false;
    }
    bool spawned = is_ok(spawn_child(words, ends[1], &child, NULL));
    close(ends[1]);
    size_t got = 0;
    for (ssize_t part = 1; part > 0 && got < size - 1;) {
        part = read(ends[0], out + got, size - 1 - got);
        got += part > 0 ? (size_t)part : 0;
    }
    out[got] = '\0';
    close(ends[0]);
    spawn_end(&child, PATIENCE_MS);
    return spawned;
}

TEST(a_program_gets_its_words_unchanged_and_its_output_comes_back)
{
    NEEDS_PIDFD();
    char out[256];
    int ends[2];
    struct child child = CHILD_NONE;
    const char *const words[] = { "/usr/bin/printf", "%s|", "a b", "$HOME;`id`", "", NULL };
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    CHECK_OK(spawn_child(words, ends[1], &child, NULL));
    close(ends[1]);
    struct pollfd ended = { .fd = child.fd, .events = POLLIN };
    CHECK(poll(&ended, 1, PATIENCE_MS) == 1);
    ssize_t got = read(ends[0], out, sizeof(out) - 1);
    CHECK(got > 0);
    out[got] = '\0';
    CHECK_TEXT(out, "a b|$HOME;`id`||");
    spawn_end(&child, 0);
    CHECK(child.pid == 0 && child.fd == -1);
    close(ends[0]);
}

TEST(a_child_has_no_files_of_ours_and_a_group_of_its_own)
{
    NEEDS_PIDFD();
    char out[4096];
    /* Not closed at exec: only the spawning can keep it away. */
    int leak = fcntl(STDERR_FILENO, F_DUPFD, 50);
    const char *const words[] = { "/bin/sh", "-c",
                                  "ls /proc/self/fd; read a b c d e rest < /proc/self/stat;"
                                  "echo group $e $$; readlink /proc/self/fd/0",
                                  NULL };
    CHECK(output_of(words, out, sizeof(out)));
    close(leak);
    CHECK(strncmp(out, "0\n1\n2\n3\ngroup ", 14) == 0); /* 3 is ls' own */
    CHECK(strstr(out, "/dev/null\n") != NULL);
    char own[32];
    snprintf(own, sizeof(own), "group %d ", (int)getpgrp());
    CHECK(strstr(out, own) == NULL);
}

TEST(a_child_has_no_blocked_signals_of_ours)
{
    NEEDS_PIDFD();
    char out[256];
    sigset_t blocked;
    sigset_t before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    CHECK(sigprocmask(SIG_BLOCK, &blocked, &before) == 0);
    const char *const words[] = { "/bin/grep", "SigBlk", "/proc/self/status", NULL };
    bool spawned = output_of(words, out, sizeof(out)); /* no shell: it would unblock them itself */
    sigprocmask(SIG_SETMASK, &before, NULL);
    CHECK(spawned);
    CHECK_TEXT(out, "SigBlk:\t0000000000000000\n");
}

TEST(what_cannot_be_run_is_said_and_leaves_no_process_and_no_file)
{
    const char *const missing[] = { "/nonexistent/program", NULL };
    const char *const folder[] = { "/tmp", NULL };
    struct child child = CHILD_NONE;
    struct detail detail;
    uint64_t files = usage_open_files();
    CHECK_FAILS(UNAVAILABLE, spawn_child(missing, -1, &child, &detail));
    CHECK_TEXT(detail.text, "/nonexistent/program (No such file or directory)");
    CHECK_FAILS(UNAVAILABLE, spawn_child(folder, -1, &child, &detail));
    CHECK(child.pid == 0 && usage_open_files() == files);
    CHECK(waitpid(-1, NULL, WNOHANG) == -1);
}

TEST(a_child_that_does_not_listen_is_killed_and_reaped)
{
    NEEDS_PIDFD();
    const char *const words[] = { "/bin/sh", "-c", "trap '' TERM; echo; exec sleep 1000", NULL };
    int ends[2];
    char byte = 0;
    struct child child = CHILD_NONE;
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    CHECK_OK(spawn_child(words, ends[1], &child, NULL));
    CHECK(read(ends[0], &byte, 1) == 1); /* it ignores the signal from here on */
    pid_t pid = child.pid;
    spawn_end(&child, 20);
    CHECK(kill(pid, 0) == -1 && waitpid(-1, NULL, WNOHANG) == -1);
    close(ends[0]);
    close(ends[1]);
    spawn_end(&child, 0); /* once more does nothing */
}

/* Waits until a process is dead, or a zombie that init has not reaped yet: without a command line.
 */
static bool is_gone(pid_t pid)
{
    char path[64];
    bool gone = false;
    snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    for (int i = 0; i < PATIENCE_MS && !gone; i++) {
        char text[8];
        CLEANUP(fd_close_ptr) int file = open(path, O_RDONLY);
        gone = file < 0 || read(file, text, sizeof(text)) <= 0;
        if (!gone) {
            poll(NULL, 0, 1);
        }
    }
    return gone;
}

/* Else it would hold our standard error open for as long as it likes. */
TEST(what_a_child_started_ends_with_it)
{
    NEEDS_PIDFD();
    const char *const words[] = { "/bin/sh", "-c", "sleep 1000 & echo $!; wait", NULL };
    int ends[2];
    char text[32] = "";
    struct child child = CHILD_NONE;
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    CHECK_OK(spawn_child(words, ends[1], &child, NULL));
    CHECK(read(ends[0], text, sizeof(text) - 1) > 1);
    spawn_end(&child, PATIENCE_MS); /* the shell listens, and leaves the other one alone */
    long started = strtol(text, NULL, 10);
    CHECK(started > 1 && is_gone((pid_t)started));
    close(ends[0]);
    close(ends[1]);
}

TEST(a_child_ends_with_its_parent)
{
    NEEDS_PIDFD();
    int ends[2];
    CHECK(pipe(ends) == 0);
    pid_t middle = fork();
    if (middle == 0) {
        struct child child = CHILD_NONE;
        const char *const words[] = { "/bin/sleep", "1000", NULL };
        bool spawned = is_ok(spawn_child(words, -1, &child, NULL));
        (void)!write(ends[1], &child.pid, sizeof(child.pid));
        _exit(spawned ? 0 : 1);
    }
    pid_t grandchild = 0;
    CHECK(read(ends[0], &grandchild, sizeof(grandchild)) == sizeof(grandchild) && grandchild > 0);
    CHECK(waitpid(middle, NULL, 0) == middle);
    CHECK(is_gone(grandchild));
    close(ends[0]);
    close(ends[1]);
}

TEST(programs_are_found_by_path_or_by_name)
{
    char found[PATH_MAX];
    struct detail detail;
    CHECK_OK(spawn_find("/bin/sh", found, sizeof(found), &detail));
    CHECK_TEXT(found, "/bin/sh");
    setenv("PATH", ":/nonexistent:/bin", 1);
    CHECK_OK(spawn_find("sh", found, sizeof(found), &detail));
    CHECK_TEXT(found, "/bin/sh");
    CHECK_FAILS(NOT_FOUND, spawn_find("no-such-program", found, sizeof(found), &detail));
    CHECK_FAILS(NOT_FOUND, spawn_find("./no-such-program", found, sizeof(found), &detail));
    CHECK_FAILS(NOT_FOUND, spawn_find("/etc/passwd", found, sizeof(found), &detail));
    CHECK_FAILS(LIMIT, spawn_find("/bin/sh", found, 7, &detail));
    setenv("PATH", "", 1);
    CHECK_FAILS(NOT_FOUND, spawn_find("sh", found, sizeof(found), &detail));
    unsetenv("PATH");
    CHECK_FAILS(NOT_FOUND, spawn_find("sh", found, sizeof(found), &detail));
    setenv("PATH", "/usr/bin:/bin", 1);
}

HARNESS_TESTS(T(a_program_gets_its_words_unchanged_and_its_output_comes_back),
              T(a_child_has_no_files_of_ours_and_a_group_of_its_own),
              T(a_child_has_no_blocked_signals_of_ours),
              T(what_cannot_be_run_is_said_and_leaves_no_process_and_no_file),
              T(a_child_that_does_not_listen_is_killed_and_reaped),
              T(what_a_child_started_ends_with_it), T(a_child_ends_with_its_parent),
              T(programs_are_found_by_path_or_by_name))
