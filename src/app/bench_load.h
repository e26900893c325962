/* bench_load.h: the load generator of the benchmark, in a process of its own so that its CPU time
 * is not the signer's. */
#ifndef APP_BENCH_LOAD_H
#define APP_BENCH_LOAD_H

#include "base/detail.h"
#include "base/result.h"
#include "eth/types.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What is asked for in one run. */
struct bench_order {
    uint16_t port;
    size_t keys;
    size_t connections;
    size_t requests;
    uint64_t pause_ns;    /* between an answer and the next request of its connection */
    uint64_t first_epoch; /* targets count up from here, so that nothing is slashable */
    bool same_message;    /* all keys sign one root in an epoch, as real attesters do */
    struct root genesis_validators_root;
};

struct bench_outcome {
    bool ran;
    char reason[DETAIL_SIZE]; /* why it did not run */
    size_t answered;
    size_t refused;
    size_t failed;
    uint64_t wall_ns;
    uint64_t cpu_ns; /* of the process that started the generator, meanwhile */
    uint64_t p50_ns, p90_ns, p99_ns, max_ns;
};

struct bench_load {
    pid_t process;
    int channel; /* orders go out, outcomes come back */
};

/* Forks the load generator. Before any thread is started. The caller ends it: bench_load_stop(). */
RESULT bench_load_start(struct bench_load *out);

/* Tells it the public keys that the orders count; once. UNAVAILABLE: the process is gone. */
RESULT bench_load_keys(struct bench_load *load, const struct pubkey *keys, size_t count);

/* Has one order carried out and waits for it. UNAVAILABLE: the process is gone, or could not reach
 * the signer; `detail` says why. */
RESULT bench_load_run(struct bench_load *load, const struct bench_order *order,
                      struct bench_outcome *out, struct detail *detail);

/* Ends the process when it has done what was ordered. Accepts one that was never started (zeroes),
 * or is stopped already. */
void bench_load_stop(struct bench_load *load);

#endif
