#include "app/service.h"

#include "app/command.h"
#include "app/process.h"
#include "base/log.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { DRAIN_SECONDS = 25, LOAD_POLL_NS = 50 * 1000 * 1000 };

static bool is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

static const char *listen_address(const struct stack *stack)
{
    return stack->options.vsock ? "vsock" : stack->settings->server.listen_address;
}

/* What is allowed, but rarely meant. */
static void warn_of_settings(const struct stack *stack)
{
    const struct settings *settings = stack->settings;
    bool is_reached = stack->options.vsock || !is_loopback(settings->server.listen_address);
    if (strcmp(settings->anti_slashing.backend, "noop") == 0) {
        log_warn(
            "THERE IS NO SLASHING PROTECTION: anti_slashing.backend is noop; whatever is asked "
            "for is signed");
    }
    if (settings->memory.allow_unlocked) {
        log_warn("memory.allow_unlocked is on: keys may reach the swap");
    }
    if (is_reached && !certificates_ask_clients(settings)) {
        log_warn("whoever reaches the signing API may use it, there is no authorisation: let only "
                 "validator clients reach it",
                 LOG_TEXT("listen_address", listen_address(stack)));
    }
    if (settings->filesystem.paths.count == 0 && settings->filesystem.keystores_path[0] == '\0' &&
        !settings->key_manager_api.enabled && key_table_count(stack->keys) == 0) {
        log_warn("there will be no keys: neither key_sources.filesystem nor http.key_manager_api "
                 "is configured");
    }
}

static struct result note_validator(const struct pubkey *pubkey, void *context)
{
    (void)pubkey;
    *(bool *)context = true;
    return FAIL(LIMIT, "one is enough");
}

static struct result look_for_validators(struct slashing_store *store, void *context)
{
    (void)store->ops->each_validator(store, note_validator, context);
    return OK;
}

/* A wrong path, or a wrong working directory, would otherwise pass for a fresh beginning. */
static void warn_of_empty_database(const struct stack *stack)
{
    const struct settings *settings = stack->settings;
    bool has_validators = false;
    struct result looked = committer_call(stack->committer, look_for_validators, &has_validators);
    if (!is_ok(looked) || has_validators ||
        strcmp(settings->anti_slashing.backend, "sqlite") != 0) {
        return;
    }
    char *path = realpath(settings->anti_slashing.path, NULL);
    log_warn("the slashing protection database is empty: if a key signed before, stop now and "
             "import its records",
             LOG_TEXT("path", path == NULL ? settings->anti_slashing.path : path));
    free(path);
}

static void log_settings(const struct stack *stack)
{
    const struct settings *settings = stack->settings;
    log_info(
        "containment-chamber starts", LOG_TEXT("version", CHAMBER_VERSION),
        LOG_TEXT("network", stack->network.name), LOG_TEXT("listen_address", listen_address(stack)),
        LOG_NUMBER("listen_port", stack->port), LOG_NUMBER("metrics_port", stack->metrics_port),
        LOG_TEXT("anti_slashing", settings->anti_slashing.backend));
    if (stack->tls_port != 0) {
        log_info("TLS is on, health probes alone are answered in the clear",
                 LOG_NUMBER("tls_port", stack->tls_port),
                 LOG_TEXT("client_certificates",
                          certificates_ask_clients(settings) ? "required" : "not asked for"));
    }
    warn_of_settings(stack);
}

static sigset_t waited_signals(void)
{
    sigset_t waited;
    sigemptyset(&waited);
    sigaddset(&waited, SIGTERM);
    sigaddset(&waited, SIGINT);
    sigaddset(&waited, SIGHUP);
    return waited;
}

void service_block_signals(void)
{
    sigset_t waited = waited_signals();
    pthread_sigmask(SIG_BLOCK, &waited, NULL);
}

static void on_hangup(struct stack *stack)
{
    if (reloader_start_next(stack->reloader)) {
        log_info("SIGHUP: keys are loaded again");
    } else {
        log_info("SIGHUP: keys are loaded again after the load that is running");
    }
}

static bool asks_to_stop(int signal_number)
{
    return signal_number == SIGTERM || signal_number == SIGINT;
}

static void tick(const struct service_options *options, struct stack *stack, bool serves)
{
    if (options->tick != NULL) {
        options->tick(options->context, stack, serves);
    }
}

/* Until a signal says to stop. */
static void serve(struct stack *stack, const struct service_options *options,
                  const sigset_t *waited)
{
    uint64_t watchdog_ns = process_watchdog_ns();
    const struct timespec second = { .tv_sec = 1 };
    for (;;) {
        tick(options, stack, true);
        int signal_number = sigtimedwait(waited, NULL, &second);
        if (asks_to_stop(signal_number)) {
            return;
        }
        if (signal_number == SIGHUP) {
            on_hangup(stack);
        }
        stack_run(stack, signal_number == SIGHUP);
        if (watchdog_ns != 0) { /* the store answered, so the committer is alive */
            process_notify("WATCHDOG=1");
        }
    }
}

/* With key_sources.filesystem.strict a bad key file keeps the signer from starting. `*stop_out`: a
 * signal came that says to stop, which is not put off until all keys are loaded. */
static struct result wait_for_keys(struct stack *stack, const sigset_t *waited, bool *stop_out,
                                   struct detail *detail)
{
    const struct timespec pause = { .tv_nsec = LOAD_POLL_NS };
    *stop_out = false;
    if (!stack->settings->filesystem.strict) {
        return OK;
    }
    struct reload_status status = reloader_status(stack->reloader);
    while (status.state == RELOAD_RUNNING) {
        *stop_out = asks_to_stop(sigtimedwait(waited, NULL, &pause));
        if (*stop_out) {
            return OK;
        }
        stack_run(stack, false); /* else the store would count as silent */
        status = reloader_status(stack->reloader);
    }
    detail_set(detail, "%s", status.last_error);
    ENSURE(status.state == RELOAD_COMPLETED, BAD_INPUT,
           "a key could not be loaded, and key_sources.filesystem.strict is on");
    return OK;
}

/* Ends in order, or, when requests are stuck, at once: what they wait for cannot be freed. */
static int stop(struct stack *stack)
{
    process_notify("STOPPING=1");
    log_info("stopping: requests under way are answered");
    if (!stack_drain(stack, DRAIN_SECONDS)) {
        log_warn("stopping although some requests are still unanswered");
        log_stop();
        _exit(EXIT_FAILED);
    }
    stack_close(stack);
    log_info("stopped");
    log_stop();
    return EXIT_DONE;
}

/* As stop() does: requests that are stuck cannot be waited for. */
static int fail_start(struct stack *stack, const struct detail *detail, struct result result)
{
    if (!stack_drain(stack, DRAIN_SECONDS)) {
        log_stop();
        _exit(command_fail(detail, result));
    }
    stack_close(stack);
    log_stop();
    return command_fail(detail, result);
}

int service_run(const struct settings *settings, const struct service_options *options)
{
    struct detail detail = { "" };
    struct stack stack = { 0 };
    const sigset_t waited = waited_signals();
    bool stops = false;
    struct result result = process_harden();
    result = is_ok(result) ? stack_open(&stack, settings, &options->stack, &detail) : result;
    if (!is_ok(result)) {
        return fail_start(&stack, &detail, result);
    }
    log_settings(&stack);
    warn_of_empty_database(&stack);
    result = stack_start(&stack);
    result = is_ok(result) ? wait_for_keys(&stack, &waited, &stops, &detail) : result;
    if (!is_ok(result)) {
        return fail_start(&stack, &detail, result);
    }
    if (!stops) {
        process_notify("READY=1");
        serve(&stack, options, &waited);
    }
    tick(options, &stack, false);
    return stop(&stack);
}
