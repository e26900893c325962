#include "enclave/accelerator.h"

#include "harness.h"

#include <unistd.h>

TEST(there_is_no_kvm_without_its_device)
{
    if (access("/dev/kvm", R_OK | W_OK) == 0) {
        SKIP("this machine has the device, whether it works or not");
    }
    CHECK(!accelerator_has_kvm());
}

/* Between 100 MHz and 10 GHz, and the same a moment later: a unit that is wrong by a thousand, or
 * ticks that are counted against another time, would not pass. */
TEST(the_counters_frequency_is_a_cpus)
{
    uint64_t first = accelerator_tsc_khz();
    if (first == 0) {
        SKIP("this machine has no time stamp counter");
    }
    uint64_t second = accelerator_tsc_khz();
    CHECK(first > 100 * 1000 && first < 10 * 1000 * 1000);
    CHECK(second > first / 2 && second < first * 2);
}

HARNESS_TESTS(T(there_is_no_kvm_without_its_device), T(the_counters_frequency_is_a_cpus))
