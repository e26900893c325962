/* pcr.h: platform configuration registers, as an enclave's security module keeps them (SHA-384, 32
 * of them), and the values that they take without an enclave (AWS's documentation of the
 * measurements). */
#ifndef ATTEST_PCR_H
#define ATTEST_PCR_H

#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PCR_SIZE = 48,
    PCR_COUNT = 32,
    PCR_IMAGE = 0,       /* kernel, command line and all ramdisks */
    PCR_KERNEL = 1,      /* kernel, command line and the first ramdisk */
    PCR_APPLICATION = 2, /* the other ramdisks */
    PCR_ROLE = 3,        /* the role of the parent instance */
    PCR_INSTANCE = 4,    /* the parent instance */
    PCR_SIGNER = 8,      /* the certificate that signed the image */
    PCR_CONFIGURATION = 16,
};

struct pcr {
    uint8_t bytes[PCR_SIZE];
};

/* value = SHA-384(value || data): what the module does with what it is given. */
void pcr_extend(struct pcr *pcr, const void *data, size_t size);

/* A register that was zero and was extended once with `data`. */
struct pcr pcr_of(const void *data, size_t size);

/* A register of a role ("arn:aws:iam::…:role/…", PCR3) or of an instance ("i-…", PCR4). BAD_INPUT
 * for a text that is neither printable ASCII nor 1 to 2048 characters long. */
RESULT pcr_of_name(const char *name, struct pcr *out);

/* All zero: what a register holds that was never extended, and all registers of a debug enclave. */
bool pcr_is_zero(const struct pcr *pcr);
bool pcr_equal(const struct pcr *a, const struct pcr *b);

/* From 96 hexadecimal digits, with or without "0x". BAD_INPUT otherwise. */
RESULT pcr_parse(const char *text, size_t size, struct pcr *out);

#endif
