/* command.h: the subcommands and what they share. */
#ifndef APP_COMMAND_H
#define APP_COMMAND_H

#include "base/detail.h"
#include "base/result.h"
#include "config/load.h"

#include <stdbool.h>

/* Exit codes of every subcommand. */
enum {
    EXIT_DONE = 0,   /* it did what was asked */
    EXIT_FAILED = 1, /* it could not, or refused; the reason is on stderr in one line */
    EXIT_USAGE = 2,  /* the call or the configuration was wrong; stderr says where */
};

/* `arguments[0]` is the subcommand's name. Each answers --help. */
int command_server(int count, char *const *arguments);
int command_slashing(int count, char *const *arguments);
int command_atls(int count, char *const *arguments);
int command_parent(int count, char *const *arguments);
int command_enclave(int count, char *const *arguments);
int command_bench(int count, char *const *arguments);
int command_eif(int count, char *const *arguments);
int command_version(int count, char *const *arguments);

/* "containment-chamber: <detail>: <what>" on stderr; EXIT_FAILED, or EXIT_USAGE for BAD_INPUT of a
 * command line. */
int command_fail(const struct detail *detail, struct result result);
int command_usage(const struct detail *detail, struct result result);

/* What a command line is read into: settings, and options of the subcommand itself. */
struct command_option {
    const char *name;   /* "--from" */
    const char *letter; /* "-c", or NULL */
    const char **value; /* takes the next argument; one that begins with -- needs the = form */
    bool *flag;         /* … or is set to true; exactly one of the two is not NULL */
};

/* Reads the arguments of a subcommand that takes no settings. BAD_INPUT with the argument in
 * `detail`: unknown, without its value, or there twice. At most 64 options. */
RESULT command_read_options(int count, char *const *arguments, const struct command_option *options,
                            size_t option_count, struct detail *detail);

/* An option that may be given several times; or operands: the arguments that are no options. */
struct command_list {
    const char *name;    /* "--ramdisk"; of operands, what they are: "FILE" */
    const char **values; /* room for `max` */
    size_t max;
    size_t count; /* how many were read; zero at first */
};

struct command_syntax {
    const struct command_option *options;
    size_t option_count;
    struct command_list *lists;
    size_t list_count;
    struct command_list *operands; /* NULL: there may be none */
};

/* The same for a subcommand that takes lists. LIMIT: more values than a list has room for. Whether
 * there are enough is for the caller to see. */
RESULT command_read(int count, char *const *arguments, const struct command_syntax *syntax,
                    struct detail *detail);

/* Reads the arguments behind the subcommand: its own options and the settings' flags; then loads
 * the configuration in the order file, environment, flags. `config_path` is the value of
 * -c/--config, or that of CONTAINMENT_CONFIG; NULL: no file. BAD_INPUT with the place in `detail`.
 */
RESULT command_configure(int count, char *const *arguments, const struct command_option *options,
                         size_t option_count, struct config **out, struct detail *detail);

/* The same for another table of settings, which has no environment: only the file and the flags. */
struct command_options {
    const struct command_option *items;
    size_t count;
};
RESULT command_configure_of(const struct schema *schema, int count, char *const *arguments,
                            const struct command_options *options, struct config **out,
                            struct detail *detail);

#endif
