/* module.h: a security module for tests: an attestor whose documents a chain of maker.h signs. */
#ifndef TESTS_UNIT_ATTEST_MODULE_H
#define TESTS_UNIT_ATTEST_MODULE_H

#include "attest/attestor.h"
#include "base/sha384.h"
#include "maker.h"

#include <stdatomic.h>

struct module {
    struct maker_chain chain;
    uint64_t now_seconds;                        /* its clock */
    struct pcr image;                            /* register 0 */
    struct pcr configuration;                    /* register 16 */
    struct result result;                        /* what it answers with; a document only when OK */
    void (*change)(struct maker_claims *claims); /* what it says otherwise; NULL: nothing */
    atomic_uint calls;
};

/* Signs at MAKER_NOW, with this configuration's SHA-384 in register 16, and a chain like AWS's,
 * but for a leaf that is valid from `leaf_from` to `leaf_until`, seconds from MAKER_NOW. */
void module_init(struct module *module, const uint8_t configuration[static SHA384_SIZE],
                 int64_t leaf_from, int64_t leaf_until);
void module_done(struct module *module);
#define MODULE CLEANUP(module_done) struct module

struct attestor module_attestor(struct module *module);

#endif
