/* stream.h: a server of a small protocol on an event loop: it takes connections at an endpoint and
 * hands their bytes to a protocol. Bounded as all here: connections, bytes that a peer is slow to
 * take, and the time without a byte from it. */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include "base/cleanup.h"
#include "base/detail.h"
#include "base/result.h"
#include "net/endpoint.h"
#include "net/event_loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stream; /* one connection */
struct stream_server;

/* What a protocol does. Called on the loop's thread. */
struct stream_protocol {
    /* A connection is there. What it gives is the `connection` of the other calls; NULL: refused,
     * and nothing else is called. */
    void *(*open)(struct stream *stream, void *context);
    /* Bytes arrived. False: closes the connection, when what was written has been taken. */
    bool (*bytes)(void *connection, const uint8_t *bytes, size_t size);
    /* It is over, whoever ended it; the stream is gone after this. */
    void (*close)(void *connection);
};

struct stream_server_settings {
    struct endpoint listen;
    const struct stream_protocol *protocol;
    void *context;
    uint32_t peer_cid;        /* where a vsock's connections must come from; 0: from anywhere */
    size_t connections_max;   /* at the limit the oldest makes room: its peer may be gone */
    size_t unsent_max;        /* bytes waiting for one peer to take them */
    unsigned idle_timeout_ms; /* without a byte from the peer; also to take what it was sent last */
};

/* `loop` is borrowed. As endpoint_listen(). */
RESULT stream_server_new(struct event_loop *loop, const struct stream_server_settings *settings,
                         struct stream_server **out, struct detail *detail);

/* Closes everything at once, and frees. Accepts NULL. */
void stream_server_free(struct stream_server *server);
DEFINE_CLEANUP(struct stream_server, stream_server_free);

/* Sends bytes, whose copy is wiped when the peer has taken them. LIMIT: the peer has not taken what
 * is waiting, and nothing of these bytes is sent. */
RESULT stream_write(struct stream *stream, const void *bytes, size_t size);

/* Takes no more bytes, and closes when what was written has been taken. May be called from within
 * `bytes`; `close` is called later. */
void stream_end(struct stream *stream);

#endif
