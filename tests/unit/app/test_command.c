#include "app/command.h"
#include "harness.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The options of a subcommand that there is not. */
static struct {
    const char *config;
    const char *from;
    bool dry_run;
} given;

static const struct command_option options[] = {
    { "--config", "-c", &given.config, NULL },
    { "--from", NULL, &given.from, NULL },
    { "--dry-run", "-n", NULL, &given.dry_run },
};
enum { OPTIONS = sizeof(options) / sizeof(options[0]) };

/* A command line of at most so many words behind the subcommand's name. */
enum { WORDS = 6 };
struct line {
    char *words[WORDS + 2];
    char text[WORDS + 2][64];
    int count;
};

static void make_line(struct line *line, const char *const words[WORDS])
{
    line->count = 1;
    snprintf(line->text[0], sizeof(line->text[0]), "subcommand");
    for (size_t i = 0; i < WORDS && words[i] != NULL; i++) {
        snprintf(line->text[line->count++], sizeof(line->text[0]), "%s", words[i]);
    }
    for (int i = 0; i < line->count; i++) {
        line->words[i] = line->text[i];
    }
    line->words[line->count] = NULL;
    memset(&given, 0, sizeof(given));
}

/* What a person reads of it; "ok" when it could be read. */
static const char *read_line(const char *const words[WORDS])
{
    static char text[DETAIL_SIZE + 128];
    static struct line line; /* what was given points into it */
    struct detail detail = { "" };
    make_line(&line, words);
    struct result read = command_read_options(line.count, line.words, options, OPTIONS, &detail);
    detail_line(is_ok(read) ? NULL : &detail, read, text, sizeof(text));
    return is_ok(read) || read.status == STATUS_BAD_INPUT ? text : "another status";
}

#define WORDS_OF(...) ((const char *const[WORDS]){ __VA_ARGS__ })

TEST(options_are_read_in_both_forms)
{
    CHECK_TEXT(read_line(WORDS_OF(NULL)), "ok");
    CHECK(given.config == NULL && given.from == NULL && !given.dry_run);
    CHECK_TEXT(read_line(WORDS_OF("--from", "a.json", "--dry-run", "-c", "b.yaml")), "ok");
    CHECK_TEXT(given.from, "a.json");
    CHECK_TEXT(given.config, "b.yaml");
    CHECK(given.dry_run);
    CHECK_TEXT(read_line(WORDS_OF("--from=a=b", "--config=", "-n")), "ok");
    CHECK_TEXT(given.from, "a=b");
    CHECK_TEXT(given.config, "");
    CHECK(given.dry_run);
    CHECK_TEXT(read_line(WORDS_OF("-c=x", "--from", "-")), "ok");
    CHECK_TEXT(given.config, "x");
    CHECK_TEXT(given.from, "-");
    CHECK_TEXT(read_line(WORDS_OF("--from=--dry-run")), "ok");
    CHECK_TEXT(given.from, "--dry-run");
    CHECK(!given.dry_run);
}

TEST(what_is_wrong_with_a_command_line_is_said)
{
    static const char unknown[] = "unknown option; --help lists them";
    static const char value[] = "the option needs a value";
    static const struct {
        const char *words[WORDS];
        const char *place;
        const char *what;
    } cases[] = {
        { { "--form", "a" }, "--form", unknown },
        { { "file" }, "file", unknown },
        { { "" }, "", unknown },
        { { "-" }, "-", unknown },
        { { "--" }, "--", unknown },
        { { "--fro", "a" }, "--fro", unknown },
        { { "--fromm", "a" }, "--fromm", unknown },
        { { "from", "a" }, "from", unknown },
        { { "--dry-run", "yes" }, "yes", unknown },
        { { "=" }, "=", unknown },
        { { "--from" }, "--from", value },
        { { "--dry-run", "-c" }, "-c", value },
        { { "--from", "--dry-run" }, "--from", value },
        { { "--dry-run=true" }, "--dry-run=true", "the option takes no value" },
        { { "--from", "a", "--from", "b" }, "--from", "the option is given twice" },
        { { "-c", "a", "--config=b" }, "--config=b", "the option is given twice" },
        { { "-n", "--dry-run" }, "--dry-run", "the option is given twice" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char wanted[256];
        bool has_place = cases[i].place[0] != '\0';
        snprintf(wanted, sizeof(wanted), "%s%s%s", cases[i].place, has_place ? ": " : "",
                 cases[i].what);
        CHECK_TEXT(read_line(cases[i].words), wanted);
    }
}

/* A settings file that is there for one test. */
static char file[] = "/tmp/chamber-command-XXXXXX";

static bool write_file(const char *text)
{
    snprintf(file, sizeof(file), "/tmp/chamber-command-XXXXXX");
    int fd = mkstemp(file);
    bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return written;
}

static void clear_environment(void)
{
    unsetenv("CONTAINMENT_CONFIG");
    unsetenv("CONTAINMENT_SERVER__LISTEN_PORT");
    unsetenv("CONTAINMENT_SERVER__MAX_CONNECTIONS");
    unsetenv("CONTAINMENT_NONSENSE");
}

/* The configuration that comes of a command line; NULL: refused, and `said` is why. */
static char said[DETAIL_SIZE + 128];

static struct config *configure(const char *const words[WORDS])
{
    static struct line line; /* what was given points into it */
    struct detail detail = { "" };
    struct config *config = NULL;
    make_line(&line, words);
    struct result made =
        command_configure(line.count, line.words, options, OPTIONS, &config, &detail);
    detail_line(is_ok(made) ? NULL : &detail, made, said, sizeof(said));
    return config;
}

TEST(flags_win_over_the_environment_and_that_over_the_file)
{
    clear_environment();
    CHECK(write_file("server:\n  listen_port: 1001\n  max_connections: 1002\n  io_threads: 3\n"));
    setenv("CONTAINMENT_SERVER__LISTEN_PORT", "2001", 1);
    setenv("CONTAINMENT_SERVER__MAX_CONNECTIONS", "2002", 1);
    CLEANUP(config_free_ptr)
    struct config *config =
        configure(WORDS_OF("--server-listen-port", "3001", "-c", file, "--dry-run"));
    unlink(file);
    clear_environment();
    CHECK_TEXT(said, "ok");
    const struct settings *settings = config_settings(config);
    CHECK(settings->server.listen_port == 3001);
    CHECK(settings->server.max_connections == 2002);
    CHECK(settings->server.io_threads == 3);
    CHECK(given.dry_run);
    CHECK_TEXT(config_origin(config, "server.listen_port"), "--server-listen-port");
}

TEST(the_file_is_that_of_the_option_and_else_that_of_the_environment)
{
    clear_environment();
    CHECK(write_file("server:\n  listen_port: 1001\n"));
    setenv("CONTAINMENT_CONFIG", file, 1);
    CLEANUP(config_free_ptr) struct config *named = configure(WORDS_OF(NULL));
    setenv("CONTAINMENT_CONFIG", "/nowhere/at/all.yaml", 1);
    CLEANUP(config_free_ptr) struct config *option = configure(WORDS_OF("-c", file));
    CLEANUP(config_free_ptr) struct config *missing = configure(WORDS_OF(NULL));
    unlink(file);
    clear_environment();
    CHECK(named != NULL && config_settings(named)->server.listen_port == 1001);
    CHECK(option != NULL && config_settings(option)->server.listen_port == 1001);
    CHECK(missing == NULL);
    CHECK(strstr(said, "/nowhere/at/all.yaml") != NULL);
    CLEANUP(config_free_ptr) struct config *none = configure(WORDS_OF(NULL));
    CHECK(none != NULL);
    CHECK_TEXT(config_origin(none, "server.listen_port"), "default");
}

TEST(a_wrong_configuration_is_refused_wherever_it_stands)
{
    clear_environment();
    CHECK(configure(WORDS_OF("--server-listen-prt", "1")) == NULL);
    CHECK_TEXT(said, "--server-listen-prt (did you mean --server-listen-port?): "
                     "unknown option; --help lists them");
    CHECK(configure(WORDS_OF("--server-listen-port", "65536")) == NULL);
    CHECK(strstr(said, "--server-listen-port") != NULL);
    CHECK(configure(WORDS_OF("--server-listen-port")) == NULL);
    CHECK(strstr(said, "--server-listen-port") != NULL);
    CHECK(configure(WORDS_OF("--server-listen-port=7", "--metrics-listen-port=7")) == NULL);
    CHECK(said[0] != '\0');
    CHECK(configure(WORDS_OF("--config", "/nowhere.yaml", "--config", "/nowhere.yaml")) == NULL);
    CHECK_TEXT(said, "--config: the option is given twice");
    setenv("CONTAINMENT_NONSENSE", "1", 1);
    CHECK(configure(WORDS_OF(NULL)) == NULL);
    CHECK(strstr(said, "CONTAINMENT_NONSENSE") != NULL);
    clear_environment();
    CHECK(write_file("server:\n  listen_port: many\n"));
    CHECK(configure(WORDS_OF("-c", file)) == NULL);
    unlink(file);
    CHECK(strstr(said, file) != NULL && strstr(said, "server.listen_port") != NULL);
}

/* What `tell` writes to stderr, and the exit code that it gives. */
static const char *stderr_of(int (*tell)(const struct detail *detail, struct result result),
                             const struct detail *detail, int *code_out)
{
    static char text[1024];
    int ends[2];
    int before = dup(STDERR_FILENO);
    if (pipe(ends) != 0 || dup2(ends[1], STDERR_FILENO) < 0) {
        return "";
    }
    *code_out = tell(detail, FAIL(UNAVAILABLE, "the disk is full"));
    fflush(stderr);
    dup2(before, STDERR_FILENO);
    close(before);
    close(ends[1]);
    ssize_t size = read(ends[0], text, sizeof(text) - 1);
    text[size < 0 ? 0 : size] = '\0';
    close(ends[0]);
    return text;
}

TEST(a_failure_is_one_line_and_its_exit_code)
{
    struct detail detail = { "db.sqlite" };
    int code = -1;
    CHECK_TEXT(stderr_of(command_fail, &detail, &code),
               "containment-chamber: db.sqlite: the disk is full\n");
    CHECK(code == 1);
    CHECK_TEXT(stderr_of(command_usage, &detail, &code),
               "containment-chamber: db.sqlite: the disk is full\n");
    CHECK(code == 2);
    CHECK_TEXT(stderr_of(command_fail, NULL, &code), "containment-chamber: the disk is full\n");
    memset(detail.text, 'x', DETAIL_SIZE - 1);
    detail.text[DETAIL_SIZE - 1] = '\0';
    const char *line = stderr_of(command_fail, &detail, &code);
    CHECK(strstr(line, "x: the disk is full\n") != NULL); /* the reason is never cut off */
}

/* Reads a command line with a list, operands and one option; gives the complaint. */
struct listed {
    const char *disks[2];
    const char *files[2];
    const char *name;
    struct command_list list;
    struct command_list operands;
};

static const char *read_listed(struct listed *out, const char *const words[WORDS], bool operands)
{
    static struct line line; /* what was given points into it */
    static char complaint[256];
    struct detail detail = { "" };
    *out = (struct listed){ .name = NULL };
    out->list = (struct command_list){ .name = "--disk", .values = out->disks, .max = 2 };
    out->operands = (struct command_list){ .name = "FILE", .values = out->files, .max = 2 };
    const struct command_option option = { "--name", NULL, &out->name, NULL };
    const struct command_syntax syntax = { .options = &option,
                                           .option_count = 1,
                                           .lists = &out->list,
                                           .list_count = 1,
                                           .operands = operands ? &out->operands : NULL };
    make_line(&line, words);
    struct result read = command_read(line.count, line.words, &syntax, &detail);
    detail_line(is_ok(read) ? NULL : &detail, read, complaint, sizeof(complaint));
    return complaint;
}

TEST(lists_and_operands_keep_their_order)
{
    struct listed listed;
    CHECK_TEXT(
        read_listed(&listed, WORDS_OF("a", "--disk", "1", "--name=n", "--disk=2", "b"), true),
        "ok");
    CHECK(listed.list.count == 2 && listed.operands.count == 2);
    CHECK_TEXT(listed.disks[0], "1");
    CHECK_TEXT(listed.disks[1], "2");
    CHECK_TEXT(listed.files[0], "a");
    CHECK_TEXT(listed.files[1], "b");
    CHECK_TEXT(listed.name, "n");
    CHECK_TEXT(read_listed(&listed, WORDS_OF(NULL), true), "ok");
    CHECK(listed.list.count == 0 && listed.operands.count == 0);
}

TEST(lists_and_operands_have_their_bounds)
{
    static const char unknown[] = "unknown option; --help lists them";
    static const char many[] = "there are too many of these";
    static const struct {
        const char *words[WORDS];
        bool operands;
        const char *place;
        const char *what;
    } cases[] = {
        { { "--disk", "1", "--disk", "2", "--disk=3" }, true, "--disk=3", many },
        { { "a", "b", "c" }, true, "c", many },
        { { "a" }, false, "a", unknown },
        { { "-" }, true, "-", unknown },
        { { "--dis", "1" }, true, "--dis", unknown },
        { { "--disks", "1" }, true, "--disks", unknown },
        { { "--disk" }, true, "--disk", "the option needs a value" },
        { { "--disk", "--name" }, true, "--disk", "the option needs a value" },
        { { "--name", "a", "--name", "b" }, true, "--name", "the option is given twice" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char wanted[256];
        struct listed listed;
        snprintf(wanted, sizeof(wanted), "%s: %s", cases[i].place, cases[i].what);
        CHECK_TEXT(read_listed(&listed, cases[i].words, cases[i].operands), wanted);
    }
}

HARNESS_TESTS(T(lists_and_operands_keep_their_order), T(lists_and_operands_have_their_bounds),
              T(options_are_read_in_both_forms), T(what_is_wrong_with_a_command_line_is_said),
              T(flags_win_over_the_environment_and_that_over_the_file),
              T(the_file_is_that_of_the_option_and_else_that_of_the_environment),
              T(a_wrong_configuration_is_refused_wherever_it_stands),
              T(a_failure_is_one_line_and_its_exit_code))
