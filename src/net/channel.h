/* channel.h: one connection of an event loop, in the clear or a client's end of TLS, for code that
 * reads and writes when it can and is told when it may try again. Nothing here waits, nothing is
 * held: what the other side does not take stays with the caller. On the loop's thread. */
#ifndef NET_CHANNEL_H
#define NET_CHANNEL_H

#include "base/cleanup.h"
#include "base/detail.h"
#include "base/result.h"
#include "net/event_loop.h"
#include "net/tls_client.h"

#include <stdbool.h>
#include <stddef.h>

struct channel;

enum channel_status {
    CHANNEL_DONE,
    CHANNEL_WAITS,  /* not now: see channel_wait() */
    CHANNEL_ENDED,  /* reading only: the other side will send no more */
    CHANNEL_FAILED, /* of no more use; a TLS connection that was cut is this, too */
};

/* Who is told. `ready` may free the channel. */
struct channel_owner {
    void (*ready)(void *context);
    void *context;
};

/* Takes over a connected, non-blocking socket, also when it fails. UNAVAILABLE: no memory. */
RESULT channel_new(struct event_loop *loop, int fd, const struct channel_owner *owner,
                   struct channel **out);
/* Closes it; the other side hears an orderly end if it was told one, else a cut. Accepts NULL. */
void channel_free(struct channel *channel);
DEFINE_CLEANUP(struct channel, channel_free);

/* Before the first byte: all that follows goes through TLS. `context` must outlive the channel. */
RESULT channel_start_tls(struct channel *channel, const struct tls_client_context *context);
/* DONE once. FAILED: `detail` says why. */
enum channel_status channel_handshake(struct channel *channel, struct detail *detail);
/* The TLS of a channel, for its certificate and keying material; NULL: in the clear. */
const struct tls_client *channel_tls(const struct channel *channel);

void channel_set_owner(struct channel *channel, const struct channel_owner *owner);

/* DONE: `*got_out` bytes, at least one and at most `size`. */
enum channel_status channel_read(struct channel *channel, void *bytes, size_t size,
                                 size_t *got_out);

/* DONE: `*sent_out` bytes, at least one. After WAITS the same bytes must come first in the next
 * call. */
enum channel_status channel_write(struct channel *channel, const void *bytes, size_t size,
                                  size_t *sent_out);

/* Says that nothing more will be written; reading goes on. */
enum channel_status channel_end(struct channel *channel);

/* From now on the owner is told, again and again, while reading (or writing, a handshake or an end)
 * may be worth another call; with neither, not at all, which is how a channel begins. */
void channel_wait(struct channel *channel, bool for_reading, bool for_writing);

#endif
