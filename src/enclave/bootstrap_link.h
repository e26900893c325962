/* bootstrap_link.h: one stream to the parent: frames out, frames in, never waiting. What comes in
 * is read at a bounded pace, so that no parent can keep the enclave busy. One thread. */
#ifndef ENCLAVE_BOOTSTRAP_LINK_H
#define ENCLAVE_BOOTSTRAP_LINK_H

#include "base/buf.h"
#include "base/detail.h"
#include "base/result.h"
#include "base/secret.h"
#include "enclave/bootstrap.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BOOTSTRAP_LINK_READ = 16 * 1024, /* bytes taken from the stream at once */
    BOOTSTRAP_LINK_STEPS = 256,      /* reads and frames in one window; what is more waits */
};

struct bootstrap_link {
    int fd; /* -1: there is no stream */
    uint64_t window_ns;
    struct bootstrap_decoder decoder;
    struct secret_block input; /* bytes read; wiped as they are used */
    size_t input_at;
    size_t input_size;
    bool deaf; /* SHUTDOWN came: what follows is thrown away */
    uint64_t window_began_ns;
    unsigned steps;    /* taken in this window */
    struct buf output; /* the frame on its way */
    size_t sent;
};

/* Takes a frame. What fails ends the connection. */
typedef struct result bootstrap_link_handler(void *context, const struct bootstrap_frame *frame);

/* UNAVAILABLE: no memory. bootstrap_link_done() must be called after either. */
RESULT bootstrap_link_init(struct bootstrap_link *link, uint64_t window_ns);
void bootstrap_link_done(struct bootstrap_link *link);

/* Begins with a stream socket, which is taken over; blocking or not makes no difference. */
void bootstrap_link_open(struct bootstrap_link *link, int fd);
/* Closes the stream, if there is one, and forgets and wipes all that came and was to go. */
void bootstrap_link_close(struct bootstrap_link *link);

/* Reads what is there and hands each whole frame to `handler`, as far as the pace allows.
 * UNAVAILABLE: the stream has ended; `detail` has the system's reason, if it gave one. Others: as
 * bootstrap_read() and the handler. */
RESULT bootstrap_link_receive(struct bootstrap_link *link, uint64_t now_ns,
                              bootstrap_link_handler *handler, void *context,
                              struct detail *detail);
/* When bootstrap_link_receive() may read again: 0: now. */
uint64_t bootstrap_link_pause_ns(const struct bootstrap_link *link, uint64_t now_ns);

/* A frame is on its way. */
bool bootstrap_link_is_sending(const struct bootstrap_link *link);
/* Makes a frame that bootstrap_link_flush() sends; none is on its way. As bootstrap_write(). */
RESULT bootstrap_link_put(struct bootstrap_link *link, enum bootstrap_type type,
                          const void *payload, size_t size);
/* Sends what the stream takes. UNAVAILABLE: it has ended; `detail` has the system's reason. */
RESULT bootstrap_link_flush(struct bootstrap_link *link, struct detail *detail);

#endif
