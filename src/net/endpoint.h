/* endpoint.h: where a stream begins or ends, and the sockets for it:
 *
 *   tcp:HOST:PORT    a name, an IPv4 literal or an IPv6 literal in brackets
 *   vsock:CID:PORT   a virtual machine's socket (vsock(7)); the CID "any" is for listening
 *   unix:PATH        a UNIX socket
 *   uds:PATH:PORT    a vsock port behind a UNIX socket, as vhost-device-vsock and Firecracker have
 *                    it: who connects says "CONNECT PORT\n" at PATH and is told "OK …\n"; who
 *                    listens has the UNIX socket PATH_PORT
 *
 * Every socket made here is non-blocking and closed on exec. */
#ifndef NET_ENDPOINT_H
#define NET_ENDPOINT_H

#include "base/detail.h"
#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum endpoint_kind { ENDPOINT_TCP, ENDPOINT_VSOCK, ENDPOINT_UNIX, ENDPOINT_UDS };

enum {
    ENDPOINT_HOST_MAX = 253,     /* bytes of a host name (RFC 1035), and of a literal */
    ENDPOINT_PATH_MAX = 96,      /* bytes of a path: "_4294967295" must fit sun_path behind it */
    ENDPOINT_TEXT_SIZE = 288,    /* suffices for every printed endpoint and its NUL */
    ENDPOINT_ADDRESSES_MAX = 16, /* of one name; the rest is left out */
};

struct endpoint {
    enum endpoint_kind kind;
    char host[ENDPOINT_HOST_MAX + 1]; /* TCP: without brackets; UNIX, UDS: the path; else "" */
    uint32_t cid;                     /* VSOCK; UINT32_MAX: any */
    uint32_t port;                    /* TCP: 0 for listening lets the kernel choose; UNIX: 0 */
};

/* Reads exactly one of the forms above. BAD_INPUT with the text in `detail`. */
RESULT endpoint_parse(const char *text, struct endpoint *out, struct detail *detail);

/* The same text again; what it gives parses to the same endpoint. */
void endpoint_print(const struct endpoint *endpoint, char out[static ENDPOINT_TEXT_SIZE]);

/* True when a shutdown of one direction reaches the other end as just that. Behind UDS it does not:
 * there the end of one direction is the end of both. */
bool endpoint_carries_half_close(const struct endpoint *endpoint);

/* A listening socket. TCP: a literal only. A UNIX socket gets mode 0600; one that nobody listens on
 * any more is replaced. BAD_INPUT: this endpoint is none to listen on; UNAVAILABLE: `detail` names
 * the endpoint and the system's reason. */
RESULT endpoint_listen(const struct endpoint *endpoint, int *fd_out, struct detail *detail);

/* Closes a socket of endpoint_listen() and removes what it left in the file system. Accepts -1. */
void endpoint_unlisten(const struct endpoint *endpoint, int fd);

/* False: the other end of a vsock is another than `cid`. True for all other kinds of sockets. */
bool endpoint_peer_is(int fd, uint32_t cid);

/* The TCP port that a listening socket has got; 0 for all others. */
uint16_t endpoint_bound_port(int fd);

struct endpoint_address {
    struct sockaddr_storage address;
    socklen_t size;
};

struct endpoint_addresses {
    struct endpoint_address items[ENDPOINT_ADDRESSES_MAX];
    size_t count; /* at least 1 */
};

/* The address of all endpoints but names. False: it is a host name, which must be looked up. */
bool endpoint_fixed_address(const struct endpoint *endpoint, struct endpoint_address *out);
/* True for a host name, whose resolution blocks for as long as the network likes. */
bool endpoint_is_name(const struct endpoint *endpoint);

/* The addresses to connect to, in the order to try them. NOT_FOUND: the name has none; UNAVAILABLE:
 * the resolver does not answer. Any thread. */
RESULT endpoint_resolve(const struct endpoint *endpoint, struct endpoint_addresses *out,
                        struct detail *detail);

/* Begins to connect: the socket becomes writable when it is decided (SO_ERROR). A vsock gives up
 * after `timeout_ms` by itself, TCP does not. UNAVAILABLE: it failed at once; errno says why. */
RESULT endpoint_connect(const struct endpoint_address *address, unsigned timeout_ms, int *fd_out);

/* What must be said, and heard, on a connected UDS before the stream begins. */
enum { ENDPOINT_GREETING_SIZE = 32, ENDPOINT_ANSWER_MAX = 32 };

/* Writes "CONNECT PORT\n"; gives its length: 0 for all kinds but UDS. */
size_t endpoint_greeting(const struct endpoint *endpoint, char out[static ENDPOINT_GREETING_SIZE]);

/* Looks at what has arrived of the answer so far, up to and with its '\n': true when it is a whole
 * "OK <number>\n", so that the next byte is the stream's. BAD_INPUT: it can no longer become one.
 */
RESULT endpoint_answer(const char *bytes, size_t size, bool *whole_out);

#endif
