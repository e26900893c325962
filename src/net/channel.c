#include "net/channel.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct channel {
    int fd;
    struct channel_owner owner;
    struct tls_client *tls; /* NULL: in the clear */
    struct event *readable;
    struct event *writable;
    bool ended; /* the other side was told so */
    /* What a call that waits has asked of the socket; each is the obvious but in rare turns of TLS.
     */
    bool read_needs_write;
    bool write_needs_read;
};

static void tell_owner(evutil_socket_t fd, short what, void *context)
{
    const struct channel *channel = context;
    (void)fd;
    (void)what;
    channel->owner.ready(channel->owner.context);
}

static void set_options(int fd)
{
    const int on = 1; /* fails on what is not TCP */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

RESULT channel_new(struct event_loop *loop, int fd, const struct channel_owner *owner,
                   struct channel **out)
{
    CLEANUP(channel_free_ptr) struct channel *channel = calloc(1, sizeof(*channel));
    if (channel == NULL) {
        close(fd);
        return FAIL(UNAVAILABLE, "out of memory");
    }
    struct event_base *base = event_loop_base(loop);
    set_options(fd);
    channel->fd = fd;
    channel->owner = *owner;
    channel->readable = event_new(base, fd, EV_READ | EV_PERSIST, tell_owner, channel);
    channel->writable = event_new(base, fd, EV_WRITE | EV_PERSIST, tell_owner, channel);
    ENSURE(channel->readable != NULL && channel->writable != NULL, UNAVAILABLE, "out of memory");
    *out = STEAL(channel);
    return OK;
}

void channel_free(struct channel *channel)
{
    if (channel == NULL) {
        return;
    }
    if (channel->readable != NULL) {
        event_free(channel->readable);
    }
    if (channel->writable != NULL) {
        event_free(channel->writable);
    }
    if (!channel->ended) { /* TCP only */
        const struct linger now = { .l_onoff = 1, .l_linger = 0 };
        (void)setsockopt(channel->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    }
    tls_client_free(channel->tls);
    close(channel->fd);
    free(channel);
}

RESULT channel_start_tls(struct channel *channel, const struct tls_client_context *context)
{
    channel->tls = tls_client_new(context, &channel->fd);
    ENSURE(channel->tls != NULL, UNAVAILABLE, "out of memory");
    return OK;
}

static enum channel_status status_of_read(struct channel *channel, enum tls_client_status status)
{
    channel->read_needs_write = status == TLS_CLIENT_WANTS_WRITE;
    switch (status) {
    case TLS_CLIENT_DONE:
        return CHANNEL_DONE;
    case TLS_CLIENT_WANTS_READ:
    case TLS_CLIENT_WANTS_WRITE:
        return CHANNEL_WAITS;
    case TLS_CLIENT_ENDED:
        return CHANNEL_ENDED;
    case TLS_CLIENT_FAILED:
        break;
    }
    return CHANNEL_FAILED;
}

static enum channel_status status_of_write(struct channel *channel, enum tls_client_status status)
{
    channel->write_needs_read = status == TLS_CLIENT_WANTS_READ;
    switch (status) {
    case TLS_CLIENT_DONE:
        return CHANNEL_DONE;
    case TLS_CLIENT_WANTS_READ:
    case TLS_CLIENT_WANTS_WRITE:
        return CHANNEL_WAITS;
    case TLS_CLIENT_ENDED: /* nobody is there to take it */
    case TLS_CLIENT_FAILED:
        break;
    }
    return CHANNEL_FAILED;
}

enum channel_status channel_handshake(struct channel *channel, struct detail *detail)
{
    return status_of_write(channel, tls_client_handshake(channel->tls, detail));
}

const struct tls_client *channel_tls(const struct channel *channel)
{
    return channel->tls;
}

void channel_set_owner(struct channel *channel, const struct channel_owner *owner)
{
    channel->owner = *owner;
}

static enum channel_status status_of_errno(void)
{
    bool temporary = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    return temporary ? CHANNEL_WAITS : CHANNEL_FAILED;
}

enum channel_status channel_read(struct channel *channel, void *bytes, size_t size, size_t *got_out)
{
    if (channel->tls != NULL) {
        return status_of_read(channel, tls_client_read(channel->tls, bytes, size, got_out));
    }
    ssize_t got = recv(channel->fd, bytes, size, 0);
    if (got < 0) {
        return status_of_errno();
    }
    *got_out = (size_t)got;
    return got == 0 ? CHANNEL_ENDED : CHANNEL_DONE;
}

enum channel_status channel_write(struct channel *channel, const void *bytes, size_t size,
                                  size_t *sent_out)
{
    if (channel->tls != NULL) {
        return status_of_write(channel, tls_client_write(channel->tls, bytes, size, sent_out));
    }
    ssize_t sent = send(channel->fd, bytes, size, MSG_NOSIGNAL);
    if (sent < 0) {
        return status_of_errno();
    }
    *sent_out = (size_t)sent;
    return CHANNEL_DONE;
}

enum channel_status channel_end(struct channel *channel)
{
    enum channel_status status = CHANNEL_DONE;
    if (channel->tls != NULL) {
        status = status_of_write(channel, tls_client_end(channel->tls));
    } else if (shutdown(channel->fd, SHUT_WR) != 0) {
        status = CHANNEL_FAILED;
    }
    channel->ended = channel->ended || status == CHANNEL_DONE;
    return status;
}

static void watch(struct event *event, bool wanted)
{
    bool watched = event_pending(event, EV_READ | EV_WRITE, NULL) != 0;
    if (wanted && !watched) {
        event_add(event, NULL);
    } else if (!wanted && watched) {
        event_del(event);
    }
}

void channel_wait(struct channel *channel, bool for_reading, bool for_writing)
{
    watch(channel->readable, (for_reading && !channel->read_needs_write) ||
                                 (for_writing && channel->write_needs_read));
    watch(channel->writable, (for_writing && !channel->write_needs_read) ||
                                 (for_reading && channel->read_needs_write));
    if (for_reading && channel->tls != NULL && tls_client_has_more(channel->tls)) {
        event_active(channel->readable, EV_READ, 0);
    }
}
