/* loader.h: the filesystem key sources: Web3Signer's YAML descriptors, and directories of EIP-2335
 * keystores. Loading is parallel, bounded by CPUs and by memory, and shows progress. Loading again
 * adds what is new, removes what is gone and leaves alone what is unchanged. */
#ifndef KEYSTORE_LOADER_H
#define KEYSTORE_LOADER_H

#include "base/cleanup.h"
#include "base/detail.h"
#include "base/result.h"
#include "keystore/key_table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LOADER_DESCRIPTOR_MAX = 1024 * 1024, /* bytes of one YAML file */
    LOADER_DOCUMENTS_MAX = 10 * 1000,    /* documents in one YAML file */
    LOADER_ERRORS_KEPT = 100,            /* texts that a report keeps; all are logged and counted */
};

struct loader_settings {
    const char *const *paths; /* directories of *.yaml / *.yml descriptors */
    size_t path_count;
    const char *keystores_path;  /* bulk directory of *.json keystores, or NULL */
    const char *passwords_path;  /* directory of <keystore name>.txt, … */
    const char *password_file;   /* … or one password for all; exactly one of the two */
    size_t keystore_concurrency; /* at most so many key derivations at once (and never more than
                                    CPUs) */
    size_t raw_concurrency;
    size_t kdf_memory_max; /* bytes that all derivations together may take */
};

/* What the last load did. */
struct loader_report {
    size_t loaded;  /* keys of this source that are in the table now */
    size_t added;   /* of these, new by this load */
    size_t removed; /* keys that were taken out because their file is gone */
    size_t errors;
    char *error_texts[LOADER_ERRORS_KEPT]; /* "<file>: <reason>", owned by the report */
    uint64_t duration_ns;
};
void loader_report_done(struct loader_report *report);

struct loader;

/* `settings` and `table` must outlive the loader. */
RESULT loader_new(const struct loader_settings *settings, struct key_table *table,
                  struct loader **out);
void loader_free(struct loader *loader); /* accepts NULL; no load may run */
DEFINE_CLEANUP(struct loader, loader_free);

/* Loads, or loads again. One call at a time. Bad files are counted, logged with name and reason,
 * and do not stop the others. UNAVAILABLE: a directory cannot be read at all (`detail` names it);
 * nothing is removed then. */
RESULT loader_run(struct loader *loader, struct loader_report *out, struct detail *detail);

/* Lets a running loader_run() end early, from any thread; used at shutdown. */
void loader_cancel(struct loader *loader);

/* Progress of a running load, from any thread. */
void loader_progress(const struct loader *loader, size_t *done_out, size_t *total_out);

#endif
