#include "enclave/log_gate.h"

#include "harness.h"

static const uint64_t second = 1000 * 1000 * 1000;

static unsigned passes(struct log_gate *gate, size_t size, uint64_t now_ns, unsigned tries)
{
    unsigned passed = 0;
    for (unsigned i = 0; i < tries; i++) {
        passed += log_gate_pass(gate, size, now_ns);
    }
    return passed;
}

TEST(a_burst_passes_and_what_is_over_it_is_counted)
{
    struct log_gate gate;
    log_gate_init(&gate, 1000, 10 * (36 + LOG_GATE_LINE_COST), 5);
    CHECK(passes(&gate, 36, 5, 15) == 10);
    CHECK(gate.dropped == 5);
}

TEST(time_fills_the_bucket_at_its_rate_in_steps_of_any_size)
{
    struct log_gate gate;
    log_gate_init(&gate, 1000, 1000, 0);
    CHECK(passes(&gate, 36, 0, 20) == 10);
    unsigned passed = 0;
    for (uint64_t now = 0; now < 5 * second; now += second / 3333) {
        passed += passes(&gate, 36, now, 1);
    }
    CHECK(passed == 49 || passed == 50);
}

TEST(the_bucket_never_holds_more_than_its_burst)
{
    struct log_gate gate;
    log_gate_init(&gate, 1000, 1000, 0);
    CHECK(passes(&gate, 36, 1000000 * second, 30) == 10);
    log_gate_init(&gate, UINT32_MAX, UINT32_MAX, 0);
    CHECK(log_gate_pass(&gate, 1, UINT64_MAX) && gate.left == UINT32_MAX - 1 - LOG_GATE_LINE_COST);
}

TEST(a_line_over_the_burst_never_passes_and_empty_lines_cost_too)
{
    struct log_gate gate;
    log_gate_init(&gate, 1000, 1000, 0);
    CHECK(passes(&gate, 1000, 0, 3) == 0 && gate.dropped == 3);
    CHECK(passes(&gate, 0, 0, 1000) == 1000 / LOG_GATE_LINE_COST);
}

HARNESS_TESTS(T(a_burst_passes_and_what_is_over_it_is_counted),
              T(time_fills_the_bucket_at_its_rate_in_steps_of_any_size),
              T(the_bucket_never_holds_more_than_its_burst),
              T(a_line_over_the_burst_never_passes_and_empty_lines_cost_too))
