#include "attest/policy.h"

#include "base/hex.h"

void policy_init(struct policy *policy)
{
    *policy = (struct policy){ .max_age_seconds = POLICY_MAX_AGE_DEFAULT };
}

static bool is_allowed(const struct policy *policy, unsigned index, const struct pcr *value)
{
    for (size_t i = 0; i < policy->counts[index]; i++) {
        if (pcr_equal(&policy->values[index][i], value)) {
            return true;
        }
    }
    return false;
}

RESULT policy_allow(struct policy *policy, unsigned index, const struct pcr *value)
{
    ENSURE(index < PCR_COUNT, BAD_INPUT, "registers are numbered 0 to 31");
    ENSURE(!is_allowed(policy, index, value), BAD_INPUT, "the value is there twice");
    ENSURE(policy->counts[index] < POLICY_VALUES_MAX, LIMIT, "more than 16 values of one register");
    policy->values[index][policy->counts[index]++] = *value;
    return OK;
}

RESULT policy_check(const struct policy *policy, struct detail *detail)
{
    static const unsigned of_the_image[] = { PCR_IMAGE, PCR_KERNEL, PCR_APPLICATION, PCR_SIGNER };
    static const struct pcr zero;
    detail_set(detail, "pcrs");
    ENSURE(policy->counts[PCR_IMAGE] > 0 || policy->counts[PCR_SIGNER] > 0, BAD_INPUT,
           "name the values of register 0 (the image) or 8 (its signer): without them any image "
           "would do");
    for (size_t i = 0; i < sizeof(of_the_image) / sizeof(of_the_image[0]); i++) {
        detail_set(detail, "pcrs, %u", of_the_image[i]);
        ENSURE(policy->allow_debug || !is_allowed(policy, of_the_image[i], &zero), BAD_INPUT,
               "all zero: an enclave in debug mode, which allow_debug: true would accept");
    }
    detail_set(detail, "max_age_seconds");
    ENSURE(policy->max_age_seconds > 0, BAD_INPUT, "must not be 0");
    return OK;
}

RESULT policy_check_registers(const struct policy *policy, const struct document *document,
                              struct detail *detail)
{
    detail_set(detail, "PCR0");
    ENSURE(document_has_pcr(document, PCR_IMAGE), REFUSED, "the document does not have it");
    ENSURE(policy->allow_debug || !pcr_is_zero(&document->pcrs[PCR_IMAGE]), REFUSED,
           "all zero: the enclave is in debug mode");
    for (unsigned i = 0; i < PCR_COUNT; i++) {
        if (policy->counts[i] == 0) {
            continue;
        }
        char text[HEX_TEXT_SIZE(PCR_SIZE)];
        hex_encode(document->pcrs[i].bytes, PCR_SIZE, text);
        detail_set(detail, "PCR%u", i);
        ENSURE(document_has_pcr(document, i), REFUSED, "the document does not have it");
        detail_set(detail, "PCR%u is %s", i, text + 2);
        ENSURE(is_allowed(policy, i, &document->pcrs[i]), REFUSED,
               "the policy does not have that value");
    }
    return OK;
}
