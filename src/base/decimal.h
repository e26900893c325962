/* decimal.h: unsigned 64-bit decimal text, as the Ethereum APIs write numbers. */
#ifndef BASE_DECIMAL_H
#define BASE_DECIMAL_H

#include "base/result.h"

#include <stddef.h>
#include <stdint.h>

enum { DECIMAL_TEXT_SIZE = 21 }; /* 20 digits of 2^64 - 1 and the NUL */

/* Reads one to twenty digits and nothing else: no sign, no space. Leading zeros are tolerated
 * within the twenty digits. Above 2^64 - 1, or anything else: BAD_INPUT. */
RESULT decimal_parse(const char *text, size_t text_size, uint64_t *out);

/* Reads the number that `text` begins with, after spaces and tabs; `*end_out` is what follows it.
 */
RESULT decimal_scan(const char *text, uint64_t *out, const char **end_out);

#endif
