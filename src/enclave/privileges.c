#include "enclave/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CAPABILITIES_MAX = 64 }; /* what two words of the kernel's interface can hold */

struct capabilities {
    struct __user_cap_header_struct header;
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
};

static RESULT refuse(const char *call, struct detail *detail)
{
    detail_set(detail, "%s (%s)", call, strerror(errno));
    return FAIL(UNAVAILABLE, "privileges cannot be dropped");
}

/* All that the kernel knows: it says EINVAL to the first number behind its last capability. */
static RESULT drop_bounding_set(struct detail *detail)
{
    for (unsigned long i = 0; i < CAPABILITIES_MAX; i++) {
        if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) < 0) {
            return i > 0 && errno == EINVAL ? OK : refuse("PR_CAPBSET_READ", detail);
        }
        if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) != 0) {
            return refuse("PR_CAPBSET_DROP", detail);
        }
    }
    return OK;
}

static RESULT become_user(struct detail *detail)
{
    if (setgroups(0, NULL) != 0) {
        return refuse("setgroups", detail);
    }
    if (setresgid(PRIVILEGES_USER, PRIVILEGES_USER, PRIVILEGES_USER) != 0) {
        return refuse("setresgid", detail);
    }
    if (setresuid(PRIVILEGES_USER, PRIVILEGES_USER, PRIVILEGES_USER) != 0) {
        return refuse("setresuid", detail);
    }
    return OK;
}

static RESULT clear_capabilities(struct detail *detail)
{
    struct capabilities none = { .header = { .version = _LINUX_CAPABILITY_VERSION_3 } };
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) {
        return refuse("PR_CAP_AMBIENT", detail);
    }
    return syscall(SYS_capset, &none.header, none.data) == 0 ? OK : refuse("capset", detail);
}

static RESULT close_ways_back(struct detail *detail)
{
    const struct rlimit none = { 0 };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return refuse("PR_SET_NO_NEW_PRIVS", detail);
    }
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
        return refuse("PR_SET_DUMPABLE", detail);
    }
    return setrlimit(RLIMIT_CORE, &none) == 0 ? OK : refuse("RLIMIT_CORE", detail);
}

static RESULT check_user(void)
{
    uid_t uids[3] = { 0 };
    gid_t gids[3] = { 0 };
    ENSURE(getresuid(&uids[0], &uids[1], &uids[2]) == 0 &&
               getresgid(&gids[0], &gids[1], &gids[2]) == 0,
           REFUSED, "the server's user cannot be seen");
    for (size_t i = 0; i < 3; i++) {
        ENSURE(uids[i] == PRIVILEGES_USER && gids[i] == PRIVILEGES_USER, REFUSED,
               "the server is not the user that it should be");
    }
    ENSURE(getgroups(0, NULL) == 0, REFUSED, "the server has supplementary groups");
    ENSURE(setresuid(0, 0, 0) != 0, REFUSED, "the server could become root again");
    return OK;
}

static RESULT check_capabilities(void)
{
    struct capabilities now = { .header = { .version = _LINUX_CAPABILITY_VERSION_3 } };
    ENSURE(syscall(SYS_capget, &now.header, now.data) == 0, REFUSED,
           "the server's capabilities cannot be seen");
    for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
        uint32_t any = now.data[i].effective | now.data[i].permitted | now.data[i].inheritable;
        ENSURE(any == 0, REFUSED, "the server has capabilities");
    }
    for (unsigned long i = 0; i < CAPABILITIES_MAX; i++) {
        ENSURE(prctl(PR_CAPBSET_READ, i, 0, 0, 0) <= 0, REFUSED,
               "the server's bounding set has capabilities");
    }
    ENSURE(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1, REFUSED,
           "the server could gain privileges");
    return OK;
}

RESULT privileges_drop(struct detail *detail)
{
    TRY(drop_bounding_set(detail));
    TRY(become_user(detail));
    TRY(clear_capabilities(detail));
    TRY(close_ways_back(detail));
    TRY(check_user());
    return check_capabilities();
}
