#include "signer/authorize.h"

RESULT authorize_caller(const char *authorization)
{
    (void)authorization;
    return OK;
}

RESULT authorize_operation(const char *authorization, const struct pubkey *pubkey,
                           enum operation operation)
{
    (void)authorization;
    (void)pubkey;
    (void)operation;
    return OK;
}
