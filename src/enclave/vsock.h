/* vsock.h: streams from the enclave to its parent. */
#ifndef ENCLAVE_VSOCK_H
#define ENCLAVE_VSOCK_H

#include "base/detail.h"
#include "base/result.h"

#include <stdint.h>

/* Connects to port `port` of the machine `cid` and waits at most `timeout_ms`, which is not 0.
 * `*fd_out` is a blocking stream, closed on exec; the caller closes it. UNAVAILABLE: `detail` names
 * the system call and its reason, and errno has it. */
RESULT vsock_connect(uint32_t cid, uint32_t port, unsigned timeout_ms, int *fd_out,
                     struct detail *detail);

#endif
