#include "base/file.h"
#include "config/names.h"
#include "config/pages.h"
#include "config/sections.h"
#include "config/yaml_reader.h"
#include "support.h"

#include <ctype.h>

static size_t longest_line(const char *text)
{
    size_t longest = 0;
    while (*text != '\0') {
        size_t size = strcspn(text, "\n");
        longest = size > longest ? size : longest;
        text += size + (text[size] == '\n');
    }
    return longest;
}

static bool has_line_beginning(const char *text, const char *beginning)
{
    size_t size = strlen(beginning);
    for (const char *found = strstr(text, beginning); found != NULL;
         found = strstr(found + size, beginning)) {
        if (found == text || found[-1] == '\n') {
            return true;
        }
    }
    return false;
}

TEST(help_shows_every_flag_with_its_default)
{
    BUF out = BUF_INIT(PAGES_MAX);
    config_help(&out);
    CHECK_OK(buf_check(&out));
    size_t defaults = 0;
    for (const char *at = strstr(out.data, " [default: "); at != NULL;
         at = strstr(at + 1, " [default: ")) {
        defaults++;
    }
    for (size_t i = 0; i < settings_table_size; i++) {
        char line[NAMES_SIZE + 8] = "  ";
        names_spell(SPELLING_FLAG, settings_table[i].name, line + 2);
        CHECK(has_line_beginning(out.data, line));
        CHECK(settings_table[i].flag == NULL || strstr(out.data, settings_table[i].flag) != NULL);
        defaults += settings_table[i].standard[0] == '\0';
    }
    CHECK(defaults == settings_table_size);
}

TEST(help_fits_the_terminal)
{
    BUF out = BUF_INIT(PAGES_MAX);
    config_help(&out);
    CHECK(longest_line(out.data) <= 100);
    CHECK(strstr(out.data, " \n") == NULL);
}

TEST(help_is_laid_out_as_promised)
{
    BUF out = BUF_INIT(PAGES_MAX);
    config_help(&out);
    static const char top[] = "server: The signing API, to which validator clients connect.\n"
                              "  --server-listen-address <text>\n"
                              "      IP address on which the signing API listens. ";
    CHECK(strncmp(out.data, top, strlen(top)) == 0);
    CHECK(strstr(out.data, "\n      [default: 9000; 0 to 65535]\n") != NULL);
    CHECK(strstr(out.data, "\n\nnetwork\n  --network <text>\n") != NULL);
    CHECK(strstr(out.data, "\n  --anti-slashing-backend <sqlite|noop>\n") != NULL);
    CHECK(strstr(out.data, "\n  --metrics-enabled[=true|false]\n") != NULL);
    CHECK(strstr(out.data,
                 "\n  --anti-slashing-path <text>, --anti-slashing-sqlite-path <text>\n") != NULL);
}

TEST(the_example_gives_the_defaults_and_leaves_out_nothing)
{
    BUF out = BUF_INIT(PAGES_MAX);
    BUF described = BUF_INIT(PAGES_MAX);
    config_example(&out);
    CHECK_OK(buf_check(&out));
    CONFIG config = new_config();
    CONFIG standard = new_config();
    CHECK_OK(yaml_reader_read(config, "config.example.yaml", out.data, out.size, NULL));
    const struct settings *got = config_settings(config);
    for (size_t i = 0; i < settings_table_size; i++) {
        const struct setting *setting = &settings_table[i];
        bool live = strcmp(config_origin(config, setting->name), "default") != 0;
        CHECK(live == (setting->example == NULL));
    }
    config_describe(config, &described);
    BUF wanted = BUF_INIT(PAGES_MAX);
    config_describe(standard, &wanted);
    CHECK(got->server.listen_port == 9000);
    /* Line by line they differ in the origins only. */
    const char *a = described.data;
    const char *b = wanted.data;
    while (*a != '\0' && *b != '\0') {
        size_t size = (size_t)(strstr(b, " (default)\n") - b);
        CHECK(strncmp(a, b, size) == 0 && strncmp(a + size, " (", 2) == 0);
        a += strcspn(a, "\n") + 1;
        b += strcspn(b, "\n") + 1;
    }
    CHECK(*a == '\0' && *b == '\0');
}

/* Takes away each '#' that has a setting's name directly behind it. */
static size_t uncomment(char *yaml)
{
    size_t settings = 0;
    for (char *c = strchr(yaml, '#'); c != NULL; c = strchr(c + 1, '#')) {
        if (islower((unsigned char)c[1])) {
            memmove(c, c + 1, strlen(c));
            settings++;
        }
    }
    return settings;
}

TEST(what_the_example_comments_out_is_right_too)
{
    BUF out = BUF_INIT(PAGES_MAX);
    config_example(&out);
    size_t wanted = 0;
    for (size_t i = 0; i < settings_table_size; i++) {
        wanted += settings_table[i].example != NULL;
    }
    CHECK(uncomment(out.data) == wanted);
    CONFIG config = new_config();
    struct detail detail = { .text = "" };
    CHECK_OK(yaml_reader_read(config, "example", out.data, strlen(out.data), &detail));
    CHECK(config_settings(config)->filesystem.paths.count == 3);
    CHECK_TEXT(config_settings(config)->filesystem.paths.items[0], "./keystores/raw");
    for (size_t i = 0; i < settings_table_size; i++) {
        CHECK(strcmp(config_origin(config, settings_table[i].name), "default") != 0);
    }
}

TEST(the_example_fits_the_terminal)
{
    BUF out = BUF_INIT(PAGES_MAX);
    config_example(&out);
    CHECK(longest_line(out.data) <= 100);
    CHECK(strstr(out.data, " \n") == NULL);
    CHECK(out.data[out.size - 1] == '\n');
}

TEST(the_reference_has_every_name_of_every_setting)
{
    BUF out = BUF_INIT(PAGES_MAX);
    config_reference(&out);
    CHECK_OK(buf_check(&out));
    for (size_t i = 0; i < settings_table_size; i++) {
        const struct setting *setting = &settings_table[i];
        char spelled[NAMES_SIZE];
        char line[NAMES_SIZE + 32];
        snprintf(line, sizeof(line), "\n%s `%s`\n",
                 sections_of(&settings_schema, setting) == NULL ? "##" : "###", setting->name);
        CHECK(strstr(out.data, line) != NULL);
        names_spell(SPELLING_ENVIRONMENT, setting->name, spelled);
        snprintf(line, sizeof(line), "\n| Environment | `%s` |\n", spelled);
        CHECK(strstr(out.data, line) != NULL);
        names_spell(SPELLING_FLAG, setting->name, spelled);
        snprintf(line, sizeof(line), "\n| Flag | `%s` |\n", spelled);
        CHECK(strstr(out.data, line) != NULL);
    }
}

TEST(the_reference_says_what_settings_take)
{
    BUF out = BUF_INIT(PAGES_MAX);
    config_reference(&out);
    CHECK(strstr(out.data, "\n| Takes | a number, 0 to 65535 |\n| Default | `9000` |\n") != NULL);
    CHECK(strstr(out.data, "\n| Takes | sqlite or noop |\n") != NULL);
    CHECK(strstr(out.data, "\n| Takes | a list of texts |\n| Default | none |\n") != NULL);
    CHECK(strstr(out.data, "\n| Also | `--allow-unlocked-memory` |\n") != NULL);
    CHECK(strstr(out.data, "\n| `antislashing.*` | `anti_slashing.*` |\n") != NULL);
    CHECK(strstr(out.data, "\n| `key_manager_api` | `http.key_manager_api.enabled` |\n") != NULL);
}

TEST(a_buffer_that_is_too_small_is_told)
{
    static void (*const pages[])(struct buf *) = { config_help, config_example, config_reference };
    for (size_t i = 0; i < COUNT(pages); i++) {
        BUF whole = BUF_INIT(PAGES_MAX);
        pages[i](&whole);
        CHECK(whole.size < PAGES_MAX);
        BUF enough = BUF_INIT(whole.size);
        pages[i](&enough);
        CHECK_OK(buf_check(&enough));
        BUF small = BUF_INIT(whole.size - 1);
        pages[i](&small);
        CHECK_FAILS(LIMIT, buf_check(&small));
    }
}

/* True when the committed file is what the code makes; else prints where they part. */
static bool is_current(const char *path, const struct buf *made, const char *remedy)
{
    const char *root = getenv("CHAMBER_SOURCE");
    char full[4096];
    snprintf(full, sizeof(full), "%s/%s", root == NULL ? "." : root, path);
    SECRET_BLOCK file = { 0 };
    struct detail detail = { .text = "" };
    struct result read = file_read(full, PAGES_MAX, &file, &detail);
    if (!is_ok(read)) {
        printf("# %s\n", line_of(read, &detail));
        return false;
    }
    if (file.size == made->size && memcmp(file.data, made->data, made->size) == 0) {
        return true;
    }
    const char *has = (const char *)file.data;
    const char *wants = made->data;
    size_t line = 1;
    while (strcspn(has, "\n") == strcspn(wants, "\n") &&
           strncmp(has, wants, strcspn(has, "\n")) == 0 && *has != '\0') {
        has += strcspn(has, "\n");
        has += *has == '\n';
        wants += strcspn(wants, "\n");
        wants += *wants == '\n';
        line++;
    }
    printf("# %s line %zu has   \"%.*s\"\n", path, line, (int)strcspn(has, "\n"), has);
    printf("# %s line %zu wants \"%.*s\"\n", path, line, (int)strcspn(wants, "\n"), wants);
    printf("# The table of settings has changed; run: %s\n", remedy);
    return false;
}

TEST(the_committed_example_is_what_the_table_says)
{
    BUF out = BUF_INIT(PAGES_MAX);
    config_example(&out);
    CHECK(is_current("config.example.yaml", &out,
                     "containment-chamber server --print-example-config > config.example.yaml"));
}

TEST(the_committed_reference_is_what_the_table_says)
{
    BUF out = BUF_INIT(PAGES_MAX);
    config_reference(&out);
    CHECK(
        is_current("docs/configuration.md", &out,
                   "containment-chamber server --print-config-reference > docs/configuration.md"));
}

HARNESS_TESTS(T(help_shows_every_flag_with_its_default), T(help_fits_the_terminal),
              T(help_is_laid_out_as_promised),
              T(the_example_gives_the_defaults_and_leaves_out_nothing),
              T(what_the_example_comments_out_is_right_too), T(the_example_fits_the_terminal),
              T(the_reference_has_every_name_of_every_setting),
              T(the_reference_says_what_settings_take), T(a_buffer_that_is_too_small_is_told),
              T(the_committed_example_is_what_the_table_says),
              T(the_committed_reference_is_what_the_table_says))
