#include "enclave/nsm_module.h"

#include "attest/document.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "enclave/nsm.h"

static struct nsm device = { .fd = -1 };

_Static_assert((int)SECURITY_MODULE_PCRS_MEASURED < (int)PCR_COUNT, "they are some of them");

/* nsm_describe() takes no module whose registers are not SHA-384's. */
static struct result describe(void *context, struct security_module_facts *out)
{
    struct nsm_description description = { 0 };
    TRY(nsm_describe(context, &description));
    *out = (struct security_module_facts){
        .digest_is_sha384 = true,
        .pcrs_max = description.pcr_count,
        .pcrs_locked = description.locked,
    };
    return OK;
}

static struct result draw(void *context, uint8_t out[static SECURITY_MODULE_RANDOM_SIZE])
{
    return nsm_random(context, out, SECURITY_MODULE_RANDOM_SIZE);
}

static struct result timestamp(void *context, uint64_t *ms_out)
{
    const struct attestation_claims none = { .nonce = { NULL, 0 } };
    struct document document = { .timestamp_ms = 0 };
    BUF bytes = BUF_INIT(NSM_RESPONSE_MAX);
    TRY(nsm_attest(context, &none, &bytes));
    TRY(document_parse(bytes.data, bytes.size, &document, NULL));
    *ms_out = document.timestamp_ms;
    return OK;
}

RESULT nsm_module_open(struct security_module *out, struct detail *detail)
{
    TRY(nsm_open(NSM_DEVICE, &device, detail));
    *out = (struct security_module){
        .describe = describe,
        .random = draw,
        .timestamp = timestamp,
        .context = &device,
    };
    return OK;
}
