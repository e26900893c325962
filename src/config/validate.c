#include "config/validate.h"

#include "config/enclave_rules.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

/* Reads an IP literal of either family; IPv4 goes into IPv6 as ::ffff:a.b.c.d. */
static bool address_parse(const char *text, struct in6_addr *out)
{
    if (inet_pton(AF_INET6, text, out) == 1) {
        return true;
    }
    struct in_addr ipv4;
    if (inet_pton(AF_INET, text, &ipv4) != 1) {
        return false;
    }
    *out = (struct in6_addr){ .s6_addr = { [10] = 0xff, [11] = 0xff } };
    memcpy(&out->s6_addr[12], &ipv4, sizeof(ipv4));
    return true;
}

static bool is_ipv4_wildcard(const struct in6_addr *address)
{
    struct in6_addr wildcard;
    return address_parse("0.0.0.0", &wildcard) && IN6_ARE_ADDR_EQUAL(address, &wildcard);
}

/* True when one socket at `wide` would take connections to `narrow`. :: takes those to IPv4
 * addresses, too. */
static bool covers(const struct in6_addr *wide, const struct in6_addr *narrow)
{
    if (IN6_ARE_ADDR_EQUAL(wide, narrow) || IN6_IS_ADDR_UNSPECIFIED(wide)) {
        return true;
    }
    return is_ipv4_wildcard(wide) && IN6_IS_ADDR_V4MAPPED(narrow);
}

static struct result check_address(const struct config *config, const char *name, const char *value,
                                   struct detail *detail)
{
    struct in6_addr address;
    config_say(config, name, value, detail);
    ENSURE(address_parse(value, &address), BAD_INPUT,
           "not an IP address, such as 127.0.0.1, 0.0.0.0 or ::1");
    return OK;
}

static struct result check_addresses(const struct config *config, struct detail *detail)
{
    const struct settings *settings = config_settings(config);
    TRY(check_address(config, "server.listen_address", settings->server.listen_address, detail));
    return check_address(config, "metrics.listen_address", settings->metrics.listen_address,
                         detail);
}

/* A socket that the settings ask for. */
struct door {
    const char *name; /* the port's setting */
    const char *address;
    uint64_t port;
    bool open;
};

static struct result check_two_doors(const struct config *config, const struct door *a,
                                     const struct door *b, struct detail *detail)
{
    struct in6_addr addresses[2];
    bool same_port = a->open && b->open && a->port != 0 && a->port == b->port;
    if (!same_port || !address_parse(a->address, &addresses[0]) ||
        !address_parse(b->address, &addresses[1])) {
        return OK;
    }
    detail_set(detail, "%s (%s) and %s (%s)", a->name, config_origin(config, a->name), b->name,
               config_origin(config, b->name));
    ENSURE(!covers(&addresses[0], &addresses[1]) && !covers(&addresses[1], &addresses[0]),
           BAD_INPUT, "the same port on the same address; give each its own");
    return OK;
}

static bool has_tls(const struct settings *settings)
{
    return strcmp(settings->tls.mode, "disabled") != 0;
}

static struct result check_ports(const struct config *config, struct detail *detail)
{
    const struct settings *settings = config_settings(config);
    bool vsock = enclave_rules_apply(settings); /* which has ports, and one address */
    const char *server = vsock ? "::" : settings->server.listen_address;
    const char *metrics = vsock ? "::" : settings->metrics.listen_address;
    const struct door doors[] = {
        { "server.listen_port", server, settings->server.listen_port, true },
        { "metrics.listen_port", metrics, settings->metrics.listen_port,
          settings->metrics.enabled },
        { "tls.listen_port", server, settings->tls.listen_port, has_tls(settings) },
    };
    TRY(check_two_doors(config, &doors[0], &doors[1], detail));
    TRY(check_two_doors(config, &doors[0], &doors[2], detail));
    return check_two_doors(config, &doors[1], &doors[2], detail);
}

/* A path that is given beside a mode that does not look at it: somebody believes that TLS is on. */
static struct result check_tls(const struct config *config, struct detail *detail)
{
    const struct settings *settings = config_settings(config);
    const struct {
        const char *name;
        const char *value;
        bool needed;
    } paths[] = {
        { "tls.file.cert_path", settings->tls.file.cert_path, true },
        { "tls.file.key_path", settings->tls.file.key_path, true },
        { "tls.file.client_ca_path", settings->tls.file.client_ca_path, false },
        { "tls.file.known_clients_path", settings->tls.file.known_clients_path, false },
    };
    bool from_files = strcmp(settings->tls.mode, "file") == 0;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        bool given = paths[i].value[0] != '\0';
        config_say(config, "tls.mode", settings->tls.mode, detail);
        ENSURE(given || !from_files || !paths[i].needed, BAD_INPUT,
               "needs tls.file.cert_path and tls.file.key_path beside it");
        config_say(config, paths[i].name, paths[i].value, detail);
        ENSURE(!given || from_files, BAD_INPUT, "needs tls.mode: file beside it");
    }
    return OK;
}

#define FILESYSTEM "key_sources.filesystem."

static struct result check_passwords(const struct config *config, struct detail *detail)
{
    const struct settings *settings = config_settings(config);
    const char *keystores = settings->filesystem.keystores_path;
    const char *directory = settings->filesystem.keystores_passwords_path;
    const char *file = settings->filesystem.keystores_password_file;
    bool have_directory = directory[0] != '\0';
    bool have_file = file[0] != '\0';
    if (keystores[0] != '\0') {
        config_say(config, FILESYSTEM "keystores_path", keystores, detail);
        ENSURE(have_directory || have_file, BAD_INPUT,
               "needs keystores_passwords_path or keystores_password_file beside it");
        config_say(config, FILESYSTEM "keystores_password_file", file, detail);
        ENSURE(!have_directory || !have_file, BAD_INPUT,
               "contradicts keystores_passwords_path; keep one of the two");
        return OK;
    }
    config_say(config,
               have_file ? FILESYSTEM "keystores_password_file"
                         : FILESYSTEM "keystores_passwords_path",
               have_file ? file : directory, detail);
    ENSURE(!have_directory && !have_file, BAD_INPUT,
           "needs keystores_path, the directory of the keystores that it opens");
    return OK;
}

RESULT config_validate(const struct config *config, struct detail *detail)
{
    static struct result (*const checks[])(const struct config *, struct detail *) = {
        check_addresses,
        check_ports,
        check_tls,
        check_passwords,
        enclave_rules_attested_tls,
        enclave_rules_signer_state,
        enclave_rules_host,
        enclave_rules_ports,
    };
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        TRY(checks[i](config, detail));
    }
    return OK;
}
