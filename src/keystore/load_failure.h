/* load_failure.h: why a key file gave no key, as one line for a person and one for the log. */
#ifndef KEYSTORE_LOAD_FAILURE_H
#define KEYSTORE_LOAD_FAILURE_H

#include "base/detail.h"
#include "base/result.h"
#include "eth/types.h"

#include <stddef.h>

struct load_failure {
    const char *path; /* of the file that was listed */
    size_t document;  /* its number in the file, or 0 */
    struct result result;
    struct detail detail;
    const struct pubkey *key; /* NULL: it is not known which key it is about */
    size_t keys_kept;         /* keys of the place that stay loaded */
};

/* Logs the failure and gives "<path>[, document N][, key 0x…]: <reason>", which the caller frees.
 * NULL: no memory. Control characters of file names are replaced. */
char *load_failure_report(const struct load_failure *failure);

#endif
