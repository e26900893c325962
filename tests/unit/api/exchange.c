#include "exchange.h"

#include "base/sha384.h"

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

void exchange_exported(const char *label, const void *context, size_t context_size, uint8_t *out,
                       size_t out_size)
{
    uint8_t digest[SHA384_SIZE];
    CLEANUP(sha384_free_ptr) struct sha384 *hash = sha384_new();
    sha384_add(hash, label, strlen(label));
    sha384_add(hash, context, context_size);
    sha384_value(hash, digest);
    assert(out_size <= sizeof(digest));
    memcpy(out, digest, out_size);
}

struct result http_exchange_export_key(const struct http_exchange *exchange, const char *label,
                                       const void *context, size_t context_size, uint8_t *out,
                                       size_t out_size)
{
    ENSURE(exchange->is_tls_1_3, REFUSED, "not a TLS 1.3 connection");
    exchange_exported(label, context, context_size, out, out_size);
    return OK;
}

struct result http_exchange_server_key(const struct http_exchange *exchange, struct buf *out)
{
    ENSURE(exchange->is_tls_1_3, REFUSED, "not a TLS connection");
    buf_append_text(out, exchange->server_key);
    return buf_check(out);
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
