#include "exchange.h"

#include <assert.h>
#include <string.h>

void exchange_init(struct http_exchange *exchange, enum http_method method, const char *path)
{
    *exchange = (struct http_exchange){ .request.method = method, .request.keep_alive = true };
    assert(strlen(path) <= HTTP_TARGET_MAX);
    memcpy(exchange->request.path, path, strlen(path) + 1);
    pthread_mutex_init(&exchange->mutex, NULL);
    pthread_cond_init(&exchange->answered, NULL);
}

void exchange_done(struct http_exchange *exchange)
{
    buf_free(&exchange->response.body);
    pthread_cond_destroy(&exchange->answered);
    pthread_mutex_destroy(&exchange->mutex);
}

unsigned exchange_status(struct http_exchange *exchange)
{
    LOCK_SCOPE(&exchange->mutex);
    while (exchange->answers == 0) {
        pthread_cond_wait(&exchange->answered, &exchange->mutex);
    }
    return exchange->answers == 1 ? exchange->response.status : 0;
}

const char *exchange_body(struct http_exchange *exchange)
{
    LOCK_SCOPE(&exchange->mutex);
    return exchange->response.body.data == NULL ? "" : exchange->response.body.data;
}

const struct http_request *http_exchange_request(const struct http_exchange *exchange)
{
    return &exchange->request;
}

uint64_t http_exchange_start_ns(const struct http_exchange *exchange)
{
    (void)exchange;
    return 0;
}

const char *http_exchange_id(const struct http_exchange *exchange)
{
    (void)exchange;
    return "test";
}

void http_respond(struct http_exchange *exchange, struct http_response *response)
{
    LOCK_SCOPE(&exchange->mutex);
    if (exchange->answers++ == 0) {
        exchange->response = *response;
    } else {
        buf_free(&response->body);
    }
    response->body = BUF_INIT(0);
    pthread_cond_broadcast(&exchange->answered);
}

struct http_server_counts http_server_counts(const struct http_server *server)
{
    (void)server;
    return (struct http_server_counts){ 0 };
}
