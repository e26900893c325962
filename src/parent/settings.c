#include "parent/settings.h"

#include "config/names.h"
#include "config/sections.h"
#include "enclave/bootstrap.h"

#include <stdio.h>
#include <string.h>

#define AT(field) offsetof(struct parent_settings, field)

#define TEXT(setting, field)    .name = (setting), .kind = SETTING_TEXT, .offset = AT(field)
#define CHOICE(setting, field)  .name = (setting), .kind = SETTING_CHOICE, .offset = AT(field)
#define NUMBER(setting, field)  .name = (setting), .kind = SETTING_NUMBER, .offset = AT(field)
#define BOOLEAN(setting, field) .name = (setting), .kind = SETTING_BOOLEAN, .offset = AT(field)
#define LIST(setting, field)    .name = (setting), .kind = SETTING_LIST, .offset = AT(field)

static const struct setting table[] = {
    { CHOICE("enclave.transport", enclave.transport), .standard = "vsock", .choices = "vsock|uds",
      .help = "How the enclave is reached: vsock on EC2; uds for an emulated one, whose ports "
              "vhost-device-vsock shows as UNIX sockets." },
    { NUMBER("enclave.cid", enclave.cid), .standard = "16", .min = 4, .max = UINT32_MAX - 1,
      .help = "The enclave's vsock CID, as it was given when the enclave was started." },
    { TEXT("enclave.uds_path", enclave.uds_path), .standard = "",
      .example = "/run/chamber/vm.vsock",
      .help = "With transport uds: the socket that vhost-device-vsock was given as uds-path. Ports "
              "of the parent are sockets beside it, with _ and the port behind the name." },
    { BOOLEAN("enclave.heartbeat", enclave.heartbeat), .standard = "true",
      .help = "Answers on vsock port 9000, where the enclave's init says that it has started. "
              "Switch it off when what starts the enclave (enclave run, nitro-cli) listens there "
              "itself." },

    { LIST("inbound", inbound),
      .standard = "127.0.0.1:9443 -> 9443, 127.0.0.1:9000 -> 9000, 127.0.0.1:3000 -> 3000",
      .help = "Relays into the enclave, each an IP address and port to listen on, and the vsock "
              "port of the enclave: 9443 is the signing API over attested TLS, 9000 health and "
              "3000 metrics, both in the clear. Put IPv6 addresses in brackets." },
    { LIST("outbound", outbound), .standard = "",
      .example = "[\"8443 -> kms.eu-central-1.amazonaws.com:443\"]",
      .help = "Relays out of the enclave, each a vsock port of the parent, and the host and port "
              "that it leads to. The enclave can reach nothing else. Ports 9000 and 9001 are the "
              "parent's own." },
    { TEXT("configuration_file", configuration_file), .standard = "",
      .example = "/etc/containment-chamber/enclave.yaml",
      .help = "The enclave's settings, served to it as they are, at most 256 KiB. The enclave "
              "measures them before it uses them; it gets the file as it is when it starts." },

    { CHOICE("credentials.source", credentials.source), .standard = "none", .choices = "none|file",
      .help = "Where the enclave's AWS credentials come from: none, or a JSON file, which SIGHUP "
              "reads again." },
    { TEXT("credentials.file", credentials.file), .standard = "",
      .example = "/run/chamber/credentials.json",
      .help = "With source file: a JSON object, at most 16 KiB, passed to the enclave as it is." },

    { NUMBER("relays.max_connections", relays.max_connections), .standard = "4096", .min = 1,
      .max = 100 * 1000,
      .help = "Connections of all relays together. A connection takes two file descriptors, and "
              "up to 128 KiB while both of its ends are slow." },
    { NUMBER("relays.max_connections_each", relays.max_connections_each), .standard = "1024",
      .min = 1, .max = 100 * 1000,
      .help = "Connections of one relay. What is over a limit is closed at once." },
    { NUMBER("relays.connect_timeout_seconds", relays.connect_timeout_seconds), .standard = "5",
      .min = 1, .max = 120,
      .help = "Seconds that a name, and each of its addresses, may take to answer." },
    { NUMBER("relays.idle_timeout_seconds", relays.idle_timeout_seconds), .standard = "600",
      .min = 1, .max = 24 * 3600,
      .help = "Seconds after which a connection without a byte in either direction is closed." },
    { NUMBER("relays.linger_seconds", relays.linger_seconds), .standard = "10", .min = 1,
      .max = 3600, .help = "The same when one side has closed and the other cannot be told so." },

    { BOOLEAN("metrics.enabled", metrics.enabled), .standard = "true",
      .help = "Serves the parent's own metrics for Prometheus at /metrics." },
    { TEXT("metrics.listen_address", metrics.listen_address), .standard = "127.0.0.1",
      .help = "IP address on which they are served." },
    { NUMBER("metrics.listen_port", metrics.listen_port), .standard = "3001", .min = 0,
      .max = 65535, .help = "Port on which they are served; 0 lets the system choose." },

    { TEXT("enclave_log.file", enclave_log.file), .standard = "",
      .example = "/var/log/chamber-enclave.log",
      .help = "Where the enclave's log lines are appended. The default is the standard output." },
    { NUMBER("enclave_log.max_kib_per_second", enclave_log.max_kib_per_second), .standard = "256",
      .min = 1, .max = 64 * 1024,
      .help = "How much the enclave may log for long; for a moment it may log ten times that. "
              "What is over it is dropped and counted." },

    { CHOICE("logging.level", logging.level), .standard = "info",
      .choices = "debug|info|warn|error",
      .help = "The least severe level of the parent's own log." },
    { CHOICE("logging.format", logging.format), .standard = "text", .choices = "text|json",
      .help = "Its format: text for people, json for programs." },
};

static const size_t table_size = sizeof(table) / sizeof(table[0]);

static const struct section sections[] = {
    { "enclave", "The enclave and the way to it." },
    { "credentials", "AWS credentials for the enclave." },
    { "relays", "Limits of the relays." },
    { "metrics", "Metrics of the parent itself; those of the enclave come through a relay." },
    { "enclave_log", "The enclave's log lines." },
    { "logging", "The parent's own log lines, which go to the standard error stream." },
};

static const size_t sections_size = sizeof(sections) / sizeof(sections[0]);
static const size_t renames_size = 0;

const struct schema parent_schema = {
    .settings = table,
    .settings_size = &table_size,
    .sections = sections,
    .sections_size = &sections_size,
    .renames = NULL,
    .renames_size = &renames_size,
    .values_size = sizeof(struct parent_settings),
    .unknown = "unknown setting; parent --help lists them all",
    .example_header =
        "Settings of the parent of an enclave: every one there is, with its default. Keep the "
        "lines "
        "that you change. A setting that has no default is commented out, with no space after its "
        "#; remove the # to use it. configuration_file must be set.\n\n"
        "Check the file with: containment-chamber parent --config parent.yaml --check-config\n\n"
        "Generated by: containment-chamber parent --print-example-config",
};

static const struct parent_settings *values_of(const struct config *config)
{
    return config_values(config);
}

static bool is_uds(const struct parent_settings *settings)
{
    return strcmp(settings->enclave.transport, "uds") == 0;
}

static struct endpoint uds_port(const struct parent_settings *settings, uint32_t port)
{
    struct endpoint out = { .kind = ENDPOINT_UDS, .port = port };
    snprintf(out.host, sizeof(out.host), "%.*s", ENDPOINT_PATH_MAX, settings->enclave.uds_path);
    return out;
}

struct endpoint parent_own_port(const struct parent_settings *settings, uint32_t port)
{
    return is_uds(settings)
               ? uds_port(settings, port)
               : (struct endpoint){ .kind = ENDPOINT_VSOCK, .cid = UINT32_MAX, .port = port };
}

static struct endpoint enclave_port(const struct parent_settings *settings, uint32_t port)
{
    return is_uds(settings) ? uds_port(settings, port)
                            : (struct endpoint){ .kind = ENDPOINT_VSOCK,
                                                 .cid = (uint32_t)settings->enclave.cid,
                                                 .port = port };
}

/* Endpoints are read as endpoints are written: behind "tcp:", or as the port of some vsock. */
static struct result read_end(const char *prefix, const char *text, size_t size,
                              struct endpoint *out)
{
    char whole[ENDPOINT_TEXT_SIZE];
    int written = snprintf(whole, sizeof(whole), "%s%.*s", prefix, (int)size, text);
    ENSURE(written > 0 && (size_t)written < sizeof(whole), BAD_INPUT, "too long");
    return endpoint_parse(whole, out, NULL);
}

static struct result read_port(const char *text, size_t size, uint32_t *out)
{
    struct endpoint port = { .port = 0 };
    ENSURE(size > 0 && strspn(text, "0123456789") >= size &&
               is_ok(read_end("vsock:4:", text, size, &port)) && port.port != 0,
           BAD_INPUT, "the vsock port is not a number from 1 to 4294967294");
    *out = port.port;
    return OK;
}

/* Finds the two ends of "LEFT -> RIGHT". */
static struct result split(const char *text, size_t *left_size_out, const char **right_out)
{
    static const char arrow[] = " -> ";
    const char *found = strstr(text, arrow);
    ENSURE(found != NULL, BAD_INPUT, "is not of the form \"FROM -> TO\"");
    *left_size_out = (size_t)(found - text);
    *right_out = found + sizeof(arrow) - 1;
    return OK;
}

static struct result read_inbound(const struct parent_settings *settings, const char *text,
                                  struct parent_route *out)
{
    size_t left = 0;
    const char *right = NULL;
    uint32_t port = 0;
    TRY(split(text, &left, &right));
    TRY(read_end("tcp:", text, left, &out->listen));
    ENSURE(!endpoint_is_name(&out->listen), BAD_INPUT,
           "an address to listen on is an IP address, not a name");
    TRY(read_port(right, strlen(right), &port));
    out->target = enclave_port(settings, port);
    return OK;
}

static struct result read_outbound(const struct parent_settings *settings, const char *text,
                                   struct parent_route *out)
{
    size_t left = 0;
    const char *right = NULL;
    uint32_t port = 0;
    TRY(split(text, &left, &right));
    TRY(read_port(text, left, &port));
    ENSURE(port != PARENT_HEARTBEAT_PORT && port != BOOTSTRAP_PORT, BAD_INPUT,
           "ports 9000 and 9001 are the parent's own");
    TRY(read_end("tcp:", right, strlen(right), &out->target));
    ENSURE(out->target.port != 0, BAD_INPUT, "port 0 leads nowhere");
    out->listen = parent_own_port(settings, port);
    return OK;
}

static bool same_place(const struct endpoint *a, const struct endpoint *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0 &&
           (a->kind != ENDPOINT_TCP || a->port != 0);
}

typedef struct result (*route_reader)(const struct parent_settings *, const char *,
                                      struct parent_route *);

static struct result read_route(const struct parent_settings *settings, const char *text,
                                route_reader read, struct parent_route *routes, size_t count)
{
    ENSURE(count < PARENT_ROUTES_MAX, LIMIT, "more than 32 relays");
    routes[count].text = text;
    TRY(read(settings, text, &routes[count]));
    for (size_t i = 0; i < count; i++) {
        ENSURE(!same_place(&routes[i].listen, &routes[count].listen), BAD_INPUT,
               "listens where another one of the list does");
    }
    return OK;
}

/* One of the settings that are lists of relays, and where its routes go. */
struct route_list {
    const char *name;
    const struct text_list *list;
    route_reader read;
    struct parent_route *routes;
    size_t *count_out;
};

static struct result read_routes(const struct config *config, const struct route_list *wanted,
                                 struct detail *detail)
{
    for (size_t i = 0; i < wanted->list->count; i++) {
        const char *text = wanted->list->items[i];
        detail_set(detail, "%s (%s) item %zu \"%.100s\"", wanted->name,
                   config_origin(config, wanted->name), i + 1, text);
        TRY(read_route(values_of(config), text, wanted->read, wanted->routes, i));
    }
    *wanted->count_out = wanted->list->count;
    return OK;
}

/* Says `<setting> = "<value>" (<origin>)`. */
static void say(const struct config *config, const char *name, const char *value,
                struct detail *detail)
{
    detail_set(detail, "%s = \"%.100s\" (%s)", name, value, config_origin(config, name));
}

static struct result check_enclave(const struct config *config, struct detail *detail)
{
    const struct parent_settings *settings = values_of(config);
    const char *path = settings->enclave.uds_path;
    say(config, "enclave.uds_path", path, detail);
    ENSURE(!is_uds(settings) || path[0] != '\0', BAD_INPUT,
           "transport uds needs the path of vhost-device-vsock's socket");
    ENSURE(is_uds(settings) || path[0] == '\0', BAD_INPUT, "needs enclave.transport uds beside it");
    ENSURE(strlen(path) <= ENDPOINT_PATH_MAX, LIMIT, "a socket's path has at most 96 bytes");
    return OK;
}

static struct result check_files(const struct config *config, struct detail *detail)
{
    const struct parent_settings *settings = values_of(config);
    bool wants_file = strcmp(settings->credentials.source, "file") == 0;
    bool has_file = settings->credentials.file[0] != '\0';
    say(config, "configuration_file", settings->configuration_file, detail);
    ENSURE(settings->configuration_file[0] != '\0', BAD_INPUT,
           "must name the enclave's settings file");
    say(config, "credentials.file", settings->credentials.file, detail);
    ENSURE(!wants_file || has_file, BAD_INPUT, "source file needs the name of one");
    ENSURE(wants_file || !has_file, BAD_INPUT, "needs credentials.source file beside it");
    return OK;
}

static struct result check_metrics(const struct config *config, struct detail *detail)
{
    const struct parent_settings *settings = values_of(config);
    const char *address = settings->metrics.listen_address;
    char text[ENDPOINT_TEXT_SIZE];
    struct endpoint endpoint = { .port = 0 };
    snprintf(text, sizeof(text), strchr(address, ':') == NULL ? "tcp:%.200s:0" : "tcp:[%.200s]:0",
             address);
    say(config, "metrics.listen_address", address, detail);
    ENSURE(is_ok(endpoint_parse(text, &endpoint, NULL)) && !endpoint_is_name(&endpoint), BAD_INPUT,
           "not an IP address, such as 127.0.0.1, 0.0.0.0 or ::1");
    return OK;
}

RESULT parent_settings_read(const struct config *config, struct parent_routes *out,
                            struct detail *detail)
{
    const struct parent_settings *settings = values_of(config);
    TRY(check_enclave(config, detail));
    TRY(check_files(config, detail));
    TRY(check_metrics(config, detail));
    const struct route_list lists[] = {
        { "inbound", &settings->inbound, read_inbound, out->inbound, &out->inbound_count },
        { "outbound", &settings->outbound, read_outbound, out->outbound, &out->outbound_count },
    };
    TRY(read_routes(config, &lists[0], detail));
    return read_routes(config, &lists[1], detail);
}
