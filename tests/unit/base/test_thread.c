#include "base/thread.h"
#include "harness.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument);
static bool refused;

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument)
{
    return refused ? EAGAIN : __real_pthread_create(thread, attributes, run, argument);
}

static void *note_mask(void *mask)
{
    pthread_sigmask(SIG_SETMASK, NULL, mask);
    return mask;
}

TEST(a_thread_runs_with_all_signals_blocked)
{
    sigset_t mask;
    pthread_t thread;
    void *returned = NULL;
    sigemptyset(&mask);
    CHECK_OK(thread_start(&thread, "123456789012345", note_mask, &mask));
    pthread_join(thread, &returned);
    CHECK(returned == &mask);
    static const int signals[] = { SIGHUP, SIGINT, SIGTERM, SIGPIPE, SIGUSR1, SIGCHLD, SIGALRM };
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        CHECK(sigismember(&mask, signals[i]) == 1);
    }
}

TEST(the_callers_own_mask_stays)
{
    sigset_t before;
    sigset_t during;
    sigset_t after;
    pthread_t thread;
    sigemptyset(&before);
    sigaddset(&before, SIGUSR2);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    CHECK_OK(thread_start(&thread, "x", note_mask, &during));
    pthread_join(thread, NULL);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    CHECK(sigismember(&after, SIGUSR2) == 1 && sigismember(&after, SIGINT) == 0);
    refused = true;
    struct result started = thread_start(&thread, "x", note_mask, &during);
    refused = false;
    CHECK_FAILS(UNAVAILABLE, started);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    CHECK(sigismember(&after, SIGUSR2) == 1 && sigismember(&after, SIGINT) == 0);
}

static void *wait_for_mutex(void *mutex)
{
    LOCK_SCOPE((pthread_mutex_t *)mutex);
    return NULL;
}

TEST(a_thread_bears_its_name)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_t thread;
    char name[32] = "";
    pthread_mutex_lock(&mutex);
    CHECK_OK(thread_start(&thread, "123456789012345", wait_for_mutex, &mutex));
    pthread_getname_np(thread, name, sizeof(name));
    pthread_mutex_unlock(&mutex);
    pthread_join(thread, NULL);
    CHECK_TEXT(name, "123456789012345");
}

static void *lower_and_read(void *priority)
{
    thread_lower_priority();
    *(int *)priority = getpriority(PRIO_PROCESS, (id_t)gettid());
    return NULL;
}

TEST(a_lowered_thread_yields_and_the_others_do_not)
{
    pthread_t thread;
    int lowered = 0;
    int before = getpriority(PRIO_PROCESS, (id_t)gettid());
    CHECK_OK(thread_start(&thread, "low", lower_and_read, &lowered));
    pthread_join(thread, NULL);
    CHECK(lowered == 10 || before > 10);
    CHECK(getpriority(PRIO_PROCESS, (id_t)gettid()) == before);
}

TEST(counts_the_cpus_that_it_may_use)
{
    cpu_set_t all;
    CHECK(sched_getaffinity(0, sizeof(all), &all) == 0);
    CHECK(thread_cpu_count() == (unsigned)CPU_COUNT(&all));
    size_t first = 0;
    while (!CPU_ISSET(first, &all)) {
        first++;
    }
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    CHECK(sched_setaffinity(0, sizeof(one), &one) == 0);
    unsigned counted = thread_cpu_count();
    sched_setaffinity(0, sizeof(all), &all);
    CHECK(counted == 1);
}

HARNESS_TESTS(T(a_thread_runs_with_all_signals_blocked), T(the_callers_own_mask_stays),
              T(a_thread_bears_its_name), T(a_lowered_thread_yields_and_the_others_do_not),
              T(counts_the_cpus_that_it_may_use))
