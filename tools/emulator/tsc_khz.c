/* tsc_khz.c: prints the frequency of this machine's time stamp counter in kHz. An emulated CPU
 * counts with it, and has no timer by which its kernel could find that out. */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

enum { MEASURED_NS = 100000000 };

static uint64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int main(void)
{
    uint64_t begin_ns = monotonic_ns();
    uint64_t begin = __rdtsc();
    nanosleep(&(struct timespec){ .tv_nsec = MEASURED_NS }, NULL);
    uint64_t ns = monotonic_ns() - begin_ns;
    uint64_t ticks = __rdtsc() - begin;
    printf("%llu\n", (unsigned long long)(ticks * 1000000 / ns));
    return 0;
}
