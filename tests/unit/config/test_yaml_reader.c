#include "config/value.h"
#include "config/yaml_reader.h"
#include "support.h"

static struct result read_bytes(struct config *config, const char *yaml, size_t size,
                                struct detail *detail)
{
    return yaml_reader_read(config, "config.yaml", yaml, size, detail);
}

static struct result read_text(struct config *config, const char *yaml)
{
    return read_bytes(config, yaml, strlen(yaml), NULL);
}

/* The error line for `size` bytes of YAML, without "config.yaml line "; "ok" when there is none. */
static const char *judge_bytes(const char *yaml, size_t size)
{
    static const char place[] = "config.yaml line ";
    CONFIG config = new_config();
    struct detail detail = { .text = "" };
    const char *line = line_of(read_bytes(config, yaml, size, &detail), &detail);
    return strncmp(line, place, strlen(place)) == 0 ? line + strlen(place) : line;
}

static const char *judge(const char *yaml)
{
    return judge_bytes(yaml, strlen(yaml));
}

TEST(reads_values_of_every_kind_at_every_depth)
{
    CONFIG config = new_config();
    CHECK_OK(read_text(config, "network: sepolia\n"
                               "server:\n"
                               "  listen_port: 9001\n"
                               "anti_slashing:\n"
                               "  backend: noop\n"
                               "  pruning:\n"
                               "    enabled: false\n"
                               "    epochs_to_keep: 7\n"
                               "  path: ./other\n"
                               "key_sources:\n"
                               "  filesystem:\n"
                               "    paths:\n"
                               "      - ./a\n"
                               "      - ./b\n"
                               "logging: {level: debug, format: \"json\"}\n"));
    const struct settings *settings = config_settings(config);
    CHECK_TEXT(settings->network, "sepolia");
    CHECK(settings->server.listen_port == 9001);
    CHECK_TEXT(settings->anti_slashing.backend, "noop");
    CHECK(!settings->anti_slashing.pruning.enabled);
    CHECK(settings->anti_slashing.pruning.epochs_to_keep == 7);
    CHECK_TEXT(settings->anti_slashing.path, "./other");
    CHECK(settings->filesystem.paths.count == 2);
    CHECK_TEXT(settings->filesystem.paths.items[1], "./b");
    CHECK_TEXT(settings->logging.level, "debug");
    CHECK_TEXT(settings->logging.format, "json");
}

TEST(remembers_the_line_of_each_name)
{
    CONFIG config = new_config();
    CHECK_OK(read_text(config, "# a comment\n\nserver:\n  listen_address:\n    127.0.0.1\n"
                               "key_sources:\n  filesystem:\n    paths:\n      - a\n"
                               "network: >-\n  hoodi\n"));
    CHECK_TEXT(config_origin(config, "server.listen_address"), "config.yaml line 4");
    CHECK_TEXT(config_origin(config, "key_sources.filesystem.paths"), "config.yaml line 8");
    CHECK_TEXT(config_origin(config, "network"), "config.yaml line 10");
    CHECK_TEXT(config_origin(config, "server.listen_port"), "default");
}

TEST(quotes_change_nothing_but_null)
{
    CONFIG config = new_config();
    CHECK_OK(read_text(config,
                       "'server': {\"listen_port\": \"9001\"}\n"
                       "metrics: {enabled: 'false'}\n"
                       "network: \"null\"\n"
                       "key_sources: {filesystem: {keystores_path: \"\", paths: ['~']}}\n"));
    CHECK(config_settings(config)->server.listen_port == 9001);
    CHECK(!config_settings(config)->metrics.enabled);
    CHECK_TEXT(config_settings(config)->network, "null");
    CHECK_TEXT(config_settings(config)->filesystem.keystores_path, "");
    CHECK_TEXT(config_settings(config)->filesystem.paths.items[0], "~");
}

TEST(one_value_is_a_list_of_one_with_its_commas)
{
    CONFIG config = new_config();
    CHECK_OK(read_text(config, "key_sources: {filesystem: {paths: \"./a,b\"}}"));
    CHECK(config_settings(config)->filesystem.paths.count == 1);
    CHECK_TEXT(config_settings(config)->filesystem.paths.items[0], "./a,b");
}

TEST(a_list_may_be_empty)
{
    CONFIG config = new_config();
    CHECK_OK(read_text(config, "key_sources: {filesystem: {paths: []}}"));
    CHECK(config_settings(config)->filesystem.paths.count == 0);
    CHECK_TEXT(config_origin(config, "key_sources.filesystem.paths"), "config.yaml line 1");
}

TEST(reads_what_other_editors_write)
{
    static const char *const files[] = {
        "\xef\xbb\xbfnetwork: hoodi\n",          /* byte order mark */
        "network: hoodi\r\nserver: {}\r\n",      /* lines of another system */
        "network: hoodi",                        /* no line end */
        "%YAML 1.2\n---\nnetwork: hoodi\n...\n", /* one document, marked as such */
    };
    for (size_t i = 0; i < COUNT(files); i++) {
        CONFIG config = new_config();
        CHECK_OK(read_text(config, files[i]));
        CHECK_TEXT(config_settings(config)->network, "hoodi");
    }
}

TEST(an_empty_mapping_keeps_all_defaults)
{
    CONFIG config = new_config();
    CHECK_OK(read_text(config, "{}"));
    CHECK_TEXT(config_origin(config, "network"), "default");
}

struct wrong {
    const char *yaml;
    const char *line; /* behind "config.yaml line " */
};

#define CHECK_WRONG(cases)                                   \
    for (size_t i = 0; i < COUNT(cases); i++) {              \
        CHECK_TEXT(judge((cases)[i].yaml), (cases)[i].line); \
    }

TEST(refuses_unknown_names)
{
    static const struct wrong cases[] = {
        { "\n\nserver:\n  listen_prt: 9000\n",
          "4: server.listen_prt (did you mean server.listen_port?): unknown setting; server --help "
          "lists them all" },
        { "sever:\n  listen_port: 9000\n",
          "1: sever (did you mean server?): unknown setting; server --help lists them all" },
        { "server:\n  network: hoodi\n",
          "2: server.network: unknown setting; server --help lists them all" },
        { "network: hoodi\nlisten_port: 1\n",
          "2: listen_port: unknown setting; server --help lists them all" },
        { "\"\": 1\n", "1: : unknown setting; server --help lists them all" },
        { "vault: {mode: file}\n", "1: vault: unknown setting; server --help lists them all" },
        { "<<: {a: b}\n", "1: <<: unknown setting; server --help lists them all" },
    };
    CHECK_WRONG(cases);
}

TEST(tells_where_settings_of_earlier_versions_went)
{
    static const struct wrong cases[] = {
        { "antislashing:\n  backend: sqlite\n",
          "1: antislashing (now anti_slashing): this setting has a new name" },
        { "key_sources:\n  key_manager_api:\n    enabled: true\n",
          "2: key_sources.key_manager_api (now http.key_manager_api): this setting has a new "
          "name" },
        { "metrics:\n  refresh_interval: 30\n",
          "2: metrics.refresh_interval (now metrics.refresh_interval_seconds): this setting has a "
          "new name" },
    };
    CHECK_WRONG(cases);
}

TEST(refuses_wrong_values)
{
    static const struct wrong cases[] = {
        { "server:\n  listen_port: 65536\n",
          "2: server.listen_port = \"65536\" (takes 0 to 65535): number out of range" },
        { "server:\n  listen_port: 9k\n",
          "2: server.listen_port = \"9k\" (takes 0 to 65535): not a whole number" },
        { "server:\n  max_connections: 0\n",
          "2: server.max_connections = \"0\" (takes 1 to 1000000): number out of range" },
        { "metrics:\n\n  enabled: yes\n",
          "3: metrics.enabled = \"yes\" (takes true or false): neither true nor false" },
        { "logging:\n  format: xml\n",
          "2: logging.format = \"xml\" (takes text or json): not one of the choices" },
        { "network: \"\"\n", "1: network = \"\" (takes a text): empty" },
        { "network: |\n  mainnet\n",
          "1: network = \"mainnet?\" (takes a text): line breaks and other control characters are "
          "not allowed" },
        { "network: \"a\\x1b[2J\"\n",
          "1: network = \"a?[2J\" (takes a text): line breaks and other control characters are not "
          "allowed" },
        { "server:\n  listen_port: \"\"\n",
          "2: server.listen_port = \"\" (takes 0 to 65535): empty" },
    };
    CHECK_WRONG(cases);
}

TEST(refuses_null)
{
    static const char *const files[] = { "network:\n",      "network: ~\n",    "network: null\n",
                                         "network: Null\n", "network: NULL\n", "? network\n" };
    for (size_t i = 0; i < COUNT(files); i++) {
        CHECK_TEXT(judge(files[i]),
                   "1: network: has no value; write one, or remove the line to keep the default");
    }
    static const struct wrong cases[] = {
        { "key_sources:\n  filesystem:\n    paths:\n      - a\n      -\n      - b\n",
          "5: key_sources.filesystem.paths: has no value; write one, or remove the line to keep "
          "the "
          "default" },
        { "key_sources:\n  filesystem:\n    paths:\n",
          "3: key_sources.filesystem.paths: has no value; write one, or remove the line to keep "
          "the "
          "default" },
        { "server:\n", "1: server: section has no settings; remove it or write some below it" },
        { "server:\n\nnetwork: x\n",
          "1: server: section has no settings; remove it or write some below it" },
        { "? server\n", "1: server: section has no settings; remove it or write some below it" },
        { "server: ~\n", "1: server: section has no settings; remove it or write some below it" },
    };
    CHECK_WRONG(cases);
}

TEST(refuses_the_wrong_shape)
{
    static const struct wrong cases[] = {
        { "server: 9000\n", "1: server: nested settings are needed here, not a value" },
        { "server:\n  9000\n", "2: server: nested settings are needed here, not a value" },
        { "server: \"\"\n", "1: server: nested settings are needed here, not a value" },
        { "server: [9000]\n", "1: server: nested settings are needed here, not a value" },
        { "network:\n  name: hoodi\n", "2: network: a value is needed here, not nested settings" },
        { "network: [hoodi]\n", "1: network: one value is needed here, not a list" },
        { "metrics:\n  enabled:\n    - true\n",
          "3: metrics.enabled: one value is needed here, not a list" },
        { "key_sources:\n  filesystem:\n    paths: {a: b}\n",
          "3: key_sources.filesystem.paths: a value is needed here, not nested settings" },
        { "key_sources: {filesystem: {paths: [[a]]}}\n",
          "1: key_sources.filesystem.paths: a list of plain values is needed here" },
        { "key_sources: {filesystem: {paths: [a,\n {b: c}]}}\n",
          "2: key_sources.filesystem.paths: a list of plain values is needed here" },
        { "? [server]\n: 1\n", "1: a setting's name is needed here" },
        { "server:\n  ? {a: b}\n  : 1\n", "2: server: a setting's name is needed here" },
        { "server.listen_port: 9000\n", "1: server.listen_port: a dot in a name; write nested "
                                        "settings, each level indented below "
                                        "the one before" },
        { "anti_slashing:\n  pruning.enabled: true\n",
          "2: anti_slashing.pruning.enabled: a dot in a name; write nested settings, each level "
          "indented below the one before" },
        { "- network: hoodi\n", "1: settings are needed here, as \"name: value\"" },
        { "mainnet\n", "1: settings are needed here, as \"name: value\"" },
        { "~\n", "1: settings are needed here, as \"name: value\"" },
    };
    CHECK_WRONG(cases);
}

TEST(refuses_names_that_appear_twice)
{
    static const struct wrong cases[] = {
        { "network: hoodi\n\nnetwork: hoodi\n",
          "3: network (first by config.yaml line 1): set twice" },
        { "server:\n  listen_port: 1\n  listen_port: 2\n",
          "3: server.listen_port (first by config.yaml line 2): set twice" },
        { "key_sources: {filesystem: {paths: a,\n paths: [b]}}\n",
          "2: key_sources.filesystem.paths (first by config.yaml line 1): set twice" },
        { "server:\n  listen_port: 1\nnetwork: hoodi\nserver:\n  io_threads: 2\n",
          "4: server (first on line 1): section appears twice" },
        { "anti_slashing:\n  pruning: {}\n  pruning: {}\n",
          "3: anti_slashing.pruning (first on line 2): section appears twice" },
    };
    CHECK_WRONG(cases);
}

TEST(refuses_yaml_that_means_more_than_it_says)
{
    static const struct wrong cases[] = {
        { "network: &n hoodi\n", "1: network: anchors (&) and aliases (*) are not allowed; quote a "
                                 "text that begins so" },
        { "server: &s\n  listen_port: 1\nmetrics: *s\n",
          "1: server: anchors (&) and aliases (*) are not allowed; quote a text that begins so" },
        { "network: *hoodi\n", "1: network: anchors (&) and aliases (*) are not allowed; quote a "
                               "text that begins so" },
        { "key_sources: {filesystem: {paths: &p [a]}}\n",
          "1: key_sources.filesystem.paths: anchors (&) and aliases (*) are not allowed; quote a "
          "text that begins so" },
        { "network: !!str hoodi\n",
          "1: network: tags (!) are not allowed; quote a text that begins so" },
        { "network: ! hoodi\n",
          "1: network: tags (!) are not allowed; quote a text that begins so" },
        { "!!map {network: hoodi}\n", "1: tags (!) are not allowed; quote a text that begins so" },
        { "key_sources: {filesystem: {paths: !!seq [a]}}\n",
          "1: key_sources.filesystem.paths: tags (!) are not allowed; quote a text that begins "
          "so" },
        { "key_sources: {filesystem: {paths: [a,\n*p]}}\n",
          "2: key_sources.filesystem.paths: anchors (&) and aliases (*) are not allowed; quote a "
          "text that begins so" },
        { "!!str network: hoodi\n", "1: tags (!) are not allowed; quote a text that begins so" },
    };
    CHECK_WRONG(cases);
}

TEST(wants_exactly_one_document)
{
    static const struct wrong cases[] = {
        { "", "1: no settings in the file; to have all defaults, write {}" },
        { "# only\n# comments\n", "3: no settings in the file; to have all defaults, write {}" },
        { "---\n", "2: settings are needed here, as \"name: value\"" },
        { "network: hoodi\n---\nnetwork: hoodi\n", "2: a second document (---); one is allowed" },
        { "{}\n---\n", "2: a second document (---); one is allowed" },
    };
    CHECK_WRONG(cases);
}

TEST(names_the_line_of_what_is_no_yaml)
{
    static const struct wrong cases[] = {
        { "network: hoodi\n\tserver: {}\n",
          "2 (found a tab character that violates indentation): not valid YAML" },
        { "server:\n  listen_port: 1\n listen_address: x\n",
          "3 (did not find expected key): not valid YAML" },
        { "network: a: b\n", "1 (mapping values are not allowed in this context): not valid YAML" },
        { "server:\n  listen_address: \"0.0.0.0\n",
          "3 (found unexpected end of stream): not valid YAML" },
        { "network: hoodi\nserver: {listen_port: 1\n",
          "3 (did not find expected ',' or '}'): not valid YAML" },
        { "network: hoodi\nserver: }\n", "2 (did not find expected node content): not valid YAML" },
        { "network: hoodi\nserver: \xff\n", "2 (invalid leading UTF-8 octet): not valid YAML" },
        { "network: hoodi\n\nserver: \xc3\n", "3 (invalid trailing UTF-8 octet): not valid YAML" },
        { "network: a\x01z\n", "1 (control characters are not allowed): not valid YAML" },
        { "\xff\xfen\0e\0", "1 (invalid leading UTF-8 octet): not valid YAML" }, /* UTF-16 */
    };
    CHECK_WRONG(cases);
}

TEST(refuses_nul_bytes_raw_and_escaped)
{
    static const char raw[] = "network: a\0b\n";
    CHECK_TEXT(judge_bytes(raw, sizeof(raw) - 1),
               "1 (control characters are not allowed): not valid YAML");
    CHECK_TEXT(judge("network: \"hoodi\\0\"\n"), "1: network: a NUL character is not allowed");
    CHECK_TEXT(judge("\"network\\0x\": hoodi\n"), "1: a NUL character is not allowed");
}

TEST(reads_no_further_than_its_size)
{
    CHECK_TEXT(judge_bytes("network: hoodi\nnonsense", strlen("network: hoodi\n")), "ok");
}

static char *yaml_with_items(size_t count)
{
    BUF out = BUF_INIT(1024 * 1024);
    buf_append_text(&out, "key_sources:\n  filesystem:\n    paths:\n");
    for (size_t i = 0; i < count; i++) {
        buf_append_text(&out, "    - a\n");
    }
    assert(is_ok(buf_check(&out)));
    return buf_take(&out);
}

TEST(a_list_has_its_limit)
{
    CLEANUP(free_ptr) char *most = yaml_with_items(VALUE_LIST_MAX);
    CLEANUP(free_ptr) char *more = yaml_with_items(VALUE_LIST_MAX + 1);
    CHECK_TEXT(judge(most), "ok");
    CHECK_TEXT(judge(more), "1004: key_sources.filesystem.paths item 1001: list has more than 1000 "
                            "items");
}

TEST(wrong_items_are_told_by_number_and_line)
{
    CHECK_TEXT(judge("key_sources:\n  filesystem:\n    paths:\n      - a\n      - \"\"\n"),
               "5: key_sources.filesystem.paths item 2: empty item in a list");
    CHECK_TEXT(judge("key_sources: {filesystem: {paths: \" a\"}}\n"),
               "1: key_sources.filesystem.paths item 1: begins or ends with a space");
}

TEST(a_text_has_its_limit)
{
    for (size_t size = VALUE_TEXT_MAX; size <= VALUE_TEXT_MAX + 1; size++) {
        CLEANUP(free_ptr) char *value = repeat('a', size);
        BUF yaml = BUF_INIT(8192);
        buf_printf(&yaml, "network: %s\n", value);
        CHECK_TEXT(judge(yaml.data),
                   size == VALUE_TEXT_MAX
                       ? "ok"
                       : "1: network = \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\" (takes a "
                         "text): text is longer than 4095 bytes");
    }
}

TEST(endless_names_and_nesting_are_refused_where_they_begin)
{
    CLEANUP(free_ptr) char *letters = repeat('a', 1000);
    BUF yaml = BUF_INIT(8192);
    buf_printf(&yaml, "server:\n  %s: 1\n", letters);
    CHECK(strncmp(judge(yaml.data), "2: server.aaaaaaaaaa", 20) == 0);
    CHECK(strstr(judge(yaml.data), ": unknown setting;") != NULL);
    CLEANUP(free_ptr) char *brackets = repeat('[', 1000 * 1000);
    CHECK_TEXT(judge(brackets), "1: settings are needed here, as \"name: value\"");
    CLEANUP(free_ptr) char *braces = repeat('{', 1000 * 1000);
    CHECK_TEXT(judge(braces), "1: a setting's name is needed here");
}

TEST(a_long_file_name_leaves_room_for_the_reason)
{
    CLEANUP(free_ptr) char *folder = repeat('d', 3000);
    CONFIG config = new_config();
    struct detail detail = { .text = "" };
    memcpy(folder + strlen(folder) - 12, "/config.yaml", 12);
    CHECK_FAILS(BAD_INPUT, yaml_reader_read(config, folder, "netwrk: x", 9, &detail));
    CHECK(strncmp(detail.text, "dddd", 4) == 0);
    CHECK(strstr(detail.text, "dd/config.yaml line 1: netwrk (did you mean network?)") != NULL);
    CHECK_OK(yaml_reader_read(config, folder, "network: x", 10, &detail));
    CHECK(strstr(config_origin(config, "network"), "dd/config.yaml line 1") != NULL);
}

HARNESS_TESTS(T(reads_values_of_every_kind_at_every_depth), T(remembers_the_line_of_each_name),
              T(quotes_change_nothing_but_null), T(one_value_is_a_list_of_one_with_its_commas),
              T(a_list_may_be_empty), T(reads_what_other_editors_write),
              T(an_empty_mapping_keeps_all_defaults), T(refuses_unknown_names),
              T(tells_where_settings_of_earlier_versions_went), T(refuses_wrong_values),
              T(refuses_null), T(refuses_the_wrong_shape), T(refuses_names_that_appear_twice),
              T(refuses_yaml_that_means_more_than_it_says), T(wants_exactly_one_document),
              T(names_the_line_of_what_is_no_yaml), T(refuses_nul_bytes_raw_and_escaped),
              T(reads_no_further_than_its_size), T(a_list_has_its_limit),
              T(wrong_items_are_told_by_number_and_line), T(a_text_has_its_limit),
              T(endless_names_and_nesting_are_refused_where_they_begin),
              T(a_long_file_name_leaves_room_for_the_reason))
