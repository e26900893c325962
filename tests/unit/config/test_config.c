#include "config/config.h"
#include "config/names.h"
#include "support.h"

static const struct config_place line_7 = { .source = CONFIG_FILE, .text = "config.yaml line 7" };
static const struct config_place line_9 = { .source = CONFIG_FILE, .text = "config.yaml line 9" };
static const struct config_place variable = { .source = CONFIG_ENVIRONMENT,
                                              .text = "CONTAINMENT_NETWORK" };
static const struct config_place flag = { .source = CONFIG_FLAG, .text = "--network" };

static const struct setting *named(const char *name)
{
    const struct setting *setting = names_find(&settings_schema, SPELLING_FILE, name, strlen(name));
    assert(setting != NULL);
    return setting;
}

TEST(begins_with_all_defaults)
{
    CONFIG config = new_config();
    const struct settings *settings = config_settings(config);
    CHECK_TEXT(settings->server.listen_address, "127.0.0.1");
    CHECK(settings->server.listen_port == 9000);
    CHECK(settings->metrics.enabled);
    CHECK(settings->filesystem.paths.count == 0);
    CHECK_TEXT(settings->filesystem.keystores_path, "");
    CHECK(settings->anti_slashing.pruning.epochs_to_keep == 250);
    CHECK(!settings->memory.allow_unlocked);
    for (size_t i = 0; i < settings_table_size; i++) {
        CHECK_TEXT(config_origin(config, settings_table[i].name), "default");
    }
}

TEST(later_sources_win_and_are_the_origin)
{
    CONFIG config = new_config();
    CHECK_OK(config_assign(config, named("network"), &line_7, "sepolia", NULL));
    CHECK_TEXT(config_origin(config, "network"), "config.yaml line 7");
    CHECK_OK(config_assign(config, named("network"), &variable, "hoodi", NULL));
    CHECK_TEXT(config_origin(config, "network"), "CONTAINMENT_NETWORK");
    CHECK_OK(config_assign(config, named("network"), &flag, "gnosis", NULL));
    CHECK_TEXT(config_origin(config, "network"), "--network");
    CHECK_TEXT(config_settings(config)->network, "gnosis");
    CHECK_TEXT(config_origin(config, "server.listen_port"), "default");
}

TEST(the_default_said_aloud_has_an_origin)
{
    CONFIG config = new_config();
    CHECK_OK(config_assign(config, named("network"), &line_7, "mainnet", NULL));
    CHECK_TEXT(config_origin(config, "network"), "config.yaml line 7");
}

TEST(a_source_sets_a_setting_once)
{
    CONFIG config = new_config();
    struct detail detail = { .text = "" };
    CHECK_OK(config_assign(config, named("network"), &line_7, "sepolia", &detail));
    struct result twice = config_assign(config, named("network"), &line_9, "hoodi", &detail);
    CHECK(twice.status == STATUS_BAD_INPUT);
    CHECK_TEXT(line_of(twice, &detail),
               "config.yaml line 9: network (first by config.yaml line 7): set twice");
    CHECK_TEXT(config_settings(config)->network, "sepolia");
    CHECK_OK(config_assign(config, named("network"), &flag, "hoodi", &detail));
    twice = config_assign(config, named("network"), &flag, "hoodi", &detail);
    CHECK_TEXT(line_of(twice, &detail), "--network (first by --network): set twice");
}

TEST(a_wrong_value_changes_neither_value_nor_origin)
{
    CONFIG config = new_config();
    struct detail detail = { .text = "" };
    CHECK_OK(config_assign(config, named("logging.level"), &line_7, "debug", NULL));
    struct result wrong = config_assign(config, named("logging.level"), &variable, "all", &detail);
    CHECK_TEXT(line_of(wrong, &detail), "CONTAINMENT_NETWORK = \"all\" (takes debug, info, warn or "
                                        "error): not one of the choices");
    CHECK_TEXT(config_settings(config)->logging.level, "debug");
    CHECK_TEXT(config_origin(config, "logging.level"), "config.yaml line 7");
}

TEST(a_wrong_value_in_a_file_is_told_with_its_setting)
{
    CONFIG config = new_config();
    struct detail detail = { .text = "" };
    struct result wrong = config_assign(config, named("server.listen_port"), &line_7, "x", &detail);
    CHECK_TEXT(line_of(wrong, &detail),
               "config.yaml line 7: server.listen_port = \"x\" (takes 0 to "
               "65535): not a whole number");
    CHECK_FAILS(BAD_INPUT, config_assign(config, named("server.listen_port"), &line_7, "x", NULL));
}

TEST(takes_lists)
{
    CONFIG config = new_config();
    struct text_list list = { .items = calloc(1, sizeof(char *)), .count = 1 };
    list.items[0] = repeat('a', 3);
    const struct setting *paths = named("key_sources.filesystem.paths");
    CHECK_OK(config_assign_list(config, paths, &line_7, &list, NULL));
    CHECK(list.items == NULL && list.count == 0);
    CHECK_TEXT(config_settings(config)->filesystem.paths.items[0], "aaa");
    CHECK_TEXT(config_origin(config, paths->name), "config.yaml line 7");
    struct detail detail = { .text = "" };
    struct result twice = config_assign_list(config, paths, &line_9, &list, &detail);
    CHECK_TEXT(line_of(twice, &detail),
               "config.yaml line 9: key_sources.filesystem.paths (first by "
               "config.yaml line 7): set twice");
}

TEST(there_is_no_origin_of_what_is_no_setting)
{
    CONFIG config = new_config();
    CHECK(config_origin(config, "server") == NULL);
    CHECK(config_origin(config, "") == NULL);
    CHECK(config_origin(config, "--network") == NULL);
}

TEST(describes_every_setting_on_its_line)
{
    CONFIG config = new_config();
    CHECK_OK(config_assign(config, named("network"), &flag, "hoodi", NULL));
    BUF out = BUF_INIT(64 * 1024);
    config_describe(config, &out);
    CHECK_OK(buf_check(&out));
    CHECK(strncmp(out.data, "server.listen_address = 127.0.0.1 (default)\n", 44) == 0);
    CHECK(strstr(out.data, "\nnetwork = hoodi (--network)\n") != NULL);
    CHECK(strstr(out.data, "\nkey_sources.filesystem.paths = [] (default)\n") != NULL);
    CHECK(strstr(out.data, "\nkey_sources.filesystem.keystores_path = \"\" (default)\n") != NULL);
    CHECK(strstr(out.data, "\nmetrics.enabled = true (default)\n") != NULL);
    size_t lines = 0;
    for (size_t i = 0; i < out.size; i++) {
        lines += out.data[i] == '\n';
    }
    CHECK(lines == settings_table_size);
}

TEST(freeing_nothing_does_not_crash)
{
    config_free(NULL);
}

HARNESS_TESTS(T(begins_with_all_defaults), T(later_sources_win_and_are_the_origin),
              T(the_default_said_aloud_has_an_origin), T(a_source_sets_a_setting_once),
              T(a_wrong_value_changes_neither_value_nor_origin),
              T(a_wrong_value_in_a_file_is_told_with_its_setting), T(takes_lists),
              T(there_is_no_origin_of_what_is_no_setting), T(describes_every_setting_on_its_line),
              T(freeing_nothing_does_not_crash))
