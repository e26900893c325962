#include "../base/child.h"
#include "calls.h"
#include "enclave/syscall_filter.h"
#include "harness.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

/* libseccomp's functions, each of which may fail. */
scmp_filter_ctx __real_seccomp_init(uint32_t action);
scmp_filter_ctx __wrap_seccomp_init(uint32_t action);
int __real_seccomp_attr_set(scmp_filter_ctx filter, enum scmp_filter_attr name, uint32_t value);
int __wrap_seccomp_attr_set(scmp_filter_ctx filter, enum scmp_filter_attr name, uint32_t value);
int __real_seccomp_rule_add(scmp_filter_ctx filter, uint32_t action, int call, unsigned count, ...);
int __wrap_seccomp_rule_add(scmp_filter_ctx filter, uint32_t action, int call, unsigned count);
int __real_seccomp_rule_add_array(scmp_filter_ctx filter, uint32_t action, int call, unsigned count,
                                  const struct scmp_arg_cmp *when);
int __wrap_seccomp_rule_add_array(scmp_filter_ctx filter, uint32_t action, int call, unsigned count,
                                  const struct scmp_arg_cmp *when);
int __real_seccomp_load(const scmp_filter_ctx filter);
int __wrap_seccomp_load(const scmp_filter_ctx filter);

scmp_filter_ctx __wrap_seccomp_init(uint32_t action)
{
    called("init");
    return calls_count == calls_fail_at ? NULL : __real_seccomp_init(action);
}

int __wrap_seccomp_attr_set(scmp_filter_ctx filter, enum scmp_filter_attr name, uint32_t value)
{
    return called("attribute") == 0 ? __real_seccomp_attr_set(filter, name, value) : -EINVAL;
}

int __wrap_seccomp_rule_add(scmp_filter_ctx filter, uint32_t action, int call, unsigned count)
{
    return called("plain") == 0 ? __real_seccomp_rule_add(filter, action, call, count) : -EINVAL;
}

int __wrap_seccomp_rule_add_array(scmp_filter_ctx filter, uint32_t action, int call, unsigned count,
                                  const struct scmp_arg_cmp *when)
{
    return called("rule") == 0 ? __real_seccomp_rule_add_array(filter, action, call, count, when)
                               : -EINVAL;
}

int __wrap_seccomp_load(const scmp_filter_ctx filter)
{
    return called("load") == 0 ? __real_seccomp_load(filter) : -EINVAL;
}

/* Each check runs in a child under the filter; what it may exit with: 0, all that had to hold held.
 */
enum { WRONG = 1, UNFILTERED = 2 };

struct deed {
    const char *name;
    int (*run)(void); /* 0: as it should be */
};

/* Valgrind's own calls are not in the list. */
#define NOT_UNDER_VALGRIND()                                \
    do {                                                    \
        if (getenv("CHAMBER_VALGRIND") != NULL) {           \
            SKIP("valgrind makes system calls of its own"); \
        }                                                   \
    } while (0)

static void under_filter(void *argument)
{
    const struct deed *deed = argument;
    struct detail detail = { "" };
    if (!is_ok(syscall_filter_apply(&detail))) {
        _exit(UNFILTERED);
    }
    _exit(deed->run() == 0 ? CHILD_FINE : WRONG);
}

/* clang-format off */
#define DEED(name, ...) \
    static int name(void) \
    { \
        __VA_ARGS__ \
    }

/* ---- what kills: each is a door that must be shut. The calls are made bare, with arguments that
 * would do no harm if they were let through. */
DEED(kill_execve, return (int)syscall(SYS_execve, "/nowhere", NULL, NULL);)
DEED(kill_execveat, return (int)syscall(SYS_execveat, -1, "", NULL, NULL, 0);)
DEED(kill_fork, return (int)syscall(SYS_fork);)
DEED(kill_vfork, return (int)syscall(SYS_vfork);)
DEED(kill_clone_process, return (int)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);)
DEED(kill_clone_namespace, return (int)syscall(SYS_clone, CLONE_THREAD | CLONE_VM | CLONE_NEWUSER,
                                                NULL, NULL, NULL, 0);)
DEED(kill_ptrace, return (int)syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0);)
DEED(kill_process_vm_readv, return (int)syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0);)
DEED(kill_process_vm_writev, return (int)syscall(SYS_process_vm_writev, 1, NULL, 0, NULL, 0, 0);)
DEED(kill_mmap_exec, return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                                 0) == MAP_FAILED;)
DEED(kill_mprotect_exec, return (int)syscall(SYS_mprotect, 0, 4096, PROT_READ | PROT_EXEC);)
DEED(kill_pkey_mprotect, return (int)syscall(SYS_pkey_mprotect, 0, 4096, PROT_EXEC, -1);)
DEED(kill_memfd, return (int)syscall(SYS_memfd_create, "x", 0);)
DEED(kill_mount, return (int)syscall(SYS_mount, "", "", "", 0, NULL);)
DEED(kill_umount, return (int)syscall(SYS_umount2, "/nowhere", 0);)
DEED(kill_chroot, return (int)syscall(SYS_chroot, "/nowhere");)
DEED(kill_pivot_root, return (int)syscall(SYS_pivot_root, "", "");)
DEED(kill_unshare, return (int)syscall(SYS_unshare, 0);)
DEED(kill_setns, return (int)syscall(SYS_setns, -1, 0);)
DEED(kill_setuid, return (int)syscall(SYS_setuid, 0);)
DEED(kill_setresuid, return (int)syscall(SYS_setresuid, 0, 0, 0);)
DEED(kill_setgroups, return (int)syscall(SYS_setgroups, 0, NULL);)
DEED(kill_capset, return (int)syscall(SYS_capset, NULL, NULL);)
DEED(kill_reboot, return (int)syscall(SYS_reboot, 0, 0, 0, NULL);)
DEED(kill_kexec, return (int)syscall(SYS_kexec_load, 0, 0, NULL, 0);)
DEED(kill_init_module, return (int)syscall(SYS_init_module, NULL, 0, "");)
DEED(kill_bpf, return (int)syscall(SYS_bpf, -1, NULL, 0);)
DEED(kill_perf, return (int)syscall(SYS_perf_event_open, NULL, 0, 0, -1, 0);)
DEED(kill_userfaultfd, return (int)syscall(SYS_userfaultfd, 0);)
DEED(kill_io_uring, return (int)syscall(SYS_io_uring_setup, 0, NULL);)
DEED(kill_keyctl, return (int)syscall(SYS_keyctl, -1, 0, 0, 0, 0);)
DEED(kill_kill, return (int)syscall(SYS_kill, getpid(), 0);)
DEED(kill_tgkill_other, return (int)syscall(SYS_tgkill, getppid(), getppid(), 0);)
DEED(kill_tkill, return (int)syscall(SYS_tkill, gettid(), 0);)
DEED(kill_pidfd, return (int)syscall(SYS_pidfd_open, getppid(), 0);)
DEED(kill_clock_settime, return (int)syscall(SYS_clock_settime, CLOCK_REALTIME, NULL);)
DEED(kill_adjtimex, return (int)syscall(SYS_adjtimex, NULL);)
DEED(kill_settimeofday, return (int)syscall(SYS_settimeofday, NULL, NULL);)
DEED(kill_chmod, return (int)syscall(SYS_chmod, "/nowhere", 0);)
DEED(kill_chown, return (int)syscall(SYS_chown, "/nowhere", 0, 0);)
DEED(kill_mknod, return (int)syscall(SYS_mknodat, -1, "", 0, 0);)
DEED(kill_symlink, return (int)syscall(SYS_symlinkat, "", -1, "");)
DEED(kill_socket_packet, return (int)syscall(SYS_socket, AF_PACKET, SOCK_RAW, 0);)
DEED(kill_socket_alg, return (int)syscall(SYS_socket, 38, SOCK_SEQPACKET, 0);)
DEED(kill_socketpair_inet, return (int)syscall(SYS_socketpair, AF_INET, SOCK_STREAM, 0, NULL);)
DEED(kill_socket_filter, return (int)syscall(SYS_setsockopt, -1, SOL_SOCKET, SO_ATTACH_FILTER, NULL, 0);)
DEED(kill_socket_bpf, return (int)syscall(SYS_setsockopt, -1, SOL_SOCKET, SO_ATTACH_BPF, NULL, 0);)
DEED(kill_socket_filter_in_disguise, return (int)syscall(SYS_setsockopt, -1, SOL_SOCKET,
                                                         0x100000000L | SO_ATTACH_FILTER, NULL, 0);)
DEED(kill_socket_in_disguise, return (int)syscall(SYS_socket, 0x100000000L | AF_PACKET, SOCK_RAW, 0);)
DEED(kill_setsockopt_other, return (int)syscall(SYS_setsockopt, -1, 270, 1, NULL, 0);)
DEED(kill_ioctl_tiocsti, return ioctl(0, TIOCSTI, "");)
DEED(kill_ioctl_rndaddentropy, return ioctl(-1, _IOW('R', 0x03, int[2]), NULL);)
DEED(kill_prctl_dumpable, return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);)
DEED(kill_prctl_keepcaps, return prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);)
DEED(kill_prctl_pdeathsig, return prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);)
DEED(kill_prctl_mm, return prctl(PR_SET_MM, 0, 0, 0, 0);)
DEED(kill_prlimit_other, return (int)syscall(SYS_prlimit64, getppid(), RLIMIT_CORE, NULL, NULL);)
/* The filter cannot be loosened: no call that could is let through. */
DEED(kill_seccomp, return (int)syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, NULL);)
DEED(kill_prctl_seccomp, return prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0);)
/* A number that no kernel has yet, and an older convention's. */
DEED(kill_unknown, return (int)syscall(1023);)
DEED(kill_x32, return (int)syscall(0x40000000 + SYS_getpid);)
/* clang-format on */

#define KILLS(name)        \
    {                      \
#name, kill_##name \
    }

static const struct deed deadly[] = {
    KILLS(execve),
    KILLS(execveat),
    KILLS(fork),
    KILLS(vfork),
    KILLS(clone_process),
    KILLS(clone_namespace),
    KILLS(ptrace),
    KILLS(process_vm_readv),
    KILLS(process_vm_writev),
    KILLS(mmap_exec),
    KILLS(mprotect_exec),
    KILLS(pkey_mprotect),
    KILLS(memfd),
    KILLS(mount),
    KILLS(umount),
    KILLS(chroot),
    KILLS(pivot_root),
    KILLS(unshare),
    KILLS(setns),
    KILLS(setuid),
    KILLS(setresuid),
    KILLS(setgroups),
    KILLS(capset),
    KILLS(reboot),
    KILLS(kexec),
    KILLS(init_module),
    KILLS(bpf),
    KILLS(perf),
    KILLS(userfaultfd),
    KILLS(io_uring),
    KILLS(keyctl),
    KILLS(kill),
    KILLS(tgkill_other),
    KILLS(tkill),
    KILLS(pidfd),
    KILLS(clock_settime),
    KILLS(adjtimex),
    KILLS(settimeofday),
    KILLS(chmod),
    KILLS(chown),
    KILLS(mknod),
    KILLS(symlink),
    KILLS(socket_packet),
    KILLS(socket_alg),
    KILLS(socketpair_inet),
    KILLS(socket_filter),
    KILLS(socket_bpf),
    KILLS(socket_filter_in_disguise),
    KILLS(socket_in_disguise),
    KILLS(setsockopt_other),
    KILLS(ioctl_tiocsti),
    KILLS(ioctl_rndaddentropy),
    KILLS(prctl_dumpable),
    KILLS(prctl_keepcaps),
    KILLS(prctl_pdeathsig),
    KILLS(prctl_mm),
    KILLS(prlimit_other),
    KILLS(seccomp),
    KILLS(prctl_seccomp),
    KILLS(unknown),
    KILLS(x32),
};

TEST(each_of_these_kills_the_process)
{
    NOT_UNDER_VALGRIND();
    for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++) {
        struct deed deed = deadly[i];
        int status = child_run(under_filter, &deed);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS) {
            printf("# %s: wait status %x\n", deed.name, (unsigned)status);
        }
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
    }
}

static void *idle(void *argument)
{
    return argument;
}

static void *call_forbidden(void *argument)
{
    syscall(SYS_kill, getpid(), 0);
    return argument;
}

static int start(void *(*body)(void *))
{
    pthread_t thread;
    return pthread_create(&thread, NULL, body, NULL) != 0 || pthread_join(thread, NULL) != 0;
}

static int threads_start_and_are_named(void)
{
    return start(idle) != 0 || prctl(PR_SET_NAME, "worker", 0, 0, 0) != 0;
}

static int a_thread_is_under_the_filter_too(void)
{
    return start(call_forbidden);
}

static int memory_is_made_and_locked(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED || madvise(page, 4096, MADV_DONTDUMP) != 0 ||
           mprotect(page, 4096, PROT_READ) != 0 || munmap(page, 4096) != 0;
}

static int files_are_read(void)
{
    char byte = 0;
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    return fd < 0 || read(fd, &byte, 1) != 1 || lseek(fd, 0, SEEK_SET) != 0 || close(fd) != 0;
}

static int sockets_of_three_families_are_made(void)
{
    int pair[2];
    int inet = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int local = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int vsock = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool vsock_fine = vsock >= 0 || errno == EAFNOSUPPORT; /* the machine's kernel may have none */
    return inet < 0 || local < 0 || !vsock_fine || listen(inet, 1) != 0 ||
           socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || send(pair[0], "x", 1, 0) != 1;
}

static int sockets_have_options(void)
{
    const int on = 1;
    int inet = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return setsockopt(inet, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
           setsockopt(inet, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof(on)) != 0;
}

static int other_families_that_libraries_try_are_refused_softly(void)
{
    bool netlink = socket(AF_NETLINK, SOCK_RAW, 0) < 0 && errno == EAFNOSUPPORT;
    return !netlink || socket(AF_INET6, SOCK_STREAM, 0) >= 0 || errno != EAFNOSUPPORT;
}

static int clone3_is_not_there(void)
{
    return syscall(SYS_clone3, NULL, 0) != -1 || errno != ENOSYS;
}

static int loops_wait(void)
{
    struct epoll_event event;
    int loop = epoll_create1(EPOLL_CLOEXEC);
    return loop < 0 || epoll_wait(loop, &event, 1, 0) != 0 || sched_yield() != 0;
}

static int random_numbers_come(void)
{
    char bytes[16];
    return getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes);
}

static int limits_are_lowered(void)
{
    const struct rlimit none = { 0 };
    return setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
           prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0;
}

static int the_module_is_asked(void)
{
    /* Nothing is open at -1, but the request gets as far as that. */
    return ioctl(-1, 0xC0200A00UL, NULL) != -1 || errno != EBADF;
}

static const struct deed harmless[] = {
    { "threads", threads_start_and_are_named },
    { "memory", memory_is_made_and_locked },
    { "files", files_are_read },
    { "sockets", sockets_of_three_families_are_made },
    { "socket options", sockets_have_options },
    { "other sockets", other_families_that_libraries_try_are_refused_softly },
    { "clone3", clone3_is_not_there },
    { "loops", loops_wait },
    { "random", random_numbers_come },
    { "limits", limits_are_lowered },
    { "security module", the_module_is_asked },
};

TEST(what_the_server_does_is_let_through)
{
    NOT_UNDER_VALGRIND();
    for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
        struct deed deed = harmless[i];
        int status = child_run(under_filter, &deed);
        if (status != 0) {
            printf("# %s: wait status %x\n", deed.name, (unsigned)status);
        }
        CHECK(status == 0);
    }
}

TEST(one_thread_kills_the_whole_process)
{
    NOT_UNDER_VALGRIND();
    struct deed deed = { "thread", a_thread_is_under_the_filter_too };
    CHECK(child_signal(under_filter, &deed) == SIGSYS);
}

static int give_up(void)
{
    abort();
}

TEST(an_abort_is_still_an_abort)
{
    NOT_UNDER_VALGRIND();
    struct deed deed = { "abort", give_up };
    CHECK(child_signal(under_filter, &deed) == SIGABRT);
}

enum { FILTERED = 40, REFUSED_IT, NAMELESS };

/* Whether the process is under a filter afterwards is seen by a call that is in no list. */
static void apply_with_failure(void *argument)
{
    struct detail detail = { "" };
    calls_begin(*(const size_t *)argument);
    struct result result = syscall_filter_apply(&detail);
    if (is_ok(result)) {
        _exit(FILTERED);
    }
    (void)getpgid(0);
    bool named = calls_fail_at == 1 || strstr(detail.text, "(Invalid argument)") != NULL;
    _exit(result.status == STATUS_UNAVAILABLE && named && calls_count == calls_fail_at ? REFUSED_IT
                                                                                       : NAMELESS);
}

TEST(a_filter_that_is_not_whole_is_not_applied)
{
    NOT_UNDER_VALGRIND();
    size_t fail_at = 1;
    int code = REFUSED_IT;
    while (fail_at < 200 && (code = child_exit(apply_with_failure, &fail_at)) == REFUSED_IT) {
        fail_at++;
    }
    CHECK(code == FILTERED); /* no call is left that could fail */
    CHECK(fail_at > 100);    /* and there were many */
}

static int look_at_status(void)
{
    return prctl(PR_GET_NAME, (char[16]){ "" }, 0, 0, 0);
}

static void check_mode(void *argument)
{
    char text[4096];
    struct detail detail = { "" };
    (void)argument;
    if (!is_ok(syscall_filter_apply(&detail)) || look_at_status() != 0) {
        _exit(UNFILTERED);
    }
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t size = read(fd, text, sizeof(text) - 1);
    text[size < 0 ? 0 : size] = '\0';
    _exit(strstr(text, "\nSeccomp:\t2\n") != NULL && strstr(text, "\nNoNewPrivs:\t1\n") != NULL
              ? CHILD_FINE
              : WRONG);
}

TEST(the_kernel_says_that_a_filter_is_there_and_privileges_cannot_be_gained)
{
    NOT_UNDER_VALGRIND();
    CHECK(child_exit(check_mode, NULL) == CHILD_FINE);
}

HARNESS_TESTS(T(each_of_these_kills_the_process), T(what_the_server_does_is_let_through),
              T(one_thread_kills_the_whole_process), T(a_filter_that_is_not_whole_is_not_applied),
              T(an_abort_is_still_an_abort),
              T(the_kernel_says_that_a_filter_is_there_and_privileges_cannot_be_gained))
