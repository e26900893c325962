#include "app/bench_bare.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/secret.h"
#include "base/thread.h"
#include "bls/bls.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <time.h>

enum { SIGNATURES = 200, SAMPLES = 500, BLOCK = 4096 };

static const struct timespec pause_between = { .tv_nsec = BENCH_PAUSE_NS };

/* One thread's share of the work, with the CPU time that it took. */
struct share {
    pthread_t thread;
    uint64_t hash_ns;
    uint64_t sign_ns;
};

static uint64_t thread_cpu_ns(void)
{
    struct timespec now = { 0 };
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static const uint8_t secret[BLS_SECRET_SIZE] = { [31] = 42 };

static void *work(void *context)
{
    struct share *share = context;
    uint8_t message[BLS_MESSAGE_SIZE] = { 0 };
    uint8_t signature[BLS_SIGNATURE_SIZE];
    struct bls_point point;
    /* One after the other, as in a signer: hashing alone would have the caches for itself. */
    for (int i = 0; i < SIGNATURES; i++) {
        memcpy(message, &i, sizeof(i));
        uint64_t start = thread_cpu_ns();
        bls_hash(message, &point);
        uint64_t middle = thread_cpu_ns();
        bls_sign(secret, &point, signature);
        share->hash_ns += middle - start;
        share->sign_ns += thread_cpu_ns() - middle;
    }
    return NULL;
}

/* All CPUs at once: that is how the server runs, and shared caches, clocks and hyperthreads slow
 * each other down. */
RESULT bench_bare_cpu_run(struct bench_bare_cpu *out)
{
    unsigned count = thread_cpu_count();
    CLEANUP(free_ptr) struct share *shares = calloc(count, sizeof(*shares));
    ENSURE(shares != NULL, UNAVAILABLE, "out of memory");
    for (unsigned i = 0; i < count; i++) {
        TRY(thread_start(&shares[i].thread, "bare", work, &shares[i]));
    }
    uint64_t hash_ns = 0;
    uint64_t sign_ns = 0;
    for (unsigned i = 0; i < count; i++) {
        pthread_join(shares[i].thread, NULL);
        hash_ns += shares[i].hash_ns;
        sign_ns += shares[i].sign_ns;
    }
    double all = (double)count * SIGNATURES;
    out->hash_ns = (double)hash_ns / all;
    out->sign_ns = (double)sign_ns / all;
    return OK;
}

static int compare(const void *a, const void *b)
{
    const uint64_t *left = a;
    const uint64_t *right = b;
    return (*left > *right) - (*left < *right);
}

static void keep_quantiles(uint64_t samples[SAMPLES], uint64_t *p50_out, uint64_t *p99_out)
{
    qsort(samples, SAMPLES, sizeof(samples[0]), compare);
    *p50_out = samples[SAMPLES / 2];
    *p99_out = samples[SAMPLES * 99 / 100];
}

static void measure_signature(struct bench_bare *out)
{
    uint64_t samples[SAMPLES];
    uint8_t message[BLS_MESSAGE_SIZE] = { 0 };
    uint8_t signature[BLS_SIGNATURE_SIZE];
    struct bls_point point;
    for (size_t i = 0; i < SAMPLES; i++) {
        memcpy(message, &i, sizeof(i));
        nanosleep(&pause_between, NULL);
        uint64_t start = clock_monotonic_ns();
        bls_hash(message, &point);
        bls_sign(secret, &point, signature);
        samples[i] = clock_monotonic_ns() - start;
    }
    keep_quantiles(samples, &out->signature_p50_ns, &out->signature_p99_ns);
}

static struct result measure_write(const char *directory, struct bench_bare *out)
{
    char path[PATH_MAX];
    char block[BLOCK] = "";
    uint64_t samples[SAMPLES];
    snprintf(path, sizeof(path), "%s/bench-write.tmp", directory);
    CLEANUP(fd_close_ptr) int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ENSURE(fd >= 0, UNAVAILABLE, "cannot write into the directory");
    unlink(path);
    /* As a write-ahead log in its steady state: over blocks that the file has already. */
    for (size_t i = 0; i < SAMPLES; i++) {
        ENSURE(pwrite(fd, block, BLOCK, (off_t)(i * BLOCK)) == BLOCK, UNAVAILABLE, "cannot write");
    }
    ENSURE(fsync(fd) == 0, UNAVAILABLE, "cannot sync");
    for (size_t i = 0; i < SAMPLES; i++) {
        nanosleep(&pause_between, NULL);
        uint64_t start = clock_monotonic_ns();
        ENSURE(pwrite(fd, block, BLOCK, (off_t)(i * BLOCK)) == BLOCK, UNAVAILABLE, "cannot write");
        ENSURE(fdatasync(fd) == 0, UNAVAILABLE, "cannot sync");
        samples[i] = clock_monotonic_ns() - start;
    }
    keep_quantiles(samples, &out->write_p50_ns, &out->write_p99_ns);
    return OK;
}

RESULT bench_bare_run(const char *directory, struct bench_bare *out)
{
    TRY(measure_write(directory, out)); /* first: it is the one that a wrong directory fails */
    measure_signature(out);
    return OK;
}
