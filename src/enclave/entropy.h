/* entropy.h: seeds the kernel's random number generator from the security module.
 *
 * An enclave has no disk, no interrupts worth counting and no memory of an earlier boot: until
 * something random comes from the hypervisor, keys made in it could be guessed. */
#ifndef ENCLAVE_ENTROPY_H
#define ENCLAVE_ENTROPY_H

#include "base/detail.h"
#include "enclave/security_module.h"

enum {
    ENTROPY_DRAWS = 4
}; /* GetRandom calls: 1024 bytes, four times what the kernel's pool takes */

/* Draws ENTROPY_DRAWS times, credits each draw as fully random (RNDADDENTROPY) and then sees that
 * the kernel gives random bytes without waiting. Nothing is credited when a draw is constant or
 * equal to another. UNAVAILABLE or REFUSED: nothing secret may be made. */
RESULT entropy_seed(const struct security_module *module, struct detail *detail);

#endif
