#include "enclave/heartbeat.h"

#include "base/cleanup.h"

#include <linux/vm_sockets.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

static RESULT refuse(const char *call, struct detail *detail)
{
    detail_set(detail, "%s (%s)", call, strerror(errno));
    return FAIL(UNAVAILABLE, "the parent does not answer the heartbeat");
}

static bool set_time(int fd, int level, int option, long seconds)
{
    const struct timeval limit = { .tv_sec = seconds };
    return setsockopt(fd, level, option, &limit, sizeof(limit)) == 0;
}

static bool set_times(int fd)
{
    return set_time(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, HEARTBEAT_CONNECT_S) &&
           set_time(fd, SOL_SOCKET, SO_SNDTIMEO, HEARTBEAT_ANSWER_S) &&
           set_time(fd, SOL_SOCKET, SO_RCVTIMEO, HEARTBEAT_ANSWER_S);
}

static RESULT exchange(int fd, struct detail *detail)
{
    uint8_t byte = HEARTBEAT_BYTE;
    if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1) {
        return refuse("send", detail);
    }
    byte = 0;
    ssize_t size = recv(fd, &byte, 1, 0);
    if (size < 0) {
        return refuse("recv", detail);
    }
    detail_set(detail, "recv");
    ENSURE(size == 1, UNAVAILABLE, "the parent hung up on the heartbeat");
    detail_set(detail, "0x%02x", byte);
    ENSURE(byte == HEARTBEAT_BYTE, BAD_INPUT,
           "the parent answered the heartbeat with another byte");
    return OK;
}

static RESULT attempt(uint32_t parent_cid, struct detail *detail)
{
    const struct sockaddr_vm address = {
        .svm_family = AF_VSOCK,
        .svm_port = HEARTBEAT_PORT,
        .svm_cid = parent_cid,
    };
    CLEANUP(fd_close_ptr) int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return refuse("socket", detail);
    }
    if (!set_times(fd)) {
        return refuse("setsockopt", detail);
    }
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        return refuse("connect", detail);
    }
    return exchange(fd, detail);
}

RESULT heartbeat_exchange(uint32_t parent_cid, struct detail *detail)
{
    const struct timespec pause = { .tv_sec = HEARTBEAT_PAUSE_S };
    struct result result = attempt(parent_cid, detail);
    for (int i = 1; i < HEARTBEAT_ATTEMPTS && result.status == STATUS_UNAVAILABLE; i++) {
        (void)nanosleep(&pause, NULL);
        result = attempt(parent_cid, detail);
    }
    return result;
}
