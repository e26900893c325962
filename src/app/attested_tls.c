#include "app/attested_tls.h"

#include "attest/identity.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/tasks.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

/* What a renewal gives. */
struct outcome {
    struct result result;
    struct detail detail;
    struct tls_context *context; /* NULL: it failed */
    uint64_t not_after;          /* of the certificate */
    uint64_t leaf_not_after;
};

enum renewal { RENEWAL_NONE, RENEWAL_RUNNING, RENEWAL_DONE };

/* Everything belongs to the thread that calls attested_tls_run(), but for `outcome`, which is the
 * task's while a renewal is running. */
struct attested_tls {
    struct attested_tls_settings settings;
    struct tls_slot slot;
    struct tasks *tasks; /* one thread: it waits for the security module */
    struct task task;
    _Atomic enum renewal renewal;
    struct outcome outcome;
    uint64_t tried; /* when the last renewal began, in seconds since 1970 … */
    uint64_t due;   /* … and when the next one must */
    unsigned failures;
    atomic_uint_fast64_t expiry;
};

static uint64_t now_of(const struct attested_tls *tls)
{
    return tls->settings.now_seconds();
}

static struct result make(const struct attested_tls *tls, struct outcome *out)
{
    uint64_t now = now_of(tls);
    IDENTITY identity = { .key = NULL };
    TRY(identity_make(&tls->settings.attestor, tls->settings.configuration, now, &identity,
                      &out->detail));
    struct tls_settings settings = {
        .lowest = TLS_LOWEST_1_3,
        .certificate = identity.certificate,
        .key = identity.key,
    };
    out->detail.text[0] = '\0';
    TRY(tls_context_new(&settings, now, &out->context, &out->detail));
    out->not_after = identity.not_after;
    out->leaf_not_after = identity.leaf_not_after;
    return OK;
}

static void run_renewal(struct task *task)
{
    struct attested_tls *tls =
        (struct attested_tls *)((char *)task - offsetof(struct attested_tls, task));
    tls->outcome = (struct outcome){ .result = OK };
    tls->outcome.result = make(tls, &tls->outcome);
    atomic_store(&tls->renewal, RENEWAL_DONE);
}

/* A leaf that has little time left is renewed by the module at some moment that we do not know: the
 * identity is made anew until it has another. */
static uint64_t due_after(uint64_t now, unsigned renew_s, uint64_t leaf_not_after)
{
    uint64_t last = leaf_not_after - ATTESTED_TLS_RESERVE_S;
    uint64_t due = now + renew_s;
    if (last < due) {
        due = last > now + ATTESTED_TLS_RETRY_S ? last : now + ATTESTED_TLS_RETRY_S;
    }
    return due;
}

static void use(struct attested_tls *tls)
{
    char expiry[CLOCK_TEXT_SIZE];
    struct outcome *outcome = &tls->outcome;
    tls->failures = 0;
    tls->due = due_after(tls->tried, tls->settings.renew_s, outcome->leaf_not_after);
    atomic_store(&tls->expiry, outcome->not_after);
    tls_slot_put(&tls->slot, STEAL(outcome->context));
    clock_format(outcome->not_after, expiry);
    log_info("attested TLS certificate made", LOG_TEXT("expires", expiry));
}

static void tell_failure(struct attested_tls *tls)
{
    char line[2 * DETAIL_SIZE];
    tls->due = now_of(tls) + ATTESTED_TLS_RETRY_S;
    if (tls->failures++ % ATTESTED_TLS_TOLD_EACH == 0) {
        detail_line(&tls->outcome.detail, tls->outcome.result, line, sizeof(line));
        log_error("the attested TLS certificate could not be renewed; it is tried again",
                  LOG_TEXT("reason", line), LOG_NUMBER("failures", tls->failures));
    }
}

static void begin_renewal(struct attested_tls *tls)
{
    tls->tried = now_of(tls);
    tls->task.run = run_renewal;
    atomic_store(&tls->renewal, RENEWAL_RUNNING);
    if (!tasks_push(tls->tasks, &tls->task)) { /* never: it is the only one */
        atomic_store(&tls->renewal, RENEWAL_NONE);
    }
}

static void drop_expired(struct attested_tls *tls)
{
    uint64_t expiry = attested_tls_expiry(tls);
    if (expiry != 0 && now_of(tls) >= expiry) {
        atomic_store(&tls->expiry, 0);
        tls_slot_put(&tls->slot, NULL);
        log_error("the attested TLS certificate has expired: connections are refused");
    }
}

static bool is_due(const struct attested_tls *tls)
{
    uint64_t now = now_of(tls);
    return now >= tls->due || now < tls->tried;
}

void attested_tls_run(struct attested_tls *tls)
{
    if (atomic_load(&tls->renewal) == RENEWAL_DONE) {
        atomic_store(&tls->renewal, RENEWAL_NONE);
        if (is_ok(tls->outcome.result)) {
            use(tls);
        } else {
            tell_failure(tls);
        }
    }
    drop_expired(tls);
    if (atomic_load(&tls->renewal) == RENEWAL_NONE && is_due(tls)) {
        begin_renewal(tls);
    }
}

RESULT attested_tls_new(const struct attested_tls_settings *settings, struct attested_tls **out,
                        struct detail *detail)
{
    struct attested_tls *made = calloc(1, sizeof(*made));
    ENSURE(made != NULL, UNAVAILABLE, "out of memory");
    tls_slot_init(&made->slot);
    CLEANUP(attested_tls_free_ptr) struct attested_tls *tls = made;
    tls->settings = *settings;
    tls->settings.renew_s = settings->renew_s == 0 ? ATTESTED_TLS_RENEW_S : settings->renew_s;
    if (settings->now_seconds == NULL) {
        tls->settings.now_seconds = clock_wall_seconds;
    }
    TRY(tasks_new(1, 1, &tls->tasks));
    tls->tried = now_of(tls);
    struct result result = make(tls, &tls->outcome);
    if (!is_ok(result)) {
        detail_set(detail, "%s", tls->outcome.detail.text);
        return result;
    }
    use(tls);
    *out = STEAL(tls);
    return OK;
}

void attested_tls_free(struct attested_tls *tls)
{
    if (tls == NULL) {
        return;
    }
    tasks_free(tls->tasks);
    tls_context_release(tls->outcome.context);
    tls_slot_done(&tls->slot);
    free(tls);
}

struct tls_slot *attested_tls_slot(struct attested_tls *tls)
{
    return &tls->slot;
}

const struct attestor *attested_tls_attestor(const struct attested_tls *tls)
{
    return &tls->settings.attestor;
}

const uint8_t *attested_tls_configuration(const struct attested_tls *tls)
{
    return tls->settings.configuration;
}

bool attested_tls_is_renewing(const struct attested_tls *tls)
{
    return atomic_load(&tls->renewal) != RENEWAL_NONE;
}

uint64_t attested_tls_expiry(struct attested_tls *tls)
{
    return atomic_load(&tls->expiry);
}
