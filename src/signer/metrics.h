/* metrics.h: what the signer counts. Written by many threads without locks, read by the metrics
 * page. */
#ifndef SIGNER_METRICS_H
#define SIGNER_METRICS_H

#include "eth/signing_request.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { LATENCY_BUCKETS = 14, SIGNER_METRIC_STATUSES = 16 };

/* Upper bounds of the buckets in nanoseconds; one more counts everything above. */
extern const uint64_t latency_bounds_ns[LATENCY_BUCKETS];

struct latency_histogram {
    atomic_uint_fast64_t buckets[LATENCY_BUCKETS + 1]; /* each alone, not cumulative */
    atomic_uint_fast64_t sum_ns;
};

void latency_observe(struct latency_histogram *histogram, uint64_t duration_ns);

/* Requests whose `type` was not understood are counted under OPERATION_COUNT. */
struct signer_metrics {
    atomic_uint_fast64_t requests[OPERATION_COUNT + 1][SIGNER_METRIC_STATUSES]; /* by sign_status */
    struct latency_histogram duration[OPERATION_COUNT]; /* of those that were signed */
    atomic_uint_fast64_t repeats; /* signed again for the very same message, without a new record */
};

#endif
