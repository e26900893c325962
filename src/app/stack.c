#include "app/stack.h"

#include "app/process.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/thread.h"
#include "store/open.h"

#include <string.h>

enum {
    WRITE_TIMEOUT_SECONDS = 30,
    BODY_MEMORY_FACTOR = 16,              /* so many bodies of the largest size at once … */
    SMALL_BODY_MEMORY = 64 * 1024 * 1024, /* … and, beside them, 8 KiB for each of 8192 requests */
    RESPONSE_MEMORY = 256 * 1024 * 1024,  /* of responses that clients do not take */
    TASK_THREADS = 4,
    TASK_QUEUE = 1024,
    PAUSE_OF_A_WAIT = 50 * 1000, /* ns: an eighth of what a signature takes. A request may wait so
                                    much longer for each that was before it, to save the CPU time of
                                    waking the event loop for every single one. */
    CPUS_PER_LOOP = 8,           /* one event-loop thread keeps so many signing CPUs busy */
    FILES_RESERVED = 256,        /* for everything but connections: a load of keys, the store */
};

static const uint64_t second_ns = 1000000000U;

static bool is_file_name(const char *name)
{
    size_t size = strlen(name);
    return strchr(name, '/') != NULL || (size > 5 && strcmp(name + size - 5, ".yaml") == 0);
}

static struct result read_network(const char *path, struct network *out, struct detail *detail)
{
    SECRET_BLOCK text = { 0 };
    TRY(file_read(path, NETWORK_FILE_MAX, &text, detail));
    struct result parsed = network_parse((const char *)text.data, text.size, out, detail);
    if (!is_ok(parsed)) {
        detail_prefix(detail, "%s: ", path);
    }
    return parsed;
}

RESULT stack_network(const struct settings *settings, struct network *out, struct detail *detail)
{
    if (is_file_name(settings->network)) {
        return read_network(settings->network, out, detail);
    }
    const struct network *found = network_find(settings->network);
    detail_set(detail, "network %s", settings->network);
    ENSURE(found != NULL, BAD_INPUT,
           "not a known network (mainnet, sepolia, hoodi, gnosis, chiado) nor a config file");
    *out = *found;
    return OK;
}

static const char *text_or_null(const char *text)
{
    return text[0] == '\0' ? NULL : text;
}

/* A system that refuses to lock any memory shows itself before the first key is read. */
static struct result try_vault(struct vault *vault)
{
    const struct secret32 nothing = { { 0 } };
    uint32_t slot = 0;
    TRY(vault_put(vault, &nothing, &slot));
    vault_erase(vault, slot);
    return OK;
}

static struct result open_keys(struct stack *stack)
{
    const struct settings *settings = stack->settings;
    bool optional = settings->memory.allow_unlocked;
    uint64_t memory = settings->filesystem.kdf_memory_mib * 1024 * 1024;
    TRY(vault_new(VAULT_SLOTS_MAX, optional ? VAULT_LOCK_OPTIONAL : VAULT_LOCK_REQUIRED,
                  &stack->vault));
    TRY(try_vault(stack->vault));
    TRY(key_table_new(stack->vault, &stack->keys));
    kdf_gate_init(&stack->kdf_gate, memory == 0 ? process_kdf_memory() : memory);
    stack->loader_settings = (struct loader_settings){
        .paths = (const char *const *)settings->filesystem.paths.items,
        .path_count = settings->filesystem.paths.count,
        .keystores_path = text_or_null(settings->filesystem.keystores_path),
        .passwords_path = text_or_null(settings->filesystem.keystores_passwords_path),
        .password_file = text_or_null(settings->filesystem.keystores_password_file),
        .keystore_concurrency = settings->filesystem.keystore_load_concurrency,
        .raw_concurrency = settings->filesystem.raw_load_concurrency,
        .gate = &stack->kdf_gate,
    };
    TRY(loader_new(&stack->loader_settings, stack->keys, &stack->loader));
    return reloader_new(stack->loader, &stack->reloader);
}

static struct result open_signer(struct stack *stack, struct detail *detail)
{
    const struct settings *settings = stack->settings;
    TRY(store_open(settings->anti_slashing.backend, settings->anti_slashing.path, true,
                   &stack->network.genesis_validators_root, &stack->store, detail));
    if (detail->text[0] != '\0') {
        log_warn("slashing protection store", LOG_TEXT("warning", detail->text));
    }
    TRY(committer_new(stack->store, &stack->committer));
    const struct signer_settings signer_settings = {
        .network = &stack->network,
        .keys = stack->keys,
        .committer = stack->committer,
        .workers = settings->signing.workers == 0 ? thread_cpu_count() : settings->signing.workers,
        .queue_limit = settings->signing.queue_limit,
        .deadline_ns = settings->signing.deadline_seconds * second_ns,
    };
    return signer_new(&signer_settings, &stack->signer);
}

static void fill_api(struct stack *stack)
{
    const struct settings *settings = stack->settings;
    stack->api = (struct api){
        .network = &stack->network,
        .keys = stack->keys,
        .reloader = stack->reloader,
        .committer = stack->committer,
        .signer = stack->signer,
        .health = &stack->health,
        .tasks = stack->tasks,
        .server = stack->http,
        .kdf_gate = &stack->kdf_gate,
        .key_manager = {
            .enabled = settings->key_manager_api.enabled,
            .reads_max = settings->key_manager_api.max_concurrent_reads,
            .writes_max = settings->key_manager_api.max_concurrent_writes,
            .items_max = settings->key_manager_api.max_items_per_request,
            .timeout_ns = settings->key_manager_api.request_timeout_seconds * second_ns,
        },
        .start_seconds = clock_wall_seconds(),
    };
}

static unsigned loop_count(const struct settings *settings)
{
    if (settings->server.io_threads > 0) {
        return (unsigned)settings->server.io_threads;
    }
    return (thread_cpu_count() + CPUS_PER_LOOP - 1) / CPUS_PER_LOOP;
}

/* A connection for which no descriptor is left is not even accepted, so none would make room for
 * it: the limit of connections must be reached first. */
static size_t connections_max(const struct settings *settings)
{
    size_t wanted = settings->server.max_connections;
    uint64_t files = process_files_max();
    uint64_t most = files > 2 * FILES_RESERVED ? files - FILES_RESERVED : files / 2;
    if (wanted <= most) {
        return wanted;
    }
    log_warn("server.max_connections is more than the limit of open files allows; raise that "
             "(LimitNOFILE, ulimit -n)",
             LOG_NUMBER("wanted", wanted), LOG_NUMBER("served", most));
    return (size_t)most;
}

static struct http_server_settings http_settings_of(const struct settings *settings)
{
    return (struct http_server_settings){
        .loops = loop_count(settings),
        .pause_per_request_ns = PAUSE_OF_A_WAIT / thread_cpu_count(),
        .connections_max = connections_max(settings),
        .body_max = settings->server.max_body_bytes,
        .body_memory_max = settings->server.max_body_bytes * BODY_MEMORY_FACTOR + SMALL_BODY_MEMORY,
        .body_memory_reserved = SMALL_BODY_MEMORY,
        .response_memory_max = RESPONSE_MEMORY,
        .idle_timeout_s = (unsigned)settings->server.idle_timeout_seconds,
        .request_timeout_s = (unsigned)settings->server.request_timeout_seconds,
        .write_timeout_s = WRITE_TIMEOUT_SECONDS,
    };
}

/* Where the signing API finds its certificate; NULL: it is served in the clear. */
static struct tls_slot *tls_slot_of(struct stack *stack)
{
    if (stack->options.attested_tls != NULL) {
        return attested_tls_slot(stack->options.attested_tls);
    }
    return stack->certificates.open ? &stack->certificates.slot : NULL;
}

static struct result open_attestation(struct stack *stack)
{
    const struct attested_tls *tls = stack->options.attested_tls;
    if (tls == NULL) {
        return OK;
    }
    TRY(attestation_new(attested_tls_attestor(tls), attested_tls_configuration(tls),
                        &stack->attestation));
    stack->api.attestation = stack->attestation;
    return OK;
}

static struct result open_http(struct stack *stack, struct detail *detail)
{
    const struct settings *settings = stack->settings;
    const struct http_server_settings http_settings = http_settings_of(settings);
    TRY(tasks_new(TASK_THREADS, TASK_QUEUE, &stack->tasks));
    TRY(http_server_new(&http_settings, &stack->http));
    fill_api(stack);
    TRY(open_attestation(stack));
    struct tls_slot *tls = tls_slot_of(stack);
    const struct http_endpoint api = { .address = settings->server.listen_address,
                                       .port = (uint16_t)settings->server.listen_port,
                                       .handler = tls != NULL ? api_handle_health : api_handle,
                                       .context = &stack->api };
    const struct http_endpoint api_tls = { .address = settings->server.listen_address,
                                           .port = (uint16_t)settings->tls.listen_port,
                                           .handler = api_handle,
                                           .context = &stack->api,
                                           .tls = tls };
    const struct http_endpoint metrics = { .address = settings->metrics.listen_address,
                                           .port = (uint16_t)settings->metrics.listen_port,
                                           .handler = api_handle_metrics,
                                           .context = &stack->api };
    TRY(http_server_listen(stack->http, &api, &stack->port, detail));
    if (tls != NULL) {
        TRY(http_server_listen(stack->http, &api_tls, &stack->tls_port, detail));
    }
    if (!settings->metrics.enabled) {
        return OK;
    }
    return http_server_listen(stack->http, &metrics, &stack->metrics_port, detail);
}

RESULT stack_open(struct stack *stack, const struct settings *settings,
                  const struct stack_options *options, struct detail *detail)
{
    stack->settings = settings;
    stack->options = options == NULL ? (struct stack_options){ NULL } : *options;
    health_init(&stack->health);
    TRY(stack_network(settings, &stack->network, detail));
    detail_set(detail, "%s", "");
    TRY(certificates_open(&stack->certificates, settings, detail));
    detail_set(detail, "%s", "");
    TRY(open_keys(stack));
    TRY(open_signer(stack, detail));
    TRY(open_http(stack, detail));
    stack->housekeeping = (struct housekeeping){
        .settings = settings,
        .network = &stack->network,
        .committer = stack->committer,
        .health = &stack->health,
    };
    return OK;
}

RESULT stack_start(struct stack *stack)
{
    stack_run(stack, false); /* so that the first /healthcheck knows the store */
    TRY(http_server_start(stack->http));
    (void)reloader_start(stack->reloader);
    return OK;
}

void stack_run(struct stack *stack, bool reload)
{
    housekeeping_run(&stack->housekeeping);
    certificates_run(&stack->certificates,
                     atomic_exchange(&stack->api.reload_asked, false) || reload);
    uint64_t expiry = stack->certificates.expiry_seconds;
    if (stack->options.attested_tls != NULL) {
        attested_tls_run(stack->options.attested_tls);
        expiry = attested_tls_expiry(stack->options.attested_tls);
    }
    atomic_store(&stack->api.certificate_expiry, expiry);
}

bool stack_drain(struct stack *stack, unsigned timeout_s)
{
    return http_server_drain(stack->http, timeout_s);
}

void stack_close(struct stack *stack)
{
    http_server_stop(stack->http); /* no new requests … */
    tasks_free(stack->tasks);
    attestation_free(stack->attestation);
    signer_stop(stack->signer);
    committer_free(stack->committer); /* … and none is unanswered from here on */
    signer_free(stack->signer);
    http_server_free(stack->http);
    slashing_store_close(stack->store);
    reloader_free(stack->reloader);
    loader_free(stack->loader);
    key_table_free(stack->keys);
    vault_free(stack->vault);
    certificates_close(&stack->certificates);
}
