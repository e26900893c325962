/* watch.h: waiting for an enclave: for its heartbeat while it boots, then for its end. The
 * heartbeat is one byte that the enclave's init sends to port 9000 of this machine, and expects
 * back. */
#ifndef ENCLAVE_WATCH_H
#define ENCLAVE_WATCH_H

#include "base/detail.h"
#include "base/result.h"

#include <stddef.h>
#include <stdint.h>

enum { WATCH_HEARTBEAT_PORT = 9000, WATCH_HEARTBEAT = 0xb7, WATCH_LIVES_MAX = 2 };

/* How long an enclave may take until its heartbeat, in milliseconds: 90 s for each begun 6 GiB of
 * the image, and 90 s for each begun 100 GiB of memory, as AWS's own launcher waits. */
uint64_t watch_timeout_ms(uint64_t image_size, uint64_t memory);

enum watch_event {
    WATCH_HEARD,   /* the heartbeat came, and was answered */
    WATCH_ENDED,   /* the enclave died */
    WATCH_STOPPED, /* somebody wants it to end */
};

struct watch {
    int lives[WATCH_LIVES_MAX]; /* readable or hung up as soon as the enclave is dead; -1: none */
    int stop;                   /* readable when somebody wants the end */
    int console;  /* bytes of the console, to be copied to standard output; -1: none */
    int listener; /* where the heartbeat comes in */
    /* The listener's next connection, not blocking, and the CID it comes from; -1. */
    int (*accept)(void *context, int listener, uint64_t *cid_out);
    void *context;
    uint64_t cid; /* the enclave's: what others send is not its heartbeat */
};

/* Waits for the heartbeat; what of another CID connects is let go. BAD_INPUT: the enclave sent
 * another byte, or went away without one. UNAVAILABLE: nothing within the time. */
RESULT watch_heartbeat(struct watch *watch, uint64_t timeout_ms, enum watch_event *out,
                       struct detail *detail);

/* Waits until the enclave died or is to be stopped, without a bound. */
RESULT watch_life(struct watch *watch, enum watch_event *out);

#endif
