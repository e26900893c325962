/* The server in the enclave as far as it goes: all parts of a signer, opened without a database
 * and without keys, on the loopback, where nobody can reach it. */
#include "app/enclave_server.h"

#include "app/stack.h"
#include "base/clock.h"
#include "base/log.h"
#include "config/load.h"

#include <signal.h>

enum { DRAIN_SECONDS = 20, DONE = 0, FAILED = 1 };

static RESULT configure(struct config *config, struct detail *detail)
{
    char flag[] = "--anti-slashing-backend=noop";
    char *const flags[] = { flag, NULL };
    int used = 0;
    return config_read_flag(config, 1, flags, &used, detail);
}

static void wait_for_end(struct stack *stack)
{
    const struct timespec second = { .tv_sec = 1 };
    sigset_t waited;
    sigemptyset(&waited);
    sigaddset(&waited, SIGTERM);
    while (sigtimedwait(&waited, NULL, &second) != SIGTERM) {
        stack_run(stack, false);
    }
}

static RESULT serve(struct stack *stack, const struct config *config, struct detail *detail)
{
    TRY(stack_open(stack, config_settings(config), detail));
    TRY(stack_start(stack));
    log_info("no configuration is asked for, and no key can be loaded: nothing will be signed",
             LOG_NUMBER("listen_port", stack->port));
    wait_for_end(stack);
    return OK;
}

int enclave_server(const struct boot_line *line)
{
    struct detail detail = { "" };
    struct stack stack = { 0 };
    CLEANUP(config_free_ptr) struct config *config = NULL;
    sigset_t waited;
    (void)line;
    sigemptyset(&waited);
    sigaddset(&waited, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &waited, NULL);
    struct result result = config_new(&config);
    result = is_ok(result) ? configure(config, &detail) : result;
    result = is_ok(result) ? serve(&stack, config, &detail) : result;
    if (!is_ok(result)) {
        log_error("the server ends", LOG_TEXT("reason", result.what),
                  LOG_TEXT("detail", detail.text));
        return FAILED;
    }
    if (!stack_drain(&stack, DRAIN_SECONDS)) {
        return FAILED;
    }
    stack_close(&stack);
    return DONE;
}
