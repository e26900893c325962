/* heartbeat.h: tells the parent that PID 1 runs, as the launchers of Nitro enclaves expect it: one
 * byte to vsock port 9000 of the parent, which sends it back. */
#ifndef ENCLAVE_HEARTBEAT_H
#define ENCLAVE_HEARTBEAT_H

#include "base/detail.h"

#include <stdint.h>

enum {
    HEARTBEAT_PORT = 9000,
    HEARTBEAT_BYTE = 0xB7,
    HEARTBEAT_ATTEMPTS = 5,
    HEARTBEAT_CONNECT_MS = 2000, /* for one connection to stand */
    HEARTBEAT_ANSWER_S = 5,      /* for the byte to be sent, and for it to come back */
    HEARTBEAT_PAUSE_S = 1,       /* between attempts */
};

/* UNAVAILABLE: no answer in HEARTBEAT_ATTEMPTS attempts; `detail` has the last one's reason.
 * BAD_INPUT at once when another byte comes back: what listens there is not a launcher. */
RESULT heartbeat_exchange(uint32_t parent_cid, struct detail *detail);

#endif
