/* http_load.h: drives an HTTP server with many requests at once, to measure it. One thread,
 * keep-alive, one request at a time on each connection. */
#ifndef NET_HTTP_LOAD_H
#define NET_HTTP_LOAD_H

#include "base/detail.h"
#include "base/result.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { HTTP_LOAD_REQUEST_MAX = 8192, HTTP_LOAD_CONNECTIONS_MAX = 50 * 1000 };

struct http_load {
    const char *address; /* IPv4 literal */
    uint16_t port;
    size_t connections;
    size_t requests;   /* altogether */
    uint64_t pause_ns; /* between an answer and the next request of its connection */
    /* Writes the whole request number `index` (0 …) into `out` and gives its size. */
    size_t (*write_request)(size_t index, char out[static HTTP_LOAD_REQUEST_MAX], void *context);
    void *context;
    pid_t server; /* whose CPU time is measured; 0: nobody's */
};

struct http_load_result {
    size_t answered;        /* with status 200 */
    size_t refused;         /* with another status */
    size_t failed;          /* all others: connection lost, or no answer within a minute */
    uint64_t wall_ns;       /* from the first request to the last answer … */
    uint64_t cpu_ns;        /* … and what the server's threads took meanwhile */
    uint64_t *latencies_ns; /* of the answered ones, sorted; the caller frees */
};

/* Opens all connections, gives the server a moment to take them, then sends. A connection that is
 * lost is not opened again; what the others cannot make up for has failed. UNAVAILABLE when the
 * server cannot be reached, BAD_INPUT for an address that is none, LIMIT for too many connections.
 */
RESULT http_load_run(const struct http_load *load, struct http_load_result *out,
                     struct detail *detail);

/* The latency that the given share (0 to 1) of the answered requests did not exceed; 0 without any.
 */
uint64_t http_load_quantile(const struct http_load_result *result, double share);

#endif
