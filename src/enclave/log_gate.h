/* log_gate.h: how many log lines, and how much of them, may pass: a bucket of bytes that fills
 * again with time. What does not pass is counted. Pure; one thread. */
#ifndef ENCLAVE_LOG_GATE_H
#define ENCLAVE_LOG_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LOG_GATE_LINE_COST = 64, /* bytes that each line counts beside its own */
};

struct log_gate {
    uint64_t per_second; /* bytes */
    uint64_t burst;      /* bytes that may pass at once */
    uint64_t left;
    uint64_t filled_ns;
    uint64_t dropped; /* lines */
};

/* The bucket is full at first. Both numbers are below 2^32. */
void log_gate_init(struct log_gate *gate, uint64_t per_second, uint64_t burst, uint64_t now_ns);

/* True: a line of `size` bytes may pass. `now_ns` never goes back. */
bool log_gate_pass(struct log_gate *gate, size_t size, uint64_t now_ns);

#endif
