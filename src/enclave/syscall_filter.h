/* syscall_filter.h: the system calls that the server may make (seccomp, by libseccomp). Any other
 * kills the whole server, which ends the enclave.
 *
 * The list holds what the signer was seen to call under load, and what the C library and OpenSSL
 * call in rarer moments. In short: memory that is never executable, threads but no processes,
 * sockets of three families, files without making directories, renaming or changing owners, a few
 * requests to devices. No program is started, no clock set, no other process seen; nothing can
 * loosen the filter, as the calls that set filters are not in it. */
#ifndef ENCLAVE_SYSCALL_FILTER_H
#define ENCLAVE_SYSCALL_FILTER_H

#include "base/detail.h"

/* Holds the calling process, which has one thread, to the list, for good. It may signal only the
 * process that it is now. Needs no privilege; sets no_new_privs. UNAVAILABLE: `detail` names the
 * system call or the attribute that was refused. */
RESULT syscall_filter_apply(struct detail *detail);

#endif
