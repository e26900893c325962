/* child.h: runs a piece of a test in a child process, to see how it ends. */
#ifndef TESTS_UNIT_BASE_CHILD_H
#define TESTS_UNIT_BASE_CHILD_H

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILD_FINE = 0, CHILD_BROKEN = 99, CHILD_LOST = -1 };

/* What wait() says of a child that ran `run(argument)` and then exited with 0. Sanitizers do not
 * catch its signals, it says nothing on stderr, and it leaves no core file. */
static inline int child_run(void (*run)(void *argument), void *argument)
{
    pid_t pid = fork();
    if (pid == 0) {
        static const int deadly[] = { SIGSEGV, SIGBUS, SIGABRT };
        for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++) {
            signal(deadly[i], SIG_DFL);
        }
        if (dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO) < 0) {
            _exit(CHILD_BROKEN);
        }
        setrlimit(RLIMIT_CORE, &(const struct rlimit){ 0, 0 });
        run(argument);
        _exit(CHILD_FINE);
    }
    int status = CHILD_LOST;
    return pid < 0 || waitpid(pid, &status, 0) != pid ? CHILD_LOST : status;
}

/* The signal that ended the child, or 0 when it ran to its end. */
static inline int child_signal(void (*run)(void *argument), void *argument)
{
    int status = child_run(run, argument);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* The exit code of the child, or CHILD_LOST when it was killed. */
static inline int child_exit(void (*run)(void *argument), void *argument)
{
    int status = child_run(run, argument);
    return WIFEXITED(status) ? WEXITSTATUS(status) : CHILD_LOST;
}

#endif
