#include "scripted_parent.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

enum { PATIENCE_S = 60, FRAME_MAX = BOOTSTRAP_HEADER_SIZE + BOOTSTRAP_CONFIGURATION_MAX };

static void need(bool condition, const char *what)
{
    if (!condition) {
        printf("# the scripted parent: %s (%s)\n", what, strerror(errno));
        abort();
    }
}

void parent_init(struct parent *parent)
{
    *parent = (struct parent){ .send_buffer = 0 };
    need(pipe2(parent->streams, O_CLOEXEC) == 0, "pipe");
    need(pipe2(parent->log, O_CLOEXEC) == 0, "pipe");
}

static void close_one(int *fd)
{
    fd_close_ptr(fd);
    *fd = -1;
}

/* The log's reading end is the client's. */
void parent_done(struct parent *parent)
{
    struct pollfd left = { .fd = parent->streams[0], .events = POLLIN };
    close_one(&parent->streams[1]);
    while (poll(&left, 1, 0) > 0 && (left.revents & POLLIN) != 0) { /* never accepted */
        int stream = -1;
        need(read(parent->streams[0], &stream, sizeof(stream)) == sizeof(stream), "read");
        close(stream);
    }
    close_one(&parent->streams[0]);
    close_one(&parent->log[1]);
}

int parent_connect(void *context)
{
    struct parent *parent = context;
    int ends[2];
    atomic_fetch_add(&parent->tries, 1);
    if (atomic_load(&parent->away)) {
        errno = ECONNREFUSED;
        return -1;
    }
    need(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
    const struct timeval patience = { .tv_sec = PATIENCE_S };
    need(setsockopt(ends[1], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0 &&
             setsockopt(ends[1], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0,
         "setsockopt");
    if (parent->send_buffer > 0) {
        need(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &parent->send_buffer, sizeof(int)) == 0,
             "setsockopt");
    }
    if (atomic_load(&parent->cuts)) {
        close(ends[1]);
    } else {
        need(write(parent->streams[1], &ends[1], sizeof(int)) == sizeof(int), "write");
    }
    return ends[0];
}

int parent_accept(struct parent *parent, uint8_t nonce_out[BOOTSTRAP_NONCE_SIZE])
{
    static struct heard hello;
    struct pollfd next = { .fd = parent->streams[0], .events = POLLIN };
    int stream = -1;
    need(poll(&next, 1, PATIENCE_S * 1000) == 1, "the client does not connect");
    need(read(parent->streams[0], &stream, sizeof(stream)) == sizeof(stream), "read");
    need(parent_hears(stream, &hello) && hello.type == BOOTSTRAP_HELLO &&
             hello.size == BOOTSTRAP_NONCE_SIZE,
         "the client does not say HELLO");
    if (nonce_out != NULL) {
        memcpy(nonce_out, hello.payload, BOOTSTRAP_NONCE_SIZE);
    }
    return stream;
}

bool parent_sends(int stream, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        ssize_t done = send(stream, at, size, MSG_NOSIGNAL);
        if (done < 0) {
            need(errno == EPIPE || errno == ECONNRESET, "send");
            return false;
        }
        at += done;
        size -= (size_t)done;
    }
    return true;
}

bool parent_says(int stream, enum bootstrap_type type, const void *payload, size_t size)
{
    BUF frame = BUF_INIT(FRAME_MAX);
    need(is_ok(bootstrap_write(type, payload, size, &frame)) && is_ok(buf_check(&frame)), "frame");
    bool sent = parent_sends(stream, frame.data, frame.size);
    secret_wipe(frame.data, frame.size);
    return sent;
}

bool parent_configures(int stream, const char *text)
{
    return parent_says(stream, BOOTSTRAP_CONFIGURATION, text, strlen(text));
}

/* False: the end came first. */
static bool receive(int stream, void *out, size_t size)
{
    char *at = out;
    while (size > 0) {
        ssize_t got = recv(stream, at, size, 0);
        if (got <= 0) {
            need(got == 0 || errno == ECONNRESET, "recv");
            return false;
        }
        at += got;
        size -= (size_t)got;
    }
    return true;
}

bool parent_hears(int stream, struct heard *out)
{
    uint8_t header[BOOTSTRAP_HEADER_SIZE];
    if (!receive(stream, header, sizeof(header))) {
        return false;
    }
    need(memcmp(header, "CCBP\x01", 5) == 0 && header[6] == 0 && header[7] == 0, "header");
    out->type = (enum bootstrap_type)header[5];
    out->size =
        (size_t)header[8] << 24 | (size_t)header[9] << 16 | (size_t)header[10] << 8 | header[11];
    need(out->size < sizeof(out->payload), "a frame that is too long");
    out->payload[out->size] = '\0';
    return receive(stream, out->payload, out->size);
}

bool parent_hears_type(int stream, enum bootstrap_type type, struct heard *out)
{
    while (parent_hears(stream, out)) {
        if (out->type == type) {
            return true;
        }
    }
    return false;
}

bool parent_hears_end(int stream)
{
    char bytes[4096];
    ssize_t got = 1;
    while (got > 0) {
        got = recv(stream, bytes, sizeof(bytes), 0);
    }
    need(got == 0 || errno == ECONNRESET, "the client does not close the stream");
    return true;
}

void parent_logs(const struct parent *parent, const char *text)
{
    size_t size = strlen(text);
    while (size > 0) {
        ssize_t done = write(parent->log[1], text, size);
        need(done > 0, "write");
        text += done;
        size -= (size_t)done;
    }
}
