/* loader.h: the filesystem key sources: Web3Signer's YAML descriptors (descriptor.h), and
 * directories of EIP-2335 keystores. Loading is parallel, bounded by CPUs and by memory, and shows
 * progress in the log.
 *
 * Loading again adds what is new, removes what is gone and does not read what is unchanged. A key
 * goes when the file that holds it is gone: the descriptor, its document in it, or the keystore; or
 * when that file now holds another key. A file that is there and cannot be used (half written,
 * wrong password, not readable) is reported, and the key that it gave before stays: a reload never
 * stops a validator by accident. To withdraw a key, delete its file. */
#ifndef KEYSTORE_LOADER_H
#define KEYSTORE_LOADER_H

#include "base/cleanup.h"
#include "base/detail.h"
#include "base/result.h"
#include "keystore/kdf_gate.h"
#include "keystore/key_table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LOADER_FILES_MAX = 1 << 20, /* in all directories together */
    LOADER_ERRORS_KEPT = 100,   /* texts that a report keeps; all are logged and counted */
};

struct loader_settings {
    const char *const *paths; /* directories of *.yaml / *.yml descriptors, without their folders */
    size_t path_count;
    const char *keystores_path;  /* bulk directory of *.json keystores, or NULL */
    const char *passwords_path;  /* directory of <keystore name without .json>.txt, … */
    const char *password_file;   /* … or one password for all; exactly one of the two */
    size_t keystore_concurrency; /* at most so many key derivations at once (and never more than
                                    CPUs) */
    size_t raw_concurrency;
    struct kdf_gate *gate; /* bounds the memory of all derivations, those of others included */
    unsigned progress_ms;  /* a line in the log so often while a load runs; 0: every five seconds */
};

/* What the last load did. */
struct loader_report {
    size_t loaded;  /* keys of this source that are in the table now */
    size_t added;   /* of these, new by this load */
    size_t removed; /* keys that were taken out */
    size_t errors;  /* documents and files that gave no key; a key's second file is one of them */
    /* The first of these, in the order of files: "<file>[, document N][, key 0x…]: <reason>". Owned
     * by the report. */
    char *error_texts[LOADER_ERRORS_KEPT];
    uint64_t duration_ns;
};
void loader_report_done(struct loader_report *report); /* accepts one that is all zero */

struct loader;

/* `settings` and `table` must outlive the loader; nobody else may add keys of
 * KEY_ORIGIN_FILESYSTEM. BAD_INPUT: a bulk directory with no source of passwords, or with two. */
RESULT loader_new(const struct loader_settings *settings, struct key_table *table,
                  struct loader **out);
void loader_free(struct loader *loader); /* accepts NULL; no load may run */
DEFINE_CLEANUP(struct loader, loader_free);

/* Loads, or loads again. One call at a time. Bad files are counted, logged with name and reason,
 * and do not stop the others. UNAVAILABLE: a directory, or the one password file, cannot be read
 * (`detail` names it), no memory, or cancelled. LIMIT: too many files. After a failure nothing was
 * removed, and `out` is as it was. */
RESULT loader_run(struct loader *loader, struct loader_report *out, struct detail *detail);

/* Closes the gate, and lets a running loader_run(), and all later ones, end early: no further key
 * is begun. A derivation that runs is waited for. From any thread; used at shutdown. */
void loader_cancel(struct loader *loader);

/* Keys and files handled by the running or the last load, and those known so far: done <= total.
 * From any thread. */
void loader_progress(const struct loader *loader, size_t *done_out, size_t *total_out);

#endif
