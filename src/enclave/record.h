/* record.h: what is known of a launched enclave, and its JSON, by which `enclave run` tells the
 * other commands of it. */
#ifndef ENCLAVE_RECORD_H
#define ENCLAVE_RECORD_H

#include "base/buf.h"
#include "base/detail.h"
#include "base/result.h"
#include "enclave/launcher.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    RECORD_NAME_MAX = 32,
    RECORD_SOCKET_MAX = 107, /* characters of a UNIX socket's name */
    RECORD_TEXT_MAX = 64 * 1024,
};

struct enclave_record {
    char name[RECORD_NAME_MAX + 1];
    pid_t launcher; /* the process that holds the enclave … */
    uint64_t
        launcher_start; /* … and when it began, in the kernel's ticks: numbers are used again */
    uint64_t started;   /* seconds since 1970 */
    uint64_t cid;       /* 0 until it is known */
    uint64_t memory;    /* bytes */
    uint32_t cpus[LAUNCHER_CPUS_MAX]; /* ids; of an emulated one there are none */
    size_t cpu_count;
    bool running; /* its heartbeat was heard */
    bool debug;
    bool emulated;
    char image[PATH_MAX];
    char console[PATH_MAX]; /* an emulated one's: the file; "" when it goes to standard output */
    char vsock[RECORD_SOCKET_MAX + 1]; /* an emulated one's: the UNIX socket of its vsock */
};

/* Whether `name` may name an enclave: 1 to 32 of a-z, 0-9 and '-', not '-' first. Such a name is a
 * safe part of a path. */
bool record_name_is_valid(const char *name);

/* Writes the record as one JSON object; `alive` adds nothing but is for readers of a list: the
 * member "state" is "starting", "running" or, when not alive, "dead". */
void record_write(const struct enclave_record *record, bool alive, struct buf *out);

/* Reads what record_write() wrote. BAD_INPUT for anything else. */
RESULT record_read(const char *text, size_t size, struct enclave_record *out,
                   struct detail *detail);

#endif
