/* security_module.h: what PID 1 asks of the hypervisor's security module (/dev/nsm), as an
 * interface, so that the steps of the boot can be proven without one.
 *
 * Each function answers UNAVAILABLE when the module cannot be reached or does not answer, BAD_INPUT
 * when its answer is none. Not for two threads at once. */
#ifndef ENCLAVE_SECURITY_MODULE_H
#define ENCLAVE_SECURITY_MODULE_H

#include "base/result.h"

#include <stddef.h>
#include <stdint.h>

enum {
    SECURITY_MODULE_PCRS = 32,          /* platform configuration registers of a Nitro enclave */
    SECURITY_MODULE_PCRS_MEASURED = 16, /* the first of them: locked before the kernel runs */
    SECURITY_MODULE_RANDOM_SIZE = 256,  /* bytes of one GetRandom */
};

/* What DescribeNSM says, as far as it is looked at. */
struct security_module_facts {
    bool digest_is_sha384;
    uint32_t pcrs_max;
    uint32_t pcrs_locked; /* bit i: register i is locked */
};

struct security_module {
    struct result (*describe)(void *context, struct security_module_facts *out);
    /* Fills `out` whole. */
    struct result (*random)(void *context, uint8_t out[static SECURITY_MODULE_RANDOM_SIZE]);
    /* The hypervisor's time in milliseconds since 1970, of an attestation document made for this.
     */
    struct result (*timestamp)(void *context, uint64_t *ms_out);
    void *context;
};

/* DescribeNSM as a Nitro enclave's module answers it: SHA-384, 32 registers, 0 to 15 locked.
 * REFUSED when it says something else: whatever answers there is not what measured this image. */
RESULT security_module_check(const struct security_module *module);

#endif
