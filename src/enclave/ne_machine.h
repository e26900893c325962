/* ne_machine.h: the Nitro hypervisor as what an enclave runs on, by way of the launcher. */
#ifndef ENCLAVE_NE_MACHINE_H
#define ENCLAVE_NE_MACHINE_H

#include "enclave/launcher.h"
#include "enclave/machine.h"

struct ne_machine {
    const struct ne_system *system;
    const struct launch_order *order;
    bool heartbeat; /* false: somebody else answers it */
    int listener;
    struct launched launched;
};

#define NE_MACHINE(the_system, the_order, answers) \
    ((struct ne_machine){ .system = (the_system),  \
                          .order = (the_order),    \
                          .heartbeat = (answers),  \
                          .listener = -1,          \
                          .launched = { .fd = -1 } })

/* The machine of `context`, which must outlive it. */
struct enclave_machine ne_machine(struct ne_machine *context);

#endif
