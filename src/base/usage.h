/* usage.h: what the process uses of the machine. */
#ifndef BASE_USAGE_H
#define BASE_USAGE_H

#include <stdint.h>

/* CPU time of all threads so far, user and system, in nanoseconds. */
uint64_t usage_cpu_ns(void);

/* Resident memory in bytes; 0 when the system does not tell. */
uint64_t usage_resident_bytes(void);

/* Memory that the machine could give without swapping, in bytes; 0 when the system does not tell.
 */
uint64_t usage_available_bytes(void);

/* Open file descriptors; 0 when the system does not tell. */
uint64_t usage_open_files(void);

#endif
