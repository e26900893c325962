#include "base/file.h"
#include "config/load.h"
#include "support.h"

#include <sys/stat.h>

/* A folder of the test's own, removed with its one file at the end of the scope. */
struct folder {
    char path[64];
    char file[80];
};

static struct folder folder_make(void)
{
    struct folder folder = { .path = "/tmp/chamber-config-XXXXXX" };
    assert(mkdtemp(folder.path) != NULL);
    snprintf(folder.file, sizeof(folder.file), "%s/config.yaml", folder.path);
    return folder;
}

static void folder_remove(struct folder *folder)
{
    unlink(folder->file);
    rmdir(folder->path);
}

#define FOLDER CLEANUP(folder_remove) struct folder

TEST(reads_a_file)
{
    FOLDER folder = folder_make();
    CHECK_OK(file_write(folder.file, "network: hoodi\n", 15, NULL));
    CONFIG config = new_config();
    CHECK_OK(config_read_file(config, folder.file, NULL));
    CHECK_TEXT(config_settings(config)->network, "hoodi");
    char origin[128];
    snprintf(origin, sizeof(origin), "%s line 1", folder.file);
    CHECK_TEXT(config_origin(config, "network"), origin);
}

TEST(names_the_file_that_is_not_there)
{
    FOLDER folder = folder_make();
    CONFIG config = new_config();
    struct detail detail = { .text = "" };
    CHECK_FAILS(NOT_FOUND, config_read_file(config, folder.file, &detail));
    CHECK(strstr(detail.text, folder.file) != NULL);
}

TEST(refuses_what_is_no_file)
{
    FOLDER folder = folder_make();
    CONFIG config = new_config();
    CHECK_FAILS(BAD_INPUT, config_read_file(config, folder.path, NULL));
    CHECK_OK(file_write(folder.file, "", 0, NULL));
    struct detail detail = { .text = "" };
    struct result empty = config_read_file(config, folder.file, &detail);
    CHECK(empty.status == STATUS_BAD_INPUT);
    CHECK(strstr(line_of(empty, &detail), "config.yaml line 1: no settings in the file") != NULL);
}

TEST(a_file_has_its_limit)
{
    FOLDER folder = folder_make();
    static const char settings[] = "network: hoodi\n#";
    for (size_t size = CONFIG_FILE_MAX; size <= CONFIG_FILE_MAX + 1; size++) {
        CLEANUP(free_ptr) char *text = repeat('#', size);
        memcpy(text, settings, strlen(settings));
        CHECK_OK(file_write(folder.file, text, size, NULL));
        CONFIG config = new_config();
        struct result read = config_read_file(config, folder.file, NULL);
        CHECK(read.status == (size == CONFIG_FILE_MAX ? STATUS_OK : STATUS_LIMIT));
    }
}

/* The error line for one environment variable; "ok" when there is none. */
static const char *judge_variable(const char *variable)
{
    CONFIG config = new_config();
    struct detail detail = { .text = "" };
    char *copy = strdup(variable);
    char *const environment[] = { copy, NULL };
    struct result read = config_read_environment(config, environment, &detail);
    free(copy);
    return line_of(read, &detail);
}

static struct result read_variables(struct config *config, const char *first, const char *second)
{
    CLEANUP(free_ptr) char *a = strdup(first);
    CLEANUP(free_ptr) char *b = strdup(second);
    char *const environment[] = { a, b, NULL };
    return config_read_environment(config, environment, NULL);
}

TEST(reads_the_environment_in_any_case)
{
    CONFIG config = new_config();
    CHECK_OK(read_variables(config, "CONTAINMENT_SERVER__LISTEN_PORT=9001",
                            "containment_Key_Sources__filesystem__PATHS=./a, ./b"));
    CHECK(config_settings(config)->server.listen_port == 9001);
    CHECK(config_settings(config)->filesystem.paths.count == 2);
    CHECK_TEXT(config_settings(config)->filesystem.paths.items[1], "./b");
    CHECK_TEXT(config_origin(config, "server.listen_port"), "CONTAINMENT_SERVER__LISTEN_PORT");
    CHECK_TEXT(config_origin(config, "key_sources.filesystem.paths"),
               "containment_Key_Sources__filesystem__PATHS");
}

TEST(a_variable_may_hold_equals_signs)
{
    CONFIG config = new_config();
    CHECK_OK(read_variables(config, "CONTAINMENT_ANTI_SLASHING__PATH=a=b=c", "HOME=/"));
    CHECK_TEXT(config_settings(config)->anti_slashing.path, "a=b=c");
}

TEST(leaves_other_variables_alone)
{
    static const char *const others[] = {
        "PATH=/bin",           "NETWORK=hoodi",          "CONTAINMENTNETWORK=hoodi",
        "CONTAINMENT=1",       "XCONTAINMENT_NETWORK=1", "CONTAINMENT_CONFIG=/etc/config.yaml",
        "CONTAINMENT_CONFIG=", "containment_config=x",   "",
    };
    for (size_t i = 0; i < COUNT(others); i++) {
        CHECK_TEXT(judge_variable(others[i]), "ok");
    }
}

TEST(an_environment_may_be_absent)
{
    CONFIG config = new_config();
    CHECK_OK(config_read_environment(config, NULL, NULL));
}

TEST(an_optional_text_may_be_emptied)
{
    CONFIG config = new_config();
    CHECK_OK(read_variables(config, "CONTAINMENT_KEY_SOURCES__FILESYSTEM__KEYSTORES_PATH=",
                            "CONTAINMENT_KEY_SOURCES__FILESYSTEM__PATHS="));
    CHECK_TEXT(config_origin(config, "key_sources.filesystem.keystores_path"),
               "CONTAINMENT_KEY_SOURCES__FILESYSTEM__KEYSTORES_PATH");
    CHECK(config_settings(config)->filesystem.paths.count == 0);
}

struct wrong {
    const char *input;
    const char *line;
};

TEST(refuses_wrong_variables)
{
    static const struct wrong cases[] = {
        { "CONTAINMENT_SERVER_LISTEN_PORT=9000",
          "CONTAINMENT_SERVER_LISTEN_PORT (did you mean CONTAINMENT_SERVER__LISTEN_PORT?): unknown "
          "setting; server --help lists them all" },
        { "CONTAINMENT_CONFIGS=x",
          "CONTAINMENT_CONFIGS: unknown setting; server --help lists them all" },
        { "CONTAINMENT_=x", "CONTAINMENT_: unknown setting; server --help lists them all" },
        { "CONTAINMENT_SERVER={}",
          "CONTAINMENT_SERVER: unknown setting; server --help lists them all" },
        { "CONTAINMENT_ANTISLASHING__BACKEND=sqlite",
          "CONTAINMENT_ANTISLASHING__BACKEND (now CONTAINMENT_ANTI_SLASHING__BACKEND): this "
          "setting "
          "has a new name" },
        { "CONTAINMENT_SERVER__LISTEN_PORT=",
          "CONTAINMENT_SERVER__LISTEN_PORT = \"\" (takes 0 to 65535): empty" },
        { "CONTAINMENT_SERVER__LISTEN_PORT",
          "CONTAINMENT_SERVER__LISTEN_PORT = \"\" (takes 0 to 65535): empty" },
        { "CONTAINMENT_SERVER__LISTEN_PORT= 9000",
          "CONTAINMENT_SERVER__LISTEN_PORT = \" 9000\" (takes 0 to 65535): not a whole number" },
        { "CONTAINMENT_METRICS__ENABLED=1",
          "CONTAINMENT_METRICS__ENABLED = \"1\" (takes true or false): neither true nor false" },
        { "CONTAINMENT_LOGGING__LEVEL=INFO", "CONTAINMENT_LOGGING__LEVEL = \"INFO\" (takes debug, "
                                             "info, warn or error): not one of the "
                                             "choices" },
        { "CONTAINMENT_NETWORK=", "CONTAINMENT_NETWORK = \"\" (takes a text): empty" },
        { "CONTAINMENT_NETWORK=a\nb",
          "CONTAINMENT_NETWORK = \"a?b\" (takes a text): line breaks and other control characters "
          "are not allowed" },
        { "CONTAINMENT_KEY_SOURCES__FILESYSTEM__PATHS=a,,b",
          "CONTAINMENT_KEY_SOURCES__FILESYSTEM__PATHS item 2: empty item in a list" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        CHECK_TEXT(judge_variable(cases[i].input), cases[i].line);
    }
}

TEST(the_value_of_an_unknown_variable_is_not_repeated)
{
    CHECK(strstr(judge_variable("CONTAINMENT_TOKEN=hunter2"), "hunter2") == NULL);
}

TEST(refuses_a_variable_in_two_cases)
{
    CONFIG config = new_config();
    CHECK_FAILS(BAD_INPUT,
                read_variables(config, "CONTAINMENT_NETWORK=hoodi", "containment_network=hoodi"));
}

TEST(refuses_a_wrong_variable_behind_a_right_one)
{
    CONFIG config = new_config();
    CHECK_FAILS(BAD_INPUT, read_variables(config, "CONTAINMENT_NETWORK=hoodi", "CONTAINMENT_X=1"));
}

/* Kubernetes sets these in every pod beside a service whose name begins with "containment-". */
TEST(passes_over_what_kubernetes_sets)
{
    static const char *const links[] = {
        "CONTAINMENT_CHAMBER_SERVICE_HOST=10.0.0.1",
        "CONTAINMENT_CHAMBER_SERVICE_PORT=9000",
        "CONTAINMENT_CHAMBER_SERVICE_PORT_HTTP=9000",
        "CONTAINMENT_CHAMBER_PORT=tcp://10.0.0.1:9000",
        "CONTAINMENT_CHAMBER_PORT_9000_TCP=tcp://10.0.0.1:9000",
        "CONTAINMENT_CHAMBER_PORT_9000_TCP_PROTO=tcp",
        "CONTAINMENT_CHAMBER_PORT_9000_TCP_PORT=9000",
        "CONTAINMENT_CHAMBER_PORT_9000_TCP_ADDR=10.0.0.1",
        "CONTAINMENT_CHAMBER_METRICS_PORT_3000_UDP=udp://10.0.0.1:3000",
    };
    for (size_t i = 0; i < COUNT(links); i++) {
        CHECK_TEXT(judge_variable(links[i]), "ok");
    }
}

TEST(takes_no_typing_error_for_a_variable_of_kubernetes)
{
    static const char *const errors[] = {
        "CONTAINMENT_SERVER_LISTEN_PORT=9000",
        "CONTAINMENT_METRICS_LISTEN_PORT=3000",
        "CONTAINMENT_CHAMBER_PORT=9000",
        "CONTAINMENT_SERVER__LISTEN_PORTS=tcp://10.0.0.1:9000",
        "CONTAINMENT_SERVER__SERVICE_HOST=10.0.0.1",
        "CONTAINMENT_CHAMBER_PORT_TCP=tcp://10.0.0.1:9000",
        "CONTAINMENT_CHAMBER_PORT_9000=tcp://10.0.0.1:9000",
        "CONTAINMENT_CHAMBER_SERVICE=10.0.0.1",
    };
    for (size_t i = 0; i < COUNT(errors); i++) {
        CHECK(strstr(judge_variable(errors[i]), "unknown setting") != NULL);
    }
}

TEST(an_endless_variable_name_is_refused)
{
    CLEANUP(free_ptr) char *variable = repeat('A', 100 * 1000);
    memcpy(variable, "CONTAINMENT_NETWORK", strlen("CONTAINMENT_NETWORK"));
    CHECK(strstr(judge_variable(variable), "unknown setting") != NULL);
}

/* A command line of at most three arguments, NULL-terminated. */
struct command {
    char *arguments[4];
    int count;
};

static void command_done(struct command *command)
{
    for (int i = 0; i < command->count; i++) {
        free(command->arguments[i]);
    }
}

static struct command command_of(const char *first, const char *second)
{
    struct command command = { .count = second == NULL ? 1 : 2 };
    command.arguments[0] = strdup(first);
    command.arguments[1] = second == NULL ? NULL : strdup(second);
    return command;
}

#define COMMAND CLEANUP(command_done) struct command

static struct result read_flag(struct config *config, const char *first, const char *second,
                               int *used_out, struct detail *detail)
{
    COMMAND command = command_of(first, second);
    return config_read_flag(config, command.count, command.arguments, used_out, detail);
}

/* The error line for a flag and the next argument, which may be NULL; "ok": none. */
static const char *judge_flag(const char *first, const char *second)
{
    CONFIG config = new_config();
    struct detail detail = { .text = "" };
    int used = 77;
    struct result read = read_flag(config, first, second, &used, &detail);
    return line_of(read, &detail);
}

TEST(reads_flags_with_their_value_behind_them)
{
    CONFIG config = new_config();
    int used = 77;
    CHECK_OK(read_flag(config, "--server-listen-port", "9001", &used, NULL));
    CHECK(used == 2);
    CHECK_OK(read_flag(config, "--network", "hoodi", &used, NULL));
    CHECK(config_settings(config)->server.listen_port == 9001);
    CHECK_TEXT(config_settings(config)->network, "hoodi");
    CHECK_TEXT(config_origin(config, "server.listen_port"), "--server-listen-port");
}

TEST(reads_flags_with_an_equals_sign)
{
    CONFIG config = new_config();
    int used = 77;
    CHECK_OK(read_flag(config, "--server-listen-port=9001", "--network", &used, NULL));
    CHECK(used == 1);
    CHECK_OK(read_flag(config, "--anti-slashing-path=--a=b", NULL, &used, NULL));
    CHECK(used == 1);
    CHECK(config_settings(config)->server.listen_port == 9001);
    CHECK_TEXT(config_settings(config)->anti_slashing.path, "--a=b");
    CHECK_TEXT(config_origin(config, "server.listen_port"), "--server-listen-port");
}

TEST(further_flags_set_the_same_setting)
{
    CONFIG config = new_config();
    int used = 77;
    CHECK_OK(read_flag(config, "--filesystem-keystores-path", "./a,./b", &used, NULL));
    CHECK(config_settings(config)->filesystem.paths.count == 2);
    CHECK_TEXT(config_origin(config, "key_sources.filesystem.paths"),
               "--filesystem-keystores-path");
    CHECK_FAILS(BAD_INPUT, read_flag(config, "--key-sources-filesystem-paths", "./c", &used, NULL));
    CHECK(config_settings(config)->filesystem.paths.count == 2);
}

TEST(a_boolean_flag_alone_is_true)
{
    static const struct {
        const char *first;
        const char *second;
        bool value;
        int used;
    } cases[] = {
        { "--allow-unlocked-memory", NULL, true, 1 },
        { "--allow-unlocked-memory", "--network", true, 1 },
        { "--allow-unlocked-memory", "hoodi", true, 1 },
        { "--allow-unlocked-memory", "true", true, 2 },
        { "--allow-unlocked-memory", "false", false, 2 },
        { "--memory-allow-unlocked=true", "false", true, 1 },
        { "--memory-allow-unlocked=false", "true", false, 1 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        CONFIG config = new_config();
        int used = 77;
        CHECK_OK(read_flag(config, cases[i].first, cases[i].second, &used, NULL));
        CHECK(used == cases[i].used);
        CHECK(config_settings(config)->memory.allow_unlocked == cases[i].value);
        CHECK(strcmp(config_origin(config, "memory.allow_unlocked"), "default") != 0);
    }
}

TEST(refuses_wrong_flags)
{
    static const struct {
        const char *first;
        const char *second;
        const char *line;
    } cases[] = {
        { "--network", NULL, "--network: needs a value after it" },
        { "--network", "--server-listen-port", "--network: needs a value after it" },
        { "--network", "", "--network = \"\" (takes a text): empty" },
        { "--network=", "hoodi", "--network = \"\" (takes a text): empty" },
        { "--server-listen-port", "x",
          "--server-listen-port = \"x\" (takes 0 to 65535): not a whole number" },
        { "--server-listen-port", "-1",
          "--server-listen-port = \"-1\" (takes 0 to 65535): not a whole number" },
        { "--server-listen-port=65536", NULL,
          "--server-listen-port = \"65536\" (takes 0 to 65535): number out of range" },
        { "--metrics-enabled=yes", NULL,
          "--metrics-enabled = \"yes\" (takes true or false): neither true nor false" },
        { "--metrics-enabled=", NULL, "--metrics-enabled = \"\" (takes true or false): empty" },
        { "--anti-slashing-backend", "postgre",
          "--anti-slashing-backend = \"postgre\" (takes sqlite or noop): not one of the choices" },
        { "--metrics-refresh-interval", "30",
          "--metrics-refresh-interval (now --metrics-refresh-interval-seconds): this flag has a "
          "new "
          "name" },
        { "--key-manager-api", NULL,
          "--key-manager-api (now --http-key-manager-api-enabled): this flag has a new name" },
        { "--filesystem-keystores-path", "a,",
          "--filesystem-keystores-path item 2: empty item in a list" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        CHECK_TEXT(judge_flag(cases[i].first, cases[i].second), cases[i].line);
    }
}

TEST(a_flag_comes_once)
{
    CONFIG config = new_config();
    struct detail detail = { .text = "" };
    int used = 77;
    CHECK_OK(read_flag(config, "--anti-slashing-path", "a", &used, &detail));
    struct result twice = read_flag(config, "--anti-slashing-sqlite-path", "b", &used, &detail);
    CHECK_TEXT(line_of(twice, &detail),
               "--anti-slashing-sqlite-path (first by --anti-slashing-path): set twice");
    CHECK_TEXT(config_settings(config)->anti_slashing.path, "a");
}

TEST(leaves_other_arguments_to_the_caller)
{
    static const struct wrong cases[] = {
        { "--check-config", "--check-config" },
        { "--config=config.yaml", "--config" },
        { "--sever-listen-port=9000", "--sever-listen-port (did you mean --server-listen-port?)" },
        { "-c", "-c" },
        { "config.yaml", "config.yaml" },
        { "network", "network" },
        { "--", "--" },
        { "", "" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        CONFIG config = new_config();
        struct detail detail = { .text = "" };
        int used = 77;
        CHECK_OK(read_flag(config, cases[i].input, "hoodi", &used, &detail));
        CHECK(used == 0);
        CHECK_TEXT(detail.text, cases[i].line);
    }
}

TEST(looks_at_no_argument_beyond_the_count)
{
    CONFIG config = new_config();
    COMMAND command = command_of("--network", "hoodi");
    int used = 77;
    CHECK_FAILS(BAD_INPUT, config_read_flag(config, 1, command.arguments, &used, NULL));
    CHECK_TEXT(config_settings(config)->network, "mainnet");
}

TEST(the_used_count_is_written_only_on_success)
{
    CONFIG config = new_config();
    int used = 77;
    CHECK_FAILS(BAD_INPUT, read_flag(config, "--server-listen-port", "x", &used, NULL));
    CHECK_FAILS(BAD_INPUT, read_flag(config, "--network", NULL, &used, NULL));
    CHECK_FAILS(BAD_INPUT, read_flag(config, "--key-manager-api", NULL, &used, NULL));
    CHECK(used == 77);
}

TEST(flags_win_over_the_environment_and_that_over_the_file)
{
    FOLDER folder = folder_make();
    static const char yaml[] =
        "network: sepolia\nserver: {listen_port: 1}\nsigning: {workers: 1}\n";
    CHECK_OK(file_write(folder.file, yaml, strlen(yaml), NULL));
    CONFIG config = new_config();
    int used = 0;
    CHECK_OK(config_read_file(config, folder.file, NULL));
    CHECK_OK(
        read_variables(config, "CONTAINMENT_NETWORK=hoodi", "CONTAINMENT_SERVER__LISTEN_PORT=2"));
    CHECK_OK(read_flag(config, "--network", "gnosis", &used, NULL));
    const struct settings *settings = config_settings(config);
    CHECK_TEXT(settings->network, "gnosis");
    CHECK(settings->server.listen_port == 2);
    CHECK(settings->signing.workers == 1);
    CHECK(settings->signing.queue_limit == 8192);
    CHECK_TEXT(config_origin(config, "network"), "--network");
    CHECK_TEXT(config_origin(config, "server.listen_port"), "CONTAINMENT_SERVER__LISTEN_PORT");
    CHECK(strstr(config_origin(config, "signing.workers"), "config.yaml line 3") != NULL);
    CHECK_TEXT(config_origin(config, "signing.queue_limit"), "default");
}

HARNESS_TESTS(T(reads_a_file), T(names_the_file_that_is_not_there), T(refuses_what_is_no_file),
              T(a_file_has_its_limit), T(reads_the_environment_in_any_case),
              T(a_variable_may_hold_equals_signs), T(leaves_other_variables_alone),
              T(an_environment_may_be_absent), T(an_optional_text_may_be_emptied),
              T(refuses_wrong_variables), T(the_value_of_an_unknown_variable_is_not_repeated),
              T(refuses_a_variable_in_two_cases), T(refuses_a_wrong_variable_behind_a_right_one),
              T(passes_over_what_kubernetes_sets),
              T(takes_no_typing_error_for_a_variable_of_kubernetes),
              T(an_endless_variable_name_is_refused), T(reads_flags_with_their_value_behind_them),
              T(reads_flags_with_an_equals_sign), T(further_flags_set_the_same_setting),
              T(a_boolean_flag_alone_is_true), T(refuses_wrong_flags), T(a_flag_comes_once),
              T(leaves_other_arguments_to_the_caller), T(looks_at_no_argument_beyond_the_count),
              T(the_used_count_is_written_only_on_success),
              T(flags_win_over_the_environment_and_that_over_the_file))
