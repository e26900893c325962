/* eif pcr: registers, computed before there is an enclave to ask. */
#include "app/eif_command.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/sha384.h"

#include <string.h>

enum { OUTPUT_MAX = 8192 };

struct pcr_call {
    const char *image;
    const char *certificate;
    const char *role;
    const char *instance;
    const char *configuration;
    struct pcr values[PCR_COUNT];
    bool known[PCR_COUNT];
    struct detail detail;
};

static void set_register(struct pcr_call *call, unsigned index, const struct pcr *value)
{
    call->values[index] = *value;
    call->known[index] = true;
}

static struct result read_image_registers(struct pcr_call *call)
{
    CLEANUP(file_unmap) struct file_map map = { 0 };
    CLEANUP(eif_report_done) struct eif_report report = { .finding_count = 0 };
    const char *broken[EIF_RULES_MAX];
    TRY(eif_inspect_file(call->image, clock_wall_seconds(), &map, &report, &call->detail));
    detail_set(&call->detail, "%s", call->image);
    if (eif_rules_broken(&report.image, broken) > 0) {
        return (struct result){ STATUS_REFUSED, broken[0] };
    }
    ENSURE(report.signature != NULL || !report.is_signed, REFUSED,
           "its signature cannot be read; 'eif verify' says why");
    for (unsigned index = 0; index < PCR_COUNT; index++) {
        struct pcr pcr;
        if (eif_report_pcr(&report, index, &pcr)) {
            set_register(call, index, &pcr);
        }
    }
    return OK;
}

static struct result read_certificate_register(struct pcr_call *call)
{
    CLEANUP(eif_certificate_free_ptr) struct eif_certificate *certificate = NULL;
    SECRET_BLOCK pem = { 0 };
    TRY(file_read(call->certificate, EIF_CERTIFICATE_MAX, &pem, &call->detail));
    struct result read = eif_certificate_read(pem.data, pem.size, &certificate, NULL);
    detail_set(&call->detail, "%s", call->certificate);
    TRY(read);
    ENSURE(!call->known[PCR_SIGNER] || pcr_equal(&call->values[PCR_SIGNER], &certificate->pcr),
           REFUSED, "the image is signed with another certificate");
    set_register(call, PCR_SIGNER, &certificate->pcr);
    eif_warn_of_expiry(call->certificate, certificate, clock_wall_seconds());
    return OK;
}

static struct result read_configuration_register(struct pcr_call *call)
{
    CLEANUP(file_unmap) struct file_map map = { 0 };
    uint8_t hash[SHA384_SIZE];
    TRY(file_map(call->configuration, EIF_SIZE_MAX, &map, &call->detail));
    sha384(map.bytes, map.size, hash);
    struct pcr pcr = pcr_of(hash, sizeof(hash));
    set_register(call, PCR_CONFIGURATION, &pcr);
    return OK;
}

/* What is wrong here is wrong with the call. */
static struct result read_names(struct pcr_call *call)
{
    struct pcr pcr;
    if (call->role != NULL) {
        detail_set(&call->detail, "--role-arn %s", call->role);
        ENSURE(strncmp(call->role, "arn:", 4) == 0 && strstr(call->role, ":role/") != NULL,
               BAD_INPUT, "not a role such as arn:aws:iam::123456789012:role/Name");
        TRY(pcr_of_name(call->role, &pcr));
        set_register(call, PCR_ROLE, &pcr);
    }
    if (call->instance != NULL) {
        detail_set(&call->detail, "--instance-id %s", call->instance);
        ENSURE(strncmp(call->instance, "i-", 2) == 0, BAD_INPUT,
               "not an instance such as i-0123456789abcdef0");
        TRY(pcr_of_name(call->instance, &pcr));
        set_register(call, PCR_INSTANCE, &pcr);
    }
    return OK;
}

static struct result read_pcr_call(struct pcr_call *call, int count, char *const *arguments)
{
    const struct command_option options[] = {
        { "--image", NULL, &call->image, NULL },
        { "--signing-certificate", NULL, &call->certificate, NULL },
        { "--role-arn", NULL, &call->role, NULL },
        { "--instance-id", NULL, &call->instance, NULL },
        { "--configuration", NULL, &call->configuration, NULL },
    };
    enum { OPTIONS = sizeof(options) / sizeof(options[0]) };
    TRY(command_read_options(count, arguments, options, OPTIONS, &call->detail));
    bool is_empty = true;
    for (size_t i = 0; i < OPTIONS; i++) {
        is_empty = is_empty && *options[i].value == NULL;
    }
    detail_set(&call->detail, "eif pcr");
    ENSURE(!is_empty, BAD_INPUT, "needs something to measure; --help lists what");
    return read_names(call);
}

static struct result read_files(struct pcr_call *call)
{
    if (call->image != NULL) {
        TRY(read_image_registers(call));
    }
    if (call->certificate != NULL) {
        TRY(read_certificate_register(call));
    }
    return call->configuration != NULL ? read_configuration_register(call) : OK;
}

int eif_pcr(int count, char *const *arguments)
{
    struct pcr_call call = { .image = NULL };
    struct result result = read_pcr_call(&call, count, arguments);
    if (!is_ok(result)) {
        return command_usage(&call.detail, result);
    }
    result = read_files(&call);
    if (!is_ok(result)) {
        return command_fail(&call.detail, result);
    }
    BUF text = BUF_INIT(OUTPUT_MAX);
    struct json_writer writer = JSON_WRITER(&text);
    json_write_open(&writer, NULL, '{');
    for (unsigned index = 0; index < PCR_COUNT; index++) {
        if (call.known[index]) {
            eif_write_pcr(&writer, index, &call.values[index]);
        }
    }
    json_write_close(&writer, '}');
    result = eif_print_json(&text);
    return is_ok(result) ? EXIT_DONE : command_fail(NULL, result);
}
