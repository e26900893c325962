#include "calls.h"
#include "enclave/heartbeat.h"
#include "harness.h"

#include <linux/vm_sockets.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int __wrap_socket(int family, int type, int protocol);
int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t size);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size);
ssize_t __wrap_send(int fd, const void *bytes, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *out, size_t size, int flags);
int __wrap_nanosleep(const struct timespec *time, struct timespec *left);
int __wrap_close(int fd);

enum { FD = 1000 };

static int open_sockets;
static int good_from = 1; /* the attempt from which on the parent answers */
static int attempts;
static int answer = HEARTBEAT_BYTE; /* -1: hangs up */
enum { ALL_GOOD, NO_SOCKET, NO_OPTION, NO_CONNECTION, NO_SENDING, NO_ANSWER };
static int trouble;

static int fails_with(int kind, int reason)
{
    errno = reason;
    return trouble == kind && attempts < good_from ? -1 : 0;
}

int __wrap_socket(int family, int type, int protocol)
{
    attempts++;
    called("socket %d %d %d", family == AF_VSOCK, type == (SOCK_STREAM | SOCK_CLOEXEC), protocol);
    if (fails_with(NO_SOCKET, EAFNOSUPPORT) != 0) {
        return -1;
    }
    open_sockets++;
    return FD;
}

int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
    const struct timeval *limit = value;
    const char *name = level == AF_VSOCK && option == SO_VM_SOCKETS_CONNECT_TIMEOUT ? "connect"
                       : level == SOL_SOCKET && option == SO_SNDTIMEO               ? "send"
                       : level == SOL_SOCKET && option == SO_RCVTIMEO               ? "receive"
                                                                                    : "other";
    called("limit %s %d: %lld s", name, fd == FD && size == sizeof(*limit),
           (long long)limit->tv_sec);
    return fails_with(NO_OPTION, ENOPROTOOPT);
}

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    const struct sockaddr_vm *to = (const void *)address;
    called("connect %d %u:%u", fd == FD && size == sizeof(*to) && to->svm_family == AF_VSOCK,
           to->svm_cid, to->svm_port);
    return fails_with(NO_CONNECTION, ETIMEDOUT);
}

ssize_t __wrap_send(int fd, const void *bytes, size_t size, int flags)
{
    called("send %d %02x", fd == FD && size == 1 && flags == MSG_NOSIGNAL, *(const uint8_t *)bytes);
    return fails_with(NO_SENDING, EPIPE) == 0 ? 1 : -1;
}

ssize_t __wrap_recv(int fd, void *out, size_t size, int flags)
{
    called("recv %d", fd == FD && size == 1 && flags == 0);
    if (fails_with(NO_ANSWER, EAGAIN) != 0) {
        return -1;
    }
    *(uint8_t *)out = (uint8_t)answer;
    return answer < 0 ? 0 : 1;
}

int __wrap_nanosleep(const struct timespec *time, struct timespec *left)
{
    (void)left;
    return called("pause %lld.%09ld", (long long)time->tv_sec, time->tv_nsec);
}

int __wrap_close(int fd)
{
    open_sockets -= fd == FD;
    return 0;
}

static struct detail detail;

static struct result beat(int kind, int from, int byte)
{
    calls_begin(0);
    attempts = 0;
    trouble = kind;
    good_from = from;
    answer = byte;
    detail = (struct detail){ "" };
    return heartbeat_exchange(5, &detail);
}

#define ONE_ATTEMPT          \
    "socket 1 1 0\n"         \
    "limit connect 1: 2 s\n" \
    "connect 1 5:9000\n"
#define LIMITS            \
    "limit send 1: 5 s\n" \
    "limit receive 1: 5 s\n"

TEST(the_byte_goes_and_comes_back_and_no_wait_is_endless)
{
    CHECK_OK(beat(ALL_GOOD, 1, 0xB7));
    CHECK_TEXT(calls_text, ONE_ATTEMPT LIMITS "send 1 b7\nrecv 1\n");
    CHECK(open_sockets == 0);
}

TEST(another_byte_is_refused_at_once)
{
    static const int bytes[] = { 0x00, 0xB6, 0xB8, 0x7B, 0xFF };
    for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++) {
        CHECK_FAILS(BAD_INPUT, beat(ALL_GOOD, 1, bytes[i]));
        CHECK(attempts == 1 && open_sockets == 0);
    }
    CHECK_TEXT(detail.text, "0xff");
}

TEST(each_trouble_is_tried_again_five_times_at_most_and_then_refused)
{
    static const char *const names[] = {
        "socket (Address family not supported by protocol)",
        "setsockopt (Protocol not available)",
        "connect (Connection timed out)",
        "send (Broken pipe)",
        "recv (Resource temporarily unavailable)",
    };
    for (int kind = NO_SOCKET; kind <= NO_ANSWER; kind++) {
        CHECK_FAILS(UNAVAILABLE, beat(kind, 1000, 0xB7));
        CHECK(attempts == HEARTBEAT_ATTEMPTS && open_sockets == 0);
        CHECK_TEXT(detail.text, names[kind - 1]);
    }
}

TEST(a_parent_that_hangs_up_is_tried_again_and_then_refused)
{
    CHECK_FAILS(UNAVAILABLE, beat(ALL_GOOD, 1, -1));
    CHECK(attempts == HEARTBEAT_ATTEMPTS && open_sockets == 0);
}

TEST(a_parent_that_is_late_is_waited_for)
{
    CHECK_OK(beat(NO_CONNECTION, 2, 0xB7));
    CHECK_TEXT(calls_text,
               ONE_ATTEMPT "pause 1.000000000\n" ONE_ATTEMPT LIMITS "send 1 b7\nrecv 1\n");
    CHECK_OK(beat(NO_ANSWER, HEARTBEAT_ATTEMPTS, 0xB7));
    CHECK(attempts == HEARTBEAT_ATTEMPTS);
}

HARNESS_TESTS(T(the_byte_goes_and_comes_back_and_no_wait_is_endless),
              T(another_byte_is_refused_at_once),
              T(each_trouble_is_tried_again_five_times_at_most_and_then_refused),
              T(a_parent_that_hangs_up_is_tried_again_and_then_refused),
              T(a_parent_that_is_late_is_waited_for))
