#include "enclave/configuration.h"

#include "attest/pcr.h"

/* What the register must be before: that of an enclave that has just booted. */
static struct result check_untouched(const struct nsm *nsm)
{
    struct pcr value;
    bool locked = true;
    TRY(nsm_describe_pcr(nsm, PCR_CONFIGURATION, &value, &locked));
    ENSURE(!locked && pcr_is_zero(&value), REFUSED,
           "the configuration's register is in use already, so nothing can be measured into it");
    return OK;
}

/* Locked, and with the value that whoever knows the configuration computes. */
static struct result check_measured(const struct nsm *nsm, const struct pcr *expected)
{
    struct pcr value;
    bool locked = false;
    TRY(nsm_describe_pcr(nsm, PCR_CONFIGURATION, &value, &locked));
    ENSURE(locked, REFUSED, "the security module did not lock the configuration's register");
    ENSURE(pcr_equal(&value, expected), REFUSED,
           "the security module has another value for the configuration");
    return OK;
}

RESULT configuration_measure(const struct nsm *nsm, const void *bytes, size_t size,
                             uint8_t digest_out[static SHA384_SIZE], struct detail *detail)
{
    struct pcr extended;
    detail_set(detail, "register %d", PCR_CONFIGURATION);
    sha384(bytes, size, digest_out);
    struct pcr expected = pcr_of(digest_out, SHA384_SIZE);
    TRY(check_untouched(nsm));
    TRY(nsm_extend_pcr(nsm, PCR_CONFIGURATION, digest_out, SHA384_SIZE, &extended));
    TRY(nsm_lock_pcr(nsm, PCR_CONFIGURATION));
    return check_measured(nsm, &expected);
}
