#include "calls.h"
#include "enclave/loopback.h"
#include "harness.h"

#include <fcntl.h>
#include <net/if.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int __real_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol);
int __wrap_ioctl(int fd, unsigned long request, ...);

int __wrap_socket(int family, int type, int protocol)
{
    int code =
        called("socket %d %d %d", family == AF_INET, type == (SOCK_DGRAM | SOCK_CLOEXEC), protocol);
    return code == 0 ? __real_socket(family, type, protocol) : -1;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
    (void)fd;
    va_list arguments;
    va_start(arguments, request);
    struct ifreq *asked = va_arg(arguments, struct ifreq *);
    va_end(arguments);
    if (request == SIOCGIFFLAGS) {
        asked->ifr_flags = IFF_LOOPBACK;
        return called("get %s", asked->ifr_name);
    }
    return called("%s %s %x", request == SIOCSIFFLAGS ? "set" : "another", asked->ifr_name,
                  (unsigned)asked->ifr_flags);
}

TEST(the_loopback_gets_up_and_keeps_its_other_flags)
{
    char wanted[100];
    struct detail detail = { "" };
    calls_begin(0);
    CHECK_OK(loopback_up(&detail));
    snprintf(wanted, sizeof(wanted), "socket 1 1 0\nget lo\nset lo %x\n",
             IFF_LOOPBACK | IFF_UP | IFF_RUNNING);
    CHECK_TEXT(calls_text, wanted);
}

TEST(each_call_that_fails_is_refused_and_named)
{
    static const char *const names[] = { "socket (Operation not permitted)",
                                         "SIOCGIFFLAGS (Operation not permitted)",
                                         "SIOCSIFFLAGS (Operation not permitted)" };
    for (size_t i = 0; i < 3; i++) {
        struct detail detail = { "" };
        calls_begin(i + 1);
        CHECK_FAILS(UNAVAILABLE, loopback_up(&detail));
        CHECK_TEXT(detail.text, names[i]);
        CHECK(calls_count == i + 1);
    }
}

HARNESS_TESTS(T(the_loopback_gets_up_and_keeps_its_other_flags),
              T(each_call_that_fails_is_refused_and_named))
