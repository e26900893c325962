/* machine.h: what an enclave runs on: the Nitro hypervisor, or QEMU. */
#ifndef ENCLAVE_MACHINE_H
#define ENCLAVE_MACHINE_H

#include "base/detail.h"
#include "base/result.h"
#include "enclave/record.h"
#include "enclave/watch.h"

struct enclave_machine {
    /* Begins to listen for the heartbeat, then starts the enclave. Fills in the record's CID,
     * memory, CPUs and sockets, and all of the watch but `stop`. A watch without `listener` is one
     * that no heartbeat is to be waited for. On failure stop() is called all the same. */
    struct result (*start)(void *context, struct enclave_record *record, struct watch *watch,
                           struct detail *detail);
    /* Ends the enclave and waits until nothing of it is left. */
    void (*stop)(void *context);
    void *context;
};

#define WATCH_NONE \
    ((struct watch){ .lives = { -1, -1 }, .stop = -1, .console = -1, .listener = -1 })

#endif
