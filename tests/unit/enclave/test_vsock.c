#include "calls.h"
#include "enclave/vsock.h"
#include "harness.h"

#include <linux/vm_sockets.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

int __wrap_socket(int family, int type, int protocol);
int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t size);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size);
int __wrap_close(int fd);

enum { FD = 1000 };

static int open_sockets;

int __wrap_socket(int family, int type, int protocol)
{
    bool right = family == AF_VSOCK && type == (SOCK_STREAM | SOCK_CLOEXEC) && protocol == 0;
    if (called("socket %d", right) != 0) {
        return -1;
    }
    open_sockets++;
    return FD;
}

int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
    const struct timeval *limit = value;
    bool right = fd == FD && level == AF_VSOCK && option == SO_VM_SOCKETS_CONNECT_TIMEOUT;
    return called("limit %d: %lld.%06lld s", right && size == sizeof(*limit),
                  (long long)limit->tv_sec, (long long)limit->tv_usec);
}

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    const struct sockaddr_vm *to = (const void *)address;
    return called("connect %d %u:%u", fd == FD && size == sizeof(*to) && to->svm_family == AF_VSOCK,
                  to->svm_cid, to->svm_port);
}

int __wrap_close(int fd)
{
    open_sockets -= fd == FD;
    errno = EBADF; /* which must not hide the reason */
    return 0;
}

TEST(it_connects_to_that_port_of_that_machine_within_that_time)
{
    int fd = -1;
    calls_begin(0);
    CHECK_OK(vsock_connect(2, 9001, 2500, &fd, NULL));
    CHECK_TEXT(calls_text, "socket 1\nlimit 1: 2.500000 s\nconnect 1 2:9001\n");
    CHECK(fd == FD && open_sockets == 1);
    open_sockets = 0;
}

TEST(each_call_that_fails_is_named_and_leaves_no_socket)
{
    static const char *const names[] = { "socket", "setsockopt", "connect" };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct detail detail = { "" };
        struct detail wanted;
        int fd = -1;
        calls_begin(i + 1);
        calls_reason = ECONNRESET;
        CHECK_FAILS(UNAVAILABLE, vsock_connect(3, 9001, 1, &fd, &detail));
        CHECK(errno == ECONNRESET);
        detail_set(&wanted, "%s (Connection reset by peer)", names[i]);
        CHECK_TEXT(detail.text, wanted.text);
        CHECK(calls_count == i + 1 && fd == -1 && open_sockets == 0);
    }
}

HARNESS_TESTS(T(it_connects_to_that_port_of_that_machine_within_that_time),
              T(each_call_that_fails_is_named_and_leaves_no_socket))
