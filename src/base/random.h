/* random.h: the kernel's random bytes. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>

/* Fills `out`. Aborts when the kernel cannot: nothing secret may be made without it. */
void random_bytes(void *out, size_t size);

#endif
