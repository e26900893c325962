/* atls.c: the client's side of attested TLS. */
#include "app/atls_report.h"
#include "app/command.h"
#include "app/policy_file.h"
#include "attest/verifier.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/sha384.h"

#include <stdio.h>
#include <string.h>

enum {
    EVIDENCE_FILE_MAX = 64 * 1024,
    ROOT_FILE_MAX = 16 * 1024,
    CONFIGURATION_FILE_MAX = 1024 * 1024,
};

struct options {
    const char *certificate;
    const char *document;
    const char *policy;
    const char *root;
    const char *at;
    const char *configuration;
    const char *nonce;
    bool json;
    bool help;
};

/* What the options say, read and parsed; `wanted` points into the rest. */
struct wishes {
    struct expectations wanted;
    struct policy policy;
    struct cbor_view root;
    uint8_t *root_der; /* OpenSSL's */
    struct cbor_view nonce;
    uint8_t nonce_bytes[DOCUMENT_NONCE_MAX];
    uint8_t configuration[SHA384_SIZE];
};

static void wishes_done(struct wishes *wishes)
{
    OPENSSL_free(wishes->root_der);
}

static struct result read_root(const char *path, struct wishes *wishes, struct detail *detail)
{
    SECRET_BLOCK text = { 0 };
    CLEANUP(evidence_done) struct evidence root = { .certificate = NULL };
    TRY(file_read(path, ROOT_FILE_MAX, &text, detail));
    detail_set(detail, "--root %s", path);
    TRY(evidence_read(text.data, text.size, &root));
    int size = i2d_X509(root.certificate, &wishes->root_der);
    ENSURE(size > 0, UNAVAILABLE, "out of memory");
    wishes->root = (struct cbor_view){ wishes->root_der, (size_t)size };
    wishes->wanted.root = &wishes->root;
    return OK;
}

static struct result read_nonce(const char *text, struct wishes *wishes, struct detail *detail)
{
    size_t size = 0;
    detail_set(detail, "--nonce");
    TRY(hex_decoded_size(text, strlen(text), &size));
    ENSURE(size > 0 && size <= sizeof(wishes->nonce_bytes), BAD_INPUT, "not 1 to 512 bytes");
    TRY(hex_decode(text, strlen(text), wishes->nonce_bytes, size));
    wishes->nonce = (struct cbor_view){ wishes->nonce_bytes, size };
    wishes->wanted.nonce = &wishes->nonce;
    return OK;
}

static struct result read_configuration(const char *path, struct wishes *wishes,
                                        struct detail *detail)
{
    SECRET_BLOCK text = { 0 };
    TRY(file_read(path, CONFIGURATION_FILE_MAX, &text, detail));
    sha384(text.data, text.size, wishes->configuration);
    wishes->wanted.configuration = wishes->configuration;
    return OK;
}

static struct result read_time(const char *text, uint64_t *out, struct detail *detail)
{
    *out = clock_wall_seconds();
    detail_set(detail, "--at %s", text != NULL ? text : "");
    return text != NULL ? clock_parse(text, out) : OK;
}

/* What is wrong here is wrong with the call, whatever the evidence is. */
static struct result read_wishes(const struct options *options, struct wishes *wishes,
                                 struct detail *detail)
{
    wishes->wanted.policy = &wishes->policy;
    detail_set(detail, "atls verify");
    ENSURE((options->certificate == NULL) != (options->document == NULL), BAD_INPUT,
           "needs either --certificate FILE or --document FILE");
    ENSURE(options->policy != NULL, BAD_INPUT,
           "needs --policy FILE: without one any enclave would do");
    TRY(policy_file_read(options->policy, &wishes->policy, detail));
    TRY(read_time(options->at, &wishes->wanted.now_seconds, detail));
    if (options->root != NULL) {
        TRY(read_root(options->root, wishes, detail));
    }
    if (options->nonce != NULL) {
        TRY(read_nonce(options->nonce, wishes, detail));
    }
    return options->configuration != NULL
               ? read_configuration(options->configuration, wishes, detail)
               : OK;
}

static int tell(const struct options *options, const struct atls_finding *finding)
{
    BUF text = BUF_INIT(ATLS_REPORT_MAX);
    if (options->json) {
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
    struct result result = verifier_check_document(document, &wishes->wanted, &report, &detail);
    return tell(options,
                &(struct atls_finding){ result, &detail, &report, wishes->wanted.now_seconds });
}

static int verify_certificate(const struct options *options, const struct wishes *wishes,
                              const struct secret_block *bytes)
{
    struct report report = {
        /* of a file that is no certificate */
        .development_root = wishes->wanted.root != NULL && !chain_is_aws_root(*wishes->wanted.root)
    };
    struct detail detail = { "certificate" };
    CLEANUP(evidence_done) struct evidence evidence = { .certificate = NULL };
    struct result result = evidence_read(bytes->data, bytes->size, &evidence);
    if (is_ok(result)) {
        result = verifier_check_certificate(&evidence, &wishes->wanted, &report, &detail);
    }
    return tell(options,
                &(struct atls_finding){ result, &detail, &report, wishes->wanted.now_seconds });
}

/* A file that is not there is a wrong call; one that is no evidence was refused. */
static int verify(const struct options *options)
{
    CLEANUP(wishes_done) struct wishes wishes = { .root_der = NULL };
    SECRET_BLOCK bytes = { 0 };
    struct detail detail = { "" };
    bool is_certificate = options->certificate != NULL;
    struct result result = read_wishes(options, &wishes, &detail);
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
        "usage: containment-chamber atls verify [options]\n\n"
        "Says whether evidence comes from an enclave that a policy trusts "
        "(docs/attestation.md).\n\n"
        "  --certificate FILE    the TLS certificate of an enclave (PEM or DER) with its evidence\n"
        "  --document FILE       or: an attestation document by itself\n"
        "  --policy FILE         which enclaves are trusted (YAML or JSON)\n"
        "  --nonce HEX           the document must carry this nonce\n"
        "  --configuration FILE  the enclave must have been given this configuration\n"
        "  --at TIME             check for this time (2026-06-01T12:10:00Z), not for now\n"
        "  --root FILE           trust this root (PEM or DER) in place of AWS's: for development\n"
        "  --json                the report as JSON\n\n"
        "exit codes: 0 everything holds, 1 the evidence is refused, 2 wrong call or policy\n\n"
        "examples:\n"
        "  containment-chamber atls verify --certificate signer.pem --policy policy.yaml\n"
        "  containment-chamber atls verify --document document.cbor --policy policy.yaml --json");
    return EXIT_DONE;
}

static int run_verify(int count, char *const *arguments)
{
    struct options options = { 0 };
    const struct command_option known[] = {
        { "--certificate", NULL, &options.certificate, NULL },
        { "--document", NULL, &options.document, NULL },
        { "--policy", NULL, &options.policy, NULL },
        { "--nonce", NULL, &options.nonce, NULL },
        { "--configuration", NULL, &options.configuration, NULL },
        { "--at", NULL, &options.at, NULL },
        { "--root", NULL, &options.root, NULL },
        { "--json", NULL, NULL, &options.json },
        { "--help", "-h", NULL, &options.help },
    };
    struct detail detail = { "" };
    struct result read =
        command_read_options(count, arguments, known, sizeof(known) / sizeof(known[0]), &detail);
    if (options.help) {
        return print_help();
    }
    return is_ok(read) ? verify(&options) : command_usage(&detail, read);
}

static const struct {
    const char *name;
    int (*run)(int count, char *const *arguments);
} actions[] = {
    { "verify", run_verify },
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
