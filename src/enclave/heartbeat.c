#include "enclave/heartbeat.h"

#include "base/cleanup.h"
#include "enclave/vsock.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

static RESULT refuse(const char *call, struct detail *detail)
{
    detail_set(detail, "%s (%s)", call, strerror(errno));
    return FAIL(UNAVAILABLE, "the parent does not answer the heartbeat");
}

static bool set_times(int fd)
{
    const struct timeval limit = { .tv_sec = HEARTBEAT_ANSWER_S };
    return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == 0 &&
           setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0;
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
    CLEANUP(fd_close_ptr) int fd = -1;
    if (!is_ok(vsock_connect(parent_cid, HEARTBEAT_PORT, HEARTBEAT_CONNECT_MS, &fd, detail))) {
        return FAIL(UNAVAILABLE, "the parent does not answer the heartbeat");
    }
    if (!set_times(fd)) {
        return refuse("setsockopt", detail);
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
