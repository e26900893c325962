/* nsm_module.h: /dev/nsm (enclave/nsm.h) as PID 1 asks it (enclave/security_module.h). */
#ifndef ENCLAVE_NSM_MODULE_H
#define ENCLAVE_NSM_MODULE_H

#include "base/detail.h"
#include "enclave/security_module.h"

/* Opens /dev/nsm for the life of the process; once. The time is that of an attestation document
 * without claims, whose signature is not checked: the device is the hypervisor's, and nothing that
 * the parent says gets there. Fails as nsm_open() does. */
RESULT nsm_module_open(struct security_module *out, struct detail *detail);

#endif
