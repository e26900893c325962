/* The enclave subcommands: one process runs an enclave, the others find it by its record. */
#include "app/enclave.h"
#include "app/command.h"
#include "base/clock.h"
#include "base/decimal.h"
#include "enclave/console_view.h"
#include "enclave/registry.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>

enum { STOP_SECONDS = 60, STOP_SECONDS_MAX = 3600 };

struct options {
    const char *name;
    const char *runtime_dir;
    const char *timeout;
    bool json;
    bool all;
    bool raw;
};

static struct result open_registry(const struct options *options, struct registry *out,
                                   struct detail *detail)
{
    const char *folder =
        options->runtime_dir == NULL ? REGISTRY_DEFAULT_FOLDER : options->runtime_dir;
    return registry_open(folder, false, out, detail);
}

/* ----------------------------------------------------------------------------------------- list */

/* What is listed: the text so far, and how many there are. */
struct listing {
    struct buf text;
    size_t count;
    bool json;
};

static void listing_done(struct listing *listing)
{
    buf_free(&listing->text);
}

static const char *mode_of(const struct enclave_record *record)
{
    if (record->emulated) {
        return "emulated";
    }
    return record->debug ? "debug" : "nitro";
}

static const char *state_of(const struct enclave_record *record, bool alive)
{
    if (!alive) {
        return "dead";
    }
    return record->running ? "running" : "starting";
}

static void add_row(struct listing *listing, const struct enclave_record *record, bool alive)
{
    char started[CLOCK_TEXT_SIZE];
    char image[sizeof(record->image)];
    size_t size = strlen(record->image);
    memcpy(image, record->image, size + 1);
    image[console_view_neutralise(image, size)] = '\0';
    clock_format(record->started, started);
    buf_printf(&listing->text, "%-16s %-8s %10" PRIu64 " %8d %8" PRIu64 " %4zu %-8s %s %s\n",
               record->name, state_of(record, alive), record->cid, (int)record->launcher,
               record->memory >> 20, record->cpu_count, mode_of(record), started, image);
}

static void add_record(struct listing *listing, const struct enclave_record *record, bool alive)
{
    if (listing->json) {
        buf_append_text(&listing->text, listing->count == 0 ? "" : ",\n");
        record_write(record, alive, &listing->text);
    } else {
        add_row(listing, record, alive);
    }
    listing->count++;
}

/* One record; a broken file is said on stderr, and hides none of the others. */
static struct result list_one(const struct registry *registry, const char *name,
                              struct listing *listing, struct detail *detail)
{
    struct enclave_record record;
    bool alive = false;
    struct result found = registry_find(registry, name, &record, &alive, detail);
    if (found.status == STATUS_NOT_FOUND) { /* it ended meanwhile */
        return OK;
    }
    TRY(found);
    add_record(listing, &record, alive);
    return OK;
}

static void print_listing(const struct listing *listing)
{
    if (listing->json) {
        printf("[%s]\n", listing->text.size == 0 ? "" : listing->text.data);
    } else {
        printf("%-16s %-8s %10s %8s %8s %4s %-8s %-20s %s\n%s", "NAME", "STATE", "CID", "PID",
               "MEM_MIB", "CPUS", "MODE", "STARTED", "IMAGE",
               listing->text.size == 0 ? "" : listing->text.data);
    }
}

static int act_list(const struct options *options)
{
    struct detail detail = { "" };
    struct registry registry;
    CLEANUP(listing_done)
    struct listing listing = { .text = BUF_INIT(64 * 1024 * 1024), .json = options->json };
    CLEANUP(free_ptr) char(*names)[RECORD_NAME_MAX + 1] = NULL;
    size_t count = 0;
    int code = EXIT_DONE;
    struct result result = open_registry(options, &registry, &detail);
    if (is_ok(result)) {
        result = registry_names(&registry, &names, &count, &detail);
    }
    if (!is_ok(result) && result.status != STATUS_NOT_FOUND) {
        return command_fail(&detail, result);
    }
    for (size_t i = 0; i < count; i++) {
        result = list_one(&registry, names[i], &listing, &detail);
        code = is_ok(result) ? code : command_fail(&detail, result);
    }
    print_listing(&listing);
    return code;
}

/* ----------------------------------------------------------------------------------------- stop */

static struct result stop_one(const struct registry *registry, const char *name, int patience_ms,
                              struct detail *detail)
{
    struct enclave_record record;
    bool alive = false;
    TRY(registry_find(registry, name, &record, &alive, detail));
    CLEANUP(fd_close_ptr) int launcher = registry_open_launcher(&record);
    detail_set(detail, "%s", name);
    if (launcher < 0) {
        struct result removed = registry_remove_dead(registry, name, detail);
        ENSURE(removed.status != STATUS_REFUSED, UNAVAILABLE,
               "cannot be watched, and so not be stopped");
        TRY(removed);
        detail_set(detail, "%s", name);
        return FAIL(NOT_FOUND,
                    "its launcher is dead, and so is the enclave; what was left is removed");
    }
    if (pidfd_send_signal(launcher, SIGTERM, NULL, 0) != 0) {
        detail_set(detail, "%s, process %d (%s)", name, (int)record.launcher, strerror(errno));
        return FAIL(UNAVAILABLE, "cannot be told to stop; run this as who started it");
    }
    struct pollfd ended = { .fd = launcher, .events = POLLIN };
    int ready = poll(&ended, 1, patience_ms);
    ENSURE(ready >= 0, UNAVAILABLE, "cannot wait for its end");
    ENSURE(ready > 0, UNAVAILABLE,
           "it was told to stop, and has not ended in time; wait longer with --timeout");
    fprintf(stderr, "stopped %s\n", name);
    return OK;
}

static int stop_all(const struct registry *registry, int patience_ms)
{
    struct detail detail = { "" };
    CLEANUP(free_ptr) char(*names)[RECORD_NAME_MAX + 1] = NULL;
    size_t count = 0;
    int code = EXIT_DONE;
    struct result result = registry_names(registry, &names, &count, &detail);
    if (!is_ok(result)) {
        return command_fail(&detail, result);
    }
    for (size_t i = 0; i < count; i++) {
        result = stop_one(registry, names[i], patience_ms, &detail);
        if (!is_ok(result) && result.status != STATUS_NOT_FOUND) {
            code = command_fail(&detail, result);
        }
    }
    return code;
}

static int act_stop(const struct options *options)
{
    struct detail detail = { "" };
    struct registry registry;
    uint64_t seconds = STOP_SECONDS;
    if ((options->name != NULL) == options->all) {
        detail_set(&detail, "enclave stop");
        return command_usage(&detail, FAIL(BAD_INPUT, "needs a name, or --all"));
    }
    if (options->timeout != NULL &&
        (!is_ok(decimal_parse(options->timeout, strlen(options->timeout), &seconds)) ||
         seconds > STOP_SECONDS_MAX)) {
        detail_set(&detail, "--timeout %s", options->timeout);
        return command_usage(&detail, FAIL(BAD_INPUT, "is not a number of seconds up to 3600"));
    }
    int patience_ms = (int)seconds * 1000;
    struct result result = open_registry(options, &registry, &detail);
    if (options->all && result.status == STATUS_NOT_FOUND) {
        return EXIT_DONE;
    }
    if (is_ok(result) && options->all) {
        return stop_all(&registry, patience_ms);
    }
    if (is_ok(result)) {
        result = stop_one(&registry, options->name, patience_ms, &detail);
    }
    return is_ok(result) ? EXIT_DONE : command_fail(&detail, result);
}

/* -------------------------------------------------------------------------------------- console */

static struct result show_console(const struct enclave_record *record, int launcher, bool raw,
                                  struct detail *detail)
{
    CLEANUP(fd_close_ptr) int console = -1;
    detail_set(detail, "%s", record->name);
    if (record->emulated) {
        ENSURE(record->console[0] != '\0', REFUSED,
               "its console goes to the standard output of its 'enclave run'");
        return console_view_follow(record->console, launcher, STDOUT_FILENO, raw, detail);
    }
    ENSURE(
        record->debug, REFUSED,
        "only an enclave in debug mode has a console; it would have to be run with --debug-mode");
    ENSURE(record->cid != 0, UNAVAILABLE, "it has not been started yet");
    TRY(console_view_connect(record->cid, &console, detail));
    while (console_view_copy(console, STDOUT_FILENO, raw)) {
    }
    return OK;
}

static int act_console(const struct options *options)
{
    struct detail detail = { "" };
    struct registry registry;
    struct enclave_record record;
    bool alive = false;
    if (options->name == NULL) {
        detail_set(&detail, "enclave console");
        return command_usage(&detail, FAIL(BAD_INPUT, "needs the enclave's name"));
    }
    struct result result = open_registry(options, &registry, &detail);
    if (is_ok(result)) {
        result = registry_find(&registry, options->name, &record, &alive, &detail);
    }
    if (is_ok(result)) {
        CLEANUP(fd_close_ptr) int launcher = registry_open_launcher(&record);
        detail_set(&detail, "%s", options->name);
        result = launcher < 0 ? FAIL(NOT_FOUND, "the enclave does not run any more")
                              : show_console(&record, launcher, options->raw, &detail);
    }
    return is_ok(result) ? EXIT_DONE : command_fail(&detail, result);
}

/* ------------------------------------------------------------------------------------- the rest */

static int print_help(void)
{
    puts(
        "usage: containment-chamber enclave <action> [options]\n\n"
        "Runs an enclave image on this AWS instance, through /dev/nitro_enclaves; or emulated.\n\n"
        "  run IMAGE              start an enclave and hold it: it ends with this process, and\n"
        "                         SIGTERM ends it in order. Exit code 1 when it dies by itself.\n"
        "         --name NAME     1 to 32 of a-z, 0-9, '-' (default: the image file's name)\n"
        "         --memory MIB    at least 64, and four times the image (default: 512)\n"
        "         --cpus N        CPUs, whole cores, chosen by the driver (default: 2)\n"
        "         --cpu-ids 2,3   or these CPUs of the pool\n"
        "         --cid N         4 or more (default: chosen by the hypervisor)\n"
        "         --numa-node N   memory of that node (default: that of the pool's CPUs)\n"
        "         --debug-mode    its console can be read; its measurements are all zero, so\n"
        "                         that it gets no keys and no client trusts it\n"
        "         --heartbeat-timeout SECONDS   how long it may boot (default: 180 and more)\n"
        "         --no-heartbeat  another program answers the heartbeat on vsock port 9000\n"
        "         --logging-format text|json\n"
        "         --emulate       in QEMU, for development: it protects nothing\n"
        "         --qemu PATH, --vhost-device-vsock PATH, --firmware DIR[:DIR]\n"
        "                         the emulator's programs (default: CHAMBER_EMULATOR_TOOLS, PATH)\n"
        "         --accelerator kvm|tcg   this machine's CPU, or an emulated one\n"
        "         --parent-role ARN, --parent-id ID   what an emulated PCR3 and PCR4 measure\n"
        "         --console FILE  where an emulated console goes; - for standard output\n"
        "  list                   the enclaves of the runtime directory\n"
        "         --json          as JSON\n"
        "  stop NAME              end an enclave and wait for it; --all for all of them\n"
        "         --timeout SECONDS   how long to wait (default: 60)\n"
        "  console NAME           show the console of an enclave that is in debug mode or "
        "emulated,\n"
        "                         until it ends; what could steer a terminal is shown as '?'\n"
        "         --raw           show all bytes as they are\n\n"
        "  --runtime-dir DIR      of all actions (default: " REGISTRY_DEFAULT_FOLDER ")\n\n"
        "examples:\n"
        "  containment-chamber enclave run enclave.eif --memory 1024 --cpus 2\n"
        "  containment-chamber enclave run enclave.eif --name test --debug-mode\n"
        "  containment-chamber enclave console test\n"
        "  containment-chamber enclave list --json\n"
        "  containment-chamber enclave stop test\n"
        "  containment-chamber enclave run enclave.eif --emulate --runtime-dir /tmp/enclaves");
    return EXIT_DONE;
}

static const struct action {
    const char *name;
    const char *takes; /* its own options */
    bool takes_name;
    int (*act)(const struct options *options);
} actions[] = {
    { "list", "--json", false, act_list },
    { "stop", "--all --timeout", true, act_stop },
    { "console", "--raw", true, act_console },
};

static int run_action(const struct action *action, int count, char *const *arguments)
{
    struct options options = { .name = NULL };
    const struct command_option all[] = {
        { "--runtime-dir", NULL, &options.runtime_dir, NULL },
        { "--timeout", NULL, &options.timeout, NULL },
        { "--json", NULL, NULL, &options.json },
        { "--all", NULL, NULL, &options.all },
        { "--raw", NULL, NULL, &options.raw },
    };
    struct command_option known[sizeof(all) / sizeof(all[0])];
    size_t known_count = 0;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (all[i].value == &options.runtime_dir || strstr(action->takes, all[i].name) != NULL) {
            known[known_count++] = all[i];
        }
    }
    if (action->takes_name && count > 1 && arguments[1][0] != '-') {
        options.name = arguments[1];
        count--;
        arguments++;
    }
    struct detail detail = { "" };
    struct result read = command_read_options(count, arguments, known, known_count, &detail);
    return is_ok(read) ? action->act(&options) : command_usage(&detail, read);
}

static bool asks_for_help(int count, char *const *arguments)
{
    for (int i = 1; i < count; i++) {
        if (strcmp(arguments[i], "--help") == 0 || strcmp(arguments[i], "-h") == 0) {
            return true;
        }
    }
    return count <= 1;
}

int command_enclave(int count, char *const *arguments)
{
    if (asks_for_help(count, arguments)) {
        return print_help();
    }
    if (strcmp(arguments[1], "run") == 0) {
        return enclave_run(count - 1, arguments + 1);
    }
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (strcmp(actions[i].name, arguments[1]) == 0) {
            return run_action(&actions[i], count - 1, arguments + 1);
        }
    }
    struct detail detail;
    detail_set(&detail, "enclave %s", arguments[1]);
    return command_usage(&detail, FAIL(BAD_INPUT, "unknown action; --help lists them"));
}
