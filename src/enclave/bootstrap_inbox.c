#include "enclave/bootstrap_inbox.h"

#include "base/cleanup.h"

#include <errno.h>
#include <string.h>
#include <time.h>

void bootstrap_inbox_init(struct bootstrap_inbox *inbox)
{
    pthread_condattr_t attributes;
    *inbox = (struct bootstrap_inbox){ .measured = false };
    pthread_mutex_init(&inbox->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&inbox->configured, &attributes);
    pthread_condattr_destroy(&attributes);
}

void bootstrap_inbox_done(struct bootstrap_inbox *inbox)
{
    secret_block_free(&inbox->configuration);
    secret_block_free(&inbox->credentials);
    pthread_cond_destroy(&inbox->configured);
    pthread_mutex_destroy(&inbox->lock);
}

static struct result copy(const uint8_t *bytes, size_t size, struct secret_block *out)
{
    ENSURE(secret_block_new(size, out), UNAVAILABLE, "out of memory");
    memcpy(out->data, bytes, size);
    return OK;
}

RESULT bootstrap_inbox_configure(struct bootstrap_inbox *inbox, const uint8_t *bytes, size_t size)
{
    uint8_t digest[SHA384_SIZE];
    sha384(bytes, size, digest);
    LOCK_SCOPE(&inbox->lock);
    if (inbox->measured) {
        ENSURE(secret_equal(digest, inbox->configuration_digest, sizeof(digest)), REFUSED,
               "the parent gives another configuration than at first; start a new enclave for it");
        return OK;
    }
    TRY(copy(bytes, size, &inbox->configuration));
    memcpy(inbox->configuration_digest, digest, sizeof(digest));
    inbox->measured = true;
    pthread_cond_broadcast(&inbox->configured);
    return OK;
}

RESULT bootstrap_inbox_credit(struct bootstrap_inbox *inbox, const uint8_t *bytes, size_t size)
{
    struct secret_block credentials = { 0 };
    TRY(copy(bytes, size, &credentials));
    LOCK_SCOPE(&inbox->lock);
    secret_block_free(&inbox->credentials);
    inbox->credentials = credentials;
    return OK;
}

bool bootstrap_inbox_set_trouble(struct bootstrap_inbox *inbox, const char *reason)
{
    struct detail trouble;
    detail_set(&trouble, "%s", reason);
    LOCK_SCOPE(&inbox->lock);
    bool is_new = strcmp(trouble.text, inbox->trouble.text) != 0;
    inbox->trouble = trouble;
    return is_new;
}

static struct timespec after(unsigned timeout_s)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += timeout_s;
    return end;
}

RESULT bootstrap_inbox_configuration(struct bootstrap_inbox *inbox, unsigned timeout_s,
                                     struct secret_block *out, struct detail *detail)
{
    const struct timespec end = after(timeout_s);
    int waited = 0;
    LOCK_SCOPE(&inbox->lock);
    while (!inbox->measured && waited == 0) {
        waited = pthread_cond_timedwait(&inbox->configured, &inbox->lock, &end);
    }
    detail_set(detail, "%s", inbox->trouble.text);
    ENSURE(inbox->measured, UNAVAILABLE, "no configuration has come from the parent");
    detail_set(detail, "%s", "");
    ENSURE(inbox->configuration.data != NULL, REFUSED, "the configuration was fetched already");
    *out = inbox->configuration;
    inbox->configuration = (struct secret_block){ .data = NULL };
    return OK;
}

RESULT bootstrap_inbox_credentials(struct bootstrap_inbox *inbox, struct secret_block *out)
{
    LOCK_SCOPE(&inbox->lock);
    ENSURE(inbox->credentials.data != NULL, NOT_FOUND, "no credentials have come from the parent");
    return copy(inbox->credentials.data, inbox->credentials.size, out);
}
