/* launcher.h: a Nitro Enclave out of an image, by the driver's calls (linux/nitro_enclaves.h):
 * slot, memory with the image in it, CPUs, start. The enclave lives as long as its descriptor is
 * open. */
#ifndef ENCLAVE_LAUNCHER_H
#define ENCLAVE_LAUNCHER_H

#include "base/detail.h"
#include "base/result.h"
#include "enclave/ne_system.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LAUNCHER_CPUS_MAX = 128,
    LAUNCHER_CID_MIN = 4, /* below are the hypervisor, this machine and the parent */
    LAUNCHER_IMAGE_FACTOR =
        4, /* an image is unpacked in memory: that takes this many times its size */
};

#define LAUNCHER_PAGE_SMALL ((uint64_t)2 << 20)
#define LAUNCHER_PAGE_LARGE ((uint64_t)1 << 30)
#define LAUNCHER_MEMORY_MIN ((uint64_t)64 << 20)

struct launch_order {
    int image; /* a descriptor of a regular file, which is read from its beginning */
    uint64_t image_size;
    uint64_t memory;      /* bytes; rounded up to huge pages */
    const uint32_t *cpus; /* ids, or NULL: the driver chooses */
    size_t cpu_count;
    uint64_t cid;  /* 0: the hypervisor chooses */
    int numa_node; /* negative: any */
    bool debug;    /* its console can be read, and its measurements are all zero */
};

struct launcher_piece {
    void *memory;
    size_t size;
};

/* An enclave that was started. Zero, but for `fd`, before. */
struct launched {
    int fd; /* the enclave's; poll() gives POLLHUP when it died. -1: none */
    struct launcher_piece pieces[2];
    size_t piece_count;
    uint64_t memory;
    uint64_t cid;
    uint32_t cpus[LAUNCHER_CPUS_MAX];
    size_t cpu_count;
};

#define LAUNCHED_NONE ((struct launched){ .fd = -1 })

/* Whether an enclave of `memory` bytes has room for the image. BAD_INPUT with both in `detail`. */
RESULT launcher_check_memory(uint64_t memory, uint64_t image_size, struct detail *detail);

/* Starts the enclave and gives it in `*out`, which launcher_stop() ends. On failure nothing is
 * left: no descriptor, no memory, no enclave. BAD_INPUT: the order, or the image's file, is wrong.
 * LIMIT: a pool has too little, with the remedy. UNAVAILABLE: the driver is not there, or failed.
 */
RESULT launcher_start(const struct ne_system *system, const struct launch_order *order,
                      struct launched *out, struct detail *detail);

/* Ends the enclave, when there is one, and gives its memory back; waits until both are done. */
void launcher_stop(const struct ne_system *system, struct launched *launched);

#endif
