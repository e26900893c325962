#include "config/names.h"
#include "config/sections.h"
#include "config/settings.h"
#include "config/value.h"
#include "support.h"

#include <ctype.h>

static size_t size_of_value(enum setting_kind kind)
{
    static const size_t sizes[] = {
        [SETTING_TEXT] = sizeof(char *),           [SETTING_CHOICE] = sizeof(char *),
        [SETTING_NUMBER] = sizeof(uint64_t),       [SETTING_BOOLEAN] = sizeof(bool),
        [SETTING_LIST] = sizeof(struct text_list),
    };
    return sizes[kind];
}

/* How many settings own each byte of struct settings. */
static void count_owners(unsigned char owners[static sizeof(struct settings)])
{
    for (size_t i = 0; i < settings_table_size; i++) {
        size_t size = size_of_value(settings_table[i].kind);
        for (size_t k = 0; k < size; k++) {
            owners[settings_table[i].offset + k]++;
        }
    }
}

TEST(no_two_settings_share_a_field)
{
    unsigned char owners[sizeof(struct settings)] = { 0 };
    count_owners(owners);
    for (size_t i = 0; i < sizeof(owners); i++) {
        CHECK(owners[i] <= 1);
    }
}

TEST(every_field_has_its_setting)
{
    /* Bytes of nobody are padding behind a boolean: their word begins with an owned byte. */
    const size_t word = _Alignof(struct settings);
    unsigned char owners[sizeof(struct settings)] = { 0 };
    count_owners(owners);
    for (size_t i = 0; i < sizeof(owners); i++) {
        CHECK(owners[i] == 1 || owners[i / word * word] == 1);
    }
}

TEST(names_are_of_lower_case_words_and_unique)
{
    for (size_t i = 0; i < settings_table_size; i++) {
        const char *name = settings_table[i].name;
        CHECK(strspn(name, "abcdefghijklmnopqrstuvwxyz_.") == strlen(name));
        CHECK(strstr(name, "..") == NULL && strstr(name, "__") == NULL);
        for (size_t k = 0; k < i; k++) {
            CHECK(strcmp(name, settings_table[k].name) != 0);
        }
    }
}

TEST(every_setting_is_in_a_section_or_is_the_network)
{
    for (size_t i = 0; i < settings_table_size; i++) {
        bool at_top = strchr(settings_table[i].name, '.') == NULL;
        CHECK(at_top == (sections_of(&settings_schema, &settings_table[i]) == NULL));
        CHECK(!at_top || strcmp(settings_table[i].name, "network") == 0);
    }
}

/* The example file opens each mapping once: settings below one level must not be torn apart. */
TEST(settings_of_a_section_stand_together)
{
    for (size_t i = 0; i < sections_table_size; i++) {
        const char *section = sections_table[i].name;
        size_t runs = 0;
        bool inside = false;
        for (size_t k = 0; k < settings_table_size; k++) {
            const char *name = settings_table[k].name;
            bool now = strncmp(name, section, strlen(section)) == 0 && name[strlen(section)] == '.';
            runs += now && !inside;
            inside = now;
        }
        CHECK(runs == 1);
    }
}

TEST(defaults_are_values)
{
    for (size_t i = 0; i < settings_table_size; i++) {
        struct settings settings = { .network = NULL };
        const struct setting *setting = &settings_table[i];
        CHECK_OK(
            value_read(setting, setting->standard, strlen(setting->standard), &settings, NULL));
        value_free(setting, &settings);
    }
}

TEST(numbers_have_ranges_and_choices_have_choices)
{
    for (size_t i = 0; i < settings_table_size; i++) {
        const struct setting *setting = &settings_table[i];
        CHECK((setting->kind == SETTING_NUMBER) == (setting->max != 0));
        CHECK(setting->min <= setting->max);
        CHECK((setting->kind == SETTING_CHOICE) == (setting->choices != NULL));
    }
}

TEST(settings_without_default_have_an_example_that_is_a_value)
{
    for (size_t i = 0; i < settings_table_size; i++) {
        const struct setting *setting = &settings_table[i];
        CHECK((setting->standard[0] == '\0') == (setting->example != NULL));
        if (setting->example == NULL) {
            continue;
        }
        struct settings settings = { .network = NULL };
        CHECK_OK(value_read(setting, setting->example, strlen(setting->example), &settings, NULL));
        value_free(setting, &settings);
    }
}

TEST(help_is_of_whole_sentences)
{
    for (size_t i = 0; i < settings_table_size; i++) {
        const char *help = settings_table[i].help;
        size_t size = strlen(help);
        CHECK(size >= 40 && size <= 400);
        CHECK(isupper((unsigned char)help[0]) && help[size - 1] == '.');
        CHECK(strstr(help, "  ") == NULL);
        for (const char *c = help; *c != '\0'; c++) {
            CHECK(isprint((unsigned char)*c) && *c != '|'); /* it goes into tables */
        }
    }
}

/* Contracts with users: names and defaults that stand in their files and scripts. */
TEST(documented_names_have_their_documented_defaults)
{
    static const struct {
        const char *name;
        const char *standard;
    } documented[] = {
        { "server.listen_address", "127.0.0.1" },
        { "server.listen_port", "9000" },
        { "metrics.listen_address", "127.0.0.1" },
        { "metrics.listen_port", "3000" },
        { "metrics.refresh_interval_seconds", "30" },
        { "network", "mainnet" },
        { "key_sources.filesystem.paths", "" },
        { "key_sources.filesystem.keystore_load_concurrency", "128" },
        { "key_sources.filesystem.raw_load_concurrency", "128" },
        { "tls.mode", "disabled" },
        { "tls.listen_port", "9443" },
        { "tls.file.cert_path", "" },
        { "tls.file.key_path", "" },
        { "tls.file.reload_interval_seconds", "60" },
        { "anti_slashing.path", "./slashing_protection.sqlite" },
        { "http.key_manager_api.enabled", "false" },
        { "http.key_manager_api.max_concurrent_reads", "50" },
        { "http.key_manager_api.max_concurrent_writes", "10" },
        { "http.key_manager_api.request_timeout_seconds", "30" },
        { "http.key_manager_api.max_items_per_request", "100" },
    };
    for (size_t i = 0; i < COUNT(documented); i++) {
        const char *name = documented[i].name;
        const struct setting *setting =
            names_find(&settings_schema, SPELLING_FILE, name, strlen(name));
        CHECK(setting != NULL);
        CHECK_TEXT(setting->standard, documented[i].standard);
    }
}

TEST(documented_flags_are_there)
{
    static const char *const flags[] = {
        "--server-listen-address",
        "--server-listen-port",
        "--metrics-listen-address",
        "--metrics-listen-port",
        "--metrics-refresh-interval-seconds",
        "--network",
        "--key-sources-filesystem-paths",
        "--filesystem-keystores-path",
        "--anti-slashing-backend",
        "--anti-slashing-sqlite-path",
        "--allow-unlocked-memory",
    };
    for (size_t i = 0; i < COUNT(flags); i++) {
        CHECK(names_find(&settings_schema, SPELLING_FLAG, flags[i], strlen(flags[i])) != NULL);
    }
}

HARNESS_TESTS(T(no_two_settings_share_a_field), T(every_field_has_its_setting),
              T(names_are_of_lower_case_words_and_unique),
              T(every_setting_is_in_a_section_or_is_the_network),
              T(settings_of_a_section_stand_together), T(defaults_are_values),
              T(numbers_have_ranges_and_choices_have_choices),
              T(settings_without_default_have_an_example_that_is_a_value),
              T(help_is_of_whole_sentences), T(documented_names_have_their_documented_defaults),
              T(documented_flags_are_there))
