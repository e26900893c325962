#include "calls.h"
#include "enclave/supervisor.h"
#include "harness.h"

#include <errno.h>
#include <signal.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>

int __wrap_sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout);
pid_t __wrap_waitpid(pid_t pid, int *status, int options);
int __wrap_kill(pid_t pid, int number);
int __wrap_reboot(int command);
int __wrap_sigprocmask(int how, const sigset_t *set, sigset_t *old);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out);
struct result __wrap_clock_keeper_tick(struct clock_keeper *keeper, struct detail *detail);
void __wrap_console_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

enum { SERVER = 33, NOBODY = 0 };

/* What happens, one after the other: a signal comes after `wait_s` (0: the time-out passes), and
 * then these children have ended. */
struct event {
    int number;
    int64_t wait_s;
    pid_t dead[3];
    int status;
};

static const struct event *events;
static size_t event_at;
static size_t dead_at;
static int64_t now_s;
static int64_t asked_wait_s;

int __wrap_sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
    static const int awaited[] = { SIGCHLD, SIGTERM, SIGINT };
    (void)info;
    for (size_t i = 0; i < 3; i++) {
        if (sigismember(set, awaited[i]) != 1) {
            called("not waiting for %d", awaited[i]);
        }
    }
    const struct event *event = &events[event_at++];
    asked_wait_s = timeout->tv_sec;
    now_s += event->number == 0 ? asked_wait_s : event->wait_s;
    dead_at = 0;
    errno = EAGAIN;
    return event->number == 0 ? -1 : event->number;
}

pid_t __wrap_waitpid(pid_t pid, int *status, int options)
{
    const struct event *event = &events[event_at - 1];
    if (pid != -1 || options != WNOHANG) {
        called("waitpid %d %d", pid, options);
    }
    *status = event->status;
    if (dead_at < 3 && event->dead[dead_at] != 0) {
        return event->dead[dead_at++];
    }
    errno = ECHILD;
    return dead_at == 0 ? 0 : -1;
}

int __wrap_kill(pid_t pid, int number)
{
    return called("%lld: kill %d %s", (long long)now_s, pid, sigabbrev_np(number));
}

int __wrap_reboot(int command)
{
    return called("%s", command == (int)RB_DISABLE_CAD ? "RB_DISABLE_CAD" : "another command");
}

int __wrap_sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
    (void)old;
    return called("block %d %d %d", how == SIG_SETMASK, sigismember(set, SIGCHLD),
                  sigismember(set, SIGTERM));
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
    (void)clock;
    *out = (struct timespec){ .tv_sec = now_s };
    return 0;
}

static struct result tick_result;
static const char *tick_says = "";

struct result __wrap_clock_keeper_tick(struct clock_keeper *keeper, struct detail *detail)
{
    (void)keeper;
    called("%lld: tick", (long long)now_s);
    detail_set(detail, "%s", tick_says);
    return tick_result;
}

void __wrap_console_say(const char *format, ...)
{
    char text[200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    called("said: %s", text);
}

static struct detail detail;

static struct result run(const struct event *what)
{
    static const struct server_process server = { .pid = SERVER };
    static struct clock_keeper clock;
    calls_begin(0);
    events = what;
    event_at = 0;
    now_s = 1000;
    return supervisor_run(&server, &clock, &detail);
}

#define EXITED(code)   ((code) << 8)
#define KILLED(number) (number)

TEST(the_servers_end_is_told_and_ends_the_watch)
{
    tick_result = OK;
    CHECK_OK(run((const struct event[]){ { SIGCHLD, 1, { SERVER }, EXITED(0) } }));
    CHECK_TEXT(calls_text, "said: server: exited with status 0\n");
    CHECK_OK(run((const struct event[]){ { SIGCHLD, 1, { SERVER }, EXITED(3) } }));
    CHECK_TEXT(calls_text, "said: server: exited with status 3\n");
    CHECK_OK(run((const struct event[]){ { SIGCHLD, 1, { SERVER }, KILLED(SIGSYS) } }));
    CHECK_TEXT(calls_text, "said: server: killed by SIGSYS\n");
    CHECK_OK(run((const struct event[]){ { SIGCHLD, 1, { SERVER }, KILLED(SIGSEGV | 0x80) } }));
    CHECK_TEXT(calls_text, "said: server: killed by SIGSEGV\n");
}

TEST(others_are_reaped_and_the_watch_goes_on)
{
    CHECK_OK(run((const struct event[]){ { SIGCHLD, 1, { 50, 51 }, EXITED(0) },
                                         { SIGCHLD, 1, { 52, SERVER, 53 }, EXITED(1) } }));
    CHECK_TEXT(calls_text, "said: server: exited with status 1\n");
    CHECK(event_at == 2 && dead_at == 3);
}

TEST(an_end_that_no_signal_told_is_seen_at_the_next_reading)
{
    CHECK_OK(run((const struct event[]){ { 0, 0, { SERVER }, EXITED(0) } }));
    CHECK(event_at == 1);
}

TEST(the_clock_is_read_every_minute_whatever_else_comes)
{
    CHECK_OK(run((const struct event[]){ { 0, 0, { NOBODY }, 0 },
                                         { SIGCHLD, 45, { 50 }, 0 },
                                         { 0, 0, { NOBODY }, 0 },
                                         { SIGCHLD, 1, { SERVER }, 0 } }));
    CHECK_TEXT(calls_text, "1060: tick\n1120: tick\nsaid: server: exited with status 0\n");
}

TEST(what_the_clock_has_to_say_is_said)
{
    tick_says = "stepped by 700 ms";
    CHECK_OK(run((const struct event[]){ { 0, 0, { NOBODY }, 0 }, { SIGCHLD, 1, { SERVER }, 0 } }));
    CHECK_TEXT(calls_text,
               "1060: tick\nsaid: clock: stepped by 700 ms\nsaid: server: exited with status 0\n");
    tick_says = "";
}

TEST(a_clock_that_cannot_be_trusted_ends_the_watch)
{
    tick_result = FAIL(REFUSED, "moved");
    CHECK_FAILS(REFUSED, run((const struct event[]){ { 0, 0, { NOBODY }, 0 } }));
    tick_result = OK;
    CHECK(event_at == 1);
}

TEST(asked_to_end_it_asks_the_server_once_and_waits)
{
    static const int signals[] = { SIGTERM, SIGINT };
    for (size_t i = 0; i < 2; i++) {
        CHECK_OK(run((const struct event[]){ { signals[i], 5, { NOBODY }, 0 },
                                             { SIGTERM, 1, { NOBODY }, 0 },
                                             { SIGCHLD, 1, { SERVER }, EXITED(0) } }));
        CHECK_TEXT(calls_text, "said: server: asked to end\n1005: kill 33 TERM\n"
                               "said: server: exited with status 0\n");
    }
}

TEST(a_server_that_does_not_end_is_killed_after_25_seconds)
{
    CHECK_OK(run((const struct event[]){ { SIGTERM, 5, { NOBODY }, 0 },
                                         { SIGTERM, 24, { NOBODY }, 0 },
                                         { 0, 0, { NOBODY }, 0 },
                                         { SIGCHLD, 1, { 50 }, 0 },
                                         { SIGCHLD, 1, { SERVER }, KILLED(SIGKILL) } }));
    CHECK_TEXT(calls_text, "said: server: asked to end\n1005: kill 33 TERM\n"
                           "said: server: did not end in 25 seconds\n1030: kill 33 KILL\n"
                           "said: server: killed by SIGKILL\n");
}

TEST(signals_are_blocked_and_ctrl_alt_del_is_one)
{
    calls_begin(0);
    CHECK_OK(supervisor_prepare(&detail));
    CHECK_TEXT(calls_text, "block 1 1 1\nRB_DISABLE_CAD\n");
    for (size_t fail_at = 1; fail_at <= 2; fail_at++) {
        calls_begin(fail_at);
        CHECK_FAILS(UNAVAILABLE, supervisor_prepare(&detail));
        CHECK(calls_count == fail_at);
    }
}

HARNESS_TESTS(T(the_servers_end_is_told_and_ends_the_watch),
              T(others_are_reaped_and_the_watch_goes_on),
              T(an_end_that_no_signal_told_is_seen_at_the_next_reading),
              T(the_clock_is_read_every_minute_whatever_else_comes),
              T(what_the_clock_has_to_say_is_said),
              T(a_clock_that_cannot_be_trusted_ends_the_watch),
              T(asked_to_end_it_asks_the_server_once_and_waits),
              T(a_server_that_does_not_end_is_killed_after_25_seconds),
              T(signals_are_blocked_and_ctrl_alt_del_is_one))
