/* exchange.h: exchanges without a server: what a handler is asked, and what it answers. exchange.c
 * stands in for the calls of net/http_server.h that handlers make. */
#ifndef TESTS_UNIT_API_EXCHANGE_H
#define TESTS_UNIT_API_EXCHANGE_H

#include "net/http_server.h"

#include <pthread.h>

struct http_exchange {
    struct http_request request;
    struct http_response response; /* the first answer */
    pthread_mutex_t mutex;         /* guards the answers: they may come from another thread */
    pthread_cond_t answered;
    size_t answers;
    bool is_tls_1_3;        /* false at first: in the clear */
    const char *server_key; /* what is told in place of the certificate's */
};

/* What is exported in place of keying material: the first of SHA-384(label || context). */
void exchange_exported(const char *label, const void *context, size_t context_size, uint8_t *out,
                       size_t out_size);

/* An exchange that asks for `path`, as the server hands it over. */
void exchange_init(struct http_exchange *exchange, enum http_method method, const char *path);
void exchange_done(struct http_exchange *exchange);

#define EXCHANGE(name, method, path)                  \
    CLEANUP(exchange_done) struct http_exchange name; \
    exchange_init(&name, (method), (path))

/* Waits for the answer and gives its status. Each exchange must be answered once: 0 when it was
 * more often. */
unsigned exchange_status(struct http_exchange *exchange);

/* The answer's body as a text. */
const char *exchange_body(struct http_exchange *exchange);

#endif
