/*~ The parent's life: settings, then all of its ports, then the loop until a signal says to stop.
 */
#include "parent/parent.h"

#include "app/command.h"
#include "app/process.h"
#include "base/log.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { DRAIN_MS = 10 * 1000, TICK_MS = 200, TEXT_MAX = 256 * 1024 };

struct options {
    const char *config_path;
    bool check;
    bool print_example;
    bool help;
};

struct running {
    struct parent parent;
    bool draining;
    unsigned drained_ms;
    uint64_t watchdog_ns;
};

static int print_page(void (*write)(const struct schema *schema, struct buf *out))
{
    BUF text = BUF_INIT(TEXT_MAX);
    write(&parent_schema, &text);
    fputs(text.data, stdout);
    return EXIT_DONE;
}

static int print_help(void)
{
    puts(
        "usage: containment-chamber parent -c parent.yaml [options]\n\n"
        "Runs beside an enclave: carries connections into it and out of it, and serves its\n"
        "configuration and credentials, until SIGTERM. SIGHUP reads the credentials again;\n"
        "SIGUSR1 asks the enclave to stop.\n\n"
        "  -c, --config FILE            settings, in YAML\n"
        "      --check-config           read the settings, say what they are and where each comes\n"
        "                               from, and exit\n"
        "      --print-example-config   write a settings file with every setting explained\n\n"
        "Settings come from these options, else from the file, else they have their defaults:\n");
    (void)print_page(config_help_of);
    puts("\nexamples:\n"
         "  containment-chamber parent --print-example-config > parent.yaml\n"
         "  containment-chamber parent -c parent.yaml --check-config\n"
         "  containment-chamber parent -c parent.yaml --logging-format json");
    return EXIT_DONE;
}

static void on_stop(void *context)
{
    struct running *running = context;
    if (!running->draining) {
        process_notify("STOPPING=1");
        log_info("stopping: open connections may end by themselves",
                 LOG_NUMBER("connections", relays_active(running->parent.relays)));
        relays_stop_listening(running->parent.relays);
        running->draining = true;
    } else { /* asked twice: at once */
        event_loop_stop(running->parent.loop);
    }
}

static void on_hangup(void *context)
{
    struct running *running = context;
    struct detail detail = { "" };
    struct result read = bootstrap_server_refresh(running->parent.bootstrap, &detail);
    if (is_ok(read)) {
        log_info("SIGHUP: the credentials were read again");
    } else {
        char reason[DETAIL_SIZE];
        detail_line(&detail, read, reason, sizeof(reason));
        log_warn("SIGHUP: the credentials cannot be read; the enclave keeps those it has",
                 LOG_TEXT("reason", reason));
    }
}

static void on_shut_down(void *context)
{
    struct running *running = context;
    const char *reason = "the operator asked for it";
    if (bootstrap_server_shut_down(running->parent.bootstrap, reason) > 0) {
        log_info("SIGUSR1: the enclave is asked to stop");
    } else {
        log_warn("SIGUSR1: no enclave is connected that could be asked to stop");
    }
}

static void on_tick(void *context)
{
    struct running *running = context;
    if (running->watchdog_ns != 0) {
        process_notify("WATCHDOG=1");
    }
    if (!running->draining) {
        return;
    }
    running->drained_ms += TICK_MS;
    if (relays_active(running->parent.relays) == 0 || running->drained_ms >= DRAIN_MS) {
        event_loop_stop(running->parent.loop);
    }
}

static void log_start_of(const struct parent *parent)
{
    log_info("parent starts", LOG_TEXT("version", CHAMBER_VERSION),
             LOG_TEXT("transport", parent->settings->enclave.transport),
             LOG_NUMBER("metrics_port", parent->metrics_port));
    for (size_t i = 0; i < parent->route_count; i++) {
        log_info("relay", LOG_TEXT("direction", parent->routes[i].direction),
                 LOG_TEXT("relay", parent->routes[i].route->text),
                 LOG_NUMBER("port", relay_port(parent->routes[i].relay)));
    }
}

/* Each connection takes two, and the rest of the process some. */
static void warn_of_descriptors(const struct parent_settings *settings)
{
    enum { OTHERS = 256 };
    uint64_t wanted = 2 * settings->relays.max_connections + OTHERS;
    if (process_files_max() < wanted) {
        log_warn("relays.max_connections needs more file descriptors than the process may have "
                 "open (LimitNOFILE, ulimit -n)",
                 LOG_NUMBER("limit", process_files_max()), LOG_NUMBER("needed", wanted));
    }
}

/* Signals are events of the loop while it runs. */
static struct result serve(struct running *running)
{
    static const struct {
        int number;
        void (*run)(void *context);
    } signals[] = {
        { SIGTERM, on_stop }, { SIGINT, on_stop }, { SIGHUP, on_hangup }, { SIGUSR1, on_shut_down }
    };
    enum { SIGNALS = sizeof(signals) / sizeof(signals[0]) };
    struct loop_source *sources[SIGNALS + 1] = { NULL };
    struct event_loop *loop = running->parent.loop;
    struct result result = loop_every(loop, TICK_MS, on_tick, running, &sources[SIGNALS]);
    for (size_t i = 0; is_ok(result) && i < SIGNALS; i++) {
        result = loop_on_signal(loop, signals[i].number, signals[i].run, running, &sources[i]);
    }
    if (is_ok(result)) {
        log_start_of(&running->parent);
        warn_of_descriptors(running->parent.settings);
        process_notify("READY=1");
        result = event_loop_run(loop);
    }
    for (size_t i = 0; i <= SIGNALS; i++) {
        loop_source_free(sources[i]);
    }
    return result;
}

static int run(const struct parent_settings *settings, const struct parent_routes *routes)
{
    static struct running running;
    struct detail detail = { "" };
    running.watchdog_ns = process_watchdog_ns();
    struct result result = process_harden();
    result = is_ok(result) ? parent_open(&running.parent, settings, routes, &detail) : result;
    bool opened = is_ok(result);
    result = opened ? serve(&running) : result;
    parent_close(&running.parent);
    if (is_ok(result)) {
        log_info("stopped");
    }
    log_stop();
    return is_ok(result) ? EXIT_DONE : command_fail(&detail, result);
}

int command_parent(int count, char *const *arguments)
{
    struct options options = { 0 };
    const struct command_option known[] = {
        { "--config", "-c", &options.config_path, NULL },
        { "--check-config", NULL, NULL, &options.check },
        { "--print-example-config", NULL, NULL, &options.print_example },
        { "--help", "-h", NULL, &options.help },
    };
    static struct parent_routes routes;
    struct detail detail = { "" };
    CLEANUP(config_free_ptr) struct config *config = NULL;
    const struct command_options all = { known, sizeof(known) / sizeof(known[0]) };
    struct result result =
        command_configure_of(&parent_schema, count, arguments, &all, &config, &detail);
    if (options.help || options.print_example) {
        return options.help ? print_help() : print_page(config_example_of);
    }
    result = is_ok(result) ? parent_settings_read(config, &routes, &detail) : result;
    if (!is_ok(result)) {
        return command_usage(&detail, result);
    }
    if (options.check) {
        BUF text = BUF_INIT(TEXT_MAX);
        config_describe(config, &text);
        fputs(text.data, stdout);
        return EXIT_DONE;
    }
    enum log_level level = LOG_LEVEL_INFO;
    enum log_format format = LOG_FORMAT_TEXT;
    const struct parent_settings *settings = config_values(config);
    (void)log_level_parse(settings->logging.level, &level); /* choices of the table */
    (void)log_format_parse(settings->logging.format, &format);
    log_start(level, format);
    return run(settings, &routes);
}
