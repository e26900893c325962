/* accelerator.h: what an emulated enclave's CPU is on this machine: its own, or one that is
 * emulated. */
#ifndef ENCLAVE_ACCELERATOR_H
#define ENCLAVE_ACCELERATOR_H

#include <stdbool.h>
#include <stdint.h>

/* Whether this machine's CPU and kernel may run virtual machines. */
bool accelerator_has_kvm(void);

/* The frequency of this machine's time stamp counter in kHz, measured for a tenth of a second; 0:
 * it has none. An emulated CPU counts with it, and its kernel has nothing to find its frequency by.
 */
uint64_t accelerator_tsc_khz(void);

#endif
