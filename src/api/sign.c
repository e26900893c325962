#include "api/routes.h"

#include "base/hex.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

static unsigned http_status_of(enum sign_status status)
{
    static const unsigned statuses[SIGN_STATUS_COUNT] = {
        [SIGN_OK] = 200,         [SIGN_BAD_REQUEST] = 400, [SIGN_UNAUTHORIZED] = 401,
        [SIGN_FORBIDDEN] = 403,  [SIGN_UNKNOWN_KEY] = 404, [SIGN_SLASHABLE] = 412,
        [SIGN_OVERLOADED] = 503, [SIGN_LATE] = 503,        [SIGN_STORE_FAILED] = 503,
    };
    return statuses[status];
}

/* Web3Signer's rule: JSON for application/json or a wildcard, else, and without the field, bare
 * text without a newline. Clients compare content types and lengths exactly. */
static struct http_response signature_response(const struct signature *signature,
                                               const char *accept)
{
    char hex[HEX_TEXT_SIZE(sizeof(struct signature))];
    hex_encode(signature->bytes, sizeof(signature->bytes), hex);
    if (!http_accepts(accept, "application/json", true)) {
        return http_text(200, CONTENT_TYPE_TEXT, hex);
    }
    static const char before[] = "{\"signature\":\"";
    struct http_response response = http_text(200, CONTENT_TYPE_JSON, before);
    buf_append(&response.body, hex, sizeof(hex) - 1);
    buf_append(&response.body, "\"}", 2);
    return response;
}

/* Every refusal is logged, as far as the log's rate allows: an operator must be able to see why a
 * duty was missed, whoever was wrong. */
static void log_outcome(const struct sign_answer *answer, const struct http_exchange *exchange)
{
    const struct http_request *request = http_exchange_request(exchange);
    enum log_level level = answer->status == SIGN_OK ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN;
    if (!log_enabled(level) || (level != LOG_LEVEL_DEBUG && !log_request_allowed())) {
        return;
    }
    const struct log_field fields[] = {
        LOG_TEXT("request", http_exchange_id(exchange)),
        LOG_TEXT("path", request->path),
        LOG_TEXT("status", sign_status_name(answer->status)),
        LOG_TEXT("reason", answer->reason),
        { .name = NULL },
    };
    log_write(level, answer->status == SIGN_OK ? "signed" : "not signed", fields);
}

static void on_done(const struct sign_answer *answer, void *context)
{
    struct http_exchange *exchange = context;
    log_outcome(answer, exchange);
    if (answer->status != SIGN_OK) {
        respond_error(exchange, http_status_of(answer->status), answer->reason);
        return;
    }
    struct http_response response =
        signature_response(&answer->signature, http_exchange_request(exchange)->accept);
    http_respond(exchange, &response);
}

void api_sign(struct api *api, struct http_exchange *exchange, const char *identifier)
{
    const struct http_request *request = http_exchange_request(exchange);
    const struct sign_input input = {
        .identifier = identifier,
        .body = request->body == NULL ? "" : request->body,
        .body_size = request->body_size,
        .authorization = request->authorization,
        .start_ns = http_exchange_start_ns(exchange),
        .done = on_done,
        .context = exchange,
    };
    signer_sign(api->signer, &input);
}
