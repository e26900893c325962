/* server_process.h: the server as a child of PID 1, with no more rights than it needs.
 *
 * One program, two processes (docs/adr/0007): the server is forked, not executed, so that the image
 * holds one file and no exec is ever needed. */
#ifndef ENCLAVE_SERVER_PROCESS_H
#define ENCLAVE_SERVER_PROCESS_H

#include "base/detail.h"
#include "enclave/boot_line.h"

#include <sys/types.h>

/* The server: runs in the child and returns its exit status. What it is given is its own copy. */
typedef int server_entry(const struct boot_line *line);

struct server_process {
    pid_t pid; /* 0: none has been started */
};

/* Forks the child that confines itself and calls `entry`. Once a process: REFUSED when
 * `server` has one already. UNAVAILABLE: no process. What goes wrong in the child is said on the
 * console, and the child ends with SERVER_PROCESS_UNCONFINED. */
RESULT server_process_start(struct server_process *server, server_entry *entry,
                            const struct boot_line *line, struct detail *detail);

enum { SERVER_PROCESS_UNCONFINED = 125 };

/* The child's part before the entry: a session of its own, death when PID 1 dies, /dev/null to read
 * from, no descriptor but the standard streams, signals as at a program's start, files of its own
 * for itself alone, then privileges_drop() and syscall_filter_apply(). Its memory is not locked as
 * a whole: the kernel has no swap, and nothing of the image is on a disk. After a failure the
 * process must end. */
RESULT server_process_confine(struct detail *detail);

#endif
