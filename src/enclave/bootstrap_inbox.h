/* bootstrap_inbox.h: what the parent has given, between the thread that hears it and those who ask
 * for it. All functions but init and done may be called by any thread. */
#ifndef ENCLAVE_BOOTSTRAP_INBOX_H
#define ENCLAVE_BOOTSTRAP_INBOX_H

#include "base/detail.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/sha384.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct bootstrap_inbox {
    pthread_mutex_t lock; /* for all below */
    pthread_cond_t configured;
    bool measured;                             /* a configuration came */
    uint8_t configuration_digest[SHA384_SIZE]; /* its SHA-384 */
    struct secret_block configuration;         /* until it is fetched */
    struct secret_block credentials;           /* the last */
    struct detail trouble;                     /* why the last connection was none; empty: it is */
};

void bootstrap_inbox_init(struct bootstrap_inbox *inbox);
void bootstrap_inbox_done(struct bootstrap_inbox *inbox); /* wipes; nobody waits any more */

/* A CONFIGURATION came. REFUSED: it is not the one that came first; UNAVAILABLE: no memory. */
RESULT bootstrap_inbox_configure(struct bootstrap_inbox *inbox, const uint8_t *bytes, size_t size);
/* CREDENTIALS came; those before are wiped. UNAVAILABLE: no memory; those before stay. */
RESULT bootstrap_inbox_credit(struct bootstrap_inbox *inbox, const uint8_t *bytes, size_t size);
/* Why there is no connection now. False: it is the reason that was given last. */
bool bootstrap_inbox_set_trouble(struct bootstrap_inbox *inbox, const char *reason);

/* As bootstrap_client_configuration() and bootstrap_client_credentials(). */
RESULT bootstrap_inbox_configuration(struct bootstrap_inbox *inbox, unsigned timeout_s,
                                     struct secret_block *out, struct detail *detail);
RESULT bootstrap_inbox_credentials(struct bootstrap_inbox *inbox, struct secret_block *out);

#endif
