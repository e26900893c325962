/* http_parser.h: from bytes to requests, by llhttp in its strict mode, within the limits of
 * http_message.h. Knows no sockets. One parser reads the requests of one connection, one after the
 * other. */
#ifndef NET_HTTP_PARSER_H
#define NET_HTTP_PARSER_H

#include "net/http_message.h"

#include <stdatomic.h>
#include <stddef.h>

/* What the bodies of all connections together may take. */
struct http_body_budget {
    atomic_size_t left;
    size_t body_max; /* one body; more: 413 */
    size_t reserved; /* of `left`, what bodies of over HTTP_BODY_SMALL_MAX bytes may not touch */
};

struct http_parser;

enum http_parser_state {
    HTTP_PARSER_MORE,     /* all bytes were taken, the request is not complete */
    HTTP_PARSER_CONTINUE, /* as MORE, and the client wants "100 Continue" before it sends the body;
                             said once a request */
    HTTP_PARSER_DONE,     /* a request is complete; bytes behind it were not taken */
    HTTP_PARSER_FAILED,   /* the request is refused and nothing more can be read */
};

/* `budget` must outlive the parser. NULL: out of memory. */
struct http_parser *http_parser_new(struct http_body_budget *budget);
void http_parser_free(struct http_parser *parser); /* accepts NULL */

/* Reads from `bytes`; `*used_out` says how many were taken. */
enum http_parser_state http_parser_feed(struct http_parser *parser, const char *bytes, size_t size,
                                        size_t *used_out);

/* True between requests: nothing of the next one was read. */
bool http_parser_is_idle(const struct http_parser *parser);

/* After DONE: the request, which the caller frees with http_request_free(); the parser is ready for
 * the next. */
struct http_request *http_parser_take(struct http_parser *parser);

/* Wipes and frees the request, and gives its body's memory back to the budget. Any thread. */
void http_request_free(struct http_request *request, struct http_body_budget *budget);

/* After FAILED: the response to send before the connection is closed. */
struct http_response http_parser_refusal(const struct http_parser *parser);

#endif
