/* supervisor.h: what PID 1 does once everything runs: it waits. It reaps every process that ends,
 * keeps the clock, and returns when the server has ended or the clock cannot be trusted: whoever
 * calls it then ends the enclave. */
#ifndef ENCLAVE_SUPERVISOR_H
#define ENCLAVE_SUPERVISOR_H

#include "enclave/clock_keeper.h"
#include "enclave/server_process.h"

enum {
    SUPERVISOR_STOP_S = 25, /* for the server to end itself after SIGTERM; then SIGKILL */
};

/* Blocks all signals, which supervisor_run() then waits for, and has ctrl-alt-del come as one
 * (SIGINT) instead of ending the machine at once. Before the server is started. */
RESULT supervisor_prepare(struct detail *detail);

/* Waits as described above. SIGTERM and SIGINT ask the server to end (SIGTERM, once), and kill it
 * after SUPERVISOR_STOP_S. Says on the console how the server ended. REFUSED or UNAVAILABLE: the
 * clock's failure, with the server still alive. */
RESULT supervisor_run(const struct server_process *server, struct clock_keeper *clock,
                      struct detail *detail);

/* "exited with status 3", "killed by SIGSYS": what wait() said, in words. */
void supervisor_describe(int status, struct detail *out);

#endif
