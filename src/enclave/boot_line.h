/* boot_line.h: what was written on the kernel's command line for PID 1. */
#ifndef ENCLAVE_BOOT_LINE_H
#define ENCLAVE_BOOT_LINE_H

#include "base/detail.h"

#include <stddef.h>
#include <stdint.h>

enum {
    BOOT_LINE_MAX = 4096, /* bytes of the line */
    BOOT_LINE_PARENT = 3, /* the parent's CID on Nitro, when the line names none */
};

struct boot_line {
    uint32_t parent_cid;
};

/* Reads the words of the line that begin with "chamber.": `chamber.parent_cid=N`, a decimal number
 * of a peer (2 to 2^32 - 2: 0 is the hypervisor, 1 the enclave itself), at most once. Any other
 * such word is BAD_INPUT; all words that do not begin so belong to the kernel. On Nitro the line is
 * part of the image's measurements, but for the virtio devices that the hypervisor appends; what
 * QEMU's -append adds is not measured. */
RESULT boot_line_parse(const char *text, size_t size, struct boot_line *out, struct detail *detail);

/* The same of /proc/cmdline. UNAVAILABLE: it cannot be read. LIMIT: longer than BOOT_LINE_MAX. */
RESULT boot_line_read(struct boot_line *out, struct detail *detail);

#endif
