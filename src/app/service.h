/* service.h: a running signer's life: its parts from the bottom up, then waiting for signals, then
 * the parts from the top down. The same on a plain host and in an enclave. */
#ifndef APP_SERVICE_H
#define APP_SERVICE_H

#include "app/stack.h"

#include <stdbool.h>

struct service_options {
    struct stack_options stack;
    /* Called when it serves and about every second from then on; and, with `serves` false, when it
     * stops. May be NULL. The main thread. */
    void (*tick)(void *context, struct stack *stack, bool serves);
    void *context;
};

/* Blocks the signals that service_run() waits for: before any thread is made, which all must have
 * them blocked. */
void service_block_signals(void);

/* Runs the signer until SIGTERM or SIGINT; SIGHUP loads keys and certificates again. Returns the
 * exit status, after one line on stderr when it is EXIT_FAILED. The log has been started; it is
 * stopped at the end. Requests that are stuck end the process at once, with that status. */
int service_run(const struct settings *settings, const struct service_options *options);

#endif
