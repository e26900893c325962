#include "config/enclave_rules.h"

#include "config/validate.h"
#include "config/yaml_reader.h"
#include "support.h"

typedef struct result (*rule)(const struct config *config, struct detail *detail);

/* What one rule says to the settings of this YAML; "ok" when it has nothing to say. */
static const char *judge(rule judges, const char *yaml)
{
    CONFIG config = new_config();
    struct detail detail = { .text = "" };
    struct result result = yaml_reader_read(config, "c.yaml", yaml, strlen(yaml), &detail);
    result = is_ok(result) ? judges(config, &detail) : result;
    return line_of(result, &detail);
}

#define NITRO "tee: {platform: nitro}\n"
#define ATLS  "tls: {mode: atls}\n"

TEST(an_enclave_and_attested_tls_need_each_other)
{
    static const char no_tls[] = "tee.platform = \"nitro\" (c.yaml line 1): needs tls.mode: atls "
                                 "beside it, by which clients know the enclave";
    CHECK_TEXT(judge(enclave_rules_attested_tls, "{}"), "ok");
    CHECK_TEXT(judge(enclave_rules_attested_tls, "tls: {mode: file}"), "ok");
    CHECK_TEXT(judge(enclave_rules_attested_tls, NITRO ATLS), "ok");
    CHECK_TEXT(judge(enclave_rules_attested_tls, NITRO), no_tls);
    CHECK_TEXT(judge(enclave_rules_attested_tls, NITRO "tls: {mode: file}"), no_tls);
    CHECK_TEXT(judge(enclave_rules_attested_tls, ATLS),
               "tls.mode = \"atls\" (c.yaml line 1): needs tee.platform: nitro beside it: outside "
               "of an enclave there is nothing to attest");
}

TEST(without_persistent_state_there_is_no_enclave)
{
    CHECK_TEXT(judge(enclave_rules_signer_state, "{}"), "ok");
    CHECK_TEXT(judge(enclave_rules_signer_state, NITRO ATLS),
               "tee.platform = \"nitro\" (c.yaml line 1): needs a persistent signer_state, which "
               "this version does not have: an enclave forgets everything when it ends");
}

TEST(an_enclave_has_no_files)
{
    static const char *const places[][2] = {
        { "key_sources.filesystem.paths = \"a\"", "key_sources: {filesystem: {paths: [a, b]}}" },
        { "key_sources.filesystem.keystores_path = \"a\"",
          "key_sources: {filesystem: {keystores_path: a}}" },
        { "network = \"./devnet.yaml\"", "network: ./devnet.yaml" },
        { "network = \"devnet.yaml\"", "network: devnet.yaml" },
        { "network = \"a/b\"", "network: a/b" },
    };
    for (size_t i = 0; i < COUNT(places); i++) {
        char yaml[256];
        char wanted[256];
        snprintf(yaml, sizeof(yaml), NITRO "%s", places[i][1]);
        snprintf(wanted, sizeof(wanted),
                 "%s (c.yaml line 2): there are no files in an enclave; leave it out",
                 places[i][0]);
        CHECK_TEXT(judge(enclave_rules_host, yaml), wanted);
        CHECK_TEXT(judge(enclave_rules_host, places[i][1]), "ok");
    }
}

TEST(slashing_protection_must_outlive_an_enclave)
{
    static const char no_disk[] = "an enclave has no disk: what was signed would be forgotten with "
                                  "it";
    CHECK(strstr(judge(enclave_rules_host, NITRO), no_disk) != NULL); /* the default */
    CHECK(strstr(judge(enclave_rules_host, NITRO "anti_slashing: {backend: sqlite}"), no_disk) !=
          NULL);
    CHECK_TEXT(judge(enclave_rules_host, NITRO "anti_slashing: {backend: noop}"),
               "anti_slashing.backend = \"noop\" (c.yaml line 2): an enclave does not run without "
               "slashing protection");
    CHECK_TEXT(judge(enclave_rules_host, "anti_slashing: {backend: noop}"), "ok");
}

TEST(an_enclave_is_told_its_ports)
{
    static const char *const settings[][2] = { { "server", "server: {listen_port: 0}" },
                                               { "tls", "tls: {listen_port: 0}" },
                                               { "metrics", "metrics: {listen_port: 0}" } };
    for (size_t i = 0; i < COUNT(settings); i++) {
        char yaml[256];
        char wanted[256];
        snprintf(yaml, sizeof(yaml), NITRO "%s", settings[i][1]);
        snprintf(wanted, sizeof(wanted),
                 "%s.listen_port = \"0\" (c.yaml line 2): the parent must know an enclave's ports; "
                 "give one of its own",
                 settings[i][0]);
        CHECK_TEXT(judge(enclave_rules_ports, yaml), wanted);
        CHECK_TEXT(judge(enclave_rules_ports, settings[i][1]), "ok");
    }
    CHECK_TEXT(judge(enclave_rules_ports, NITRO), "ok");
    CHECK_TEXT(judge(enclave_rules_ports, NITRO "metrics: {enabled: false, listen_port: 0}"), "ok");
}

TEST(the_whole_says_the_most_important_first)
{
    CHECK(strstr(judge(config_validate, NITRO), "tls.mode: atls") != NULL);
    CHECK(strstr(judge(config_validate, NITRO ATLS), "signer_state") != NULL);
    CHECK(strstr(judge(config_validate, ATLS), "tee.platform: nitro") != NULL);
    CHECK(strstr(judge(config_validate, NITRO "tls: {mode: atls, file: {key_path: k}}"),
                 "needs tls.mode: file") != NULL);
}

TEST(an_enclaves_ports_are_of_one_space_whatever_the_addresses)
{
    static const char yaml[] = NITRO ATLS "server: {listen_address: 127.0.0.1}\n"
                                          "metrics: {listen_address: 127.0.0.2, listen_port: 9443}";
    CHECK_TEXT(judge(config_validate, yaml),
               "metrics.listen_port (c.yaml line 4) and tls.listen_port (default): the same port "
               "on the same address; give each its own");
}

HARNESS_TESTS(T(an_enclave_and_attested_tls_need_each_other),
              T(without_persistent_state_there_is_no_enclave), T(an_enclave_has_no_files),
              T(slashing_protection_must_outlive_an_enclave), T(an_enclave_is_told_its_ports),
              T(the_whole_says_the_most_important_first),
              T(an_enclaves_ports_are_of_one_space_whatever_the_addresses))
