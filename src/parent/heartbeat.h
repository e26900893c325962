/* heartbeat.h: the port where an enclave's init says that it runs: it sends one byte, 0xB7, and
 * waits for the same byte. */
#ifndef PARENT_HEARTBEAT_H
#define PARENT_HEARTBEAT_H

#include "net/stream.h"

#include <stdatomic.h>

enum { HEARTBEAT_BYTE = 0xB7 };

struct heartbeat {
    atomic_uint_fast64_t beats; /* answered */
    atomic_uint_fast64_t wrong; /* another byte: the connection was closed */
};

/* Its context is a struct heartbeat. Any other byte, or a second one, ends the connection. */
extern const struct stream_protocol heartbeat_protocol;

#endif
