#include "../base/child.h"
#include "calls.h"
#include "enclave/privileges.h"
#include "harness.h"

#include <grp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

int __real_prctl(int option, ...);
int __wrap_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
long __real_syscall(long number, ...);
long __wrap_syscall(long number, void *header, void *data);
int __real_setgroups(size_t count, const gid_t *groups);
int __wrap_setgroups(size_t count, const gid_t *groups);
int __real_setresgid(gid_t real, gid_t effective, gid_t saved);
int __wrap_setresgid(gid_t real, gid_t effective, gid_t saved);
int __real_setresuid(uid_t real, uid_t effective, uid_t saved);
int __wrap_setresuid(uid_t real, uid_t effective, uid_t saved);
int __real_setrlimit64(__rlimit_resource_t resource, const struct rlimit64 *limit);
int __wrap_setrlimit64(__rlimit_resource_t resource, const struct rlimit64 *limit);

/* A call that says it worked and did nothing. */
enum {
    HONEST,
    GROUPS_STAY,
    USER_STAYS,
    GROUP_STAYS,
    BOUNDING_SET_STAYS,
    ROOT_COMES_BACK,
    CAPABILITIES_STAY,
    GAINS_STAY
};
static int lie;

int __wrap_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
    if (option != PR_CAPBSET_READ && option != PR_GET_NO_NEW_PRIVS &&
        called("prctl %d %lu", option, a) != 0) {
        return -1;
    }
    bool nothing = (lie == BOUNDING_SET_STAYS && option == PR_CAPBSET_DROP) ||
                   (lie == GAINS_STAY && option == PR_SET_NO_NEW_PRIVS);
    return nothing ? 0 : __real_prctl(option, a, b, c, d);
}

long __wrap_syscall(long number, void *header, void *data)
{
    if (number == SYS_capset && called("capset") != 0) {
        return -1;
    }
    return number == SYS_capset && lie == CAPABILITIES_STAY ? 0
                                                            : __real_syscall(number, header, data);
}

int __wrap_setgroups(size_t count, const gid_t *groups)
{
    int code = called("setgroups %zu", count);
    return code != 0 || lie == GROUPS_STAY ? code : __real_setgroups(count, groups);
}

int __wrap_setresgid(gid_t real, gid_t effective, gid_t saved)
{
    int code = called("setresgid %u %u %u", real, effective, saved);
    return code != 0 || lie == GROUP_STAYS ? code : __real_setresgid(real, effective, saved);
}

int __wrap_setresuid(uid_t real, uid_t effective, uid_t saved)
{
    int code = called("setresuid %u %u %u", real, effective, saved);
    bool nothing = real == 0 ? lie == ROOT_COMES_BACK : lie == USER_STAYS;
    return code != 0 || nothing ? code : __real_setresuid(real, effective, saved);
}

int __wrap_setrlimit64(__rlimit_resource_t resource, const struct rlimit64 *limit)
{
    int code = called("setrlimit %d", (int)resource);
    return code != 0 ? code : __real_setrlimit64(resource, limit);
}

/* What the children exit with. */
enum { DROPPED = 40, REFUSED_IT, FAILED, NOT_AS_IT_SHOULD_BE };

static char said[512]; /* /proc/self/status */

static bool status_has(const char *line)
{
    return strstr(said, line) != NULL;
}

static void read_status(void)
{
    static char text[8192];
    FILE *file = fopen("/proc/self/status", "re");
    size_t size = file == NULL ? 0 : fread(text, 1, sizeof(text) - 1, file);
    text[size] = '\0';
    const char *from = strstr(text, "CapInh:");
    snprintf(said, sizeof(said), "%s", from == NULL ? "" : from);
}

static struct result drop(size_t fail_at)
{
    static const gid_t groups[] = { 4, 24, 1234 };
    struct detail detail = { "" };
    (void)__real_setgroups(3, groups);
    calls_begin(fail_at);
    return privileges_drop(&detail);
}

static int verdict(struct result result)
{
    return is_ok(result) ? DROPPED : result.status == STATUS_REFUSED ? REFUSED_IT : FAILED;
}

static void drop_and_look(void *argument)
{
    (void)argument;
    int code = verdict(drop(0));
    read_status();
    bool none =
        status_has("CapInh:\t0000000000000000\n") && status_has("CapPrm:\t0000000000000000\n") &&
        status_has("CapEff:\t0000000000000000\n") && status_has("CapBnd:\t0000000000000000\n") &&
        status_has("CapAmb:\t0000000000000000\n") && status_has("NoNewPrivs:\t1\n");
    bool user = getuid() == 1000 && geteuid() == 1000 && getgid() == 1000 && getegid() == 1000 &&
                getgroups(0, NULL) == 0;
    bool quiet = __real_prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0;
    bool for_good = setuid(0) != 0 && setgid(0) != 0 && chroot("/") != 0;
    _exit(code != DROPPED || (none && user && quiet && for_good) ? code : NOT_AS_IT_SHOULD_BE);
}

TEST(nothing_is_left_of_root_and_nothing_brings_it_back)
{
    if (geteuid() != 0) {
        SKIP("only root has privileges to drop");
    }
    CHECK(child_exit(drop_and_look, NULL) == DROPPED);
}

static void drop_with_failure(void *argument)
{
    size_t fail_at = *(const size_t *)argument;
    int code = verdict(drop(fail_at));
    _exit(calls_count == fail_at ? code : NOT_AS_IT_SHOULD_BE);
}

static void count_calls(void *argument)
{
    (void)argument;
    _exit(verdict(drop(0)) == DROPPED && calls_count < 90 ? (int)calls_count : 0);
}

TEST(each_call_that_fails_fails_all_at_once)
{
    if (geteuid() != 0) {
        SKIP("only root has privileges to drop");
    }
    int count = child_exit(count_calls, NULL);
    CHECK(count > 40); /* one for each capability of the kernel, and some */
    /* The last one must fail: it tries to become root again. */
    for (size_t fail_at = 1; fail_at < (size_t)count; fail_at++) {
        CHECK(child_exit(drop_with_failure, &fail_at) == FAILED);
    }
}

static void drop_with_lie(void *argument)
{
    lie = *(const int *)argument;
    if (lie == CAPABILITIES_STAY) { /* else they go with the user */
        (void)__real_prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
    }
    _exit(verdict(drop(0)));
}

TEST(a_call_that_only_says_it_worked_is_found_out)
{
    if (geteuid() != 0) {
        SKIP("only root has privileges to drop");
    }
    for (int kind = GROUPS_STAY; kind <= GAINS_STAY; kind++) {
        CHECK(child_exit(drop_with_lie, &kind) == REFUSED_IT);
    }
}

static void drop_as_nobody(void *argument)
{
    (void)argument;
    if (geteuid() == 0 && __real_setresuid(65534, 65534, 65534) != 0) {
        _exit(NOT_AS_IT_SHOULD_BE);
    }
    _exit(verdict(drop(0)));
}

TEST(a_process_that_is_not_root_cannot_pretend)
{
    CHECK(child_exit(drop_as_nobody, NULL) == FAILED);
}

HARNESS_TESTS(T(nothing_is_left_of_root_and_nothing_brings_it_back),
              T(each_call_that_fails_fails_all_at_once),
              T(a_call_that_only_says_it_worked_is_found_out),
              T(a_process_that_is_not_root_cannot_pretend))
