#include "enclave/syscall_filter.h"

#include "base/cleanup.h"

#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

/* The one request of /dev/nsm: a read and write of 32 bytes. */
#define NSM_RAW _IOC(_IOC_READ | _IOC_WRITE, 0x0A, 0x0, 32)

/* clang-format off */
#define C(name) SCMP_SYS(name)

/* Calls that are allowed whatever their arguments are. */
static const int plain[] = {
    /* Memory. mmap, mprotect: see below. mlock, madvise: the vault, and the threads' stacks. */
    C(brk), C(munmap), C(mremap), C(madvise), C(mlock), C(munlock),
    /* Threads: their start, their locks, their end. clone: see below. */
    C(futex), C(set_robust_list), C(rseq), C(gettid), C(getpid), C(sched_yield), C(sched_getaffinity),
    C(setpriority), C(membarrier), C(restart_syscall), C(exit), C(exit_group),
    /* Signals: SIGTERM is waited for; abort() raises one (tgkill: see below). */
    C(rt_sigaction), C(rt_sigprocmask), C(rt_sigreturn), C(rt_sigtimedwait), C(sigaltstack),
    /* Descriptors, and files that a path names: settings, /proc, what lies in /tmp and /run. */
    C(openat), C(close), C(read), C(write), C(readv), C(writev), C(pread64), C(pwrite64), C(lseek),
    C(fstat), C(newfstatat), C(statfs), C(getdents64), C(fcntl), C(readlink), C(access), C(pipe2),
    C(dup2), C(eventfd2), C(unlink), C(ftruncate), C(fsync), C(fdatasync),
    /* Waiting: libevent's loops, the poll() of clients of other services. */
    C(epoll_create1), C(epoll_ctl), C(epoll_wait), C(epoll_pwait), C(poll), C(ppoll),
    C(timerfd_create), C(timerfd_settime), C(clock_nanosleep), C(nanosleep),
    /* Connections. socket, socketpair, setsockopt: see below. sendmmsg: the C library asks name servers so. */
    C(bind), C(listen), C(accept4), C(connect), C(shutdown), C(getsockname), C(getpeername),
    C(getsockopt), C(sendto), C(recvfrom), C(sendmsg), C(sendmmsg), C(recvmsg),
    /* Time, for machines whose clock cannot be read without the kernel. */
    C(clock_gettime), C(clock_getres), C(gettimeofday), C(time),
    /* Random numbers: OpenSSL, libsodium, ours. */
    C(getrandom),
    /* What a process asks about itself and its machine: metrics, OpenSSL, the C library. */
    C(getuid), C(geteuid), C(getgid), C(getegid), C(getppid), C(getrusage), C(sysinfo), C(uname),
#ifdef CHAMBER_DEVELOPMENT
    /* How a new database gets its name. */
    C(renameat2),
#endif
};
/* clang-format on */

/* Calls that are allowed with certain arguments only. A call may have several lines: one of them
 * must fit; of `count` comparisons in a line all must. */
struct conditional {
    int call;
    unsigned count;
    struct scmp_arg_cmp when[2];
};

#define WHEN_EQUAL(argument, value)        SCMP_CMP64(argument, SCMP_CMP_EQ, (value), 0)
#define WHEN_BELOW(argument, value)        SCMP_CMP64(argument, SCMP_CMP_LT, (value), 0)
#define WHEN_MASKED(argument, mask, value) SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, (mask), (value))
/* For what the kernel reads as an int: the upper half of the register says nothing. */
#define WHEN_INT(argument, value) WHEN_MASKED(argument, UINT32_MAX, (scmp_datum_t)(value))
/* clang-format off */
#define ONE(name, condition)     { SCMP_SYS(name), 1, { condition, { 0 } } }
#define TWO(name, first, second) { SCMP_SYS(name), 2, { first, second } }

static const struct conditional conditionals[] = {
    /* No memory is ever executable that was not at the start. */
    ONE(mmap, WHEN_MASKED(2, PROT_EXEC, 0)),
    ONE(mprotect, WHEN_MASKED(2, PROT_EXEC, 0)),
    /* A thread, not a process, and in no namespace of its own. */
    ONE(clone, WHEN_MASKED(0, CLONE_THREAD | CLONE_VM | CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET |
                                  CLONE_NEWPID, CLONE_THREAD | CLONE_VM)),
    /* The door to the parent, relays on the loopback, and pairs within the process. */
    ONE(socket, WHEN_INT(0, AF_VSOCK)),
    ONE(socket, WHEN_INT(0, AF_INET)),
    ONE(socket, WHEN_INT(0, AF_UNIX)),
    ONE(socketpair, WHEN_INT(0, AF_UNIX)),
    /* Options of those, but no programs that the kernel would run for a socket. */
    TWO(setsockopt, WHEN_INT(1, SOL_SOCKET), WHEN_BELOW(2, SO_ATTACH_FILTER)),
    ONE(setsockopt, WHEN_INT(1, IPPROTO_TCP)),
    ONE(setsockopt, WHEN_INT(1, IPPROTO_IP)),
    ONE(setsockopt, WHEN_INT(1, AF_VSOCK)),
    /* The security module; is it a terminal; would it block; the enclave's own CID. */
    ONE(ioctl, WHEN_INT(1, NSM_RAW)),
    ONE(ioctl, WHEN_INT(1, TCGETS)),
    ONE(ioctl, WHEN_INT(1, FIONBIO)),
    ONE(ioctl, WHEN_INT(1, FIONREAD)),
    ONE(ioctl, WHEN_INT(1, IOCTL_VM_SOCKETS_GET_LOCAL_CID)),
    /* Names of threads; and what the server does to itself once more wherever it runs. */
    ONE(prctl, WHEN_INT(0, PR_SET_NAME)),
    ONE(prctl, WHEN_INT(0, PR_GET_NAME)),
    TWO(prctl, WHEN_INT(0, PR_SET_DUMPABLE), WHEN_EQUAL(1, 0)),
    ONE(prctl, WHEN_INT(0, PR_SET_NO_NEW_PRIVS)),
    /* Its own limits, which it can only lower. */
    ONE(prlimit64, WHEN_INT(0, 0)),
};
/* Calls that fail instead of killing, because libraries try them and go on without. */
static const struct soft {
    struct conditional rule;
    int reason;
} softs[] = {
    /* Its flags lie in memory, where no filter can read them; the C library then takes clone(). */
    { { SCMP_SYS(clone3), 0, { { 0 } } }, ENOSYS },
    /* The C library looks for the interfaces' addresses before it resolves a name. */
    { ONE(socket, WHEN_INT(0, AF_NETLINK)), EAFNOSUPPORT },
    { ONE(socket, WHEN_INT(0, AF_INET6)), EAFNOSUPPORT },
};
/* clang-format on */

static void filter_release(scmp_filter_ctx *filter)
{
    if (*filter != NULL) {
        seccomp_release(*filter);
    }
}

static RESULT refuse(const char *what, int code, struct detail *detail)
{
    detail_set(detail, "%s (%s)", what, strerror(-code));
    return FAIL(UNAVAILABLE, "the filter of system calls cannot be made");
}

static RESULT refuse_call(int call, int code, struct detail *detail)
{
    CLEANUP(free_ptr) char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, call);
    return refuse(name == NULL ? "a system call" : name, code, detail);
}

static RESULT set_attributes(scmp_filter_ctx filter, struct detail *detail)
{
    /* Calls in another machine's or an older convention; a binary tree instead of a long list. */
    int code = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (code != 0) {
        return refuse("SCMP_FLTATR_ACT_BADARCH", code, detail);
    }
    code = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    return code == 0 ? OK : refuse("SCMP_FLTATR_CTL_OPTIMIZE", code, detail);
}

static RESULT add_plain(scmp_filter_ctx filter, struct detail *detail)
{
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        int code = seccomp_rule_add(filter, SCMP_ACT_ALLOW, plain[i], 0);
        if (code != 0) {
            return refuse_call(plain[i], code, detail);
        }
    }
    return OK;
}

static RESULT add_conditionals(scmp_filter_ctx filter, struct detail *detail)
{
    for (size_t i = 0; i < sizeof(conditionals) / sizeof(conditionals[0]); i++) {
        const struct conditional *rule = &conditionals[i];
        int code =
            seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rule->call, rule->count, rule->when);
        if (code != 0) {
            return refuse_call(rule->call, code, detail);
        }
    }
    const struct scmp_arg_cmp myself = WHEN_INT(0, getpid());
    int code = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, &myself);
    return code == 0 ? OK : refuse("tgkill", code, detail);
}

static RESULT add_softs(scmp_filter_ctx filter, struct detail *detail)
{
    for (size_t i = 0; i < sizeof(softs) / sizeof(softs[0]); i++) {
        const struct conditional *rule = &softs[i].rule;
        int code = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO((unsigned)softs[i].reason),
                                          rule->call, rule->count, rule->when);
        if (code != 0) {
            return refuse_call(rule->call, code, detail);
        }
    }
    return OK;
}

RESULT syscall_filter_apply(struct detail *detail)
{
    CLEANUP(filter_release) scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    ENSURE(filter != NULL, UNAVAILABLE, "the filter of system calls cannot be begun");
    TRY(set_attributes(filter, detail));
    TRY(add_plain(filter, detail));
    TRY(add_conditionals(filter, detail));
    TRY(add_softs(filter, detail));
    int code = seccomp_load(filter);
    return code == 0 ? OK : refuse("seccomp_load", code, detail);
}
