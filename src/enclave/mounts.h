/* mounts.h: the few file systems of the enclave, and its console.
 *
 * /dev, /proc, and /tmp and /run for the server alone, of 1 MiB each. Nothing needs sysfs: the only
 * clock that the image's kernel can have as /dev/ptp0 is the hypervisor's, and the CPUs are counted
 * by sched_getaffinity(). Then the root, which is the ramdisk, becomes read-only, and no program
 * can be started from any file system any more: the only one there is runs already. What wants to
 * write a file of /etc has it be a link into /run. */
#ifndef ENCLAVE_MOUNTS_H
#define ENCLAVE_MOUNTS_H

#include "base/detail.h"

/* Makes the mount points where the ramdisk has none, mounts, and makes the root read-only.
 * UNAVAILABLE: `detail` names the place and the system's reason. */
RESULT mounts_make(struct detail *detail);

/* /dev/console in the place of the three standard streams. UNAVAILABLE as above. */
RESULT mounts_console(struct detail *detail);

#endif
