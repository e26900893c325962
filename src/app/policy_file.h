/* policy_file.h: the file that says which enclaves are trusted, in YAML, of which JSON is a part:
 *
 *   pcrs:
 *     "0": [189038ec…]        # each named register must have one of its values; 0 or 8 is needed
 *   max_age_seconds: 3600     # how old a document may be
 *   allow_debug: false        # true: accept enclaves that their parent can look into */
#ifndef APP_POLICY_FILE_H
#define APP_POLICY_FILE_H

#include "attest/policy.h"
#include "base/detail.h"
#include "base/result.h"

#include <stddef.h>

enum { POLICY_FILE_MAX = 128 * 1024 }; /* bytes */

/* A policy that policy_check() accepts. BAD_INPUT or LIMIT with `<name> line N` in `detail`: keys
 * that are unknown or there twice, values that are none, a policy that asks for nothing.
 * UNAVAILABLE: no memory. */
RESULT policy_file_parse(const char *name, const void *bytes, size_t size, struct policy *out,
                         struct detail *detail);

/* The same from a file; failures of file_read() besides. */
RESULT policy_file_read(const char *path, struct policy *out, struct detail *detail);

#endif
