/* process.h: what the process does to itself, and says to its supervisor. */
#ifndef APP_PROCESS_H
#define APP_PROCESS_H

#include "base/result.h"

#include <stdint.h>

/* Puts /dev/null in the place of standard streams that are closed, before anything is opened: what
 * takes their numbers would get the log's lines, be it the database or a client's connection. */
void process_keep_streams(void);

/* No core files, not traceable by others of the same user, no new privileges through exec, as many
 * file descriptors as the hard limit allows. UNAVAILABLE when one of the first three is refused:
 * keys must not be loaded then. */
RESULT process_harden(void);

/* Tells systemd (sd_notify's protocol, NOTIFY_SOCKET) a state such as "READY=1". Without a
 * supervisor nothing happens. */
void process_notify(const char *state);

/* How often the supervisor wants "WATCHDOG=1", in nanoseconds; 0: never. */
uint64_t process_watchdog_ns(void);

/* Half of the memory that the machine has available now, in bytes, and at least 512 MiB: what key
 * derivations may take when nothing else is said. */
uint64_t process_kdf_memory(void);

/* How many files the process may have open, as process_harden() left it. */
uint64_t process_files_max(void);

#endif
