/* SPDX-License-Identifier: GPL-2.0-or-later OR Apache-2.0 */
#include "nsm-signer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { ANSWER_TIMEOUT_S = 30 };

static bool send_all(int fd, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) {
            return false;
        }
        bytes += sent;
        size -= (size_t)sent;
    }
    return true;
}

static bool receive_all(int fd, uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t received = recv(fd, bytes, size, 0);
        if (received < 0 && errno == EINTR) {
            continue;
        }
        if (received <= 0) {
            return false;
        }
        bytes += received;
        size -= (size_t)received;
    }
    return true;
}

static bool exchange(int fd, uint8_t *document, size_t capacity, size_t *size)
{
    uint8_t head[4] = { (uint8_t)(*size >> 24), (uint8_t)(*size >> 16), (uint8_t)(*size >> 8),
                        (uint8_t)*size };
    if (!send_all(fd, head, sizeof(head)) || !send_all(fd, document, *size) ||
        !receive_all(fd, head, sizeof(head))) {
        return false;
    }
    size_t answer = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    if (answer == 0 || answer > capacity || !receive_all(fd, document, answer)) {
        return false;
    }
    *size = answer;
    return true;
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct timeval timeout = { .tv_sec = ANSWER_TIMEOUT_S };
    if (strlen(path) >= sizeof(address.sun_path)) {
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) != 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

bool nsm_sign_document(uint8_t *document, size_t capacity, size_t *size)
{
    const char *path = getenv("CHAMBER_NSM_SIGNER");
    if (path == NULL) {
        return true;
    }
    int fd = connect_to(path);
    if (fd < 0) {
        return false;
    }
    bool done = exchange(fd, document, capacity, size);
    close(fd);
    return done;
}
