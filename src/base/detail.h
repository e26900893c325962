/* detail.h: the place and the data of a failure, for the one line that a person reads.
 * A struct result says what is wrong in a literal; a detail beside it says where: a file, a field,
 * a key, two roots. The edge (api, app) joins them as "<detail>: <what>". Never put a secret in
 * one. */
#ifndef BASE_DETAIL_H
#define BASE_DETAIL_H

#include "base/result.h"

#include <stddef.h>

enum { DETAIL_SIZE = 320 };

struct detail {
    char text[DETAIL_SIZE]; /* NUL-terminated printable ASCII; empty when nothing was said */
};

/* Replaces the text. Longer text is cut; bytes that are not printable ASCII become '?'.
 * `detail` may be NULL: nothing happens. */
void detail_set(struct detail *detail, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Puts the formatted text before what is already there, for callers that know the wider place. */
void detail_prefix(struct detail *detail, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Writes "<detail>: <what>", or only <what> when the detail is NULL or empty, cut to `size` bytes
 * with its NUL. */
void detail_line(const struct detail *detail, struct result result, char *out, size_t size);

#endif
