#include "keystore/reloader.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"

#include <stdio.h>

struct reloader {
    struct loader *loader;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t changed;
    bool wanted;
    bool stopping;
    struct reload_status status;
};

const char *reload_state_name(enum reload_state state)
{
    static const char *const names[] = {
        [RELOAD_IDLE] = "idle",           [RELOAD_RUNNING] = "running",
        [RELOAD_COMPLETED] = "completed", [RELOAD_COMPLETED_WITH_ERRORS] = "completed_with_errors",
        [RELOAD_FAILED] = "failed",
    };
    return names[state];
}

static void keep_report(struct reload_status *status, const struct loader_report *report)
{
    status->state = report->errors > 0 ? RELOAD_COMPLETED_WITH_ERRORS : RELOAD_COMPLETED;
    status->ever_completed = true;
    status->loaded = report->loaded;
    status->errors = report->errors;
    status->failures_total += report->errors;
    status->duration_ns = report->duration_ns;
    status->last_error[0] = '\0';
    if (report->errors > 0 && report->error_texts[0] != NULL) {
        snprintf(status->last_error, sizeof(status->last_error), "%s", report->error_texts[0]);
    }
}

static void load(struct reloader *reloader)
{
    struct loader_report report = { 0 };
    struct detail detail = { "" };
    struct result loaded = loader_run(reloader->loader, &report, &detail);
    {
        LOCK_SCOPE(&reloader->mutex);
        struct reload_status *status = &reloader->status;
        status->finished_seconds = clock_wall_seconds();
        if (is_ok(loaded)) {
            keep_report(status, &report);
        } else {
            status->state = RELOAD_FAILED;
            detail_line(&detail, loaded, status->last_error, sizeof(status->last_error));
            log_error("keys could not be loaded", LOG_TEXT("reason", status->last_error));
        }
        pthread_cond_broadcast(&reloader->changed);
    }
    loader_report_done(&report);
}

static bool wait_for_request(struct reloader *reloader)
{
    LOCK_SCOPE(&reloader->mutex);
    while (!reloader->wanted && !reloader->stopping) {
        pthread_cond_wait(&reloader->changed, &reloader->mutex);
    }
    reloader->wanted = false;
    reloader->status.state = RELOAD_RUNNING;
    return !reloader->stopping;
}

static void *run(void *context)
{
    struct reloader *reloader = context;
    while (wait_for_request(reloader)) {
        load(reloader);
    }
    return NULL;
}

RESULT reloader_new(struct loader *loader, struct reloader **out)
{
    CLEANUP(free_ptr) struct reloader *reloader = calloc(1, sizeof(*reloader));
    ENSURE(reloader != NULL, UNAVAILABLE, "out of memory");
    reloader->loader = loader;
    pthread_mutex_init(&reloader->mutex, NULL);
    pthread_cond_init(&reloader->changed, NULL);
    TRY(thread_start(&reloader->thread, "reloader", run, reloader));
    *out = STEAL(reloader);
    return OK;
}

static void begin_stop(struct reloader *reloader)
{
    LOCK_SCOPE(&reloader->mutex);
    reloader->stopping = true;
    pthread_cond_broadcast(&reloader->changed);
}

void reloader_free(struct reloader *reloader)
{
    if (reloader == NULL) {
        return;
    }
    begin_stop(reloader);
    loader_cancel(reloader->loader);
    pthread_join(reloader->thread, NULL);
    pthread_cond_destroy(&reloader->changed);
    pthread_mutex_destroy(&reloader->mutex);
    free(reloader);
}

bool reloader_start(struct reloader *reloader)
{
    LOCK_SCOPE(&reloader->mutex);
    if (reloader->status.state == RELOAD_RUNNING) {
        return false;
    }
    reloader->status.state = RELOAD_RUNNING;
    reloader->wanted = true;
    pthread_cond_broadcast(&reloader->changed);
    return true;
}

bool reloader_start_next(struct reloader *reloader)
{
    LOCK_SCOPE(&reloader->mutex);
    bool at_once = reloader->status.state != RELOAD_RUNNING;
    reloader->status.state = RELOAD_RUNNING;
    reloader->wanted = true;
    pthread_cond_broadcast(&reloader->changed);
    return at_once;
}

struct reload_status reloader_status(struct reloader *reloader)
{
    LOCK_SCOPE(&reloader->mutex);
    struct reload_status status = reloader->status;
    loader_progress(reloader->loader, &status.done, &status.total);
    return status;
}

void reloader_wait(struct reloader *reloader)
{
    LOCK_SCOPE(&reloader->mutex);
    while (reloader->status.state == RELOAD_RUNNING) {
        pthread_cond_wait(&reloader->changed, &reloader->mutex);
    }
}
