/* bootstrap_server.h: the parent's end of the bootstrap protocol (docs/enclave-protocol.md): serves
 * the configuration and credentials, takes log lines, and keeps in touch. What the enclave says is
 * hostile input: what breaks the protocol loses its connection, and nothing more. */
#ifndef PARENT_BOOTSTRAP_SERVER_H
#define PARENT_BOOTSTRAP_SERVER_H

#include "base/cleanup.h"
#include "base/detail.h"
#include "base/result.h"
#include "net/endpoint.h"
#include "net/event_loop.h"
#include "parent/credentials.h"
#include "parent/log_sink.h"

#include <stddef.h>
#include <stdint.h>

enum { BOOTSTRAP_SESSIONS_MAX = 4 }; /* of one enclave; one that was cut may not be seen at once */

struct bootstrap_server;

/* All is borrowed. */
struct bootstrap_server_settings {
    struct endpoint listen;
    uint32_t peer_cid;              /* the enclave's, where it has one */
    const char *configuration_file; /* read anew for each HELLO */
    struct credentials_source credentials;
    struct log_sink *sink;
};

/* UNAVAILABLE: cannot listen; others: the configuration file or the credentials are not there or
 * not right: better said now than to the enclave. */
RESULT bootstrap_server_new(struct event_loop *loop,
                            const struct bootstrap_server_settings *settings,
                            struct bootstrap_server **out, struct detail *detail);
void bootstrap_server_free(struct bootstrap_server *server); /* accepts NULL */
DEFINE_CLEANUP(struct bootstrap_server, bootstrap_server_free);

/* Gets the credentials again and sends them to who is connected. As the source's get(). */
RESULT bootstrap_server_refresh(struct bootstrap_server *server, struct detail *detail);

/* Asks the enclave to stop: the last that is said to who is connected. Gives how many sessions were
 * asked, now or before; 0: nobody is connected. */
size_t bootstrap_server_shut_down(struct bootstrap_server *server, const char *reason);

struct bootstrap_counts {
    uint64_t connected;       /* sessions that have said HELLO, now */
    uint64_t greeted;         /* the same, since the start */
    uint64_t broken;          /* connections that broke the protocol */
    uint64_t enclave_dropped; /* log lines that the enclave says it dropped, each
                                 once, on however many streams it says so */
    uint64_t health;          /* what it said last, an enum bootstrap_health */
};
struct bootstrap_counts bootstrap_server_counts(
    const struct bootstrap_server *server); /* any thread */

#endif
