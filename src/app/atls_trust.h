/* atls_trust.h: whom the commands of attested TLS trust: what --policy, --root and --configuration
 * say, read and parsed. */
#ifndef APP_ATLS_TRUST_H
#define APP_ATLS_TRUST_H

#include "attest/verifier.h"
#include "base/detail.h"
#include "base/result.h"

#include <stdint.h>

struct atls_trust_files {
    const char *policy;        /* needed */
    const char *root;          /* NULL: AWS's */
    const char *configuration; /* NULL: any */
};

/* `wanted` points into the rest, so this must not be copied; now_seconds is 0. */
struct atls_trust {
    struct expectations wanted;
    struct policy policy;
    struct cbor_view root;
    uint8_t *root_der; /* OpenSSL's */
    uint8_t configuration[SHA384_SIZE];
};

/* Into a zeroed `trust`, which is to be given to atls_trust_done() even after a failure: that of a
 * file, or of what is in it, with its name in `detail`. */
RESULT atls_trust_read(const struct atls_trust_files *files, struct atls_trust *trust,
                       struct detail *detail);
void atls_trust_done(struct atls_trust *trust);

#endif
