#include "config/sections.h"
#include "support.h"

TEST(finds_every_section_by_its_name)
{
    for (size_t i = 0; i < sections_table_size; i++) {
        const char *name = sections_table[i].name;
        CHECK(sections_find(&settings_schema, name, strlen(name)) == &sections_table[i]);
    }
}

TEST(a_name_ends_where_its_size_says)
{
    CHECK(sections_find(&settings_schema, "server.listen_port", strlen("server")) ==
          sections_find(&settings_schema, "server", 6));
    CHECK(sections_find(&settings_schema, "server", 6) != NULL);
    CHECK(sections_find(&settings_schema, "server", 5) == NULL);
}

TEST(knows_no_other_names)
{
    static const char *const others[] = { "",
                                          "network",
                                          "Server",
                                          "serve",
                                          "servers",
                                          "filesystem",
                                          "server.",
                                          "server.listen_port",
                                          "key_sources.http" };
    for (size_t i = 0; i < COUNT(others); i++) {
        CHECK(sections_find(&settings_schema, others[i], strlen(others[i])) == NULL);
    }
}

TEST(every_section_holds_something_and_says_what)
{
    for (size_t i = 0; i < sections_table_size; i++) {
        const char *name = sections_table[i].name;
        size_t settings = 0;
        for (size_t k = 0; k < settings_table_size; k++) {
            settings += strncmp(settings_table[k].name, name, strlen(name)) == 0;
        }
        CHECK(settings > 0);
        CHECK(sections_table[i].help[strlen(sections_table[i].help) - 1] == '.');
    }
}

TEST(a_section_below_another_has_that_one_in_the_table)
{
    for (size_t i = 0; i < sections_table_size; i++) {
        size_t length = sections_name_length(sections_table[i].name);
        CHECK(length == 0 ||
              sections_find(&settings_schema, sections_table[i].name, length) != NULL);
    }
}

TEST(tells_the_length_before_the_last_dot)
{
    CHECK(sections_name_length("network") == 0);
    CHECK(sections_name_length("") == 0);
    CHECK(sections_name_length("server.listen_port") == 6);
    CHECK(sections_name_length("key_sources.filesystem.paths") == 22);
}

HARNESS_TESTS(T(finds_every_section_by_its_name), T(a_name_ends_where_its_size_says),
              T(knows_no_other_names), T(every_section_holds_something_and_says_what),
              T(a_section_below_another_has_that_one_in_the_table),
              T(tells_the_length_before_the_last_dot))
