/*~ The subcommand `server`: from the command line to settings, and from there to app/service.h. */
#include "app/command.h"
#include "app/service.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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
    service_block_signals();
    return service_run(settings, &(struct service_options){ .tick = NULL });
}
