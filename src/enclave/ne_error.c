#include "enclave/ne_error.h"

#include <errno.h>
#include <linux/nitro_enclaves.h>
#include <stddef.h>

static const struct {
    int error;
    enum status status;
    const char *what;
} sentences[] = {
    { NE_ERR_VCPU_ALREADY_USED, STATUS_BAD_INPUT,
      "this CPU is already in an enclave; name each CPU once, and none of another enclave's" },
    { NE_ERR_VCPU_NOT_IN_CPU_POOL, STATUS_BAD_INPUT,
      "this CPU is not in the enclaves' pool; "
      "/sys/module/nitro_enclaves/parameters/ne_cpus lists those that are" },
    { NE_ERR_VCPU_INVALID_CPU_CORE, STATUS_LIMIT,
      "the enclaves' pool has no such CPU, or none left; give it more CPUs in "
      "/sys/module/nitro_enclaves/parameters/ne_cpus, or ask for fewer with --cpus" },
    { NE_ERR_INVALID_MEM_REGION_SIZE, STATUS_BAD_INPUT,
      "the memory is not a multiple of 2 MiB; ask for one that is with --memory" },
    { NE_ERR_INVALID_MEM_REGION_ADDR, STATUS_UNAVAILABLE,
      "the driver does not accept the memory's address; report this as an error of this program" },
    { NE_ERR_UNALIGNED_MEM_REGION_ADDR, STATUS_UNAVAILABLE,
      "the memory is not aligned to 2 MiB; report this as an error of this program" },
    { NE_ERR_MEM_REGION_ALREADY_USED, STATUS_UNAVAILABLE,
      "the memory was given to the enclave twice; report this as an error of this program" },
    { NE_ERR_MEM_NOT_HUGE_PAGE, STATUS_UNAVAILABLE,
      "the memory is not made of huge pages; reserve huge pages for enclaves "
      "(vm.nr_hugepages, or the allocator's service)" },
    { NE_ERR_MEM_DIFFERENT_NUMA_NODE, STATUS_LIMIT,
      "the memory is on another NUMA node than the enclaves' CPUs; reserve huge pages on the CPUs' "
      "node, and name it with --numa-node" },
    { NE_ERR_MEM_MAX_REGIONS, STATUS_LIMIT,
      "the memory is in too many pieces; reserve huge pages right after the instance's start, or "
      "pages of 1 GiB" },
    { NE_ERR_NO_MEM_REGIONS_ADDED, STATUS_UNAVAILABLE,
      "the enclave has no memory; report this as an error of this program" },
    { NE_ERR_NO_VCPUS_ADDED, STATUS_UNAVAILABLE,
      "the enclave has no CPU; report this as an error of this program" },
    { NE_ERR_ENCLAVE_MEM_MIN_SIZE, STATUS_BAD_INPUT,
      "an enclave needs at least 64 MiB; ask for more with --memory" },
    { NE_ERR_FULL_CORES_NOT_USED, STATUS_BAD_INPUT,
      "an enclave takes whole cores: with two threads a core, give --cpus an even number, or "
      "--cpu-ids both threads of each core" },
    { NE_ERR_NOT_IN_INIT_STATE, STATUS_UNAVAILABLE,
      "the enclave runs already; report this as an error of this program" },
    { NE_ERR_INVALID_VCPU, STATUS_BAD_INPUT,
      "this machine has no CPU of that number; see /sys/module/nitro_enclaves/parameters/ne_cpus" },
    { NE_ERR_NO_CPUS_AVAIL_IN_POOL, STATUS_LIMIT,
      "the enclaves' pool has no CPU left; give it CPUs in "
      "/sys/module/nitro_enclaves/parameters/ne_cpus, or stop another enclave" },
    { NE_ERR_INVALID_PAGE_SIZE, STATUS_UNAVAILABLE,
      "the memory's pages are smaller than 2 MiB; reserve huge pages of 2 MiB or 1 GiB" },
    { NE_ERR_INVALID_FLAG_VALUE, STATUS_UNAVAILABLE,
      "the driver does not know a flag; it may be older than this program" },
    { NE_ERR_INVALID_ENCLAVE_CID, STATUS_BAD_INPUT,
      "the enclave cannot have this CID; 0 to 3 are taken, leave --cid away to get one" },
    { ENOENT, STATUS_UNAVAILABLE,
      "there is no Nitro Enclaves device: start the instance with enclaves enabled and load the "
      "module nitro_enclaves (--emulate needs neither)" },
    { ENODEV, STATUS_UNAVAILABLE,
      "there is no Nitro Enclaves device: start the instance with enclaves enabled and load the "
      "module nitro_enclaves (--emulate needs neither)" },
    { EACCES, STATUS_UNAVAILABLE,
      "not allowed to use the device: run as root, or as a member of the device's group" },
    { EPERM, STATUS_UNAVAILABLE,
      "not allowed to use the device: run as root, or as a member of the device's group" },
    { ENOMEM, STATUS_LIMIT,
      "the driver has no memory for the enclave; free some, or ask for less" },
    { EMFILE, STATUS_LIMIT, "too many files are open; raise the limit of open files" },
    { ENFILE, STATUS_LIMIT, "too many files are open on this machine" },
    { EINVAL, STATUS_UNAVAILABLE,
      "the driver does not accept the call; its memory may not be made of whole huge pages" },
    { EIO, STATUS_UNAVAILABLE, "the enclave belongs to another process, or the device failed" },
    { ENOTTY, STATUS_UNAVAILABLE, "this is not the Nitro Enclaves device" },
};

RESULT ne_error(int error)
{
    for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++) {
        if (sentences[i].error == error) {
            return (struct result){ sentences[i].status, sentences[i].what };
        }
    }
    return FAIL(UNAVAILABLE, "the Nitro Enclaves device failed; dmesg may say more");
}
