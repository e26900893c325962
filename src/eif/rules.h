/* rules.h: what the shape of an enclave image must be, beyond that its sections can be walked. A
 * reader that walks the sections and a loader that believes the header's table must find the same
 * kernel, command line and ramdisks; else the measurements of one are not those of the other. */
#ifndef EIF_RULES_H
#define EIF_RULES_H

#include "eif/image.h"

#include <stddef.h>

enum { EIF_RULES_MAX = 24 };

/* The rules that an image breaks which eif_read() gave, each a sentence about the image, the worst
 * first. Gives their number; 0: the image's shape is as it must be. */
size_t eif_rules_broken(const struct eif_image *image, const char *out[static EIF_RULES_MAX]);

#endif
