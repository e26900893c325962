/*~ The server's life: settings, then the parts from the bottom up, then waiting for signals, then
 * the parts from the top down. */
#include "app/command.h"
#include "app/process.h"
#include "app/stack.h"
#include "base/clock.h"
#include "base/log.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { DRAIN_SECONDS = 25, LOAD_POLL_NS = 50 * 1000 * 1000 };

struct options {
    const char *config_path;
    bool check;
    bool print_example;
    bool print_reference;
    bool help;
};

static int print_text(void (*write)(struct buf *out))
{
    BUF text = BUF_INIT(1024 * 1024);
    write(&text);
    fputs(text.data, stdout);
    return EXIT_DONE;
}

static int print_help(void)
{
    puts(
        "usage: containment-chamber server -c config.yaml [options]\n\n"
        "Answers signing requests of validator clients over the Web3Signer HTTP API, until "
        "SIGTERM.\n"
        "SIGHUP loads the keys and the TLS certificate again.\n\n"
        "  -c, --config FILE            settings, in YAML (or the variable CONTAINMENT_CONFIG)\n"
        "      --check-config           read the settings, say what they are and where each comes\n"
        "                               from, and exit\n"
        "      --print-example-config   write a settings file with every setting explained\n"
        "      --print-config-reference write the settings' reference page (Markdown)\n\n"
        "Settings come from these options, else from the environment "
        "(CONTAINMENT_SERVER__LISTEN_PORT),\n"
        "else from the file, else they have their defaults:\n");
    (void)print_text(config_help);
    puts("\nexamples:\n"
         "  containment-chamber server --print-example-config > config.yaml\n"
         "  containment-chamber server -c config.yaml --check-config\n"
         "  containment-chamber server -c config.yaml --network hoodi --logging-format json");
    return EXIT_DONE;
}

static bool is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

/* What is allowed, but rarely meant. */
static void warn_of_settings(const struct settings *settings)
{
    if (strcmp(settings->anti_slashing.backend, "noop") == 0) {
        log_warn(
            "THERE IS NO SLASHING PROTECTION: anti_slashing.backend is noop; whatever is asked "
            "for is signed");
    }
    if (settings->memory.allow_unlocked) {
        log_warn("memory.allow_unlocked is on: keys may reach the swap");
    }
    if (!is_loopback(settings->server.listen_address) && !certificates_ask_clients(settings)) {
        log_warn("whoever reaches the signing API may use it, there is no authorisation: let only "
                 "validator clients reach it",
                 LOG_TEXT("listen_address", settings->server.listen_address));
    }
    if (settings->filesystem.paths.count == 0 && settings->filesystem.keystores_path[0] == '\0' &&
        !settings->key_manager_api.enabled) {
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
    log_info("containment-chamber starts", LOG_TEXT("version", CHAMBER_VERSION),
             LOG_TEXT("network", stack->network.name),
             LOG_TEXT("listen_address", settings->server.listen_address),
             LOG_NUMBER("listen_port", stack->port),
             LOG_NUMBER("metrics_port", stack->metrics_port),
             LOG_TEXT("anti_slashing", settings->anti_slashing.backend));
    if (stack->tls_port != 0) {
        log_info("TLS is on, health probes alone are answered in the clear",
                 LOG_NUMBER("tls_port", stack->tls_port),
                 LOG_TEXT("client_certificates",
                          certificates_ask_clients(settings) ? "required" : "not asked for"));
    }
    warn_of_settings(settings);
}

/* Blocks the signals that the main thread waits for; all other threads inherit that. */
static void block_signals(sigset_t *waited)
{
    sigemptyset(waited);
    sigaddset(waited, SIGTERM);
    sigaddset(waited, SIGINT);
    sigaddset(waited, SIGHUP);
    pthread_sigmask(SIG_BLOCK, waited, NULL);
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

/* Until a signal says to stop. */
static void serve(struct stack *stack, const sigset_t *waited)
{
    uint64_t watchdog_ns = process_watchdog_ns();
    const struct timespec second = { .tv_sec = 1 };
    for (;;) {
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

static int run(const struct settings *settings)
{
    struct detail detail = { "" };
    struct stack stack = { 0 };
    sigset_t waited;
    bool stops = false;
    block_signals(&waited);
    struct result result = process_harden();
    result = is_ok(result) ? stack_open(&stack, settings, NULL, &detail) : result;
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
        serve(&stack, &waited);
    }
    return stop(&stack);
}

/* That the setting names a network is known only above the configuration's layer. */
static struct result check_network(const struct config *config, struct detail *detail)
{
    struct network network;
    struct result found = stack_network(config_settings(config), &network, detail);
    if (!is_ok(found)) {
        detail_prefix(detail, "%s: ", config_origin(config, "network"));
    }
    return found;
}

static int check(const struct config *config)
{
    BUF text = BUF_INIT(1024 * 1024);
    config_describe(config, &text);
    fputs(text.data, stdout);
    return EXIT_DONE;
}

/* A file for an enclave can be checked anywhere, but is served by the image's own program alone. */
static struct result check_place(const struct config *config, struct detail *detail)
{
    const char *platform = config_settings(config)->tee.platform;
    config_say(config, "tee.platform", platform, detail);
    ENSURE(strcmp(platform, "none") == 0, BAD_INPUT,
           "runs only in an enclave's image, which the parent gives this file; here it can be "
           "checked (--check-config)");
    return OK;
}

int command_server(int count, char *const *arguments)
{
    struct options options = { 0 };
    const struct command_option known[] = {
        { "--config", "-c", &options.config_path, NULL },
        { "--check-config", NULL, NULL, &options.check },
        { "--print-example-config", NULL, NULL, &options.print_example },
        { "--print-config-reference", NULL, NULL, &options.print_reference },
        { "--help", "-h", NULL, &options.help },
    };
    struct detail detail = { "" };
    CLEANUP(config_free_ptr) struct config *config = NULL;
    struct result configured = command_configure(
        count, arguments, known, sizeof(known) / sizeof(known[0]), &config, &detail);
    if (options.help || options.print_example || options.print_reference) {
        return options.help            ? print_help()
               : options.print_example ? print_text(config_example)
                                       : print_text(config_reference);
    }
    configured = is_ok(configured) ? check_network(config, &detail) : configured;
    if (!is_ok(configured)) {
        return command_usage(&detail, configured);
    }
    if (options.check) {
        return check(config);
    }
    configured = check_place(config, &detail);
    if (!is_ok(configured)) {
        return command_usage(&detail, configured);
    }
    enum log_level level = LOG_LEVEL_INFO;
    enum log_format format = LOG_FORMAT_TEXT;
    const struct settings *settings = config_settings(config);
    (void)log_level_parse(settings->logging.level, &level); /* choices of the table */
    (void)log_format_parse(settings->logging.format, &format);
    log_start(level, format);
    return run(settings);
}
