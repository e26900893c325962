/* policy.h: which enclaves a client trusts: the values that their registers may have, and how old
 * the evidence may be. A policy that asks for nothing is none. */
#ifndef ATTEST_POLICY_H
#define ATTEST_POLICY_H

#include "attest/document.h"
#include "attest/pcr.h"
#include "base/detail.h"
#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    POLICY_VALUES_MAX = 16,           /* of one register */
    POLICY_MAX_AGE_DEFAULT = 60 * 60, /* seconds; a server renews its evidence every 30 minutes */
};

struct policy {
    struct pcr values[PCR_COUNT][POLICY_VALUES_MAX];
    size_t counts[PCR_COUNT]; /* 0: the register is not asked for */
    uint64_t max_age_seconds;
    /* Enclaves in debug mode, whose registers 0, 1, 2 and 8 are zero and whose memory the parent
     * may read, are accepted when the values are there. For development, by name only. */
    bool allow_debug;
};

/* Asks for nothing, so that policy_check() refuses it. */
void policy_init(struct policy *policy);

/* One more value that register `index` may have. BAD_INPUT: there already, or no register. LIMIT.
 */
RESULT policy_allow(struct policy *policy, unsigned index, const struct pcr *value);

/* BAD_INPUT for a policy that must not be used: neither register 0 nor 8 is asked for, no age, or a
 * zero where only debug mode has one, unless that is allowed by name. */
RESULT policy_check(const struct policy *policy, struct detail *detail);

/* REFUSED, with the register in `detail`: one that is asked for is not in the document or has
 * another value; or register 0 is zero (debug mode) and that is not allowed. */
RESULT policy_check_registers(const struct policy *policy, const struct document *document,
                              struct detail *detail);

#endif
