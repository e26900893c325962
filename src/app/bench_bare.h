/* bench_bare.h: what the machine takes for the two things that nobody can save: the bare signature
 * and the durable write. */
#ifndef APP_BENCH_BARE_H
#define APP_BENCH_BARE_H

#include "base/result.h"

#include <stdint.h>

/* Between two things that are measured one at a time, here and for the signer, so that CPU and disk
 * are as cold for the one as for the other. */
enum { BENCH_PAUSE_NS = 5 * 1000 * 1000 };

struct bench_bare {
    uint64_t signature_p50_ns; /* wall time of hash and signature, one at a time */
    uint64_t signature_p99_ns;
    uint64_t write_p50_ns; /* wall time of writing 4 KiB and fdatasync() in the directory */
    uint64_t write_p99_ns;
};

/* Takes a few seconds. UNAVAILABLE when the directory cannot be written. */
RESULT bench_bare_run(const char *directory, struct bench_bare *out);

/* CPU time of a signature when all CPUs are at it. */
struct bench_bare_cpu {
    double hash_ns; /* hashing a root to the curve */
    double sign_ns; /* signing the point and compressing the signature */
};

/* Takes half a second: short, so that it can be measured right beside what is compared with it. */
RESULT bench_bare_cpu_run(struct bench_bare_cpu *out);

#endif
