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
    detail_set(detail, "pcrs");
    ENSURE(policy->counts[PCR_IMAGE] > 0 || policy->counts[PCR_SIGNER] > 0, BAD_INPUT,
           "name the values of register 0 (the image) or 8 (its signer): without them any image "
           "would do");
    detail_set(detail, "max_age_seconds");
    ENSURE(policy->max_age_seconds > 0, BAD_INPUT, "must not be 0");
    return OK;
}

/* Registers that are zero in debug mode, and in debug mode only when they are asked for. */
static bool is_of_the_image(unsigned index)
{
    return index == PCR_IMAGE || index == PCR_KERNEL || index == PCR_APPLICATION ||
           index == PCR_SIGNER;
}

/* One that is asked for, or the first, which is always looked at. */
static struct result check_register(const struct policy *policy, unsigned index,
                                    const struct document *document, struct detail *detail)
{
    const struct pcr *found = &document->pcrs[index];
    char text[HEX_TEXT_SIZE(PCR_SIZE)];
    detail_set(detail, "PCR%u", index);
    ENSURE(document_has_pcr(document, index), REFUSED, "the document does not have it");
    ENSURE(policy->allow_debug || !is_of_the_image(index) || !pcr_is_zero(found), REFUSED,
           "all zero: the enclave is in debug mode (or, for PCR8, its image unsigned)");
    hex_encode(found->bytes, PCR_SIZE, text);
    detail_set(detail, "PCR%u is %s", index, text + 2);
    ENSURE(policy->counts[index] == 0 || is_allowed(policy, index, found), REFUSED,
           "the policy does not have that value");
    return OK;
}

RESULT policy_check_registers(const struct policy *policy, const struct document *document,
                              struct detail *detail)
{
    for (unsigned i = 0; i < PCR_COUNT; i++) {
        if (i == PCR_IMAGE || policy->counts[i] > 0) {
            TRY(check_register(policy, i, document, detail));
        }
    }
    return OK;
}
