/*~ The server inside the enclave: what it is given comes from the parent over vsock and is hostile
 * until it has been measured and checked; what it is comes from the security module. In order: the
 * log's way out, the configuration, its measurement, its settings, the attested identity, and then
 * the same service as anywhere else (app/service.h). */
#define _GNU_SOURCE /* pipe2 */
#include "app/enclave_server.h"

#include "app/attested_tls.h"
#include "app/command.h"
#include "app/development.h"
#include "app/service.h"
#include "base/json.h"
#include "base/log.h"
#include "config/load.h"
#include "config/yaml_reader.h"
#include "enclave/bootstrap_client.h"
#include "enclave/configuration.h"
#include "enclave/nsm.h"
#include "enclave/vsock.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    CONFIGURATION_WAIT_S = 60, /* for a parent that starts at the same time */
    CONNECT_TIMEOUT_MS = 2000, /* the log is not read meanwhile */
    LOG_BYTES_PER_SECOND = 256 * 1024,
};

static const uint64_t second_ns = 1000000000U;

struct enclave {
    const struct boot_line *line;
    pthread_t main_thread; /* which waits for the signals */
    struct bootstrap_client *parent;
    struct nsm nsm;
    struct config *config;
    struct attested_tls *tls;
    uint8_t configuration[SHA384_SIZE];
    bool is_lost; /* the parent */
};

static int connect_to_parent(void *context)
{
    const struct enclave *enclave = context;
    struct detail detail;
    int fd = -1;
    struct result connected =
        vsock_connect(enclave->line->parent_cid, BOOTSTRAP_PORT, CONNECT_TIMEOUT_MS, &fd, &detail);
    return is_ok(connected) ? fd : -1;
}

/* As if PID 1 had said so: requests under way are answered first. */
static void on_shutdown(void *context, const char *reason)
{
    const struct enclave *enclave = context;
    log_info("the parent asks the enclave to stop", LOG_TEXT("reason", reason));
    (void)pthread_kill(enclave->main_thread, SIGINT);
}

/* From here on whatever is written to stderr goes to the parent; stdout stays the console. */
static RESULT open_log(struct enclave *enclave)
{
    int pipes[2];
    ENSURE(pipe2(pipes, O_CLOEXEC) == 0, UNAVAILABLE, "no pipe for the log");
    const struct bootstrap_client_settings settings = {
        .connect = connect_to_parent,
        .context = enclave,
        .log_fd = pipes[0],
        .log_bytes_per_second = LOG_BYTES_PER_SECOND,
        .on_shutdown = on_shutdown,
        .shutdown_context = enclave,
    };
    struct result made = bootstrap_client_new(&settings, &enclave->parent);
    if (is_ok(made) && dup2(pipes[1], STDERR_FILENO) != STDERR_FILENO) {
        made = FAIL(UNAVAILABLE, "no descriptor for the log");
    }
    close(pipes[1]);
    return made;
}

/* Nothing of the configuration is looked at before it is measured. */
static RESULT take_configuration(struct enclave *enclave, struct detail *detail)
{
    static const char name[] = "the enclave's configuration";
    SECRET_BLOCK text = { 0 };
    TRY(bootstrap_client_configuration(enclave->parent, CONFIGURATION_WAIT_S, &text, detail));
    TRY(nsm_open(NSM_DEVICE, &enclave->nsm, detail));
    TRY(configuration_measure(&enclave->nsm, text.data, text.size, enclave->configuration, detail));
    TRY(config_new(&enclave->config));
    TRY(yaml_reader_read(enclave->config, name, text.data, text.size, detail));
    TRY(config_validate(enclave->config, detail));
    const struct settings *settings = config_settings(enclave->config);
    detail_set(detail, "tee.platform (%s)", config_origin(enclave->config, "tee.platform"));
    ENSURE(strcmp(settings->tee.platform, "nitro") == 0, BAD_INPUT,
           "must be nitro inside an enclave");
    return OK;
}

static void start_log(const struct settings *settings)
{
    enum log_level level = LOG_LEVEL_INFO;
    (void)log_level_parse(settings->logging.level, &level); /* a choice of the table */
    log_stop();
    log_start(level, LOG_FORMAT_JSON);
}

static RESULT make_identity(struct enclave *enclave, struct detail *detail)
{
    struct attested_tls_settings settings = { .attestor = nsm_attestor(&enclave->nsm) };
    memcpy(settings.configuration, enclave->configuration, SHA384_SIZE);
    return attested_tls_new(&settings, &enclave->tls, detail);
}

/* Without a parent nobody reaches the enclave, nor hears of it: better a new one than half of one.
 */
static void watch_parent(struct enclave *enclave)
{
    uint64_t limit = config_settings(enclave->config)->tee.parent_timeout_seconds;
    uint64_t unheard = bootstrap_client_unheard_ns(enclave->parent) / second_ns;
    if (unheard >= limit && !enclave->is_lost) {
        enclave->is_lost = true;
        dprintf(STDOUT_FILENO, "chamber-enclave: server: the parent is lost\n");
        log_error("nothing was heard of the parent for too long; the enclave ends",
                  LOG_NUMBER("seconds", unheard));
        (void)raise(SIGINT);
    }
}

static void tick(void *context, struct stack *stack, bool serves)
{
    struct enclave *enclave = context;
    char reason[DETAIL_SIZE];
    enum bootstrap_health health = BOOTSTRAP_STOPPING;
    if (serves) {
        bool is_up = health_store_is_up(&stack->health, reason);
        health = is_up ? BOOTSTRAP_SERVING : BOOTSTRAP_UNHEALTHY;
    }
    bootstrap_client_health(enclave->parent, health);
    watch_parent(enclave);
}

/* On the console as well, which is seen in debug mode and under the emulator. */
static int fail(const struct detail *detail, struct result result)
{
    char line[2 * DETAIL_SIZE];
    detail_line(detail, result, line, sizeof(line));
    dprintf(STDOUT_FILENO, "chamber-enclave: server: %s\n", line);
    log_error("the server cannot start", LOG_TEXT("reason", line));
    log_stop();
    return EXIT_FAILED;
}

static int serve(struct enclave *enclave)
{
    struct detail detail = { "" };
    struct result ready = take_configuration(enclave, &detail);
    if (is_ok(ready)) {
        start_log(config_settings(enclave->config));
        development_warn();
        ready = make_identity(enclave, &detail);
    }
    if (!is_ok(ready)) {
        return fail(&detail, ready);
    }
    const struct service_options options = {
        .stack = { .attested_tls = enclave->tls, .vsock = true },
        .tick = tick,
        .context = enclave,
    };
    return service_run(config_settings(enclave->config), &options);
}

int enclave_server(const struct boot_line *line)
{
    struct enclave enclave = { .line = line, .main_thread = pthread_self(), .nsm = { .fd = -1 } };
    json_init();
    signal(SIGPIPE, SIG_IGN);
    service_block_signals();
    struct result opened = open_log(&enclave);
    if (!is_ok(opened)) {
        return fail(NULL, opened);
    }
    log_start(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    int status = serve(&enclave);
    status = enclave.is_lost ? EXIT_FAILED : status;
    attested_tls_free(enclave.tls);
    config_free(enclave.config);
    nsm_close(&enclave.nsm);
    bootstrap_client_free(enclave.parent); /* the log's last lines */
    return status;
}
