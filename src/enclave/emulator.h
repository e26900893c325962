/* emulator.h: an enclave that QEMU and a vsock device emulate, for development: it has the same
 * kernel, devices and measurements, and protects nothing from whoever runs it. */
#ifndef ENCLAVE_EMULATOR_H
#define ENCLAVE_EMULATOR_H

#include "base/buf.h"
#include "enclave/machine.h"
#include "enclave/registry.h"
#include "enclave/spawn.h"

#include <limits.h>

enum { EMULATOR_FIRMWARE_MAX = 8, EMULATOR_CPUS_MAX = 64, EMULATOR_CID = 4 };

/* Where the programs are. */
struct emulator_tools {
    char qemu[PATH_MAX];         /* qemu-system-x86_64 with the machine nitro-enclave */
    char vsock_device[PATH_MAX]; /* vhost-device-vsock */
    char firmware[EMULATOR_FIRMWARE_MAX][PATH_MAX]; /* folders of QEMU's firmware */
    size_t firmware_count;
};

struct emulator_order {
    const struct emulator_tools *tools;
    const struct registry *registry;
    uint64_t memory;
    size_t cpus;
    uint64_t cid;
    const char *parent_role; /* an IAM role's ARN: it is what PCR3 measures; NULL: none */
    const char *parent_id;   /* an instance's id, for PCR4; NULL: none */
    bool kvm; /* on this machine's CPU; else on an emulated one, which is slower and works anywhere
               */
    bool heartbeat;
};

struct emulator {
    const struct emulator_order *order;
    char name[RECORD_NAME_MAX + 1];
    int listener;
    int console;
    struct child vsock_device;
    struct child qemu;
};

#define EMULATOR(the_order)                           \
    ((struct emulator){ .order = (the_order),         \
                        .listener = -1,               \
                        .console = -1,                \
                        .vsock_device = { .fd = -1 }, \
                        .qemu = { .fd = -1 } })

/* Reads what tools/build_emulator.py prints: {"qemu": PATH, "vhost_device_vsock": PATH, "firmware":
 * [PATH, …]}, the last optional, and what is not ours is left alone. BAD_INPUT with the member. */
RESULT emulator_read_tools(const char *text, size_t size, struct emulator_tools *out,
                           struct detail *detail);

/* Whether the order can be told to QEMU, whose options have commas between them. BAD_INPUT. */
RESULT emulator_check(const struct emulator_order *order, struct detail *detail);

/* The machine of `context`, which must outlive it. The record's `console` says where the console
 * goes: a file, or "" for standard output. */
struct enclave_machine emulator_machine(struct emulator *context);

#endif
