#include "enclave/security_module.h"

RESULT security_module_check(const struct security_module *module)
{
    const uint32_t measured = (UINT32_C(1) << SECURITY_MODULE_PCRS_MEASURED) - 1;
    struct security_module_facts facts = { 0 };
    TRY(module->describe(module->context, &facts));
    ENSURE(facts.digest_is_sha384, REFUSED, "the security module does not measure with SHA-384");
    ENSURE(facts.pcrs_max == SECURITY_MODULE_PCRS, REFUSED,
           "the security module does not have 32 registers");
    ENSURE((facts.pcrs_locked & measured) == measured, REFUSED,
           "the security module has not locked the image's measurements (registers 0 to 15)");
    return OK;
}
