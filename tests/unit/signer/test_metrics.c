#include "signer/metrics.h"

#include "harness.h"
#include "signer/signer.h"

#include "base/thread.h"

#define MS (UINT64_C(1000) * 1000)

static uint64_t bucket(struct latency_histogram *histogram, size_t index)
{
    return atomic_load(&histogram->buckets[index]);
}

static uint64_t count(struct latency_histogram *histogram)
{
    uint64_t sum = 0;
    for (size_t i = 0; i <= LATENCY_BUCKETS; i++) {
        sum += bucket(histogram, i);
    }
    return sum;
}

TEST(bounds_rise_from_half_a_millisecond_to_ten_seconds)
{
    CHECK(latency_bounds_ns[0] == MS / 2);
    CHECK(latency_bounds_ns[LATENCY_BUCKETS - 1] == 10000 * MS);
    for (size_t i = 1; i < LATENCY_BUCKETS; i++) {
        CHECK(latency_bounds_ns[i] > latency_bounds_ns[i - 1]);
    }
}

/* Prometheus' rule: a bucket holds what is less or equal. */
TEST(a_duration_at_a_bound_is_below_it_and_one_nanosecond_more_is_not)
{
    for (size_t i = 0; i < LATENCY_BUCKETS; i++) {
        struct latency_histogram histogram = { .sum_ns = 0 };
        latency_observe(&histogram, latency_bounds_ns[i]);
        CHECK(bucket(&histogram, i) == 1 && count(&histogram) == 1);
        latency_observe(&histogram, latency_bounds_ns[i] + 1);
        CHECK(bucket(&histogram, i) == 1 && bucket(&histogram, i + 1) == 1);
        CHECK(count(&histogram) == 2);
        CHECK(atomic_load(&histogram.sum_ns) == 2 * latency_bounds_ns[i] + 1);
    }
}

TEST(the_extremes_are_counted)
{
    struct latency_histogram histogram = { .sum_ns = 0 };
    latency_observe(&histogram, 0);
    CHECK(bucket(&histogram, 0) == 1);
    latency_observe(&histogram, UINT64_MAX);
    CHECK(bucket(&histogram, LATENCY_BUCKETS) == 1);
    CHECK(count(&histogram) == 2);
}

enum { THREADS = 4, TIMES = 100000 };

static pthread_barrier_t start;

static void *observe(void *context)
{
    pthread_barrier_wait(&start);
    for (uint64_t i = 0; i < TIMES; i++) {
        latency_observe(context, i % 3 * MS);
    }
    return NULL;
}

TEST(threads_lose_no_observation)
{
    struct latency_histogram histogram = { .sum_ns = 0 };
    pthread_t threads[THREADS];
    pthread_barrier_init(&start, NULL, THREADS);
    for (size_t i = 0; i < THREADS; i++) {
        CHECK_OK(thread_start(&threads[i], "observe", observe, &histogram));
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_barrier_destroy(&start);
    CHECK(count(&histogram) == (uint64_t)THREADS * TIMES);
    uint64_t sum = 0;
    for (uint64_t i = 0; i < TIMES; i++) {
        sum += i % 3 * MS;
    }
    CHECK(atomic_load(&histogram.sum_ns) == THREADS * sum);
}

TEST(every_operation_and_status_has_a_counter)
{
    struct signer_metrics metrics;
    CHECK(sizeof(metrics.requests) / sizeof(metrics.requests[0]) == OPERATION_COUNT + 1);
    CHECK((int)SIGN_STATUS_COUNT <= (int)SIGNER_METRIC_STATUSES);
}

HARNESS_TESTS(T(bounds_rise_from_half_a_millisecond_to_ten_seconds),
              T(a_duration_at_a_bound_is_below_it_and_one_nanosecond_more_is_not),
              T(the_extremes_are_counted), T(threads_lose_no_observation),
              T(every_operation_and_status_has_a_counter))
