/* reloader.h: loads the filesystem keys in the background, at the start and again on request.
 * All calls are thread-safe. */
#ifndef KEYSTORE_RELOADER_H
#define KEYSTORE_RELOADER_H

#include "keystore/loader.h"

#include <stdbool.h>
#include <stdint.h>

enum { RELOAD_ERROR_SIZE = 2048 }; /* longer lines, of very long paths, are cut; the log has all */

enum reload_state {
    RELOAD_IDLE, /* nothing was loaded yet */
    RELOAD_RUNNING,
    RELOAD_COMPLETED,
    RELOAD_COMPLETED_WITH_ERRORS, /* some files were bad; all others are loaded */
    RELOAD_FAILED,                /* a directory could not be read; nothing changed */
};

/* "idle", "running", … as GET /reload says them. */
const char *reload_state_name(enum reload_state state);

struct reload_status {
    enum reload_state state;
    uint64_t finished_seconds; /* since 1970; 0: never */
    bool ever_completed;       /* some load went through since the start */
    size_t done, total;        /* of the load that is running */
    size_t loaded, errors;     /* of the last one */
    char last_error[RELOAD_ERROR_SIZE];
    uint64_t duration_ns;
    uint64_t failures_total; /* bad files in all loads */
};

struct reloader;

/* `loader` must outlive the reloader, which alone calls it from now on. */
RESULT reloader_new(struct loader *loader, struct reloader **out);

/* Cancels a running load, waits for it and frees. Accepts NULL. */
void reloader_free(struct reloader *reloader);
DEFINE_CLEANUP(struct reloader, reloader_free);

/* Starts a load in the background. False: one is running already, nothing was started. */
bool reloader_start(struct reloader *reloader);

/* The same for callers that get no answer: while a load runs, another is started after it, which
 * sees what was changed meanwhile. False: it comes after the one that is running. */
bool reloader_start_next(struct reloader *reloader);

struct reload_status reloader_status(struct reloader *reloader);

/* Waits until no load runs. */
void reloader_wait(struct reloader *reloader);

#endif
