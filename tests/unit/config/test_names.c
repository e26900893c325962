#include "config/names.h"
#include "config/sections.h"
#include "support.h"

static const enum spelling spellings[] = { SPELLING_FILE, SPELLING_ENVIRONMENT, SPELLING_FLAG };

static const struct setting *find(enum spelling spelling, const char *name)
{
    return names_find(&settings_schema, spelling, name, strlen(name));
}

static const char *suggestion(enum spelling spelling, const char *name)
{
    static struct detail detail;
    names_suggest(&settings_schema, spelling, name, &detail);
    return detail.text;
}

TEST(every_setting_is_found_in_every_spelling)
{
    for (size_t i = 0; i < settings_table_size; i++) {
        for (size_t k = 0; k < COUNT(spellings); k++) {
            char name[NAMES_SIZE];
            names_spell(spellings[k], settings_table[i].name, name);
            CHECK(strlen(name) + 1 < NAMES_SIZE); /* so none was cut */
            CHECK(find(spellings[k], name) == &settings_table[i]);
        }
    }
}

TEST(spells_dots_and_underscores)
{
    char name[NAMES_SIZE];
    names_spell(SPELLING_FILE, "key_sources.filesystem.paths", name);
    CHECK_TEXT(name, "key_sources.filesystem.paths");
    names_spell(SPELLING_ENVIRONMENT, "key_sources.filesystem.paths", name);
    CHECK_TEXT(name, "CONTAINMENT_KEY_SOURCES__FILESYSTEM__PATHS");
    names_spell(SPELLING_FLAG, "key_sources.filesystem.paths", name);
    CHECK_TEXT(name, "--key-sources-filesystem-paths");
}

TEST(cuts_what_is_too_long_to_spell)
{
    CLEANUP(free_ptr) char *dots = repeat('.', 3 * NAMES_SIZE);
    CLEANUP(free_ptr) char *letters = repeat('a', 3 * NAMES_SIZE);
    for (size_t k = 0; k < COUNT(spellings); k++) {
        char name[NAMES_SIZE];
        names_spell(spellings[k], dots, name);
        CHECK(strlen(name) >= NAMES_SIZE - 3 && strlen(name) < NAMES_SIZE);
        names_spell(spellings[k], letters, name);
        CHECK(strlen(name) >= NAMES_SIZE - 3 && strlen(name) < NAMES_SIZE);
    }
}

TEST(only_the_environment_is_read_in_any_case)
{
    CHECK(find(SPELLING_ENVIRONMENT, "containment_Server__listen_PORT") != NULL);
    CHECK(find(SPELLING_FILE, "Server.listen_port") == NULL);
    CHECK(find(SPELLING_FLAG, "--Server-listen-port") == NULL);
}

TEST(a_further_flag_is_a_name_on_the_command_line_only)
{
    CHECK(find(SPELLING_FLAG, "--allow-unlocked-memory") ==
          find(SPELLING_FILE, "memory.allow_unlocked"));
    CHECK(find(SPELLING_FILE, "--allow-unlocked-memory") == NULL);
    CHECK(find(SPELLING_ENVIRONMENT, "--allow-unlocked-memory") == NULL);
}

TEST(knows_no_other_names)
{
    static const struct {
        enum spelling spelling;
        const char *name;
    } others[] = {
        { SPELLING_FILE, "" },
        { SPELLING_FILE, "server" },
        { SPELLING_FILE, "server." },
        { SPELLING_FILE, "server.listen_por" },
        { SPELLING_FILE, "server.listen_ports" },
        { SPELLING_FILE, "listen_port" },
        { SPELLING_FILE, "CONTAINMENT_NETWORK" },
        { SPELLING_ENVIRONMENT, "CONTAINMENT_" },
        { SPELLING_ENVIRONMENT, "NETWORK" },
        { SPELLING_ENVIRONMENT, "CONTAINMENT_SERVER_LISTEN_PORT" },
        { SPELLING_ENVIRONMENT, "CONTAINMENT_SERVER___LISTEN_PORT" },
        { SPELLING_ENVIRONMENT, "CONTAINMENT_SERVER.LISTEN_PORT" },
        { SPELLING_FLAG, "--" },
        { SPELLING_FLAG, "network" },
        { SPELLING_FLAG, "-network" },
        { SPELLING_FLAG, "--server_listen_port" },
        { SPELLING_FLAG, "--server.listen-port" },
    };
    for (size_t i = 0; i < COUNT(others); i++) {
        CHECK(find(others[i].spelling, others[i].name) == NULL);
    }
}

TEST(no_two_settings_share_a_name_or_a_flag)
{
    for (size_t i = 0; i < settings_table_size; i++) {
        const char *flag = settings_table[i].flag;
        CHECK(flag == NULL || strncmp(flag, "--", 2) == 0);
        CHECK(flag == NULL || find(SPELLING_FLAG, flag) == &settings_table[i]);
    }
}

TEST(suggests_what_is_near)
{
    static const struct {
        enum spelling spelling;
        const char *name;
        const char *wanted;
    } cases[] = {
        { SPELLING_FILE, "server.listen_prt",
          "server.listen_prt (did you mean server.listen_port?)" },
        { SPELLING_FILE, "server.lisetn_port",
          "server.lisetn_port (did you mean server.listen_port?)" },
        { SPELLING_FILE, "server.ports", "server.ports" },
        { SPELLING_FILE, "Server.Listen_Port",
          "Server.Listen_Port (did you mean server.listen_port?)" },
        { SPELLING_FILE, "sever", "sever (did you mean server?)" },
        { SPELLING_FILE, "anti-slashing", "anti-slashing (did you mean anti_slashing?)" },
        { SPELLING_FILE, "netwrk", "netwrk (did you mean network?)" },
        { SPELLING_ENVIRONMENT, "CONTAINMENT_SERVER_LISTEN_PORT",
          "CONTAINMENT_SERVER_LISTEN_PORT (did you mean CONTAINMENT_SERVER__LISTEN_PORT?)" },
        { SPELLING_ENVIRONMENT, "containment_netwok",
          "containment_netwok (did you mean CONTAINMENT_NETWORK?)" },
        { SPELLING_FLAG, "--server-listn-port",
          "--server-listn-port (did you mean --server-listen-port?)" },
        { SPELLING_FLAG, "--alow-unlocked-memory",
          "--alow-unlocked-memory (did you mean --allow-unlocked-memory?)" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        CHECK_TEXT(suggestion(cases[i].spelling, cases[i].name), cases[i].wanted);
    }
}

TEST(three_typing_errors_are_near_and_four_are_not)
{
    CHECK_TEXT(suggestion(SPELLING_FILE, "server.listen_poXXX"),
               "server.listen_poXXX (did you mean server.listen_port?)");
    CHECK_TEXT(suggestion(SPELLING_FILE, "server.listen_pXXXX"), "server.listen_pXXXX");
}

TEST(short_names_allow_fewer_typing_errors)
{
    CHECK_TEXT(suggestion(SPELLING_FILE, "aws"), "aws"); /* two errors away from "tls" */
    CHECK_TEXT(suggestion(SPELLING_FILE, "htt"), "htt (did you mean http?)");
    CHECK_TEXT(suggestion(SPELLING_ENVIRONMENT, "CONTAINMENT_X"), "CONTAINMENT_X");
    CHECK_TEXT(suggestion(SPELLING_FLAG, "--x"), "--x");
}

TEST(suggests_nothing_for_the_empty_and_the_endless)
{
    CHECK_TEXT(suggestion(SPELLING_FILE, ""), "");
    CHECK_TEXT(suggestion(SPELLING_FLAG, ""), "");
    for (size_t size = NAMES_SIZE - 1; size <= NAMES_SIZE; size++) {
        CLEANUP(free_ptr) char *name = repeat('a', size);
        CHECK_TEXT(suggestion(SPELLING_FILE, name), name);
    }
    CLEANUP(free_ptr) char *endless = repeat('a', 100 * 1000);
    CHECK(strlen(suggestion(SPELLING_FILE, endless)) == NAMES_SIZE);
}

TEST(every_rename_leads_to_what_there_is)
{
    for (size_t i = 0; i < names_renames_size; i++) {
        const char *new = names_renames[i].new_name;
        const char *old = names_renames[i].old_name;
        CHECK(find(SPELLING_FILE, new) != NULL ||
              sections_find(&settings_schema, new, strlen(new)) != NULL);
        CHECK(find(SPELLING_FILE, old) == NULL &&
              sections_find(&settings_schema, old, strlen(old)) == NULL);
    }
}

TEST(names_of_earlier_versions_tell_the_new_one)
{
    static const struct {
        enum spelling spelling;
        const char *name;
        const char *wanted;
    } cases[] = {
        { SPELLING_FILE, "antislashing", "antislashing (now anti_slashing)" },
        { SPELLING_FILE, "key_sources.key_manager_api",
          "key_sources.key_manager_api (now http.key_manager_api)" },
        { SPELLING_ENVIRONMENT, "CONTAINMENT_ANTISLASHING__BACKEND",
          "CONTAINMENT_ANTISLASHING__BACKEND (now CONTAINMENT_ANTI_SLASHING__BACKEND)" },
        { SPELLING_ENVIRONMENT, "containment_antislashing__postgres_url",
          "containment_antislashing__postgres_url (now CONTAINMENT_ANTI_SLASHING__*)" },
        { SPELLING_ENVIRONMENT, "CONTAINMENT_KEY_SOURCES__KEY_MANAGER_API__ENABLED",
          "CONTAINMENT_KEY_SOURCES__KEY_MANAGER_API__ENABLED (now "
          "CONTAINMENT_HTTP__KEY_MANAGER_API__ENABLED)" },
        { SPELLING_FLAG, "--antislashing-backend",
          "--antislashing-backend (now --anti-slashing-backend)" },
        { SPELLING_FLAG, "--antislashing-postgres-url",
          "--antislashing-postgres-url (now --anti-slashing-*)" },
        { SPELLING_FLAG, "--key-manager-api",
          "--key-manager-api (now --http-key-manager-api-enabled)" },
        { SPELLING_FLAG, "--metrics-refresh-interval",
          "--metrics-refresh-interval (now --metrics-refresh-interval-seconds)" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct detail detail = { .text = "" };
        CHECK(names_moved(&settings_schema, cases[i].spelling, cases[i].name, &detail));
        CHECK_TEXT(detail.text, cases[i].wanted);
        CHECK_TEXT(
            line_of(names_refuse(&settings_schema, cases[i].spelling, cases[i].name, &detail),
                    NULL),
            "this setting has a new name");
    }
}

TEST(names_that_only_begin_like_earlier_ones_are_not_taken_for_them)
{
    static const struct {
        enum spelling spelling;
        const char *name;
    } cases[] = {
        { SPELLING_FILE, "antislashings" },
        { SPELLING_FILE, "antislashin" },
        { SPELLING_FILE, "key_manager_api.enabled" },
        { SPELLING_FILE, "metrics.refresh_interval.seconds" },
        { SPELLING_ENVIRONMENT, "CONTAINMENT_ANTISLASHING_BACKEND" },
        { SPELLING_FLAG, "--metrics-refresh-interval-second" },
        { SPELLING_FLAG, "--key-manager-api-enabled" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct detail detail = { .text = "untouched" };
        CHECK(!names_moved(&settings_schema, cases[i].spelling, cases[i].name, &detail));
        CHECK_TEXT(detail.text, "untouched");
    }
}

TEST(an_endless_name_below_an_earlier_section_is_cut)
{
    char name[4096] = "antislashing.";
    memset(name + strlen(name), 'x', sizeof(name) - 1 - strlen(name));
    struct detail detail = { .text = "" };
    CHECK(names_moved(&settings_schema, SPELLING_FILE, name, &detail));
    CHECK(strstr(detail.text, " (now anti_slashing.*)") != NULL);
}

TEST(refuses_the_unknown_with_the_remedy)
{
    struct detail detail = { .text = "" };
    struct result refused = names_refuse(&settings_schema, SPELLING_FILE, "netwrk", &detail);
    CHECK(refused.status == STATUS_BAD_INPUT);
    CHECK_TEXT(line_of(refused, &detail), "netwrk (did you mean network?): unknown setting; server "
                                          "--help lists them all");
    CHECK_FAILS(BAD_INPUT,
                names_refuse(&settings_schema, SPELLING_FLAG, "--nothing-like-it", NULL));
}

HARNESS_TESTS(T(every_setting_is_found_in_every_spelling), T(spells_dots_and_underscores),
              T(cuts_what_is_too_long_to_spell), T(only_the_environment_is_read_in_any_case),
              T(a_further_flag_is_a_name_on_the_command_line_only), T(knows_no_other_names),
              T(no_two_settings_share_a_name_or_a_flag), T(suggests_what_is_near),
              T(three_typing_errors_are_near_and_four_are_not),
              T(short_names_allow_fewer_typing_errors),
              T(suggests_nothing_for_the_empty_and_the_endless),
              T(every_rename_leads_to_what_there_is), T(names_of_earlier_versions_tell_the_new_one),
              T(names_that_only_begin_like_earlier_ones_are_not_taken_for_them),
              T(an_endless_name_below_an_earlier_section_is_cut),
              T(refuses_the_unknown_with_the_remedy))
