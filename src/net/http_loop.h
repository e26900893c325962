/* http_loop.h: one event-loop thread of an http_server and the connections it owns. Internal to
 * src/net: http_server.c makes the loops, http_loop.c runs them, http_connection.c is what happens
 * on one connection. */
#ifndef NET_HTTP_LOOP_H
#define NET_HTTP_LOOP_H

#include "base/buf.h"
#include "net/http_parser.h"
#include "net/http_server.h"
#include "net/http_transport.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>

enum {
    HTTP_READ_SIZE = 64 * 1024, /* bytes of one recv; also what a client may send ahead */
    HTTP_DATE_SIZE = sizeof("Thu, 01 Jan 1970 00:00:00 GMT"),
    HTTP_EXCHANGE_ID_SIZE = 24,
};

/* What a connection is waiting for; each state but BUSY has a time-out. */
enum connection_state {
    CONNECTION_IDLE,      /* the first byte of a request, or of a TLS handshake */
    CONNECTION_HANDSHAKE, /* the rest of that */
    CONNECTION_RECEIVING, /* the rest of it */
    CONNECTION_BUSY,      /* the handler's response */
    CONNECTION_WRITING,   /* the client to take it */
    CONNECTION_LINGERING, /* the client to stop sending what was refused */
    CONNECTION_STATES,
};

struct http_listener {
    struct http_server *server;
    int fd;
    struct event *event;  /* on the first loop */
    struct tls_slot *tls; /* NULL: plain */
    http_handler handler;
    void *context;
};

struct http_connection {
    struct http_loop *loop;
    const struct http_listener *listener;
    struct http_connection *previous; /* in the loop's list of its state */
    struct http_connection *next;
    struct http_transport transport; /* closed while a handler still owes the response */
    struct event *read_event;
    struct event *write_event; /* made when a response does not fit the socket */
    struct event *more_event;  /* TLS: there is more to read of which the socket does not tell */
    struct http_parser *parser;
    struct http_exchange *exchange; /* BUSY only */
    enum connection_state state;
    uint64_t deadline_ns;
    bool reading;     /* read_event is added */
    bool peer_closed; /* nothing more will come */
    bool close_after; /* close when the response is out */
    bool refused;     /* in the middle of a request: the client may still be sending */
    struct buf ahead; /* bytes behind the request that is worked on */
    struct buf out;   /* a response's bytes that the socket did not take at once */
    size_t out_done;
    size_t unsent; /* what of `out` counts in the server's `unsent` */
};

/* A list in order of entering, so in order of deadlines: all its members have the same time-out. */
struct connection_list {
    struct http_connection *first;
    struct http_connection *last;
};

struct http_exchange {
    struct http_connection *connection;
    struct http_request *request;
    struct http_response response;
    struct http_exchange *next; /* in the loop's list of answered ones */
    uint64_t start_ns;
    bool answered; /* by the handler itself, on the loop's thread, before it returned */
    char id[HTTP_EXCHANGE_ID_SIZE];
};

struct http_loop {
    struct http_server *server;
    pthread_t thread;
    bool running;
    struct event_base *base;
    struct event *wake_event;
    struct event *tick_event;
    int wake_fd;

    pthread_mutex_t mutex;          /* guards the four below */
    struct http_exchange *answered; /* oldest first */
    struct http_exchange **answered_end;
    struct handed_connection *handed;
    bool stop;

    /* the loop's thread only */
    struct connection_list lists[CONNECTION_STATES];
    const struct http_exchange *dispatching; /* whose handler runs now */
    char date[HTTP_DATE_SIZE];
    char read_buffer[HTTP_READ_SIZE];
};

/* An accepted socket on its way to its loop. */
struct handed_connection {
    int fd;
    const struct http_listener *listener;
    struct handed_connection *next;
};

enum { HTTP_LISTENERS_MAX = 4 };

struct http_server {
    struct http_server_settings settings;
    struct http_body_budget budget;
    struct http_listener listeners[HTTP_LISTENERS_MAX];
    size_t listener_count;
    struct http_loop **loops;
    unsigned loop_count;
    unsigned next_loop; /* the first loop's thread only */
    char id_prefix[10];
    atomic_uint_fast64_t next_id;
    atomic_bool draining;
    atomic_size_t active; /* requests that are worked on or whose response is not out */
    atomic_size_t receiving;
    atomic_size_t unsent; /* bytes of responses that wait for their clients */
    atomic_uint_fast64_t open, accepted, refused, requests, requests_refused, turns;
    atomic_uint_fast64_t handshakes_failed;
};

/* http_loop.c */
RESULT http_loop_new(struct http_server *server, struct http_loop **out);
RESULT http_loop_start(struct http_loop *loop);
void http_loop_stop(struct http_loop *loop); /* ends the thread if it runs */
void http_loop_free(struct http_loop *loop); /* stopped or never started; accepts NULL */
void http_listener_close(struct http_listener *listener);
void http_loop_wake(struct http_loop *loop);
void http_loop_hand_over(struct http_loop *loop, int fd, const struct http_listener *listener);
void http_loop_answered(struct http_loop *loop, struct http_exchange *exchange);

/* http_connection.c and http_handshake.c; on the loop's thread; `context`: a connection */
void http_connection_open(struct http_loop *loop, const struct http_listener *listener, int fd);
void http_connection_close(struct http_connection *connection);
void http_connection_finish(struct http_exchange *exchange);
void http_connection_expire(struct http_connection *connection);
void http_connection_readable(evutil_socket_t fd, short what, void *context);
void http_connection_writable(evutil_socket_t fd, short what, void *context);
void http_connection_handshake(evutil_socket_t fd, short what, void *context);
void http_connection_handshake_failed(struct http_connection *connection, const char *reason);

#endif
