#include "signer/metrics.h"

const uint64_t latency_bounds_ns[LATENCY_BUCKETS] = {
    500 * 1000UL,         1000 * 1000UL,         2 * 1000 * 1000UL,    5 * 1000 * 1000UL,
    10 * 1000 * 1000UL,   25 * 1000 * 1000UL,    50 * 1000 * 1000UL,   100 * 1000 * 1000UL,
    250 * 1000 * 1000UL,  500 * 1000 * 1000UL,   1000 * 1000 * 1000UL, 2500 * 1000 * 1000UL,
    5000 * 1000 * 1000UL, 10000 * 1000 * 1000UL,
};

void latency_observe(struct latency_histogram *histogram, uint64_t duration_ns)
{
    size_t bucket = 0;
    while (bucket < LATENCY_BUCKETS && duration_ns > latency_bounds_ns[bucket]) {
        bucket++;
    }
    atomic_fetch_add_explicit(&histogram->buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum_ns, duration_ns, memory_order_relaxed);
}
