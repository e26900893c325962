/* atls_proxy.c: `atls proxy`: the process around the local door to an enclave (atls/proxy.h). */
#include "app/atls_command.h"
#include "app/atls_trust.h"
#include "app/command.h"
#include "app/process.h"
#include "atls/proxy.h"
#include "base/decimal.h"
#include "base/log.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum {
    TICK_MS = 200,
    VERIFY_DEFAULT_S = 10,
    IDLE_DEFAULT_S = 600,
    CONNECTIONS_DEFAULT = 256,
    CONNECTIONS_MAX = 10 * 1000,
};

struct options {
    struct atls_trust_files trust;
    const char *listen;
    const char *connect;
    const char *timeout;
    const char *idle_timeout;
    const char *connections;
    const char *log_format;
    bool allow_remote;
    bool help;
};

struct running {
    const struct atls_trust_files *files;
    struct atls_trust trusts[2]; /* the one in use, and room for the next */
    size_t in_use;
    struct expectations wanted; /* of the one in use */
    struct event_loop *loop;
    struct proxy *proxy;
    bool draining;
    uint64_t watchdog_ns;
};

static int print_help(void)
{
    puts("usage: containment-chamber atls proxy --listen ADDRESS:PORT --connect HOST:PORT\n"
         "                                      --policy FILE [options]\n\n"
         "The local door to a signer in an enclave, for validator clients that know nothing of\n"
         "attestation: plain HTTP on this machine, attested TLS to the enclave. Not a byte of a\n"
         "client's goes out before the enclave has proven itself on that very connection, as\n"
         "'atls verify HOST:PORT' checks it; else the client is answered with 503 and the reason.\n"
         "SIGHUP reads the policy again and cuts connections that it refuses; SIGTERM stops.\n\n"
         "  --listen ADDRESS:PORT   for clients, 127.0.0.1:9000 or [::1]:9000\n"
         "  --connect HOST:PORT     the enclave, as 'containment-chamber parent' carries it\n"
         "  --policy FILE           which enclaves are trusted (YAML or JSON)\n"
         "  --configuration FILE    the enclave must have been given this configuration\n"
         "  --root FILE             trust this root (PEM or DER) in place of AWS's: for "
         "development\n"
         "  --timeout SECONDS       to connect and to verify; 10 when not given\n"
         "  --idle-timeout SECONDS  for a connection without a byte; 600 when not given\n"
         "  --max-connections N     256 when not given; more are closed\n"
         "  --allow-remote-clients  listen on an address that is not of this machine alone: what\n"
         "                          clients send there is neither encrypted nor authenticated\n"
         "  --log-format FORMAT     text or json\n\n"
         "exit codes: 0 stopped as asked, 1 failed, 2 wrong call or policy\n\n"
         "examples:\n"
         "  containment-chamber atls proxy --listen 127.0.0.1:9000 --connect enclave.example:9443 "
         "\\\n"
         "    --policy policy.yaml");
    return EXIT_DONE;
}

static bool is_loopback(const struct endpoint *endpoint)
{
    struct endpoint_addresses addresses;
    if (endpoint_is_name(endpoint) || !is_ok(endpoint_resolve(endpoint, &addresses, NULL))) {
        return false;
    }
    const struct sockaddr_storage *address = &addresses.items[0].address;
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
        return ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    return address->ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static struct result read_connections(const char *text, size_t *out, struct detail *detail)
{
    uint64_t count = CONNECTIONS_DEFAULT;
    detail_set(detail, "--max-connections");
    if (text != NULL) {
        TRY(decimal_parse(text, strlen(text), &count));
    }
    ENSURE(count > 0 && count <= CONNECTIONS_MAX, BAD_INPUT, "not 1 to 10000");
    *out = (size_t)count;
    return OK;
}

static struct result read_addresses(const struct options *options, struct proxy_settings *out,
                                    struct detail *detail)
{
    detail_set(detail, "atls proxy");
    ENSURE(options->listen != NULL, BAD_INPUT, "needs --listen ADDRESS:PORT");
    ENSURE(options->connect != NULL, BAD_INPUT, "needs --connect HOST:PORT");
    TRY(atls_read_address(options->listen, &out->listen, detail));
    detail_set(detail, "--listen %s", options->listen);
    ENSURE(!endpoint_is_name(&out->listen), BAD_INPUT, "not an address of this machine");
    ENSURE(options->allow_remote || is_loopback(&out->listen), BAD_INPUT,
           "others than this machine could use the enclave there, unless "
           "--allow-remote-clients says that they may");
    TRY(atls_read_address(options->connect, &out->server, detail));
    detail_set(detail, "--connect %s", options->connect);
    ENSURE(out->server.port != 0, BAD_INPUT, "not HOST:PORT");
    return OK;
}

static struct result read_settings(const struct options *options, struct proxy_settings *out,
                                   struct detail *detail)
{
    TRY(read_addresses(options, out, detail));
    TRY(atls_read_seconds("--timeout", options->timeout, VERIFY_DEFAULT_S, &out->verify_timeout_ms,
                          detail));
    TRY(atls_read_seconds("--idle-timeout", options->idle_timeout, IDLE_DEFAULT_S,
                          &out->idle_timeout_ms, detail));
    return read_connections(options->connections, &out->connections_max, detail);
}

/* The new trust is in use only when all of it could be read. */
static struct result read_trust(struct running *running, struct detail *detail)
{
    size_t next = 1 - running->in_use;
    struct atls_trust *trust = &running->trusts[next];
    atls_trust_done(trust);
    *trust = (struct atls_trust){ .root_der = NULL };
    detail_set(detail, "atls proxy");
    TRY(atls_trust_read(running->files, trust, detail));
    running->in_use = next;
    running->wanted = trust->wanted;
    return OK;
}

static void on_hangup(void *context)
{
    struct running *running = context;
    struct detail detail = { "" };
    struct result read = read_trust(running, &detail);
    if (is_ok(read)) {
        size_t cut = proxy_recheck(running->proxy);
        log_info("SIGHUP: the policy was read again", LOG_NUMBER("connections_cut", cut));
        return;
    }
    char reason[DETAIL_SIZE];
    detail_line(&detail, read, reason, sizeof(reason));
    log_error("SIGHUP: the policy cannot be read; the one before holds on",
              LOG_TEXT("reason", reason));
}

static void on_stop(void *context)
{
    struct running *running = context;
    if (running->draining) { /* asked twice: at once */
        event_loop_stop(running->loop);
        return;
    }
    process_notify("STOPPING=1");
    log_info("stopping: connections end when they are quiet",
             LOG_NUMBER("connections", proxy_active(running->proxy)));
    proxy_drain(running->proxy);
    running->draining = true;
}

/* The proxy ends all of them in time. */
static void on_tick(void *context)
{
    const struct running *running = context;
    if (running->watchdog_ns != 0) {
        process_notify("WATCHDOG=1");
    }
    if (running->draining && proxy_active(running->proxy) == 0) {
        event_loop_stop(running->loop);
    }
}

static void log_beginning(const struct running *running, const struct options *options)
{
    log_info("the proxy starts", LOG_TEXT("version", CHAMBER_VERSION),
             LOG_TEXT("listen", options->listen), LOG_NUMBER("port", proxy_port(running->proxy)),
             LOG_TEXT("connect", options->connect));
    if (running->wanted.root != NULL && !chain_is_aws_root(*running->wanted.root)) {
        log_warn("DEVELOPMENT ROOT: whoever has its key can pass for an enclave");
    }
    if (running->wanted.policy->allow_debug) {
        log_warn("DEBUG MODE is allowed: enclaves that their parent can read");
    }
}

/* Signals are events of the loop while it runs. */
static struct result serve(struct running *running, const struct options *options)
{
    static const struct {
        int number;
        void (*run)(void *context);
    } signals[] = { { SIGTERM, on_stop }, { SIGINT, on_stop }, { SIGHUP, on_hangup } };
    enum { SIGNALS = sizeof(signals) / sizeof(signals[0]) };
    struct loop_source *sources[SIGNALS + 1] = { NULL };
    struct result result = loop_every(running->loop, TICK_MS, on_tick, running, &sources[SIGNALS]);
    for (size_t i = 0; is_ok(result) && i < SIGNALS; i++) {
        result =
            loop_on_signal(running->loop, signals[i].number, signals[i].run, running, &sources[i]);
    }
    if (is_ok(result)) {
        log_beginning(running, options);
        process_notify("READY=1");
        result = event_loop_run(running->loop);
    }
    for (size_t i = 0; i <= SIGNALS; i++) {
        loop_source_free(sources[i]);
    }
    return result;
}

static int run(struct running *running, const struct options *options,
               const struct proxy_settings *settings)
{
    struct detail detail = { "" };
    running->watchdog_ns = process_watchdog_ns();
    struct result result = process_harden();
    result = is_ok(result) ? event_loop_new(&running->loop) : result;
    result = is_ok(result)
                 ? proxy_new(running->loop, settings, &running->wanted, &running->proxy, &detail)
                 : result;
    result = is_ok(result) ? serve(running, options) : result;
    proxy_free(running->proxy);
    event_loop_free(running->loop);
    if (is_ok(result)) {
        log_info("stopped");
    }
    log_stop();
    return is_ok(result) ? EXIT_DONE : command_fail(&detail, result);
}

static void running_done(struct running *running)
{
    atls_trust_done(&running->trusts[0]);
    atls_trust_done(&running->trusts[1]);
}

static int start(const struct options *options)
{
    CLEANUP(running_done) struct running running = { .files = &options->trust };
    struct proxy_settings settings = { .connections_max = 0 };
    struct detail detail = { "" };
    enum log_format format = LOG_FORMAT_TEXT;
    struct result result = read_settings(options, &settings, &detail);
    result = is_ok(result) ? read_trust(&running, &detail) : result;
    if (is_ok(result) && options->log_format != NULL &&
        !log_format_parse(options->log_format, &format)) {
        detail_set(&detail, "--log-format %s", options->log_format);
        result = FAIL(BAD_INPUT, "neither text nor json");
    }
    if (!is_ok(result)) {
        return command_usage(&detail, result);
    }
    log_start(LOG_LEVEL_INFO, format);
    return run(&running, options, &settings);
}

int command_atls_proxy(int count, char *const *arguments)
{
    struct options options = { 0 };
    const struct command_option known[] = {
        { "--listen", NULL, &options.listen, NULL },
        { "--connect", NULL, &options.connect, NULL },
        { "--policy", NULL, &options.trust.policy, NULL },
        { "--root", NULL, &options.trust.root, NULL },
        { "--configuration", NULL, &options.trust.configuration, NULL },
        { "--timeout", NULL, &options.timeout, NULL },
        { "--idle-timeout", NULL, &options.idle_timeout, NULL },
        { "--max-connections", NULL, &options.connections, NULL },
        { "--log-format", NULL, &options.log_format, NULL },
        { "--allow-remote-clients", NULL, NULL, &options.allow_remote },
        { "--help", "-h", NULL, &options.help },
    };
    struct detail detail = { "" };
    struct result read =
        command_read_options(count, arguments, known, sizeof(known) / sizeof(known[0]), &detail);
    if (options.help) {
        return print_help();
    }
    return is_ok(read) ? start(&options) : command_usage(&detail, read);
}
