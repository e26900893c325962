/* atls.c: the client's side of attested TLS: evidence in files; servers and the proxy are
 * elsewhere. */
#include "app/atls_command.h"
#include "app/atls_report.h"
#include "app/atls_trust.h"
#include "app/command.h"
#include "attest/verifier.h"
#include "base/clock.h"
#include "base/decimal.h"
#include "base/file.h"
#include "base/hex.h"

#include <stdio.h>
#include <string.h>

enum {
    EVIDENCE_FILE_MAX = 64 * 1024,
    TIMEOUT_DEFAULT_S = 10,
    TIMEOUT_MAX_S = 3600,
};

struct options {
    struct atls_trust_files trust;
    const char *server[1];
    size_t servers;
    const char *certificate;
    const char *document;
    const char *at;
    const char *nonce;
    const char *timeout;
    bool json;
    bool help;
};

/* What the options say, read and parsed. */
struct wishes {
    struct atls_trust trust;
    struct cbor_view nonce;
    uint8_t nonce_bytes[DOCUMENT_NONCE_MAX];
    uint64_t at_seconds;
    struct endpoint server;
    unsigned timeout_ms;
};

static void wishes_done(struct wishes *wishes)
{
    atls_trust_done(&wishes->trust);
}

static struct result read_nonce(const char *text, struct wishes *wishes, struct detail *detail)
{
    size_t size = 0;
    detail_set(detail, "--nonce");
    TRY(hex_decoded_size(text, strlen(text), &size));
    ENSURE(size > 0 && size <= sizeof(wishes->nonce_bytes), BAD_INPUT, "not 1 to 512 bytes");
    TRY(hex_decode(text, strlen(text), wishes->nonce_bytes, size));
    wishes->nonce = (struct cbor_view){ wishes->nonce_bytes, size };
    wishes->trust.wanted.nonce = &wishes->nonce;
    return OK;
}

static struct result read_time(const char *text, uint64_t *out, struct detail *detail)
{
    *out = clock_wall_seconds();
    detail_set(detail, "--at %s", text != NULL ? text : "");
    return text != NULL ? clock_parse(text, out) : OK;
}

RESULT atls_read_seconds(const char *option, const char *text, uint64_t fallback, unsigned *ms_out,
                         struct detail *detail)
{
    uint64_t seconds = fallback;
    detail_set(detail, "%s", option);
    if (text != NULL) {
        TRY(decimal_parse(text, strlen(text), &seconds));
    }
    ENSURE(seconds > 0 && seconds <= TIMEOUT_MAX_S, BAD_INPUT, "not 1 to 3600 seconds");
    *ms_out = (unsigned)(seconds * 1000);
    return OK;
}

RESULT atls_read_address(const char *text, struct endpoint *out, struct detail *detail)
{
    char whole[ENDPOINT_TEXT_SIZE];
    int size = snprintf(whole, sizeof(whole), "tcp:%s", text);
    ENSURE(size > 0 && (size_t)size < sizeof(whole), BAD_INPUT, "the address is too long");
    TRY(endpoint_parse(whole, out, detail));
    detail_set(detail, "%s", text);
    return OK;
}

static struct result read_server(const struct options *options, struct wishes *wishes,
                                 struct detail *detail)
{
    if (options->servers == 0) {
        ENSURE(options->timeout == NULL, BAD_INPUT, "--timeout is for HOST:PORT");
        return OK;
    }
    ENSURE(options->nonce == NULL, BAD_INPUT,
           "--nonce is for files: a server is asked with a fresh one");
    TRY(atls_read_address(options->server[0], &wishes->server, detail));
    ENSURE(wishes->server.port != 0, BAD_INPUT, "not HOST:PORT");
    return atls_read_seconds("--timeout", options->timeout, TIMEOUT_DEFAULT_S, &wishes->timeout_ms,
                             detail);
}

/* What is wrong here is wrong with the call, whatever the evidence is. */
static struct result read_wishes(const struct options *options, struct wishes *wishes,
                                 struct detail *detail)
{
    size_t subjects = options->servers;
    subjects += options->certificate != NULL;
    subjects += options->document != NULL;
    detail_set(detail, "atls verify");
    ENSURE(subjects == 1, BAD_INPUT,
           "needs one of HOST:PORT, --certificate FILE and --document FILE");
    TRY(atls_trust_read(&options->trust, &wishes->trust, detail));
    TRY(read_time(options->at, &wishes->at_seconds, detail));
    if (options->servers == 0 || options->at != NULL) { /* else it is the clock's all along */
        wishes->trust.wanted.now_seconds = wishes->at_seconds;
    }
    TRY(read_server(options, wishes, detail));
    return options->nonce != NULL ? read_nonce(options->nonce, wishes, detail) : OK;
}

int atls_tell(bool as_json, const struct atls_finding *finding)
{
    BUF text = BUF_INIT(ATLS_REPORT_MAX);
    if (as_json) {
        atls_report_json(finding, &text);
    } else {
        atls_report_text(finding, &text);
    }
    struct result written = buf_check(&text);
    if (!is_ok(written)) {
        return command_fail(NULL, written);
    }
    fputs(text.data, stdout);
    return is_ok(finding->result) ? EXIT_DONE : command_fail(finding->detail, finding->result);
}

static int verify_document(const struct options *options, const struct wishes *wishes,
                           const struct secret_block *bytes)
{
    struct report report;
    struct detail detail = { "" };
    struct cbor_view document = { bytes->data, bytes->size };
    struct result result =
        verifier_check_document(document, &wishes->trust.wanted, &report, &detail);
    return atls_tell(options->json, &(struct atls_finding){ .result = result,
                                                            .detail = &detail,
                                                            .report = &report,
                                                            .at_seconds = wishes->at_seconds });
}

static int verify_certificate(const struct options *options, const struct wishes *wishes,
                              const struct secret_block *bytes)
{
    struct report report = { /* of a file that is no certificate */
                             .development_root = wishes->trust.wanted.root != NULL &&
                                                 !chain_is_aws_root(*wishes->trust.wanted.root)
    };
    struct detail detail = { "certificate" };
    CLEANUP(evidence_done) struct evidence evidence = { .certificate = NULL };
    struct result result = evidence_read(bytes->data, bytes->size, &evidence);
    if (is_ok(result)) {
        result = verifier_check_certificate(&evidence, &wishes->trust.wanted, &report, &detail);
    }
    return atls_tell(options->json, &(struct atls_finding){ .result = result,
                                                            .detail = &detail,
                                                            .report = &report,
                                                            .at_seconds = wishes->at_seconds });
}

/* A file that is not there is a wrong call; one that is no evidence was refused. */
static int verify(const struct options *options)
{
    CLEANUP(wishes_done) struct wishes wishes = { .timeout_ms = 0 };
    SECRET_BLOCK bytes = { 0 };
    struct detail detail = { "" };
    bool is_certificate = options->certificate != NULL;
    struct result result = read_wishes(options, &wishes, &detail);
    if (is_ok(result) && options->servers > 0) {
        const struct atls_server server = { &wishes.server, &wishes.trust.wanted,
                                            wishes.timeout_ms };
        return atls_verify_server(&server, options->json);
    }
    if (is_ok(result)) {
        result = file_read(is_certificate ? options->certificate : options->document,
                           EVIDENCE_FILE_MAX, &bytes, &detail);
        if (result.status == STATUS_LIMIT) {
            return command_fail(&detail, result);
        }
    }
    if (!is_ok(result)) {
        return command_usage(&detail, result);
    }
    return is_certificate ? verify_certificate(options, &wishes, &bytes)
                          : verify_document(options, &wishes, &bytes);
}

static int print_help(void)
{
    puts(
        "usage: containment-chamber atls verify HOST:PORT --policy FILE [options]\n"
        "       containment-chamber atls verify --certificate FILE --policy FILE [options]\n"
        "       containment-chamber atls verify --document FILE --policy FILE [options]\n"
        "       containment-chamber atls proxy --help\n\n"
        "Says whether a server runs in an enclave that a policy trusts, or whether evidence in a\n"
        "file comes from one (docs/attestation.md). A server must show a certificate with such\n"
        "evidence, and answer a fresh question on the same connection; nothing else is sent.\n\n"
        "  --policy FILE         which enclaves are trusted (YAML or JSON)\n"
        "  --configuration FILE  the enclave must have been given this configuration\n"
        "  --root FILE           trust this root (PEM or DER) in place of AWS's: for development\n"
        "  --at TIME             check for this time (2026-06-01T12:10:00Z), not for now\n"
        "  --json                the report as JSON\n"
        "  --timeout SECONDS     of a server: for everything; 10 when not given\n"
        "  --certificate FILE    the TLS certificate of an enclave (PEM or DER) with its evidence\n"
        "  --document FILE       an attestation document by itself\n"
        "  --nonce HEX           of a file: the document must carry this nonce\n\n"
        "exit codes: 0 everything holds, 1 the evidence is refused, or the server does not give\n"
        "it, 2 wrong call or policy, or nobody answers at HOST:PORT: nothing was checked\n\n"
        "examples:\n"
        "  containment-chamber atls verify enclave.example:9443 --policy policy.yaml\n"
        "  containment-chamber atls verify --certificate signer.pem --policy policy.yaml --json");
    return EXIT_DONE;
}

static int run_verify(int count, char *const *arguments)
{
    struct options options = { 0 };
    const struct command_option known[] = {
        { "--certificate", NULL, &options.certificate, NULL },
        { "--document", NULL, &options.document, NULL },
        { "--policy", NULL, &options.trust.policy, NULL },
        { "--nonce", NULL, &options.nonce, NULL },
        { "--configuration", NULL, &options.trust.configuration, NULL },
        { "--at", NULL, &options.at, NULL },
        { "--root", NULL, &options.trust.root, NULL },
        { "--timeout", NULL, &options.timeout, NULL },
        { "--json", NULL, NULL, &options.json },
        { "--help", "-h", NULL, &options.help },
    };
    struct command_list servers = { .name = "HOST:PORT", .values = options.server, .max = 1 };
    const struct command_syntax syntax = { .options = known,
                                           .option_count = sizeof(known) / sizeof(known[0]),
                                           .operands = &servers };
    struct detail detail = { "" };
    struct result read = command_read(count, arguments, &syntax, &detail);
    if (options.help) {
        return print_help();
    }
    options.servers = servers.count;
    return is_ok(read) ? verify(&options) : command_usage(&detail, read);
}

static const struct {
    const char *name;
    int (*run)(int count, char *const *arguments);
} actions[] = {
    { "verify", run_verify },
    { "proxy", command_atls_proxy },
};

int command_atls(int count, char *const *arguments)
{
    const char *name = count > 1 ? arguments[1] : "--help";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        return print_help();
    }
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (strcmp(actions[i].name, name) == 0) {
            return actions[i].run(count - 1, arguments + 1);
        }
    }
    struct detail detail;
    detail_set(&detail, "atls %s", name);
    return command_usage(&detail, FAIL(BAD_INPUT, "unknown action; --help lists them"));
}
