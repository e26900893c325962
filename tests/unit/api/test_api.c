#include "api/api.h"
#include "exchange.h"
#include "harness.h"

#include "base/file.h"

#include <stdlib.h>

static bool in_enclave = true; /* there is something to attest */

static struct attestation *new_attestation(void)
{
    static const uint8_t configuration[SHA384_SIZE];
    const struct attestor never_asked = { .attest = NULL };
    struct attestation *attestation = NULL;
    if (in_enclave && !is_ok(attestation_new(&never_asked, configuration, &attestation))) {
        abort();
    }
    return attestation;
}

/* A method that no route has: its answer tells the methods that there are, without running one. */
static const char *methods_of(void (*handle)(struct http_exchange *exchange, void *context),
                              bool key_manager, const char *path)
{
    CLEANUP(attestation_free_ptr) struct attestation *attestation = new_attestation();
    struct api api = { .key_manager.enabled = key_manager, .attestation = attestation };
    EXCHANGE(exchange, METHOD_PATCH, path);
    handle(&exchange, &api);
    unsigned status = exchange_status(&exchange);
    return status == 405 ? exchange.response.allow : status == 404 ? "none" : "answered wrongly";
}

TEST(the_routes_are_those_of_web3signer)
{
    static const struct {
        const char *path;
        const char *methods;
    } cases[] = {
        { "/api/v1/eth2/sign/0xab", "POST" },
        { "/api/v1/eth2/publicKeys", "GET, HEAD" },
        { "/api/v1/eth2/highWatermark", "GET, HEAD" },
        { "/upcheck", "GET, HEAD" },
        { "/healthcheck", "GET, HEAD" },
        { "/reload", "GET, HEAD, POST" },
        { "/api/v1/eth2/sign/", "none" },
        { "/api/v1/eth2/sign/0xab/more", "none" },
        { "/api/v1/eth1/sign/0xab", "none" },
        { "/api/v1/eth2/publickeys", "none" },
        { "/", "none" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK_TEXT(methods_of(api_handle, true, cases[i].path), cases[i].methods);
        CHECK_TEXT(methods_of(api_handle, false, cases[i].path), cases[i].methods);
    }
}

TEST(the_key_manager_is_there_only_when_it_is_switched_on)
{
    static const char path[] = "/eth/v1/keystores";
    CHECK_TEXT(methods_of(api_handle, true, path), "GET, HEAD, POST, DELETE");
    CHECK_TEXT(methods_of(api_handle, false, path), "none");
    static const enum http_method methods[] = { METHOD_GET, METHOD_HEAD, METHOD_POST,
                                                METHOD_DELETE };
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        struct api api = { .key_manager.enabled = false };
        EXCHANGE(exchange, methods[i], path);
        api_handle(&exchange, &api);
        CHECK(exchange_status(&exchange) == 404);
    }
}

TEST(there_is_something_to_attest_in_an_enclave_only)
{
    CHECK_TEXT(methods_of(api_handle, false, "/attestation"), "POST");
    in_enclave = false;
    const char *methods = methods_of(api_handle, true, "/attestation");
    struct api api = { .attestation = NULL };
    EXCHANGE(exchange, METHOD_POST, "/attestation");
    api_handle(&exchange, &api);
    in_enclave = true;
    CHECK_TEXT(methods, "none");
    CHECK(exchange_status(&exchange) == 404);
}

TEST(metrics_and_the_api_do_not_answer_at_each_others_port)
{
    CHECK_TEXT(methods_of(api_handle_metrics, true, "/metrics"), "GET, HEAD");
    CHECK_TEXT(methods_of(api_handle, true, "/metrics"), "none");
    static const char *const paths[] = {
        "/upcheck",          "/healthcheck", "/reload", "/api/v1/eth2/sign/0xab",
        "/eth/v1/keystores", "/attestation", "/"
    };
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        CHECK_TEXT(methods_of(api_handle_metrics, true, paths[i]), "none");
    }
}

TEST(a_port_for_health_probes_answers_nothing_else)
{
    static const char *const others[] = { "/reload",
                                          "/api/v1/eth2/sign/0xab",
                                          "/metrics",
                                          "/attestation",
                                          "/",
                                          "/api/v1/eth2/publicKeys",
                                          "/eth/v1/keystores",
                                          "/upcheck/",
                                          "/upcheck/more",
                                          "//upcheck" };
    static const enum http_method methods[] = { METHOD_GET, METHOD_POST, METHOD_DELETE };
    CHECK_TEXT(methods_of(api_handle_health, true, "/upcheck"), "GET, HEAD");
    CHECK_TEXT(methods_of(api_handle_health, true, "/healthcheck"), "GET, HEAD");
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        for (size_t m = 0; m < sizeof(methods) / sizeof(methods[0]); m++) {
            struct api api = { .key_manager.enabled = true };
            EXCHANGE(exchange, methods[m], others[i]);
            api_handle_health(&exchange, &api);
            CHECK(exchange_status(&exchange) == 403);
        }
    }
}

/* The next line of the document, without its end; false behind the last. */
static bool next_line(const char **at, char *line, size_t size)
{
    size_t length = strcspn(*at, "\n");
    if (**at == '\0') {
        return false;
    }
    snprintf(line, size, "%.*s", (int)length, *at);
    *at += length + ((*at)[length] == '\n');
    return true;
}

/* "  /path/{x}:" gives "/path/0xab"; false: the line is no path. */
static bool path_of_line(const char *line, char *path, size_t size)
{
    if (strncmp(line, "  /", 3) != 0 || line[strlen(line) - 1] != ':') {
        return false;
    }
    size_t fixed = strcspn(line + 2, "{:");
    snprintf(path, size, "%.*s%s", (int)fixed, line + 2, line[2 + fixed] == '{' ? "0xab" : "");
    return true;
}

static void add_method(const char *line, char *methods, size_t size)
{
    static const struct {
        const char *line;
        const char *methods;
    } known[] = { { "    get:", "GET, HEAD" },
                  { "    post:", "POST" },
                  { "    delete:", "DELETE" } };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(line, known[i].line) == 0) {
            size_t used = strlen(methods);
            snprintf(methods + used, size - used, "%s%s", used == 0 ? "" : ", ", known[i].methods);
        }
    }
}

/* The document names methods in the order of ours, but for /reload. */
static bool same_methods(const char *documented, const char *routed)
{
    return strcmp(documented, routed) == 0 ||
           (strcmp(documented, "POST, GET, HEAD") == 0 && strcmp(routed, "GET, HEAD, POST") == 0);
}

TEST(openapi_yaml_names_the_same_paths_and_methods)
{
    SECRET_BLOCK text = { 0 };
    char file[4096];
    const char *source = getenv("CHAMBER_SOURCE");
    CHECK(source != NULL);
    snprintf(file, sizeof(file), "%s/docs/openapi.yaml", source);
    CHECK_OK(file_read(file, 1024 * 1024, &text, NULL));
    const char *at = strstr((const char *)text.data, "\npaths:\n");
    CHECK(at != NULL);
    at += strlen("\npaths:\n");
    char line[512];
    char path[512] = "";
    char methods[64] = "";
    size_t count = 0;
    while (next_line(&at, line, sizeof(line)) && (line[0] == ' ' || line[0] == '\0')) {
        char next[512];
        if (path_of_line(line, next, sizeof(next))) {
            CHECK(count == 0 || same_methods(methods, methods_of(api_handle, true, path)));
            memcpy(path, next, sizeof(path));
            methods[0] = '\0';
            count++;
        }
        add_method(line, methods, sizeof(methods));
    }
    CHECK(same_methods(methods, methods_of(api_handle, true, path)));
    CHECK(count == 8); /* as many as there are in api.c */
}

HARNESS_TESTS(T(a_port_for_health_probes_answers_nothing_else),
              T(the_routes_are_those_of_web3signer),
              T(the_key_manager_is_there_only_when_it_is_switched_on),
              T(there_is_something_to_attest_in_an_enclave_only),
              T(metrics_and_the_api_do_not_answer_at_each_others_port),
              T(openapi_yaml_names_the_same_paths_and_methods))
