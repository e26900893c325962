/* http_server.h: HTTP/1.1 over TCP or TLS: a few event-loop threads that own the connections, by
 * libevent. A handler is called on a loop's thread with a complete request; it must not block
 * there, and answers at once or later from any thread. One request of a connection is worked on at
 * a time.
 *
 * Nothing that a client does holds up the others: connections, heads, bodies, the memory of bodies
 * and of responses, and every wait are bounded. At the limit of connections the one that was idle
 * longest makes room. */
#ifndef NET_HTTP_SERVER_H
#define NET_HTTP_SERVER_H

#include "base/cleanup.h"
#include "base/detail.h"
#include "base/result.h"
#include "net/http_message.h"
#include "net/tls.h"

#include <stddef.h>
#include <stdint.h>

struct http_server;
struct http_exchange; /* one request and the place for its response */

enum { HTTP_PAUSE_MIN_NS = 400 * 1000, HTTP_PAUSE_MAX_NS = 2 * 1000 * 1000 };

struct http_server_settings {
    unsigned loops;                /* threads, at least 1 */
    uint64_t pause_per_request_ns; /* a loop rests so long between two turns for each request that
                                      is under way, at most HTTP_PAUSE_MAX_NS, and not at all when
                                      it comes to less than HTTP_PAUSE_MIN_NS; 0: never */
    size_t connections_max;        /* of all listeners together */
    size_t body_max;               /* bytes of one body */
    size_t body_memory_max;        /* of all bodies together; one that grows takes up to three times
                                      its size for a moment */
    size_t body_memory_reserved; /* of these, for bodies of up to HTTP_BODY_SMALL_MAX bytes only */
    size_t response_memory_max;  /* bytes of all responses that clients are slow to take; who adds
                                    to them is closed, but a single one may be of any size */
    unsigned idle_timeout_s;     /* without a request */
    unsigned request_timeout_s;  /* from the first byte of a request to its last; so for TLS's
                                    handshake */
    unsigned write_timeout_s;    /* for the client to take a response */
};

typedef void (*http_handler)(struct http_exchange *exchange, void *context);

RESULT http_server_new(const struct http_server_settings *settings, struct http_server **out);

/* Closes everything at once and frees. No exchange may be unanswered (aborts), or be answered from
 * now on. Accepts NULL. */
void http_server_free(struct http_server *server);
DEFINE_CLEANUP(struct http_server, http_server_free);

/* Where to listen, and who answers what arrives there. */
struct http_endpoint {
    const char *address; /* an IPv4 or IPv6 literal, read during the call only; NULL: a vsock port
                            of this machine, for whoever can reach that */
    uint16_t port;       /* 0: the kernel chooses; not with vsock */
    http_handler handler;
    void *context;
    struct tls_slot
        *tls; /* HTTP over TLS with what is in there; outlives the server. NULL: plain */
};

/* `*port_out` (may be NULL) is the port. UNAVAILABLE: the address cannot be had; `detail` names it
 * and the system's reason. Before http_server_start(). */
RESULT http_server_listen(struct http_server *server, const struct http_endpoint *endpoint,
                          uint16_t *port_out, struct detail *detail);

RESULT http_server_start(struct http_server *server);

/* Closes the listeners and the idle connections; requests under way are answered, with
 * "Connection: close". True when all are answered and sent, false after `timeout_s`. Accepts NULL:
 * nothing is under way. */
bool http_server_drain(struct http_server *server, unsigned timeout_s);

/* Ends the threads: no handler is called any more. Exchanges may still be answered;
 * http_server_free() sends what fits the sockets. Accepts NULL. */
void http_server_stop(struct http_server *server);

/* The request, until the response is given. */
const struct http_request *http_exchange_request(const struct http_exchange *exchange);

/* When the request was complete, in clock_monotonic_ns(). */
uint64_t http_exchange_start_ns(const struct http_exchange *exchange);

/* A text that names the request in logs and in the response field X-Request-Id. */
const char *http_exchange_id(const struct http_exchange *exchange);

/* Keying material of the TLS 1.3 connection that the request came on (RFC 8446, section 7.5): the
 * same `out_size` bytes for both ends and nobody else. Only in the handler itself, on the thread
 * that calls it and before it returns or answers: the connection is the loop's. REFUSED when there
 * is no TLS 1.3 between the client and here. */
RESULT http_exchange_export_key(const struct http_exchange *exchange, const char *label,
                                const void *context, size_t context_size, uint8_t *out,
                                size_t out_size);

/* The public key of the certificate that the server showed on the connection: appends the DER of
 * its subjectPublicKeyInfo. A connection outlives a change of the listener's certificate. Where and
 * REFUSED as above, but for any version of TLS. */
RESULT http_exchange_server_key(const struct http_exchange *exchange, struct buf *out);

/* Who the client has proven to be by its certificate, until the response is given; any thread.
 * NULL: it showed none. */
const struct tls_peer *http_exchange_peer(const struct http_exchange *exchange);

/* Answers; takes the response's body. Exactly once for every exchange, from any thread; the
 * exchange and its request are gone afterwards. */
void http_respond(struct http_exchange *exchange, struct http_response *response);

struct http_server_counts {
    uint64_t connections_open;
    uint64_t connections_accepted;
    uint64_t connections_refused; /* closed because the limit was reached */
    uint64_t requests;
    uint64_t requests_refused;  /* malformed, too large, too slow */
    uint64_t turns;             /* times that a loop looked for what there is to do */
    uint64_t handshakes_failed; /* TLS: refused or given up, by either side */
};
struct http_server_counts http_server_counts(const struct http_server *server);

#endif
