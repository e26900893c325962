#include "enclave/loopback.h"

#include "base/cleanup.h"

#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static RESULT refuse(const char *call, struct detail *detail)
{
    detail_set(detail, "%s (%s)", call, strerror(errno));
    return FAIL(UNAVAILABLE, "the loopback interface cannot be brought up");
}

RESULT loopback_up(struct detail *detail)
{
    struct ifreq request = { .ifr_name = "lo" };
    CLEANUP(fd_close_ptr) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return refuse("socket", detail);
    }
    if (ioctl(fd, SIOCGIFFLAGS, &request) != 0) {
        return refuse("SIOCGIFFLAGS", detail);
    }
    request.ifr_flags = (short)(request.ifr_flags | IFF_UP | IFF_RUNNING);
    return ioctl(fd, SIOCSIFFLAGS, &request) == 0 ? OK : refuse("SIOCSIFFLAGS", detail);
}
