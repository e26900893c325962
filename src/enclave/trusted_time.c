#include "enclave/trusted_time.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>

static const char device_path[] = "/dev/ptp0";

enum { NS_PER_MS = 1000 * 1000, MS_PER_S = 1000, NS_PER_S = 1000 * 1000 * 1000 };

/* The kernel's number for the clock behind a descriptor (clock_getres(2) calls it dynamic). */
static clockid_t clock_of(int fd)
{
    return (clockid_t)(~(unsigned)fd << 3 | 3);
}

RESULT trusted_time_open(const struct security_module *module, struct trusted_time *out,
                         struct detail *detail)
{
    int fd = open(device_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT) {
        detail_set(detail, "%s (%s)", device_path, strerror(errno));
        return FAIL(UNAVAILABLE, "cannot be opened");
    }
    *out = (struct trusted_time){ .fd = fd, .module = module };
    return OK;
}

const char *trusted_time_name(const struct trusted_time *source)
{
    return source->fd >= 0 ? device_path : "the security module";
}

static RESULT check_seconds(uint64_t seconds)
{
    ENSURE(seconds >= TRUSTED_TIME_MIN_S, BAD_INPUT, "the trusted clock is before 2026");
    ENSURE(seconds < TRUSTED_TIME_MAX_S, BAD_INPUT, "the trusted clock is after 2099");
    return OK;
}

RESULT trusted_time_of_module(const struct security_module *module, uint64_t *ns_out)
{
    uint64_t ms = 0;
    TRY(module->timestamp(module->context, &ms));
    TRY(check_seconds(ms / MS_PER_S));
    *ns_out = ms * NS_PER_MS;
    return OK;
}

RESULT trusted_time_read(const struct trusted_time *source, uint64_t *ns_out)
{
    if (source->fd < 0) {
        return trusted_time_of_module(source->module, ns_out);
    }
    struct timespec now = { 0 };
    ENSURE(clock_gettime(clock_of(source->fd), &now) == 0, UNAVAILABLE,
           "/dev/ptp0 does not tell the time");
    TRY(check_seconds(now.tv_sec < 0 ? 0 : (uint64_t)now.tv_sec));
    *ns_out = (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
    return OK;
}
