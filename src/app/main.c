#include "app/command.h"

#include "app/process.h"
#include "base/json.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int count, char *const *arguments);
    const char *summary;
} commands[] = {
    { "server", command_server, "answer signing requests (this is the signer)" },
    { "parent", command_parent, "run beside an enclave: its connections, configuration and logs" },
    { "slashing", command_slashing, "import, export and check slashing protection data" },
    { "atls", command_atls,
      "verify that a signer runs in the enclave that you trust; a local door to it" },
    { "enclave", command_enclave, "run an enclave image on this instance, list and stop enclaves" },
    { "bench", command_bench, "measure what a signature costs on this machine" },
    { "eif", command_eif, "build, describe, verify and measure images of Nitro Enclaves" },
    { "version", command_version, "say which version this is" },
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void print_help(FILE *out)
{
    fputs(
        "containment-chamber: a remote signer for Ethereum validators, with slashing protection.\n"
        "Validator clients ask it for signatures over the Web3Signer HTTP API.\n\n"
        "usage: containment-chamber <command> [options]\n\ncommands:\n",
        out);
    for (size_t i = 0; i < COMMANDS; i++) {
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
    }
    fputs("\n'containment-chamber <command> --help' explains a command. To begin:\n\n"
          "  containment-chamber server --print-example-config > config.yaml\n"
          "  containment-chamber server -c config.yaml --check-config\n"
          "  containment-chamber server -c config.yaml\n\n"
          "exit codes: 0 done, 1 failed or refused, 2 wrong call or configuration\n",
          out);
}

/* What could not be written was not done: a settings file on a full disk is cut short. */
static int finish_output(int code)
{
    if (code != EXIT_DONE || (fflush(stdout) == 0 && !ferror(stdout))) {
        return code;
    }
    struct detail detail;
    detail_set(&detail, "standard output (%s)", strerror(errno));
    return command_fail(&detail, FAIL(UNAVAILABLE, "cannot be written"));
}

static int run_command(int count, char *const *arguments)
{
    const char *name = count > 1 ? arguments[1] : "--help";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_help(count > 1 ? stdout : stderr);
        return count > 1 ? EXIT_DONE : EXIT_USAGE;
    }
    name = strcmp(name, "--version") == 0 ? "version" : name;
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return commands[i].run(count - 1, arguments + 1);
        }
    }
    struct detail detail;
    detail_set(&detail, "%s", name);
    return command_usage(&detail, FAIL(BAD_INPUT, "unknown command; --help lists them"));
}

int main(int count, char *const *arguments)
{
    process_keep_streams();
    json_init();
    signal(SIGPIPE, SIG_IGN);
    return finish_output(run_command(count, arguments));
}
