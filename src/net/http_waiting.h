/* http_waiting.h: what a connection waits for: its state with its time-out, and the events that
 * wake it. Internal to src/net; on the connection's loop only. */
#ifndef NET_HTTP_WAITING_H
#define NET_HTTP_WAITING_H

#include "net/http_loop.h"

/* Puts a new connection among the idle ones of its loop. */
void http_waiting_begin(struct http_connection *connection);
void http_waiting_set(struct http_connection *connection, enum connection_state state);
/* Takes it out of its loop's lists, for good. */
void http_waiting_end(struct http_connection *connection);

/* Whether it is read when there is something to read. */
void http_waiting_read(struct http_connection *connection, bool reading);

/* What TLS has taken from the socket already is read in the loop's next turn. */
void http_waiting_more(struct http_connection *connection);

/* Wakes it once when the socket takes bytes again. False: no memory. */
bool http_waiting_write(struct http_connection *connection);

/* TLS has to send something before it can go on with what has arrived: reading rests until then. */
void http_waiting_write_to_read(struct http_connection *connection);

#endif
