#include "enclave/accelerator.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { MEASURED_NS = 100 * 1000 * 1000, FLAGS_LINE_MAX = 8192 };

/* The flags of the first CPU; lines are long. */
static bool cpu_has_virtualisation(void)
{
    char line[FLAGS_LINE_MAX];
    CLEANUP(file_close_ptr) FILE *file = fopen("/proc/cpuinfo", "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "flags", 5) == 0) {
            return strstr(line, " vmx ") != NULL || strstr(line, " svm ") != NULL;
        }
    }
    return false;
}

bool accelerator_has_kvm(void)
{
    return cpu_has_virtualisation() && access("/dev/kvm", R_OK | W_OK) == 0;
}

#if defined(__x86_64__)
uint64_t accelerator_tsc_khz(void)
{
    const struct timespec pause = { .tv_nsec = MEASURED_NS };
    uint64_t begin_ns = clock_monotonic_ns();
    uint64_t begin = __builtin_ia32_rdtsc();
    nanosleep(&pause, NULL);
    uint64_t ns = clock_monotonic_ns() - begin_ns;
    uint64_t ticks = __builtin_ia32_rdtsc() - begin;
    return ns == 0 ? 0 : ticks * 1000 * 1000 / ns;
}
#else
uint64_t accelerator_tsc_khz(void)
{
    return 0;
}
#endif
