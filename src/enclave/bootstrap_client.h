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
 * errno set. On the client's thread, which does nothing else meanwhile, not even read the log: it
 * takes two seconds at most. */
typedef int bootstrap_connect(void *context);

/* How long things take, in nanoseconds. */
struct bootstrap_times {
    uint64_t keepalive; /* between KEEPALIVEs */
    uint64_t silence;   /* without a whole frame, and the parent is given up */
    uint64_t pause_min; /* before a connection is tried again; doubles each time, */
    uint64_t pause_max; /* up to this; begins anew after a connection that */
    uint64_t steady;    /* lived so long after its CONFIGURATION */
    uint64_t dropped;   /* between DROPPEDs */
    uint64_t window;    /* in which BOOTSTRAP_LINK_STEPS reads and frames are taken */
    uint64_t farewell;  /* for the log's last lines */
};
extern const struct bootstrap_times bootstrap_times; /* the protocol's */

struct bootstrap_client_settings {
    bootstrap_connect *connect;
    void *context;
    int log_fd; /* a pipe: what is written at its other end goes out as LOG frames, a line each; -1:
                   none. A line that is too long is cut. Never blocks who writes for long. */
    uint64_t log_bytes_per_second; /* of lines; what is more is dropped and counted; below 2^32 */
    void (*on_shutdown)(void *context, const char *reason); /* SHUTDOWN came, for the first time; on
                   the client's thread, so it must not free the client; may be NULL */
    void *shutdown_context;
    const struct bootstrap_times *times; /* NULL: the protocol's; tests have less time */
};

/* Starts the thread, which connects at once and again, with a pause that grows to some seconds,
 * whenever the stream ended. On OK it owns `log_fd`. UNAVAILABLE: no thread, no memory, no file
 * descriptor. */
RESULT bootstrap_client_new(const struct bootstrap_client_settings *settings,
                            struct bootstrap_client **out);

/* Sends what the log still holds for at most a second, and ends the thread. No other call may be
 * under way. Accepts NULL. */
void bootstrap_client_free(struct bootstrap_client *client);
DEFINE_CLEANUP(struct bootstrap_client, bootstrap_client_free);

/* Waits for the configuration and hands it over; the client keeps only its digest. UNAVAILABLE:
 * none came in `timeout_s`, and `detail` says what went wrong last. REFUSED: it was fetched
 * already. `out` is empty before; the bytes are as the parent sent them. */
RESULT bootstrap_client_configuration(struct bootstrap_client *client, unsigned timeout_s,
                                      struct secret_block *out, struct detail *detail);

/* A copy of the credentials that came last. NOT_FOUND: none have come yet. UNAVAILABLE: no memory.
 * `out` is empty before. */
RESULT bootstrap_client_credentials(struct bootstrap_client *client, struct secret_block *out);

/* What KEEPALIVE tells the parent from now on, and at once when it is news; STARTING at first. Any
 * thread. */
void bootstrap_client_health(struct bootstrap_client *client, enum bootstrap_health health);

/* For how long, in nanoseconds, nothing was heard of a parent that gave the configuration; 0 until
 * the first did. Any thread. */
uint64_t bootstrap_client_unheard_ns(struct bootstrap_client *client);

/* All since the start. Any thread. */
struct bootstrap_client_counts {
    uint64_t connections; /* that brought the configuration */
    uint64_t broken;      /* by what the parent said, or did not say in time */
    uint64_t credentials; /* that came: when it grows, there are new ones */
    uint64_t dropped;     /* log lines */
};
struct bootstrap_client_counts bootstrap_client_counts(struct bootstrap_client *client);

#endif
