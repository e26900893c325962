/* credentials.h: where the enclave's AWS credentials come from. A source gives a JSON text, anew
 * whenever it is asked; the enclave reads it, the parent only passes it on. */
#ifndef PARENT_CREDENTIALS_H
#define PARENT_CREDENTIALS_H

#include "base/detail.h"
#include "base/result.h"
#include "base/secret.h"

/* A way to get credentials. Others (the instance's metadata, pod identity) fit in by refreshing on
 * a thread of their own and giving what they got last. */
struct credentials_source {
    const char *name;
    /* At most BOOTSTRAP_CREDENTIALS_MAX bytes; empty: there are none. BAD_INPUT, LIMIT, NOT_FOUND,
     * UNAVAILABLE with the place in `detail`, never with anything of the credentials. */
    struct result (*get)(const struct credentials_source *source, struct secret_block *out,
                         struct detail *detail);
    const char *path; /* the file's; borrowed */
};

struct credentials_source credentials_none(void);

/* A file that holds one JSON object. */
struct credentials_source credentials_file(const char *path);

#endif
