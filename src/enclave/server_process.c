#include "enclave/server_process.h"

#include "base/cleanup.h"
#include "enclave/console.h"
#include "enclave/privileges.h"
#include "enclave/syscall_filter.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    INIT = 1,
    FILES_OF_NO_OTHERS = 077,
    SIGNALS_END = 32, /* behind the last one that has a name; the rest begins as it has to */
};

static RESULT refuse(const char *call, struct detail *detail)
{
    detail_set(detail, "%s (%s)", call, strerror(errno));
    return FAIL(UNAVAILABLE, "the server cannot be confined");
}

/* A server without its PID 1 would have nobody who ends the enclave with it. */
static RESULT bind_to_init(struct detail *detail)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) {
        return refuse("PR_SET_PDEATHSIG", detail);
    }
    ENSURE(getppid() == INIT, REFUSED, "the server's parent is not PID 1");
    return OK;
}

static RESULT keep_streams_only(struct detail *detail)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || dup2(fd, STDIN_FILENO) != STDIN_FILENO) {
        return refuse("/dev/null", detail);
    }
    return close_range(STDERR_FILENO + 1, ~0U, 0) == 0 ? OK : refuse("close_range", detail);
}

/* All signals unblocked, and each with its default: PID 1's choices are not the server's. */
static RESULT reset_signals(struct detail *detail)
{
    sigset_t none;
    sigemptyset(&none);
    for (int number = 1; number < SIGNALS_END; number++) {
        if (number != SIGKILL && number != SIGSTOP && signal(number, SIG_DFL) == SIG_ERR) {
            return refuse("signal", detail);
        }
    }
    return sigprocmask(SIG_SETMASK, &none, NULL) == 0 ? OK : refuse("sigprocmask", detail);
}

RESULT server_process_confine(struct detail *detail)
{
    if (setsid() < 0) {
        return refuse("setsid", detail);
    }
    TRY(keep_streams_only(detail));
    TRY(reset_signals(detail));
    umask(FILES_OF_NO_OTHERS);
    TRY(privileges_drop(detail));
    TRY(bind_to_init(detail)); /* a change of user would undo it */
    return syscall_filter_apply(detail);
}

static int run_child(server_entry *entry, const struct boot_line *line)
{
    struct detail detail = { "" };
    struct result confined = server_process_confine(&detail);
    if (!is_ok(confined)) {
        console_say_failure("server", &detail, confined);
        return SERVER_PROCESS_UNCONFINED;
    }
    return entry(line);
}

RESULT server_process_start(struct server_process *server, server_entry *entry,
                            const struct boot_line *line, struct detail *detail)
{
    ENSURE(server->pid == 0, REFUSED, "a server was started before");
    pid_t pid = fork();
    if (pid < 0) {
        detail_set(detail, "fork (%s)", strerror(errno));
        return FAIL(UNAVAILABLE, "the server cannot be started");
    }
    if (pid == 0) {
        _exit(run_child(entry, line));
    }
    server->pid = pid;
    return OK;
}
