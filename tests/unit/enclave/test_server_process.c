#include "../base/child.h"
#include "calls.h"
#include "enclave/console.h"
#include "enclave/privileges.h"
#include "enclave/server_process.h"
#include "enclave/syscall_filter.h"
#include "harness.h"

#include <sys/prctl.h>
#include <sys/stat.h>

pid_t __real_fork(void);
pid_t __wrap_fork(void);
pid_t __wrap_getppid(void);
pid_t __wrap_setsid(void);
int __wrap_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
struct result __wrap_privileges_drop(struct detail *detail);
struct result __wrap_syscall_filter_apply(struct detail *detail);

static pid_t parent = 1; /* what getppid() gives */

pid_t __wrap_fork(void)
{
    return called("fork") == 0 ? __real_fork() : -1;
}

pid_t __wrap_getppid(void)
{
    called("getppid");
    return parent;
}

pid_t __wrap_setsid(void)
{
    return called("setsid") == 0 ? getpid() : -1;
}

int __wrap_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
    (void)b;
    (void)c;
    (void)d;
    return called("%s %lu", option == PR_SET_PDEATHSIG ? "PR_SET_PDEATHSIG" : "prctl", a);
}

struct result __wrap_privileges_drop(struct detail *detail)
{
    (void)detail;
    ENSURE(called("privileges_drop") == 0, UNAVAILABLE, "not dropped");
    return OK;
}

struct result __wrap_syscall_filter_apply(struct detail *detail)
{
    (void)detail;
    ENSURE(called("syscall_filter_apply") == 0, UNAVAILABLE, "not filtered");
    return OK;
}

static struct detail detail;

static const char wanted[] = "setsid\nprivileges_drop\nPR_SET_PDEATHSIG 9\ngetppid\n"
                             "syscall_filter_apply\n";

/* In a child: whether confining does all of it, in this order. */
static void confine(void *argument)
{
    size_t fail_at = *(const size_t *)argument;
    calls_begin(fail_at);
    struct result result = server_process_confine(&detail);
    bool whole = strcmp(calls_text, wanted) == 0;
    _exit(fail_at == 0 ? (is_ok(result) && whole ? 0 : 1)
                       : (!is_ok(result) && calls_count == fail_at ? 0 : 1));
}

TEST(confining_ends_with_the_filter_and_leaves_nothing_out)
{
    CHECK(child_exit(confine, &(size_t){ 0 }) == 0);
}

TEST(each_part_that_fails_ends_it)
{
    for (size_t fail_at = 1; fail_at <= 5; fail_at++) {
        if (fail_at != 4) { /* getppid() does not fail */
            CHECK(child_exit(confine, &fail_at) == 0);
        }
    }
}

static void confine_orphan(void *argument)
{
    (void)argument;
    parent = 7;
    calls_begin(0);
    struct result result = server_process_confine(&detail);
    _exit(result.status == STATUS_REFUSED && strstr(calls_text, "filter") == NULL ? 0 : 1);
}

TEST(a_server_whose_pid_1_is_gone_is_none)
{
    CHECK(child_exit(confine_orphan, NULL) == 0);
}

static bool is_blocked_or_ignored(int number)
{
    sigset_t blocked;
    struct sigaction action;
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    sigaction(number, NULL, &action);
    return sigismember(&blocked, number) == 1 || action.sa_handler != SIG_DFL;
}

static void confine_and_look(void *argument)
{
    sigset_t all;
    char byte = 0;
    (void)argument;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    signal(SIGPIPE, SIG_IGN);
    int left_open = dup(STDOUT_FILENO);
    int far = fcntl(STDOUT_FILENO, F_DUPFD, 200);
    calls_begin(0);
    bool fine = is_ok(server_process_confine(&detail));
    fine = fine && fcntl(left_open, F_GETFD) < 0 && fcntl(far, F_GETFD) < 0;
    fine = fine && fcntl(STDERR_FILENO, F_GETFD) >= 0 && read(STDIN_FILENO, &byte, 1) == 0;
    fine = fine && umask(0) == 077;
    for (int number = 1; number < 32; number++) {
        fine = fine && !is_blocked_or_ignored(number);
    }
    _exit(fine ? 0 : 1);
}

TEST(the_server_inherits_no_descriptor_no_signal_and_no_input)
{
    CHECK(child_exit(confine_and_look, NULL) == 0);
}

static int serve(const struct boot_line *line)
{
    return (int)line->parent_cid;
}

static int ended_with(const struct server_process *server)
{
    int status = 0;
    return waitpid(server->pid, &status, 0) == server->pid && WIFEXITED(status)
               ? WEXITSTATUS(status)
               : -1;
}

TEST(the_server_runs_in_a_child_with_what_it_was_given)
{
    const struct boot_line line = { .parent_cid = 42 };
    struct server_process server = { 0 };
    calls_begin(0);
    CHECK_OK(server_process_start(&server, serve, &line, &detail));
    CHECK(server.pid > 0);
    CHECK(ended_with(&server) == 42);
}

TEST(a_second_server_is_refused_and_not_forked)
{
    const struct boot_line line = { .parent_cid = 42 };
    struct server_process server = { .pid = 4711 };
    calls_begin(0);
    CHECK_FAILS(REFUSED, server_process_start(&server, serve, &line, &detail));
    CHECK(calls_count == 0 && server.pid == 4711);
}

TEST(a_failed_fork_is_no_server)
{
    const struct boot_line line = { .parent_cid = 42 };
    struct server_process server = { 0 };
    calls_begin(1);
    CHECK_FAILS(UNAVAILABLE, server_process_start(&server, serve, &line, &detail));
    CHECK_TEXT(detail.text, "fork (Operation not permitted)");
    CHECK(server.pid == 0);
}

TEST(a_server_that_is_not_confined_does_not_run)
{
    const struct boot_line line = { .parent_cid = 42 };
    /* fork is call 1; the child's own are 2 to 6, and getppid() is the fifth */
    static const size_t failures[] = { 2, 3, 4, 6 };
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        struct server_process server = { 0 };
        calls_begin(failures[i]);
        CHECK_OK(server_process_start(&server, serve, &line, &detail));
        CHECK(ended_with(&server) == SERVER_PROCESS_UNCONFINED);
    }
}

HARNESS_TESTS(T(confining_ends_with_the_filter_and_leaves_nothing_out),
              T(each_part_that_fails_ends_it), T(a_server_whose_pid_1_is_gone_is_none),
              T(the_server_inherits_no_descriptor_no_signal_and_no_input),
              T(the_server_runs_in_a_child_with_what_it_was_given),
              T(a_second_server_is_refused_and_not_forked), T(a_failed_fork_is_no_server),
              T(a_server_that_is_not_confined_does_not_run))
