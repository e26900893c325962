#include "enclave/ne_error.h"

#include "harness.h"

#include <errno.h>
#include <linux/nitro_enclaves.h>

TEST(every_number_of_the_driver_has_a_sentence_of_its_own)
{
    const char *other = ne_error(100000).what;
    for (int error = NE_ERR_VCPU_ALREADY_USED; error <= NE_ERR_INVALID_ENCLAVE_CID; error++) {
        struct result result = ne_error(error);
        CHECK(result.status != STATUS_OK);
        CHECK(strcmp(result.what, other) != 0);
        for (int another = NE_ERR_VCPU_ALREADY_USED; another < error; another++) {
            CHECK(strcmp(ne_error(another).what, result.what) != 0);
        }
    }
}

TEST(what_an_operator_can_mend_has_the_remedy)
{
    CHECK(strstr(ne_error(NE_ERR_NO_CPUS_AVAIL_IN_POOL).what, "ne_cpus") != NULL);
    CHECK(strstr(ne_error(NE_ERR_FULL_CORES_NOT_USED).what, "--cpus") != NULL);
    CHECK(strstr(ne_error(NE_ERR_ENCLAVE_MEM_MIN_SIZE).what, "--memory") != NULL);
    CHECK(strstr(ne_error(NE_ERR_MEM_DIFFERENT_NUMA_NODE).what, "--numa-node") != NULL);
    CHECK(strstr(ne_error(NE_ERR_INVALID_ENCLAVE_CID).what, "--cid") != NULL);
    CHECK(strstr(ne_error(ENOENT).what, "--emulate") != NULL);
    CHECK(strstr(ne_error(EACCES).what, "root") != NULL);
}

TEST(no_number_is_a_success)
{
    for (int error = -1; error < 400; error++) {
        CHECK(!is_ok(ne_error(error)));
    }
}

HARNESS_TESTS(T(every_number_of_the_driver_has_a_sentence_of_its_own),
              T(what_an_operator_can_mend_has_the_remedy), T(no_number_is_a_success))
