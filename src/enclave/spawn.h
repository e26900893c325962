/* spawn.h: child processes that end when we do, whatever our end is; started without a shell. */
#ifndef ENCLAVE_SPAWN_H
#define ENCLAVE_SPAWN_H

#include "base/detail.h"
#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct child {
    pid_t pid; /* 0: none */
    int fd;    /* readable when it ended; -1: none */
};

#define CHILD_NONE ((struct child){ .pid = 0, .fd = -1 })

/* Finds a program: `name` with a '/' is its path, any other is looked for in PATH. NOT_FOUND with
 * the name in `detail`, or LIMIT for a path of more than `size` bytes. */
RESULT spawn_find(const char *name, char *out, size_t size, struct detail *detail);

/* Runs arguments[0], a path, with the arguments up to NULL: in a process group of its own, with no
 * files but standard error, `out` as standard output (-1: /dev/null) and /dev/null as input. It is
 * killed when the calling thread ends. UNAVAILABLE: it cannot be run, with the reason. */
RESULT spawn_child(const char *const *arguments, int out, struct child *child_out,
                   struct detail *detail);

/* Ends a child: asks it to, and kills it when it has not ended within `patience_ms`; then whatever
 * it started and left in its process group. It is reaped afterwards. Does nothing for none. */
void spawn_end(struct child *child, int patience_ms);

#endif
