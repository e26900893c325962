#include "enclave/supervisor.h"

#include "base/clock.h"
#include "enclave/console.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>

#define NS_PER_S UINT64_C(1000000000)

struct watch {
    const struct server_process *server;
    struct clock_keeper *clock;
    uint64_t tick_at_ns; /* of the clock's next reading */
    uint64_t kill_at_ns; /* 0: the server was not asked to end, or was killed */
    bool asked;
    bool ended;
};

RESULT supervisor_prepare(struct detail *detail)
{
    sigset_t all;
    sigfillset(&all);
    if (sigprocmask(SIG_SETMASK, &all, NULL) != 0) {
        detail_set(detail, "sigprocmask (%s)", strerror(errno));
        return FAIL(UNAVAILABLE, "signals cannot be blocked");
    }
    if (reboot(RB_DISABLE_CAD) != 0) {
        detail_set(detail, "RB_DISABLE_CAD (%s)", strerror(errno));
        return FAIL(UNAVAILABLE, "ctrl-alt-del cannot be made a signal");
    }
    return OK;
}

void supervisor_describe(int status, struct detail *out)
{
    if (WIFEXITED(status)) {
        detail_set(out, "exited with status %d", WEXITSTATUS(status));
        return;
    }
    const char *name = sigabbrev_np(WTERMSIG(status));
    detail_set(out, "killed by SIG%s", name == NULL ? "?" : name);
}

static void reap(struct watch *watch)
{
    int status = 0;
    pid_t pid = 0;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == watch->server->pid) {
            struct detail how;
            supervisor_describe(status, &how);
            console_say("server: %s", how.text);
            watch->ended = true;
        }
    }
}

static void ask_to_end(struct watch *watch)
{
    if (watch->asked) {
        return;
    }
    watch->asked = true;
    watch->kill_at_ns = clock_monotonic_ns() + SUPERVISOR_STOP_S * NS_PER_S;
    console_say("server: asked to end");
    (void)kill(watch->server->pid, SIGTERM);
}

static void kill_when_late(struct watch *watch, uint64_t now)
{
    if (watch->kill_at_ns == 0 || now < watch->kill_at_ns) {
        return;
    }
    watch->kill_at_ns = 0;
    console_say("server: did not end in %d seconds", SUPERVISOR_STOP_S);
    (void)kill(watch->server->pid, SIGKILL);
}

static RESULT keep_clock(struct watch *watch, uint64_t now, struct detail *detail)
{
    if (now < watch->tick_at_ns) {
        return OK;
    }
    TRY(clock_keeper_tick(watch->clock, detail));
    if (detail->text[0] != '\0') {
        console_say("clock: %s", detail->text);
    }
    watch->tick_at_ns = clock_monotonic_ns() + CLOCK_KEEPER_PERIOD_S * NS_PER_S;
    return OK;
}

static struct timespec time_left(const struct watch *watch)
{
    uint64_t now = clock_monotonic_ns();
    uint64_t until = watch->tick_at_ns;
    if (watch->kill_at_ns != 0 && watch->kill_at_ns < until) {
        until = watch->kill_at_ns;
    }
    uint64_t left = until > now ? until - now : 0;
    return (struct timespec){ .tv_sec = (time_t)(left / NS_PER_S),
                              .tv_nsec = (long)(left % NS_PER_S) };
}

RESULT supervisor_run(const struct server_process *server, struct clock_keeper *clock,
                      struct detail *detail)
{
    struct watch watch = {
        .server = server,
        .clock = clock,
        .tick_at_ns = clock_monotonic_ns() + CLOCK_KEEPER_PERIOD_S * NS_PER_S,
    };
    sigset_t awaited;
    sigemptyset(&awaited);
    sigaddset(&awaited, SIGCHLD);
    sigaddset(&awaited, SIGTERM);
    sigaddset(&awaited, SIGINT);
    while (!watch.ended) {
        const struct timespec left = time_left(&watch);
        int number = sigtimedwait(&awaited, NULL, &left);
        if (number == SIGTERM || number == SIGINT) {
            ask_to_end(&watch);
        }
        reap(&watch); /* whatever came: signals of one kind melt into one */
        if (!watch.ended) {
            uint64_t now = clock_monotonic_ns();
            kill_when_late(&watch, now);
            TRY(keep_clock(&watch, now, detail));
        }
    }
    return OK;
}
