#define _GNU_SOURCE
#include "enclave/ne_system.h"

#include "base/cleanup.h"
#include "base/decimal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/mempolicy.h>
#include <linux/mman.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <linux/vm_sockets.h>

enum { NODES_MAX = 1024, PATH_SIZE = 96 };

static int open_device(void *context)
{
    (void)context;
    return open("/dev/nitro_enclaves", O_RDWR | O_CLOEXEC);
}

static int call(void *context, int fd, unsigned long request, void *argument)
{
    (void)context;
    return ioctl(fd, request, argument);
}

static void close_fd(void *context, int fd)
{
    (void)context;
    close(fd);
}

static bool bind_to_node(void *memory, size_t size, int node)
{
    enum { WORD_BITS = 8 * sizeof(unsigned long) };
    unsigned long nodes[NODES_MAX / WORD_BITS] = { 0 };
    if (node < 0) {
        return true;
    }
    if (node >= NODES_MAX) {
        errno = EINVAL;
        return false;
    }
    nodes[node / WORD_BITS] = 1UL << (node % WORD_BITS);
    /* The kernel takes one bit fewer than it is told. */
    return syscall(SYS_mbind, memory, size, MPOL_BIND, nodes, NODES_MAX + 1UL, 0UL) == 0;
}

/* Has the pages now: a page that its node lacks would otherwise end the process when it is written.
 * Kernels before 5.14 do not know how; there, the reservation of the whole pool must do. */
static bool populate(void *memory, size_t size)
{
    return madvise(memory, size, MADV_POPULATE_WRITE) == 0 || errno == EINVAL;
}

static void unmap(void *context, void *memory, size_t size)
{
    (void)context;
    int reason = errno;
    munmap(memory, size);
    errno = reason;
}

static void *map(void *context, size_t size, size_t page_size, int node)
{
    int page = page_size == (size_t)1 << 30 ? MAP_HUGE_1GB : MAP_HUGE_2MB;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | page, -1, 0);
    if (memory == MAP_FAILED) {
        return NULL;
    }
    /* Once the enclave runs, these pages are its own: nothing may read them, a core dump neither.
     */
    (void)madvise(memory, size, MADV_DONTDUMP);
    (void)madvise(memory, size, MADV_DONTFORK);
    if (!bind_to_node(memory, size, node) || !populate(memory, size)) {
        unmap(context, memory, size);
        return NULL;
    }
    return memory;
}

static int listen_on(void *context, uint32_t port)
{
    (void)context;
    const struct sockaddr_vm address = {
        .svm_family = AF_VSOCK,
        .svm_port = port,
        .svm_cid = VMADDR_CID_ANY,
    };
    CLEANUP(fd_close_ptr) int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(fd, SOMAXCONN) != 0) {
        return -1;
    }
    return fd_steal(&fd);
}

static int accept_from(void *context, int listener, uint64_t *cid_out)
{
    (void)context;
    struct sockaddr_vm peer = { .svm_family = AF_UNSPEC };
    socklen_t size = sizeof(peer);
    int fd = accept4(listener, (struct sockaddr *)&peer, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    *cid_out = fd >= 0 && peer.svm_family == AF_VSOCK ? peer.svm_cid : (uint64_t)UINT32_MAX;
    return fd;
}

const struct ne_system ne_system_real = {
    .open_device = open_device,
    .call = call,
    .close = close_fd,
    .map = map,
    .unmap = unmap,
    .listen = listen_on,
    .accept = accept_from,
};

/* The first CPU of a list such as "2-3,6". */
static bool first_pool_cpu(uint64_t *out)
{
    char text[PATH_SIZE];
    const char *end = NULL;
    CLEANUP(file_close_ptr)
    FILE *file = fopen("/sys/module/nitro_enclaves/parameters/ne_cpus", "re");
    return file != NULL && fgets(text, sizeof(text), file) != NULL &&
           is_ok(decimal_scan(text, out, &end));
}

int ne_system_pool_node(void)
{
    char path[PATH_SIZE];
    uint64_t cpu = 0;
    if (access("/sys/devices/system/node/node1", F_OK) != 0 || !first_pool_cpu(&cpu)) {
        return -1;
    }
    for (int node = 0; node < NODES_MAX; node++) {
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%" PRIu64 "/node%d", cpu, node);
        if (access(path, F_OK) == 0) {
            return node;
        }
    }
    return -1;
}
