/*~ The signer as it runs in an enclave, on a plain host, for tests: the same layers and the same
 * API over attested TLS, with documents that tests/support/nsm_signer.py signs. Nothing of this is
 * in the product, which has no attestor but an enclave's security module.
 *
 *   attested_server --signer SOCKET --configuration FILE [--renew-seconds N] [--port P]
 *
 * Prints "listening on PORT" on stdout; ends with SIGTERM. The file is an ordinary configuration;
 * its ports play no part: the kernel chooses them, but for --port, and stderr tells them. What is
 * measured: register 0 is that of "attested_server", 16 that of the file's SHA-384. */
#include "app/stack.h"
#include "attest/document.h"
#include "attest/pcr.h"
#include "base/cbor.h"
#include "base/clock.h"
#include "base/decimal.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "config/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

enum { TICK_NS = 100 * 1000 * 1000, DRAIN_SECONDS = 25, REGISTERS = 17, UNSIGNED_FIELDS = 9 };

static const char image[] = "attested_server";

struct options {
    const char *signer;
    const char *configuration;
    uint64_t renew_s;
    uint64_t port;
};

/* What stands in for a security module. */
struct module {
    const char *path; /* of the signer's socket */
    struct pcr configuration;
};

static void write_optional(struct buf *out, const char *name, struct cbor_view view)
{
    cbor_write_text(out, name);
    if (view.bytes == NULL) {
        cbor_write_null(out);
    } else {
        cbor_write_bytes(out, view.bytes, view.size);
    }
}

static void write_registers(struct buf *out, const struct module *module)
{
    const struct pcr zero = { { 0 } };
    const struct pcr measured = pcr_of(image, sizeof(image) - 1);
    cbor_write_text(out, "pcrs");
    cbor_write_map(out, REGISTERS);
    for (unsigned i = 0; i < REGISTERS; i++) {
        const struct pcr *value = i == PCR_IMAGE           ? &measured
                                  : i == PCR_CONFIGURATION ? &module->configuration
                                                           : &zero;
        cbor_write_unsigned(out, i);
        cbor_write_bytes(out, value->bytes, PCR_SIZE);
    }
}

/* A document without signature and certificates, as the emulated module hands it to the signer. */
static void write_unsigned(struct buf *out, const struct module *module,
                           const struct attestation_claims *claims)
{
    BUF payload = BUF_INIT(DOCUMENT_MAX);
    cbor_write_map(&payload, UNSIGNED_FIELDS);
    cbor_write_text(&payload, "module_id");
    cbor_write_text(&payload, "i-0123-enc0456");
    cbor_write_text(&payload, "digest");
    cbor_write_text(&payload, "SHA384");
    cbor_write_text(&payload, "timestamp");
    cbor_write_unsigned(&payload, clock_wall_seconds() * 1000);
    write_registers(&payload, module);
    write_optional(&payload, "certificate", (struct cbor_view){ NULL, 0 });
    cbor_write_text(&payload, "cabundle");
    cbor_write_array(&payload, 0);
    write_optional(&payload, "public_key", claims->public_key);
    write_optional(&payload, "user_data", claims->user_data);
    write_optional(&payload, "nonce", claims->nonce);
    cbor_write_array(out, 4);
    cbor_write_bytes(out, "", 0);
    cbor_write_map(out, 0);
    cbor_write_bytes(out, payload.data, payload.size);
    cbor_write_bytes(out, "", 0);
}

static struct result receive(int fd, void *out, size_t size)
{
    ENSURE(recv(fd, out, size, MSG_WAITALL) == (ssize_t)size, UNAVAILABLE, "the signer hung up");
    return OK;
}

static struct result exchange(int fd, const struct buf *request, struct buf *out)
{
    uint8_t document[DOCUMENT_MAX];
    uint32_t size = htonl((uint32_t)request->size);
    ENSURE(send(fd, &size, sizeof(size), MSG_NOSIGNAL) == (ssize_t)sizeof(size) &&
               send(fd, request->data, request->size, MSG_NOSIGNAL) == (ssize_t)request->size,
           UNAVAILABLE, "the signer does not listen");
    TRY(receive(fd, &size, sizeof(size)));
    size = ntohl(size);
    ENSURE(size > 0 && size <= sizeof(document), BAD_INPUT,
           "the signer's document has a wrong size");
    TRY(receive(fd, document, size));
    buf_append(out, document, size);
    return buf_check(out);
}

static struct result attest(void *context, const struct attestation_claims *claims, struct buf *out)
{
    const struct module *module = context;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    BUF request = BUF_INIT(DOCUMENT_MAX);
    write_unsigned(&request, module, claims);
    TRY(buf_check(&request));
    CLEANUP(fd_close_ptr) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", module->path);
    ENSURE(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0, UNAVAILABLE,
           "the signer cannot be reached");
    return exchange(fd, &request, out);
}

static struct result read_options(int count, char *const *arguments, struct options *out,
                                  struct detail *detail)
{
    for (int i = 1; i < count; i += 2) {
        const char *value = i + 1 < count ? arguments[i + 1] : "";
        struct result read = OK;
        detail_set(detail, "%s", arguments[i]);
        if (strcmp(arguments[i], "--signer") == 0) {
            out->signer = value;
        } else if (strcmp(arguments[i], "--configuration") == 0) {
            out->configuration = value;
        } else if (strcmp(arguments[i], "--renew-seconds") == 0) {
            read = decimal_parse(value, strlen(value), &out->renew_s);
        } else if (strcmp(arguments[i], "--port") == 0) {
            read = decimal_parse(value, strlen(value), &out->port);
        } else {
            read = FAIL(BAD_INPUT, "unknown option");
        }
        TRY(read);
    }
    detail_set(detail, "--signer, --configuration");
    ENSURE(out->signer != NULL && out->configuration != NULL, BAD_INPUT, "both are needed");
    return OK;
}

static struct result measure(const char *path, uint8_t out[static SHA384_SIZE],
                             struct detail *detail)
{
    SECRET_BLOCK bytes = { 0 };
    TRY(file_read(path, CONFIG_FILE_MAX, &bytes, detail));
    sha384(bytes.data, bytes.size, out);
    return OK;
}

static void serve(struct stack *stack, const sigset_t *waited)
{
    const struct timespec tick = { .tv_nsec = TICK_NS };
    while (sigtimedwait(waited, NULL, &tick) < 0) {
        stack_run(stack, false);
    }
}

static struct result run_stack(const struct settings *settings, struct attested_tls *tls,
                               const sigset_t *waited, struct detail *detail)
{
    struct stack stack = { 0 };
    const struct stack_options options = { .attested_tls = tls };
    struct result result = stack_open(&stack, settings, &options, detail);
    result = is_ok(result) ? stack_start(&stack) : result;
    if (is_ok(result)) {
        log_info("attested_server listens", LOG_NUMBER("tls_port", stack.tls_port),
                 LOG_NUMBER("health_port", stack.port),
                 LOG_NUMBER("metrics_port", stack.metrics_port));
        printf("listening on %u\n", (unsigned)stack.tls_port);
        fflush(stdout);
        serve(&stack, waited);
    }
    if (stack_drain(&stack, DRAIN_SECONDS)) {
        stack_close(&stack);
    }
    return result;
}

static struct result run(const struct options *options, const sigset_t *waited,
                         struct detail *detail)
{
    CLEANUP(config_free_ptr) struct config *config = NULL;
    CLEANUP(attested_tls_free_ptr) struct attested_tls *tls = NULL;
    TRY(config_new(&config));
    TRY(config_read_file(config, options->configuration, detail));
    TRY(config_validate(config, detail));
    struct settings settings = *config_settings(config);
    settings.server.listen_port = 0;
    settings.metrics.listen_port = 0;
    settings.tls.listen_port = options->port;
    struct module module = { .path = options->signer };
    struct attested_tls_settings tls_settings = {
        .attestor = { .attest = attest, .context = &module },
        .renew_s = (unsigned)options->renew_s,
    };
    TRY(measure(options->configuration, tls_settings.configuration, detail));
    module.configuration = pcr_of(tls_settings.configuration, SHA384_SIZE);
    TRY(attested_tls_new(&tls_settings, &tls, detail));
    return run_stack(&settings, tls, waited, detail);
}

int main(int count, char *const *arguments)
{
    struct options options = { .signer = NULL };
    struct detail detail = { "" };
    char line[2 * DETAIL_SIZE];
    sigset_t waited;
    sigemptyset(&waited);
    sigaddset(&waited, SIGTERM);
    sigaddset(&waited, SIGINT);
    pthread_sigmask(SIG_BLOCK, &waited, NULL);
    json_init();
    struct result result = read_options(count, arguments, &options, &detail);
    log_start(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    result = is_ok(result) ? run(&options, &waited, &detail) : result;
    log_stop();
    if (!is_ok(result)) {
        detail_line(&detail, result, line, sizeof(line));
        fprintf(stderr, "attested_server: %s\n", line);
    }
    return is_ok(result) ? 0 : 1;
}
