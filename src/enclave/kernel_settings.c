#include "enclave/kernel_settings.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>

static const struct setting {
    const char *path;
    const char *value;
    bool may_be_absent;
} settings[] = {
    /* The parent starts a new enclave when this one is gone; it cannot know that one is ill. */
    { "/proc/sys/kernel/panic", "1", false },
    { "/proc/sys/kernel/panic_on_oops", "1", false },
    /* 2: wherever memory ran out, never a victim picked among processes. */
    { "/proc/sys/vm/panic_on_oom", "2", false },
    { "/proc/sys/fs/suid_dumpable", "0", false },
    /* A line with nothing in it: an empty write would change nothing. Absent: the kernel was built
     * without core files. */
    { "/proc/sys/kernel/core_pattern", "\n", true },
    { "/proc/sys/kernel/randomize_va_space", "2", false },
    /* Absent: the kernel was built without messages. */
    { "/proc/sys/kernel/dmesg_restrict", "1", true },
    { "/proc/sys/kernel/kptr_restrict", "2", true },
    /* The server's relays listen on loopback addresses at the ports of those they stand for, which
     * may be 443, and there is nobody else on this machine to keep low ports from. */
    { "/proc/sys/net/ipv4/ip_unprivileged_port_start", "0", false },
};

static RESULT refuse(const struct setting *setting, struct detail *detail)
{
    detail_set(detail, "%s (%s)", setting->path, strerror(errno));
    return FAIL(UNAVAILABLE, "cannot be set");
}

static RESULT apply(const struct setting *setting, struct detail *detail)
{
    size_t size = strlen(setting->value);
    CLEANUP(fd_close_ptr) int fd = open(setting->path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT && setting->may_be_absent ? OK : refuse(setting, detail);
    }
    return write(fd, setting->value, size) == (ssize_t)size ? OK : refuse(setting, detail);
}

RESULT kernel_settings_apply(struct detail *detail)
{
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        TRY(apply(&settings[i], detail));
    }
    return OK;
}

static const struct {
    const char *name;
    __rlimit_resource_t resource;
    rlim_t value;
} limits[] = {
    { "RLIMIT_CORE", RLIMIT_CORE, 0 },
    { "RLIMIT_NOFILE", RLIMIT_NOFILE, KERNEL_SETTINGS_FILES_MAX },
    { "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK, RLIM_INFINITY },
};

RESULT kernel_settings_limit(struct detail *detail)
{
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        const struct rlimit limit = { limits[i].value, limits[i].value };
        if (setrlimit(limits[i].resource, &limit) != 0) {
            detail_set(detail, "%s (%s)", limits[i].name, strerror(errno));
            return FAIL(UNAVAILABLE, "cannot be set");
        }
    }
    return OK;
}
