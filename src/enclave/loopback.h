/* loopback.h: the loopback interface, which the kernel leaves down. */
#ifndef ENCLAVE_LOOPBACK_H
#define ENCLAVE_LOOPBACK_H

#include "base/detail.h"

/* Brings "lo" up: 127.0.0.0/8 can be bound and reached. UNAVAILABLE: `detail` has the system's
 * reason. */
RESULT loopback_up(struct detail *detail);

#endif
