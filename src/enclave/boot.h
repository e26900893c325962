/* boot.h: PID 1 of the enclave, from its first instruction to the end of the enclave.
 *
 * The steps stand in a table and are done in its order; each holds, or ends everything: one line
 * "chamber-enclave: <step>: <reason>" on the console, and a reboot, which ends an enclave. There is
 * no way on with a step left out, and none back. docs/enclave.md says what each does. */
#ifndef ENCLAVE_BOOT_H
#define ENCLAVE_BOOT_H

#include "enclave/security_module.h"
#include "enclave/server_process.h"

/* Opens the security module for the boot; UNAVAILABLE when there is none. */
typedef struct result boot_module_open(struct security_module *out, struct detail *detail);

/* Boots, runs `entry` as the server, and ends the enclave when that ends: as PID 1 it does not
 * return. As any other process it does nothing and gives REFUSED. */
RESULT boot_run(boot_module_open *open_module, server_entry *entry);

#endif
