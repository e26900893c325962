/* privileges.h: gives up for good what the kernel lets root do. */
#ifndef ENCLAVE_PRIVILEGES_H
#define ENCLAVE_PRIVILEGES_H

#include "base/detail.h"

enum { PRIVILEGES_USER = 1000 }; /* the uid and gid of the server */

/* Turns this process, which is root with one thread, into user and group PRIVILEGES_USER without
 * supplementary groups, without a capability in any set, bounding and ambient set included, unable
 * to gain any by exec, not dumpable and without core files; then looks whether all of that is so.
 * After a failure, which leaves an unknown part of it done, the process must end. REFUSED: a
 * privilege came back or stayed; UNAVAILABLE: a call failed, `detail` names it. */
RESULT privileges_drop(struct detail *detail);

#endif
