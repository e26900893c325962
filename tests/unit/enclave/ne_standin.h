/* ne_standin.h: stands in for the Nitro Enclaves driver and the hypervisor, and refuses what they
 * refuse. The rules are those of Linux's drivers/virt/nitro_enclaves/ne_misc_dev.c:
 *  - NE_CREATE_VM only on the device, and only while the pool of CPUs has one: 272;
 *  - everything else only on the enclave's descriptor, and only before its start: 270;
 *  - NE_GET_IMAGE_LOAD_INFO: the flag is NE_EIF_IMAGE: 274; the offset is 8 MiB;
 *  - NE_SET_USER_MEMORY_REGION: no flag: 274; a multiple of 2 MiB, not 0: 259; at a multiple of 2
 * MiB: 261; not over a region that is there: 262; of huge pages: 263; of the pool's node: 264; at
 * most `regions_max`: 265;
 *  - NE_ADD_VCPU: below the number of CPUs: 271; 0 takes the sibling of one that the enclave has,
 * else the first of a core that is free: 258 when there is none; a given one: not twice: 256, of a
 * free core: 258;
 *  - NE_START_ENCLAVE: flags 0 or 1: 274; CID 0, or 4 to 2^32 - 2: 275; with a region: 266, of 64
 * MiB together: 268, with a CPU: 267, with all threads of each core: 269. Beyond the driver's,
 * rules of those who use it: the heartbeat's listener is there before the start, the image is asked
 * about before memory is given, and written before; nothing changes it afterwards; and the
 * enclave's memory stays mapped until its descriptor is closed. A rule that is broken so is said in
 * `broken`. */
#ifndef TESTS_NE_STANDIN_H
#define TESTS_NE_STANDIN_H

#include "enclave/ne_system.h"

#include <stdbool.h>

enum { STANDIN_CPUS = 16, STANDIN_PIECES_MAX = 8, STANDIN_SAMPLE = 4096, STANDIN_STEPS = 256 };

struct standin_piece {
    char *memory;
    size_t size;
    size_t page_size;
    int node;
    bool given;
};

struct standin {
    struct ne_system system;

    /* What the machine has. */
    uint64_t small_pages;    /* huge pages of 2 MiB that are free */
    uint64_t large_pages;    /* … of 1 GiB */
    int node;                /* the pool's NUMA node */
    bool pool[STANDIN_CPUS]; /* CPUs for enclaves; two of them are a core */
    size_t regions_max;
    bool listens_already; /* somebody has port 9000 */
    uint64_t peer_cid;    /* whom accept() names; 0: the enclave */

    /* The n-th call of the request (1: the first) fails with that; 0: none. */
    unsigned long fail_request;
    int fail_at;
    int fail_error;
    bool fail_open;

    /* What happened. */
    char steps[STANDIN_STEPS]; /* a letter for each: o(pen) c(reate) l(oad info) m(emory) v(cpu)
                                  s(tart), L(isten), and x (closed device), X (closed enclave),
                                  u(nmapped), K (closed listener) */
    const char *broken;        /* a rule; NULL: none */
    struct standin_piece pieces[STANDIN_PIECES_MAX];
    size_t piece_count;
    size_t regions;
    uint64_t given_memory;
    bool cpus[STANDIN_CPUS];
    size_t cpu_count;
    bool asked;
    bool running;
    uint64_t flags;
    uint64_t cid;
    char sample[STANDIN_SAMPLE]; /* of the image, when its memory was given */
    int device;
    int enclave;
    int death; /* the other end of `enclave`: closing it is the enclave's death */
    int listener;
    char address[64]; /* of the listener, in the abstract namespace */
};

/* A machine with 1 GiB of small pages, CPUs 2 to 5 and 10 to 11 in its pool, on node 0. */
void standin_init(struct standin *standin);
/* Closes what the stand-in itself still has open. */
void standin_done(struct standin *standin);

/* Whether nothing is left of an enclave, and no rule was broken. */
bool standin_is_clean(const struct standin *standin);

void standin_die(struct standin *standin); /* the enclave */

/* The byte of the enclave's memory at `offset`. */
char standin_byte(const struct standin *standin, uint64_t offset);

/* Connects to the listener as the enclave does; -1. */
int standin_connect(const struct standin *standin);

#endif
