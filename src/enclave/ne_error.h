/* ne_error.h: what a refusal of the Nitro Enclaves driver means, and what to do about it. The
 * numbers are those of linux/nitro_enclaves.h, and errno's. */
#ifndef ENCLAVE_NE_ERROR_H
#define ENCLAVE_NE_ERROR_H

#include "base/result.h"

/* The sentence for `error`, as errno has it after a call of /dev/nitro_enclaves failed. Never OK.
 * LIMIT: the pool of CPUs or of memory has too little. BAD_INPUT: what was asked for cannot be.
 * UNAVAILABLE: anything else; what errno knows itself has one sentence, and the caller names the
 * number in its detail. */
RESULT ne_error(int error);

#endif
