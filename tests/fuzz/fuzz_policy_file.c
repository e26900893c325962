/* fuzz_policy_file.c: a policy that is read is one that may be used, and asks for something; what
 * is refused says where. */
#include "app/policy_file.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hold(bool property)
{
    if (!property) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct policy policy;
    struct detail detail = { "" };
    if (size > 8192) { /* the loader compares every anchor with every other */
        return 0;
    }
    if (is_ok(policy_file_parse("p", data, size, &policy, &detail))) {
        hold(is_ok(policy_check(&policy, NULL)));
        hold(policy.counts[PCR_IMAGE] + policy.counts[PCR_SIGNER] > 0);
        for (unsigned i = 0; i < PCR_COUNT; i++) {
            hold(policy.counts[i] <= POLICY_VALUES_MAX);
        }
    } else {
        hold(detail.text[0] == 'p');
    }
    return 0;
}
