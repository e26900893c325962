/* http_message.h: HTTP/1.1 requests and responses as the handlers see them (RFC 9110, RFC 9112). */
#ifndef NET_HTTP_MESSAGE_H
#define NET_HTTP_MESSAGE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

enum http_method {
    METHOD_GET,
    METHOD_HEAD, /* the server handles it as GET and leaves the body out */
    METHOD_POST,
    METHOD_PUT,
    METHOD_PATCH,
    METHOD_DELETE,
    METHOD_OPTIONS,
    METHOD_OTHER,
};

const char *http_method_name(enum http_method method);

enum {
    HTTP_TARGET_MAX = 512,     /* bytes of the request target; more: 414 */
    HTTP_HEAD_MAX = 16 * 1024, /* bytes of all header fields; more: 431 */
    HTTP_FIELDS_MAX = 100,     /* header fields; more: 431 */
    HTTP_ACCEPT_MAX = 512,     /* bytes of the fields that are kept; more: 431 */
    HTTP_CONTENT_TYPE_MAX = 256,
    HTTP_AUTHORIZATION_MAX = 2048,
    HTTP_BODY_SMALL_MAX = 64 * 1024, /* bytes; a longer body gets its memory as it arrives */
};

/* All texts are NUL-terminated and hold no other NUL. */
struct http_request {
    enum http_method method;
    bool keep_alive;                  /* what the client asked for */
    bool has_origin;                  /* it comes from a web page (RFC 6454, section 7) */
    char path[HTTP_TARGET_MAX + 1];   /* begins with '/'; as sent, percent-encoding kept */
    char query[HTTP_TARGET_MAX + 1];  /* behind the '?', or empty */
    char accept[HTTP_ACCEPT_MAX + 1]; /* several fields are joined with commas */
    char content_type[HTTP_CONTENT_TYPE_MAX + 1];   /* "" where the field is absent */
    char authorization[HTTP_AUTHORIZATION_MAX + 1]; /* a secret: wiped with the request */
    char *body; /* body_size bytes and a NUL; NULL when empty; wiped with the request */
    size_t body_size;
    size_t body_capacity; /* the parser's own account of the body's memory */
};

#define CONTENT_TYPE_JSON "application/json; charset=utf-8"
#define CONTENT_TYPE_TEXT "text/plain; charset=utf-8"

/* What a handler answers. The body's memory passes to the server. */
struct http_response {
    unsigned status;
    const char *content_type; /* a literal */
    struct buf body;
    unsigned retry_after_seconds; /* 0: no Retry-After */
    const char *allow;            /* a literal for 405, or NULL */
    bool close;                   /* close the connection after this */
};

enum { HTTP_RESPONSE_BODY_MAX = 1 << 30 };

/* "OK", "Bad Request", …; "" for a status that is never sent. */
const char *http_reason(unsigned status);

/* {"code":<status>,"message":"<message>"}, as Web3Signer writes errors. */
struct http_response http_error(unsigned status, const char *message);

/* A response of literal or formatted text. */
struct http_response http_text(unsigned status, const char *content_type, const char *text);

/* Whether the media type (such as "application/json") is named in an Accept field's value, or
 * covered by a wildcard in it when `wildcards`. An empty value names nothing. */
bool http_accepts(const char *accept, const char *media_type, bool wildcards);

#endif
