/* authorize.h: who may sign what. The place of this decision in the signing path is fixed here;
 * while there are no tokens and policies, access is open, as it is with Web3Signer, and everybody
 * who reaches the port is allowed everything. */
#ifndef SIGNER_AUTHORIZE_H
#define SIGNER_AUTHORIZE_H

#include "base/result.h"
#include "eth/signing_request.h"
#include "eth/types.h"

/* Whether the caller is known at all; comes before anything is read of the body. `authorization` is
 * the value of the header field, or "". */
RESULT authorize_caller(const char *authorization);

/* Whether this caller may have this operation signed by this key. REFUSED: no. */
RESULT authorize_operation(const char *authorization, const struct pubkey *pubkey,
                           enum operation operation);

#endif
