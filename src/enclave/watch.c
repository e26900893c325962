#include "enclave/watch.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "enclave/console_view.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NS_PER_MS = 1000 * 1000, SLOTS_MAX = WATCH_LIVES_MAX + 3 };

static const uint64_t part_ms = 90 * 1000;
static const uint64_t gibibyte = (uint64_t)1 << 30;

uint64_t watch_timeout_ms(uint64_t image_size, uint64_t memory)
{
    uint64_t images = image_size == 0 ? 0 : (image_size - 1) / (6 * gibibyte);
    uint64_t memories = memory == 0 ? 0 : (memory - 1) / (100 * gibibyte);
    return part_ms * (1 + images) + part_ms * (1 + memories);
}

/* What one wait waits for. */
struct wait {
    struct pollfd slots[SLOTS_MAX];
    nfds_t count;
};

static void add(struct wait *wait, int fd)
{
    wait->slots[wait->count++] = (struct pollfd){ .fd = fd, .events = POLLIN };
}

/* The watch's own descriptors come first, in this order: stop, lives, console; then `extra`. */
static struct wait begin_wait(const struct watch *watch, int extra)
{
    struct wait wait = { .count = 0 };
    add(&wait, watch->stop);
    for (size_t i = 0; i < WATCH_LIVES_MAX; i++) {
        add(&wait, watch->lives[i]);
    }
    add(&wait, watch->console);
    add(&wait, extra);
    return wait;
}

static int milliseconds_left(uint64_t deadline_ns)
{
    uint64_t now = clock_monotonic_ns();
    if (deadline_ns == UINT64_MAX) {
        return -1;
    }
    uint64_t left = now >= deadline_ns ? 0 : (deadline_ns - now) / NS_PER_MS + 1;
    return left > INT_MAX ? INT_MAX : (int)left;
}

static void copy_console(struct watch *watch)
{
    if (!console_view_copy(watch->console, STDOUT_FILENO, false)) {
        watch->console = -1; /* its end, or nobody reads us: the watch goes on */
    }
}

/* Waits once, until `deadline_ns` unless that is UINT64_MAX. `*done_out`: `event_out` says how it
 * ended; else `extra` may be ready. */
static struct result wait_once(struct watch *watch, int extra, uint64_t deadline_ns, bool *done_out,
                               enum watch_event *event_out)
{
    struct wait wait = begin_wait(watch, extra);
    /* Looked at each time, so that whoever floods the port cannot make this last longer. */
    ENSURE(clock_monotonic_ns() < deadline_ns, UNAVAILABLE,
           "no heartbeat in time: it did not boot; its console (with --debug-mode) says why");
    int ready = poll(wait.slots, wait.count, milliseconds_left(deadline_ns));
    ENSURE(ready >= 0 || errno == EINTR, UNAVAILABLE, "cannot wait for the enclave");
    if (ready <= 0) {
        *done_out = false;
        return OK;
    }
    if (wait.slots[1 + WATCH_LIVES_MAX].revents != 0) {
        copy_console(watch);
    }
    *done_out = true;
    *event_out = WATCH_STOPPED;
    if (wait.slots[0].revents != 0) {
        return OK;
    }
    *event_out = WATCH_ENDED;
    for (size_t i = 0; i < WATCH_LIVES_MAX; i++) {
        if (wait.slots[1 + i].revents != 0) {
            return OK;
        }
    }
    *done_out = false;
    return OK;
}

static bool would_block(ssize_t got)
{
    return got < 0 && (errno == EAGAIN || errno == EINTR);
}

/* Reads the byte from an open connection and sends it back. */
static struct result answer(struct watch *watch, int connection, uint64_t deadline_ns,
                            enum watch_event *out)
{
    const uint8_t beat = WATCH_HEARTBEAT;
    uint8_t byte = 0;
    bool done = false;
    ssize_t got = recv(connection, &byte, 1, MSG_DONTWAIT);
    while (would_block(got)) {
        TRY(wait_once(watch, connection, deadline_ns, &done, out));
        if (done) {
            return OK;
        }
        got = recv(connection, &byte, 1, MSG_DONTWAIT);
    }
    ENSURE(got == 1, BAD_INPUT, "the enclave closed the connection without a heartbeat");
    ENSURE(byte == WATCH_HEARTBEAT, BAD_INPUT,
           "what the enclave sent is not a heartbeat: its image is not made for this launcher");
    ENSURE(send(connection, &beat, 1, MSG_NOSIGNAL) == 1, UNAVAILABLE,
           "the heartbeat cannot be answered");
    *out = WATCH_HEARD;
    return OK;
}

/* Whether the next accept() may do better at once: the connection that was there went away. */
static bool is_passing(int error)
{
    return error == EAGAIN || error == EINTR || error == ECONNABORTED || error == ECONNRESET ||
           error == EPROTO;
}

RESULT watch_heartbeat(struct watch *watch, uint64_t timeout_ms, enum watch_event *out,
                       struct detail *detail)
{
    uint64_t deadline_ns = clock_monotonic_ns() + timeout_ms * NS_PER_MS;
    detail_set(detail, "waited for up to %" PRIu64 " s", timeout_ms / 1000);
    for (;;) {
        bool done = false;
        uint64_t cid = 0;
        TRY(wait_once(watch, watch->listener, deadline_ns, &done, out));
        if (done) {
            return OK;
        }
        CLEANUP(fd_close_ptr)
        int connection = watch->accept(watch->context, watch->listener, &cid);
        if (connection >= 0 && cid == watch->cid) {
            return answer(watch, connection, deadline_ns, out);
        }
        ENSURE(connection >= 0 || is_passing(errno), UNAVAILABLE,
               "cannot take the heartbeat's connection");
    }
}

RESULT watch_life(struct watch *watch, enum watch_event *out)
{
    bool done = false;
    while (!done) {
        TRY(wait_once(watch, -1, UINT64_MAX, &done, out));
    }
    return OK;
}
