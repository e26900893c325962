#include "signer/authorize.h"

#include "harness.h"

/* No tokens, no policies: access is open. Whoever adds them changes these tests. */
TEST(every_caller_is_known)
{
    static const char *const fields[] = { "", "Bearer", "Bearer x", "Basic dTpw", "\xff" };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        CHECK_OK(authorize_caller(fields[i]));
    }
}

TEST(every_operation_is_allowed_with_every_key)
{
    for (unsigned byte = 0; byte < 256; byte += 51) {
        struct pubkey pubkey;
        memset(&pubkey, (int)byte, sizeof(pubkey));
        for (enum operation i = 0; i < OPERATION_COUNT; i++) {
            CHECK_OK(authorize_operation("", &pubkey, i));
        }
    }
}

HARNESS_TESTS(T(every_caller_is_known), T(every_operation_is_allowed_with_every_key))
