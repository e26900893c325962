#include "enclave/vsock.h"

#include "base/cleanup.h"

#include <assert.h>
#include <linux/vm_sockets.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

enum { MS_PER_S = 1000, US_PER_MS = 1000 };

static RESULT refuse(const char *call, struct detail *detail)
{
    int reason = errno;
    detail_set(detail, "%s (%s)", call, strerror(reason));
    errno = reason;
    return FAIL(UNAVAILABLE, "the parent cannot be reached");
}

/* The call that failed; NULL: none did. */
static const char *attempt(int fd, const struct timeval *limit, const struct sockaddr_vm *address)
{
    if (setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, limit, sizeof(*limit)) != 0) {
        return "setsockopt";
    }
    return connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ? NULL : "connect";
}

RESULT vsock_connect(uint32_t cid, uint32_t port, unsigned timeout_ms, int *fd_out,
                     struct detail *detail)
{
    const struct sockaddr_vm address = {
        .svm_family = AF_VSOCK,
        .svm_port = port,
        .svm_cid = cid,
    };
    const struct timeval limit = {
        .tv_sec = timeout_ms / MS_PER_S,
        .tv_usec = (suseconds_t)(timeout_ms % MS_PER_S) * US_PER_MS,
    };
    assert(timeout_ms > 0); /* the kernel takes 0 for its own two seconds */
    int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return refuse("socket", detail);
    }
    const char *refused = attempt(fd, &limit, &address);
    if (refused != NULL) {
        struct result result = refuse(refused, detail);
        fd_close_ptr(&fd);
        return result;
    }
    *fd_out = fd;
    return OK;
}
