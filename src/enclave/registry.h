/* registry.h: the runtime directory: a file <name>.json for each enclave that `enclave run` holds.
 * A file whose launcher is gone is stale, and so is what else it left. */
#ifndef ENCLAVE_REGISTRY_H
#define ENCLAVE_REGISTRY_H

#include "base/detail.h"
#include "base/result.h"
#include "enclave/record.h"

#include <stdbool.h>

enum { REGISTRY_RECORDS_MAX = 1024 };

struct registry {
    char folder[PATH_MAX - RECORD_NAME_MAX - 32]; /* room for what is in it */
};

/* Uses `folder`, which `create` makes with mode 0700 when it is not there. NOT_FOUND: it is not.
 * REFUSED: somebody else could write to it, and so have a process of his choice be sent signals. */
RESULT registry_open(const char *folder, bool create, struct registry *out, struct detail *detail);

/* Writes the record as that of this process, when no living launcher has its name: REFUSED. Removes
 * what a dead one left. */
RESULT registry_claim(const struct registry *registry, struct enclave_record *record,
                      struct detail *detail);

/* Writes a claimed record again, after a change. */
RESULT registry_save(const struct registry *registry, const struct enclave_record *record,
                     struct detail *detail);

/* Removes a record, and the sockets that are made for its name. The console's file stays. */
void registry_remove(const struct registry *registry, const char *name);

/* The same of a launcher that is dead. REFUSED: it lives; the name may have been claimed again
 * since it was found dead. NOT_FOUND: there is no such record any more. */
RESULT registry_remove_dead(const struct registry *registry, const char *name,
                            struct detail *detail);

/* Removes the sockets that are made for a name, but not those that others listen at. */
void registry_remove_sockets(const struct registry *registry, const char *name);

/* Removes the file that an emulated enclave's console goes to by default. */
void registry_forget_console(const struct registry *registry, const char *name);

/* The record of that name, and whether its launcher lives. NOT_FOUND: there is none. BAD_INPUT: its
 * file is not one of ours. */
RESULT registry_find(const struct registry *registry, const char *name, struct enclave_record *out,
                     bool *alive_out, struct detail *detail);

/* The names of all records, sorted; `*out` is an array of `*count_out` that the caller frees.
 * LIMIT: more than REGISTRY_RECORDS_MAX. */
RESULT registry_names(const struct registry *registry, char (**out)[RECORD_NAME_MAX + 1],
                      size_t *count_out, struct detail *detail);

/* A descriptor of the launcher's process (pidfd) for poll() and pidfd_send_signal(); -1: it is
 * gone, whatever its number is now. */
int registry_open_launcher(const struct enclave_record *record);

/* "<folder>/<name><suffix>". False: it does not fit. */
bool registry_path(const struct registry *registry, const char *name, const char *suffix, char *out,
                   size_t size);

#define REGISTRY_DEFAULT_FOLDER "/run/containment-chamber"
#define REGISTRY_VSOCK          ".vsock" /* of an emulated enclave; _<port> for its connections out */
#define REGISTRY_HEARTBEAT      REGISTRY_VSOCK "_9000"
#define REGISTRY_DEVICE         ".device"  /* between QEMU and its vsock device */
#define REGISTRY_CONSOLE        ".console" /* where an emulated enclave's console goes by default */

#endif
