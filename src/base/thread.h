/* thread.h: starting threads the same way everywhere. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include "base/result.h"

#include <pthread.h>

/* Starts `run(argument)` under `name` (15 characters at most) with all signals blocked: signals
 * belong to the main thread. The caller joins it. UNAVAILABLE when the system refuses. */
RESULT thread_start(pthread_t *thread_out, const char *name, void *(*run)(void *), void *argument);

/* Lets the calling thread yield to all others (nice 10), for key derivation and other long work
 * beside signing. */
void thread_lower_priority(void);

/* CPUs that this process may run on, at least 1. */
unsigned thread_cpu_count(void);

#endif
