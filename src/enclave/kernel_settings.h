/* kernel_settings.h: the kernel's settings and the limits that the enclave runs under. */
#ifndef ENCLAVE_KERNEL_SETTINGS_H
#define ENCLAVE_KERNEL_SETTINGS_H

#include "base/detail.h"

enum { KERNEL_SETTINGS_FILES_MAX = 65536 }; /* file descriptors of a process */

/* Writes the settings below /proc/sys. A panic ends the enclave after a second, and so does memory
 * that has run out; no process leaves its memory in a file. A setting that the kernel does not have
 * is let pass only where its absence means the same (the table says which). UNAVAILABLE: `detail`
 * names the setting. */
RESULT kernel_settings_apply(struct detail *detail);

/* For this process and all that it starts: no core files, KERNEL_SETTINGS_FILES_MAX descriptors, as
 * much locked memory as there is. */
RESULT kernel_settings_limit(struct detail *detail);

#endif
