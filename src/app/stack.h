/* stack.h: all parts of a running signer, made from the settings in the order in which they need
 * each other. Used by the server and by the benchmark, which measures exactly what the server runs.
 */
#ifndef APP_STACK_H
#define APP_STACK_H

#include "api/api.h"
#include "app/attested_tls.h"
#include "app/certificates.h"
#include "app/housekeeping.h"
#include "base/vault.h"
#include "config/settings.h"
#include "keystore/loader.h"

/* What the settings alone cannot give. */
struct stack_options {
    /* The signing API is served with what this shows, and attests itself; NULL: neither. Outlives
     * the stack, which renews it. */
    struct attested_tls *attested_tls;
};

struct stack {
    const struct settings *settings;
    struct stack_options options;
    struct network network;
    struct vault *vault;
    struct key_table *keys;
    struct kdf_gate kdf_gate;
    struct loader_settings loader_settings;
    struct loader *loader;
    struct reloader *reloader;
    struct slashing_store *store;
    struct committer *committer;
    struct signer *signer;
    struct tasks *tasks;
    struct attestation *attestation;
    struct health health;
    struct api api;
    struct http_server *http;
    struct certificates certificates;
    struct housekeeping housekeeping;
    uint16_t port; /* where it listens */
    uint16_t metrics_port;
    uint16_t tls_port; /* 0: without TLS */
};

/* Opens everything and listens; nothing is loaded yet and no request is served. `stack` is zeroed
 * memory of the caller; `settings` must outlive it; `options` may be NULL. After a failure
 * stack_close() is still due. */
RESULT stack_open(struct stack *stack, const struct settings *settings,
                  const struct stack_options *options, struct detail *detail);

/* Serves requests and begins to load the filesystem's keys. */
RESULT stack_start(struct stack *stack);

/* Does what is due beside signing; about every second, on the main thread. `reload`: the
 * certificate, too, is asked to be loaded again. */
void stack_run(struct stack *stack, bool reload);

/* Stops taking requests and waits until those under way are answered. False: some were not after
 * `timeout_s`; stack_close() must not be called then. */
bool stack_drain(struct stack *stack, unsigned timeout_s);

/* Ends all threads, closes the store, wipes the keys. */
void stack_close(struct stack *stack);

/* The network that the settings name: a built-in one, or a file (its name has a '/' or ends in
 * ".yaml"). */
RESULT stack_network(const struct settings *settings, struct network *out, struct detail *detail);

#endif
