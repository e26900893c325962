/* run.h: an enclave's life, held by this process from claiming its name to removing its record. */
#ifndef ENCLAVE_RUN_H
#define ENCLAVE_RUN_H

#include "enclave/machine.h"
#include "enclave/registry.h"

struct run_order {
    const struct enclave_machine *machine;
    const struct registry *registry;
    struct enclave_record *record; /* name, image, debug, emulated; the rest is filled in */
    int stop;                      /* readable: the enclave is to end */
    uint64_t heartbeat_ms;         /* how long it may take to boot */
    void (*ready)(void);           /* its heartbeat was heard, or none is waited for; may be NULL */
};

/* Runs the enclave until it is stopped (OK) or dies (UNAVAILABLE). Whatever the end: the enclave
 * has ended, and its record is removed; so is, when it was stopped, the console's file of the
 * runtime directory. The class of a failure to start is that of the step that
 * failed.
 */
RESULT run_enclave(const struct run_order *order, struct detail *detail);

#endif
