/* trusted_time.h: what time it is, as the hypervisor has it: from its clock device where there is
 * one, else from the security module. Never from the parent, who would gain by it: a clock that is
 * late at the start lets signatures be made again that a lost store has forgotten, and certificates
 * be used that have expired. */
#ifndef ENCLAVE_TRUSTED_TIME_H
#define ENCLAVE_TRUSTED_TIME_H

#include "base/detail.h"
#include "enclave/security_module.h"

/* Bounds of a time that can be true: 2026-01-01 and 2100-01-01, in seconds since 1970. */
#define TRUSTED_TIME_MIN_S UINT64_C(1767225600)
#define TRUSTED_TIME_MAX_S UINT64_C(4102444800)

struct trusted_time {
    int fd; /* /dev/ptp0, or -1: there is none, and the security module is asked */
    const struct security_module *module;
};

/* Opens the clock device. Its absence is no failure: machines without KVM have none. UNAVAILABLE:
 * it is there and cannot be opened. */
RESULT trusted_time_open(const struct security_module *module, struct trusted_time *out,
                         struct detail *detail);

/* "/dev/ptp0" or "the security module". */
const char *trusted_time_name(const struct trusted_time *source);

/* Nanoseconds since 1970. UNAVAILABLE: the source does not answer. BAD_INPUT: what it answers lies
 * outside of the bounds above. */
RESULT trusted_time_read(const struct trusted_time *source, uint64_t *ns_out);

/* The same of the security module, whatever else there is: a second opinion at the start. */
RESULT trusted_time_of_module(const struct security_module *module, uint64_t *ns_out);

#endif
