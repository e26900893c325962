#include "enclave/ne_machine.h"

#include <errno.h>
#include <string.h>

/* Before the enclave runs: its init connects once. */
static struct result begin_listening(struct ne_machine *machine, struct detail *detail)
{
    const struct ne_system *system = machine->system;
    machine->listener = system->listen(system->context, WATCH_HEARTBEAT_PORT);
    if (machine->listener >= 0) {
        return OK;
    }
    detail_set(detail, "vsock port %d (%s)", (int)WATCH_HEARTBEAT_PORT, strerror(errno));
    ENSURE(errno != EADDRINUSE, UNAVAILABLE,
           "another enclave is being started, or another program answers heartbeats: try again "
           "later, or leave them to that program with --no-heartbeat");
    return FAIL(UNAVAILABLE, "cannot listen for the heartbeat; is the kernel's vsock there?");
}

static struct result start(void *context, struct enclave_record *record, struct watch *watch,
                           struct detail *detail)
{
    struct ne_machine *machine = context;
    if (machine->heartbeat) {
        TRY(begin_listening(machine, detail));
    }
    TRY(launcher_start(machine->system, machine->order, &machine->launched, detail));
    const struct launched *launched = &machine->launched;
    record->cid = launched->cid;
    record->memory = launched->memory;
    record->cpu_count = launched->cpu_count;
    memcpy(record->cpus, launched->cpus, sizeof(record->cpus));
    watch->lives[0] = launched->fd;
    watch->listener = machine->listener;
    watch->accept = machine->system->accept;
    watch->context = machine->system->context;
    watch->cid = launched->cid;
    return OK;
}

static void stop(void *context)
{
    struct ne_machine *machine = context;
    const struct ne_system *system = machine->system;
    launcher_stop(system, &machine->launched);
    if (machine->listener >= 0) {
        system->close(system->context, machine->listener);
        machine->listener = -1;
    }
}

struct enclave_machine ne_machine(struct ne_machine *context)
{
    return (struct enclave_machine){ .start = start, .stop = stop, .context = context };
}
