#include "parent/settings.h"

#include "config/load.h"
#include "config/names.h"
#include "config/value.h"
#include "config/yaml_reader.h"
#include "harness.h"

#define CONFIG CLEANUP(config_free_ptr) struct config *

static struct result read_yaml(const char *yaml, struct config **out, struct parent_routes *routes,
                               struct detail *detail)
{
    TRY(config_new_of(&parent_schema, out));
    TRY(yaml_reader_read(*out, "parent.yaml", yaml, strlen(yaml), detail));
    return parent_settings_read(*out, routes, detail);
}

TEST(every_default_of_the_table_is_a_value_of_it)
{
    CONFIG config = NULL;
    CHECK_OK(config_new_of(&parent_schema, &config));
    CHECK(config_schema(config) == &parent_schema);
    for (size_t i = 0; i < *parent_schema.settings_size; i++) {
        const struct setting *setting = &parent_schema.settings[i];
        CHECK_TEXT(config_origin(config, setting->name), "default");
        CHECK(setting->offset < parent_schema.values_size);
        CHECK(!value_may_be_empty(setting) || setting->example != NULL);
    }
}

TEST(names_of_the_signer_are_not_the_parents)
{
    struct detail detail;
    CHECK(names_find(&parent_schema, SPELLING_FILE, "enclave.cid", 11) != NULL);
    CHECK(names_find(&settings_schema, SPELLING_FILE, "enclave.uds_path", 16) == NULL);
    CHECK(names_find(&parent_schema, SPELLING_FILE, "network", 7) == NULL);
    struct result refused = names_refuse(&parent_schema, SPELLING_FILE, "enclave.cdi", &detail);
    CHECK_FAILS(BAD_INPUT, refused);
    CHECK_TEXT(refused.what, "unknown setting; parent --help lists them all");
    CHECK_TEXT(detail.text, "enclave.cdi (did you mean enclave.cid?)");
    CHECK(!names_moved(&parent_schema, SPELLING_FILE, "antislashing", &detail));
}

TEST(routes_lead_where_their_lines_say)
{
    static struct parent_routes routes;
    struct detail detail;
    char text[ENDPOINT_TEXT_SIZE];
    CONFIG config = NULL;
    CHECK_OK(read_yaml("configuration_file: x\nenclave: {cid: 18}\n"
                       "inbound:\n  - 10.0.0.5:443 -> 9443\n  - '[::1]:80 -> 3000'\n"
                       "outbound: 8443 -> kms.example:443\n",
                       &config, &routes, &detail));
    CHECK(routes.inbound_count == 2 && routes.outbound_count == 1);
    endpoint_print(&routes.inbound[0].listen, text);
    CHECK_TEXT(text, "tcp:10.0.0.5:443");
    endpoint_print(&routes.inbound[0].target, text);
    CHECK_TEXT(text, "vsock:18:9443");
    endpoint_print(&routes.inbound[1].listen, text);
    CHECK_TEXT(text, "tcp:[::1]:80");
    endpoint_print(&routes.outbound[0].listen, text);
    CHECK_TEXT(text, "vsock:any:8443");
    endpoint_print(&routes.outbound[0].target, text);
    CHECK_TEXT(text, "tcp:kms.example:443");
    CHECK_TEXT(routes.outbound[0].text, "8443 -> kms.example:443");
}

TEST(an_emulated_enclave_is_behind_its_socket)
{
    static struct parent_routes routes;
    struct detail detail;
    char text[ENDPOINT_TEXT_SIZE];
    CONFIG config = NULL;
    CHECK_OK(read_yaml("configuration_file: x\nenclave: {transport: uds, uds_path: /run/vm}\n"
                       "outbound: 8443 -> kms.example:443\n",
                       &config, &routes, &detail));
    CHECK(routes.inbound_count == 3);
    endpoint_print(&routes.inbound[0].target, text);
    CHECK_TEXT(text, "uds:/run/vm:9443");
    endpoint_print(&routes.outbound[0].listen, text);
    CHECK_TEXT(text, "uds:/run/vm:8443");
    struct endpoint own = parent_own_port(config_values(config), PARENT_HEARTBEAT_PORT);
    endpoint_print(&own, text);
    CHECK_TEXT(text, "uds:/run/vm:9000");
}

TEST(the_example_page_loads)
{
    BUF page = BUF_INIT(PAGES_MAX);
    CONFIG config = NULL;
    struct detail detail;
    config_example_of(&parent_schema, &page);
    CHECK_OK(buf_check(&page));
    CHECK_OK(config_new_of(&parent_schema, &config));
    CHECK_OK(yaml_reader_read(config, "parent.yaml", page.data, page.size, &detail));
    CHECK(((const struct parent_settings *)config_values(config))->inbound.count == 3);
    BUF help = BUF_INIT(PAGES_MAX);
    config_help_of(&parent_schema, &help);
    CHECK(strstr(help.data, "--enclave-cid <number>") != NULL);
}

HARNESS_TESTS(T(every_default_of_the_table_is_a_value_of_it),
              T(names_of_the_signer_are_not_the_parents), T(routes_lead_where_their_lines_say),
              T(an_emulated_enclave_is_behind_its_socket), T(the_example_page_loads))
