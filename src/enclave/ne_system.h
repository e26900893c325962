/* ne_system.h: the calls to the system that launching an enclave needs, as a table, so that tests
 * can stand in for a driver that their machine does not have. */
#ifndef ENCLAVE_NE_SYSTEM_H
#define ENCLAVE_NE_SYSTEM_H

#include <stddef.h>
#include <stdint.h>

/* Where each says so, a failure is -1 (or NULL) with errno set. */
struct ne_system {
    /* A descriptor of /dev/nitro_enclaves. */
    int (*open_device)(void *context);
    /* ioctl(2) with a request of linux/nitro_enclaves.h: 0 or, for NE_CREATE_VM, a descriptor; -1.
     */
    int (*call)(void *context, int fd, unsigned long request, void *argument);
    void (*close)(void *context, int fd);
    /* `size` bytes of huge pages of `page_size` (2 MiB or 1 GiB), on NUMA node `node` unless that
     * is negative; zeroed, and there: writing to them cannot fail later. NULL: the pool has too
     * little. */
    void *(*map)(void *context, size_t size, size_t page_size, int node);
    void (*unmap)(void *context, void *memory, size_t size);
    /* A listening socket for the enclaves' connections to a vsock port of this machine; -1. */
    int (*listen)(void *context, uint32_t port);
    /* The next connection, and the CID that it comes from; -1. */
    int (*accept)(void *context, int listener, uint64_t *cid_out);
    void *context;
};

/* The real ones. */
extern const struct ne_system ne_system_real;

/* The NUMA node of the CPUs in the driver's pool, or -1 when this machine has one node only, or
 * does not tell. */
int ne_system_pool_node(void);

#endif
