#include "config/validate.h"
#include "config/yaml_reader.h"
#include "support.h"

/* The error line for the settings of this YAML; "ok" when there is none. */
static const char *judge(const char *yaml)
{
    CONFIG config = new_config();
    struct detail detail = { .text = "" };
    struct result read = yaml_reader_read(config, "c.yaml", yaml, strlen(yaml), &detail);
    if (!is_ok(read)) {
        return line_of(read, &detail);
    }
    return line_of(config_validate(config, &detail), &detail);
}

static bool is_accepted(const char *yaml)
{
    CONFIG config = new_config();
    return is_ok(yaml_reader_read(config, "c.yaml", yaml, strlen(yaml), NULL)) &&
           is_ok(config_validate(config, NULL));
}

#define BULK "key_sources:\n  filesystem:\n    keystores_path: ./k\n"

TEST(the_defaults_fit_together)
{
    CHECK(is_accepted("{}"));
}

TEST(keystores_need_one_place_of_passwords)
{
    CHECK(is_accepted(BULK "    keystores_password_file: ./p\n"));
    CHECK(is_accepted(BULK "    keystores_passwords_path: ./p\n"));
    CHECK_TEXT(judge(BULK),
               "key_sources.filesystem.keystores_path = \"./k\" (c.yaml line 3): needs "
               "keystores_passwords_path or keystores_password_file beside it");
    CHECK_TEXT(
        judge(BULK "    keystores_password_file: ./p\n    keystores_passwords_path: ./p\n"),
        "key_sources.filesystem.keystores_password_file = \"./p\" (c.yaml line 4): contradicts "
        "keystores_passwords_path; keep one of the two");
}

TEST(passwords_need_keystores)
{
    static const char remedy[] =
        "needs keystores_path, the directory of the keystores that it opens";
    CHECK(strstr(judge("key_sources: {filesystem: {keystores_password_file: ./p}}"),
                 "keystores_password_file = \"./p\" (c.yaml line 1): needs keystores_path") !=
          NULL);
    CHECK(strstr(judge("key_sources: {filesystem: {keystores_passwords_path: ./p}}"),
                 "keystores_passwords_path = \"./p\" (c.yaml line 1): needs keystores_path") !=
          NULL);
    CHECK(strstr(judge("key_sources: {filesystem: {keystores_passwords_path: a, "
                       "keystores_password_file: b}}"),
                 remedy) != NULL);
}

TEST(listens_on_ip_literals)
{
    static const char *const right[] = { "127.0.0.1", "0.0.0.0",     "\"::\"",
                                         "\"::1\"",   "2001:db8::1", "\"::ffff:192.0.2.1\"" };
    for (size_t i = 0; i < COUNT(right); i++) {
        char yaml[128];
        snprintf(yaml, sizeof(yaml), "server: {listen_address: %s}", right[i]);
        CHECK(is_accepted(yaml));
    }
}

TEST(refuses_addresses_that_are_no_ip_literals)
{
    static const char *const wrong[] = { "localhost",    "127.0.0.1:9000", "\"[::1]\"",
                                         "127.0.0",      "127.1",          "0127.0.0.1",
                                         "256.0.0.1",    "\"*\"",          "eth0",
                                         "fe80::1%eth0", "http://0.0.0.0", "1.2.3.4/24" };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        char yaml[128];
        snprintf(yaml, sizeof(yaml), "server:\n  listen_address: %s\n", wrong[i]);
        CHECK(!is_accepted(yaml));
        snprintf(yaml, sizeof(yaml), "metrics:\n  listen_address: %s\n", wrong[i]);
        CHECK(!is_accepted(yaml));
    }
    CHECK_TEXT(judge("server:\n  listen_address: localhost\n"),
               "server.listen_address = \"localhost\" (c.yaml line 2): not an IP address, such as "
               "127.0.0.1, 0.0.0.0 or ::1");
    CHECK_TEXT(judge("metrics:\n  listen_address: localhost\n"),
               "metrics.listen_address = \"localhost\" (c.yaml line 2): not an IP address, such as "
               "127.0.0.1, 0.0.0.0 or ::1");
}

/* Whether both may listen on port 9000. */
static bool may_share(const char *server, const char *metrics)
{
    char yaml[256];
    snprintf(yaml, sizeof(yaml),
             "server: {listen_address: \"%s\"}\nmetrics: {listen_address: \"%s\", listen_port: "
             "9000}",
             server, metrics);
    return is_accepted(yaml);
}

TEST(server_and_metrics_do_not_share_a_socket)
{
    static const char *const pairs[][2] = {
        { "0.0.0.0", "0.0.0.0" },
        { "127.0.0.1", "127.0.0.1" },
        { "0.0.0.0", "127.0.0.1" },
        { "127.0.0.1", "0.0.0.0" },
        { "::", "::1" },
        { "::1", "::" },
        { "::", "127.0.0.1" },
        { "0.0.0.0", "::" },
        { "::1", "0:0:0:0:0:0:0:1" },
        { "::ffff:127.0.0.1", "127.0.0.1" },
    };
    for (size_t i = 0; i < COUNT(pairs); i++) {
        CHECK(!may_share(pairs[i][0], pairs[i][1]));
    }
    CHECK_TEXT(
        judge("metrics:\n  listen_port: 9000\n"),
        "server.listen_port (default) and metrics.listen_port (c.yaml line 2): the same port "
        "on the same address; give each its own");
}

TEST(one_port_on_two_addresses_is_no_conflict)
{
    CHECK(may_share("127.0.0.1", "127.0.0.2"));
    CHECK(may_share("127.0.0.1", "::1"));
    CHECK(may_share("0.0.0.0", "::1"));
    CHECK(may_share("::1", "0.0.0.0"));
}

#define TLS_FILES "tls:\n  mode: file\n  file:\n    cert_path: c\n    key_path: k\n"

TEST(the_tls_port_is_one_of_its_own)
{
    CHECK(is_accepted(TLS_FILES));
    CHECK_TEXT(judge(TLS_FILES "  listen_port: 9000\n"),
               "server.listen_port (default) and tls.listen_port (c.yaml line 6): the same port on "
               "the same address; give each its own");
    CHECK_TEXT(judge(TLS_FILES "metrics:\n  listen_port: 9443\n"),
               "metrics.listen_port (c.yaml line 7) and tls.listen_port (default): the same port "
               "on the same address; give each its own");
    CHECK(is_accepted("tls: {listen_port: 9000}")); /* it is not opened */
}

TEST(tls_from_files_needs_certificate_and_key)
{
    static const char wanted[] =
        "tls.mode = \"file\" (c.yaml line 1): needs tls.file.cert_path and "
        "tls.file.key_path beside it";
    CHECK_TEXT(judge("tls: {mode: file}"), wanted);
    CHECK_TEXT(judge("tls: {mode: file, file: {cert_path: c}}"), wanted);
    CHECK_TEXT(judge("tls: {mode: file, file: {key_path: k}}"), wanted);
    CHECK(is_accepted("tls: {mode: file, file: {cert_path: c, key_path: k, client_ca_path: a, "
                      "known_clients_path: b}}"));
}

TEST(tls_files_need_the_mode_that_reads_them)
{
    static const char *const names[] = { "cert_path", "key_path", "client_ca_path",
                                         "known_clients_path" };
    for (size_t i = 0; i < COUNT(names); i++) {
        char yaml[128];
        char wanted[256];
        snprintf(yaml, sizeof(yaml), "tls: {file: {%s: x}}", names[i]);
        snprintf(wanted, sizeof(wanted),
                 "tls.file.%s = \"x\" (c.yaml line 1): needs tls.mode: file beside it", names[i]);
        CHECK_TEXT(judge(yaml), wanted);
    }
}

TEST(ports_conflict_only_when_both_are_opened)
{
    CHECK(is_accepted("metrics: {enabled: false, listen_port: 9000}"));
    CHECK(is_accepted("server: {listen_port: 0}\nmetrics: {listen_port: 0}"));
}

HARNESS_TESTS(T(the_tls_port_is_one_of_its_own), T(tls_from_files_needs_certificate_and_key),
              T(tls_files_need_the_mode_that_reads_them), T(the_defaults_fit_together),
              T(keystores_need_one_place_of_passwords), T(passwords_need_keystores),
              T(listens_on_ip_literals), T(refuses_addresses_that_are_no_ip_literals),
              T(server_and_metrics_do_not_share_a_socket),
              T(one_port_on_two_addresses_is_no_conflict),
              T(ports_conflict_only_when_both_are_opened))
