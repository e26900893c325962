#define _GNU_SOURCE
#include "base/thread.h"

#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

RESULT thread_start(pthread_t *thread_out, const char *name, void *(*run)(void *), void *argument)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(thread_out, NULL, run, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    ENSURE(failed == 0, UNAVAILABLE, "cannot start a thread");
    pthread_setname_np(*thread_out, name);
    return OK;
}

void thread_lower_priority(void)
{
    /* On Linux the nice value belongs to the thread. Failure costs fairness, not correctness. */
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), 10);
}

unsigned thread_cpu_count(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) != 0) {
        return 1;
    }
    int count = CPU_COUNT(&set);
    return count < 1 ? 1 : (unsigned)count;
}
