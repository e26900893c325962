/* place.h: naming the place of a failure on the way out. */
#ifndef ETH_PLACE_H
#define ETH_PLACE_H

#include "base/detail.h"
#include "base/result.h"

/* Passes `result` on; a failure gets `place` as its detail. */
static inline RESULT at_place(const char *place, struct result result, struct detail *detail)
{
    if (!is_ok(result)) {
        detail_set(detail, "%s", place);
    }
    return result;
}

#endif
