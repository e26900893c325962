/* console.h: what PID 1 says: single lines on the console, which begin with "chamber-enclave: ".
 * The console is seen where an enclave runs in debug mode, and under the emulator; elsewhere nobody
 * reads it. */
#ifndef ENCLAVE_CONSOLE_H
#define ENCLAVE_CONSOLE_H

#include "base/detail.h"

enum { CONSOLE_LINE_MAX = 512 }; /* bytes, with the line's end; longer ones are cut */

/* Writes "chamber-enclave: <formatted>" and the line's end to standard error in one call. */
void console_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Writes "chamber-enclave: <step>: <detail>: <what>". */
void console_say_failure(const char *step, const struct detail *detail, struct result result);

/* Waits until the console has sent what was written. */
void console_sync(void);

#endif
