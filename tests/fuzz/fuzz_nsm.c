/* fuzz_nsm.c: an answer of the security module is one command's at most; what is taken from it lies
 * in it, within its bounds; an answer that names an error is nobody's; and what a command does not
 * take leaves its outputs alone. */
#include "base/cleanup.h"
#include "enclave/nsm.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RANDOM_SIZE = 48 };

static void hold(bool property)
{
    if (!property) {
        abort();
    }
}

static struct result answer(const struct nsm *nsm, struct cbor_view request,
                            struct nsm_response *out)
{
    const struct cbor_view *input = nsm->context;
    hold(request.size > 0 && request.size <= NSM_REQUEST_MAX);
    memcpy(out->bytes, input->bytes, input->size);
    out->size = input->size;
    return OK;
}

static bool lies_in(const struct cbor_view *input, const void *bytes, size_t size)
{
    for (size_t at = 0; at + size <= input->size; at++) {
        if (memcmp(input->bytes + at, bytes, size) == 0) {
            return true;
        }
    }
    return false;
}

static bool takes_description(const struct nsm *nsm)
{
    struct nsm_description found = { .pcr_count = 0, .module_id = "" };
    if (!is_ok(nsm_describe(nsm, &found))) {
        hold(found.pcr_count == 0 && found.module_id[0] == '\0');
        return false;
    }
    size_t size = strlen(found.module_id);
    hold(found.pcr_count >= PCR_COUNT && size > 0 && size <= DOCUMENT_MODULE_ID_MAX);
    hold(lies_in(nsm->context, found.module_id, size));
    return true;
}

static bool takes_register(const struct nsm *nsm)
{
    struct pcr value = { { 0 } };
    bool locked = true;
    if (!is_ok(nsm_describe_pcr(nsm, 0, &value, &locked))) {
        hold(pcr_is_zero(&value) && locked);
        return false;
    }
    hold(lies_in(nsm->context, value.bytes, PCR_SIZE));
    return true;
}

static bool takes_extension(const struct nsm *nsm)
{
    struct pcr value = { { 0 } };
    if (!is_ok(nsm_extend_pcr(nsm, PCR_CONFIGURATION, "", 0, &value))) {
        hold(pcr_is_zero(&value));
        return false;
    }
    hold(lies_in(nsm->context, value.bytes, PCR_SIZE));
    return true;
}

static bool takes_random(const struct nsm *nsm)
{
    uint8_t out[RANDOM_SIZE];
    if (!is_ok(nsm_random(nsm, out, sizeof(out)))) {
        return false;
    }
    hold(lies_in(nsm->context, out, 1));
    return true;
}

static bool takes_document(const struct nsm *nsm)
{
    static const struct attestation_claims nothing;
    BUF out = BUF_INIT(NSM_RESPONSE_MAX);
    if (!is_ok(nsm_attest(nsm, &nothing, &out))) {
        hold(out.size == 0);
        return false;
    }
    hold(out.size > 0 && lies_in(nsm->context, out.data, out.size));
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > NSM_RESPONSE_MAX) {
        return 0;
    }
    struct cbor_view input = { data, size };
    struct nsm nsm = { .exchange = answer, .fd = -1, .context = &input };
    bool locks = is_ok(nsm_lock_pcr(&nsm, PCR_CONFIGURATION));
    hold(!locks || (size >= 8 && lies_in(&input, "LockPCR", 7)));
    unsigned taken = (unsigned)locks + takes_description(&nsm) + takes_register(&nsm) +
                     takes_extension(&nsm) + takes_random(&nsm) + takes_document(&nsm);
    hold(taken <= 1);
    hold(taken == 0 || size < 8 ||
         memcmp(data,
                "\xa1\x65"
                "Error",
                7) != 0);
    return 0;
}
