/* bootstrap_client.h: the enclave's end of the bootstrap protocol (docs/enclave-protocol.md): gets
 * the configuration, keeps the credentials that the parent gave last, sends the log, and keeps in
 * touch, on one thread of its own. What the parent says is hostile input: what breaks the protocol
 * loses its connection, after which the client connects again, and nothing more.
 *
 * The first configuration is the only one: a later connection that brings another is broken off. */
#ifndef ENCLAVE_BOOTSTRAP_CLIENT_H
#define ENCLAVE_BOOTSTRAP_CLIENT_H

#include "base/cleanup.h"
#include "base/detail.h"
#include "base/result.h"
#include "base/secret.h"
#include "enclave/bootstrap.h"

#include <stddef.h>
#include <stdint.h>

struct bootstrap_client;

/* Connects to the parent, or tries to. Gives a connected stream socket, blocking or not, or -1 with
 * errno set. On the client's thread; it takes at most some seconds. */
typedef int bootstrap_connect(void *context);

struct bootstrap_client_settings {
    bootstrap_connect *connect;
    void *context;
    int log_fd; /* what is written at its other end goes out as LOG frames, a line each; -1: none.
                   Taken over. A line that is too long is cut. Never blocks who writes for long. */
    uint64_t log_bytes_per_second; /* of lines; what is more is dropped and counted */
    void (*on_shutdown)(void *context, const char *reason); /* SHUTDOWN came; the client's thread */
    void *shutdown_context;
};

/* Starts the thread, which connects at once and again, with a pause that grows to some seconds,
 * whenever the stream ended. UNAVAILABLE: no thread, no memory. */
RESULT bootstrap_client_new(const struct bootstrap_client_settings *settings,
                            struct bootstrap_client **out);

/* Sends what the log still holds for at most a second, and ends the thread. Accepts NULL. */
void bootstrap_client_free(struct bootstrap_client *client);
DEFINE_CLEANUP(struct bootstrap_client, bootstrap_client_free);

/* Waits for the configuration. UNAVAILABLE: none came in `timeout_s`, and `detail` says what went
 * wrong last. `out` is empty before; the bytes are as the parent sent them. */
RESULT bootstrap_client_configuration(struct bootstrap_client *client, unsigned timeout_s,
                                      struct secret_block *out, struct detail *detail);

/* The credentials that came last. NOT_FOUND: none have come yet. */
RESULT bootstrap_client_credentials(struct bootstrap_client *client, struct secret_block *out);

/* What KEEPALIVE tells the parent from now on; STARTING at first. Any thread. */
void bootstrap_client_health(struct bootstrap_client *client, enum bootstrap_health health);

struct bootstrap_client_counts {
    uint64_t connections; /* that got as far as CONFIGURATION */
    uint64_t broken;      /* by what the parent said */
    uint64_t dropped;     /* log lines */
};
struct bootstrap_client_counts bootstrap_client_counts(struct bootstrap_client *client);

#endif
