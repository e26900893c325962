#include "enclave/ne_system.h"

#include "base/usage.h"
#include "harness.h"

#include <errno.h>
#include <linux/nitro_enclaves.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SMALL = 2 << 20 };

static const struct ne_system *const ours = &ne_system_real;

TEST(the_requests_are_the_drivers)
{
    CHECK(NE_CREATE_VM == 0x8008ae20 && NE_ADD_VCPU == 0xc004ae21);
    CHECK(NE_GET_IMAGE_LOAD_INFO == 0xc010ae22 && NE_SET_USER_MEMORY_REGION == 0x4018ae23);
    CHECK(NE_START_ENCLAVE == 0xc010ae24);
}

TEST(what_is_not_the_device_is_refused)
{
    uint64_t slot = 0;
    CHECK(ours->call(NULL, STDOUT_FILENO, NE_CREATE_VM, &slot) == -1);
    CHECK(ours->call(NULL, -1, NE_CREATE_VM, &slot) == -1 && errno == EBADF);
}

TEST(a_machine_without_the_device_says_so)
{
    if (access("/dev/nitro_enclaves", F_OK) == 0) {
        SKIP("this machine has the device");
    }
    CHECK(ours->open_device(NULL) == -1 && errno == ENOENT);
}

TEST(more_huge_pages_than_there_are_give_nothing_and_leave_nothing)
{
    uint64_t resident = usage_resident_bytes();
    CHECK(ours->map(NULL, (size_t)1 << 45, SMALL, -1) == NULL);
    CHECK(ours->map(NULL, (size_t)1 << 45, (size_t)1 << 30, -1) == NULL);
    CHECK(usage_resident_bytes() < resident + SMALL);
}

TEST(huge_pages_are_aligned_zero_and_writable)
{
    char *memory = ours->map(NULL, 2 * SMALL, SMALL, -1);
    if (memory == NULL) {
        SKIP("this machine has no free huge pages of 2 MiB");
    }
    CHECK((uintptr_t)memory % SMALL == 0 && memory[0] == 0 && memory[2 * SMALL - 1] == 0);
    memory[2 * SMALL - 1] = 1;
    ours->unmap(NULL, memory, 2 * SMALL);
}

TEST(memory_of_the_first_node_is_given)
{
    char *memory = ours->map(NULL, SMALL, SMALL, 0);
    if (memory == NULL) {
        SKIP("this machine has no free huge pages of 2 MiB");
    }
    memory[SMALL - 1] = 1;
    ours->unmap(NULL, memory, SMALL);
}

TEST(a_node_that_is_not_there_gives_no_memory_and_no_signal)
{
    CHECK(ours->map(NULL, SMALL, SMALL, 1023) == NULL);
    CHECK(ours->map(NULL, SMALL, SMALL, 100000) == NULL);
}

TEST(a_vsock_port_has_one_listener)
{
    CLEANUP(fd_close_ptr) int first = ours->listen(NULL, 900012);
    if (first < 0) {
        SKIP("this machine has no vsock");
    }
    CHECK(ours->listen(NULL, 900012) == -1 && errno == EADDRINUSE);
    uint64_t cid = 0;
    CHECK(ours->accept(NULL, first, &cid) == -1 && errno == EAGAIN);
}

TEST(a_connection_that_is_not_of_vsock_has_no_enclaves_cid)
{
    int ends[2];
    uint64_t cid = 16;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    CHECK(ours->accept(NULL, ends[0], &cid) == -1);
    CHECK(cid == UINT32_MAX);
    ours->close(NULL, ends[0]);
    ours->close(NULL, ends[1]);
}

TEST(the_pools_node_is_told_only_where_there_are_several)
{
    if (access("/sys/devices/system/node/node1", F_OK) == 0) {
        SKIP("this machine has several nodes");
    }
    CHECK(ne_system_pool_node() == -1);
}

HARNESS_TESTS(T(the_requests_are_the_drivers), T(what_is_not_the_device_is_refused),
              T(a_machine_without_the_device_says_so),
              T(more_huge_pages_than_there_are_give_nothing_and_leave_nothing),
              T(huge_pages_are_aligned_zero_and_writable), T(memory_of_the_first_node_is_given),
              T(a_node_that_is_not_there_gives_no_memory_and_no_signal),
              T(a_vsock_port_has_one_listener),
              T(a_connection_that_is_not_of_vsock_has_no_enclaves_cid),
              T(the_pools_node_is_told_only_where_there_are_several))
