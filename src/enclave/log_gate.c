#include "enclave/log_gate.h"

static const uint64_t ns_per_second = 1000 * 1000 * 1000;

void log_gate_init(struct log_gate *gate, uint64_t per_second, uint64_t burst, uint64_t now_ns)
{
    *gate = (struct log_gate){
        .per_second = per_second, .burst = burst, .left = burst, .filled_ns = now_ns
    };
}

static void fill(struct log_gate *gate, uint64_t now_ns)
{
    uint64_t passed_ns = now_ns - gate->filled_ns;
    if (passed_ns >= ns_per_second) { /* whole seconds first: the product below stays small */
        uint64_t seconds = passed_ns / ns_per_second;
        uint64_t room = gate->burst - gate->left;
        bool full = gate->per_second > 0 && seconds > room / gate->per_second;
        gate->left += full ? room : seconds * gate->per_second;
        gate->filled_ns += seconds * ns_per_second;
        passed_ns -= seconds * ns_per_second;
    }
    uint64_t more = passed_ns * gate->per_second / ns_per_second;
    if (more > 0) {
        uint64_t room = gate->burst - gate->left;
        gate->left += more < room ? more : room;
        gate->filled_ns += more * ns_per_second / gate->per_second; /* parts of bytes stay */
    }
}

bool log_gate_pass(struct log_gate *gate, size_t size, uint64_t now_ns)
{
    fill(gate, now_ns);
    uint64_t cost = (uint64_t)size + LOG_GATE_LINE_COST;
    if (cost > gate->left) {
        gate->dropped++;
        return false;
    }
    gate->left -= cost;
    return true;
}
